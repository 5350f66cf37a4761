//! A message as the oracle reads it: plain text cut at line ends, apart from the server's parser, and nothing copied.

use std::net::{IpAddr, SocketAddr};

use crate::lines;

/// A message.
#[derive(Clone, Debug)]
pub(crate) struct Packet<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) first: &'a str,
    /// 0 for a request.
    pub(crate) status: u16,
    /// Of a request, or of the request that a response answers.
    pub(crate) method: &'a str,
    pub(crate) lines: Vec<(&'a str, &'a str)>,
    pub(crate) body: &'a str,
}

impl<'a> Packet<'a> {
    /// `None` for keep-alives and whatever else is no message.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, body) = std::str::from_utf8(bytes).ok()?.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let first = lines.next().filter(|line| !line.is_empty())?;
        let lines: Vec<_> = lines.map(|line| line.split_once(": ")).collect::<Option<_>>()?;
        let digits = first.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3));
        let status = digits.and_then(|digits| digits.parse().ok()).unwrap_or(0);
        let mut packet = Self { bytes, first, status, method: "", lines, body };
        packet.method = match status {
            0 => first.split(' ').next()?,
            _ => packet.value("CSeq").split(' ').nth(1)?,
        };
        Some(packet)
    }

    pub(crate) fn uri(&self) -> &'a str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    /// The first line of this name, or nothing.
    pub(crate) fn value(&self, name: &str) -> &'a str {
        self.values(name).next().unwrap_or_default()
    }

    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter(move |(n, _)| *n == name).map(|(_, value)| *value)
    }

    pub(crate) fn via(&self) -> &'a str {
        self.value("Via")
    }

    pub(crate) fn number(&self) -> &'a str {
        self.value("CSeq").split(' ').next().unwrap_or_default()
    }

    pub(crate) fn is_invite(&self) -> bool {
        self.method == "INVITE"
    }
}

/// The branch of a Via, and the host and port that stand before its parameters.
pub(crate) fn via_key(via: &str) -> (&str, &str) {
    let sent_by = via.split(' ').nth(1).and_then(|rest| rest.split(';').next()).unwrap_or_default();
    (param(via, "branch"), sent_by)
}

/// A parameter of a header value, outside of `<>`.
pub(crate) fn param<'a>(value: &'a str, name: &str) -> &'a str {
    let after = value.rfind('>').map_or(value, |at| &value[at..]);
    let mut params = after.split(';').skip(1).filter_map(|param| param.split_once('='));
    params.find(|(key, _)| *key == name).map_or("", |(_, value)| value)
}

/// The URI between `<` and `>`.
pub(crate) fn uri_of(value: &str) -> &str {
    value.split('<').nth(1).and_then(|rest| rest.split('>').next()).unwrap_or(value)
}

/// User and host of a URI, both as they stand; the host may have a port.
pub(crate) fn user_and_host(uri: &str) -> (&str, &str) {
    let rest = lines::bare(uri);
    let rest = rest.split([';', '?']).next().unwrap_or_default();
    rest.split_once('@').unwrap_or(("", rest))
}

/// The address in a URI, where its host is numeric.
pub(crate) fn address_of(uri: &str) -> Option<SocketAddr> {
    let (_, host) = user_and_host(uri);
    let ip_alone = || Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, 5060));
    host.parse().ok().or_else(ip_alone)
}
