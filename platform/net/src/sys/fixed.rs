//! A heap array that stays where it is, so that headers handed to the kernel may point into it between calls.

use std::ptr::NonNull;

/// Reached through one raw pointer only: no reference to the whole is ever made, so the kernel's writes are never
/// behind the compiler's back.
pub(super) struct Fixed<T> {
    start: NonNull<T>,
    len: usize,
}

impl<T: Copy> Fixed<T> {
    /// Zeroes are not written but asked of the kernel: untouched pages cost nothing.
    pub(super) fn filled(len: usize, value: T) -> Self {
        let start = NonNull::from(Box::leak(vec![value; len].into_boxed_slice())).cast();
        Self { start, len }
    }

    /// The element at `index`; panics beyond the end.
    pub(super) fn at(&self, index: usize) -> *mut T {
        assert!(index < self.len, "index {index} of {}", self.len);
        // SAFETY: the index is within the one allocation that `start` begins.
        unsafe { self.start.as_ptr().add(index) }
    }
}

impl<T> Drop for Fixed<T> {
    fn drop(&mut self) {
        let whole = NonNull::slice_from_raw_parts(self.start, self.len);
        // SAFETY: made by `Box::leak` from a box of exactly this length, and freed only here.
        drop(unsafe { Box::from_raw(whole.as_ptr()) });
    }
}
