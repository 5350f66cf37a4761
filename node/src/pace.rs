//! How often the same may happen: answers to a source that has proved nothing, and a request that its sender repeats
//! without pause.
//!
//! A table of a shard's own: keyed hashes with a count for the interval they are in. It does not grow; when a bucket is
//! full, the entry of the oldest interval gives way, and whom it was of is counted anew.

/// Entries that share a bucket.
const WAYS: usize = 4;

/// Buckets: 32 KiB in all, for as many senders at a time as are worth telling apart.
const BUCKETS: usize = 512;

pub(crate) struct Pace {
    entries: Box<[[Entry; WAYS]; BUCKETS]>,
}

/// So often in this interval. Which interval it is, is the caller's; those of one key have one length.
#[derive(Clone, Copy, Default)]
struct Entry {
    tag: u64,
    interval: u32,
    count: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { entries: Box::new([[Entry::default(); WAYS]; BUCKETS]) }
    }
}

impl Pace {
    /// Counts one more of `hash` (keyed, so that nobody chooses whom he shares a bucket with). Whether that is no more than
    /// `most` within `interval_ms`.
    pub(crate) fn allows(&mut self, now_ms: u64, hash: u64, interval_ms: u64, most: u32) -> bool {
        let interval = (now_ms / interval_ms.max(1)) as u32;
        let Some(bucket) = self.entries.get_mut(hash as usize % BUCKETS) else { return true };
        let entry = match bucket.iter_mut().position(|entry| entry.tag == hash) {
            Some(way) => &mut bucket[way],
            None => {
                let oldest =
                    (0..WAYS).max_by_key(|way| interval.wrapping_sub(bucket[*way].interval)).unwrap_or(0);
                bucket[oldest] = Entry { tag: hash, interval, count: 0 };
                &mut bucket[oldest]
            }
        };
        if entry.interval != interval {
            (entry.interval, entry.count) = (interval, 0);
        }
        entry.count = entry.count.saturating_add(1);
        entry.count <= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_in_an_interval() {
        let mut pace = Pace::default();
        let heard = |pace: &mut Pace, now_ms| (0..100).filter(|_| pace.allows(now_ms, 7, 1_000, 10)).count();
        assert_eq!(heard(&mut pace, 5_000), 10);
        assert_eq!(heard(&mut pace, 5_999), 0);
        assert_eq!(heard(&mut pace, 6_000), 10);
        assert!(pace.allows(6_000, 8, 1_000, 10), "somebody else");
    }

    #[test]
    fn a_full_bucket_forgets_the_oldest() {
        let mut pace = Pace::default();
        let key = |n: u64| 7 + n * BUCKETS as u64;
        (0..5).for_each(|n| assert!(pace.allows(n * 1_000, key(n), 1_000, 1)));
        assert!(!pace.allows(4_000, key(4), 1_000, 1));
        assert!(!pace.allows(4_000, key(4), 1_000, 1), "counted on");
        assert!(pace.allows(4_000, key(0), 1_000, 1), "forgotten");
    }
}
