//! One connection: its buffers and what it owes by when.

use std::net::{SocketAddr, TcpStream};

use offhook_sip::Transport;

use super::layers::Layers;
use super::write_queue::{SLICES_MAX, WriteQueue};
use crate::sys::Interest;
use crate::{CloseReason, Flow, Limits};

/// What a connection with layers has still to do before messages pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// The handshake of TLS.
    Securing,
    /// The opening handshake of WebSocket.
    Opening,
    /// Nothing.
    Open,
}

/// About 250 bytes while both buffers are empty.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    /// Names this connection.
    pub(super) flow: Flow,
    /// The number of the domain that its peer has to prove; 0 for its address, and for accepted ones.
    pub(super) domain: u32,
    /// The peer opened it.
    pub(super) accepted: bool,
    /// We are opening it; it carries nothing yet.
    pub(super) connecting: bool,
    /// A handshake of its layers is in progress; messages wait in [`Layers::early`].
    pub(super) securing: bool,
    /// What lies between the socket and SIP; nothing for plain TCP.
    pub(super) layers: Option<Box<Layers>>,
    /// A whole message has come.
    pub(super) greeted: bool,
    /// The last thing that came was a lone CRLF: another makes the two halves of a ping.
    pub(super) half_ping: bool,
    /// The beginning of a message whose end has not come.
    pub(super) rest: Vec<u8>,
    pub(super) queue: WriteQueue,
    pub(super) opened_ms: u64,
    /// The last time something whole came or something left.
    pub(super) alive_ms: u64,
    /// The first byte of `rest` came.
    pub(super) rest_ms: u64,
    /// The peer last took something, or had taken everything.
    pub(super) taken_ms: u64,
    /// What the epoll set watches it for.
    pub(super) interest: Interest,
    /// The planned look at its deadline.
    pub(super) check_ms: Option<u64>,
    /// What it counts for in the shard's sum.
    pub(super) held_bytes: usize,
}

impl Connection {
    pub(super) fn new(
        stream: TcpStream,
        flow: Flow,
        accepted: bool,
        layers: Option<Box<Layers>>,
        now_ms: u64,
    ) -> Self {
        Self {
            stream,
            flow,
            domain: 0,
            accepted,
            connecting: !accepted,
            securing: layers.is_some(),
            layers,
            greeted: false,
            half_ping: false,
            rest: Vec::new(),
            queue: WriteQueue::default(),
            opened_ms: now_ms,
            alive_ms: now_ms,
            rest_ms: now_ms,
            taken_ms: now_ms,
            interest: if accepted { Interest::READ } else { Interest::WRITE },
            check_ms: None,
            held_bytes: 0,
        }
    }

    /// When it is over, and why, if nothing changes.
    pub(super) fn deadline(&self, limits: &Limits) -> (u64, CloseReason) {
        if self.connecting {
            return (self.opened_ms + limits.connect_timeout_ms, CloseReason::ConnectTimeout);
        }
        if self.securing {
            return (self.secure_by_ms(limits), CloseReason::Insecure);
        }
        let silent = self.accepted && !self.greeted;
        let half_message = self.waits_since_ms();
        let candidates = [
            (true, self.alive_ms + limits.idle_ms, CloseReason::Idle),
            (silent, self.opened_ms + limits.first_message_ms, CloseReason::Silent),
            (half_message.is_some(), half_message.unwrap_or(0) + limits.message_ms, CloseReason::SlowWriter),
            (!self.queue.is_empty(), self.taken_ms + limits.write_stall_ms, CloseReason::SlowReader),
        ];
        let applying = candidates.into_iter().filter(|c| c.0).map(|(_, at_ms, reason)| (at_ms, reason));
        applying.min_by_key(|c| c.0).expect("idleness always applies")
    }

    /// When the first byte of what is not whole yet came, if there is such.
    pub(super) fn waits_since_ms(&self) -> Option<u64> {
        let message = (!self.rest.is_empty()).then_some(self.rest_ms);
        let below = self.layers.as_ref().and_then(|layers| layers.waits_since_ms());
        message.into_iter().chain(below).min()
    }

    /// Where it leads: the listener, what the peer proved to be, and the peer's address.
    pub(super) fn way(&self) -> (u16, u32, SocketAddr) {
        (self.flow.listener, self.domain, self.flow.remote)
    }

    /// When its handshake must be over. It begins when the connection stands.
    fn secure_by_ms(&self, limits: &Limits) -> u64 {
        self.opened_ms + limits.handshake_ms + if self.accepted { 0 } else { limits.connect_timeout_ms }
    }

    /// Whether the transport keeps messages apart (RFC 4168 §3.2), so that each is written by itself.
    pub(super) fn keeps_messages_apart(&self) -> bool {
        self.flow.transport == Transport::Sctp
    }

    /// How many messages one write may carry.
    pub(super) fn messages_per_write(&self) -> usize {
        if self.keeps_messages_apart() { 1 } else { SLICES_MAX }
    }

    /// How far its handshakes are.
    pub(super) fn stage(&self) -> Stage {
        let secured = self.layers.as_ref().is_none_or(|layers| layers.is_secured());
        match self.securing {
            false => Stage::Open,
            true if secured && self.flow.transport.is_websocket() => Stage::Opening,
            true => Stage::Securing,
        }
    }

    /// When a peer that says nothing must be asked whether it lives, or is gone.
    pub(super) fn silent_at_ms(&self, ping_every_ms: u64) -> Option<u64> {
        self.layers.as_ref().and_then(|layers| layers.silent_at_ms(ping_every_ms))
    }

    /// Bytes in its buffers.
    pub(super) fn held_now(&self) -> usize {
        let layers = self.layers.as_ref().map_or(0, |layers| layers.held_bytes());
        self.rest.capacity() + self.queue.bytes() + layers
    }

    /// What waits to be written, and for handshakes: bytes.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.queue.bytes() + self.layers.as_ref().map_or(0, |layers| layers.early.bytes())
    }

    /// A peer that does not take what it asked for may not ask for more.
    pub(super) fn wanted(&self, limits: &Limits) -> Interest {
        if self.connecting {
            return Interest::WRITE;
        }
        Interest { read: self.queue.bytes() <= limits.write_queue_bytes / 2, write: !self.queue.is_empty() }
    }
}
