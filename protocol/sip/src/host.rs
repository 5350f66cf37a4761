//! Hosts and ports: RFC 3261 §25.1 `hostport`, with the IPv6 references of RFC 2732 and RFC 5118 §4.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::block::{BLOCK_BYTES, Block};
use crate::chars::{find, host_marks, number};

/// A host: an address or a name.
#[derive(Clone, Copy, Debug)]
pub enum Host<'a> {
    /// An IPv4 or (bracketed) IPv6 address.
    Ip(IpAddr),
    /// A name, as written.
    Name(&'a [u8]),
}

impl<'a> Host<'a> {
    /// Parses a whole host without a port.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        if let Some(inner) = text.strip_prefix(b"[") {
            let inner = inner.strip_suffix(b"]")?;
            return Some(Self::Ip(IpAddr::V6(ipv6(inner)?)));
        }
        if let Some((v4, len)) = ipv4(text)
            && len == text.len()
        {
            return Some(Self::Ip(IpAddr::V4(v4)));
        }
        is_name(text).then_some(Self::Name(text))
    }

    /// The address, if it is one.
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(ip),
            Self::Name(_) => None,
        }
    }

    /// Whether both name the same host: addresses by value, names in any case of letters and with or without the
    /// final dot.
    pub fn same(self, other: Host<'_>) -> bool {
        match (self, other) {
            (Self::Ip(a), Host::Ip(b)) => a == b,
            (Self::Name(a), Host::Name(b)) => without_dot(a).eq_ignore_ascii_case(without_dot(b)),
            _ => false,
        }
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Name(name) => f.write_str(&String::from_utf8_lossy(name)),
        }
    }
}

/// A host with an optional port.
#[derive(Clone, Copy, Debug)]
pub struct HostPort<'a> {
    /// The host.
    pub host: Host<'a>,
    /// The host as written, brackets included.
    pub host_text: &'a [u8],
    /// The port, if written.
    pub port: Option<u16>,
}

impl<'a> HostPort<'a> {
    /// Parses `host`, `host:port`, `[v6]` or `[v6]:port`.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        if let Some((ip, len)) = ipv4(text)
            && matches!(text.get(len), None | Some(b':'))
        {
            let (host_text, rest) = text.split_at(len);
            return Some(Self { host: Host::Ip(IpAddr::V4(ip)), host_text, port: port(rest)? });
        }
        let host_len = match text.first()? {
            b'[' => find(text, b']')? + 1,
            _ => find(text, b':').unwrap_or(text.len()),
        };
        let (host_text, rest) = text.split_at(host_len);
        Some(Self { host: Host::parse(host_text)?, host_text, port: port(rest)? })
    }
}

/// What stands behind a host: nothing, or a colon and a port. The outer `None`: it is neither.
fn port(text: &[u8]) -> Option<Option<u16>> {
    match text.split_first() {
        None => Some(None),
        Some((b':', digits)) => Some(Some(number(digits, u32::from(u16::MAX))? as u16)),
        Some(_) => None,
    }
}

/// Labels of letters, digits, hyphens and underscores with a dot between them, and perhaps a last one behind. The last
/// label is no number: what looks like an IPv4 address must be one.
fn is_name(text: &[u8]) -> bool {
    let name = without_dot(text);
    let (blocks, rest) = name.as_chunks();
    // A dot at the front is one behind an empty label too.
    let mut dot_before = 1;
    let mut is_bad = |block: Block, len: usize| {
        let dots = block.is(b'.').bits();
        let empty = dots & (dots << 1 | dot_before);
        dot_before = dots >> (BLOCK_BYTES - 1);
        let others = !host_marks(block).bits() & ((1 << len) - 1);
        empty | others != 0
    };
    if blocks.iter().any(|block| is_bad(Block::of(block), BLOCK_BYTES))
        || is_bad(Block::of_part(rest), rest.len())
    {
        return false;
    }
    let digits = name.iter().rev().take_while(|c| c.is_ascii_digit()).count();
    !matches!(name.len().checked_sub(digits + 1).map(|i| name[i]), None | Some(b'.'))
}

fn without_dot(name: &[u8]) -> &[u8] {
    name.strip_suffix(b".").unwrap_or(name)
}

/// The IPv4 address at the front of a text, and how long it is.
fn ipv4(text: &[u8]) -> Option<(Ipv4Addr, usize)> {
    let digit = |at: usize| text.get(at).filter(|c| c.is_ascii_digit()).map(|c| u16::from(c - b'0'));
    let (mut octets, mut at) = ([0; 4], 0);
    for (i, octet) in octets.iter_mut().enumerate() {
        if i > 0 {
            text.get(at).filter(|&&c| c == b'.')?;
            at += 1;
        }
        let (mut value, start) = (digit(at)?, at);
        at += 1;
        while let Some(digit) = digit(at).filter(|_| at < start + 3) {
            (value, at) = (value * 10 + digit, at + 1);
        }
        *octet = u8::try_from(value).ok()?;
    }
    Some((Ipv4Addr::from(octets), at))
}

fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    // At most 45 characters (RFC 5952 with an embedded IPv4 address); zone names do not travel (RFC 6874 is for links).
    if text.len() > IPV6_TEXT_MAX {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    match text.split_once(":::") {
        // The grammar of RFC 3261 has one colon too many before an embedded IPv4 address: RFC 5118 §4.10.
        Some((before, behind)) if behind.contains('.') => format!("{before}::{behind}").parse().ok(),
        _ => text.parse().ok(),
    }
}

/// `0000:0000:0000:0000:0000:ffff:255.255.255.255`.
const IPV6_TEXT_MAX: usize = 45;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, Option<u16>)> {
        HostPort::parse(text.as_bytes()).map(|h| (h.host.to_string(), h.port))
    }

    /// RFC 3261 §25.1 `hostport`, RFC 5118 §4.1 to §4.10.
    #[test]
    fn forms_of_hosts() {
        for (text, host, port) in [
            ("192.0.2.1", "192.0.2.1", None),
            ("192.0.2.1:5070", "192.0.2.1", Some(5070)),
            ("192.0.2.1.example:5070", "192.0.2.1.example", Some(5070)),
            ("192.0.2.1a", "192.0.2.1a", None),
            ("192.0.2.1999x", "192.0.2.1999x", None),
            ("Example.COM.", "Example.COM.", None),
            ("my_pbx:05060", "my_pbx", Some(5060)),
            ("[2001:DB8::10]:5070", "[2001:db8::10]", Some(5070)),
            ("[2001:db8::10:5070]", "[2001:db8::10:5070]", None),
            ("[::ffff:192.0.2.10]:19823", "[::ffff:192.0.2.10]", Some(19823)),
            ("[2001:db8::192.0.2.1]", "[2001:db8::c000:201]", None),
            ("[2001:db8:::192.0.2.1]", "[2001:db8::c000:201]", None),
        ] {
            assert_eq!(parsed(text), Some((host.into(), port)), "{text}");
        }
    }

    /// RFC 5118 §4.2: IPv6 without brackets is no host.
    #[test]
    fn what_is_no_host() {
        for text in [
            "",
            ":5060",
            "a:",
            "a:b",
            "a:65536",
            "a:1:2",
            "2001:db8::10",
            "[2001:db8::10",
            "[]",
            "[1.2.3.4]",
            "[::1]x",
            "[2001:db8:::10]",
            "[fe80::1%eth0]",
            "a b",
            ".a",
            ".",
            "a..b",
            "a..",
            "1.2.3.4.",
            "1.2.3.4567",
            "1.2.3.4x:",
            "1.2.3",
            "1.2.3.256",
            "a.1",
            "4711",
            "a@b",
            "a/b",
            "h\u{e9}",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    /// RFC 3261 §25.1 `hostname`: long ones are read as short ones, wherever something stands in them.
    #[test]
    fn names_of_every_length() {
        for len in 1..50 {
            let name = |at: usize, marks: &[u8]| {
                let mut name = vec![b'a'; len + 2];
                name[at..at + marks.len()].copy_from_slice(marks);
                is_name(&name)
            };
            for at in 0..len {
                assert_eq!(name(at, b"."), at > 0, "a dot at {at} of {}", len + 2);
                assert!(!name(at, b".."), "two dots at {at} of {}", len + 2);
                assert!(!name(at, b"/"), "no character of a name at {at} of {}", len + 2);
                assert!(name(at, b"1"), "a digit at {at} of {}", len + 2);
            }
            assert!(!name(len, b".1"), "a number behind the last dot of {}", len + 2);
        }
    }

    /// RFC 3261 §19.1.4: names in any case, addresses by value; a name is not its address.
    #[test]
    fn the_same_host() {
        let same = |a: &str, b: &str| match (Host::parse(a.as_bytes()), Host::parse(b.as_bytes())) {
            (Some(a), Some(b)) => a.same(b),
            _ => panic!("{a} or {b} is no host"),
        };
        assert!(same("Example.com", "eXAMPLE.COM."));
        assert!(same("[2001:db8:0:0::1]", "[2001:DB8::1]"));
        assert!(!same("example.com", "192.0.2.1"));
        assert!(!same("a.example", "b.example"));
    }
}
