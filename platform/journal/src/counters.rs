//! How often each kind of event happened.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::event::EventKind;

/// A counter for each kind of event. One thread counts, any may read.
///
/// Because there is one writer (the [`crate::Journal`] that made it), counting is a load and a store, no
/// read-modify-write that would lock the cache line. Cache lines of two shards do not touch.
#[derive(Debug)]
#[repr(align(128))]
pub struct Counters {
    per_kind: [AtomicU64; EventKind::ALL.len()],
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self { per_kind: [const { AtomicU64::new(0) }; EventKind::ALL.len()] }
    }

    /// Adds one. Only the owning journal may call this.
    #[inline]
    pub(crate) fn add(&self, kind: EventKind) {
        let counter = &self.per_kind[kind as usize];
        counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// How often this kind happened, logged or not.
    pub fn of(&self, kind: EventKind) -> u64 {
        self.per_kind[kind as usize].load(Relaxed)
    }

    /// The counter of the kind with this name.
    pub fn by_name(&self, name: &str) -> Option<u64> {
        EventKind::ALL.iter().find(|kind| kind.name() == name).map(|kind| self.of(*kind))
    }

    /// Every kind with its counter, in the order of the manual.
    pub fn iter(&self) -> impl Iterator<Item = (EventKind, u64)> + '_ {
        EventKind::ALL.iter().map(|kind| (*kind, self.of(*kind)))
    }
}
