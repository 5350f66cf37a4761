//! Which nonce counts have been used: RFC 7616 §3.4.6 has servers keep them, so that credentials that were overheard
//! work once.
//!
//! ```text
//!   nonce ──serial──► slot of its shard's ring:  │ issued 28 │ lap 4 │ highest count 12 │ the 20 below it │
//! ```
//! Only nonces that were answered rightly take a slot; a challenge costs nothing. A slot goes to the youngest nonce that
//! wants it; who comes with an older one is given a new one (`stale=true`), which costs a phone one round trip. So what
//! is not remembered is refused, never let through. What was issued longer ago than a nonce lives, or that far in the future by a
//! clock that has been set right since, is asked for by nobody: its slot is free. Counts may overtake each other within the window, as datagrams do.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Slots of a shard: 256 KiB. A nonce is used by the same phone again within seconds or not at all.
const SLOTS: u64 = 32_768;

/// Shards that issue nonces, at most: the upper byte of a serial number.
const SHARDS_MAX: usize = 256;

const SHARD_SHIFT: u32 = 56;
/// Seconds turn over after eight years.
const ISSUED_BITS: u32 = 28;
/// Within one second the ring does not go round so often.
const LAP_BITS: u32 = 4;
const COUNT_BITS: u32 = 12;
const WINDOW_BITS: u32 = 20;
const _: () = assert!(ISSUED_BITS + LAP_BITS + COUNT_BITS + WINDOW_BITS == u64::BITS);
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

    /// Uses a count of a nonce; all nonces live so long. Whether it was there to be used.
    pub(crate) fn take(&self, serial: u64, issued_ms: u64, count: u32, lifetime_ms: u64) -> bool {
        if count == 0 || count > COUNT_MAX {
            return false;
        }
        let number = serial & ((1 << SHARD_SHIFT) - 1);
        let ring = self.rings.get((serial >> SHARD_SHIFT) as usize);
        let Some(ring) = ring else { return false };
        let ring = ring.get_or_init(|| (0..SLOTS).map(|_| AtomicU64::new(0)).collect());
        let Some(slot) = ring.get((number % SLOTS) as usize) else { return false };
        let fresh = Used {
            issued: (issued_ms / 1000) as u32 & ISSUED_MASK,
            lap: (number / SLOTS) as u32 & LAP_MASK,
            highest: count,
            window: 1,
        };
        let lifetime_s = (lifetime_ms / 1000) as u32;
        let uses = |word| Used::read(word).with(fresh, lifetime_s).map(Used::word);
        slot.fetch_update(Relaxed, Relaxed, uses).is_ok()
    }
}

const ISSUED_MASK: u32 = (1 << ISSUED_BITS) - 1;
const LAP_MASK: u32 = (1 << LAP_BITS) - 1;
const WINDOW_MASK: u32 = (1 << WINDOW_BITS) - 1;

/// What a slot remembers.
#[derive(Clone, Copy)]
struct Used {
    /// When it was issued, seconds.
    issued: u32,
    /// Which of the nonces of that second that share the slot: how often the ring had gone round.
    lap: u32,
    highest: u32,
    /// Bit n: the count n below the highest is used.
    window: u32,
}

impl Used {
    fn read(word: u64) -> Self {
        let upper = (word >> 32) as u32;
        Self {
            issued: upper >> LAP_BITS,
            lap: upper & LAP_MASK,
            highest: (word >> WINDOW_BITS) as u32 & COUNT_MAX,
            window: word as u32 & WINDOW_MASK,
        }
    }

    fn word(self) -> u64 {
        u64::from(self.issued << LAP_BITS | self.lap) << 32
            | u64::from(self.highest) << WINDOW_BITS
            | u64::from(self.window)
    }

    /// With one more use; `None`: that is used, or nobody knows any more.
    fn with(self, new: Self, lifetime_s: u32) -> Option<Self> {
        if self.highest == 0 {
            return Some(new);
        }
        // Both turn over.
        let later_s = signed::<ISSUED_BITS>(new.issued.wrapping_sub(self.issued));
        let later_laps = signed::<LAP_BITS>(new.lap.wrapping_sub(self.lap));
        if later_s.unsigned_abs() > lifetime_s || (later_s, later_laps) > (0, 0) {
            return Some(new);
        }
        if (later_s, later_laps) != (0, 0) {
            return None;
        }
        if new.highest > self.highest {
            let window = self.window.checked_shl(new.highest - self.highest).unwrap_or(0);
            return Some(Self { highest: new.highest, window: window & WINDOW_MASK | 1, ..self });
        }
        let bit = 1u32.checked_shl(self.highest - new.highest).filter(|bit| *bit < 1 << WINDOW_BITS)?;
        (self.window & bit == 0).then_some(Self { window: self.window | bit, ..self })
    }
}

