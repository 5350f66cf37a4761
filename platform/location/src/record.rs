//! The record of one address-of-record: all that is known of it in one byte string, the same in memory and in files.
//!
//! ```text
//! payload:  version (8 bytes) │ AOR (string) │ count (varint) │ binding (string) …          → Payload
//! memory:   payload length (2) │ shard (2) │ batch (2) │ payload │ room up to a multiple of 16  → Record
//! ```
//!
//! A record without bindings is a tombstone: it says that whatever older logs hold of this address-of-record is gone.
//! In memory it stays only until it is committed; in files until a snapshot replaces them.

use offhook_frames::encoding::{Cursor, put_string, put_varint};

use crate::binding::{Binding, Bindings, expires_at_ms};

/// Beyond what counting up from 1 can reach, and far enough from the end to go on counting.
const VERSION_MAX: u64 = 1 << 62;

/// A payload that was checked when it came from a file, or written by ourselves.
#[derive(Clone, Copy)]
pub(crate) struct Payload<'a> {
    pub(crate) bytes: &'a [u8],
}

impl<'a> Payload<'a> {
    /// Appends a payload with bindings that are encoded already.
    pub(crate) fn write(out: &mut Vec<u8>, version: u64, aor: &[u8], count: usize, encoded: &[u8]) {
        out.extend_from_slice(&version.to_le_bytes());
        put_string(out, aor);
        put_varint(out, count as u64);
        out.extend_from_slice(encoded);
    }

    /// The payload, if everything in it can be read.
    pub(crate) fn check(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let version = cursor.array().map(u64::from_le_bytes)?;
        cursor.string()?;
        for _ in 0..cursor.varint()? {
            Binding::decode(cursor.string()?)?;
        }
        (cursor.rest().is_empty() && version <= VERSION_MAX).then_some(Self { bytes })
    }

    /// Grows with every change of this address-of-record; the highest one wins when files are read.
    pub(crate) fn version(&self) -> u64 {
        Cursor::new(self.bytes).array().map_or(0, u64::from_le_bytes)
    }

    pub(crate) fn aor(&self) -> &'a [u8] {
        self.split().map_or(&[], |(aor, ..)| aor)
    }

    /// How many bindings, expired or not.
    pub(crate) fn count(&self) -> usize {
        self.split().map_or(0, |(_, count, _)| count)
    }

    pub(crate) fn bindings(&self, now_ms: u64) -> Bindings<'a> {
        self.split().map_or(Bindings::none(), |(_, count, encoded)| Bindings::new(encoded, count, now_ms))
    }

    /// Whether any binding has ended.
    pub(crate) fn has_expired(&self, now_ms: u64) -> bool {
        let Some((_, count, mut encoded)) = self.split() else { return false };
        (0..count).any(|_| encoded.string().and_then(expires_at_ms).is_some_and(|end| end <= now_ms))
    }

    /// Whether any binding names a connection.
    pub(crate) fn names_connection(&self) -> bool {
        self.bindings(0).any(|binding| binding.flow.connection_generation != 0)
    }

    /// Appends this payload with other bindings.
    pub(crate) fn rewrite<'b>(&self, out: &mut Vec<u8>, bindings: impl Iterator<Item = Binding<'b>>) {
        self.rewrite_with(&mut Rewriting::default(), out, bindings);
    }

    /// The same where a million are rewritten.
    pub(crate) fn rewrite_with<'b>(
        &self,
        Rewriting { body, encoded }: &mut Rewriting,
        out: &mut Vec<u8>,
        bindings: impl Iterator<Item = Binding<'b>>,
    ) {
        let mut count = 0;
        encoded.clear();
        for binding in bindings {
            body.clear();
            binding.encode(body);
            put_string(encoded, body);
            count += 1;
        }
        Self::write(out, self.version(), self.aor(), count, encoded);
    }

    fn split(&self) -> Option<(&'a [u8], usize, Cursor<'a>)> {
        let mut cursor = Cursor::new(self.bytes.get(8..)?);
        let aor = cursor.string()?;
        let count = cursor.number()?;
        Some((aor, count, cursor))
    }
}

/// Room to rewrite payloads in.
#[derive(Default)]
pub(crate) struct Rewriting {
    body: Vec<u8>,
    encoded: Vec<u8>,
}

/// Who wrote a record, and in which of its batches: until that batch is committed or undone, nobody else may build on
/// the record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    pub(crate) shard: u16,
    pub(crate) batch: u16,
}

