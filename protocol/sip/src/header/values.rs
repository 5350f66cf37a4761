//! Comma-separated values over all lines of a header: RFC 3261 §7.3.1.

use crate::chars::{find, list_mark, trim};
use crate::message::Message;
use crate::name::Name;
use crate::params::quoted_end;

/// The values of one header in order, from all its lines.
pub struct Values<'m, 'a> {
    message: &'m Message<'a>,
    name: Name,
    next_line: usize,
    rest: Option<&'a [u8]>,
}

impl<'m, 'a> Values<'m, 'a> {
    pub(crate) fn new(message: &'m Message<'a>, name: Name) -> Self {
        let next_line = message.first_index(name).unwrap_or(usize::MAX);
        Self { message, name, next_line, rest: None }
    }

    fn next_text(&mut self) -> Option<&'a [u8]> {
        if let Some(rest) = self.rest.take() {
            return Some(rest);
        }
        let ahead = self.message.lines().get(self.next_line..)?;
        let skip = ahead.iter().position(|l| l.name == self.name)?;
        self.next_line += skip + 1;
        Some(self.message.line_value(&ahead[skip]))
    }
}

impl<'a> Iterator for Values<'_, 'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.next_text()?;
        let (value, rest) = split(text);
        self.rest = rest;
        Some(value)
    }
}

/// The first value of a list, trimmed, and what stands behind its comma. Commas in quoted strings and between angle
/// brackets are none.
pub fn split(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    if find(text, b',').is_none() {
        return (trim(text), None);
    }
    let mut at = 0;
    let mut in_brackets = false;
    while let Some(skip) = list_mark(&text[at..]) {
        at += skip;
        match text[at] {
            b',' if !in_brackets => return (trim(&text[..at]), Some(&text[at + 1..])),
            b'"' if !in_brackets => {
                at = quoted_end(text, at).unwrap_or(text.len());
                continue;
            }
            b'<' => in_brackets = true,
            b'>' => in_brackets = false,
            _ => {}
        }
        at += 1;
    }
    (trim(text), None)
}
