//! `Digest name=value, name="value"`: the form that challenges and credentials share.
//!
//! RFC 3261 §25.1 `challenge` and `credentials`, read leniently where phones are known to differ: any value may be
//! quoted or not, space may stand around `=` and `,`, and list elements may be empty.

use std::borrow::Cow;

use crate::Malformed;

/// The text that a quoted string stands for: `\"` becomes `"`. Borrows unless there is something to undo.
///
/// Digests are computed over what stands between the quotes, escapes included (RFC 7616 §1.1, `unq`).
pub fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'\\') {
        return Cow::Borrowed(raw);
    }
    let mut text = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(&byte) = bytes.next() {
        let escaped = if byte == b'\\' { bytes.next() } else { None };
        text.push(*escaped.unwrap_or(&byte));
    }
    Cow::Owned(text)
}

/// The values of the parameters in `names`, in that order. Others are passed over, as RFC 7616 §3.3 wants.
pub(crate) fn collect<'a, const N: usize>(
    value: &'a [u8],
    names: &[&'static str; N],
) -> Result<[Option<&'a [u8]>; N], Malformed> {
    collect_from(Cursor::after_scheme(value)?, names)
}

/// The same where no scheme stands before them, as in Authentication-Info.
pub(crate) fn collect_bare<'a, const N: usize>(
    value: &'a [u8],
    names: &[&'static str; N],
) -> Result<[Option<&'a [u8]>; N], Malformed> {
    collect_from(Cursor { value, at: 0 }, names)
}

#[inline(always)]
fn collect_from<'a, const N: usize>(
    mut cursor: Cursor<'a>,
    names: &[&'static str; N],
) -> Result<[Option<&'a [u8]>; N], Malformed> {
    let mut found = [None; N];
    while let Some((name, value)) = cursor.param()? {
        let known =
            names.iter().zip(&mut found).find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
        if let Some((known, slot)) = known
            && slot.replace(value).is_some()
        {
            return Err(Malformed::Twice(known));
        }
    }
    Ok(found)
}

/// Appends plain text as a quoted string. Control characters cannot be part of one and are left out.
pub(crate) fn push_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text.iter().filter(|byte| is(**byte, TEXT)) {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Appends what stands between the quotes of a quoted string, and the quotes. Whatever `raw` is, the result is one
/// quoted string: a bare quote is escaped, control characters are left out.
pub(crate) fn push_raw_quoted(out: &mut Vec<u8>, raw: &[u8]) {
    out.push(b'"');
    let mut bytes = raw.iter().filter(|byte| is(**byte, TEXT));
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => out.extend([b'\\', *bytes.next().unwrap_or(&b'\\')]),
            b'"' => out.extend(b"\\\""),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// A name and its value, without quotes.
type Param<'a> = (&'a [u8], &'a [u8]);

struct Cursor<'a> {
    value: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn after_scheme(value: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Self { value, at: 0 };
        cursor.skip(SPACE);
        let scheme = cursor.skip(TOKEN);
        let spaces = cursor.skip(SPACE);
        if scheme.eq_ignore_ascii_case(b"Digest") && !spaces.is_empty() {
            Ok(cursor)
        } else {
            Err(Malformed::Scheme)
        }
    }

    /// The next `name=value`, or the end.
    fn param(&mut self) -> Result<Option<Param<'a>>, Malformed> {
        self.skip(SPACE | COMMA);
        if self.peek().is_none() {
            return Ok(None);
        }
        let name = self.skip(TOKEN);
        self.skip(SPACE);
        if name.is_empty() || self.peek() != Some(b'=') {
            return Err(self.syntax());
        }
        self.at += 1;
        self.skip(SPACE);
        let value = if self.peek() == Some(b'"') { self.quoted()? } else { self.bare()? };
        self.skip(SPACE);
        match self.peek() {
            None | Some(b',') => Ok(Some((name, value))),
            Some(_) => Err(self.syntax()),
        }
    }

    fn quoted(&mut self) -> Result<&'a [u8], Malformed> {
        self.at += 1;
        let start = self.at;
        loop {
            self.skip(QUOTED);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') if self.value.get(self.at + 1).is_some_and(|byte| is(*byte, TEXT)) => {
                    self.at += 2
                }
                _ => return Err(self.syntax()),
            }
        }
        let raw = self.value.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(raw)
    }

    fn bare(&mut self) -> Result<&'a [u8], Malformed> {
        let value = self.skip(BARE);
        if value.is_empty() { Err(self.syntax()) } else { Ok(value) }
    }

    /// Takes bytes as long as they are of a wanted class.
    fn skip(&mut self, wanted: u8) -> &'a [u8] {
        let rest = self.value.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|byte| !is(*byte, wanted)).unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.value.get(self.at).copied()
    }

    fn syntax(&self) -> Malformed {
        Malformed::Syntax { at: self.at }
    }
}

/// What may stand in a quoted string on one line. RFC 3261 would let it be folded; no nonce or name is.
const TEXT: u8 = 1;
/// Text that goes on within quotes.
const QUOTED: u8 = 2;
/// Text that goes on without quotes: wider than a token, as some phones forget the quotes of `uri`.
const BARE: u8 = 4;
/// RFC 3261 §25.1 `token`.
const TOKEN: u8 = 8;
/// RFC 3261 §25.1 `LWS`, line folding included.
const SPACE: u8 = 16;
const COMMA: u8 = 32;

/// Which of these each byte is. A table, as every request of every phone is read byte by byte.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        let text = byte == b'\t' || !byte.is_ascii_control();
        let quoted = text && !matches!(byte, b'"' | b'\\');
        let space = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let token = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        classes[byte as usize] = (if text { TEXT } else { 0 })
            | (if quoted { QUOTED } else { 0 })
            | (if quoted && !space && byte != b',' { BARE } else { 0 })
            | (if token { TOKEN } else { 0 })
            | (if space { SPACE } else { 0 })
            | (if byte == b',' { COMMA } else { 0 });
        if byte == u8::MAX {
            break classes;
        }
        byte += 1;
    }
};

fn is(byte: u8, wanted: u8) -> bool {
    CLASSES[usize::from(byte)] & wanted != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_only_when_there_are_any() {
        assert!(matches!(unescape(b"alice"), Cow::Borrowed(b"alice")));
        assert_eq!(unescape(br#"a\"b\\c"#).as_ref(), br#"a"b\c"#);
        assert_eq!(unescape(br"end\").as_ref(), br"end\");
    }

    #[test]
    fn a_value_cannot_break_out_of_its_quotes() {
        for hostile in ["a\" , stale=TRUE", "a\\", "a\r\nVia: evil", "\\\"", "\\\\\"", "\\\r\n"] {
            let mut out = Vec::from(*b"Digest realm=");
            push_raw_quoted(&mut out, hostile.as_bytes());
            let [realm, stale] = collect(&out, &["realm", "stale"]).expect("one quoted string");
            assert!(realm.is_some() && stale.is_none(), "{hostile:?}");

            out.truncate(b"Digest realm=".len());
            push_quoted(&mut out, hostile.as_bytes());
            let [realm] = collect(&out, &["realm"]).expect("one quoted string");
            let printable: Vec<u8> = hostile.bytes().filter(|byte| is(*byte, TEXT)).collect();
            assert_eq!(unescape(realm.expect("it is there")).as_ref(), printable);
        }
    }
}
