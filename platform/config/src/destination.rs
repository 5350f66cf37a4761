//! Where requests are sent: an address, or a name that leads to one (RFC 3263).

use std::fmt;

use offhook_sip::Transport;

use crate::error::Fault;
use crate::host::{Host, HostPort};
use crate::route::{NextHop, default_transport, read_uri};
use crate::table::Kind;
use crate::value::FromText;

/// A next hop of the configuration. Displayed as a SIP URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// It is known.
    Address(NextHop),
    /// It is looked up.
    Name(NamedHop),
}

/// A name, and what is said beside it: RFC 3263 §4.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamedHop {
    /// The name, in lower case.
    pub host: Host,
    /// With a port neither NAPTR nor SRV is asked.
    pub port: Option<u16>,
    /// With a transport NAPTR is not asked.
    pub transport: Option<Transport>,
    /// `sips:`, TLS alone.
    pub secure: bool,
}

impl Destination {
    /// As the host part of a URI, without a port that goes without saying.
    pub fn host_text(&self) -> String {
        match self {
            Self::Address(hop) => hop.host_text(),
            Self::Name(NamedHop { host, port: Some(port), .. }) => format!("{host}:{port}"),
            Self::Name(NamedHop { host, .. }) => host.to_string(),
        }
    }

    /// Whether TLS may lead there. A name without transport may say so itself (NAPTR); with a port it is UDP (RFC 3263 §4.1).
    pub(crate) fn may_be_tls(&self) -> bool {
        match self {
            Self::Address(hop) => hop.transport == Transport::Tls,
            Self::Name(NamedHop { port, transport, secure, .. }) => {
                *secure || transport.map_or(port.is_none(), |transport| transport == Transport::Tls)
            }
        }
    }

    /// The address, if it is known.
    pub fn address(&self) -> Option<NextHop> {
        match self {
            Self::Address(hop) => Some(*hop),
            Self::Name(_) => None,
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = match self {
            Self::Address(hop) => return hop.fmt(f),
            Self::Name(named) => named,
        };
        write!(f, "{}:{}", if named.secure { "sips" } else { "sip" }, self.host_text())?;
        named.transport.map_or(Ok(()), |transport| write!(f, ";transport={}", transport.name()))
    }
}

impl FromText for Destination {
    const KIND: Kind = Kind::Text("a sip URI");

    fn from_text(text: &str) -> Result<Self, Fault> {
        let (secure, host, written) = read_uri(text)?;
        let HostPort { host: name, port } = HostPort::from_text(host)?;
        if name.as_str().trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok() {
            return NextHop::from_text(text).map(Self::Address);
        }
        default_transport(secure, written)?;
        Ok(Self::Name(NamedHop { host: name, port, transport: written, secure }))
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_apart() {
        for (text, same) in [
            ("sip:192.0.2.9", "sip:192.0.2.9:5060;transport=udp"),
            ("sip:SIP.Provider.example", "sip:sip.provider.example"),
            ("sip:provider.example:5070", "sip:provider.example:5070"),
            ("sip:provider.example;transport=tcp", "sip:provider.example;transport=tcp"),
            ("sips:provider.example", "sips:provider.example"),
        ] {
            let read = Destination::from_text(text).map(|hop| hop.to_string().to_lowercase());
            assert_eq!(read, Ok(same.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_leads_nowhere_says_why() {
        for (text, why) in [
            ("provider.example", "a sip URI is wanted"),
            ("sip:alice@provider.example", "no user part"),
            ("sips:provider.example;transport=udp", "sips travels by TLS alone"),
            ("sip:provider.example;transport=ws", "nobody is dialled by WebSocket"),
            ("sip:provider.example;lr", "no parameter but"),
            ("sip:", "is wanted"),
        ] {
            let said = Destination::from_text(text).map_err(|fault| fault.to_string());
            assert!(said.as_ref().is_err_and(|said| said.contains(why)), "{text}: {said:?}");
        }
    }
}
