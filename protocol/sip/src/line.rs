//! Header lines: where one ends, what it is called and where its value stands. RFC 3261 §7.3.1.
//!
//! ```text
//!   Subject : lunch␍␊        name, blanks, colon, value
//!     at noon␍␊              a line that begins with a blank continues the one above
//! ```

use std::ops::Range;

use crate::block::{BLOCK_BYTES, Block};
use crate::chars::{is_blank, trim, trim_start};
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
    #[inline(always)] // for each line of each message; left to itself the compiler decides anew each time
    pub(crate) fn read(bytes: &[u8], at: usize, feed: usize) -> Option<Self> {
        let (name, colon) = match known_name(bytes.get(at..)?) {
            Some(known) => known,
            None => any_name(bytes.get(at..feed)?)?,
        };
        let behind = at + colon + 1;
        let (value, end) = trimmed(bytes, behind, feed)?;
        let [start, value, end, next] = [at, value, end, feed + 1].map(|i| i as u16);
        Some(Self { name, start, value, end, next })
    }
}

/// Where what stands between two places begins and ends without the whitespace around it; where nothing is left, at the
/// first of them, so that what replaces an empty value stands right behind its colon.
#[inline(always)]
fn trimmed(bytes: &[u8], from: usize, to: usize) -> Option<(usize, usize)> {
    let text = bytes.get(from..to)?;
    // As nearly everybody writes it.
    if let [b' ', first, .., last, b'\r'] = text
        && *first > b' '
        && *last > b' '
    {
        return Some((from + 1, to - 1));
    }
    let behind = trim_start(text);
    let value = trim(behind);
    let start = if value.is_empty() { from } else { to - behind.len() };
    Some((start, start + value.len()))
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

/// Finds the ends of lines, one after the other. What could end one is looked for in many characters at once.
pub(crate) struct LineEnds<'a> {
    bytes: &'a [u8],
    /// Where the characters begin that were looked at last.
    group: usize,
    /// Those of them that could end a line, and other control characters as low, but for what was passed.
    controls: u64,
}

/// Characters that are looked at together.
const GROUP_BYTES: usize = u64::BITS as usize;

impl<'a> LineEnds<'a> {
    /// Of these bytes, from their first line on.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, group: 0, controls: controls(bytes) }
    }

    /// The end of a header line that begins with a line with this end, behind all continuation lines; `None` if it is not
    /// there yet.
    #[inline(always)]
    pub(crate) fn behind_folds(&mut self, mut end: LineEnd) -> Option<LineEnd> {
        while let Some(b' ' | b'\t') = self.bytes.get(end.feed + 1) {
            let rest = self.of_line()?;
            end = LineEnd { feed: rest.feed, is_crlf: end.is_crlf && rest.is_crlf };
        }
        Some(end)
    }

    /// The end of the next header line.
    pub(crate) fn of_header(&mut self) -> Option<LineEnd> {
        let end = self.of_line()?;
        self.behind_folds(end)
    }

    /// The end of the next line, whatever comes behind it. A bare line feed ends a line too, a bare carriage return does
    /// not.
    #[inline(always)]
    pub(crate) fn of_line(&mut self) -> Option<LineEnd> {
        let mut is_crlf = true;
        loop {
            let at = self.control()?;
            match self.bytes.get(at..)? {
                [b'\r', b'\n', ..] => {
                    self.control();
                    return Some(LineEnd { feed: at + 1, is_crlf });
                }
                [b'\n', ..] => return Some(LineEnd { feed: at, is_crlf: false }),
                [b'\r', ..] => is_crlf = false,
                _ => {}
            }
        }
    }

    /// The next character that could end a line, or another as low.
    #[inline(always)]
    fn control(&mut self) -> Option<usize> {
        if self.controls == 0 {
            self.next_group()?;
        }
        let at = self.group + self.controls.trailing_zeros() as usize;
        self.controls &= self.controls - 1;
        Some(at)
    }

    /// Goes on to the next characters that have some.
    fn next_group(&mut self) -> Option<()> {
        while self.controls == 0 {
            self.group += GROUP_BYTES;
            self.controls = controls(self.bytes.get(self.group..).filter(|rest| !rest.is_empty())?);
        }
        Some(())
    }
}

/// The control characters up to the carriage return among the first of a text, the first of them lowest.
fn controls(text: &[u8]) -> u64 {
    let low = |block: &[u8; BLOCK_BYTES]| u64::from(Block::of(block).at_most(b'\r').bits());
    let (blocks, rest) = text.as_chunks();
    if let [a, b, c, d, ..] = blocks {
        return low(a) | low(b) << 16 | low(c) << 32 | low(d) << 48;
    }
    let behind = u64::from(Block::of_part(rest).at_most(b'\r').bits()) & ((1 << rest.len()) - 1);
    blocks.iter().rev().fold(behind, |bits, block| bits << BLOCK_BYTES | low(block))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(Name, &str)> {
        let bytes = text.as_bytes();
        let line = Line::read(bytes, 0, LineEnds::of(bytes).of_header()?.feed)?;
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
            let end = LineEnds::of(text.as_bytes()).of_header().expect("an end");
            assert_eq!((end.feed, end.is_crlf), (text.len() - 1, want), "{text:?}");
        }
        for text in ["a: b\r\n c", "a: b", "a: b\r", ""] {
            assert!(LineEnds::of(text.as_bytes()).of_header().is_none(), "{text:?}");
        }
    }
}
