//! Header and frames of a file:
//!
//! ```text
//! header:  what it is (8) │ format (2) │ salt (4) │ generation (8) │ CRC-32 of the above (4)
//! frame:   F5 FF │ payload length (2) │ CRC-32 of length and payload, begun with the salt (4) │ payload
//! frame …
//! ```
//!
//! Numbers are little-endian. What payloads hold and what a generation means is for the owner of the file to say, and
//! for him to say what becomes of a damaged one.
//!
//! The marker begins with bytes that no UTF-8 text holds, and the salt is random for each file, so that nobody can hide
//! a valid frame inside a Contact and have it found there after damage.

/// The longest payload: its length has two bytes.
pub const PAYLOAD_BYTES_MAX: usize = u16::MAX as usize;
/// Length of the header.
pub const HEADER_BYTES: usize = 26;
/// What stands before each payload.
pub const FRAME_HEADER_BYTES: usize = 8;
/// The longest frame.
pub const FRAME_BYTES_MAX: usize = FRAME_HEADER_BYTES + PAYLOAD_BYTES_MAX;
/// Beyond what compactions can reach, and far enough from the end to go on counting.
pub const GENERATION_MAX: u64 = 1 << 62;

/// What kind of file a header speaks of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind {
    /// The first eight bytes.
    pub magic: [u8; 8],
    /// The format that is written, and the newest that can be read.
    pub format: u16,
}

const MARKER: [u8; 2] = [0xf5, 0xff];

/// The first bytes of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Begins the check of every frame; another one for each file, which nobody outside can guess.
    pub salt: u32,
    /// Orders the files of one owner.
    pub generation: u64,
}

/// Why a file has no usable header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadHeader {
    /// The file ends before the header does: it was being created when the machine stopped.
    Short,
    /// Not one of ours, or damaged.
    Damaged,
    /// Written by a newer version.
    Newer(u16),
}

impl Header {
    /// The header as bytes.
    pub fn to_bytes(self, kind: Kind) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&kind.magic);
        bytes[8..10].copy_from_slice(&kind.format.to_le_bytes());
        bytes[10..14].copy_from_slice(&self.salt.to_le_bytes());
        bytes[14..22].copy_from_slice(&self.generation.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..22]);
        bytes[22..26].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header that a file of this kind begins with.
    ///
    /// # Errors
    /// [`BadHeader`] says what is there instead.
    pub fn parse(bytes: &[u8], kind: Kind) -> Result<Self, BadHeader> {
        let format = bytes.get(8..10).ok_or(BadHeader::Short)?;
        let format = u16::from_le_bytes([format[0], format[1]]);
        if bytes.starts_with(&kind.magic) && format > kind.format {
            return Err(BadHeader::Newer(format)); // whatever its header looks like after this
        }
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(BadHeader::Short)?;
        let header = Self {
            salt: u32::from_le_bytes([bytes[10], bytes[11], bytes[12], bytes[13]]),
            generation: u64::from_le_bytes(*bytes[14..].first_chunk().ok_or(BadHeader::Short)?),
        };
        let checks = header.to_bytes(kind) == *bytes && header.generation <= GENERATION_MAX;
        if checks { Ok(header) } else { Err(BadHeader::Damaged) }
    }
}

/// Appends a frame around the payload that `write` appends, not sealed yet: the salt is that of the file it ends up in.
/// Returns where the frame begins.
///
/// # Panics
/// When `write` appends more than [`PAYLOAD_BYTES_MAX`]: records are bounded before they are framed.
pub fn put_frame(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> usize {
    let start = begin_frame(out);
    write(out);
    end_frame(out, start);
    start
}

/// Begins a frame whose payload is appended bit by bit. Returns where it begins.
pub fn begin_frame(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[MARKER[0], MARKER[1], 0, 0, 0, 0, 0, 0]);
    start
}

