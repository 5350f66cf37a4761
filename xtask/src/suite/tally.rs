//! How many checks passed and how many failed, read from what a test program prints.

use std::fmt;
use std::ops::Add;

/// Checks that passed and checks that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: usize,
    pub(super) failed: usize,
}

impl Tally {
    pub(super) const PASSED: Self = Self { passed: 1, failed: 0 };
    pub(super) const FAILED: Self = Self { passed: 0, failed: 1 };

    /// Reads `test result: ok. 3 passed; 0 failed; …`, which every binary of `cargo test` prints once.
    pub(super) fn of_cargo_test(line: &str) -> Option<Self> {
        let (_verdict, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        Some(Self { passed: count(counts, " passed;")?, failed: count(counts, " failed;")? })
    }

    /// Reads a line that is `3 passed, 0 failed` and nothing else.
    pub(super) fn of_sum(line: &str) -> Option<Self> {
        let (passed, failed) = line.strip_suffix(" failed")?.split_once(" passed, ")?;
        Some(Self { passed: passed.parse().ok()?, failed: failed.parse().ok()? })
    }

    /// What a child's sums and its exit say together: a child that failed without failing a check, or that ran no
    /// check at all, failed once.
    pub(super) fn with_exit(self, good: bool) -> Self {
        if self.failed == 0 && (!good || self.passed == 0) { self + Self::FAILED } else { self }
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// The number in front of `what`.
fn count(text: &str, what: &str) -> Option<usize> {
    text.split_once(what)?.0.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.1s";
        assert_eq!(Tally::of_cargo_test(line), Some(Tally { passed: 12, failed: 3 }));
        assert_eq!(Tally::of_cargo_test("test result of another kind"), None);
        assert_eq!(Tally::of_sum("12 passed, 3 failed"), Some(Tally { passed: 12, failed: 3 }));
        assert_eq!(Tally::of_sum("call: 12 passed, 3 failed"), None);
    }

    #[test]
    fn a_child_that_dies_or_checks_nothing_has_failed() {
        assert_eq!(Tally { passed: 4, failed: 0 }.with_exit(true), Tally { passed: 4, failed: 0 });
        assert_eq!(Tally { passed: 4, failed: 0 }.with_exit(false), Tally { passed: 4, failed: 1 });
        assert_eq!(Tally { passed: 4, failed: 2 }.with_exit(false), Tally { passed: 4, failed: 2 });
        assert_eq!(Tally::default().with_exit(true), Tally::FAILED);
    }
}
