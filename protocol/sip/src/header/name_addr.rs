//! `name-addr` and `addr-spec` with parameters: From, To, Contact, Route, Record-Route, Path and their kin
//! (RFC 3261 §20.10, §20.20, §20.34, §20.39).

use crate::chars::{are_uri, is_lws, is_token, is_whole_token, trim, trim_start, uri_len};
use crate::params::{Params, quoted_end, unquote};
use crate::{Malformed, Uri};

/// A display name, a URI and header parameters, as text.
#[derive(Clone, Copy, Debug)]
pub struct NameAddr<'a> {
    /// The display name as written, without quotes; empty if there is none.
    pub display: &'a [u8],
    /// The URI as written, without angle brackets.
    pub uri: &'a [u8],
    /// Behind the URI: the header parameters, from their first semicolon.
    params: &'a [u8],
    /// Read while they were checked: nearly everyone asks for it.
    tag: Option<&'a [u8]>,
}

impl<'a> NameAddr<'a> {
    /// Parses one value. `*` of Contact is not one (RFC 3261 §10.2.2): look for it first.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let value = trim(value);
        let (display, uri, params) = match display_name(value)? {
            Some((display, rest)) => {
                let (uri, rest) = rest.split_at(uri_len(rest));
                (display, uri, rest.strip_prefix(b">")?)
            }
            None => {
                // Without brackets, everything behind the first semicolon belongs to the header, and a question mark
                // or comma makes it illegal (RFC 3261 §20.10).
                let end = value.iter().position(|&c| c == b';' || is_lws(c)).unwrap_or(value.len());
                let (uri, params) = value.split_at(end);
                let is_legal = !uri.iter().any(|&c| matches!(c, b'?' | b',')) && are_uri(uri);
                is_legal.then_some((&b""[..], uri, params))?
            }
        };
        let mut tag = None;
        let is_legal = Uri::has_scheme(uri)
            && Params::new(params).each_if_legal(|param| {
                if param.name.len() == 3 && param.is(b"tag") {
                    tag.get_or_insert(param.text().unwrap_or_default());
                }
            });
        is_legal.then_some(Self { display, uri, params, tag })
    }

    /// The header parameters.
    pub fn params(&self) -> Params<'a> {
        Params::new(self.params)
    }

    /// The header parameters as written, from the first semicolon.
    pub fn params_text(&self) -> &'a [u8] {
        trim(self.params)
    }

    /// The `tag` of From and To (RFC 3261 §19.3), if there is one and it is not empty.
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.tag.filter(|tag| !tag.is_empty())
    }

    /// The tag of a From or To that has been read before, empty where there is none: nothing is checked again where it
    /// stands alone behind the bracket, as it nearly always does.
    pub fn tag_of(value: &'a [u8]) -> &'a [u8] {
        let behind = value.iter().rposition(|&c| c == b'>').and_then(|close| value.get(close + 1..));
        if behind == Some(b"") {
            return b"";
        }
        match behind.and_then(|behind| behind.strip_prefix(b";tag=")) {
            Some(tag) if is_whole_token(tag) => tag,
            _ => Self::parse(value).and_then(|address| address.tag()).unwrap_or_default(),
        }
    }

    /// Whether there is a `tag` without a value, which is malformed.
    pub(crate) fn has_empty_tag(&self) -> bool {
        self.tag == Some(b"")
    }

    /// The URI.
    ///
    /// # Errors
    /// [`Malformed::Uri`].
    pub fn parsed_uri(&self) -> Result<Uri<'a>, Malformed> {
        Uri::of_legal(self.uri)
    }
}

