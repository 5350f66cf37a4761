//! How messages leave a node, and how datagrams arrive at one.

use std::net::SocketAddr;

use offhook_net::{ConnectionId, Flow, Outbox, Ticket};
use offhook_sip::Transport;

use crate::route::Route;
use crate::trace::{Entry, Event, Fate, Loss};
use crate::world::{Input, Scheduled, What};
use crate::{NodeId, World};

/// The longest payload of UDP over IPv4.
const DATAGRAM_MAX_BYTES: usize = 65_507;

impl World {
    /// Sends bytes from a node, from its first listener of this transport. Streams are opened when needed. Panics if
    /// the node has no such listener.
    pub fn send(&mut self, from: NodeId, transport: Transport, to: SocketAddr, bytes: &[u8]) {
        let flow = self.flow(from, transport, to);
        self.send_by(from, flow, bytes);
    }

    /// Sends bytes from a node by a flow, for example the one that a message came by. For streams this need not be a
    /// whole message.
    pub fn send_by(&mut self, from: NodeId, flow: Flow, bytes: &[u8]) {
        self.send_one((from, 0), flow, bytes, 0);
    }

    /// Records a message that leaves `from` and is lost.
    pub fn lose(&mut self, from: NodeId, transport: Transport, to: SocketAddr, bytes: &[u8]) {
        let flow = self.flow(from, transport, to);
        let source = self.nodes[from.index()].listeners[usize::from(flow.listener)].local;
        let (to_node, wire) = match self.route(from, source, to, false) {
            Ok(route) => (Some(route.node), route.wire),
            Err((_, wire)) => (None, wire),
        };
        let event = Event::Message(bytes.to_vec());
        self.record(from, to_node, wire, transport, event, Fate::Lost(Loss::Scripted));
    }

    /// A flow from a node's first listener of this transport to an address, by whichever connection leads there.
    pub fn flow(&self, from: NodeId, transport: Transport, remote: SocketAddr) -> Flow {
        let slot = &self.nodes[from.index()];
        let listener = slot.listeners.iter().position(|l| l.transport == transport);
        let listener = listener.unwrap_or_else(|| {
            panic!("`{}` has no listener for {}", slot.name, transport.name());
        });
        Flow { transport, listener: listener as u16, connection: ConnectionId::NONE, remote }
    }

    /// Sends what a shard's engine wants sent, and gives to other shards what is theirs.
    pub(crate) fn flush(&mut self, node: NodeId, shard: u8, out: &Outbox) {
        for outgoing in out.outgoing() {
            let bytes = out.bytes(outgoing.bytes.clone());
            self.send_one((node, shard), outgoing.flow, bytes, outgoing.ticket);
        }
        for mail in out.handed_over() {
            // To a shard that does not exist: lost, as in the real loop.
            if usize::from(mail.shard) < self.nodes[node.index()].shards.len() {
                let bytes = out.bytes(mail.bytes.clone()).to_vec();
                let what = match mail.error {
                    Some(error) => What::IcmpError { to: mail.from, error, quoted: bytes },
                    None => What::HandedOver { by: mail.from, bytes },
                };
                self.schedule(self.now_ms, node, mail.shard, what);
            }
        }
    }

    fn send_one(&mut self, (from, shard): (NodeId, u8), flow: Flow, bytes: &[u8], ticket: Ticket) {
        let slot = &self.nodes[from.index()];
        assert!(
            usize::from(flow.listener) < slot.listeners.len(),
            "`{}` sends by listener {}, but has only {}",
            slot.name,
            flow.listener,
            slot.listeners.len()
        );
        if flow.transport == Transport::Udp {
            self.send_datagram((from, shard), flow, bytes, ticket);
        } else {
            self.send_stream((from, shard), flow, bytes, ticket);
        }
    }

    fn send_datagram(&mut self, (from, shard): (NodeId, u8), flow: Flow, bytes: &[u8], ticket: Ticket) {
        let slot = &self.nodes[from.index()];
        let listener = &slot.listeners[usize::from(flow.listener)];
        assert!(
            listener.transport == Transport::Udp,
            "`{}` sends a datagram by listener {}, which is for {}",
            slot.name,
            flow.listener,
            listener.transport.name()
        );
        let mut bytes = bytes.to_vec();
        match self.route(from, listener.local, flow.remote, false) {
            Ok(route) => {
                self.links.mutate((from, route.node), &mut self.rng, &mut bytes);
                if bytes.len() > DATAGRAM_MAX_BYTES {
                    self.fail(from, shard, ticket);
                }
                self.carry_datagram(from, route, bytes);
            }
            Err((why, wire)) => {
                self.record(from, None, wire, Transport::Udp, Event::Message(bytes), Fate::Lost(why));
            }
        }
    }

