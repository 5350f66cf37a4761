//! Via values of strangers: no panic; with `received` and `rport` filled in it is a Via again, with the same branch.

#![no_main]

#[allow(dead_code, reason = "each target asks for a part of it")]
#[path = "../../protocol/sip/tests/touch/mod.rs"]
mod touch;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| touch::via(value));
