//! What has left by a connection that we have opened, while its peer has not said a word of its own.
//!
//! In TLS 1.3 the handshake is over for a client before the server has looked at its certificate (RFC 8446 §4.4.2.4). A server that
//! refuses it has read nothing of what the client has said meanwhile, so all of that has failed, and can go elsewhere.

use crate::Ticket;

/// How many messages are kept in mind. Those beyond it are found lost by their timers.
const TICKETS_MAX: usize = 64;

/// The messages of one connection: who asks about which ticket.
#[derive(Default)]
pub(super) struct Unheard {
    tickets: Vec<(u8, Ticket)>,
    is_over: bool,
}

impl Unheard {
    /// For a connection whose peer looks at no certificate of ours, or has spoken.
    pub(super) fn over() -> Self {
        Self { tickets: Vec::new(), is_over: true }
    }

    /// A message has been given to the connection.
    pub(super) fn note(&mut self, origin: u8, ticket: Ticket) {
        if !self.is_over && ticket != 0 && self.tickets.len() < TICKETS_MAX {
            self.tickets.push((origin, ticket));
        }
    }

    /// The peer has spoken.
    pub(super) fn end(&mut self) {
        if !self.is_over {
            *self = Self::over();
        }
    }

    /// The peer has refused us: what has failed with that.
    pub(super) fn take(&mut self) -> Vec<(u8, Ticket)> {
        std::mem::take(&mut self.tickets)
    }
}
