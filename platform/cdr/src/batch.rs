//! Records as the archive has them: those of one moment together, in bytes of our own. A row of the store for each with a
//! column for each field costs many times as much, and nobody asks the store for a field of a record that he cannot ask
//! `offhook cdr list` for.
//!
//! ```text
//!   batch:   format (1) │ record │ record …
//!   record:  check (4): CRC-32 of all that follows │
//!            start, ring, answer, end (8 each) │ status (2) │ outcome │ ended_by │ lengths of the following (2 each) │
//!            reason │ Begun │ Answered, as they lie in the facts
//! ```
//! Records are kept for years, and somebody is billed by them: what a disk has changed must not look like a record.

use crate::call::EndedBy;
use crate::layout::{Opening, Reply};
use crate::record::{Entry, Outcome};

/// What is written. Others cannot be read.
const FORMAT: u8 = 4;

/// Nobody, or nobody knows.
const NO_ONE: u8 = 0xff;

/// No such time.
const NEVER: u64 = u64::MAX;

const CHECK_BYTES: usize = 4;

const TIMES_BYTES: usize = 4 * 8;

/// All of a record but check, reason and facts.
const FIXED_BYTES: usize = TIMES_BYTES + 2 + 2 + 3 * 2;

/// Begins a batch.
pub(crate) fn begin(out: &mut Vec<u8>) {
    out.push(FORMAT);
}

/// Appends a record. Its id is not in it: ids of a batch follow one another.
pub(crate) fn put(entry: &Entry<'_>, out: &mut Vec<u8>) {
    let (opening, reply) = (entry.opening.bytes(), entry.reply.map_or(&[][..], |reply| reply.bytes()));
    let mut fixed = [0; FIXED_BYTES];
    fixed[..8].copy_from_slice(&entry.start_ms.to_le_bytes());
    fixed[8..16].copy_from_slice(&entry.ring_ms.unwrap_or(NEVER).to_le_bytes());
    fixed[16..24].copy_from_slice(&entry.answer_ms.unwrap_or(NEVER).to_le_bytes());
    fixed[24..32].copy_from_slice(&entry.end_ms.unwrap_or(NEVER).to_le_bytes());
    fixed[32..34].copy_from_slice(&entry.status.to_le_bytes());
    fixed[34] = entry.outcome.code();
    fixed[35] = entry.ended_by.map_or(NO_ONE, EndedBy::code);
    // Each is shorter than a frame of the spool.
    fixed[36..38].copy_from_slice(&(entry.reason.len() as u16).to_le_bytes());
    fixed[38..40].copy_from_slice(&(opening.len() as u16).to_le_bytes());
    fixed[40..42].copy_from_slice(&(reply.len() as u16).to_le_bytes());
    let start = out.len();
    out.extend_from_slice(&[0; CHECK_BYTES]);
    out.extend_from_slice(&fixed);
    if !entry.reason.is_empty() {
        out.extend_from_slice(entry.reason);
    }
    out.extend_from_slice(opening);
    out.extend_from_slice(reply);
    if let Some((check, record)) = out[start..].split_first_chunk_mut::<CHECK_BYTES>() {
        *check = crc32fast::hash(record).to_le_bytes();
    }
}

/// The records of a batch whose first has this id. One that was damaged is passed over, as long as its lengths lead to the
/// next.
pub(crate) fn read(first_id: u64, batch: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let mut rest = batch.strip_prefix(&[FORMAT]).unwrap_or_default();
    (first_id..).map_while(move |id| take(id, &mut rest)).flatten()
}

/// The next record; none inside: it was damaged. `None`: there is no other.
fn take<'a>(id: u64, rest: &mut &'a [u8]) -> Option<Option<Entry<'a>>> {
    let (check, record) = rest.split_first_chunk::<CHECK_BYTES>()?;
    let lengths = record.get(FIXED_BYTES - 3 * 2..FIXED_BYTES)?.as_chunks::<2>().0;
    let length: usize = lengths.iter().map(|length| usize::from(u16::from_le_bytes(*length))).sum();
    let (record, after) = record.split_at_checked(FIXED_BYTES + length)?;
    *rest = after;
    let is_whole = crc32fast::hash(record) == u32::from_le_bytes(*check);
    Some(if is_whole { entry_of(id, record) } else { None })
}

