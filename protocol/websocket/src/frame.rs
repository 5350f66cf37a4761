//! The head of a frame: RFC 6455 §5.2. Read as a client writes it, written as a server does.
//!
//! ```text
//!   ┌─┬─┬─┬─┬───────┐┌─┬─────────────┐┌────────────────┐┌────────────┐
//!   │F│R│R│R│opcode ││M│ length: 7   ││ length: 0, 16  ││ mask key:  │  payload …
//!   │I│S│S│S│       ││A│ bits, or    ││ or 64 bits     ││ 32 bits if │
//!   │N│V│V│V│       ││S│ 126, or 127 ││ more           ││ M          │
//!   │ │1│2│3│       ││K│             ││                ││            │
//!   └─┴─┴─┴─┴───────┘└─┴─────────────┘└────────────────┘└────────────┘
//! ```

use crate::limits::CONTROL_BYTES_MAX;
use crate::{CloseCode, Violation};

/// What a frame carries: RFC 6455 §5.2, opcode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xa,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }

    pub(crate) fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;
/// The 7 bits that say "16 more" and "64 more".
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// The head of a client's frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ClientHead {
    pub(crate) last: bool,
    pub(crate) opcode: Opcode,
    pub(crate) key: [u8; 4],
    /// Of the head itself, bytes.
    pub(crate) bytes: usize,
    /// Of the payload that follows, bytes.
    pub(crate) payload_bytes: u64,
}

impl ClientHead {
    /// The head at the front of these bytes; `None` while it is not whole. What is wrong is found in the same order
    /// however the bytes arrive.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        if first & RESERVED != 0 {
            return Err(Violation::ReservedBit);
        }
        let opcode = Opcode::from_bits(first & OPCODE).ok_or(Violation::ReservedOpcode)?;
        if second & MASKED == 0 {
            return Err(Violation::Unmasked);
        }
        let (last, short) = (first & FIN != 0, second & LENGTH);
        if opcode.is_control() && !last {
            return Err(Violation::ControlFragmented);
        }
        if opcode.is_control() && usize::from(short) > CONTROL_BYTES_MAX {
            return Err(Violation::ControlTooLong);
        }
        let Some((payload_bytes, length_bytes)) = read_length(short, rest)? else { return Ok(None) };
        let key = rest.get(length_bytes..).and_then(|rest| rest.first_chunk::<4>());
        Ok(key.map(|&key| Self { last, opcode, key, bytes: 2 + length_bytes + 4, payload_bytes }))
    }
}

/// The length, and how many bytes it takes beyond the 7 bits; `None` while they are not there.
fn read_length(short: u8, rest: &[u8]) -> Result<Option<(u64, usize)>, Violation> {
    let (length, bytes, least) = match short {
        LENGTH_16 => match rest.first_chunk::<2>() {
            Some(&long) => (u64::from(u16::from_be_bytes(long)), 2, u64::from(LENGTH_16)),
            None => return Ok(None),
        },
        LENGTH_64 => match rest.first_chunk::<8>() {
            Some(&long) => (u64::from_be_bytes(long), 8, 1 << 16),
            None => return Ok(None),
        },
        short => (u64::from(short), 0, 0),
    };
    if length < least || length >> 63 != 0 {
        return Err(Violation::Length);
    }
    Ok(Some((length, bytes)))
}

/// The head of one of our frames. The payload follows it as it is, so it can be sent from where it lies.
#[derive(Clone, Copy, Debug)]
pub struct FrameHead {
    bytes: [u8; Self::BYTES_MAX],
    len: u8,
}

impl FrameHead {
    /// Longest head that we write, bytes.
    pub const BYTES_MAX: usize = 10;

    /// The head of a whole message: of text where it is UTF-8, else binary. RFC 7118 §4.2: "If there is at least one
    /// non-UTF-8 symbol in the whole SIP message (including headers and the body), then the whole message MUST be sent
    /// within a WebSocket binary message." Clients accept both, whatever they sent.
    pub fn of_message(message: &[u8]) -> Self {
        let text = str::from_utf8(message).is_ok();
        Self::new(if text { Opcode::Text } else { Opcode::Binary }, message.len())
    }

    /// What to send before the payload.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    fn new(opcode: Opcode, payload_bytes: usize) -> Self {
        let mut bytes = [0; Self::BYTES_MAX];
        bytes[0] = FIN | opcode as u8;
        let len = if let Ok(short @ ..LENGTH_16) = u8::try_from(payload_bytes) {
            bytes[1] = short;
            2
        } else if let Ok(long) = u16::try_from(payload_bytes) {
            bytes[1] = LENGTH_16;
            bytes[2..4].copy_from_slice(&long.to_be_bytes());
            4
        } else {
            bytes[1] = LENGTH_64;
            bytes[2..10].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
            10
        };
        Self { bytes, len }
    }
}

/// Appends a Ping with this payload, of which at most 125 bytes are sent: RFC 6455 §5.5.2.
pub fn write_ping(payload: &[u8], out: &mut Vec<u8>) {
    write_control(Opcode::Ping, payload, out);
}

/// Appends the answer to a Ping with this payload: RFC 6455 §5.5.3.
pub fn write_pong(payload: &[u8], out: &mut Vec<u8>) {
    write_control(Opcode::Pong, payload, out);
}

/// Appends a Close frame: RFC 6455 §5.5.1. Of the reason, 123 bytes are sent at most.
pub fn write_close(code: CloseCode, reason: &str, out: &mut Vec<u8>) {
    let reason = &reason[..reason.floor_char_boundary(CONTROL_BYTES_MAX - 2)];
    out.extend_from_slice(FrameHead::new(Opcode::Close, 2 + reason.len()).as_bytes());
    out.extend_from_slice(&(code as u16).to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

fn write_control(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    let payload = &payload[..payload.len().min(CONTROL_BYTES_MAX)];
    out.extend_from_slice(FrameHead::new(opcode, payload.len()).as_bytes());
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 §5.2: the minimal number of bytes encodes the length.
    #[test]
    fn a_length_takes_as_few_bytes_as_it_can() {
        let head = |bytes: usize| FrameHead::new(Opcode::Binary, bytes).as_bytes().to_vec();
        assert_eq!(head(0), [0x82, 0]);
        assert_eq!(head(125), [0x82, 125]);
        assert_eq!(head(126), [0x82, 126, 0, 126]);
        assert_eq!(head(65_535), [0x82, 126, 0xff, 0xff]);
        assert_eq!(head(65_536), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    /// RFC 6455 §5.5: no control frame is longer than 125 bytes, whatever we are asked to put into it.
    #[test]
    fn our_control_frames_keep_their_bound() {
        let (mut ping, mut close) = (Vec::new(), Vec::new());
        write_ping(&[b'x'; 300], &mut ping);
        write_close(CloseCode::Policy, &"ü".repeat(300), &mut close);
        assert_eq!((ping.len(), ping[1]), (127, 125));
        // An odd byte is not left of a letter of two.
        assert_eq!((close.len(), close[1]), (126, 124));
        assert!(str::from_utf8(&close[4..]).is_ok());
    }
}
