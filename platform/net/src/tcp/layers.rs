//! What lies between a connection's socket and the framing of SIP.
//!
//! ```text
//!   socket ──bytes──► tls, if any ──plain bytes──► websocket, if any ──messages────────────────┐
//!                                        └───────────────────────────► SIP framing ──messages──┴─► engine
//!   socket ◄──bytes── tls, if any ◄──plain bytes── websocket, if any ◄── messages of the outbox
//! ```
//!
//! A plain TCP connection has no layers at all ([`super::Connection::layers`] is `None`): its messages go from the read
//! buffer to the engine and from the outbox to the socket, and nothing here is asked.
//!
//! A frame of WebSocket holds one message (RFC 7118 §5), so it goes to the engine as a datagram does.

use super::unheard::Unheard;
use super::websocket::WebSocket;
use super::write_queue::WriteQueue;
use crate::tls::{self, Session};
use crate::{TlsFailure, WebSocketFailure};

/// The layers of a connection that is not plain TCP.
pub(super) struct Layers {
    tls: Option<Box<Session>>,
    websocket: Option<WebSocket>,
    /// Messages that were sent while a handshake was in progress, not sealed yet.
    pub(super) early: WriteQueue,
    /// What has left since, as long as the peer has said nothing.
    pub(super) unheard: Unheard,
    /// When the first byte of a record that is not whole yet came.
    rest_ms: u64,
}

