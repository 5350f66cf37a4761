//! Streams: reliable, in order, opened on demand, and mortal.
//!
//! ```text
//!   opener                                    acceptor
//!     │── knock ─────────────────────────────►│ somebody listens? ── no ─► refused
//!     │◄───────────────────────── accepted ───│
//!     │══ segments, each after the one before ═│
//!     │── ended (close, reset, crash) ────────►│
//! ```
//!
//! How bytes move along them is in `segment.rs`.

use std::collections::VecDeque;
use std::net::SocketAddr;

use offhook_net::{ConnectionId, Flow, Ticket};
use offhook_sip::Transport;

use crate::frame::Framer;
use crate::trace::{Event, Fate, Loss};
use crate::world::{Input, What};
use crate::{NodeId, World};

/// How long an opener waits for an answer: as the server's default.
pub(crate) const CONNECT_TIMEOUT_MS: u64 = 5_000;

/// Bytes of one send, and where the trace tells of them.
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) trace: usize,
}

/// One stream; `ends[0]` opened it.
pub(crate) struct Stream {
    pub(crate) transport: Transport,
    pub(crate) ends: [End; 2],
    /// What was sent before it was open.
    pub(crate) waiting: Option<Vec<(Vec<u8>, Ticket)>>,
    pub(crate) wire: (SocketAddr, SocketAddr),
    /// Memory of the translators on the way.
    pub(crate) nat_timeout_ms: Option<u64>,
    pub(crate) last_sent_ms: u64,
}

/// One end, and what travels towards it.
pub(crate) struct End {
    pub(crate) node: NodeId,
    /// As this node's engine knows the stream.
    pub(crate) flow: Flow,
    pub(crate) alive: bool,
    pub(crate) framer: Framer,
    /// Bytes under way to this end or unread there.
    pub(crate) under_way: usize,
    pub(crate) last_arrival_ms: u64,
    /// Segments that wait for a link to heal, or for a reader to read.
    pub(crate) held: VecDeque<Chunk>,
    /// Since when the other end gets no acknowledgement.
    pub(crate) silent_since_ms: Option<u64>,
}

impl End {
    fn new(node: NodeId, flow: Flow) -> Self {
        Self {
            node,
            flow,
            alive: false,
            framer: Framer::default(),
            under_way: 0,
            last_arrival_ms: 0,
            held: VecDeque::new(),
            silent_since_ms: None,
        }
    }
}

impl World {
    pub(crate) fn send_stream(&mut self, origin: (NodeId, u8), flow: Flow, bytes: &[u8], ticket: Ticket) {
        let (from, shard) = origin;
        let found = if flow.connection.is_some() {
            self.find_end(from, flow.connection)
        } else {
            self.end_to(origin, flow)
        };
        match found {
            None if flow.connection.is_some() => self.fail(from, shard, ticket),
            None => self.open(origin, flow, bytes, ticket),
            Some((index, side)) => match &mut self.streams[index].waiting {
                Some(waiting) if side == 0 => waiting.push((bytes.to_vec(), ticket)),
                _ => self.transmit(index, side, bytes.to_vec(), (shard, ticket)),
            },
        }
    }

    /// Somebody wants to open a stream to a node that may be there or not.
    pub(crate) fn knock(&mut self, index: usize, trace: usize, node_is_up: bool) {
        let acceptor = &self.streams[index].ends[1];
        let (from, to) = (self.peer(index, 1), acceptor.node);
        let back_ms = self.now_ms + self.links.segment_delay_ms((to, from), &mut self.rng);
        if !node_is_up || acceptor.flow.listener == NO_LISTENER {
            let why = if node_is_up { Loss::NobodyListens } else { Loss::Down };
            self.trace.lost(trace, why);
            self.schedule_end(back_ms, (index, 0), What::Refused { stream: index });
            return;
        }
        let slot = &mut self.nodes[to.index()];
        let connection = slot.name_connection(slot.shard_for(acceptor.flow.remote), index);
        let at_ms = self.elapsed_ms();
        let acceptor = &mut self.streams[index].ends[1];
        acceptor.flow.connection = connection;
        acceptor.alive = true;
        self.trace.arrived(trace, at_ms, acceptor.flow);
        self.schedule_end(back_ms, (index, 0), What::Accepted { stream: index });
    }

