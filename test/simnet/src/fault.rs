//! What goes wrong in this world because the test says so.

use std::net::SocketAddr;

use offhook_net::{ConnectionId, Engine, Flow, IcmpError};

use offhook_sip::Transport;

use crate::node::{Shard, boxed};
use crate::trace::{Event, Loss};
use crate::world::What;
use crate::{NodeId, Realm, Rng, World};

/// What a Linux host quotes of the payload of a datagram, bytes: its answer has 576 in all (RFC 1812 §4.3.2.3).
const QUOTED_BYTES: usize = 520;

impl World {
    /// Nothing passes between the two any more. Datagrams are lost; streams hold their breath.
    pub fn cut(&mut self, a: NodeId, b: NodeId) {
        self.cut_one_way(a, b);
        self.cut_one_way(b, a);
    }

    /// Nothing passes from one to the other any more.
    pub fn cut_one_way(&mut self, from: NodeId, to: NodeId) {
        self.links.set_cut((from, to), true);
    }

    /// The two reach each other again; streams go on where they were.
    pub fn heal(&mut self, a: NodeId, b: NodeId) {
        for (from, to) in [(a, b), (b, a)] {
            self.links.set_cut((from, to), false);
            self.release_held(Some(from), to);
        }
    }

    /// Every packet from one node to the other passes through this; for streams, every send.
    /// See [`crate::mutation`] for some ways to spoil a message.
    pub fn mutate(
        &mut self,
        from: NodeId,
        to: NodeId,
        mutator: impl FnMut(&mut Rng, &mut Vec<u8>) + 'static,
    ) {
        self.links.set_mutator((from, to), Box::new(mutator));
    }

    /// The process dies: what is on its way to it is lost, its streams are reset, its ports are shut.
    pub fn crash(&mut self, node: NodeId) {
        let slot = &mut self.nodes[node.index()];
        slot.shards.iter_mut().for_each(|shard| shard.resident = None);
        slot.up = false;
        slot.life += 1;
        for (index, side) in self.streams_at(node) {
            self.tell_ended(index, side, Event::Reset);
            self.kill_end(index, side);
        }
    }

    /// A new process with one engine takes a node's place, at the same addresses. The old one crashes first, if it
    /// still lives.
    pub fn replace(&mut self, node: NodeId, engine: impl Engine + 'static) {
        self.replace_shards(node, [engine]);
    }

    /// A new process with these engines takes a node's place.
    pub fn replace_shards<E: Engine + 'static>(
        &mut self,
        node: NodeId,
        engines: impl IntoIterator<Item = E>,
    ) {
        if self.nodes[node.index()].up {
            self.crash(node);
        }
        let slot = &mut self.nodes[node.index()];
        slot.shards = boxed(engines).into_iter().map(Shard::new).collect();
        slot.up = true;
    }

    /// One side ends a stream, in order: the other learns it after what is under way. Does nothing if the stream is
    /// gone.
    pub fn close(&mut self, node: NodeId, connection: ConnectionId) {
        if let Some((index, side)) = self.find_end(node, connection) {
            self.end_stream(index, side, Event::Closed);
        }
    }

    /// All streams between the two break.
    pub fn reset_streams(&mut self, a: NodeId, b: NodeId) {
        for (index, side) in self.streams_at(a) {
            if self.peer(index, side) == b {
                self.end_stream(index, side, Event::Reset);
            }
        }
    }

    /// The connections of a node and where they lead, oldest first.
    pub fn connections(&self, node: NodeId) -> Vec<(ConnectionId, SocketAddr)> {
        self.streams_at(node).into_iter().map(|(index, side)| self.end_of(index, side)).collect()
    }

    /// The connections of `node` that lead to `peer`, wherever that is.
    pub fn connections_between(&self, node: NodeId, peer: NodeId) -> Vec<ConnectionId> {
        let ends = self.streams_at(node).into_iter();
        let between = ends.filter(|&(index, side)| self.peer(index, side) == peer);
        between.map(|(index, side)| self.end_of(index, side).0).collect()
    }

    /// Declares that something that arrived at a peer which took no notice of it did not arrive. For tests that decide
    /// afterwards what was lost.
    pub fn set_lost(&mut self, entry: usize) {
        self.trace.lost(entry, Loss::Scripted);
    }

    /// From now on hosts say so where a datagram comes to a port that nobody listens at, or to a process that is dead.
    pub fn hosts_answer(&mut self) {
        self.hosts_answer = true;
    }

    /// A datagram of the trace has not arrived after all, and whoever sent it learns why: its host, or a router, sends an ICMP
    /// error with the beginning of it. Panics if the entry is no datagram, or its sender is behind a translator.
    pub fn unreachable(&mut self, entry: usize, error: IcmpError) {
        let (node, flow, quoted) = self.quote(entry).expect("a datagram of somebody who is not translated");
        self.forge_icmp(node, flow, error, quoted);
        self.set_lost(entry);
    }

    /// A host answers to a datagram that nobody takes, if hosts do.
    pub(crate) fn answer_by_icmp(&mut self, entry: usize) {
        let quote = if self.hosts_answer { self.quote(entry) } else { None };
        let Some((node, to, quoted)) = quote else { return };
        let host = self.trace.entries[entry].to.unwrap_or(node);
        let shard = self.nodes[node.index()].shard_for(to.remote);
        for at_ms in self.links.datagram((host, node), self.now_ms, &mut self.rng) {
            let what = What::IcmpError { to, error: IcmpError::Port, quoted: quoted.clone() };
            self.schedule(at_ms, node, shard, what);
        }
    }

    /// Who sent a datagram, by which flow, and how it began.
    fn quote(&self, entry: usize) -> Option<(NodeId, Flow, Vec<u8>)> {
        let sent = &self.trace.entries[entry];
        let (source, remote) = sent.wire;
        let quoted = sent.message()?.iter().take(QUOTED_BYTES).copied().collect();
        let listener = self.nodes[sent.from.index()].listener(Transport::Udp, source)?;
        let flow = Flow { transport: Transport::Udp, listener, connection: ConnectionId::NONE, remote };
        Some((sent.from, flow, quoted))
    }

    /// An ICMP error arrives at a node, of whoever has sent it: about a datagram for `to`, quoting this.
    pub fn forge_icmp(&mut self, node: NodeId, to: Flow, error: IcmpError, quoted: Vec<u8>) {
        let shard = self.nodes[node.index()].shard_for(to.remote);
        self.schedule(self.now_ms, node, shard, What::IcmpError { to, error, quoted });
    }

    /// The node takes no more bytes from its streams; they stay open.
    pub fn stop_reading(&mut self, node: NodeId) {
        self.nodes[node.index()].reads_streams = false;
    }

    /// The node reads what has gathered, and goes on.
    pub fn read_again(&mut self, node: NodeId) {
        self.nodes[node.index()].reads_streams = true;
        self.release_held(None, node);
    }

    /// The translator of this realm restarts: its UDP mappings are gone.
    pub fn restart_nat(&mut self, realm: Realm) {
        self.nats[usize::from(realm.0) - 1].forget_all();
    }
}
