//! A ban, as it is listed.

use std::fmt;

use crate::source::Source;

/// What a source was banned for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offence {
    /// One account's password guessed, or a phone with a wrong one that repeats it without pause.
    WrongPassword,
    /// Passwords of many accounts guessed.
    ManyUsers,
    /// One user after the other asked for, without proof.
    Walk,
    /// A known scanner, by its User-Agent, over a connection.
    Scanner,
    /// None that was seen here: the administrator has banned it.
    Administrator,
}

impl Offence {
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::WrongPassword => 0,
            Self::ManyUsers => 1,
            Self::Scanner => 2,
            Self::Administrator => 3,
            Self::Walk => 4,
        }
    }

    pub(crate) fn of_number(number: u64) -> Self {
        match number {
            1 => Self::ManyUsers,
            2 => Self::Scanner,
            3 => Self::Administrator,
            4 => Self::Walk,
            _ => Self::WrongPassword,
        }
    }

    /// The offence that programs call so.
    pub fn of_name(name: &str) -> Option<Self> {
        let all = [Self::WrongPassword, Self::ManyUsers, Self::Walk, Self::Scanner, Self::Administrator];
        all.into_iter().find(|offence| offence.name() == name)
    }

    /// A word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::WrongPassword => "wrong-password",
            Self::ManyUsers => "many-users",
            Self::Walk => "users-walked",
            Self::Scanner => "scanner",
            Self::Administrator => "administrator",
        }
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongPassword => "wrong password",
            Self::ManyUsers => "many users",
            Self::Walk => "one user after the other",
            Self::Scanner => "scanner",
            Self::Administrator => "the administrator",
        })
    }
}

/// A source whose requests are dropped unread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ban {
    /// Who.
    pub source: Source,
    /// For what.
    pub offence: Offence,
    /// How many failures of it were counted in all.
    pub failures: u32,
    /// How often it was banned, this time included.
    pub times: u8,
    /// Since when, seconds since 1970.
    pub since_s: u32,
    /// Until when, seconds since 1970.
    pub until_s: u32,
    /// Requests dropped since then.
    pub dropped: u64,
}
