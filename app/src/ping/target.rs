//! Whom to ask: a SIP URI as it is typed, RFC 3261 §19.1, and the address it leads to.

use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use offhook_sip::{Scheme, Transport, Uri};

use crate::exit::NoAnswer;

/// A SIP URI that can be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// The Request-URI.
    pub uri: String,
    /// The host without brackets, as a resolver wants it.
    host: String,
    /// The port that is written, or that of the transport.
    port: u16,
    /// UDP where nothing is written (RFC 3263 §4.1, for an address without a port's service).
    pub transport: Transport,
}

/// Why something typed is no target.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoTarget {
    /// Not of the form.
    #[error("this is no SIP URI, such as sip:192.0.2.1 or sip:example.org:5070;transport=tcp")]
    Malformed,
    /// A transport that has no sockets here yet.
    #[error("only udp and tcp can be asked so far")]
    Transport,
}

impl FromStr for Target {
    type Err = NoTarget;

    /// A host alone is taken for a URI.
    fn from_str(text: &str) -> Result<Self, NoTarget> {
        let (has_scheme, secure) = (has_prefix(text, "sip:"), has_prefix(text, "sips:"));
        if ["tel:", "im:", "pres:"].iter().any(|scheme| has_prefix(text, scheme)) {
            return Err(NoTarget::Malformed);
        }
        let uri = if has_scheme || secure { text.to_owned() } else { format!("sip:{text}") };
        let parsed = Uri::parse(uri.as_bytes()).map_err(|_| NoTarget::Malformed)?;
        let at = parsed.address.ok_or(NoTarget::Malformed)?;
        let transport = match (parsed.scheme, parsed.param(b"transport")) {
            (Scheme::Sip, None) => Transport::Udp,
            (Scheme::Sip, Some(_)) => parsed.transport().ok_or(NoTarget::Transport)?,
            _ => return Err(NoTarget::Transport),
        };
        if !matches!(transport, Transport::Udp | Transport::Tcp) {
            return Err(NoTarget::Transport);
        }
        // The headers part of a URI is no part of a Request-URI (RFC 3261 §19.1.1, table 1).
        if !parsed.headers().is_empty() {
            return Err(NoTarget::Malformed);
        }
        let host = String::from_utf8_lossy(at.host_text).trim_matches(['[', ']']).to_owned();
        let port = at.port.unwrap_or(transport.default_port());
        Ok(Self { host, port, transport, uri })
    }
}

fn has_prefix(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

impl Target {
    /// The addresses it leads to, in the order of the system's resolver. Its SRV records are not asked.
    pub fn addresses(&self) -> Result<Vec<SocketAddr>, NoAnswer> {
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        found.map(Iterator::collect).map_err(|error| NoAnswer(format!("cannot find {}: {error}", self.host)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, uri: &str, transport: Transport, address: &str) {
        let target: Target = text.parse().unwrap();
        assert_eq!((target.uri.as_str(), target.transport), (uri, transport));
        assert_eq!(target.addresses().unwrap(), [address.parse().unwrap()]);
    }

    #[test]
    fn numeric_hosts_lead_to_themselves() {
        check("sip:192.0.2.1", "sip:192.0.2.1", Transport::Udp, "192.0.2.1:5060");
        check("192.0.2.1", "sip:192.0.2.1", Transport::Udp, "192.0.2.1:5060");
        check("SIP:a@192.0.2.1:5070", "SIP:a@192.0.2.1:5070", Transport::Udp, "192.0.2.1:5070");
        let tcp = "sip:[2001:db8::1];transport=TCP";
        check(tcp, tcp, Transport::Tcp, "[2001:db8::1]:5060");
    }

    #[test]
    fn what_cannot_be_asked_says_why() {
        let refused = |text: &str| text.parse::<Target>().unwrap_err();
        for text in ["", "sip:", "sip:a b", "sip:h?x=y", "sip:h:0x50", "sip:\u{1b}[2J", "tel:123", "IM:a@b"] {
            assert_eq!(refused(text), NoTarget::Malformed, "{text:?}");
        }
        for text in ["sips:192.0.2.1", "sip:192.0.2.1;transport=tls", "sip:192.0.2.1;transport=pigeon"] {
            assert_eq!(refused(text), NoTarget::Transport, "{text:?}");
        }
    }
}
