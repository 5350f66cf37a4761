//! Which connections are gone. Bindings and Record-Route values outlive the connections they name; what is sent by a
//! dead name is lost, and an ACK is not sent again by anyone.
//!
//! ```text
//!   closed here ──► own list, read without a lock
//!               └─► the list that all shards share: asked about connections of other shards only
//! ```

use std::sync::{Arc, PoisonError, RwLock};

use offhook_location::StoredFlow;
use offhook_net::ConnectionId;

/// For each place in a shard's table of connections, the last generation that is gone. It is as large as the table was at its
/// fullest.
#[derive(Default, Debug)]
struct Generations(Vec<u32>);

/// What all shards of a server know of each other's connections; nothing at all in a server of one.
#[derive(Clone, Debug)]
pub(crate) struct ClosedAnywhere(Option<Arc<[RwLock<Generations>]>>);

/// Remembers closed connections.
#[derive(Debug)]
pub(crate) struct ClosedConnections {
    own: Generations,
    anywhere: ClosedAnywhere,
}

/// The connection that a binding was made by; none: it is forgotten, or there was none.
pub(crate) fn connection_of(flow: &StoredFlow) -> ConnectionId {
    ConnectionId { index: flow.connection_index, generation: flow.connection_generation }
}

impl Generations {
    fn note(&mut self, connection: ConnectionId) {
        let place = connection.slot();
        if place >= self.0.len() {
            self.0.resize(place + 1, 0);
        }
        if let Some(last) = self.0.get_mut(place) {
            *last = (*last).max(connection.generation);
        }
    }

    fn has(&self, connection: ConnectionId) -> bool {
        self.0.get(connection.slot()).is_some_and(|last| connection.generation <= *last)
    }
}

impl ClosedAnywhere {
    /// For so many shards.
    pub(crate) fn new(shards: usize) -> Self {
        Self((shards > 1).then(|| (0..shards).map(|_| RwLock::default()).collect()))
    }

    fn note(&self, connection: ConnectionId) {
        let of_shard = self.0.as_ref().and_then(|shards| shards.get(usize::from(connection.shard())));
        if let Some(generations) = of_shard {
            generations.write().unwrap_or_else(PoisonError::into_inner).note(connection);
        }
    }

    /// The lock is held for one look, by the writer for one store: connections close seldom.
    fn has(&self, connection: ConnectionId) -> bool {
        let of_shard = self.0.as_ref().and_then(|shards| shards.get(usize::from(connection.shard())));
        of_shard.is_some_and(|list| list.read().unwrap_or_else(PoisonError::into_inner).has(connection))
    }
}

impl ClosedConnections {
    /// `anywhere` is shared by all shards.
    pub(crate) fn new(anywhere: ClosedAnywhere) -> Self {
        Self { own: Generations::default(), anywhere }
    }

    /// One of this shard's connections is gone.
    pub(crate) fn note(&mut self, connection: ConnectionId) {
        self.own.note(connection);
        self.anywhere.note(connection);
    }

    /// Whether a binding can be reached no more: it was made over WebSocket, by which nobody is dialled, and its connection
    /// is gone. A browser that comes back registers anew, under another name.
    pub(crate) fn ended(&self, shard: u8, flow: &StoredFlow) -> bool {
        let connection = connection_of(flow);
        flow.transport.is_websocket() && (!connection.is_some() || self.has(shard, connection))
    }

    /// Whether this is known to be gone. `shard` is who asks: his own list is at hand.
    pub(crate) fn has(&self, shard: u8, connection: ConnectionId) -> bool {
        connection.is_some()
            && match connection.shard() == shard {
                true => self.own.has(connection),
                false => self.anywhere.has(connection),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_connection_in_an_old_place_is_not_gone() {
        let mut closed = ClosedConnections::new(ClosedAnywhere::new(1));
        let old = ConnectionId { index: 7, generation: 3 };
        assert!(!closed.has(0, old));
        closed.note(old);
        assert!(closed.has(0, old));
        assert!(!closed.has(0, ConnectionId { index: 7, generation: 4 }));
        assert!(!closed.has(0, ConnectionId { index: 6, generation: 1 }));
        assert!(!closed.has(0, ConnectionId::NONE));
        assert!(!closed.has(1, old), "a server of one shard has no other");
    }

    #[test]
    fn the_other_shards_learn_it() {
        let anywhere = ClosedAnywhere::new(2);
        let (mut first, second) =
            (ClosedConnections::new(anywhere.clone()), ClosedConnections::new(anywhere));
        let gone = ConnectionId { index: 7, generation: 3 };
        first.note(gone);
        assert!(second.has(1, gone));
        assert!(!second.has(1, ConnectionId { index: 7, generation: 4 }));
        assert!(!second.has(1, ConnectionId { index: 1 << 24 | 7, generation: 3 }), "its own is alive");
    }
}
