//! A record as a line of a file: JSON, or CSV (RFC 4180).

use std::borrow::Cow;
use std::ops::Range;

use jiff::Timestamp;
use serde_json::Value;

use crate::call::EndedBy;
use crate::record::{Addresses, Entry, Record, TEXTS};

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

const DAY_SECONDS: u64 = 86_400;

/// A time with its quotation marks, and where its day and its numbers are in it.
const TIME_BYTES: usize = 26;
const DAY_AT: Range<usize> = 1..11;
const HOUR_AT: usize = 12;
const MINUTE_AT: usize = 15;
const SECOND_AT: usize = 18;
const MS_AT: usize = 21;

/// Writes lines.
#[derive(Debug, Default)]
pub(crate) struct LineWriter {
    clock: Calendar,
    addresses: Addresses,
}

impl LineWriter {
    pub(crate) fn json(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let Self { clock, addresses } = self;
        put(b"{\"id\":", out);
        put_number(entry.id, out);
        put(b",\"start\":", out);
        put(clock.quoted(entry.start_ms), out);
        put(b",\"ring\":", out);
        put_time(clock, entry.ring_ms, out);
        put(b",\"answer\":", out);
        put_time(clock, entry.answer_ms, out);
        put(b",\"end\":", out);
        put_time(clock, entry.end_ms, out);
        put(b",\"duration_ms\":", out);
        put_number_or_null(entry.duration_ms(), out);
        put(b",\"outcome\":\"", out);
        out.extend_from_slice(entry.outcome.name().as_bytes());
        put(b"\",\"ended_by\":", out);
        match entry.ended_by {
            Some(by) => put_string(by.name().as_bytes(), out),
            None => put(b"null", out),
        }
        put(b",\"status\":", out);
        put_number_or_null(Some(entry.status.into()).filter(|status| *status > 0), out);
        let texts = entry.texts(addresses);
        if entry.is_plain(is_plain) {
            put_plain_texts(&texts, out);
        } else {
            for (name, text) in COLUMNS.iter().skip(COLUMNS.len() - TEXTS).zip(texts) {
                for part in [",\"", name, "\":"] {
                    out.extend_from_slice(part.as_bytes());
                }
                put_string(text, out);
            }
        }
        put(b"}\n", out);
    }