fn entry_of(id: u64, record: &[u8]) -> Option<Entry<'_>> {
    let (fixed, mut after) = record.split_first_chunk::<FIXED_BYTES>()?;
    let (times, numbers) = fixed.split_first_chunk::<TIMES_BYTES>()?;
    let times = times.as_chunks::<8>().0;
    let time_ms = |at: usize| times.get(at).map(|bytes| u64::from_le_bytes(*bytes)).filter(|ms| *ms != NEVER);
    let &[s0, s1, outcome, ended_by, ref lengths @ ..] = numbers else { return None };
    let mut part = |at: usize| {
        let length = u16::from_le_bytes(*lengths.as_chunks::<2>().0.get(at)?);
        let (part, rest) = after.split_at_checked(length.into())?;
        after = rest;
        Some(part)
    };
    let (reason, opening, reply) = (part(0)?, part(1)?, part(2)?);
    Some(Entry {
        id,
        start_ms: time_ms(0)?,
        ring_ms: time_ms(1),
        answer_ms: time_ms(2),
        end_ms: time_ms(3),
        outcome: Outcome::from_code(outcome)?,
        ended_by: EndedBy::from_code(ended_by),
        status: u16::from_le_bytes([s0, s1]),
        reason,
        opening: Opening::stored(opening)?,
        reply: if reply.is_empty() { None } else { Some(Reply::stored(reply)?) },
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::fact::{Answered, Begun, Fact};

    /// The facts of [`entry`].
    pub(crate) fn facts() -> (Vec<u8>, Vec<u8>) {
        let begun = Begun {
            leg: 3,
            refused: 0,
            in_path: true,
            cseq: 7,
            transport: b"udp",
            source: "192.0.2.1:5060".parse().unwrap(),
            call_id: b"c",
            from_tag: b"f",
            from: b"sip:alice@example.org",
            to: b"sip:\"b\\ob\"@example.org;a=1,2",
            request_uri: b"tel:+1\x01\n\t\x7f",
            domain: b"example.org",
            user: "Zo\u{eb} \u{96fb}".as_bytes(),
            contact: b"<sip:a@192.0.2.1>",
            agent: b"\xff phone",
            route: b"user",
            trunk: b"carrier",
        };
        let answered = Answered {
            leg: 3,
            status: 200,
            transport: b"tls",
            target: "[2001:db8::1]:5060".parse().unwrap(),
            to_tag: b"t",
            contact: b"",
            agent: b"",
            session_expires: b"",
        };
        let (mut opening, mut reply) = (Vec::new(), Vec::new());
        Fact::Begun(begun).write(1, &mut opening);
        Fact::Answered(answered).write(2, &mut reply);
        (opening, reply)
    }

    pub(crate) fn entry<'a>(id: u64, (opening, reply): &'a (Vec<u8>, Vec<u8>)) -> Entry<'a> {
        Entry {
            id,
            start_ms: 1_795_248_903_123,
            ring_ms: Some(1_795_248_903_123),
            answer_ms: Some(1_795_248_913_001),
            end_ms: None,
            outcome: Outcome::Answered,
            ended_by: Some(EndedBy::SessionTimer),
            status: 200,
            reason: b"",
            opening: Opening::of_fact(opening).unwrap().1,
            reply: Reply::of_fact(reply).map(|(_, reply)| reply),
        }
    }

    #[test]
    fn records_come_back() {
        let facts = facts();
        let second = Entry {
            outcome: Outcome::Interrupted,
            ended_by: None,
            status: 0,
            ring_ms: None,
            end_ms: Some(1_795_248_903_000),
            reason: b"why",
            reply: None,
            ..entry(8, &facts)
        };
        let mut bytes = Vec::new();
        begin(&mut bytes);
        put(&entry(7, &facts), &mut bytes);
        let first_ends = bytes.len();
        put(&second, &mut bytes);
        assert_eq!(read(7, &bytes).collect::<Vec<_>>(), [entry(7, &facts), second]);
        for end in 0..bytes.len() {
            let whole = usize::from(end >= first_ends);
            assert_eq!(read(7, &bytes[..end]).count(), whole, "cut at {end}");
        }
        bytes[0] += 1;
        assert_eq!(read(7, &bytes).count(), 0, "a format that is not known");
    }

    /// Whatever bit a disk has changed: a record is what was written, or it is none.
    #[test]
    fn what_was_damaged_is_no_record() {
        let facts = facts();
        let (mut bytes, ids) = (Vec::new(), [7, 8, 9]);
        begin(&mut bytes);
        ids.iter().for_each(|id| put(&entry(*id, &facts), &mut bytes));
        for at in 1..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            let records: Vec<_> = read(7, &damaged).collect();
            assert!(records.len() < ids.len(), "byte {at}");
            assert!(records.iter().all(|record| *record == entry(record.id, &facts)), "byte {at}");
        }
    }
}