    pub(crate) fn accepted(&mut self, index: usize) {
        let stream = &mut self.streams[index];
        let waiting = stream.waiting.take().unwrap_or_default();
        if !stream.ends[0].alive {
            // The opener died meanwhile; its kernel answers with a reset.
            return self.tell_ended(index, 0, Event::Reset);
        }
        let shard = stream.ends[0].flow.connection.shard();
        for (bytes, ticket) in waiting {
            self.transmit(index, 0, bytes, (shard, ticket));
        }
    }

    /// Nobody answered the knock. The engine hears of its messages only: it never knew the connection.
    pub(crate) fn refused(&mut self, index: usize, inputs: &mut Vec<Input>) {
        let stream = &mut self.streams[index];
        let (opener, connection) = (stream.ends[0].node, stream.ends[0].flow.connection);
        stream.ends[0].alive = false;
        let failed = stream.waiting.take().unwrap_or_default();
        self.nodes[opener.index()].forget_connection(connection);
        inputs.extend(failed.into_iter().filter(|(_, t)| *t != 0).map(|(_, t)| Input::SendFailed(t)));
    }

    /// One end learns that the stream is over.
    pub(crate) fn ended(&mut self, index: usize, side: usize, trace: Option<usize>, inputs: &mut Vec<Input>) {
        let at_ms = self.elapsed_ms();
        let stream = &mut self.streams[index];
        if stream.waiting.is_some() && side == 0 {
            return self.refused(index, inputs);
        }
        let end = &mut stream.ends[side];
        if !std::mem::take(&mut end.alive) {
            return;
        }
        if let Some(trace) = trace {
            self.trace.arrived(trace, at_ms, end.flow);
        }
        let (node, connection) = (end.node, end.flow.connection);
        self.nodes[node.index()].forget_connection(connection);
        self.lose_held(index, side);
        inputs.push(Input::Closed(connection));
    }

    /// Ends a stream from one side: the other learns it after what is under way, this one at once.
    pub(crate) fn end_stream(&mut self, index: usize, side: usize, event: Event) {
        self.tell_ended(index, side, event);
        self.schedule_end(self.now_ms, (index, side), What::Ended { stream: index, side, trace: None });
    }

    /// Tells the other side that the stream is over. Over a cut link it does not hear it, until it sends something.
    pub(crate) fn tell_ended(&mut self, index: usize, side: usize, event: Event) {
        let stream = &self.streams[index];
        let (from, there, transport) = (stream.ends[side].node, &stream.ends[1 - side], stream.transport);
        let (to, last_ms) = (there.node, there.last_arrival_ms);
        let wire = if side == 0 { stream.wire } else { (stream.wire.1, stream.wire.0) };
        if self.links.is_cut((from, to)) {
            self.record(from, Some(to), wire, transport, event, Fate::Lost(Loss::Cut));
            return;
        }
        let trace = self.record(from, Some(to), wire, transport, event, Fate::Travelling);
        let delay_ms = self.links.segment_delay_ms((from, to), &mut self.rng);
        let at_ms = last_ms.max(self.now_ms + delay_ms);
        let ended = What::Ended { stream: index, side: 1 - side, trace: Some(trace) };
        self.schedule_end(at_ms, (index, 1 - side), ended);
    }

    /// The streams that have an end at this node, and which end.
    pub(crate) fn streams_at(&self, node: NodeId) -> Vec<(usize, usize)> {
        let ends = self.streams.iter().enumerate().flat_map(|(index, stream)| {
            stream.ends.iter().enumerate().map(move |(side, end)| (index, side, end))
        });
        ends.filter(|(_, _, end)| end.alive && end.node == node)
            .map(|(index, side, _)| (index, side))
            .collect()
    }

    pub(crate) fn peer(&self, index: usize, side: usize) -> NodeId {
        self.streams[index].ends[1 - side].node
    }

    /// The name of one end and the address that it leads to.
    pub(crate) fn end_of(&self, index: usize, side: usize) -> (ConnectionId, SocketAddr) {
        let flow = self.streams[index].ends[side].flow;
        (flow.connection, flow.remote)
    }

