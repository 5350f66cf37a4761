//! What is asked.

use std::fmt;

use crate::Domain;

/// One question to the name servers.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Question {
    /// Which records.
    pub kind: Kind,
    /// Of which name.
    pub name: Domain,
}

/// The record types that locating a server needs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// RFC 3403: which services a domain has, or what a number becomes.
    Naptr,
    /// RFC 2782: which servers a service has.
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

impl Kind {
    /// The name of the record type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Naptr => "NAPTR",
            Self::Srv => "SRV",
            Self::A => "A",
            Self::Aaaa => "AAAA",
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.name)
    }
}
