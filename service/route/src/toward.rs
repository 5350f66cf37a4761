//! A next hop of a rule or a trunk, ready to be used.

use std::fmt;

use offhook_config::{Destination, NamedHop, NextHop};
use offhook_locate::{Domain, Wanted};

/// A next hop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Toward {
    /// An address.
    Address(NextHop),
    /// A name, to be looked up (RFC 3263).
    Name(Wanted),
}

impl Toward {
    /// `None`: no name server could be asked for such a name.
    pub(crate) fn new(written: &Destination) -> Option<Self> {
        let NamedHop { host, port, transport, secure } = match written {
            Destination::Address(hop) => return Some(Self::Address(*hop)),
            Destination::Name(named) => named,
        };
        let host = Domain::parse(host.as_str().as_bytes())?;
        Some(Self::Name(Wanted { host, port: *port, transport: *transport, secure: *secure, number: None }))
    }

    /// The address, if it is one.
    pub fn address(&self) -> Option<NextHop> {
        match self {
            Self::Address(hop) => Some(*hop),
            Self::Name(_) => None,
        }
    }

    /// The name, if it is one.
    pub fn name(&self) -> Option<&Wanted> {
        match self {
            Self::Address(_) => None,
            Self::Name(wanted) => Some(wanted),
        }
    }
}

/// A SIP URI.
impl fmt::Display for Toward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(hop) => hop.fmt(f),
            Self::Name(wanted) => wanted.fmt(f),
        }
    }
}
