//! A table of a fixed size that all shards read and write without waiting.
//!
//! ```text
//!   key ──keyed hash──► bucket: 8 keys, one cache line        values lie apart: who is not listed costs one line
//! ```
//! Nobody can choose whom he shares a bucket with. When a bucket is full, whoever is worth least gives way. A slot is
//! taken by exchanging its key for a mark; who loses that race does without: its cause comes again.
//!
//! Memory is asked for when there is something to put in: a server whom nobody troubles has none.

use std::hash::Hasher;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use siphasher::sip::SipHasher13;

const WAYS: usize = 8;

/// No key.
const EMPTY: u64 = 0;
/// Somebody is writing here.
const BUSY: u64 = u64::MAX;

/// What a slot holds beside its key.
pub(crate) trait Entry: Default {
    /// As new, for another key.
    fn wipe(&self);
}

pub(crate) struct Slots<T> {
    buckets: usize,
    table: OnceLock<Table<T>>,
    hash_key: [u8; 16],
}

struct Table<T> {
    keys: Box<[Keys]>,
    values: Box<[T]>,
}

#[derive(Default)]
#[repr(align(64))]
struct Keys([AtomicU64; WAYS]);

impl<T: Entry> Slots<T> {
    /// For `entries` keys, a power of two.
    pub(crate) fn new(entries: usize, hash_key: [u8; 16]) -> Self {
        Self { buckets: (entries / WAYS).next_power_of_two(), table: OnceLock::new(), hash_key }
    }

    /// What is held under a key.
    pub(crate) fn find(&self, key: u64) -> Option<&T> {
        let (bucket, table) = (self.bucket(key), self.table.get()?);
        let way = table.keys.get(bucket)?.0.iter().position(|held| held.load(Acquire) == key)?;
        table.values.get(bucket * WAYS + way)
    }

    /// The same; where there is nothing yet, room is made. `None`: somebody else is making room at this moment.
    pub(crate) fn claim(&self, key: u64, worth: impl Fn(&T) -> u64) -> Option<&T> {
        if let Some(found) = self.find(key) {
            return Some(found);
        }
        let (bucket, table) = (self.bucket(key), self.table.get_or_init(|| Table::new(self.buckets)));
        let keys = &table.keys.get(bucket)?.0;
        let worth_of = |way: usize, held: u64| match held {
            EMPTY => 0,
            BUSY => u64::MAX,
            _ => table.values.get(bucket * WAYS + way).map_or(u64::MAX, &worth).max(1),
        };
        // Who was judged is who gives way: somebody else may have come into the slot meanwhile.
        let judged = keys.iter().map(|held| held.load(Acquire)).enumerate();
        let (way, before) = judged.min_by_key(|&(way, held)| worth_of(way, held))?;
        if before == BUSY || keys[way].compare_exchange(before, BUSY, AcqRel, Relaxed).is_err() {
            return None;
        }
        let value = table.values.get(bucket * WAYS + way)?;
        value.wipe();
        keys[way].store(key, Release);
        Some(value)
    }

    /// Every key with its value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        let table = self.table.get();
        let keys = table.into_iter().flat_map(|table| &table.keys).flat_map(|bucket| &bucket.0);
        let values = table.into_iter().flat_map(|table| &table.values);
        keys.map(|key| key.load(Acquire)).zip(values).filter(|(key, _)| *key != EMPTY && *key != BUSY)
    }

    fn bucket(&self, key: u64) -> usize {
        hash(&self.hash_key, key) as usize & (self.buckets - 1)
    }
}

impl<T: Entry> Table<T> {
    fn new(buckets: usize) -> Self {
        Self {
            keys: (0..buckets).map(|_| Keys::default()).collect(),
            values: (0..buckets * WAYS).map(|_| T::default()).collect(),
        }
    }
}

/// A keyed hash of a number.
pub(crate) fn hash(hash_key: &[u8; 16], number: u64) -> u64 {
    let mut hasher = SipHasher13::new_with_key(hash_key);
    hasher.write_u64(number);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Count(AtomicU64);

    impl Entry for Count {
        fn wipe(&self) {
            self.0.store(0, Relaxed);
        }
    }

    fn worth(count: &Count) -> u64 {
        count.0.load(Relaxed)
    }

    #[test]
    fn what_was_put_is_found() {
        let slots = Slots::<Count>::new(64, [7; 16]);
        assert!(slots.find(5).is_none());
        slots.claim(5, worth).unwrap().0.store(50, Relaxed);
        assert_eq!(worth(slots.find(5).unwrap()), 50);
        assert_eq!(worth(slots.claim(5, worth).unwrap()), 50, "claimed twice, it is the same");
        assert_eq!(slots.iter().map(|(key, _)| key).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn the_least_worth_gives_way_and_the_table_does_not_grow() {
        let slots = Slots::<Count>::new(8, [7; 16]);
        for key in 1..=8 {
            slots.claim(key, worth).unwrap().0.store(key * 10, Relaxed);
        }
        assert_eq!(worth(slots.claim(9, worth).unwrap()), 0);
        assert!(slots.find(1).is_none());
        assert!((2..=9).all(|key| slots.find(key).is_some()));
        assert!((10..10_000).all(|key| slots.claim(key, worth).is_some()));
        assert_eq!(slots.iter().count(), 8);
    }

    #[test]
    fn threads_do_not_lose_what_the_others_put() {
        let slots = Slots::<Count>::new(4_096, [7; 16]);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let slots = &slots;
                scope.spawn(move || {
                    for key in 1..=200 {
                        while slots.claim(thread * 1_000 + key, worth).is_none() {}
                    }
                });
            }
        });
        assert_eq!(slots.iter().count(), 800);
    }
}
