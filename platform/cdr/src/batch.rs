//! Records as the store has them: those of one moment together in one row, in bytes of our own. A row for each with a
//! column for each field costs three times as much, and nobody asks the store for a field of a record that he cannot ask
//! `offhook cdr list` for.
//!
//! ```text
//!   batch:   format (1) │ record │ record …
//!   record:  start │ ring, answer, end, each with whether there is one │ outcome │ ended_by │ status │ texts
//! ```
//! Times after the first are differences; texts have their length before them.

use offhook_frames::encoding::{Cursor, put_signed, put_string, put_varint};

use crate::call::EndedBy;
use crate::record::{Entry, Outcome, TEXTS};

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
    entry.texts.iter().for_each(|text| put_string(out, text));
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
    let mut texts = [&[][..]; TEXTS];
    for text in &mut texts {
        *text = from.string()?;
    }
    Some(Entry { id, start_ms, ring_ms, answer_ms, end_ms, outcome, ended_by, status, texts })
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
            texts: [
                b"",
                b"sip:alice@example.org",
                b"sip:\"b\\ob\"@example.org;a=1,2",
                b"tel:+1\x01\n\t\x7f",
                "Zo\u{eb} \u{96fb}".as_bytes(),
                b"<sip:a@192.0.2.1>",
                b"\xff phone",
                b"udp 192.0.2.1:5060",
                b"",
                b"",
                b"[2001:db8::1]:5060",
                b"user",
                b"carrier",
                b"c",
            ],
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