    pub(crate) fn csv(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let Self { clock, addresses } = self;
        put_number(entry.id, out);
        for ms in [Some(entry.start_ms), entry.ring_ms, entry.answer_ms, entry.end_ms] {
            out.push(b',');
            if let Some(ms) = ms {
                out.extend_from_slice(&clock.quoted(ms)[1..TIME_BYTES - 1]);
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
        for text in entry.texts(addresses) {
            out.push(b',');
            out.extend_from_slice(&quoted(text));
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Texts that stand as they are between quotation marks.
fn put_plain_texts(texts: &[&[u8]; TEXTS], out: &mut Vec<u8>) {
    let [
        reason,
        from,
        to,
        request_uri,
        user,
        caller_contact,
        caller_agent,
        caller_source,
        callee_contact,
        callee_agent,
        callee_target,
        route,
        trunk,
        call_id,
    ] = *texts;
    put_plain(b",\"reason\":\"", reason, out);
    put_plain(b"\",\"from\":\"", from, out);
    put_plain(b"\",\"to\":\"", to, out);
    put_plain(b"\",\"request_uri\":\"", request_uri, out);
    put_plain(b"\",\"user\":\"", user, out);
    put_plain(b"\",\"caller_contact\":\"", caller_contact, out);
    put_plain(b"\",\"caller_agent\":\"", caller_agent, out);
    put_plain(b"\",\"caller_source\":\"", caller_source, out);
    put_plain(b"\",\"callee_contact\":\"", callee_contact, out);
    put_plain(b"\",\"callee_agent\":\"", callee_agent, out);
    put_plain(b"\",\"callee_target\":\"", callee_target, out);
    put_plain(b"\",\"route\":\"", route, out);
    put_plain(b"\",\"trunk\":\"", trunk, out);
    put_plain(b"\",\"call_id\":\"", call_id, out);
    out.push(b'"');
}

/// What stands before a text is of known length: copied without a call.
fn put_plain<const N: usize>(before: &[u8; N], text: &[u8], out: &mut Vec<u8>) {
    put(before, out);
    out.extend_from_slice(text);
}

fn put<const N: usize>(bytes: &[u8; N], out: &mut Vec<u8>) {
    out.extend_from_slice(bytes);
}

fn put_time(clock: &mut Calendar, ms: Option<u64>, out: &mut Vec<u8>) {
    match ms {
        Some(ms) => put(clock.quoted(ms), out),
        None => put(b"null", out),
    }
}

/// Times as text. Most of a file are of one day, and many of one second: only what differs is worked out.
#[derive(Debug)]
struct Calendar {
    day: u64,
    second: u64,
    /// As RFC 3339 says, in quotation marks.
    time: [u8; TIME_BYTES],
}

impl Default for Calendar {
    fn default() -> Self {
        Self { day: 0, second: 0, time: *b"\"1970-01-01T00:00:00.000Z\"" }
    }
}

impl Calendar {
    fn quoted(&mut self, ms: u64) -> &[u8; TIME_BYTES] {
        let second = ms / 1_000;
        if second != self.second {
            self.begin(second);
        }
        put_digits(ms % 1_000, &mut self.time[MS_AT..MS_AT + 3]);
        &self.time
    }

    fn begin(&mut self, second: u64) {
        self.second = second;
        let (day, second) = (second / DAY_SECONDS, second % DAY_SECONDS);
        if day != self.day {
            self.day = day;
            let text = utc(self.second.saturating_mul(1_000));
            self.time[DAY_AT].copy_from_slice(&text.as_bytes()[..DAY_AT.len()]);
        }
        put_digits(second / 3_600, &mut self.time[HOUR_AT..HOUR_AT + 2]);
        put_digits(second / 60 % 60, &mut self.time[MINUTE_AT..MINUTE_AT + 2]);
        put_digits(second % 60, &mut self.time[SECOND_AT..SECOND_AT + 2]);
    }
}

fn put_digits(mut number: u64, places: &mut [u8]) {
    for digit in places.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
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

/// Whether a text stands in JSON as it is. All of it is looked at, which the processor does many bytes at a time.
fn is_plain(text: &[u8]) -> bool {
    let special = |byte: u8| u8::from(!(0x20..=0x7e).contains(&byte) | (byte == b'"') | (byte == b'\\'));
    text.iter().fold(0, |found, byte| found | special(*byte)) == 0
}

fn put_string(text: &[u8], out: &mut Vec<u8>) {
    if !is_plain(text) {
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
    use crate::batch::tests::{entry, facts};
    use crate::fact::{Begun, Fact};
    use crate::layout::Opening;

    const DAY_MS: u64 = DAY_SECONDS * 1_000;

    #[test]
    fn a_line_says_what_the_record_says() {
        let mut writer = LineWriter::default();
        let facts = facts();
        let mut plain = Vec::new();
        let Some((_, Fact::Begun(begun))) = Fact::read(&facts.0) else { panic!("a call began") };
        let texts = Begun { to: b"tel:+1", request_uri: b"tel:+1", user: b"", agent: b"phone", ..begun };
        Fact::Begun(texts).write(1, &mut plain);
        let opening = Opening::of_fact(&plain).unwrap().1;
        let late = Entry { end_ms: Some(1_795_248_903_123 + DAY_MS), ended_by: None, ..entry(8, &facts) };
        let brief = Entry { status: 0, ring_ms: None, reply: None, reason: b"why", ..entry(9, &facts) };
        let quoted = Entry { opening, reason: b"\"", ..entry(11, &facts) };
        for entry in [entry(7, &facts), late, brief, Entry { opening, ..entry(10, &facts) }, quoted] {
            let mut line = Vec::new();
            writer.json(&entry, &mut line);
            assert_eq!(line.pop(), Some(b'\n'));
            assert!(!line.contains(&b'\n'));
            assert_eq!(serde_json::from_slice::<Value>(&line).unwrap(), entry.into_record().object());
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        let mut calendar = Calendar::default();
        for ms in [0, 1, 951_782_399_999, 951_782_400_000, 1_795_248_903_123, 1_795_248_903_124, DAY_MS - 1] {
            let text = String::from_utf8(calendar.quoted(ms).to_vec()).unwrap();
            assert_eq!(text, format!("\"{}\"", utc(ms)));
        }
    }
}
