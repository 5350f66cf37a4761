//! How a fuzz target is declared. It is an ordinary function, which the tests run on its seeds and on what chance makes of
//! them (`targets/main.rs`); with the feature `libfuzzer` it is a program of LLVM's fuzzer too.

#[cfg(feature = "libfuzzer")]
#[doc(hidden)]
pub use libfuzzer_sys;

/// Declares the target of a file: what is done with any bytes at all, and what must hold then.
#[macro_export]
macro_rules! fuzz_target {
    (|$input:ident: &[u8]| $body:expr) => {
        pub(crate) fn fuzz($input: &[u8]) {
            $body
        }

        #[cfg(feature = "libfuzzer")]
        $crate::libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz(input));
    };
}
