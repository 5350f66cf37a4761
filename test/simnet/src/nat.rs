//! Address translators: the four kinds that RFC 3489 §5 named, which phones still sit behind.
//!
//! ```text
//!   phone 192.168.1.10:5060 ──► box ──► 203.0.113.7:20000 ──► server
//!                                ▲ who may answer to port 20000?
//!          full cone: anybody    restricted: hosts it has sent to
//!          port restricted: addresses it has sent to     symmetric: the same, and a new port for each of them
//! ```
//!
//! Only packets going out keep a mapping alive (RFC 4787 REQ-6 demands no more).

use std::net::{IpAddr, SocketAddr};

/// One address space. Two private ones may use the same addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct Realm(pub(crate) u16);

impl Realm {
    /// The internet of this world.
    pub const PUBLIC: Self = Self(0);
}

/// How a box chooses ports and whom it lets in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NatKind {
    /// One port per inside address; anybody may send to it.
    FullCone,
    /// One port per inside address; hosts that were sent to may answer from any port.
    RestrictedCone,
    /// One port per inside address; only addresses that were sent to may answer.
    PortRestrictedCone,
    /// One port per inside address and destination; only that destination may answer.
    Symmetric,
}

/// A translator to be: see [`crate::World::add_nat`].
#[derive(Clone, Debug)]
pub struct Nat {
    pub(crate) kind: NatKind,
    pub(crate) public_ip: IpAddr,
    pub(crate) outside: Realm,
    udp_timeout_ms: u64,
    pub(crate) stream_timeout_ms: u64,
    pub(crate) hairpin: bool,
}

impl Nat {
    /// A box of this kind with one outside address. Panics if that is no IP address.
    pub fn new(kind: NatKind, public_ip: &str) -> Self {
        let public_ip = public_ip.parse().expect("a NAT's outside address is an IP address");
        // What cheap routers do, not what RFC 4787 REQ-5 (2 min) and RFC 5382 REQ-5 (124 min) ask of them.
        let (udp_timeout_ms, stream_timeout_ms) = (30_000, 600_000);
        Self { kind, public_ip, outside: Realm::PUBLIC, udp_timeout_ms, stream_timeout_ms, hairpin: true }
    }

    /// After how much silence from inside a UDP mapping is forgotten. 30 s if not said.
    pub fn udp_timeout_ms(self, timeout_ms: u64) -> Self {
        Self { udp_timeout_ms: timeout_ms, ..self }
    }

    /// After how much silence a stream is forgotten: then what comes from inside is reset, and what comes from outside
    /// vanishes. 10 min if not said.
    pub fn stream_timeout_ms(self, timeout_ms: u64) -> Self {
        Self { stream_timeout_ms: timeout_ms, ..self }
    }

    /// Two phones behind this box cannot reach each other by its outside address.
    pub fn without_hairpin(self) -> Self {
        Self { hairpin: false, ..self }
    }

    /// The box itself stands behind another one.
    pub fn behind(self, realm: Realm) -> Self {
        Self { outside: realm, ..self }
    }
}

/// How many mappings a box holds; beyond that the oldest goes, as in real ones.
const MAPPINGS_MAX: usize = 4096;
/// First port a box gives out; far from 5060, so that nobody gets along by luck.
const PORT_FIRST: u16 = 20_000;

#[derive(Debug)]
struct Mapping {
    inside: SocketAddr,
    port: u16,
    /// Addresses that were sent to; exactly one for [`NatKind::Symmetric`].
    sent_to: Vec<SocketAddr>,
    used_ms: u64,
}

/// A box at work. UDP only: a stream's two address pairs are fixed when it opens.
#[derive(Debug)]
pub(crate) struct NatBox {
    pub(crate) config: Nat,
    mappings: Vec<Mapping>,
    port_next: u16,
}

impl NatBox {
    pub(crate) fn new(config: Nat) -> Self {
        Self { config, mappings: Vec::new(), port_next: PORT_FIRST }
    }