impl Mark {
    /// A record that is safe: read from a file, or swept after its commit.
    pub(crate) const SETTLED: Self = Self { shard: u16::MAX, batch: 0 };
}

/// A payload in memory. One allocation, whose spare room lets a refresh overwrite it in place.
pub(crate) struct Record {
    bytes: Box<[u8]>,
}

const HEADER_BYTES: usize = 6;
/// Allocators round up anyway; what they round up is ours to grow into.
const ROUND_BYTES: usize = 16;

impl Record {
    pub(crate) fn new(payload: Payload<'_>, mark: Mark) -> Self {
        let size = (HEADER_BYTES + payload.bytes.len()).next_multiple_of(ROUND_BYTES);
        let mut record = Self { bytes: vec![0; size].into_boxed_slice() };
        record.fill(payload, mark);
        record
    }

    /// Takes another payload: in place where it fits without wasting more than half.
    pub(crate) fn replace(&mut self, payload: Payload<'_>, mark: Mark) {
        let size = (HEADER_BYTES + payload.bytes.len()).next_multiple_of(ROUND_BYTES);
        if size > self.bytes.len() || size < self.bytes.len() / 2 {
            *self = Self::new(payload, mark);
        } else {
            self.fill(payload, mark);
        }
    }

    pub(crate) fn payload(&self) -> Payload<'_> {
        let length = usize::from(self.header(0));
        Payload { bytes: &self.bytes[HEADER_BYTES..HEADER_BYTES + length] }
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { shard: self.header(2), batch: self.header(4) }
    }

    /// What the record takes from the allocator.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.bytes.len()
    }

    fn header(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    fn fill(&mut self, payload: Payload<'_>, mark: Mark) {
        let length = u16::try_from(payload.bytes.len()).expect("payloads are bounded by the format");
        self.bytes[0..2].copy_from_slice(&length.to_le_bytes());
        self.bytes[2..4].copy_from_slice(&mark.shard.to_le_bytes());
        self.bytes[4..6].copy_from_slice(&mark.batch.to_le_bytes());
        self.bytes[HEADER_BYTES..HEADER_BYTES + payload.bytes.len()].copy_from_slice(payload.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload_bytes(aor: &[u8], ends_ms: &[u64]) -> Vec<u8> {
        let mut without = Vec::new();
        Payload::write(&mut without, 7, aor, 0, &[]);
        let mut bytes = Vec::new();
        let ends = ends_ms.iter().map(|&expires_at_ms| Binding { expires_at_ms, ..Binding::default() });
        Payload { bytes: &without }.rewrite(&mut bytes, ends);
        bytes
    }

    #[test]
    fn a_payload_says_what_was_written() {
        let bytes = payload_bytes(b"alice@example.org", &[10, 20]);
        let payload = Payload::check(&bytes).unwrap();
        assert_eq!((payload.version(), payload.aor(), payload.count()), (7, &b"alice@example.org"[..], 2));
        assert_eq!(payload.bindings(10).map(|b| b.expires_at_ms).collect::<Vec<_>>(), [20]);
        assert!(payload.has_expired(10) && !payload.has_expired(9));
    }

    #[test]
    fn a_cut_or_padded_payload_is_refused() {
        let mut bytes = payload_bytes(b"alice@example.org", &[10, 20]);
        for end in 0..bytes.len() {
            assert!(Payload::check(&bytes[..end]).is_none(), "cut at {end}");
        }
        bytes.push(0);
        assert!(Payload::check(&bytes).is_none());
    }

    #[test]
    fn a_refresh_of_the_same_size_stays_in_place() {
        let (old, new) = (payload_bytes(b"a@b", &[1000]), payload_bytes(b"a@b", &[2000]));
        let mut record = Record::new(Payload { bytes: &old }, Mark::SETTLED);
        let address = record.bytes.as_ptr();
        let mark = Mark { shard: 3, batch: 9 };
        record.replace(Payload { bytes: &new }, mark);
        assert_eq!((record.bytes.as_ptr(), record.mark(), record.payload().bytes), (address, mark, &new[..]));
    }

    #[test]
    fn a_record_that_shrinks_much_gives_memory_back() {
        let (old, new) = (payload_bytes(b"a@b", &[1; 10]), payload_bytes(b"a@b", &[1]));
        let mut record = Record::new(Payload { bytes: &old }, Mark::SETTLED);
        let before = record.heap_bytes();
        record.replace(Payload { bytes: &new }, Mark::SETTLED);
        assert!(record.heap_bytes() * 2 < before);
        assert_eq!(record.payload().bytes, new);
    }
}