/// The lowest bits as a number with a sign.
fn signed<const BITS: u32>(number: u32) -> i32 {
    (number << (u32::BITS - BITS)) as i32 >> (u32::BITS - BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_795_248_903_123;

    fn take(counts: &Counts, serial: u64, issued_ms: u64, count: u32) -> bool {
        counts.take(serial, issued_ms, count, 300_000)
    }

    /// RFC 7616 §3.4.6, RFC 3261 §22.4 point 8
    #[test]
    fn a_count_is_good_once() {
        let counts = Counts::new(1);
        assert!(take(&counts, 7, NOW_MS, 1));
        assert!(!take(&counts, 7, NOW_MS, 1), "what was overheard");
        assert!(take(&counts, 7, NOW_MS, 2));
        assert!(!take(&counts, 7, NOW_MS, 1) && !take(&counts, 7, NOW_MS, 2));
        assert!(take(&counts, 8, NOW_MS, 1), "another nonce");
    }

    #[test]
    fn counts_may_overtake_each_other() {
        let counts = Counts::new(1);
        for count in [1, 5, 3, 2, 4, 24] {
            assert!(take(&counts, 7, NOW_MS, count), "{count}");
            assert!(!take(&counts, 7, NOW_MS, count), "{count} again");
        }
        assert!(take(&counts, 7, NOW_MS, 6), "19 behind");
        assert!(!take(&counts, 7, NOW_MS, 4), "used, and too far behind to be known");
        assert!(take(&counts, 7, NOW_MS, 4_095));
        assert!(!take(&counts, 7, NOW_MS, 4_096), "a new one, please");
        assert!(!take(&counts, 7, NOW_MS, 0) && !take(&counts, 7, NOW_MS, u32::MAX));
    }

    #[test]
    fn a_younger_nonce_takes_the_slot_and_an_older_one_is_not_let_in() {
        let counts = Counts::new(1);
        assert!(take(&counts, 7, NOW_MS, 1));
        assert!(take(&counts, 7 + SLOTS, NOW_MS + 2_000, 1));
        assert!(!take(&counts, 7, NOW_MS, 2), "nobody knows any more");
        assert!(take(&counts, 7 + 2 * SLOTS, NOW_MS + 2_000, 1), "within the same second");
        assert!(!take(&counts, 7 + SLOTS, NOW_MS + 2_000, 2));
    }

    #[test]
    fn after_a_restart_numbers_begin_anew_and_time_goes_on() {
        let counts = Counts::new(1);
        assert!(take(&counts, 7 + 900 * SLOTS, NOW_MS, 1), "of the life before");
        assert!(take(&counts, 7, NOW_MS + 5_000, 1));
        assert!(take(&counts, 7, NOW_MS + 5_000, 2));
    }

    #[test]
    fn the_turn_of_the_seconds_is_nothing() {
        let counts = Counts::new(1);
        let turn_ms = (1 << ISSUED_BITS) * 1_000 * 7;
        assert!(take(&counts, 7, turn_ms - 1_000, 1));
        assert!(take(&counts, 7 + SLOTS, turn_ms + 1_000, 1));
        assert!(!take(&counts, 7, turn_ms - 1_000, 2));
    }

    #[test]
    fn a_slot_that_was_not_used_for_long_is_free() {
        for idle_s in (1..120).map(|n| n * 1_000).chain([65_236, 65_536, 65_537, 86_400 * 400, 1 << 27]) {
            let counts = Counts::new(1);
            assert!(take(&counts, 7, NOW_MS, 1));
            assert!(take(&counts, 7 + SLOTS, NOW_MS + idle_s * 1_000, 1), "after {idle_s} s");
        }
    }

    #[test]
    fn a_clock_that_was_ahead_and_is_set_right_shuts_nobody_out() {
        let counts = Counts::new(1);
        assert!(take(&counts, 7, NOW_MS + 86_400_000, 1));
        assert!(take(&counts, 7 + SLOTS, NOW_MS, 1));
    }

    #[test]
    fn each_shard_has_its_own_nonces() {
        let counts = Counts::new(2);
        assert!(take(&counts, 7, NOW_MS, 1));
        assert!(take(&counts, 1 << SHARD_SHIFT | 7, NOW_MS, 1));
        assert!(!take(&counts, 2 << SHARD_SHIFT | 7, NOW_MS, 1), "there is no such shard");
    }
}
