//! Character classes of RFC 3261 §25.1: a table where characters are looked at one by one, marks of blocks where they are looked at
//! together; and the linear whitespace that folding leaves in values.

use crate::block::{Block, Marks, first};

const TOKEN: u8 = 1;
const USER: u8 = 2;

const fn class_of(c: u8) -> u8 {
    let mut class = 0;
    let alphanum = c.is_ascii_alphanumeric();
    if alphanum || matches!(c, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~') {
        class |= TOKEN;
    }
    // user = 1*( unreserved / escaped / user-unreserved ); '%' stands for the escape.
    let mark = matches!(c, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')');
    if alphanum || mark || matches!(c, b'%' | b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/') {
        class |= USER;
    }
    class
}

static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut c = 0;
    while c < 256 {
        table[c] = class_of(c as u8);
        c += 1;
    }
    table
};

/// `token` characters: methods, header names, parameter names.
pub(crate) fn is_token(c: u8) -> bool {
    CLASSES[c as usize] & TOKEN != 0
}

/// How many characters at the front are of a token.
#[inline(always)]
pub(crate) fn token_len(text: &[u8]) -> usize {
    text.iter().position(|&c| !is_token(c)).unwrap_or(text.len())
}

/// Characters of the user part of a URI, `%` included.
pub(crate) fn is_user(c: u8) -> bool {
    CLASSES[c as usize] & USER != 0
}

/// Characters of a host name. The underscore is not in the grammar but in real names.
#[inline(always)]
pub(crate) fn host_marks(block: Block) -> Marks {
    let range = |from, to| block.at_least(from) & block.at_most(to);
    let others = block.is(b'-') | block.is(b'.') | block.is(b'_');
    range(b'a', b'z') | range(b'0', b'9') | range(b'A', b'Z') | others
}

/// Whether every character may stand in a URI.
pub(crate) fn are_uri(text: &[u8]) -> bool {
    uri_len(text) == text.len()
}

/// How many characters at the front may stand in a URI.
#[inline]
pub(crate) fn uri_len(text: &[u8]) -> usize {
    first(text, not_uri).unwrap_or(text.len())
}

/// How many characters at the front of a text that may stand in a URI may stand in its user part too.
#[inline]
pub(crate) fn user_len(text: &[u8]) -> usize {
    first(text, not_user).unwrap_or(text.len())
}

/// No space, no control, nothing beyond ASCII, none of `< > " { } \ ^ |` and the backtick; anything else may stand in a URI
/// somewhere.
#[inline(always)]
fn not_uri(block: Block) -> Marks {
    let brackets = block.is(b'<') | block.is(b'>') | block.is(b'{') | block.is(b'}');
    let others = block.is(b'"') | block.is(b'\\') | block.is(b'^') | block.is(b'`') | block.is(b'|');
    block.at_most(b' ') | block.at_least(0x7f) | brackets | others
}

/// What else of a URI has no place in its user part: the marks between parts.
#[inline(always)]
fn not_user(block: Block) -> Marks {
    block.is(b'@') | block.is(b':') | block.is(b'[') | block.is(b']') | block.is(b'#')
}

/// How long a parameter value without quotes is at the front of a text.
#[inline]
pub(crate) fn bare_value_len(text: &[u8]) -> usize {
    first(text, not_bare).unwrap_or(text.len())
}

/// More than `gen-value` has may stand in one: IPv6 addresses (RFC 5118 §4.5), slashes and the like are in real messages.
#[inline(always)]
fn not_bare(block: Block) -> Marks {
    let marks = block.is(b';') | block.is(b',') | block.is(b'<') | block.is(b'>') | block.is(b'"');
    block.at_most(b' ') | block.is(0x7f) | marks
}

/// The first character that means something to who splits a list at its commas.
#[inline]
pub(crate) fn list_mark(text: &[u8]) -> Option<usize> {
    first(text, |block| block.is(b',') | block.is(b'<') | block.is(b'>') | block.is(b'"'))
}

