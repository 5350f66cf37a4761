//! Records as the store has them: those of one moment together in one row, in bytes of our own. A row for each with a
//! column for each field costs three times as much, and nobody asks the store for a field of a record that he cannot ask
//! `offhook cdr list` for.
//!
//! ```text
//!   batch:   format (1) │ record │ record …
//!   record:  start │ ring, answer, end, each with whether there is one │ outcome │ ended_by │ status │ texts
//! ```
//! Times after the first are differences; texts have their length before them.

use std::borrow::Cow;

use offhook_frames::encoding::{Cursor, put_signed, put_string, put_varint};

use crate::call::EndedBy;
use crate::record::{Entry, Outcome};

/// What is written, and the newest that can be read.
const FORMAT: u8 = 1;

/// Nobody, or nobody knows.
const NO_ONE: u8 = 0xff;

/// Begins a batch.
pub(crate) fn begin(out: &mut Vec<u8>) {
    out.push(FORMAT);
}

/// Appends a record. Its id is not in it: ids of a batch follow one another.
pub(crate) fn put(entry: &Entry<'_>, out: &mut Vec<u8>) {
    put_varint(out, entry.start_ms);
    for time_ms in [entry.ring_ms, entry.answer_ms, entry.end_ms] {
        out.push(time_ms.is_some().into());
        put_signed(out, time_ms.map_or(0, |time_ms| time_ms.wrapping_sub(entry.start_ms) as i64));
    }
    out.push(entry.outcome.code());
    out.push(entry.ended_by.map_or(NO_ONE, EndedBy::code));
    put_varint(out, entry.status.into());
    for text in entry.texts() {
        put_string(out, text.as_bytes());
    }
}

/// The records of a batch whose first has this id. What makes no sense ends it.
pub(crate) fn read(first_id: u64, batch: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let mut from = Cursor::new(batch);
    let is_known = from.byte() == Some(FORMAT);
    (first_id..).map_while(move |id| if is_known { take(id, &mut from) } else { None })
}

fn take<'a>(id: u64, from: &mut Cursor<'a>) -> Option<Entry<'a>> {
    let start_ms = from.varint()?;
    let mut time_ms = || {
        let (is_there, after_ms) = (from.byte()? != 0, from.signed()?);
        Some(is_there.then(|| start_ms.wrapping_add(after_ms as u64)))
    };
    let [ring_ms, answer_ms, end_ms] = [time_ms()?, time_ms()?, time_ms()?];
    let outcome = Outcome::from_code(from.byte()?)?;
    let ended_by = EndedBy::from_code(from.byte()?);
    let status = from.number()?;
    let mut text = || std::str::from_utf8(from.string()?).ok().map(Cow::Borrowed);
    Some(Entry {
        id,
        start_ms,
        ring_ms,
        answer_ms,
        end_ms,
        outcome,
        ended_by,
        status,
        reason: text()?,
        from: text()?,
        to: text()?,
        request_uri: text()?,
        user: text()?,
        caller_contact: text()?,
        caller_agent: text()?,
        caller_source: text()?,
        callee_contact: text()?,
        callee_agent: text()?,
        callee_target: text()?,
        route: text()?,
        trunk: text()?,
        call_id: text()?,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn entry(id: u64) -> Entry<'static> {
        Entry {
            id,
            start_ms: 1_795_248_903_123,
            ring_ms: Some(1_795_248_903_123),
            answer_ms: Some(1_795_248_913_001),
            end_ms: None,
            outcome: Outcome::Answered,
            ended_by: Some(EndedBy::SessionTimer),
            status: 200,
            reason: "".into(),
            from: "sip:alice@example.org".into(),
            to: "sip:\"b\\ob\"@example.org;a=1,2".into(),
            request_uri: "tel:+1\u{1}\n\t\u{7f}".into(),
            user: "Zo\u{eb} \u{96fb}".into(),
            caller_contact: "<sip:a@192.0.2.1>".into(),
            caller_agent: "phone".into(),
            caller_source: "udp 192.0.2.1:5060".into(),
            callee_contact: "".into(),
            callee_agent: "".into(),
            callee_target: "[2001:db8::1]:5060".into(),
            route: "user".into(),
            trunk: "carrier".into(),
            call_id: "c".into(),
        }
    }

    #[test]
    fn records_come_back() {
        let second = Entry {
            outcome: Outcome::Interrupted,
            ended_by: None,
            status: 0,
            ring_ms: None,
            end_ms: Some(1_795_248_903_000),
            ..entry(8)
        };
        let mut bytes = Vec::new();
        begin(&mut bytes);
        put(&entry(7), &mut bytes);
        let first_ends = bytes.len();
        put(&second, &mut bytes);
        assert_eq!(read(7, &bytes).collect::<Vec<_>>(), [entry(7), second]);
        for end in 0..bytes.len() {
            let whole = usize::from(end >= first_ends);
            assert_eq!(read(7, &bytes[..end]).count(), whole, "cut at {end}");
        }
        bytes[0] += 1;
        assert_eq!(read(7, &bytes).count(), 0, "a format that is not known");
    }
}
