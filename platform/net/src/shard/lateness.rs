//! How late the loop is at one socket: how long its oldest datagram had waited while a whole batch was there. Of a batch
//! that is not full nothing waits any more, however long its datagrams did.
//!
//! A queue that is nearly full counts as a long wait, however fast it is emptied: what finds no room there waits for ever.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// From this fill on, thousandths of the queue's bound, each [`PER_MS`] more count as a millisecond.
const FILLED_PERMILLE: u16 = 250;
const PER_MS: u16 = 5;

/// The fill is asked for after so many full batches: every half millisecond at most, and an answer costs a third of a
/// microsecond.
const BATCHES_PER_LOOK: u32 = 4;

/// Where it was too much, it is asked for again after this: a batch may take longer, and what was too full is empty soon.
const ASK_AGAIN_AFTER: Duration = Duration::from_micros(500);

/// Of one socket.
#[derive(Default)]
pub(super) struct Lateness {
    /// How long the oldest datagram had waited, and what the fill counts as since it was last asked for.
    waited_ms: u32,
    filled_ms: u32,
    /// When that was, as time since the Unix epoch.
    asked: Duration,
    full_batches: u32,
}

impl Lateness {
    /// A full batch has begun with a datagram that came then, as time since the Unix epoch; `fill_permille` asks how full
    /// the queue is. What it says holds until it is asked again: the shortest wait is what counts in the end.
    pub(super) fn note_full(&mut self, arrived: Option<Duration>, fill_permille: impl FnOnce() -> u16) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // A clock that was set back makes none.
        let waited = arrived.map_or(Duration::ZERO, |arrived| now.saturating_sub(arrived));
        self.waited_ms = u32::try_from(waited.as_millis()).unwrap_or(u32::MAX);
        self.full_batches = self.full_batches.wrapping_add(1);
        let is_due = match self.filled_ms {
            0 => self.full_batches.is_multiple_of(BATCHES_PER_LOOK),
            _ => now.abs_diff(self.asked) >= ASK_AGAIN_AFTER,
        };
        if is_due {
            self.asked = now;
            self.filled_ms = (fill_permille().saturating_sub(FILLED_PERMILLE) / PER_MS).into();
        }
    }

    /// Nothing waits there.
    pub(super) fn note_empty(&mut self) {
        (self.waited_ms, self.filled_ms) = (0, 0);
    }

    /// How long, ms.
    pub(super) fn waited_ms(&self) -> u32 {
        self.waited_ms.max(self.filled_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ago(ms: u64) -> Option<Duration> {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().checked_sub(Duration::from_millis(ms))
    }

    #[test]
    fn the_wait_is_that_of_the_last_full_batch() {
        let mut lateness = Lateness::default();
        lateness.note_full(ago(900), || 0);
        assert!((900..2_000).contains(&lateness.waited_ms()));
        lateness.note_full(ago(3), || 0);
        assert!((3..500).contains(&lateness.waited_ms()));
        lateness.note_empty();
        assert_eq!(lateness.waited_ms(), 0);
    }

    #[test]
    fn what_comes_from_the_future_has_not_waited() {
        let mut lateness = Lateness::default();
        lateness.note_full(ago(0).map(|now| now + Duration::from_secs(3_600)), || 0);
        lateness.note_full(None, || 0);
        assert_eq!(lateness.waited_ms(), 0);
    }

    /// A small buffer is full after a millisecond, and that is too much all the same.
    #[test]
    fn a_full_queue_is_a_long_wait() {
        for (fill_permille, at_least_ms) in [(1_000, 150), (500, 50), (200, 0)] {
            let mut lateness = Lateness::default();
            (1..BATCHES_PER_LOOK).for_each(|_| lateness.note_full(ago(0), || fill_permille));
            for _ in 0..20 {
                lateness.note_full(ago(0), || fill_permille);
                assert!((at_least_ms..at_least_ms + 100).contains(&lateness.waited_ms()), "{fill_permille}");
            }
            lateness.note_empty();
            assert_eq!(lateness.waited_ms(), 0);
        }
    }

    /// Where a batch takes long, a queue that was too full is looked at with each.
    #[test]
    fn what_was_too_full_is_looked_at_again() {
        let mut lateness = Lateness::default();
        (0..BATCHES_PER_LOOK).for_each(|_| lateness.note_full(ago(0), || 1_000));
        assert!(lateness.waited_ms() >= 150);
        lateness.asked -= ASK_AGAIN_AFTER;
        lateness.note_full(ago(0), || 200);
        assert!(lateness.waited_ms() < 100);
        lateness.note_full(ago(0), || panic!("one of four"));
    }
}
