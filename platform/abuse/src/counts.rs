//! Which nonce counts have been used: RFC 7616 §3.4.6 has servers keep them, so that credentials that were overheard
//! work once.
//!
//! ```text
//!   nonce ──serial──► slot of its shard's ring:  │ lap 16 │ issued 16 │ highest count 12 │ the 20 below it │
//! ```
//! Only nonces that were answered rightly take a slot; a challenge costs nothing. A slot goes to the youngest nonce that
//! wants it; who comes with an older one is given a new one (`stale=true`), which costs a phone one round trip. So what
//! is not remembered is refused, never let through. Counts may overtake each other within the window, as datagrams do.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Slots of a shard: 256 KiB. A nonce is used by the same phone again within seconds or not at all.
const SLOTS: u64 = 32_768;

/// Shards that issue nonces, at most: the upper byte of a serial number.
const SHARDS_MAX: usize = 256;

const SHARD_SHIFT: u32 = 56;
const COUNT_BITS: u32 = 12;
const WINDOW_BITS: u32 = 20;
/// The highest count of one nonce: then a phone gets a new one.
const COUNT_MAX: u32 = (1 << COUNT_BITS) - 1;

/// Made when the first nonce of its shard is used.
type Ring = Box<[AtomicU64]>;

/// The counts of all shards' nonces, shared by all of them: a phone may come back to another shard than the one that
/// challenged it.
pub(crate) struct Counts {
    rings: Box<[OnceLock<Ring>]>,
}

impl Counts {
    pub(crate) fn new(shards: usize) -> Self {
        Self { rings: (0..shards.clamp(1, SHARDS_MAX)).map(|_| OnceLock::new()).collect() }
    }

    /// Uses a count of a nonce. Whether it was there to be used.
    pub(crate) fn take(&self, serial: u64, issued_ms: u64, count: u32) -> bool {
        if count == 0 || count > COUNT_MAX {
            return false;
        }
        let number = serial & ((1 << SHARD_SHIFT) - 1);
        let ring = self.rings.get((serial >> SHARD_SHIFT) as usize);
        let Some(ring) = ring else { return false };
        let ring = ring.get_or_init(|| (0..SLOTS).map(|_| AtomicU64::new(0)).collect());
        let Some(slot) = ring.get((number % SLOTS) as usize) else { return false };
        let fresh = Used {
            lap: (number / SLOTS) as u16,
            issued: (issued_ms / 1000) as u16,
            highest: count,
            window: 1,
        };
        slot.fetch_update(Relaxed, Relaxed, |word| Used::read(word).with(fresh).map(Used::word)).is_ok()
    }
}

/// What a slot remembers.
#[derive(Clone, Copy)]
struct Used {
    /// Which of the nonces that share the slot: how often the ring had gone round.
    lap: u16,
    /// When it was issued, seconds.
    issued: u16,
    highest: u32,
    /// Bit n: the count n below the highest is used.
    window: u32,
}

impl Used {
    fn read(word: u64) -> Self {
        Self {
            lap: (word >> 48) as u16,
            issued: (word >> 32) as u16,
            highest: (word >> WINDOW_BITS) as u32 & COUNT_MAX,
            window: word as u32 & ((1 << WINDOW_BITS) - 1),
        }
    }

    fn word(self) -> u64 {
        u64::from(self.lap) << 48
            | u64::from(self.issued) << 32
            | u64::from(self.highest) << WINDOW_BITS
            | u64::from(self.window)
    }

    /// With one more use; `None`: that is used, or nobody knows any more.
    fn with(self, new: Self) -> Option<Self> {
        if self.highest == 0 || new.is_younger_than(self) {
            return Some(new);
        }
        if (self.lap, self.issued) != (new.lap, new.issued) {
            return None;
        }
        if new.highest > self.highest {
            let window = self.window.checked_shl(new.highest - self.highest).unwrap_or(0);
            return Some(Self {
                highest: new.highest,
                window: window & ((1 << WINDOW_BITS) - 1) | 1,
                ..self
            });
        }
        let bit = 1u32.checked_shl(self.highest - new.highest).filter(|bit| *bit < 1 << WINDOW_BITS)?;
        (self.window & bit == 0).then_some(Self { window: self.window | bit, ..self })
    }

    /// Both turn over: what matters lies within the life of a nonce, and the rest is too old to be asked for.
    fn is_younger_than(self, other: Self) -> bool {
        match self.issued.wrapping_sub(other.issued) as i16 {
            0 => (self.lap.wrapping_sub(other.lap) as i16) > 0,
            later => later > 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_795_248_903_123;

    /// RFC 7616 §3.4.6, RFC 3261 §22.4 point 8
    #[test]
    fn a_count_is_good_once() {
        let counts = Counts::new(1);
        assert!(counts.take(7, NOW_MS, 1));
        assert!(!counts.take(7, NOW_MS, 1), "what was overheard");
        assert!(counts.take(7, NOW_MS, 2));
        assert!(!counts.take(7, NOW_MS, 1) && !counts.take(7, NOW_MS, 2));
        assert!(counts.take(8, NOW_MS, 1), "another nonce");
    }

    #[test]
    fn counts_may_overtake_each_other() {
        let counts = Counts::new(1);
        for count in [1, 5, 3, 2, 4, 24] {
            assert!(counts.take(7, NOW_MS, count), "{count}");
            assert!(!counts.take(7, NOW_MS, count), "{count} again");
        }
        assert!(counts.take(7, NOW_MS, 6), "19 behind");
        assert!(!counts.take(7, NOW_MS, 4), "used, and too far behind to be known");
        assert!(counts.take(7, NOW_MS, 4_095));
        assert!(!counts.take(7, NOW_MS, 4_096), "a new one, please");
        assert!(!counts.take(7, NOW_MS, 0) && !counts.take(7, NOW_MS, u32::MAX));
    }

    #[test]
    fn a_younger_nonce_takes_the_slot_and_an_older_one_is_not_let_in() {
        let counts = Counts::new(1);
        assert!(counts.take(7, NOW_MS, 1));
        assert!(counts.take(7 + SLOTS, NOW_MS + 2_000, 1));
        assert!(!counts.take(7, NOW_MS, 2), "nobody knows any more");
        assert!(counts.take(7 + 2 * SLOTS, NOW_MS + 2_000, 1), "within the same second");
        assert!(!counts.take(7 + SLOTS, NOW_MS + 2_000, 2));
    }

    #[test]
    fn after_a_restart_numbers_begin_anew_and_time_goes_on() {
        let counts = Counts::new(1);
        assert!(counts.take(7 + 900 * SLOTS, NOW_MS, 1), "of the life before");
        assert!(counts.take(7, NOW_MS + 5_000, 1));
        assert!(counts.take(7, NOW_MS + 5_000, 2));
    }

    #[test]
    fn the_turn_of_the_seconds_is_nothing() {
        let counts = Counts::new(1);
        let turn_ms = 65_536_000 * 27_393;
        assert!(counts.take(7, turn_ms - 1_000, 1));
        assert!(counts.take(7 + SLOTS, turn_ms + 1_000, 1));
        assert!(!counts.take(7, turn_ms - 1_000, 2));
    }

    #[test]
    fn each_shard_has_its_own_nonces() {
        let counts = Counts::new(2);
        assert!(counts.take(7, NOW_MS, 1));
        assert!(counts.take(1 << SHARD_SHIFT | 7, NOW_MS, 1));
        assert!(!counts.take(2 << SHARD_SHIFT | 7, NOW_MS, 1), "there is no such shard");
    }
}
