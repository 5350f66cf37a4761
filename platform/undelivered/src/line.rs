//! The messages of one recipient, and when the first of them is tried.
//!
//! ```text
//!   Asleep ──registered──► Ready ──its turn──► UnderWay ──delivered, refused──► Ready, or the line is empty
//!     ▲                      ▲                    │
//!     │                      └─── Later ◄─failed──┤     30 s, 1 min, 2 min … an hour; a registration shortens it
//!     └──────────────────no device────────────────┘
//! ```
//! A message that may travel only by secure transports and finds no device lets the others pass: it waits for the next
//! registration alone.

use crate::desk::Outcome;

/// The longest time between two tries.
const RETRY_MAX_MS: u64 = 3_600_000;

/// After a failure not even a registration makes us try again sooner: a phone that registers without end and takes
/// nothing would be sent messages without end.
pub(crate) const PAUSE_MS: u64 = 10_000;

/// The line of one recipient.
#[derive(Debug)]
pub(crate) struct Line {
    /// How many wait.
    pub(crate) messages: u32,
    /// How much they are.
    pub(crate) bytes: u64,
    /// By which shard it is reached.
    pub(crate) shard: u8,
    state: State,
    /// Its place among those that are ready, while it is.
    pub(crate) turn: u64,
    failures: u32,
    not_before_ms: u64,
    /// There is no device for what may travel only by secure transports.
    plain_only: bool,
}

/// Where a line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// There is no device.
    Asleep,
    /// The first message may go.
    Ready,
    /// It is on its way; `secure`: by secure transports alone; `again`: a device has registered meanwhile.
    UnderWay { id: u64, until_ms: u64, secure: bool, again: bool },
    /// It may go at this time.
    Later { at_ms: u64 },
}

impl Line {
    /// One without messages.
    pub(crate) fn new(shard: u8, state: State) -> Self {
        Self {
            messages: 0,
            bytes: 0,
            shard,
            state,
            turn: 0,
            failures: 0,
            not_before_ms: 0,
            plain_only: false,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// When something is to be done with it.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        match self.state {
            State::UnderWay { until_ms, .. } => Some(until_ms),
            State::Later { at_ms } => Some(at_ms),
            State::Asleep | State::Ready => None,
        }
    }

    /// A device has registered.
    pub(crate) fn registered(&mut self, now_ms: u64, shard: u8) {
        self.shard = shard;
        self.plain_only = false;
        match &mut self.state {
            State::Ready => {}
            State::UnderWay { again, .. } => *again = true,
            State::Later { at_ms } if *at_ms <= self.not_before_ms => {}
            State::Asleep | State::Later { .. } => self.state = self.soon(now_ms),
        }
    }

    /// Its time has come.
    pub(crate) fn due(&mut self, now_ms: u64, retry_after_ms: u64) {
        match self.state {
            State::UnderWay { .. } => self.ended(now_ms, Outcome::Failed, retry_after_ms),
            State::Later { .. } => self.state = State::Ready,
            State::Asleep | State::Ready => {}
        }
    }

    /// The first message is on its way. If nobody says anything about it until then, it has failed.
    pub(crate) fn sent(&mut self, until_ms: u64, id: u64, secure: bool) {
        self.state = State::UnderWay { id, until_ms, secure, again: false };
    }

    /// Whether messages that may travel only by secure transports are passed over.
    pub(crate) fn is_plain_only(&self) -> bool {
        self.plain_only
    }

    /// All that is left waits for a device that is reached by a secure transport.
    pub(crate) fn rest(&mut self) {
        self.plain_only = false;
        self.state = State::Asleep;
    }

    /// A message has come that a device did not take: there is one to try again.
    pub(crate) fn wake(&mut self, at_ms: u64) {
        if self.state == State::Asleep {
            self.state = State::Later { at_ms };
        }
    }

    /// The store could not say what comes next.
    pub(crate) fn put_off(&mut self, now_ms: u64) {
        self.state = State::Later { at_ms: now_ms + PAUSE_MS };
    }

