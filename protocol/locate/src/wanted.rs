//! What is looked for, and what we could use.

use std::fmt;

use offhook_sip::{Host, Scheme, Transport, Uri};

use crate::address::Reach;
use crate::domain::Domain;
use crate::number::Number;

/// The parts of a URI or a Via that decide where a message goes: RFC 3263 §4 and §5.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Wanted {
    /// The host. Numeric ones need no search.
    pub host: Domain,
    /// The port, if written: then neither NAPTR nor SRV is asked.
    pub port: Option<u16>,
    /// The transport, if written: then NAPTR is not asked.
    pub transport: Option<Transport>,
    /// Whether nothing but TLS will do: the scheme is `sips`.
    pub secure: bool,
    /// With a telephone number not servers are looked for but its addresses below `host`: RFC 6116.
    pub number: Option<Number>,
}

impl Wanted {
    /// From a `sip` or `sips` URI whose host is a name; `maddr` takes the place of the host (§4). `None` for other URIs,
    /// for numeric hosts, and for transports that nobody has heard of.
    pub fn of_uri(uri: &Uri<'_>) -> Option<Self> {
        if !matches!(uri.scheme, Scheme::Sip | Scheme::Sips) {
            return None;
        }
        let at = uri.address?;
        let params = uri.params();
        let host = params.value(b"maddr").and_then(Host::parse).unwrap_or(at.host);
        let Host::Name(name) = host else { return None };
        let transport = match params.value(b"transport") {
            Some(name) => Some(Transport::from_name(name)?),
            None => None,
        };
        Some(Self {
            host: Domain::parse(name)?,
            port: at.port,
            transport,
            secure: uri.scheme == Scheme::Sips,
            number: None,
        })
    }

    /// For a response whose connection is gone: RFC 3263 §5, from the sent-by and the transport of the topmost Via.
    pub fn of_via(transport: Transport, host: &[u8], port: Option<u16>) -> Option<Self> {
        let Some(Host::Name(name)) = Host::parse(host) else { return None };
        Some(Self {
            host: Domain::parse(name)?,
            port,
            transport: Some(transport),
            secure: false,
            number: None,
        })
    }

    /// The addresses of a telephone number below `suffix` (`e164.arpa`): RFC 6116.
    pub fn of_number(number: Number, suffix: Domain) -> Self {
        Self { host: suffix, port: None, transport: None, secure: false, number: Some(number) }
    }

    /// The transports that will do, in our order.
    pub(crate) fn transports(&self, abilities: &Abilities) -> Vec<Transport> {
        let named = self.transport.map(|named| if self.secure { secured(named) } else { Some(named) });
        let fits = |&transport: &Transport| match named {
            Some(named) => named == Some(transport),
            // Nobody can open a WebSocket towards a browser, so no name leads to one by itself.
            None if self.secure => transport == Transport::Tls,
            None => !matches!(transport, Transport::Ws | Transport::Wss),
        };
        abilities.transports.iter().copied().filter(fits).collect()
    }

    /// The transport where nobody says: UDP, or TLS for `sips` (§4.1), or else what we have.
    pub(crate) fn default_transport(&self, transports: &[Transport]) -> Option<Transport> {
        let usual = if self.secure { Transport::Tls } else { Transport::Udp };
        transports.iter().copied().find(|&t| t == usual).or(transports.first().copied())
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = &self.number {
            return write!(f, "{} below {}", number.as_str(), self.host);
        }
        write!(f, "{}:{}", if self.secure { "sips" } else { "sip" }, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match self.transport {
            Some(transport) => write!(f, ";transport={}", transport.name()),
            None => Ok(()),
        }
    }
}

/// RFC 3261 §26.2.2: with `sips` a transport names what lies below TLS.
fn secured(named: Transport) -> Option<Transport> {
    match named {
        Transport::Tcp | Transport::Tls => Some(Transport::Tls),
        Transport::Ws | Transport::Wss => Some(Transport::Wss),
        Transport::Udp | Transport::Sctp => None,
    }
}

/// What we could use of what is found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Abilities {
    /// Our transports; the first ones are preferred where the other side prefers none (RFC 3263 §4.1).
    pub transports: Vec<Transport>,
    /// Whether we have an IPv4 address.
    pub ipv4: bool,
    /// Whether we have an IPv6 address. With both, both are asked for and IPv6 comes first (RFC 7984 §3.1, RFC 6724).
    pub ipv6: bool,
    /// Which addresses a name may lead to.
    pub reach: Reach,
}
