//! Reads one segment of the spool as far as it has been written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use offhook_frames::{
    FRAME_BYTES_MAX, FRAME_HEADER_BYTES, HEADER_BYTES, Header, frame_payload, next_candidate,
};

use crate::segments::{FILE, Segment, each_fact};

/// Read at a time. Several times the longest frame.
const READ_BYTES: usize = 512 * 1024;

/// One segment, and how far it has been read.
#[derive(Debug)]
pub(crate) struct Tail {
    file: File,
    pub(crate) salt: u32,
    /// Where reading goes on: after the last whole frame.
    pub(crate) position: u64,
    /// Bytes that belong to no frame.
    pub(crate) damaged_bytes: u64,
}

impl Tail {
    /// Opens a segment. `known` says how far it was read before, for this salt. `None`: it has no header (yet).
    pub(crate) fn open(
        folder: &Path,
        segment: Segment,
        known: Option<(u32, u64)>,
    ) -> io::Result<Option<Self>> {
        let file = File::open(segment.path(folder))?;
        let mut head = [0; HEADER_BYTES];
        let length = fill(&file, &mut head, 0)?;
        let Ok(header) = Header::parse(&head[..length], FILE) else { return Ok(None) };
        let begin = HEADER_BYTES as u64;
        let position = known.filter(|(salt, _)| *salt == header.salt).map_or(begin, |(_, position)| position);
        Ok(Some(Self { file, salt: header.salt, position, damaged_bytes: 0 }))
    }

    /// Takes the next facts; `false`: there are no more now. In a closed segment what is left behind the last frame
    /// belongs to none; in one that is still written, the rest of a frame may be on its way.
    pub(crate) fn read(
        &mut self,
        is_closed: bool,
        buffer: &mut Vec<u8>,
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<bool> {
        buffer.resize(READ_BYTES, 0);
        let length = fill(&self.file, buffer, self.position)?;
        let bytes = &buffer[..length];
        let (mut at, mut good) = (0, 0);
        while at < length {
            match frame_payload(&bytes[at..], self.salt) {
                Some(payload) => {
                    self.damaged_bytes += (at - good) as u64;
                    at += FRAME_HEADER_BYTES + payload.len();
                    let no_fact = each_fact(payload, |fact| {
                        if !take(fact) {
                            self.damaged_bytes += fact.len() as u64;
                        }
                    });
                    self.damaged_bytes += no_fact as u64;
                    good = at;
                }
                None => at += next_candidate(&bytes[at..]),
            }
        }
        let ended = length < READ_BYTES;
        let read = match (ended, is_closed) {
            (true, true) => length,
            (true, false) => good,
            // Not one frame in all that: the damage is longer than what is read at a time.
            (false, _) if good == 0 => length - FRAME_BYTES_MAX,
            (false, _) => good,
        };
        self.damaged_bytes += (read.max(good) - good) as u64;
        self.position += read as u64;
        Ok(!ended)
    }
}

fn fill(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read_at(&mut buffer[length..], position + length as u64) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