/// The display name and what stands behind the bracket; `Some(None)` if there is no bracket. The outer `None` is a
/// quoted string without end or without bracket. An unquoted name is tokens (RFC 3261 §25.1); letters of other
/// alphabets are taken as well, since many phones forget the quotes.
fn display_name(value: &[u8]) -> Option<Option<(&[u8], &[u8])>> {
    if value.starts_with(b"\"") {
        let (quoted, rest) = value.split_at(quoted_end(value, 0)?);
        return Some(Some((unquote(quoted), trim_start(rest).strip_prefix(b"<")?)));
    }
    if let Some(rest) = value.strip_prefix(b"<") {
        return Some(Some((b"", rest)));
    }
    let len = value.iter().take_while(|&&c| is_token(c) || is_lws(c) || c >= 0x80).count();
    let (name, rest) = value.split_at(len);
    Some(rest.strip_prefix(b"<").map(|rest| (trim(name), rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(value: &str) -> Option<(&str, &str, Option<&str>)> {
        let a = NameAddr::parse(value.as_bytes())?;
        let text = |b| std::str::from_utf8(b).expect("tests speak UTF-8");
        Some((text(a.display), text(a.uri), a.tag().map(text)))
    }

    /// RFC 3261 §20.10 and §20.20.
    #[test]
    fn forms_of_addresses() {
        for (value, want) in [
            ("<sip:a@b>;tag=1", ("", "sip:a@b", Some("1"))),
            ("Alice A <sip:a@b;lr>", ("Alice A", "sip:a@b;lr", None)),
            ("\"A, \\\"B\\\" <x>\" <sip:a@b>;q=1;TAG=z", ("A, \\\"B\\\" <x>", "sip:a@b", Some("z"))),
            ("sip:a@b;tag=2", ("", "sip:a@b", Some("2"))),
            ("<sip:a@b>;tag=1;tag=2", ("", "sip:a@b", Some("1"))),
            ("<sip:a@b> ; tag = 3", ("", "sip:a@b", Some("3"))),
            ("tel:+1;tag=4", ("", "tel:+1", Some("4"))),
            ("Jos\u{e9} <sip:j@b>", ("Jos\u{e9}", "sip:j@b", None)),
        ] {
            assert_eq!(parts(value), Some(want), "{value}");
        }
    }

    /// RFC 3261 §19.3: wherever the tag stands, it is the one that is found by reading all.
    #[test]
    fn tags_of_what_was_read_before() {
        for value in [
            "<sip:a@b>;tag=1",
            "\"A > ;tag=9\" <sip:a@b>;tag=a-b.c~2",
            "<sip:a@b>;tag=\"q\"",
            "<sip:a@b>;x=\"a>;tag=b\"",
            "<sip:a@b>;x=\"a>;tag=b\";tag=c",
            "<sip:a@b>;tag=1;x=2",
            "<sip:a@b>;x=2;tag=1",
            "<sip:a@b> ; tag = 3",
            "<sip:a@b>;TAG=z",
            "<sip:a@b>;tag=",
            "<sip:a@b>",
            "sip:a@b;tag=2",
            "tel:+1;tag=4",
            "nobody",
            "",
        ] {
            let tag = NameAddr::parse(value.as_bytes()).and_then(|a| a.tag()).unwrap_or_default();
            assert_eq!(NameAddr::tag_of(value.as_bytes()), tag, "{value}");
        }
    }

    /// RFC 4475 §3.1.2.1, §3.1.2.6, §3.1.2.13 to §3.1.2.15, §3.3.8: what is no address.
    #[test]
    fn what_is_no_address() {
        for value in [
            "",
            "*",
            "<sip:a@b",
            "\"open <sip:a@b>",
            "sip:a@b?x=y",
            "<>",
            "nobody",
            "<sip:a@b>tag=1",
            "< sip:a@b>",
            "Bell, Alexander <sip:a@b>",
            "Bell \"Alexander\" <sip:a@b>",
            "\"Bell\" Alexander <sip:a@b>",
            "\"Bell\" sip:a@b",
            "\"open\\\" <sip:a@b>",
            "sip:a@b, sip:c@d",
            "<sip:a@b>, <sip:c@d>",
            "<sip:a@b>;tag=1, <sip:c@d>;tag=2",
            "<sip:a@b>;;tag=1",
            "sip:a@b c",
        ] {
            assert!(NameAddr::parse(value.as_bytes()).is_none(), "{value}");
        }
    }
}
