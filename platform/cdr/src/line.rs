//! A record as a line of a file: JSON, or CSV (RFC 4180).

use std::borrow::Cow;
use std::ops::Range;

use jiff::Timestamp;
use serde_json::Value;

use crate::call::EndedBy;
use crate::record::{Entry, Record, TEXTS};

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

/// A time as RFC 3339 says, in UTC, with milliseconds: `2026-11-21T08:15:03.123Z`. One beyond the year 9999 has no text there
/// and is none of ours: it is written as the first there is.
pub fn utc(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// What stands before a column of a JSON line, quotation marks of texts included.
const JSON_TIMES: [&[u8]; 4] = [b",\"start\":", b",\"ring\":", b",\"answer\":", b",\"end\":"];
const JSON_TEXTS: [&[u8]; TEXTS] = [
    b",\"reason\":",
    b",\"from\":",
    b",\"to\":",
    b",\"request_uri\":",
    b",\"user\":",
    b",\"caller_contact\":",
    b",\"caller_agent\":",
    b",\"caller_source\":",
    b",\"callee_contact\":",
    b",\"callee_agent\":",
    b",\"callee_target\":",
    b",\"route\":",
    b",\"trunk\":",
    b",\"call_id\":",
];

const DAY_MS: u64 = 86_400_000;

/// A time with its quotation marks, and where its day and its numbers are in it.
const TIME_BYTES: usize = 26;
const DAY_AT: Range<usize> = 1..11;
const HOUR_AT: usize = 12;
const MINUTE_AT: usize = 15;
const SECOND_AT: usize = 18;
const MS_AT: usize = 21;

/// Writes lines. Most times of a file are of one day: its date is worked out once.
#[derive(Debug)]
pub(crate) struct LineWriter {
    day: u64,
    /// As RFC 3339 says, in quotation marks.
    time: [u8; TIME_BYTES],
}

impl Default for LineWriter {
    fn default() -> Self {
        Self { day: 0, time: *b"\"1970-01-01T00:00:00.000Z\"" }
    }
}

impl LineWriter {
    pub(crate) fn json(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":");
        put_number(entry.id, out);
        for (name, ms) in JSON_TIMES.iter().zip(times(entry)) {
            out.extend_from_slice(name);
            match ms {
                Some(ms) => out.extend_from_slice(self.time(ms)),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.extend_from_slice(b",\"duration_ms\":");
        put_number_or_null(entry.duration_ms(), out);
        out.extend_from_slice(b",\"outcome\":\"");
        out.extend_from_slice(entry.outcome.name().as_bytes());
        out.extend_from_slice(b"\",\"ended_by\":");
        match entry.ended_by {
            Some(by) => put_string(by.name().as_bytes(), out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"status\":");
        put_number_or_null(Some(entry.status.into()).filter(|status| *status > 0), out);
        for (name, text) in JSON_TEXTS.iter().zip(entry.texts) {
            out.extend_from_slice(name);
            put_string(text, out);
        }
        out.extend_from_slice(b"}\n");
    }

    pub(crate) fn csv(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        put_number(entry.id, out);
        for ms in times(entry) {
            out.push(b',');
            if let Some(ms) = ms {
                out.extend_from_slice(&self.time(ms)[1..TIME_BYTES - 1]);
            }
        }
        out.push(b',');
        entry.duration_ms().into_iter().for_each(|ms| put_number(ms, out));
        out.push(b',');
        out.extend_from_slice(entry.outcome.name().as_bytes());
        out.push(b',');
        out.extend_from_slice(entry.ended_by.map_or("", EndedBy::name).as_bytes());
        out.push(b',');
        if entry.status > 0 {
            put_number(entry.status.into(), out);
        }
        for text in entry.texts {
            out.push(b',');
            out.extend_from_slice(&quoted(text));
        }
        out.extend_from_slice(b"\r\n");
    }

    fn time(&mut self, ms: u64) -> &[u8; TIME_BYTES] {
        let day = ms / DAY_MS;
        if day != self.day {
            self.day = day;
            self.time[DAY_AT].copy_from_slice(&utc(ms).as_bytes()[..DAY_AT.len()]);
        }
        let second = ms / 1_000 % 86_400;
        put_digits(second / 3_600, &mut self.time[HOUR_AT..HOUR_AT + 2]);
        put_digits(second / 60 % 60, &mut self.time[MINUTE_AT..MINUTE_AT + 2]);
        put_digits(second % 60, &mut self.time[SECOND_AT..SECOND_AT + 2]);
        put_digits(ms % 1_000, &mut self.time[MS_AT..MS_AT + 3]);
        &self.time
    }
}

fn put_digits(mut number: u64, places: &mut [u8]) {
    for digit in places.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn times(entry: &Entry<'_>) -> [Option<u64>; 4] {
    [Some(entry.start_ms), entry.ring_ms, entry.answer_ms, entry.end_ms]
}

impl Record {
    /// The record as a JSON object.
    pub fn object(&self) -> Value {
        let time = |ms: Option<u64>| ms.map_or(Value::Null, |ms| utc(ms).into());
        let first: [Value; 9] = [
            self.id.into(),
            time(Some(self.start_ms)),
            time(self.ring_ms),
            time(self.answer_ms),
            time(self.end_ms),
            self.duration_ms().into(),
            self.outcome.name().into(),
            self.ended_by.map(EndedBy::name).into(),
            Some(self.status).filter(|status| *status > 0).into(),
        ];
        let values = first.into_iter().chain(self.texts().map(Value::from));
        let named = COLUMNS.iter().map(|name| (*name).to_owned()).zip(values);
        named.collect::<serde_json::Map<_, _>>().into()
    }
}

fn put_string(text: &[u8], out: &mut Vec<u8>) {
    // One look at all of it, which the processor does many bytes at a time.
    let is_special = |byte: u8| !(0x20..=0x7e).contains(&byte) | (byte == b'"') | (byte == b'\\');
    if text.iter().fold(false, |found, byte| found | is_special(*byte)) {
        // A vector takes everything.
        let _ = serde_json::to_writer(out, &String::from_utf8_lossy(text));
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

fn put_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn put_number_or_null(number: Option<u64>, out: &mut Vec<u8>) {
    match number {
        Some(number) => put_number(number, out),
        None => out.extend_from_slice(b"null"),
    }
}

/// RFC 4180 §2.5 to §2.7. Line breaks do not come from headers, but nothing rests on that.
fn quoted(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() && !text.iter().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n')) {
        return text.into();
    }
    let text = String::from_utf8_lossy(text);
    if text.contains([',', '"', '\r', '\n']) {
        return format!("\"{}\"", text.replace('"', "\"\"")).into_bytes().into();
    }
    text.into_owned().into_bytes().into()
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
            assert_eq!(serde_json::from_slice::<Value>(&line).unwrap(), entry.into_record().object());
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        let mut writer = LineWriter::default();
        for ms in [0, 1, 951_782_399_999, 951_782_400_000, 1_795_248_903_123, 1_795_248_903_124, DAY_MS - 1] {
            let text = String::from_utf8(writer.time(ms).to_vec()).unwrap();
            assert_eq!(text, format!("\"{}\"", utc(ms)));
        }
    }
}