    /// A packet leaves: its source address afterwards.
    pub(crate) fn outbound(&mut self, now_ms: u64, from: SocketAddr, to: SocketAddr) -> SocketAddr {
        self.forget_old(now_ms);
        let symmetric = self.config.kind == NatKind::Symmetric;
        let known =
            self.mappings.iter().position(|m| m.inside == from && (!symmetric || m.sent_to.contains(&to)));
        let index = known.unwrap_or_else(|| self.new_mapping(from));
        let mapping = &mut self.mappings[index];
        mapping.used_ms = now_ms;
        if !mapping.sent_to.contains(&to) {
            mapping.sent_to.push(to);
        }
        SocketAddr::new(self.config.public_ip, mapping.port)
    }

    /// A packet arrives at this outside port: where inside it belongs, if it may come in.
    pub(crate) fn inbound(&mut self, now_ms: u64, from: SocketAddr, port: u16) -> Option<SocketAddr> {
        self.forget_old(now_ms);
        let mapping = self.mappings.iter().find(|m| m.port == port)?;
        let allowed = match self.config.kind {
            NatKind::FullCone => true,
            NatKind::RestrictedCone => mapping.sent_to.iter().any(|peer| peer.ip() == from.ip()),
            NatKind::PortRestrictedCone | NatKind::Symmetric => mapping.sent_to.contains(&from),
        };
        allowed.then_some(mapping.inside)
    }

    /// An outside port of its own for one stream.
    pub(crate) fn stream_port(&mut self) -> u16 {
        let port = self.port_next;
        self.port_next = self.port_next.checked_add(1).unwrap_or(PORT_FIRST);
        port
    }

    /// As after a restart of the box: everything inside becomes unreachable until it sends again.
    pub(crate) fn forget_all(&mut self) {
        self.mappings.clear();
    }

    fn new_mapping(&mut self, inside: SocketAddr) -> usize {
        if self.mappings.len() == MAPPINGS_MAX {
            self.mappings.remove(0);
        }
        let port = self.stream_port();
        self.mappings.push(Mapping { inside, port, sent_to: Vec::new(), used_ms: 0 });
        self.mappings.len() - 1
    }

    fn forget_old(&mut self, now_ms: u64) {
        let timeout_ms = self.config.udp_timeout_ms;
        self.mappings.retain(|m| now_ms.saturating_sub(m.used_ms) <= timeout_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    /// Who gets in after the inside has sent to 198.51.100.1:5060 only, and whether another destination sees the same
    /// port. RFC 3489 §5.
    #[test]
    fn the_four_kinds() {
        let cases = [
            //                            same addr, same host, stranger, same port for another peer
            (NatKind::FullCone, [true, true, true, true]),
            (NatKind::RestrictedCone, [true, true, false, true]),
            (NatKind::PortRestrictedCone, [true, false, false, true]),
            (NatKind::Symmetric, [true, false, false, false]),
        ];
        for (kind, expected) in cases {
            let mut nat = NatBox::new(Nat::new(kind, "203.0.113.7"));
            let inside = at("192.168.1.10:5060");
            let outside = nat.outbound(0, inside, at("198.51.100.1:5060"));
            let mut enters = |from| nat.inbound(1, at(from), outside.port()) == Some(inside);
            let seen = [enters("198.51.100.1:5060"), enters("198.51.100.1:9"), enters("198.51.100.2:5060")];
            let same_port = nat.outbound(1, inside, at("198.51.100.2:5060")) == outside;
            assert_eq!([seen[0], seen[1], seen[2], same_port], expected, "{kind:?}");
        }
    }

    #[test]
    fn only_packets_from_inside_keep_a_mapping() {
        let config = Nat::new(NatKind::FullCone, "203.0.113.7").udp_timeout_ms(1000);
        let (mut nat, inside, peer) = (NatBox::new(config), at("192.168.1.10:5060"), at("198.51.100.1:5060"));
        let outside = nat.outbound(0, inside, peer);
        assert_eq!(nat.inbound(1000, peer, outside.port()), Some(inside));
        assert_eq!(nat.inbound(1001, peer, outside.port()), None, "inbound at 1000 must not have renewed it");
        assert_ne!(nat.outbound(2000, inside, peer), outside, "a new mapping gets a new port");
    }
}
