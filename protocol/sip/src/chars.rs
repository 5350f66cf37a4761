//! Character classes of RFC 3261 §25.1, as one table, and the linear whitespace that folding leaves in values.

const TOKEN: u8 = 1;
const USER: u8 = 2;
const HOST: u8 = 4;
const URI: u8 = 8;
const BARE: u8 = 16;

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
    if alphanum || matches!(c, b'-' | b'.' | b'_') {
        class |= HOST;
    }
    // Anything that may stand in a URI somewhere: no space, no control, none of the delimiters <>" and \^`{|}.
    if c > b' ' && c < 0x7f && !matches!(c, b'<' | b'>' | b'"' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}') {
        class |= URI;
    }
    // More than `gen-value` has: IPv6 addresses (RFC 5118 §4.5), slashes and the like are in real messages.
    if c > b' ' && c != 0x7f && !matches!(c, b';' | b',' | b'<' | b'>' | b'"') {
        class |= BARE;
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

/// Characters of the user part of a URI, `%` included.
pub(crate) fn is_user(c: u8) -> bool {
    CLASSES[c as usize] & USER != 0
}

/// Characters of a host name. The underscore is not in the grammar but in real names.
pub(crate) fn is_host(c: u8) -> bool {
    CLASSES[c as usize] & HOST != 0
}

/// Whether every character may stand in a URI. Without a way out in between, which makes it twice as fast where all
/// is well.
pub(crate) fn are_uri(text: &[u8]) -> bool {
    text.iter().fold(URI, |all, &c| all & CLASSES[c as usize]) != 0
}

/// Characters of a parameter value that needs no quotes.
pub(crate) fn is_bare_value(c: u8) -> bool {
    CLASSES[c as usize] & BARE != 0
}

/// The first character that means something to who splits a list at its commas.
#[inline]
pub(crate) fn list_mark(text: &[u8]) -> Option<usize> {
    first(text, |c| (c == b',') | (c == b'<') | (c == b'>') | (c == b'"'))
}

/// The first character that means something to who splits parameters at their semicolons.
#[inline]
pub(crate) fn param_mark(text: &[u8]) -> Option<usize> {
    first(text, |c| (c == b';') | (c == b'"'))
}

/// The first character of a class that is rare: sixteen are looked at together.
#[inline(always)]
fn first(text: &[u8], is_mark: impl Fn(u8) -> bool) -> Option<usize> {
    let (blocks, _) = text.as_chunks::<16>();
    let clear =
        blocks.iter().take_while(|block| !block.iter().fold(false, |any, &c| any | is_mark(c))).count();
    let behind = text.get(clear * 16..)?.iter().position(|&c| is_mark(c))?;
    Some(clear * 16 + behind)
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
