//! When to register at a trunk, for how long, and how soon again after a failure: RFC 3261 §10.2, RFC 5626 §4.5.
//!
//! ```text
//!   out ──accepted──► in ──most of the time granted──► asked again
//!    ▲                 │
//!    └── backoff ◄─────┴── failed on every target: 5 s, 10 s, 20 s … 15 min; refused: from 1 min on
//! ```
//! Only the clock's part; messages and targets belong to whoever carries this out. `dice` is entropy: many servers that
//! lost their provider at one moment must not come back at one moment.

/// The first wait after a failure, and after a refusal, s.
const FAILED_S: u64 = 5;
const REFUSED_S: u64 = 60;

/// The longest wait, s.
const BACKOFF_MAX_S: u64 = 900;

/// No registrar sends us away for longer, s (RFC 3261 §20.33 lets it say any).
const RETRY_AFTER_MAX_S: u32 = 3_600;

/// The longest time we ask for, whatever Min-Expires says, s: RFC 3261 §10.2.8.
const EXPIRES_MAX_S: u32 = 86_400;

/// No sooner than this is it asked for again, s, however little is granted.
const REFRESH_MIN_S: u64 = 5;

/// Times below this leave little room for a failure: half of it is used.
const SHORT_S: u64 = 160;

/// A registration of ours at one trunk.
#[derive(Clone, Debug)]
pub struct Enrolment {
    asks_s: u32,
    failures: u32,
    due_ms: u64,
    until_ms: u64,
}

/// How an attempt failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setback {
    /// Nobody answered, or with a fault of the other side (5xx).
    Failed,
    /// It does not want us: trying again soon is of no use.
    Refused,
}

impl Enrolment {
    /// To be asked for at once, for this time.
    pub fn new(now_ms: u64, expires_s: u32) -> Self {
        Self { asks_s: expires_s, failures: 0, due_ms: now_ms, until_ms: 0 }
    }

    /// How long to ask for, s.
    pub fn asks_s(&self) -> u32 {
        self.asks_s
    }

    /// Whether it is time.
    pub fn is_due(&self, now_ms: u64) -> bool {
        now_ms >= self.due_ms
    }

    /// Whether the registrar knows us.
    pub fn is_in(&self, now_ms: u64) -> bool {
        now_ms < self.until_ms
    }

    /// When it is asked for next, ms; `u64::MAX`: never.
    pub fn due_ms(&self) -> u64 {
        self.due_ms
    }

    /// Until when the registrar knows us, ms.
    pub fn until_ms(&self) -> u64 {
        self.until_ms
    }

    /// It was granted for so long. `true` if that is news.
    pub fn accepted(&mut self, now_ms: u64, granted_s: u32, dice: u32) -> bool {
        let news = !self.is_in(now_ms) || self.failures > 0;
        let granted_s = u64::from(granted_s.max(1));
        let (least, spread) = if granted_s < SHORT_S { (50, 10) } else { (70, 15) };
        let percent = least + u64::from(dice) % spread;
        self.failures = 0;
        self.until_ms = now_ms + granted_s * 1000;
        self.due_ms = now_ms + (granted_s * 10 * percent).max(REFRESH_MIN_S * 1000);
        news
    }

    /// 423: it wants to be asked for longer (RFC 3261 §21.4.17). Whether we may.
    pub fn too_brief(&mut self, min_expires_s: u32) -> bool {
        let may = min_expires_s > self.asks_s && min_expires_s <= EXPIRES_MAX_S;
        if may {
            self.asks_s = min_expires_s;
        }
        may
    }

    /// No target took it. Gives back how long nothing is tried, s.
    pub fn failed(&mut self, now_ms: u64, how: Setback, retry_after_s: Option<u32>, dice: u32) -> u64 {
        let first_s = if how == Setback::Refused { REFUSED_S } else { FAILED_S };
        let doubled_s = first_s.saturating_mul(1 << self.failures.min(10)).min(BACKOFF_MAX_S);
        self.failures += 1;
        let wait_ms = doubled_s * (750 + u64::from(dice) % 251);
        let said_ms = u64::from(retry_after_s.unwrap_or(0).min(RETRY_AFTER_MAX_S)) * 1000;
        let wait_ms = wait_ms.max(said_ms);
        self.due_ms = now_ms + wait_ms;
        wait_ms.div_ceil(1000)
    }

    /// Nothing can be tried yet: again after this time.
    pub fn postpone(&mut self, now_ms: u64, wait_ms: u64) {
        self.due_ms = now_ms + wait_ms;
    }

    /// It is no more: we have left, and do not come back.
    pub fn left(&mut self) {
        self.until_ms = 0;
        self.due_ms = u64::MAX;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3261 §10.2.4: "the UA SHOULD refresh before expiry"; with room for a failure and not all at one time.
    #[test]
    fn it_is_refreshed_in_time() {
        for (granted_s, least_s, most_s) in [(3600, 2520, 3060), (120, 60, 72), (20, 10, 12)] {
            for dice in 0..200 {
                let mut enrolment = Enrolment::new(0, 3600);
                assert!(enrolment.is_due(0) && enrolment.accepted(0, granted_s, dice));
                assert!(!enrolment.is_due(least_s * 1000 - 1));
                assert!(enrolment.is_due(most_s * 1000) && enrolment.is_in(granted_s.into()));
            }
        }
        let mut enrolment = Enrolment::new(0, 3600);
        assert!(enrolment.accepted(0, 0, 0) && !enrolment.is_due(4_999), "nothing was granted");
        let mut enrolment = Enrolment::new(0, 3600);
        assert!(enrolment.accepted(0, 100, 0) && !enrolment.accepted(50_000, 100, 0), "no news");
        assert!(enrolment.accepted(500_000, 100, 0), "it was over meanwhile");
    }

    /// RFC 5626 §4.5: longer and longer, up to a bound.
    #[test]
    fn failures_are_followed_by_longer_waits() {
        let mut enrolment = Enrolment::new(0, 3600);
        let waits: Vec<u64> = (0..10).map(|_| enrolment.failed(0, Setback::Failed, None, 250)).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
        assert!(enrolment.accepted(0, 100, 0), "news");
        assert_eq!(enrolment.failed(0, Setback::Refused, None, 0), 45);
        assert_eq!(enrolment.failed(0, Setback::Refused, Some(500), 0), 500);
        assert_eq!(enrolment.failed(0, Setback::Failed, Some(u32::MAX), 0), 3_600);
    }

    /// RFC 3261 §21.4.17.
    #[test]
    fn it_asks_for_longer_once() {
        let mut enrolment = Enrolment::new(0, 600);
        assert!(enrolment.too_brief(1800) && !enrolment.too_brief(1800));
        assert!(!enrolment.too_brief(u32::MAX));
        assert_eq!(enrolment.asks_s(), 1800);
    }
}