    /// The node has died: this end is gone, without anybody to tell.
    pub(crate) fn kill_end(&mut self, index: usize, side: usize) {
        self.streams[index].ends[side].alive = false;
        self.lose_held(index, side);
        let (connection, _) = self.end_of(index, side);
        let node = self.streams[index].ends[side].node;
        self.nodes[node.index()].forget_connection(connection);
    }

    /// The stream of this name, and which end of it.
    pub(crate) fn find_end(&self, node: NodeId, connection: ConnectionId) -> Option<(usize, usize)> {
        let index = self.nodes[node.index()].stream_of(connection)?;
        let opener = &self.streams[index].ends[0];
        // A node may have a stream to itself; then only the names tell the ends apart.
        Some((index, usize::from((opener.node, opener.flow.connection) != (node, connection))))
    }

    /// The oldest stream of this shard that leads there from the same listener.
    fn end_to(&self, (from, shard): (NodeId, u8), flow: Flow) -> Option<(usize, usize)> {
        let way = (flow.transport, flow.listener, flow.remote);
        let mut ends = self.streams_at(from).into_iter();
        ends.find(|&(index, side)| {
            let end = self.streams[index].ends[side].flow;
            end.connection.shard() == shard && (end.transport, end.listener, end.remote) == way
        })
    }

    /// Schedules something for the shard that owns one end of a stream.
    pub(crate) fn schedule_end(&mut self, at_ms: u64, (index, side): (usize, usize), what: What) {
        let end = &self.streams[index].ends[side];
        self.schedule(at_ms, end.node, end.flow.connection.shard(), what);
    }

    fn open(&mut self, (from, shard): (NodeId, u8), flow: Flow, bytes: &[u8], ticket: Ticket) {
        let (now_ms, index) = (self.now_ms, self.streams.len());
        let slot = &mut self.nodes[from.index()];
        let local_ip = slot.listeners[usize::from(flow.listener)].local.ip();
        let source = SocketAddr::new(local_ip, slot.dynamic_port());
        let connection = slot.name_connection(shard, index);
        let opener = End { alive: true, ..End::new(from, Flow { connection, ..flow }) };
        let route = self.route(from, source, flow.remote, true);
        let (lost, wire) = match &route {
            Ok(route) if self.links.is_cut((from, route.node)) => (Some(Loss::Cut), route.wire),
            Ok(route) => (None, route.wire),
            Err((why, wire)) => (Some(*why), *wire),
        };
        let mut stream = Stream {
            transport: flow.transport,
            // Until somebody is found to knock at, the other end is nobody's: it never comes alive.
            ends: [opener, End::new(from, flow)],
            waiting: Some(vec![(bytes.to_vec(), ticket)]),
            wire,
            nat_timeout_ms: None,
            last_sent_ms: now_ms,
        };
        let to = route.as_ref().ok().map(|route| route.node);
        let fate = lost.map_or(Fate::Travelling, Fate::Lost);
        let trace = self.record(from, to, wire, flow.transport, Event::Opened, fate);
        if let (Ok(route), None) = (route, lost) {
            let listener = self.nodes[route.node.index()].listener(flow.transport, route.local);
            let listener = listener.unwrap_or(NO_LISTENER);
            let there = Flow { listener, connection: ConnectionId::NONE, remote: route.source, ..flow };
            stream.ends[1] = End::new(route.node, there);
            stream.nat_timeout_ms = route.nat_timeout_ms;
            let delay_ms = self.links.segment_delay_ms((from, route.node), &mut self.rng);
            self.schedule(now_ms + delay_ms, route.node, 0, What::Knock { stream: index, trace });
        } else {
            self.schedule(now_ms + CONNECT_TIMEOUT_MS, from, shard, What::Refused { stream: index });
        }
        self.streams.push(stream);
    }

    pub(crate) fn lose_held(&mut self, index: usize, side: usize) {
        for chunk in std::mem::take(&mut self.streams[index].ends[side].held) {
            self.trace.lost(chunk.trace, Loss::Down);
        }
    }
}

/// In an acceptor's flow before the knock: there is a node, but nobody at that port.
const NO_LISTENER: u16 = u16::MAX;
