//! Header lines: where one ends, what it is called and where its value stands. RFC 3261 §7.3.1.
//!
//! ```text
//!   Subject : lunch␍␊        name, blanks, colon, value
//!     at noon␍␊              a line that begins with a blank continues the one above
//! ```

use std::ops::Range;

use crate::chars::{is_blank, trim};
use crate::name::{Name, known_name};

/// One header line, continuation lines included (RFC 3261 §7.3.1), as offsets into the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// Which header.
    pub name: Name,
    start: u16,
    value: u16,
    end: u16,
    next: u16,
}

impl Line {
    /// The whole line with its CRLF.
    pub fn whole(&self) -> Range<usize> {
        self.start as usize..self.next as usize
    }

    /// The value without the whitespace around it.
    pub fn value(&self) -> Range<usize> {
        self.value as usize..self.end as usize
    }

    /// Reads the line that begins at `at` and whose last line feed stands at `feed`, both below
    /// [`crate::limits::MESSAGE_BYTES_MAX`]. `None` if it has no name or no colon.
    #[inline(always)] // one caller, for each line of each message; left to itself the compiler decides anew each time
    pub(crate) fn read(bytes: &[u8], at: usize, feed: usize) -> Option<Self> {
        let line = bytes.get(at..feed)?;
        let (name, colon) = match known_name(&bytes[at..]) {
            Some(known) => known,
            None => any_name(line)?,
        };
        let value = trim(line.get(colon + 1..)?);
        // An empty value stands right behind the colon, so that what replaces it does too.
        let value_at = if value.is_empty() { at + colon + 1 } else { crate::chars::offset(bytes, value) };
        Some(Self {
            name,
            start: at as u16,
            value: value_at as u16,
            end: (value_at + value.len()) as u16,
            next: (feed + 1) as u16,
        })
    }
}

/// The name of a line and where its colon stands; blanks may stand between them (RFC 3261 §25.1, HCOLON).
fn any_name(line: &[u8]) -> Option<(Name, usize)> {
    let colon = line.iter().position(|&c| c == b':')?;
    let blanks = line[..colon].iter().rev().take_while(|&&c| is_blank(c)).count();
    let token = &line[..colon - blanks];
    Name::is_legal(token).then(|| (Name::from_token(token), colon))
}

/// Where a line ends.
pub(crate) struct LineEnd {
    /// The offset of its line feed.
    pub(crate) feed: usize,
    /// Whether carriage returns and line feeds stand in pairs only.
    pub(crate) is_crlf: bool,
}

/// Finds the end of the header line that begins at `at`, behind all continuation lines; `None` if it is not there yet.
#[inline(always)]
pub(crate) fn line_end(bytes: &[u8], at: usize) -> Option<LineEnd> {
    let mut end = first_line_end(bytes, at)?;
    while let Some(b' ' | b'\t') = bytes.get(end.feed + 1) {
        let rest = first_line_end(bytes, end.feed + 1)?;
        end = LineEnd { feed: rest.feed, is_crlf: end.is_crlf && rest.is_crlf };
    }
    Some(end)
}

/// Finds the end of a line, whatever comes behind it. A bare line feed ends a line too, a bare carriage return does not.
#[inline(always)]
pub(crate) fn first_line_end(bytes: &[u8], mut at: usize) -> Option<LineEnd> {
    let mut is_crlf = true;
    loop {
        at += control(bytes.get(at..)?)?;
        match bytes[at..] {
            [b'\r', b'\n', ..] => {
                return Some(LineEnd { feed: at + 1, is_crlf });
            }
            [b'\n', ..] => {
                return Some(LineEnd { feed: at, is_crlf: false });
            }
            [b'\r', ..] => is_crlf = false,
            _ => {}
        }
        at += 1;
    }
}

/// The first byte that could end a line, or another control character as low: eight bytes at a time, since lines are
/// too short for the call of a library to pay.
#[inline(always)]
fn control(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const ABOVE: u64 = b'\r' as u64 + 1;
    let (words, rest) = bytes.as_chunks();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The lowest byte of `low` with its top bit set is the first byte of the word that is less than `ABOVE`.
        let low = word.wrapping_sub(ONES * ABOVE) & !word & (ONES << 7);
        if low != 0 {
            return Some(i * 8 + low.trailing_zeros() as usize / 8);
        }
    }
    let behind = rest.iter().position(|&c| u64::from(c) < ABOVE)?;
    Some(words.len() * 8 + behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(Name, &str)> {
        let bytes = text.as_bytes();
        let line = Line::read(bytes, 0, line_end(bytes, 0)?.feed)?;
        assert_eq!(line.whole().end, text.len());
        text.get(line.value()).map(|value| (line.name, value))
    }

    /// RFC 3261 §7.3.1: blanks before and behind the colon, continuation lines, empty values.
    #[test]
    fn forms_of_header_lines() {
        for (text, want) in [
            ("Subject: a\r\n", (Name::Subject, "a")),
            ("s \t :\r\n lunch\r\n\tat noon  \r\n", (Name::Subject, "lunch\r\n\tat noon")),
            ("S:\r\n", (Name::Subject, "")),
            ("S:  \r\n \r\n", (Name::Subject, "")),
            ("X-Y: a: b\r\n", (Name::Other, "a: b")),
        ] {
            assert_eq!(parts(text), Some(want), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_header_line() {
        for text in
            ["\r\n", "Subject\r\n", ": a\r\n", " Subject: a\r\n", "Sub ject: a\r\n", "Su\r\n bject: a\r\n"]
        {
            assert_eq!(parts(text), None, "{text:?}");
        }
    }

    #[test]
    fn bare_carriage_returns_and_line_feeds_are_told() {
        for (text, want) in [
            ("a: b\r\n", true),
            ("a: b\r\n c\r\n", true),
            ("a: b\n", false),
            ("a: b\n c\r\n", false),
            ("a: b\r c\r\n", false),
            ("a: b\r\r\n", false),
            ("\n", false),
        ] {
            let end = line_end(text.as_bytes(), 0).expect("an end");
            assert_eq!((end.feed, end.is_crlf), (text.len() - 1, want), "{text:?}");
        }
        for text in ["a: b\r\n c", "a: b", "a: b\r", ""] {
            assert!(line_end(text.as_bytes(), 0).is_none(), "{text:?}");
        }
    }
}
