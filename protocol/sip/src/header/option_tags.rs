//! Lists of option tags: Require, Proxy-Require, Supported, Unsupported (RFC 3261 §19.2, §20.29, §20.32, §20.37,
//! §20.40).

use crate::Malformed;
use crate::chars::is_whole_token;
use crate::header::Values;
use crate::message::Message;
use crate::name::Name;

/// Walks over the option tags of one header. Every item is a token, or the fault of the header.
///
/// An empty Supported means that nothing is supported (RFC 3261 §20.37), so empty elements are passed over there; in
/// the other lists they are malformed, for one cannot know what the sender insisted on.
pub struct OptionTags<'m, 'a> {
    values: Values<'m, 'a>,
    name: Name,
}

impl<'m, 'a> OptionTags<'m, 'a> {
    pub(crate) fn new(message: &'m Message<'a>, name: Name) -> Self {
        Self { values: message.values(name), name }
    }

    /// Whether the list has this tag, in any case of letters (RFC 3261 §7.3.1: tokens). Malformed elements are not it.
    pub fn has(mut self, tag: &[u8]) -> bool {
        self.any(|t| t.is_ok_and(|t| t.eq_ignore_ascii_case(tag)))
    }
}

impl<'a> Iterator for OptionTags<'_, 'a> {
    type Item = Result<&'a [u8], Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let tag = self.values.next()?;
            if is_whole_token(tag) {
                return Some(Ok(tag));
            }
            if !(tag.is_empty() && self.name == Name::Supported) {
                return Some(Err(Malformed::Header(self.name.text())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(headers: &str, name: Name) -> Result<Vec<String>, Malformed> {
        let text = format!("OPTIONS sip:a SIP/2.0\r\n{headers}\r\n");
        let message = Message::parse(text.as_bytes()).expect("a message");
        message.option_tags(name).map(|tag| tag.map(|t| String::from_utf8_lossy(t).into_owned())).collect()
    }

    /// RFC 3261 §20.32 and §20.37.
    #[test]
    fn tags_come_from_all_lines_in_order() {
        assert_eq!(
            tags("k: path, gruu\r\nSubject: x\r\nSupported:\r\n outbound\r\n", Name::Supported),
            Ok(vec!["path".into(), "gruu".into(), "outbound".into()])
        );
        assert_eq!(tags("", Name::Require), Ok(vec![]));
    }

    /// RFC 3261 §20.37: an empty Supported is legal, an empty Require is not (§25.1).
    #[test]
    fn only_supported_may_be_empty() {
        assert_eq!(tags("Supported:\r\n", Name::Supported), Ok(vec![]));
        assert_eq!(tags("Require:\r\n", Name::Require), Err(Malformed::Header("Require")));
        assert_eq!(
            tags("Proxy-Require: a,,b\r\n", Name::ProxyRequire),
            Err(Malformed::Header("Proxy-Require"))
        );
        assert_eq!(tags("Supported: a b\r\n", Name::Supported), Err(Malformed::Header("Supported")));
    }

    #[test]
    fn tags_are_found_in_any_case() {
        let message = Message::parse(b"OPTIONS sip:a SIP/2.0\r\nSupported: Path\r\n\r\n").expect("a message");
        assert!(message.option_tags(Name::Supported).has(b"path"));
        assert!(!message.option_tags(Name::Supported).has(b"pat"));
        assert!(!message.option_tags(Name::Require).has(b"path"));
    }
}