/// Ends the frame that begins there: what has been appended since is its payload. Not sealed yet.
///
/// # Panics
/// When that is more than [`PAYLOAD_BYTES_MAX`].
pub fn end_frame(out: &mut [u8], start: usize) {
    let length = out.len() - start - FRAME_HEADER_BYTES;
    let length = u16::try_from(length).expect("records are bounded before they are framed");
    out[start + 2..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Seals every frame in `frames`, which holds nothing else.
pub fn seal(frames: &mut [u8], salt: u32) {
    let mut rest = frames;
    while let Some((frame, after)) = split_frame(rest) {
        let crc = frame_crc(frame, salt);
        frame[4..FRAME_HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        rest = after;
    }
}

/// The payload of the frame that `bytes` begins with, if it checks.
pub fn frame_payload(bytes: &[u8], salt: u32) -> Option<&[u8]> {
    if !bytes.starts_with(&MARKER) {
        return None;
    }
    let frame = bytes.get(..frame_length(bytes)?)?;
    let crc = u32::from_le_bytes(*frame[4..].first_chunk()?);
    (crc == frame_crc(frame, salt)).then_some(&frame[FRAME_HEADER_BYTES..])
}

/// The payload of the frame that `bytes` begins with, unchecked: of memory that only this program has written.
pub fn frame_payload_unchecked(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(..frame_length(bytes)?)?.get(FRAME_HEADER_BYTES..)
}

/// How far to go from the beginning of `bytes` to where the next frame may begin.
pub fn next_candidate(bytes: &[u8]) -> usize {
    bytes.iter().skip(1).position(|&byte| byte == MARKER[0]).map_or(bytes.len(), |at| at + 1)
}

fn split_frame(bytes: &mut [u8]) -> Option<(&mut [u8], &mut [u8])> {
    let length = frame_length(bytes)?;
    bytes.split_at_mut_checked(length)
}

/// The length of the frame that `bytes` begins with, by its header, whether that checks or not.
pub fn frame_length(bytes: &[u8]) -> Option<usize> {
    let header: &[u8; FRAME_HEADER_BYTES] = bytes.first_chunk()?;
    Some(FRAME_HEADER_BYTES + usize::from(u16::from_le_bytes([header[2], header[3]])))
}

fn frame_crc(frame: &[u8], salt: u32) -> u32 {
    let mut crc = crc32fast::Hasher::new_with_initial(crc_of_two(salt, [frame[2], frame[3]]));
    crc.update(&frame[FRAME_HEADER_BYTES..]);
    crc.finalize()
}

/// The check goes on with two bytes: what the library does to many at once takes longer for so few.
fn crc_of_two(crc: u32, bytes: [u8; 2]) -> u32 {
    let step = |crc: u32, byte| crc >> 8 ^ CRC_OF_BYTE[usize::from(crc as u8 ^ byte)];
    !bytes.into_iter().fold(!crc, step)
}

/// CRC-32 of each byte, lowest bit first.
static CRC_OF_BYTE: [u32; 256] = crc_of_byte();

const fn crc_of_byte() -> [u32; 256] {
    let mut all = [0; 256];
    let mut byte = 0;
    while byte < all.len() {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
            bit += 1;
        }
        all[byte] = crc;
        byte += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind { magic: *b"offhookT", format: 1 };

    #[test]
    fn a_header_comes_back() {
        let header = Header { salt: 0xdead_beef, generation: 42 };
        assert_eq!(Header::parse(&header.to_bytes(KIND), KIND), Ok(header));
    }

    #[test]
    fn any_changed_byte_of_a_header_is_noticed() {
        let bytes = Header { salt: 1, generation: 2 }.to_bytes(KIND);
        for at in 0..bytes.len() {
            let mut bytes = bytes;
            bytes[at] ^= 0x10;
            assert!(Header::parse(&bytes, KIND).is_err(), "byte {at}");
            assert_eq!(Header::parse(&bytes[..at], KIND), Err(BadHeader::Short));
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let mut bytes = Header { salt: 1, generation: 2 }.to_bytes(KIND);
        bytes[8] = 9;
        assert_eq!(Header::parse(&bytes, KIND), Err(BadHeader::Newer(9)));
    }

    #[test]
    fn two_bytes_are_checked_as_the_library_does() {
        for bytes in [[0, 0], [1, 2], [0xff, 0x80]] {
            let mut crc = crc32fast::Hasher::new_with_initial(0xdead_beef);
            crc.update(&bytes);
            assert_eq!(crc_of_two(0xdead_beef, bytes), crc.finalize());
        }
    }

    #[test]
    fn a_sealed_frame_checks_with_its_salt_only() {
        let mut bytes = Vec::new();
        put_frame(&mut bytes, |out| out.extend_from_slice(b"one"));
        put_frame(&mut bytes, |out| out.extend_from_slice(b"two"));
        seal(&mut bytes, 5);
        assert_eq!(frame_payload(&bytes, 5), Some(&b"one"[..]));
        assert_eq!(frame_payload(&bytes[11..], 5), Some(&b"two"[..]));
        assert_eq!(frame_payload(&bytes, 6), None);
    }
}