/// The first character that means something to who splits parameters at their semicolons.
#[inline]
pub(crate) fn param_mark(text: &[u8]) -> Option<usize> {
    first(text, |block| block.is(b';') | block.is(b'"'))
}

/// What ends the host of a URI.
#[inline]
pub(crate) fn uri_mark(text: &[u8]) -> Option<usize> {
    first(text, |block| block.is(b';') | block.is(b'?'))
}

/// Whether there are blanks or control characters.
pub(crate) fn has_blanks(text: &[u8]) -> bool {
    first(text, |block| block.at_most(b' ') | block.is(0x7f)).is_some()
}

/// Where this character stands first.
#[inline]
pub(crate) fn find(text: &[u8], c: u8) -> Option<usize> {
    first(text, |block| block.is(c))
}

/// Linear whitespace inside a header value: a fold is CRLF and a blank.
pub(crate) fn is_lws(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\r' | b'\n')
}

/// Whitespace within a line.
pub(crate) fn is_blank(c: u8) -> bool {
    matches!(c, b' ' | b'\t')
}

/// The text without the whitespace at its front.
pub(crate) fn trim_start(mut s: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = s
        && is_lws(*first)
    {
        s = rest;
    }
    s
}

/// The value without whitespace around it.
pub fn trim(s: &[u8]) -> &[u8] {
    let mut s = trim_start(s);
    while let [rest @ .., last] = s
        && is_lws(*last)
    {
        s = rest;
    }
    s
}

/// Whether this is a whole, non-empty token.
pub(crate) fn is_whole_token(s: &[u8]) -> bool {
    !s.is_empty() && s.iter().all(|&c| is_token(c))
}

/// Whether two texts are the same in any case of letters. Nearly all are written in the usual one.
#[inline(always)]
pub fn same_in_any_case(a: &[u8], b: &[u8]) -> bool {
    a == b || a.eq_ignore_ascii_case(b)
}

/// A decimal number that is at most `max`; leading zeros are legal.
pub(crate) fn number(s: &[u8], max: u32) -> Option<u32> {
    let mut value = 0u64;
    for &c in s {
        if !c.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(c - b'0');
        if value > u64::from(max) {
            return None;
        }
    }
    (!s.is_empty()).then_some(value as u32)
}

/// Where `part`, a slice of `whole`, begins in it. Both must come from the same buffer.
pub(crate) fn offset(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize).min(whole.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3261 §25.1: what is told of many characters at once is what the grammar says of each.
    #[test]
    fn classes_of_blocks() {
        for c in 0..=u8::MAX {
            let (text, alone) = ([c; 1], |len: usize| len == 1);
            let printable = (b'!'..=b'~').contains(&c);
            assert_eq!(are_uri(&text), printable && !b"<>\"\\^`{|}".contains(&c), "{c}");
            assert_eq!(are_uri(&text) && alone(user_len(&text)), is_user(c), "{c}");
            let bare = c > b' ' && c != 0x7f && !b";,<>\"".contains(&c);
            assert_eq!(alone(bare_value_len(&text)), bare, "{c}");
            assert_eq!(has_blanks(&text), c <= b' ' || c == 0x7f, "{c}");
            let host = c.is_ascii_alphanumeric() || b"-._".contains(&c);
            assert_eq!(first(&text, host_marks).is_some(), host, "{c}");
        }
    }

    #[test]
    fn numbers_are_bounded_and_may_begin_with_zeros() {
        for (text, want) in
            [("0", Some(0)), ("255", Some(255)), ("00000000000000255", Some(255)), ("256", None)]
        {
            assert_eq!(number(text.as_bytes(), 255), want, "{text}");
        }
        assert_eq!(number(b"4294967295", u32::MAX), Some(u32::MAX));
        for text in ["", "-1", "+1", " 1", "1x", "4294967296", "18446744073709551616"] {
            assert_eq!(number(text.as_bytes(), u32::MAX), None, "{text}");
        }
    }
}
