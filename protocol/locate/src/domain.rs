//! Domain names as questions hold them: lower case, without the final dot.

use std::fmt;

use crate::limits::{LABEL_BYTES_MAX, NAME_BYTES_MAX};

/// A domain name. Comparing two compares what DNS compares (RFC 4343).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Domain(Box<str>);

impl Domain {
    /// Reads a name in its text form, with or without the final dot. Underscores are fine, as SRV needs them. `None` if
    /// it cannot stand in a question: empty, too long, not ASCII, or with characters that no host has.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = text.strip_suffix(b".").unwrap_or(text);
        let good = |label: &[u8]| {
            (1..=LABEL_BYTES_MAX).contains(&label.len())
                && label.iter().all(|&c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
        };
        if text.len() > NAME_BYTES_MAX || !text.split(|&c| c == b'.').all(good) {
            return None;
        }
        let lower = std::str::from_utf8(text).ok()?.to_ascii_lowercase();
        Some(Self(lower.into()))
    }

    /// With a service in front: `_sip._udp.example.org`. `None` if that is too long.
    pub(crate) fn below(&self, service: &str) -> Option<Self> {
        let whole = format!("{service}.{}", self.0);
        (whole.len() <= NAME_BYTES_MAX).then(|| Self(whole.into()))
    }

    /// As text, without the final dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_dns_does() {
        let name = |text: &str| Domain::parse(text.as_bytes());
        assert_eq!(name("_SIP._udp.Example.ORG."), name("_sip._udp.example.org"));
        assert_eq!(name("Example.org").map(|d| d.to_string()), Some("example.org".to_owned()));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long_label = format!("{}.org", "a".repeat(64));
        let long_name = format!("{}org", "a.".repeat(126));
        for text in ["", ".", "a..b", "a b", "b\u{fc}cher.example", "a/b", &long_label, &long_name] {
            assert_eq!(Domain::parse(text.as_bytes()), None, "{text:?}");
        }
        let longest = Domain::parse(format!("{}o", "a.".repeat(126)).as_bytes()).expect("253 bytes");
        assert_eq!(longest.below("_sip._udp"), None);
    }
}
