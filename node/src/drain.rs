//! A polite stop: new requests are turned away while those at work are finished.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Shared by the shards and by whoever stops the server. Each shard writes only its own number.
#[derive(Debug)]
pub struct Drain {
    asked: AtomicBool,
    at_work: Box<[AtomicU64]>,
}

impl Drain {
    /// For this many shards.
    pub fn new(shards: usize) -> Self {
        Self { asked: AtomicBool::new(false), at_work: (0..shards).map(|_| AtomicU64::new(0)).collect() }
    }

    /// From now on requests that begin something new are answered 503.
    pub fn ask(&self) {
        self.asked.store(true, Relaxed);
    }

    /// Whether that is so.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Relaxed)
    }

    /// How many requests wait for their final response.
    pub fn at_work(&self) -> u64 {
        self.at_work.iter().map(|n| n.load(Relaxed)).sum()
    }

    pub(crate) fn tell(&self, shard: u8, at_work: u64) {
        if let Some(mine) = self.at_work.get(usize::from(shard)) {
            mine.store(at_work, Relaxed);
        }
    }
}