    /// What the link makes of a datagram: nothing, one, or two.
    fn carry_datagram(&mut self, from: NodeId, route: Route, bytes: Vec<u8>) {
        let direction = (from, route.node);
        let listener = self.nodes[route.node.index()].listener(Transport::Udp, route.local);
        let arrivals = match listener {
            _ if bytes.len() > DATAGRAM_MAX_BYTES => Err(Loss::TooBig),
            _ if self.links.is_cut(direction) => Err(Loss::Cut),
            None => Err(Loss::NobodyListens),
            Some(listener) => match self.links.datagram(direction, self.now_ms, &mut self.rng) {
                arrivals if arrivals.is_empty() => Err(Loss::Dice),
                arrivals => Ok((listener, arrivals)),
            },
        };
        let to = Some(route.node);
        match arrivals {
            Ok((listener, arrivals)) => {
                let connection = ConnectionId::NONE;
                let by = Flow { transport: Transport::Udp, listener, connection, remote: route.source };
                let shard = self.nodes[route.node.index()].shard_for(route.source);
                for at_ms in arrivals {
                    let event = Event::Message(bytes.clone());
                    let trace = self.record(from, to, route.wire, by.transport, event, Fate::Travelling);
                    let arrival = What::Datagram { by, bytes: bytes.clone(), trace };
                    self.schedule(at_ms, route.node, shard, arrival);
                }
            }
            Err(why) => {
                let event = Event::Message(bytes);
                let entry = self.record(from, to, route.wire, Transport::Udp, event, Fate::Lost(why));
                if why == Loss::NobodyListens {
                    self.answer_by_icmp(entry);
                }
            }
        }
    }

    /// Tells the sender that a message could not leave, if it asked.
    pub(crate) fn fail(&mut self, node: NodeId, shard: u8, ticket: Ticket) {
        if ticket != 0 {
            self.schedule(self.now_ms, node, shard, What::SendFailed(ticket));
        }
    }

    pub(crate) fn record(
        &mut self,
        from: NodeId,
        to: Option<NodeId>,
        wire: (SocketAddr, SocketAddr),
        transport: Transport,
        event: Event,
        fate: Fate,
    ) -> usize {
        let sent_ms = self.elapsed_ms();
        self.trace.add(Entry { sent_ms, from, to, wire, transport, event, fate })
    }

    /// Turns what happens to a node into what its engine is told.
    pub(crate) fn arrive(&mut self, scheduled: Scheduled, inputs: &mut Vec<Input>) {
        let slot = &self.nodes[scheduled.node.index()];
        let alive = slot.life == scheduled.life && slot.up;
        let at_ms = self.elapsed_ms();
        match scheduled.what {
            What::Datagram { trace, .. } if !alive => {
                self.trace.lost(trace, Loss::Down);
                self.answer_by_icmp(trace);
            }
            What::Datagram { by, bytes, trace } => {
                self.trace.arrived(trace, at_ms, by);
                inputs.push(Input::Receive(by, bytes));
            }
            What::SendFailed(ticket) if alive => inputs.push(Input::SendFailed(ticket)),
            What::HandedOver { by, bytes } if alive => inputs.push(Input::Receive(by, bytes)),
            What::IcmpError { to, error, quoted } if alive => {
                inputs.push(Input::IcmpError(to, error, quoted));
            }
            What::SendFailed(_) | What::HandedOver { .. } | What::IcmpError { .. } => {}
            What::Knock { stream, trace } => self.knock(stream, trace, alive),
            What::Segment { stream, side, chunk } => self.segment(stream, side, chunk, inputs),
            What::Accepted { stream } => self.accepted(stream),
            What::Refused { stream } => self.refused(stream, inputs),
            What::Release { stream, side } => self.release(stream, side, inputs),
            What::Ended { stream, side, trace } => self.ended(stream, side, trace, inputs),
            What::GiveUp { stream, side } => self.give_up(stream, side, inputs),
        }
    }
}
