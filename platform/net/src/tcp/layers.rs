//! What lies between a connection's socket and the framing of SIP.
//!
//! ```text
//!   socket ──bytes──► tls, if any ──plain bytes──► (another framing) ──► SIP framing ──► engine
//!   socket ◄──bytes── tls, if any ◄──plain bytes── (another framing) ◄── messages of the outbox
//! ```
//!
//! A plain TCP connection has no layers at all ([`super::Connection::layers`] is `None`): its messages go from the read
//! buffer to the engine and from the outbox to the socket, and nothing here is asked.
//!
//! **Another framing** (WebSocket, RFC 7118) lies above TLS or directly above the socket. It is one more field of
//! [`Layers`], and four places know it: [`Layers::open`] hands it what TLS has opened (or, without TLS, the bytes as
//! they came) before they are delivered; [`Layers::seal`] lets it wrap a message before TLS seals it; what it has to say
//! itself (a 101, a pong) goes, sealed, into `reply`; and [`Layers::is_ready`] is true when its own handshake is over.
//! Messages that are sent before wait in [`Layers::early`], whoever's handshake it is. A framing that delivers whole
//! messages gives them to the engine itself instead of to [`super::Connection::take`].

use super::write_queue::WriteQueue;
use crate::TlsFailure;
use crate::tls::{Came, End, Session};

/// The layers of a connection that is not plain TCP.
pub(super) struct Layers {
    tls: Session,
    /// Messages that were sent while a handshake was in progress, not sealed yet.
    pub(super) early: WriteQueue,
    /// When the first byte of what is not whole yet came.
    rest_ms: u64,
}

impl Layers {
    pub(super) fn tls(session: Session) -> Box<Self> {
        Box::new(Self { tls: session, early: WriteQueue::default(), rest_ms: 0 })
    }

    /// Whether messages may pass: every handshake is over.
    pub(super) fn is_ready(&self) -> bool {
        !self.tls.is_handshaking()
    }

    /// What must lie before fresh bytes when [`Layers::open`] is called.
    pub(super) fn rest(&self) -> &[u8] {
        self.tls.rest()
    }

    /// When the first byte of what is not whole yet came, if there is such.
    pub(super) fn waits_since_ms(&self) -> Option<u64> {
        (!self.rest().is_empty()).then_some(self.rest_ms)
    }

    /// What has come off the wire (after [`Layers::rest`]): plain bytes are delivered, what the layers have to say is
    /// appended to `reply`. What is not whole yet is kept.
    pub(super) fn open(
        &mut self,
        wire: &mut [u8],
        now_ms: u64,
        reply: &mut Vec<u8>,
        deliver: impl FnMut(Came<'_>),
    ) -> Option<End> {
        let had_rest = !self.rest().is_empty();
        let length = wire.len();
        let end = self.tls.open(wire, reply, deliver);
        if !had_rest || self.rest().len() < length {
            self.rest_ms = now_ms;
        }
        end
    }

    /// Appends a message, as it goes over the wire, to `wire`.
    pub(super) fn seal(&mut self, message: &[u8], wire: &mut Vec<u8>) -> Result<(), TlsFailure> {
        self.tls.seal(message, wire)
    }

    /// What ends the connection politely.
    pub(super) fn say_goodbye(&mut self, wire: &mut Vec<u8>) {
        self.tls.say_goodbye(wire);
    }

    /// Bytes of buffers.
    pub(super) fn held_bytes(&self) -> usize {
        self.tls.held_bytes() + self.early.bytes()
    }
}
