//! Who has messages waiting, as shards see it: they ask at each registration, and must not wait for an answer.
//!
//! Counters by hash of the address-of-record. Where one is not 0 somebody of that hash has mail; who is asked in vain
//! says so. While nothing waits for anybody the question costs one load.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// Counters. With a thousand recipients one registration in sixteen of somebody else asks in vain.
const SIGNS: usize = 1 << 14;

#[derive(Debug)]
pub(crate) struct Signs {
    messages: AtomicU32,
    /// Made for the first message.
    slots: OnceLock<Box<[AtomicU32]>>,
    hasher: RandomState,
}

impl Signs {
    pub(crate) fn new() -> Self {
        Self { messages: AtomicU32::new(0), slots: OnceLock::new(), hasher: RandomState::new() }
    }

    #[inline]
    pub(crate) fn has(&self, aor: &[u8]) -> bool {
        self.messages.load(Relaxed) > 0 && self.slot(aor).is_some_and(|slot| slot.load(Relaxed) > 0)
    }

    /// Only the keeper changes them.
    pub(crate) fn add(&self, aor: &[u8]) {
        self.slots.get_or_init(|| (0..SIGNS).map(|_| AtomicU32::new(0)).collect());
        self.messages.fetch_add(1, Relaxed);
        if let Some(slot) = self.slot(aor) {
            slot.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn take(&self, aor: &[u8], messages: u32) {
        self.messages.fetch_sub(messages, Relaxed);
        if let Some(slot) = self.slot(aor) {
            slot.fetch_sub(messages, Relaxed);
        }
    }

    fn slot(&self, aor: &[u8]) -> Option<&AtomicU32> {
        self.slots.get()?.get(self.hasher.hash_one(aor) as usize % SIGNS)
    }
}
