//! The timers of one transaction: what times it waits for. The entries in the queue are only reminders.
//!
//! A timer that is moved to a later time keeps the reminder it has and gets a new one when that fires: a Timer C that
//! each 180 pushes back (RFC 3261 §16.7 step 2) does not fill the queue.

use std::num::NonZeroU32;

use crate::timers::{Delay, Entry, Fate, TimerQueue};
use crate::{ClientId, ServerId, Set, SlotId, TransactionId};

/// A transaction has three timers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Timers A, E, G.
    Resend = 0,
    /// Timers B, D, F, H, I, J, K, L, M: never two of them at once.
    End = 1,
    /// The user's.
    User = 2,
}

/// Whose timer; in the queue generation, slot, side and kind are one number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Owner {
    pub(crate) id: TransactionId,
    pub(crate) kind: Kind,
}

/// The three timers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deadlines([Deadline; 3]);

/// A time as the low 30 bits of the clock, and two flags: three of them in 12 bytes of each record.
#[derive(Clone, Copy, Debug, Default)]
struct Deadline(u32);

/// The longest delay of a timer, about six days: half of what 30 bits of milliseconds tell apart.
pub const DELAY_MAX_MS: u32 = FORWARD_MS_MAX - LINGER_GRAIN_MS;

/// How much later than due the end of a finished transaction may be: one wake-up for all that end within it.
/// Sixteen wake-ups a second cost nothing; the memory kept longer is a five-hundredth.
pub const LINGER_GRAIN_MS: u32 = 64;

impl Owner {
    fn entry(self, at_ms: u64) -> Entry {
        let (SlotId { slot, generation }, side) = match self.id {
            TransactionId::Client(ClientId(slot)) => (slot, 0),
            TransactionId::Server(ServerId(slot)) => (slot, 1),
        };
        let low = slot << 3 | side << 2 | self.kind as u32;
        Entry { at_ms, owner: u64::from(generation.get()) << 32 | u64::from(low) }
    }

    pub(crate) fn of(entry: &Entry) -> Option<Self> {
        let low = entry.owner as u32;
        let slot = SlotId { slot: low >> 3, generation: NonZeroU32::new((entry.owner >> 32) as u32)? };
        let kind = match low & 3 {
            0 => Kind::Resend,
            1 => Kind::End,
            _ => Kind::User,
        };
        let server = low >> 2 & 1 == 1;
        let id = if server { ServerId(slot).into() } else { ClientId(slot).into() };
        Some(Self { id, kind })
    }
}

impl Set {
    /// The delay asked for, if the timer is set at all.
    pub(crate) fn delay(self) -> Option<Delay> {
        match self {
            Self::Keep | Self::Stop => None,
            Self::After(after_ms) | Self::Linger(after_ms @ 0) => Some(Delay::exact(after_ms)),
            Self::Linger(after_ms) => Some(Delay { after_ms, grain_ms: LINGER_GRAIN_MS }),
        }
    }
}

impl Deadlines {
    /// Does to a timer what a machine asked for.
    pub(crate) fn apply(&mut self, timers: &mut TimerQueue, now_ms: u64, owner: Owner, set: Set) {
        if let Some(delay) = set.delay() {
            self.set(timers, now_ms, owner, delay);
        } else if set == Set::Stop {
            self.stop(owner.kind);
        }
    }

    pub(crate) fn set(&mut self, timers: &mut TimerQueue, now_ms: u64, owner: Owner, delay: Delay) {
        let delay = Delay { after_ms: delay.after_ms.min(DELAY_MAX_MS), ..delay };
        let at_ms = timers.time_of(now_ms, delay);
        let deadline = self.of(owner.kind);
        let reminded = deadline.is_reminded() && deadline.until(at_ms).is_some();
        *deadline = Deadline(at_ms as u32 & TIME_BITS | ARMED | REMINDED);
        if !reminded {
            timers.push(delay, owner.entry(at_ms));
        }
    }

    pub(crate) fn stop(&mut self, kind: Kind) {
        self.of(kind).0 &= !ARMED;
    }

    /// The entry has fired or is about to: `Stay` means that its time is the one waited for.
    pub(crate) fn fate(&mut self, kind: Kind, at_ms: u64) -> Fate {
        let deadline = self.of(kind);
        if !deadline.is_armed() {
            deadline.0 &= !REMINDED;
            return Fate::Drop;
        }
        match deadline.since(at_ms) {
            Some(0) => Fate::Stay,
            Some(later_ms) => Fate::Move(at_ms.saturating_add(u64::from(later_ms))),
            None => Fate::Drop,
        }
    }

    /// The timer has fired: nothing is waited for any more.
    pub(crate) fn fired(&mut self, kind: Kind) {
        *self.of(kind) = Deadline::default();
    }

    fn of(&mut self, kind: Kind) -> &mut Deadline {
        let [resend, end, user] = &mut self.0;
        match kind {
            Kind::Resend => resend,
            Kind::End => end,
            Kind::User => user,
        }
    }
}

