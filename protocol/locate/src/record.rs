//! What the name servers said.

use std::net::IpAddr;

/// The answer to one question. A CNAME on the way has been followed by whoever asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Records of the type asked for.
    Records {
        /// In the order received.
        records: Vec<Record>,
        /// How long they may be believed, seconds.
        ttl_s: u32,
    },
    /// There is no such name, or it has no such record.
    Nothing {
        /// How long that may be believed, seconds (RFC 2308).
        ttl_s: u32,
    },
    /// No server said anything that could be used: silence, SERVFAIL, a signature that does not fit.
    Failed,
}

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// A service, or a rule for a number.
    Naptr(Naptr),
    /// A server.
    Srv(Srv),
    /// An address.
    Address(IpAddr),
}

/// RFC 3403 §4.1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Naptr {
    /// Lower ones first.
    pub order: u16,
    /// Among equal orders, lower ones first.
    pub preference: u16,
    /// `s`: an SRV name follows; `u`: the expression makes a URI; empty: another NAPTR name follows.
    pub flags: Box<[u8]>,
    /// What is offered: `SIP+D2U`, `E2U+sip`.
    pub services: Box<[u8]>,
    /// A substitution, or empty.
    pub regexp: Box<[u8]>,
    /// The next name, in text form; `.` if there is none.
    pub replacement: Box<[u8]>,
}

/// RFC 2782.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Srv {
    /// Lower ones first.
    pub priority: u16,
    /// Share among equal priorities.
    pub weight: u16,
    /// The port; 0 leads nowhere.
    pub port: u16,
    /// The server's name in text form; `.` says that the service is not offered.
    pub target: Box<[u8]>,
}

impl Answer {
    /// How long the answer may be believed, seconds. A failure says nothing about the next second.
    pub(crate) fn ttl_s(&self) -> u32 {
        match self {
            Self::Records { ttl_s, .. } | Self::Nothing { ttl_s } => *ttl_s,
            Self::Failed => 0,
        }
    }

    pub(crate) fn records(&self) -> &[Record] {
        match self {
            Self::Records { records, .. } => records,
            _ => &[],
        }
    }
}
