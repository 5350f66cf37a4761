//! Which connections are gone. Bindings and Record-Route values outlive the connections they name; what is sent by a
//! dead name is lost, and an ACK is not sent again by anyone.

use offhook_location::StoredFlow;
use offhook_net::ConnectionId;

/// Remembers closed connections: for each place in the shard's table, the last generation that is gone. It is as large as
/// the table was at its fullest.
#[derive(Default, Debug)]
pub(crate) struct ClosedConnections {
    generations: Vec<u32>,
}

impl ClosedConnections {
    pub(crate) fn note(&mut self, connection: ConnectionId) {
        let place = connection.slot();
        if place >= self.generations.len() {
            self.generations.resize(place + 1, 0);
        }
        if let Some(last) = self.generations.get_mut(place) {
            *last = (*last).max(connection.generation);
        }
    }

    /// Whether a binding can be reached no more: it was made over WebSocket, by which nobody is dialled, and its connection
    /// is gone. A browser that comes back registers anew, under another name.
    pub(crate) fn ended(&self, shard: u8, flow: &StoredFlow) -> bool {
        let connection =
            ConnectionId { index: flow.connection_index, generation: flow.connection_generation };
        flow.transport.is_websocket() && (!connection.is_some() || self.has(shard, connection))
    }

    /// Whether this is known to be gone. Of connections of other shards nothing is known.
    pub(crate) fn has(&self, shard: u8, connection: ConnectionId) -> bool {
        connection.is_some()
            && connection.shard() == shard
            && self.generations.get(connection.slot()).is_some_and(|last| connection.generation <= *last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_connection_in_an_old_place_is_not_gone() {
        let mut closed = ClosedConnections::default();
        let old = ConnectionId { index: 7, generation: 3 };
        assert!(!closed.has(0, old));
        closed.note(old);
        assert!(closed.has(0, old));
        assert!(!closed.has(0, ConnectionId { index: 7, generation: 4 }));
        assert!(!closed.has(0, ConnectionId { index: 6, generation: 1 }));
        assert!(!closed.has(0, ConnectionId::NONE));
        assert!(!closed.has(1, old), "another shard's");
    }
}
