//! Why a ladder failed.

use std::fmt;

/// A failed ladder: what went wrong, and what was expected beside what happened.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What went wrong.
    pub problem: Problem,
    /// The line of the ladder's text where it went wrong, from 1; 0 if after the last.
    pub line: usize,
    /// The expected and the real ladder side by side, the message in question, the seed.
    pub picture: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "after the last line: ")?,
            line => write!(f, "line {line}: ")?,
        }
        write!(f, "{}\n{}", self.problem, self.picture)
    }
}

impl std::error::Error for Failure {}

/// What can be wrong with a ladder.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Problem {
    /// The text is no ladder.
    #[error("cannot read this line: {0}")]
    Notation(String),
    /// A phone cannot build the message, for want of something that it never received.
    #[error("{phone} cannot send this: {why}")]
    CannotSend {
        /// The phone.
        phone: String,
        /// What it lacks.
        why: String,
    },
    /// A message did not come in its time.
    #[error("{what} did not come within {within_ms} ms")]
    Missing {
        /// The line.
        what: String,
        /// How long was waited after the line before.
        within_ms: u64,
    },
    /// A message came that no line wants, or before its line.
    #[error("nothing in the ladder wants `{what}` here, which came at {at_ms} ms")]
    Unexpected {
        /// From whom to whom, and what.
        what: String,
        /// Milliseconds since the first line.
        at_ms: u64,
    },
    /// The right message at the wrong time.
    #[error("`{what}` came at {at_ms} ms, but was due {due}")]
    WrongTime {
        /// From whom to whom, and what.
        what: String,
        /// Milliseconds since the first line.
        at_ms: u64,
        /// When it should have come.
        due: String,
    },
    /// Another message came instead, or it says something else than the ladder.
    #[error("{name}: expected {expected}, got {got}")]
    Mismatch {
        /// Which part of the message.
        name: String,
        /// What the ladder says.
        expected: String,
        /// What came.
        got: String,
    },
    /// The message breaks a rule that holds without saying.
    #[error("`{what}` breaks the protocol: {rule}")]
    Broken {
        /// From whom to whom, and what.
        what: String,
        /// Which rule.
        rule: String,
    },
    /// A line `given …` did not come true.
    #[error("the premise does not hold: {0}")]
    Given(String),
}
