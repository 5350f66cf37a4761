//! The `%` escapes of URIs: RFC 3261 §19.1.2, RFC 3986 §2.

use crate::chars::find;

/// The bytes of a text with each octet in one form: as itself if `is_plain` says so, else as `%` and two upper-case
/// digits. Escapes are undone once, never twice (RFC 4475 §3.1.1.3).
#[derive(Clone)]
pub(super) struct Canonical<'a> {
    text: &'a [u8],
    is_plain: fn(u8) -> bool,
    /// How many of the next bytes are digits of an escape that stays.
    digits: u8,
}

impl<'a> Canonical<'a> {
    pub(super) fn new(text: &'a [u8], is_plain: fn(u8) -> bool) -> Self {
        Self { text, is_plain, digits: 0 }
    }
}

impl Iterator for Canonical<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&c, rest) = self.text.split_first()?;
        self.text = rest;
        if self.digits > 0 {
            self.digits -= 1;
            return Some(c.to_ascii_uppercase());
        }
        if c == b'%'
            && let Some(octet) = hex_pair(rest)
        {
            if (self.is_plain)(octet) {
                self.text = &rest[2..];
                return Some(octet);
            }
            self.digits = 2;
        }
        Some(c)
    }
}

/// Whether two texts are the same in any case of letters, an escaped character being itself unless it is reserved
/// (RFC 3261 §19.1.4).
pub(super) fn same_text(a: &[u8], b: &[u8]) -> bool {
    let canonical = |text| Canonical::new(text, is_unreserved).map(|c| c.to_ascii_lowercase());
    a.eq_ignore_ascii_case(b) || ((has_escapes(a) || has_escapes(b)) && canonical(a).eq(canonical(b)))
}

/// Like [`same_text`], but capital and small letters are two.
pub(super) fn same_text_and_case(a: &[u8], b: &[u8]) -> bool {
    let canonical = |text| Canonical::new(text, is_unreserved);
    a == b || ((has_escapes(a) || has_escapes(b)) && canonical(a).eq(canonical(b)))
}

/// Whether two hexadecimal digits stand behind every `%`.
pub(super) fn escapes_are_whole(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = find(rest, b'%') {
        rest = &rest[at + 1..];
        if hex_pair(rest).is_none() {
            return false;
        }
    }
    true
}

fn has_escapes(text: &[u8]) -> bool {
    text.contains(&b'%')
}

/// `unreserved`: RFC 3261 §25.1.
fn is_unreserved(c: u8) -> bool {
    c.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&c)
}

fn hex_pair(text: &[u8]) -> Option<u8> {
    let [a, b, ..] = text else { return None };
    let high = char::from(*a).to_digit(16)?;
    let low = char::from(*b).to_digit(16)?;
    Some((high * 16 + low) as u8)
}
