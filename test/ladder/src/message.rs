//! A message as text: its first line, its headers as they stand, its body.

use std::fmt::Write;

use crate::text::{param, split_list};

/// Headers whose values may share one line: RFC 3261 §7.3.1. Others are taken whole.
const LISTS: [&str; 7] = ["via", "route", "record-route", "contact", "path", "service-route", "warning"];
/// Short forms: RFC 3261 §7.3.3, RFC 4028, RFC 6665, RFC 3515, RFC 3892.
const SHORT: [(&str, &str); 15] = [
    ("a", "accept-contact"),
    ("b", "referred-by"),
    ("c", "content-type"),
    ("e", "content-encoding"),
    ("f", "from"),
    ("i", "call-id"),
    ("k", "supported"),
    ("l", "content-length"),
    ("m", "contact"),
    ("o", "event"),
    ("r", "refer-to"),
    ("s", "subject"),
    ("t", "to"),
    ("v", "via"),
    ("x", "session-expires"),
];

/// What the first line says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum First {
    Request { method: String, uri: String },
    Response { status: u16, reason: String },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Message {
    pub(crate) first: First,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn new(first: First) -> Self {
        Self { first, headers: Vec::new(), body: Vec::new() }
    }

    /// Reads a whole message. Folded lines become one.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let head_end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..head_end]).replace("\r\n ", " ").replace("\r\n\t", " ");
        let mut lines = head.split("\r\n");
        let first = read_first(lines.next()?)?;
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        });
        Some(Self { first, headers: headers.collect::<Option<_>>()?, body: bytes[head_end + 4..].to_vec() })
    }

    /// The bytes. Content-Length is added unless the message has one.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut text = match &self.first {
            First::Request { method, uri } => format!("{method} {uri} SIP/2.0\r\n"),
            First::Response { status, reason } => format!("SIP/2.0 {status} {reason}\r\n"),
        };
        for (name, value) in &self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        if self.value("Content-Length").is_none() {
            let _ = write!(text, "Content-Length: {}\r\n", self.body.len());
        }
        text.push_str("\r\n");
        [text.as_bytes(), &self.body].concat()
    }

    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Adds all values of a header of another message.
    pub(crate) fn copy(&mut self, from: &Self, name: &str) {
        let lines = from.headers.iter().filter(|(n, _)| same_name(n, name)).cloned();
        self.headers.extend(lines);
    }

    /// Puts these values in the place of all that a header had; none removes it.
    pub(crate) fn replace(&mut self, name: &str, values: &[&str]) {
        let at = self.headers.iter().position(|(n, _)| same_name(n, name)).unwrap_or(self.headers.len());
        self.headers.retain(|(n, _)| !same_name(n, name));
        let new = values.iter().map(|value| (name.to_owned(), (*value).to_owned()));
        self.headers.splice(at..at, new);
    }

    /// All values of a header, from the top; lists are taken apart.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(n, _)| same_name(n, name)).map(|(_, value)| value.as_str());
        if LISTS.contains(&long_name(name).as_str()) {
            lines.flat_map(split_list).collect()
        } else {
            lines.collect()
        }
    }

    /// The first value of a header.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values(name).first().copied()
    }

    pub(crate) fn call_id(&self) -> &str {
        self.value("Call-ID").unwrap_or_default()
    }

    /// Number and method of CSeq.
    pub(crate) fn cseq(&self) -> Option<(u32, &str)> {
        let mut words = self.value("CSeq")?.split_whitespace();
        Some((words.next()?.parse().ok()?, words.next()?))
    }

    /// The method of a request, or of the request that a response answers.
    pub(crate) fn method(&self) -> &str {
        match &self.first {
            First::Request { method, .. } => method,
            First::Response { .. } => self.cseq().map_or("", |(_, method)| method),
        }
    }

    pub(crate) fn uri(&self) -> &str {
        match &self.first {
            First::Request { uri, .. } => uri,
            First::Response { .. } => "",
        }
    }

    pub(crate) fn status(&self) -> Option<u16> {
        match self.first {
            First::Request { .. } => None,
            First::Response { status, .. } => Some(status),
        }
    }

    /// The branch of the topmost Via: which transaction it belongs to, RFC 3261 §17.1.3.
    pub(crate) fn branch(&self) -> Option<&str> {
        param(self.value("Via")?, "branch")
    }

    pub(crate) fn tag(&self, name: &str) -> Option<&str> {
        param(self.value(name)?, "tag")
    }
}

fn read_first(line: &str) -> Option<First> {
    if let Some(rest) = line.strip_prefix("SIP/2.0 ") {
        let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        return Some(First::Response { status: status.parse().ok()?, reason: reason.to_owned() });
    }
    let (method, rest) = line.split_once(' ')?;
    let uri = rest.strip_suffix(" SIP/2.0")?;
    Some(First::Request { method: method.to_owned(), uri: uri.to_owned() })
}

fn same_name(a: &str, b: &str) -> bool {
    long_name(a) == long_name(b)
}

fn long_name(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    SHORT.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| (*long).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "INVITE sip:bob@example.com SIP/2.0\r\nv: A;branch=1, B\r\nVia: C\r\nSubject: a,\r\n b\r\n\
        f: <sip:a@x>;tag=7\r\nCSeq: 3 INVITE\r\nContent-Length: 2\r\n\r\nhi";

    #[test]
    fn reads_what_it_writes() {
        let message = Message::read(TEXT.as_bytes()).unwrap();
        assert_eq!(message.values("Via"), ["A;branch=1", "B", "C"]);
        assert_eq!((message.branch(), message.tag("From")), (Some("1"), Some("7")));
        assert_eq!((message.value("Subject"), message.cseq()), (Some("a, b"), Some((3, "INVITE"))));
        assert_eq!(Message::read(&message.write()).unwrap(), message);
    }

    #[test]
    fn replacing_keeps_the_place() {
        let mut message = Message::read(TEXT.as_bytes()).unwrap();
        message.replace("Via", &["D", "E"]);
        message.replace("Content-Length", &[]);
        message.replace("Max-Forwards", &["0"]);
        let text = String::from_utf8(message.write()).unwrap();
        assert!(
            text.starts_with("INVITE sip:bob@example.com SIP/2.0\r\nVia: D\r\nVia: E\r\nSubject"),
            "{text}"
        );
        assert!(text.ends_with("Max-Forwards: 0\r\nContent-Length: 2\r\n\r\nhi"), "{text}");
    }

    #[test]
    fn what_is_not_sip_is_not_read() {
        for bad in
            ["", "\r\n\r\n", "INVITE sip:x\r\n\r\n", "SIP/2.0 abc\r\n\r\n", "A b SIP/2.0\r\nno colon\r\n\r\n"]
        {
            assert_eq!(Message::read(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
