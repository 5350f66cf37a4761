//! Hosts as SIP writes them: RFC 3261 §25.1 `host`, `hostport`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::error::Fault;
use crate::table::Kind;
use crate::value::FromText;

/// Longest domain name in text form, RFC 1035 §2.3.4.
const NAME_BYTES_MAX: usize = 253;
/// Longest part of a domain name between two dots, RFC 1035 §2.3.4.
const LABEL_BYTES_MAX: usize = 63;

const FORM: &str = "a domain name or an IP address is wanted (an IPv6 address in brackets)";

/// A domain name in lower case, an IPv4 address, or an IPv6 address in brackets: as it stands in a SIP URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(String);

impl Host {
    /// The host as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromText for Host {
    const KIND: Kind = Kind::Text("a domain name or IP address");

    fn from_text(text: &str) -> Result<Self, Fault> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address: Ipv6Addr = inner.parse().map_err(|_| Fault::Malformed(FORM))?;
            return Ok(Self(format!("[{address}]")));
        }
        check_name(text).map_err(Fault::Malformed)?;
        Ok(Self(text.to_ascii_lowercase()))
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

/// Whether `text` is a `hostname` or an `IPv4address` of RFC 3261 §25.1; a final dot is refused, because
/// addresses-of-record are compared as text.
fn check_name(text: &str) -> Result<(), &'static str> {
    if !text.is_ascii() {
        return Err("write an international name in its ASCII form, xn--…");
    }
    if text.contains(':') {
        return Err("a host is wanted here, without a scheme, a port or an address without brackets");
    }
    let label_is_good = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() > NAME_BYTES_MAX || !text.split('.').all(label_is_good) {
        return Err(FORM);
    }
    let top_is_a_word =
        text.rsplit('.').next().is_some_and(|top| top.starts_with(|c: char| c.is_ascii_alphabetic()));
    if top_is_a_word || text.parse::<Ipv4Addr>().is_ok() { Ok(()) } else { Err(FORM) }
}

/// A host, perhaps with a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// The port, where one is written.
    pub port: Option<u16>,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => self.host.fmt(f),
        }
    }
}

impl FromText for HostPort {
    const KIND: Kind = Kind::Text("a host, or host:port");

    fn from_text(text: &str) -> Result<Self, Fault> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') && !inside_ipv6(host) => (host, Some(port)),
            _ => (text, None),
        };
        let port =
            port.map(|port| parse_port(port).ok_or(Fault::Malformed("the port must be from 1 to 65535")));
        Ok(Self { host: Host::from_text(host)?, port: port.transpose()? })
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

/// A port from 1 to 65535 written in digits alone.
fn parse_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
}

/// Whether what stands before the last colon shows that the colon belongs to an IPv6 address.
fn inside_ipv6(before: &str) -> bool {
    before.contains(':') && !before.ends_with(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_taken_as_rfc_3261_writes_them() {
        for (text, host) in [
            ("example.org", "example.org"),
            ("SIP.Example.ORG", "sip.example.org"),
            ("localhost", "localhost"),
            ("3com.example", "3com.example"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:DB8:0::1]", "[2001:db8::1]"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(Host::from_text(text).map(|host| host.text()), Ok(host.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_no_peer_could_parse_is_refused() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = format!("{}example", "a.".repeat(124));
        for text in [
            "",
            ".",
            "example.org.",
            "-a.example",
            "a-.example",
            "a_b.example",
            "a b",
            "192.0.2",
            "300.0.2.1",
            "::1",
            "sip:example.org",
            "example.org:5060",
            "[::1",
            "[192.0.2.1]",
            "bücher.example",
            "a\0b",
            &long_label,
            &long_name,
        ] {
            assert!(Host::from_text(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_port_may_follow() {
        for (text, host, port) in [
            ("sip.example.org", "sip.example.org", None),
            ("sip.example.org:5080", "sip.example.org", Some(5080)),
            ("[::1]", "[::1]", None),
            ("[::1]:5060", "[::1]", Some(5060)),
        ] {
            let read = HostPort::from_text(text).map(|read| (read.host.text(), read.port));
            assert_eq!(read, Ok((host.to_owned(), port)), "{text}");
        }
        for text in ["a:0", "a:65536", "a:+1", "a:", ":5060", "::1", "2001:db8::1:5060", "[::1]x", "a:b"] {
            assert!(HostPort::from_text(text).is_err(), "{text:?}");
        }
    }
}
