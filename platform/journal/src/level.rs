//! How grave an event is.

use std::fmt;

/// The gravest first, so that `Error < Warn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Something is broken and needs a hand.
    Error,
    /// Something is wrong and the server copes.
    Warn,
    /// What an operator wants to know the day after.
    Info,
    /// Each request and connection.
    Debug,
}

impl Level {
    /// The name in log lines and in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
