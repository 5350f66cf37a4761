//! A request as it arrived: the message and what the way it came adds to it.

use std::net::SocketAddr;

use offhook_net::Flow;
use offhook_sip::{Essentials, LossFeedback, Message, Transport, Via};

use crate::settings::Settings;

/// A received request with its surroundings.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'m, 'a> {
    /// What the server was told.
    pub settings: &'m Settings,
    /// When it came.
    pub now_ms: u64,
    /// By which path.
    pub from: Flow,
    /// Where its responses go: RFC 3261 §18.2.2, RFC 3581 §4.
    pub reply_to: Flow,
    /// The message.
    pub message: &'m Message<'a>,
    /// Its mandatory headers.
    pub parts: &'m Essentials<'a>,
    /// Its top Via with `received` and `rport`, where it had to change.
    pub mended_via: Option<&'m [u8]>,
    /// The same as our own answers repeat it: with what its sender is told about our load.
    pub answer_via: Option<&'m [u8]>,
}

impl<'m, 'a> Arrival<'m, 'a> {
    /// `told` is for who offers to listen (RFC 7339); the buffer takes the mended Via.
    pub(crate) fn new(
        settings: &'m Settings,
        now_ms: u64,
        from: Flow,
        (message, parts): (&'m Message<'a>, &'m Essentials<'a>),
        (told, buffer): (Option<LossFeedback>, &'m mut Vec<u8>),
    ) -> Self {
        // RFC 7118 §5.3: over WebSocket `received` is of no use, and may tell a browser what stands in front of us.
        let mends = !from.transport.is_websocket() && parts.via.needs_mending(from.remote);
        buffer.clear();
        if mends {
            parts.via.write_mended(from.remote, buffer);
        }
        let mended_len = buffer.len();
        if let Some(told) = told {
            told.write(buffer);
        }
        let reply_to = Flow { remote: reply_address(&parts.via, &from), ..from };
        let mended_via = buffer.get(..mended_len).filter(|_| mends);
        let answer_via = mends.then_some(&**buffer);
        Self { settings, now_ms, from, reply_to, message, parts, mended_via, answer_via }
    }
}

impl Arrival<'_, '_> {
    /// Whether its sender is told how much we can take.
    pub(crate) fn tells_load(&self) -> bool {
        self.answer_via.map(<[u8]>::len) != self.mended_via.map(<[u8]>::len)
    }
}

/// On a stream the connection itself leads back (RFC 3261 §18.2.2, RFC 5923).
pub(crate) fn reply_address(via: &Via<'_>, from: &Flow) -> SocketAddr {
    if from.transport == Transport::Udp { via.reply_address(from.remote) } else { from.remote }
}
