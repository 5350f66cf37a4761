//! A record as a line of a file: JSON, or CSV (RFC 4180).

use std::borrow::Cow;
use std::ops::Range;

use jiff::Timestamp;
use serde_json::Value;

use crate::address::put_address;
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
    /// Most calls of a turn end in the same second, whenever they began.
    ends: Calendar,
    addresses: Addresses,
}

impl LineWriter {
    pub(crate) fn json(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let Self { clock, ends, addresses } = self;
        put(b"{\"id\":", out);
        put_number(entry.id, out);
        put(b",\"start\":", out);
        put(clock.quoted(entry.start_ms), out);
        put(b",\"ring\":", out);
        put_time(clock, entry.ring_ms, out);
        put(b",\"answer\":", out);
        put_time(clock, entry.answer_ms, out);
        put(b",\"end\":", out);
        put_time(ends, entry.end_ms, out);
        put(b",\"duration_ms\":", out);
        put_number_or_null(entry.duration_ms(), out);
        put(b",\"outcome\":\"", out);
        out.extend_from_slice(entry.outcome.name().as_bytes());
        match entry.ended_by {
            Some(by) => put_plain(b"\",\"ended_by\":\"", by.name().as_bytes(), out),
            None => put(b"\",\"ended_by\":null", out),
        }
        if entry.ended_by.is_some() {
            out.push(b'"');
        }
        put(b",\"status\":", out);
        put_number_or_null(Some(entry.status.into()).filter(|status| *status > 0), out);
        if entry.is_plain(is_plain) {
            put_plain_texts(entry, out);
        } else {
            for (name, text) in COLUMNS.iter().skip(COLUMNS.len() - TEXTS).zip(entry.texts(addresses)) {
                for part in [",\"", name, "\":"] {
                    out.extend_from_slice(part.as_bytes());
                }
                put_string(text, out);
            }
        }
        put(b"}\n", out);
    }

