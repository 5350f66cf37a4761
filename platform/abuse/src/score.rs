//! A count that leaks: failures, less what time has forgiven.

/// Parts of a failure that are counted: leaks are slower than a failure a look.
const PARTS: u64 = 1 << 8;

/// Bits of the count; the rest is the time, ms: enough until the year 2500.
const COUNT_BITS: u32 = 20;
/// Bits of the time.
pub(crate) const TIME_BITS: u32 = u64::BITS - COUNT_BITS;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;
/// The most failures that can be counted.
pub(crate) const WHOLE_MAX: u32 = (COUNT_MAX / PARTS) as u32;

/// A score and when it was last brought up to date, in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Score(pub u64);

impl Score {
    /// The score at `now_ms`; one failure is forgiven in `leak_ms`.
    pub(crate) fn at(self, now_ms: u64, leak_ms: u64) -> Self {
        let (then_ms, count) = (self.0 >> COUNT_BITS, self.0 & COUNT_MAX);
        let forgiven = now_ms.saturating_sub(then_ms).saturating_mul(PARTS) / leak_ms.max(1);
        // What is less than a part is not lost: time moves on only when something was forgiven.
        let at_ms = if forgiven == 0 && count > 0 { then_ms } else { now_ms };
        Self::new(at_ms, count.saturating_sub(forgiven))
    }

    /// With so many more failures.
    pub(crate) fn plus(self, failures: u32) -> Self {
        let count = (self.0 & COUNT_MAX) + u64::from(failures) * PARTS;
        Self::new(self.0 >> COUNT_BITS, count.min(COUNT_MAX))
    }

    /// Whole failures.
    pub(crate) fn failures(self) -> u32 {
        ((self.0 & COUNT_MAX) / PARTS) as u32
    }

    /// When it was last brought up to date, ms.
    pub(crate) fn at_ms(self) -> u64 {
        self.0 >> COUNT_BITS
    }

    fn new(at_ms: u64, count: u64) -> Self {
        Self(at_ms << COUNT_BITS | count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty a minute.
    const LEAK_MS: u64 = 3_000;
    const NOW_MS: u64 = 1_795_248_903_123;

    #[test]
    fn failures_add_up_and_are_forgiven() {
        let score = Score(0).at(NOW_MS, LEAK_MS).plus(7);
        assert_eq!(score.failures(), 7);
        assert_eq!(score.at(NOW_MS + LEAK_MS, LEAK_MS).failures(), 6);
        assert_eq!(score.at(NOW_MS + 7 * LEAK_MS, LEAK_MS).failures(), 0);
        assert_eq!(score.at(NOW_MS + 700 * LEAK_MS, LEAK_MS).failures(), 0);
        assert_eq!(score.at(NOW_MS - 1, LEAK_MS).failures(), 7, "a clock that steps back forgives nothing");
    }

    #[test]
    fn who_is_looked_at_often_is_forgiven_as_much() {
        let mut score = Score(0).at(NOW_MS, LEAK_MS).plus(10);
        for ms in 0..LEAK_MS * 4 {
            score = score.at(NOW_MS + ms, LEAK_MS);
        }
        assert!((6..=7).contains(&score.failures()), "{score:?}");
    }

    #[test]
    fn no_flood_turns_it_over() {
        let score = (0..10_000).fold(Score(0).at(NOW_MS, LEAK_MS), |score, _| score.plus(u32::MAX));
        assert_eq!(u64::from(score.failures()), COUNT_MAX / PARTS);
        assert_eq!(score.0 >> COUNT_BITS, NOW_MS);
    }
}
