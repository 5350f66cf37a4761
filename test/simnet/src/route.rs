//! The way from one address to another, through the translators between.

use std::net::SocketAddr;

use crate::trace::Loss;
use crate::{NodeId, Realm, World};

/// Realms that a packet may cross; more means that two boxes send it to each other.
const HOPS_MAX: usize = 8;

/// Where a packet ends up, and what it looks like there.
pub(crate) struct Route {
    pub(crate) node: NodeId,
    /// Its destination after all translations.
    pub(crate) local: SocketAddr,
    /// Its source after all translations.
    pub(crate) source: SocketAddr,
    /// Source and destination between the translators.
    pub(crate) wire: (SocketAddr, SocketAddr),
    /// For streams: the shortest memory of the boxes on the way.
    pub(crate) nat_timeout_ms: Option<u64>,
}

/// A packet under way.
struct Packet {
    realm: Realm,
    source: SocketAddr,
    local: SocketAddr,
    wire: (SocketAddr, SocketAddr),
    stream: bool,
    /// Boxes that it has left by.
    left: Vec<usize>,
    /// It has come in somewhere: from there it only goes further in.
    entered: bool,
    nat_timeout_ms: Option<u64>,
}

/// Why a packet ends, and its addresses as seen there.
type DeadEnd = (Loss, (SocketAddr, SocketAddr));

impl World {
    /// Finds the way of a packet and opens mappings in the boxes it leaves by.
    pub(crate) fn route(
        &mut self,
        from: NodeId,
        source: SocketAddr,
        to: SocketAddr,
        stream: bool,
    ) -> Result<Route, DeadEnd> {
        let realm = self.nodes[from.index()].realm;
        let (wire, left, entered, nat_timeout_ms) = ((source, to), Vec::new(), false, None);
        let mut packet = Packet { realm, source, local: to, wire, stream, left, entered, nat_timeout_ms };
        for _ in 0..HOPS_MAX {
            if let Some(node) = self.owner(packet.realm, packet.local) {
                let Packet { source, local, wire, nat_timeout_ms, .. } = packet;
                return Ok(Route { node, local, source, wire, nat_timeout_ms });
            }
            if let Some(index) = self.nat_at(packet.realm, packet.local) {
                self.enter(&mut packet, index)?;
            } else if !packet.entered && packet.realm != Realm::PUBLIC {
                self.leave(&mut packet);
            } else {
                break;
            }
        }
        Err((Loss::NoRoute, packet.wire))
    }

    /// Through a box, inwards. Streams come in nowhere: nobody has opened a port for them.
    fn enter(&mut self, packet: &mut Packet, index: usize) -> Result<(), DeadEnd> {
        let nat = &mut self.nats[index];
        let turned_round = packet.left.contains(&index);
        let refused = packet.stream || (turned_round && !nat.config.hairpin);
        let inside = nat.inbound(self.now_ms, packet.source, packet.local.port()).filter(|_| !refused);
        packet.local = inside.ok_or((Loss::Nat, packet.wire))?;
        packet.realm = Realm(index as u16 + 1);
        packet.entered = true;
        Ok(())
    }

    /// Through the box of its realm, outwards.
    fn leave(&mut self, packet: &mut Packet) {
        let index = usize::from(packet.realm.0) - 1;
        let nat = &mut self.nats[index];
        packet.source = if packet.stream {
            let shortest_ms = packet.nat_timeout_ms.unwrap_or(u64::MAX).min(nat.config.stream_timeout_ms);
            packet.nat_timeout_ms = Some(shortest_ms);
            SocketAddr::new(nat.config.public_ip, nat.stream_port())
        } else {
            nat.outbound(self.now_ms, packet.source, packet.local)
        };
        packet.realm = nat.config.outside;
        packet.wire = (packet.source, packet.local);
        packet.left.push(index);
    }

    fn owner(&self, realm: Realm, address: SocketAddr) -> Option<NodeId> {
        let index = self.nodes.iter().position(|slot| {
            slot.realm == realm && slot.listeners.iter().any(|l| l.local.ip() == address.ip())
        });
        index.map(|index| NodeId(index as u32))
    }

    fn nat_at(&self, outside: Realm, address: SocketAddr) -> Option<usize> {
        self.nats.iter().position(|nat| nat.config.outside == outside && nat.config.public_ip == address.ip())
    }
}
