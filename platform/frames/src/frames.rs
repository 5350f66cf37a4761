//! Reads the frames of a file one after the other, past whatever is damaged.

use std::io::{self, Read};

use crate::format::{FRAME_BYTES_MAX, frame_payload, next_candidate};

/// The payloads of a file, after its header.
pub struct Frames<R> {
    source: R,
    salt: u32,
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
    /// Bytes between frames that belong to none.
    pub damaged_bytes: u64,
    /// Bytes after the last frame.
    pub torn_bytes: u64,
}

/// How much is read at a time. Several times the largest frame, so that little is moved.
const READ_BYTES: usize = 1024 * 1024;

impl<R: Read> Frames<R> {
    /// Reads from `source`, whose header had this salt.
    pub fn new(source: R, salt: u32) -> Self {
        Self { source, salt, buffer: Vec::new(), start: 0, ended: false, damaged_bytes: 0, torn_bytes: 0 }
    }

    /// The next payload whose check holds. Its content may still make no sense.
    ///
    /// # Errors
    /// Those of the source.
    #[expect(clippy::should_implement_trait, reason = "what it lends it takes back")]
    pub fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let mut skipped = 0;
        loop {
            self.fill()?;
            let bytes = &self.buffer[self.start..];
            if bytes.is_empty() {
                self.torn_bytes += skipped;
                return Ok(None);
            }
            if let Some(payload) = frame_payload(bytes, self.salt) {
                let end = self.start + crate::format::FRAME_HEADER_BYTES + payload.len();
                let begin = end - payload.len();
                self.damaged_bytes += skipped;
                self.start = end;
                return Ok(Some(&self.buffer[begin..end]));
            }
            let step = next_candidate(bytes);
            skipped += step as u64;
            self.start += step;
        }
    }

    /// Makes sure that a whole frame is in the buffer, if the file has one.
    fn fill(&mut self) -> io::Result<()> {
        if self.ended || self.buffer.len() - self.start >= FRAME_BYTES_MAX {
            return Ok(());
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let wanted = READ_BYTES as u64;
        let read = self.source.by_ref().take(wanted).read_to_end(&mut self.buffer)?;
        self.ended = (read as u64) < wanted;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{put_frame, seal};

    const SALT: u32 = 77;

    fn file(payloads: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for payload in payloads {
            put_frame(&mut bytes, |out| out.extend_from_slice(payload));
        }
        seal(&mut bytes, SALT);
        bytes
    }

    /// What is read from the bytes, how many are damaged, how many torn.
    fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, u64, u64) {
        let mut frames = Frames::new(bytes, SALT);
        let mut payloads = Vec::new();
        while let Some(payload) = frames.next().unwrap() {
            payloads.push(payload.to_vec());
        }
        (payloads, frames.damaged_bytes, frames.torn_bytes)
    }

    #[test]
    fn whole_files_come_back() {
        let large = vec![b'x'; 60_000];
        let payloads: Vec<&[u8]> = (0..100).map(|n| if n % 3 == 0 { &large[..] } else { b"small" }).collect();
        assert_eq!(read(&file(&payloads)), (payloads.iter().map(|p| p.to_vec()).collect(), 0, 0));
    }

    #[test]
    fn a_torn_tail_is_left_out_and_counted() {
        let bytes = file(&[b"one", b"two"]);
        for end in 11..22 {
            assert_eq!(read(&bytes[..end]), (vec![b"one".to_vec()], 0, end as u64 - 11));
        }
    }

    #[test]
    fn a_damaged_frame_between_good_ones_is_passed_over() {
        let bytes = file(&[b"one", b"two", b"three"]);
        for at in 11..22 {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x01;
            assert_eq!(read(&bytes), (vec![b"one".to_vec(), b"three".to_vec()], 11, 0), "byte {at}");
        }
    }

    #[test]
    fn a_frame_hidden_in_a_payload_is_not_found_after_damage() {
        let mut forged = Vec::new();
        put_frame(&mut forged, |out| out.extend_from_slice(b"mallory"));
        seal(&mut forged, 0); // mallory does not know the salt
        let mut bytes = file(&[&forged, b"two"]);
        bytes[5] ^= 0x01;
        assert_eq!(read(&bytes).0, [b"two".to_vec()]);
    }
}
