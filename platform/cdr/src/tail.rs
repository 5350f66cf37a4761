//! Reads one segment of the spool as far as it has been written: in the memory of the shard that writes it, or, where an
//! earlier life of the server has, in its file.

use std::io;

use offhook_frames::{
    FRAME_HEADER_BYTES, HEADER_BYTES, Header, frame_length, frame_payload, frame_payload_unchecked,
    next_candidate,
};
use offhook_mapped::{END_BYTES, Reader};

use crate::folder::SpoolFolder;
use crate::segments::{FILE, Segment, each_fact};

/// One segment, and how far it has been read.
#[derive(Debug)]
pub(crate) struct Tail {
    bytes: Bytes,
    pub(crate) salt: u32,
    /// Where reading goes on: after the last whole frame.
    pub(crate) position: usize,
}

#[derive(Debug)]
enum Bytes {
    Live(Reader),
    File(Vec<u8>),
}

/// What came of reading.
pub(crate) struct Read {
    /// How many.
    pub(crate) facts: usize,
    /// There are more facts.
    pub(crate) is_more: bool,
    /// Bytes that belong to no frame, or say nothing.
    pub(crate) damaged_bytes: u64,
}

impl Tail {
    /// Opens a segment. `known` says how far it was read before, for this salt. `None`: it has no header of its own.
    pub(crate) fn open(
        folder: &SpoolFolder,
        segment: Segment,
        known: Option<(u32, u64)>,
    ) -> io::Result<Option<Self>> {
        let bytes = match folder.live(segment) {
            Some(reader) => Bytes::Live(reader),
            None => Bytes::File(std::fs::read(segment.path(folder.path()))?),
        };
        let header = Header::parse(bytes.all(), FILE).ok();
        let Some(Header { salt, .. }) = header.filter(|its| its.generation == segment.generation()) else {
            return Ok(None);
        };
        let known = known.filter(|(its, _)| *its == salt).map(|(_, position)| position as usize);
        Ok(Some(Self { bytes, salt, position: known.unwrap_or(HEADER_BYTES) }))
    }

    /// Takes the next facts, about so many at most.
    pub(crate) fn read(&mut self, facts_max: usize, mut take: impl FnMut(&[u8]) -> bool) -> Read {
        let bytes = self.bytes.all();
        let (mut facts, mut damaged) = (0, 0);
        let mut at = self.position;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if facts >= facts_max {
                return Read { facts, is_more: true, damaged_bytes: damaged as u64 };
            }
            let Some(payload) = self.bytes.payload(rest, self.salt) else {
                at += next_candidate(rest);
                continue;
            };
            damaged += at - self.position;
            let no_fact = each_fact(payload, |fact| {
                facts += 1;
                damaged += if take(fact) { 0 } else { fact.len() };
            });
            damaged += no_fact;
            at += FRAME_HEADER_BYTES + payload.len();
            self.position = at;
        }
        let rest = bytes.get(self.position..).unwrap_or_default();
        damaged += torn_bytes(rest);
        self.position += rest.len();
        Read { facts, is_more: false, damaged_bytes: damaged as u64 }
    }
}

impl Bytes {
    /// What lies in memory was written by a shard of this very process, and to its end: there is nothing to check.
    fn payload<'b>(&self, rest: &'b [u8], salt: u32) -> Option<&'b [u8]> {
        match self {
            Self::Live(_) => frame_payload_unchecked(rest),
            Self::File(_) => frame_payload(rest, salt),
        }
    }

    fn all(&self) -> &[u8] {
        match self {
            Self::Live(reader) => reader.bytes(),
            Self::File(bytes) => bytes,
        }
    }
}

/// How much of what stands behind the last whole frame was meant to be another. Zeros say that none was; what an earlier use
/// of the room has left behind a torn one is not counted.
fn torn_bytes(rest: &[u8]) -> usize {
    let end = rest.get(..END_BYTES).unwrap_or(rest);
    match end.iter().all(|byte| *byte == 0) {
        true => 0,
        false => frame_length(rest).unwrap_or(rest.len()).min(rest.len()),
    }
}