    /// What has become of the message on its way.
    pub(crate) fn ended(&mut self, now_ms: u64, outcome: Outcome, retry_after_ms: u64) {
        let again = matches!(self.state, State::UnderWay { again: true, .. });
        let secure = matches!(self.state, State::UnderWay { secure: true, .. });
        self.state = match outcome {
            Outcome::Delivered | Outcome::Refused(_) => {
                self.failures = 0;
                State::Ready
            }
            Outcome::Absent if again => State::Ready,
            Outcome::Absent if secure => {
                self.plain_only = true;
                State::Ready
            }
            Outcome::Absent => {
                self.plain_only = false;
                State::Asleep
            }
            Outcome::Failed => {
                self.not_before_ms = now_ms + PAUSE_MS;
                let doubled = retry_after_ms.saturating_mul(1 << self.failures.min(16));
                self.failures += 1;
                if again {
                    self.soon(now_ms)
                } else {
                    State::Later { at_ms: now_ms + doubled.min(RETRY_MAX_MS) }
                }
            }
        };
    }

    fn soon(&self, now_ms: u64) -> State {
        if now_ms >= self.not_before_ms { State::Ready } else { State::Later { at_ms: self.not_before_ms } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY_MS: u64 = 30_000;
    const UNDER_WAY_MAX_MS: u64 = 40_000;

    fn tried(line: &mut Line, now_ms: u64, outcome: Outcome) -> State {
        line.sent(now_ms + UNDER_WAY_MAX_MS, 1, false);
        line.ended(now_ms, outcome, RETRY_MS);
        line.state()
    }

    #[test]
    fn failures_are_tried_again_later_and_later() {
        let mut line = Line::new(0, State::Ready);
        for after_s in [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600] {
            assert_eq!(tried(&mut line, 0, Outcome::Failed), State::Later { at_ms: after_s * 1_000 });
        }
        assert_eq!(tried(&mut line, 0, Outcome::Delivered), State::Ready);
        assert_eq!(tried(&mut line, 0, Outcome::Failed), State::Later { at_ms: 30_000 });
    }

    #[test]
    fn a_registration_shortens_the_wait_and_a_flood_of_them_no_further() {
        let mut line = Line::new(0, State::Ready);
        tried(&mut line, 0, Outcome::Failed);
        for now_ms in 1..100 {
            line.registered(now_ms, 2);
            assert_eq!(line.state(), State::Later { at_ms: PAUSE_MS });
        }
        line.due(PAUSE_MS, RETRY_MS);
        assert_eq!((line.state(), line.shard), (State::Ready, 2));
    }

    #[test]
    fn a_registration_during_a_delivery_is_not_forgotten() {
        let mut line = Line::new(0, State::Ready);
        line.sent(UNDER_WAY_MAX_MS, 1, false);
        line.registered(1, 0);
        line.ended(2, Outcome::Absent, RETRY_MS);
        assert_eq!(line.state(), State::Ready);
        assert_eq!(tried(&mut line, 3, Outcome::Absent), State::Asleep);
    }

    /// RFC 5630 §5.3: what is for secure transports waits for them, and nothing waits behind it.
    #[test]
    fn a_secure_message_lets_others_pass() {
        let mut line = Line::new(0, State::Ready);
        line.sent(UNDER_WAY_MAX_MS, 1, true);
        line.ended(0, Outcome::Absent, RETRY_MS);
        assert_eq!((line.state(), line.is_plain_only()), (State::Ready, true));
        assert_eq!(tried(&mut line, 1, Outcome::Delivered), State::Ready);
        assert!(line.is_plain_only());
        line.rest();
        assert_eq!((line.state(), line.is_plain_only()), (State::Asleep, false));
        line.wake(7);
        assert_eq!(line.state(), State::Later { at_ms: 7 });
        // A device registers while another message is on its way: it may be a secure one.
        line.sent(UNDER_WAY_MAX_MS, 1, true);
        line.registered(2, 0);
        line.ended(3, Outcome::Absent, RETRY_MS);
        assert_eq!((line.state(), line.is_plain_only()), (State::Ready, false));
    }

    #[test]
    fn a_delivery_that_nobody_speaks_of_has_failed() {
        let mut line = Line::new(0, State::Ready);
        line.sent(UNDER_WAY_MAX_MS, 1, false);
        assert_eq!(line.due_ms(), Some(UNDER_WAY_MAX_MS));
        line.due(UNDER_WAY_MAX_MS, RETRY_MS);
        assert_eq!(line.state(), State::Later { at_ms: UNDER_WAY_MAX_MS + RETRY_MS });
    }
}
