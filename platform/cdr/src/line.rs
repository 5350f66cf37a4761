//! A record as a line of a file: JSON, or CSV (RFC 4180).

use std::borrow::Cow;
use std::io::Write;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::record::Entry;

/// The columns of a CSV file, and the keys of a JSON object, in their order.
pub const COLUMNS: [&str; 23] = [
    "id",
    "start",
    "ring",
    "answer",
    "end",
    "duration_ms",
    "outcome",
    "ended_by",
    "status",
    "reason",
    "from",
    "to",
    "request_uri",
    "user",
    "caller_contact",
    "caller_agent",
    "caller_source",
    "callee_contact",
    "callee_agent",
    "callee_target",
    "route",
    "trunk",
    "call_id",
];

const DAY_MS: u64 = 86_400_000;

/// A time as RFC 3339 says, in UTC, with milliseconds: `2026-11-21T08:15:03.123Z`.
pub fn utc(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Writes lines. Most times of a file are of one day: its date is worked out once.
#[derive(Debug, Default)]
pub(crate) struct LineWriter {
    day: u64,
    date: String,
}

impl LineWriter {
    pub(crate) fn json(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let mut before = b'{';
        for (name, cell) in COLUMNS.iter().zip(cells(entry)) {
            out.extend_from_slice(&[before, b'"']);
            before = b',';
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            match cell {
                Cell::None => out.extend_from_slice(b"null"),
                Cell::Number(number) => put_number(number, out),
                Cell::Time(ms) => {
                    out.push(b'"');
                    self.put_utc(ms, out);
                    out.push(b'"');
                }
                Cell::Text(text) => put_string(text, out),
            }
        }
        out.extend_from_slice(b"}\n");
    }

    pub(crate) fn csv(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        for (column, cell) in cells(entry).enumerate() {
            if column > 0 {
                out.push(b',');
            }
            match cell {
                Cell::None => {}
                Cell::Number(number) => put_number(number, out),
                Cell::Time(ms) => self.put_utc(ms, out),
                Cell::Text(text) => out.extend_from_slice(quoted(text).as_bytes()),
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    fn put_utc(&mut self, ms: u64, out: &mut Vec<u8>) {
        let day = ms / DAY_MS;
        if day != self.day || self.date.is_empty() {
            self.date = utc(ms)[..11].to_owned();
            self.day = day;
        }
        out.extend_from_slice(self.date.as_bytes());
        let second = ms / 1_000 % 86_400;
        let mut digits = |number: u64, count: u32, after: u8| {
            (0..count).rev().for_each(|place| out.push(b'0' + (number / 10_u64.pow(place) % 10) as u8));
            out.push(after);
        };
        digits(second / 3_600, 2, b':');
        digits(second / 60 % 60, 2, b':');
        digits(second % 60, 2, b'.');
        digits(ms % 1_000, 3, b'Z');
    }
}

/// What stands in a column.
enum Cell<'e> {
    None,
    Number(u64),
    Time(u64),
    Text(&'e str),
}

fn cells<'e>(entry: &'e Entry<'_>) -> impl Iterator<Item = Cell<'e>> {
    let time = |ms: Option<u64>| ms.map_or(Cell::None, Cell::Time);
    let numbers = [
        Cell::Number(entry.id),
        Cell::Time(entry.start_ms),
        time(entry.ring_ms),
        time(entry.answer_ms),
        time(entry.end_ms),
        entry.duration_ms().map_or(Cell::None, Cell::Number),
        Cell::Text(entry.outcome.name()),
        entry.ended_by.map_or(Cell::None, |by| Cell::Text(by.name())),
        if entry.status > 0 { Cell::Number(entry.status.into()) } else { Cell::None },
    ];
    numbers.into_iter().chain(entry.texts().into_iter().map(Cell::Text))
}

impl Entry<'_> {
    /// The record as a JSON object.
    pub fn object(&self) -> Value {
        let value = |cell| match cell {
            Cell::None => Value::Null,
            Cell::Number(number) => json!(number),
            Cell::Time(ms) => utc(ms).into(),
            Cell::Text(text) => text.into(),
        };
        let named = COLUMNS.iter().zip(cells(self));
        named.map(|(name, cell)| ((*name).to_owned(), value(cell))).collect::<serde_json::Map<_, _>>().into()
    }
}

fn put_string(text: &str, out: &mut Vec<u8>) {
    // One look at all of it, which the processor does many bytes at a time.
    let is_special = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\');
    if text.bytes().fold(false, |found, byte| found | is_special(byte)) {
        // A vector takes everything.
        let _ = serde_json::to_writer(out, text);
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn put_number(number: u64, out: &mut Vec<u8>) {
    // A vector takes everything.
    let _ = write!(out, "{number}");
}

/// RFC 4180 §2.5 to §2.7. Line breaks do not come from headers, but nothing rests on that.
fn quoted(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::tests::entry;

    #[test]
    fn a_line_says_what_the_record_says() {
        let mut writer = LineWriter::default();
        let late = Entry { end_ms: Some(1_795_248_903_123 + DAY_MS), ended_by: None, ..entry(8) };
        for entry in [entry(7), late, Entry { status: 0, ring_ms: None, ..entry(9) }] {
            let mut line = Vec::new();
            writer.json(&entry, &mut line);
            assert_eq!(line.pop(), Some(b'\n'));
            assert!(!line.contains(&b'\n'));
            assert_eq!(serde_json::from_slice::<Value>(&line).unwrap(), entry.object());
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        let mut writer = LineWriter::default();
        for ms in [0, 1, 951_782_399_999, 951_782_400_000, 1_795_248_903_123, 1_795_248_903_124, DAY_MS - 1] {
            let mut text = Vec::new();
            writer.put_utc(ms, &mut text);
            assert_eq!(String::from_utf8(text).unwrap(), utc(ms));
        }
    }
}