/// What comes out of the layers.
pub(super) enum Came<'a> {
    /// TLS is established; the certificate that the peer has proved to own, DER.
    Secured(Option<&'a [u8]>),
    /// Bytes for the framing of SIP.
    Plain(&'a [u8]),
    /// A whole message.
    Message(&'a [u8]),
    /// A keep-alive of the framing, which was answered.
    Pinged,
}

/// Why nothing follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// The peer said so.
    Closed,
    Insecure(TlsFailure),
    WebSocket(WebSocketFailure),
}

impl From<tls::End> for End {
    fn from(end: tls::End) -> Self {
        match end {
            tls::End::Closed => Self::Closed,
            tls::End::Failed(why) => Self::Insecure(why),
        }
    }
}

/// Memory of a shard that its connections use in turn. Empty between two uses.
#[derive(Default)]
pub(super) struct Bench {
    /// What TLS has opened, for the framing above to read in place.
    plain: Vec<u8>,
    /// What the framing says, until TLS seals it.
    framed: Vec<u8>,
}

impl Layers {
    /// TLS, a WebSocket, or both.
    pub(super) fn new(tls: Option<Session>, websocket: Option<WebSocket>) -> Box<Self> {
        let (early, unheard) = (WriteQueue::default(), Unheard::over());
        Box::new(Self { tls: tls.map(Box::new), websocket, early, unheard, rest_ms: 0 })
    }

    /// TLS to a peer that may refuse our certificate.
    pub(super) fn dialled(tls: Session) -> Box<Self> {
        Box::new(Self { unheard: Unheard::default(), ..*Self::new(Some(tls), None) })
    }

    /// Whether messages may pass: every handshake is over.
    pub(super) fn is_ready(&self) -> bool {
        self.is_secured() && self.websocket.as_ref().is_none_or(WebSocket::is_open)
    }

    /// Whether no handshake of TLS is in progress.
    pub(super) fn is_secured(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking())
    }

    /// What must lie before fresh bytes when [`Layers::open`] is called.
    pub(super) fn rest(&self) -> &[u8] {
        self.tls.as_ref().map_or(&[], |tls| tls.rest())
    }

    /// When the first byte of what is not whole yet came, if there is such.
    pub(super) fn waits_since_ms(&self) -> Option<u64> {
        let record = (!self.rest().is_empty()).then_some(self.rest_ms);
        let frame = self.websocket.as_ref().and_then(WebSocket::waits_since_ms);
        record.into_iter().chain(frame).min()
    }

    /// When a silent peer must be asked whether it lives, or is gone: see [`WebSocket::silent_at_ms`].
    pub(super) fn silent_at_ms(&self, ping_every_ms: u64) -> Option<u64> {
        self.websocket.as_ref().filter(|w| w.is_open()).map(|w| w.silent_at_ms(ping_every_ms))
    }

    /// What has come off the wire (after [`Layers::rest`]): plain bytes or messages are delivered, what the layers have to
    /// say is appended to `reply`. What is not whole yet is kept.
    pub(super) fn open(
        &mut self,
        wire: &mut [u8],
        now_ms: u64,
        reply: &mut Vec<u8>,
        bench: &mut Bench,
        mut deliver: impl FnMut(Came<'_>),
    ) -> Option<End> {
        let had_rest = !self.rest().is_empty();
        let length = wire.len();
        let end = match (&mut self.tls, &mut self.websocket) {
            (None, Some(websocket)) => websocket.take(wire, now_ms, reply, &mut deliver),
            (Some(tls), None) => {
                let end = tls.open(wire, reply, |came| match came {
                    tls::Came::Established(certificate) => deliver(Came::Secured(certificate)),
                    tls::Came::Plain(bytes) => deliver(Came::Plain(bytes)),
                });
                end.map(End::from)
            }
            (Some(_), Some(_)) => self.open_both(wire, now_ms, reply, bench, &mut deliver),
            (None, None) => None,
        };
        if !had_rest || self.rest().len() < length {
            self.rest_ms = now_ms;
        }
        end
    }

    fn open_both(
        &mut self,
        wire: &mut [u8],
        now_ms: u64,
        reply: &mut Vec<u8>,
        bench: &mut Bench,
        deliver: &mut impl FnMut(Came<'_>),
    ) -> Option<End> {
        let (Some(tls), Some(websocket)) = (&mut self.tls, &mut self.websocket) else { return None };
        let Bench { plain, framed } = bench;
        let end = tls.open(wire, reply, |came| match came {
            tls::Came::Established(certificate) => deliver(Came::Secured(certificate)),
            tls::Came::Plain(bytes) => plain.extend_from_slice(bytes),
        });
        let framing_ends = match plain.is_empty() {
            true => None,
            false => websocket.take(plain, now_ms, framed, deliver),
        };
        plain.clear();
        let sealed = if framed.is_empty() { Ok(()) } else { tls.seal(framed, reply) };
        framed.clear();
        framing_ends.or(end.map(End::from)).or(sealed.err().map(End::Insecure))
    }

    /// Appends a message, as it goes over the wire, to `wire`.
    pub(super) fn seal(
        &mut self,
        message: &[u8],
        wire: &mut Vec<u8>,
        bench: &mut Bench,
    ) -> Result<(), TlsFailure> {
        match (&mut self.tls, &self.websocket) {
            (Some(tls), None) => tls.seal(message, wire),
            (Some(tls), Some(_)) => {
                WebSocket::frame(message, &mut bench.framed);
                let sealed = tls.seal(&bench.framed, wire);
                bench.framed.clear();
                sealed
            }
            (None, _) => {
                WebSocket::frame(message, wire);
                Ok(())
            }
        }
    }

    /// Asks a silent peer whether it lives: `false` if it was asked before, and is gone.
    pub(super) fn ping(&mut self, wire: &mut Vec<u8>) -> bool {
        let mut ping = Vec::new();
        let asks = self.websocket.as_mut().is_some_and(|websocket| websocket.ping(&mut ping));
        asks && self.say(&ping, wire)
    }

    /// What ends the connection politely.
    pub(super) fn say_goodbye(&mut self, wire: &mut Vec<u8>) {
        let mut goodbye = Vec::new();
        if let Some(websocket) = &mut self.websocket {
            websocket.say_goodbye(&mut goodbye);
        }
        if self.say(&goodbye, wire)
            && let Some(tls) = &mut self.tls
        {
            tls.say_goodbye(wire);
        }
    }

    /// Bytes of buffers.
    pub(super) fn held_bytes(&self) -> usize {
        let tls = self.tls.as_ref().map_or(0, |tls| tls.held_bytes());
        let websocket = self.websocket.as_ref().map_or(0, WebSocket::held_bytes);
        tls + websocket + self.early.bytes()
    }

    /// Appends what the framing says, sealed.
    fn say(&mut self, framed: &[u8], wire: &mut Vec<u8>) -> bool {
        match &mut self.tls {
            Some(tls) if !framed.is_empty() => tls.seal(framed, wire).is_ok(),
            Some(_) => true,
            None => {
                wire.extend_from_slice(framed);
                true
            }
        }
    }
}
