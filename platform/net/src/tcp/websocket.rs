//! WebSocket on a stream, RFC 6455 and RFC 7118: the opening handshake, then frames. It lies on TLS or on the socket.
//!
//! ```text
//!   opening ── 101 ──► open ── Close, either way ──► closed
//!      └── 4xx ──► closed
//! ```
//!
//! What is whole is read where it lies; only what is not whole yet is kept. Silence is broken by a Ping of ours, and who
//! leaves one unanswered is gone.

use std::mem;
use std::sync::Arc;

use offhook_sip::limits::MESSAGE_BYTES_MAX;
use offhook_websocket::{
    CloseCode, FrameHead, Input, Opening, Policy, Reader, open, write_close, write_ping, write_pong,
};

use super::layers::{Came, End};
use crate::WebSocketFailure;

/// The framing of one connection.
pub(super) struct WebSocket {
    /// Who may open; `None` when it was opened.
    policy: Option<Arc<Policy>>,
    /// Nothing more is said.
    closed: bool,
    /// A Ping of ours has no answer yet.
    pinged: bool,
    reader: Reader,
    /// The beginning of an opening handshake or of a frame.
    rest: Vec<u8>,
    /// When the first byte of what is not whole yet came.
    rest_ms: u64,
    /// When something whole last came.
    heard_ms: u64,
}

impl WebSocket {
    pub(super) fn new(policy: Arc<Policy>, now_ms: u64) -> Self {
        Self {
            policy: Some(policy),
            closed: false,
            pinged: false,
            reader: Reader::new(MESSAGE_BYTES_MAX),
            rest: Vec::new(),
            rest_ms: now_ms,
            heard_ms: now_ms,
        }
    }

    /// Whether messages may pass.
    pub(super) fn is_open(&self) -> bool {
        self.policy.is_none()
    }

    /// When the first byte of what is not whole yet came, if there is such.
    pub(super) fn waits_since_ms(&self) -> Option<u64> {
        self.is_waiting().then_some(self.rest_ms)
    }

    /// Bytes of its buffers.
    pub(super) fn held_bytes(&self) -> usize {
        self.rest.capacity() + self.reader.held_bytes()
    }

    /// Takes what has come: messages are delivered, answers are appended to `reply`. `Some` if nothing follows.
    pub(super) fn take(
        &mut self,
        fresh: &mut [u8],
        now_ms: u64,
        reply: &mut Vec<u8>,
        deliver: &mut impl FnMut(Came<'_>),
    ) -> Option<End> {
        let was_waiting = self.is_waiting();
        let (used, end);
        if self.rest.is_empty() {
            (used, end) = self.read(fresh, now_ms, reply, deliver);
            self.rest = fresh[used..].to_vec();
        } else {
            // Only fresh bytes are copied, so that a frame in a thousand pieces is not copied a thousand times.
            let mut all = mem::take(&mut self.rest);
            all.extend_from_slice(fresh);
            (used, end) = self.read(&mut all, now_ms, reply, deliver);
            self.rest = if used > 0 { all[used..].to_vec() } else { all };
        }
        // A message that comes in pieces without end counts from its first.
        if !was_waiting || (used > 0 && !self.reader.is_within_message()) {
            self.rest_ms = now_ms;
        }
        end
    }

    /// Appends a message as it goes out.
    pub(super) fn frame(message: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(FrameHead::of_message(message).as_bytes());
        out.extend_from_slice(message);
    }

    /// What ends the connection politely, unless it was said.
    pub(super) fn say_goodbye(&mut self, out: &mut Vec<u8>) {
        if self.is_open() && !mem::replace(&mut self.closed, true) {
            write_close(CloseCode::GoingAway, "", out);
        }
    }

    /// When the client was silent for so long that it must be asked, or, when it was asked, is gone.
    pub(super) fn silent_at_ms(&self, ping_every_ms: u64) -> u64 {
        self.heard_ms + if self.pinged { 2 * ping_every_ms } else { ping_every_ms }
    }

    /// Asks whether the client lives; `false` if it was asked already.
    pub(super) fn ping(&mut self, out: &mut Vec<u8>) -> bool {
        let first = !mem::replace(&mut self.pinged, true);
        if first {
            write_ping(b"", out);
        }
        first
    }

    fn is_waiting(&self) -> bool {
        !self.rest.is_empty() || self.reader.is_within_message()
    }

    fn read(
        &mut self,
        received: &mut [u8],
        now_ms: u64,
        reply: &mut Vec<u8>,
        deliver: &mut impl FnMut(Came<'_>),
    ) -> (usize, Option<End>) {
        let mut used = 0;
        if let Some(policy) = &self.policy {
            match open(received, policy) {
                Opening::Incomplete => return (0, None),
                Opening::Refused(refusal) => {
                    refusal.write(reply);
                    return (received.len(), Some(End::WebSocket(WebSocketFailure::Refused(refusal))));
                }
                Opening::Accepted(accepted) => {
                    accepted.write(reply);
                    used = accepted.bytes;
                    self.policy = None;
                }
            }
        }
        let (frames, end) = self.read_frames(&mut received[used..], reply, deliver);
        used += frames;
        if used > 0 {
            self.heard_ms = now_ms;
            self.pinged = false;
        }
        (used, end)
    }

    fn read_frames(
        &mut self,
        received: &mut [u8],
        reply: &mut Vec<u8>,
        deliver: &mut impl FnMut(Came<'_>),
    ) -> (usize, Option<End>) {
        let mut used = 0;
        // RFC 6455 §5.5.3: of several Pings only the last need be answered, so a flood of them makes no flood of ours.
        let mut pong = Vec::new();
        let end = loop {
            match self.reader.next(&mut received[used..]) {
                Ok(None) => break None,
                Ok(Some((bytes, input))) => {
                    used += bytes;
                    match input {
                        Input::Message(message) => deliver(Came::Message(message)),
                        Input::Ping(payload) => {
                            pong.clear();
                            write_pong(payload, &mut pong);
                        }
                        Input::Close { .. } => {
                            write_close(CloseCode::Normal, "", reply);
                            self.closed = true;
                            break Some(End::Closed);
                        }
                        Input::Fragment | Input::Pong(_) => {}
                    }
                }
                Err(violation) => {
                    write_close(violation.code(), &violation.to_string(), reply);
                    self.closed = true;
                    break Some(End::WebSocket(WebSocketFailure::Violation(violation)));
                }
            }
        };
        if !pong.is_empty() && end.is_none() {
            reply.extend_from_slice(&pong);
            deliver(Came::Pinged);
        }
        (if end.is_some() { received.len() } else { used }, end)
    }
}