impl Deadline {
    fn is_armed(self) -> bool {
        self.0 & ARMED != 0
    }

    /// Whether there is an entry in the queue that is not later than this time.
    fn is_reminded(self) -> bool {
        self.0 & REMINDED != 0
    }

    /// How much later than this deadline `at_ms` is, if it is not earlier.
    fn until(self, at_ms: u64) -> Option<u32> {
        forward((at_ms as u32).wrapping_sub(self.0))
    }

    /// How much later than `at_ms` this deadline is, if it is not earlier.
    fn since(self, at_ms: u64) -> Option<u32> {
        forward(self.0.wrapping_sub(at_ms as u32))
    }
}

fn forward(difference: u32) -> Option<u32> {
    let ms = difference & TIME_BITS;
    (ms <= FORWARD_MS_MAX).then_some(ms)
}

const TIME_BITS: u32 = (1 << 30) - 1;
const FORWARD_MS_MAX: u32 = TIME_BITS / 2;
const REMINDED: u32 = 1 << 30;
const ARMED: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(kind: Kind) -> Owner {
        Owner { id: ServerId(SlotId { slot: 5, generation: NonZeroU32::MIN }).into(), kind }
    }

    /// Plays one transaction's timer against a queue, from `start_ms` on; the steps are (when, delay). Returns when it fires.
    fn fires(start_ms: u64, steps: &[(u64, u32)]) -> (Vec<u64>, usize) {
        let mut queue = TimerQueue::new([Delay::exact(200)]);
        let (mut deadlines, mut fired_ms, mut entries_max) = (Deadlines::default(), Vec::new(), 0);
        for &(at_ms, after_ms) in steps.iter().chain(&[(1_000_000, 0)]) {
            while let Some(entry) = queue.pop_due(start_ms + at_ms) {
                assert_eq!(Owner::of(&entry), Some(owner(Kind::User)));
                match deadlines.fate(Kind::User, entry.at_ms) {
                    Fate::Stay => {
                        deadlines.fired(Kind::User);
                        fired_ms.push(entry.at_ms - start_ms);
                    }
                    Fate::Move(at_ms) => queue.push_odd(Entry { at_ms, ..entry }),
                    Fate::Drop => {}
                }
            }
            if after_ms > 0 {
                deadlines.set(&mut queue, start_ms + at_ms, owner(Kind::User), Delay::exact(after_ms));
            }
            entries_max = entries_max.max(queue.len());
        }
        assert_eq!(queue.len(), 0);
        (fired_ms, entries_max)
    }

    #[test]
    fn a_timer_fires_when_it_was_last_set_to() {
        for start_ms in [0, (1 << 30) - 250, (1 << 32) - 250, 1_700_000_000_000] {
            assert_eq!(fires(start_ms, &[(0, 200)]).0, [200]);
            assert_eq!(fires(start_ms, &[(0, 200), (100, 200), (250, 200)]).0, [450]);
            assert_eq!(fires(start_ms, &[(0, 500), (100, 200)]).0, [300]);
            assert_eq!(fires(start_ms, &[(0, 200), (300, 200)]).0, [200, 500]);
            assert_eq!(fires(start_ms, &[(0, 500), (10, 200), (20, 900)]).0, [920]);
        }
    }

    #[test]
    fn pushing_a_timer_back_costs_no_further_entry() {
        let steps: Vec<(u64, u32)> = (0..1_000).map(|n| (n, 200)).collect();
        assert_eq!(fires(0, &steps), (vec![1_199], 1));
    }

    #[test]
    fn a_reminder_later_than_its_deadline_is_dropped() {
        let mut queue = TimerQueue::new([]);
        let mut deadlines = Deadlines::default();
        deadlines.set(&mut queue, 0, owner(Kind::End), Delay::exact(32_000));
        deadlines.set(&mut queue, 100, owner(Kind::End), Delay::exact(5_000));
        assert_eq!(deadlines.fate(Kind::End, 32_000), Fate::Drop);
        assert_eq!(deadlines.fate(Kind::End, 5_100), Fate::Stay);
    }

    #[test]
    fn a_stopped_timer_does_not_fire() {
        let mut queue = TimerQueue::new([]);
        let mut deadlines = Deadlines::default();
        deadlines.set(&mut queue, 0, owner(Kind::End), Delay::exact(10));
        deadlines.stop(Kind::End);
        assert_eq!(deadlines.fate(Kind::End, 10), Fate::Drop);
    }

    #[test]
    fn the_longest_delay_is_kept_apart_from_the_past() {
        let mut queue = TimerQueue::new([]);
        let mut deadlines = Deadlines::default();
        deadlines.set(&mut queue, 7, owner(Kind::User), Delay::exact(u32::MAX));
        let at_ms = 7 + u64::from(DELAY_MAX_MS);
        assert_eq!(deadlines.fate(Kind::User, at_ms), Fate::Stay);
        assert_eq!(deadlines.fate(Kind::User, 7), Fate::Move(at_ms));
    }
}