    pub(crate) fn csv(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let Self { clock, addresses, .. } = self;
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
fn put_plain_texts(entry: &Entry<'_>, out: &mut Vec<u8>) {
    let [call_id, _, from, to, request_uri, user, domain, contact, agent, transport, route, trunk] =
        entry.opening.texts.each();
    let [_, callee_contact, callee_agent, callee_transport, _] =
        entry.reply.as_ref().map(|reply| reply.texts.each()).unwrap_or_default();
    put_plain(b",\"reason\":\"", entry.reason, out);
    put_plain(b"\",\"from\":\"", from, out);
    put_plain(b"\",\"to\":\"", to, out);
    put_plain(b"\",\"request_uri\":\"", request_uri, out);
    put_plain(b"\",\"user\":\"", user, out);
    if !domain.is_empty() {
        put_plain(b"@", domain, out);
    }
    put_plain(b"\",\"caller_contact\":\"", contact, out);
    put_plain(b"\",\"caller_agent\":\"", agent, out);
    put_plain(b"\",\"caller_source\":\"", transport, out);
    out.push(b' ');
    put_address(entry.opening.source(), out);
    put_plain(b"\",\"callee_contact\":\"", callee_contact, out);
    put_plain(b"\",\"callee_agent\":\"", callee_agent, out);
    put_plain(b"\",\"callee_target\":\"", callee_transport, out);
    if let Some(reply) = &entry.reply {
        out.push(b' ');
        put_address(reply.target(), out);
    }
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
    /// The time that is written there.
    ms: u64,
    /// As RFC 3339 says, in quotation marks.
    time: [u8; TIME_BYTES],
}

impl Default for Calendar {
    fn default() -> Self {
        Self { day: 0, second: 0, ms: 0, time: *b"\"1970-01-01T00:00:00.000Z\"" }
    }
}

impl Calendar {
    fn quoted(&mut self, ms: u64) -> &[u8; TIME_BYTES] {
        if ms == self.ms {
            return &self.time;
        }
        self.ms = ms;
        let second = ms / 1_000;
        if second != self.second {
            self.begin(second);
        }
        let of_second = (ms % 1_000) as u32;
        self.time[MS_AT] = b'0' + (of_second / 100) as u8;
        self.put_two(MS_AT + 1, of_second % 100);
        &self.time
    }

    fn begin(&mut self, second: u64) {
        self.second = second;
        let (day, second) = (second / DAY_SECONDS, (second % DAY_SECONDS) as u32);
        if day != self.day {
            self.day = day;
            let text = utc(self.second.saturating_mul(1_000));
            self.time[DAY_AT].copy_from_slice(&text.as_bytes()[..DAY_AT.len()]);
        }
        self.put_two(HOUR_AT, second / 3_600);
        self.put_two(MINUTE_AT, second / 60 % 60);
        self.put_two(SECOND_AT, second % 60);
    }

    /// A number below 100.
    fn put_two(&mut self, at: usize, number: u32) {
        self.time[at..at + 2].copy_from_slice(&[b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]);
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

/// Looked at together: the processor has one instruction for each step.
const TOGETHER: usize = 16;

/// Whether a text stands in JSON as it is.
fn is_plain(text: &[u8]) -> bool {
    let (whole, rest) = text.as_chunks::<TOGETHER>();
    let Some(last) = text.last_chunk::<TOGETHER>() else {
        return rest.iter().all(|byte| special(*byte) == 0);
    };
    let mut found = [0; TOGETHER];
    // The last ones are looked at once more.
    note_special(&mut found, last);
    whole.iter().for_each(|bytes| note_special(&mut found, bytes));
    u128::from_ne_bytes(found) == 0
}

#[inline(always)]
fn note_special(found: &mut [u8; TOGETHER], bytes: &[u8; TOGETHER]) {
    for at in 0..TOGETHER {
        found[at] |= special(bytes[at]);
    }
}

/// Not 0 for what is escaped, or is no ASCII: as a signed number that is below the space.
const fn special(byte: u8) -> u8 {
    let is_control = (byte as i8) < 0x20;
    let is_special = is_control | (byte == 0x7f) | (byte == b'"') | (byte == b'\\');
    (is_special as u8).wrapping_neg()
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

/// RFC 4180 §2.5 to §2.7. Others have written it: what would steer a terminal, or break the line, is shown as an escape, and
/// what a spreadsheet would take for a formula gets an apostrophe before it.
fn quoted(text: &[u8]) -> Cow<'_, [u8]> {
    let is_formula = matches!(text.first(), Some(b'=' | b'+' | b'-' | b'@'));
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'"');
    if !is_formula && text.iter().all(is_plain) {
        return text.into();
    }
    let mut cell = String::with_capacity(text.len() + 8);
    if is_formula {
        cell.push('\'');
    }
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '"' => cell.push_str("\"\""),
            ' '..='~' => cell.push(character),
            _ => cell.extend(character.escape_debug()),
        }
    }
    if cell.contains([',', '"']) {
        cell = format!("\"{cell}\"");
    }
    cell.into_bytes().into()
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

    /// RFC 4180 §2.5 to §2.7; and what strangers write is neither a formula nor obeyed by a terminal.
    #[test]
    fn cells_are_text() {
        for (text, cell) in [
            (&b"sip:+49301@a.test"[..], "sip:+49301@a.test"),
            (b"a, \"b\"", "\"a, \"\"b\"\"\""),
            (b"=1+1;x", "'=1+1;x"),
            (b"=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""),
            (b"+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            (b"@SUM(1)", "'@SUM(1)"),
            (b"-1", "'-1"),
            (b"\x1b[2J\x07\t=1", "\\u{1b}[2J\\u{7}\\t=1"),
            ("Zo\u{eb} \u{202e}x\u{9b}1m\r\n".as_bytes(), "Zo\u{eb} \\u{202e}x\\u{9b}1m\\r\\n"),
            (b"\xff", "\u{fffd}"),
        ] {
            assert_eq!(String::from_utf8(quoted(text).into_owned()).unwrap(), cell);
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
