//! From a client's bytes to messages: RFC 6455 §5.4 (fragments), §5.5 (control frames), §6.2.
//!
//! ```text
//!              text or binary, FIN                        continuation
//!             ┌───────────────────┐                      ┌────────────┐
//!             ▼                   │   text or binary     ▼            │
//!   ──► between messages ─────────┴───────────────► within a message ─┤
//!             ▲                                                       │
//!             └──────────────────── continuation, FIN ────────────────┘
//!
//!   Ping, Pong and Close may come at any time, also within a message.
//! ```

use std::mem;

use crate::Violation;
use crate::close::may_be_sent;
use crate::frame::{ClientHead, Opcode};
use crate::mask::unmask;

/// What one frame brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input<'a> {
    /// A whole message, text or binary alike.
    Message(&'a [u8]),
    /// A piece of a message; it was kept, and there is nothing to do.
    Fragment,
    /// A Ping with its payload: answer with a Pong that has the same, or answer only the last of several
    /// (RFC 6455 §5.5.3).
    Ping(&'a [u8]),
    /// A Pong with its payload: the client lives.
    Pong(&'a [u8]),
    /// The client closes: answer with a Close frame and end the connection. What comes after it means nothing.
    Close {
        /// Its status code, if it gave one.
        code: Option<u16>,
        /// Its reason; may be empty, and is not for people's eyes.
        reason: &'a str,
    },
}

/// The receiving half of a connection that was opened. Takes 40 bytes, and memory only while it is within a message
/// of several frames.
#[derive(Debug)]
pub struct Reader {
    /// What has come of a message in several frames.
    kept: Vec<u8>,
    message_bytes_max: usize,
    within: Option<Kind>,
    /// What was kept has been handed out.
    handed_out: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Text,
    Binary,
}

impl Reader {
    /// A reader that takes messages up to this length.
    pub const fn new(message_bytes_max: usize) -> Self {
        Self { kept: Vec::new(), message_bytes_max, within: None, handed_out: false }
    }

    /// The frame at the front of what was received, and how many bytes it takes; `None` while it is not whole. Its
    /// payload is unmasked where it lies, so a frame that was read must not be shown again; one that is not whole has
    /// not been touched. Call it until it says `None`: only then is the memory of a message in pieces given back.
    ///
    /// # Errors
    /// The client broke a rule; nothing that follows can be read.
    pub fn next<'a>(&'a mut self, received: &'a mut [u8]) -> Result<Option<(usize, Input<'a>)>, Violation> {
        if mem::take(&mut self.handed_out) {
            self.kept = Vec::new();
        }
        let Some(head) = ClientHead::read(received)? else { return Ok(None) };
        self.check(&head)?;
        // What passed the check is no longer than a message, so this fits.
        let whole = head.bytes + head.payload_bytes as usize;
        let Some(payload) = received.get_mut(head.bytes..whole) else { return Ok(None) };
        unmask(payload, head.key);
        let input = match head.opcode {
            Opcode::Text => self.data(Kind::Text, head.last, payload),
            Opcode::Binary => self.data(Kind::Binary, head.last, payload),
            Opcode::Continuation => self.continued(head.last, payload),
            Opcode::Ping => Ok(Input::Ping(payload)),
            Opcode::Pong => Ok(Input::Pong(payload)),
            Opcode::Close => closed(payload),
        };
        input.map(|input| Some((whole, input)))
    }

    /// Whether a message has begun and not ended.
    pub const fn is_within_message(&self) -> bool {
        self.within.is_some()
    }

    /// What is kept of a message in several frames, bytes.
    pub const fn held_bytes(&self) -> usize {
        self.kept.capacity()
    }

    /// What can be said before the payload is there, so that nobody makes us wait for, or keep, what is refused anyway.
    fn check(&self, head: &ClientHead) -> Result<(), Violation> {
        match (head.opcode, self.within) {
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Violation::Interleaved),
            (Opcode::Continuation, None) => return Err(Violation::NothingToContinue),
            _ => {}
        }
        let room = self.message_bytes_max.saturating_sub(self.kept.len());
        let fits = head.opcode.is_control() || head.payload_bytes <= room as u64;
        if fits { Ok(()) } else { Err(Violation::TooLong) }
    }

    fn data<'a>(&mut self, kind: Kind, last: bool, payload: &'a [u8]) -> Result<Input<'a>, Violation> {
        if last {
            return message(kind, payload);
        }
        self.within = Some(kind);
        self.kept.extend_from_slice(payload);
        Ok(Input::Fragment)
    }

    fn continued(&mut self, last: bool, payload: &[u8]) -> Result<Input<'_>, Violation> {
        self.kept.extend_from_slice(payload);
        match self.within {
            Some(kind) if last => {
                self.within = None;
                self.handed_out = true;
                message(kind, &self.kept)
            }
            _ => Ok(Input::Fragment),
        }
    }
}

/// RFC 6455 §8.1: text is UTF-8.
fn message(kind: Kind, payload: &[u8]) -> Result<Input<'_>, Violation> {
    if kind == Kind::Text && str::from_utf8(payload).is_err() {
        return Err(Violation::NotUtf8);
    }
    Ok(Input::Message(payload))
}

/// RFC 6455 §5.5.1: empty, or a code and a reason.
fn closed(payload: &[u8]) -> Result<Input<'_>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        let empty = Input::Close { code: None, reason: "" };
        return if payload.is_empty() { Ok(empty) } else { Err(Violation::Close) };
    };
    let code = u16::from_be_bytes(*code);
    if !may_be_sent(code) {
        return Err(Violation::Close);
    }
    let reason = str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
    Ok(Input::Close { code: Some(code), reason })
}
