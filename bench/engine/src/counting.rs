//! An allocator that counts: the fast path must not allocate, and this is how it is seen.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The server's allocator, counted.
pub(crate) struct Counting(mimalloc::MiMalloc);

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

impl Counting {
    pub(crate) const fn new() -> Self {
        Self(mimalloc::MiMalloc)
    }

    /// How often memory was asked for since the start, growing included.
    pub(crate) fn allocations() -> u64 {
        ALLOCATIONS.load(Relaxed)
    }
}

// SAFETY: every call goes to the wrapped allocator unchanged; counting touches no memory of theirs.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller keeps the contract, we pass it on.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract, we pass it on.
        unsafe { self.0.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller keeps the contract, we pass it on.
        unsafe { self.0.realloc(pointer, layout, size) }
    }
}
