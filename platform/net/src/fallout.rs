//! What went wrong while a batch was received and sent. The engine is told between batches, never in the middle of one.

use crate::{ConnectionId, Flow, Ticket, TlsFailure, WebSocketFailure};

/// Collected by whoever meets it, emptied by the loop.
#[derive(Default, Debug)]
pub(crate) struct Fallout {
    /// Tickets of messages that could not leave, with the shard whose engine asks.
    pub(crate) failed: Vec<(u8, Ticket)>,
    pub(crate) closed: Vec<ConnectionId>,
    /// Connections that were not secured, and why.
    pub(crate) insecure: Vec<(Flow, TlsFailure)>,
    /// WebSockets that were not opened or broke their rules, and why.
    pub(crate) unopened: Vec<(Flow, WebSocketFailure)>,
    /// Connections for which there was no room: the name of the bound in [`crate::Limits`], and what it allows.
    pub(crate) no_room: Vec<(Flow, &'static str, usize)>,
}

impl Fallout {
    pub(crate) fn is_empty(&self) -> bool {
        self.failed.is_empty()
            && self.closed.is_empty()
            && self.insecure.is_empty()
            && self.unopened.is_empty()
            && self.no_room.is_empty()
    }
}
