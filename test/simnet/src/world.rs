//! The world: its nodes, its clock, and the loop that hands each node what arrives, as a real loop would.
//!
//! One step is one batch of one node: everything that arrives there in the same millisecond, then `tick` if it is due,
//! then `commit`, and only then the sends.

use std::any::Any;
use std::collections::BTreeMap;

use offhook_net::{ConnectionId, Engine, Flow, IcmpError, Outbox, Ticket};

use crate::link::Links;
use crate::nat::NatBox;
use crate::node::{Resident, Scripted, Slot};
use crate::stream::{Chunk, Stream};
use crate::trace::Trace;
use crate::{Endpoint, Link, Nat, Node, NodeId, Realm, Rng};

/// When every world begins: 2026-01-01 00:00:00 UTC, in milliseconds. Not 0, so that nobody mistakes "never" for "now".
pub(crate) const BEGIN_MS: u64 = 1_767_225_600_000;
/// Events in one world unless said otherwise; a test that needs more is a load test.
const EVENTS_MAX: u64 = 1_000_000;
/// Ticks in a row of one node, at one instant and with nothing received, before we say that it does not advance.
const IDLE_TICKS_MAX: u32 = 100;

/// Something that happens to a node at a time.
pub(crate) struct Scheduled {
    pub(crate) node: NodeId,
    pub(crate) shard: u8,
    /// Which life of the node it was meant for.
    pub(crate) life: u32,
    pub(crate) what: What,
}

pub(crate) enum What {
    Datagram {
        by: Flow,
        bytes: Vec<u8>,
        trace: usize,
    },
    /// From another shard of the same node.
    HandedOver {
        by: Flow,
        bytes: Vec<u8>,
    },
    SendFailed(Ticket),
    IcmpError {
        to: Flow,
        error: IcmpError,
        quoted: Vec<u8>,
    },
    /// Somebody wants to open a stream to this node.
    Knock {
        stream: usize,
        trace: usize,
    },
    Accepted {
        stream: usize,
    },
    Refused {
        stream: usize,
    },
    /// `side` is where it arrives.
    Segment {
        stream: usize,
        side: usize,
        chunk: Chunk,
    },
    /// What was held on its way to `side` may go on.
    Release {
        stream: usize,
        side: usize,
    },
    Ended {
        stream: usize,
        side: usize,
        trace: Option<usize>,
    },
    /// `side` is the sender that has waited long enough.
    GiveUp {
        stream: usize,
        side: usize,
    },
}

/// What the engine is told in one batch.
pub(crate) enum Input {
    Receive(Flow, Vec<u8>),
    Unframeable(Flow, Vec<u8>),
    SendFailed(Ticket),
    IcmpError(Flow, IcmpError, Vec<u8>),
    Closed(ConnectionId),
}

/// A world. Times that tests say are milliseconds since it began; engines are told Unix time.
pub struct World {
    pub(crate) seed: u64,
    pub(crate) rng: Rng,
    pub(crate) now_ms: u64,
    pub(crate) nodes: Vec<Slot>,
    pub(crate) links: Links,
    pub(crate) nats: Vec<NatBox>,
    pub(crate) streams: Vec<Stream>,
    pub(crate) trace: Trace,
    pub(crate) hosts_answer: bool,
    queue: BTreeMap<(u64, u64), Scheduled>,
    scheduled: u64,
    events: u64,
    events_max: u64,
}

impl World {
    /// An empty world, at the time 0.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            rng: Rng::new(seed),
            now_ms: BEGIN_MS,
            nodes: Vec::new(),
            links: Links::default(),
            nats: Vec::new(),
            streams: Vec::new(),
            trace: Trace::default(),
            hosts_answer: false,
            queue: BTreeMap::new(),
            scheduled: 0,
            events: 0,
            events_max: EVENTS_MAX,
        }
    }

    /// Puts a node into the world.
    pub fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(Slot::new(node));
        NodeId(self.nodes.len() as u32 - 1)
    }

    /// Puts a translator into the world; nodes live behind it by [`Node::behind`].
    pub fn add_nat(&mut self, nat: Nat) -> Realm {
        self.nats.push(NatBox::new(nat));
        Realm(self.nats.len() as u16)
    }

    /// The link of all pairs that have none of their own.
    pub fn default_link(&mut self, link: Link) {
        self.links.default = link;
    }

    /// The link between two nodes, in both directions.
    pub fn link(&mut self, a: NodeId, b: NodeId, link: Link) {
        self.one_way_link(a, b, link.clone());
        self.one_way_link(b, a, link);
    }

    /// The link in one direction.
    pub fn one_way_link(&mut self, from: NodeId, to: NodeId, link: Link) {
        self.links.set((from, to), link);
    }

    /// After how many events the world stops with a panic. One million if not said.
    pub fn events_max(&mut self, events: u64) {
        self.events_max = events;
    }

    /// Runs the next batch. False if nothing will ever happen again by itself.
    pub fn step(&mut self) -> bool {
        let Some((at_ms, node, shard)) = self.next_batch() else { return false };
        self.now_ms = at_ms;
        let same_batch = |_: &_, s: &mut Scheduled| (s.node, s.shard) == (node, shard);
        let this_instant = (at_ms, 0)..=(at_ms, u64::MAX);
        let batch: Vec<Scheduled> =
            self.queue.extract_if(this_instant, same_batch).map(|(_, scheduled)| scheduled).collect();
        self.count_events(batch.len() as u64);
        self.run_batch(node, shard, batch);
        true
    }

    /// Runs everything up to and including this time, then stands there.
    pub fn run_until(&mut self, elapsed_ms: u64) {
        while self.next_at_ms().is_some_and(|at_ms| at_ms <= elapsed_ms) {
            self.step();
        }
        self.now_ms = self.now_ms.max(BEGIN_MS + elapsed_ms);
    }

    /// Runs this much longer.
    pub fn run_for(&mut self, duration_ms: u64) {
        self.run_until(self.elapsed_ms() + duration_ms);
    }

    /// Runs until nothing is on its way and no deadline is left, at most to this time. True if it came to rest.
    pub fn run_until_idle(&mut self, limit_elapsed_ms: u64) -> bool {
        while let Some(at_ms) = self.next_at_ms() {
            if at_ms > limit_elapsed_ms {
                self.run_until(limit_elapsed_ms);
                return false;
            }
            self.step();
        }
        true
    }

    /// When the next batch will run, in milliseconds since the world began.
    pub fn next_at_ms(&mut self) -> Option<u64> {
        self.next_batch().map(|(at_ms, ..)| at_ms - BEGIN_MS)
    }

    /// Now, as engines are told: Unix time in milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Milliseconds since the world began.
    pub fn elapsed_ms(&self) -> u64 {
        self.now_ms - BEGIN_MS
    }

    /// The world's dice, for tests that want to throw them too.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// Does something with the engine of a node (its first shard), as if it were a batch: commit and sending follow.
    /// Panics if the node is down or its engine is not an `E`.
    pub fn act<E: Engine + 'static, R>(
        &mut self,
        node: NodeId,
        action: impl FnOnce(&mut E, u64, &mut Outbox) -> R,
    ) -> R {
        let now_ms = self.now_ms;
        let mut out = Outbox::new();
        let engine = self.engine_mut::<E>(node);
        let result = action(engine, now_ms, &mut out);
        engine.commit(now_ms, &mut out);
        self.flush(node, 0, &out);
        result
    }

    /// The engine of a node (its first shard). Panics if the node is down or its engine is not an `E`.
    pub fn engine<E: Engine + 'static>(&self, node: NodeId) -> &E {
        self.shard(node, 0)
    }

    /// The engine of one shard. Panics as [`World::engine`] does.
    pub fn shard<E: Engine + 'static>(&self, node: NodeId, shard: u8) -> &E {
        let shard = &self.nodes[node.index()].shards[usize::from(shard)];
        let resident: &dyn Any = shard.resident.as_ref().expect("the node is down").as_ref();
        resident.downcast_ref().expect("the node's engine has another type")
    }

    /// The engine of a node (its first shard), to change; what it wants to send waits for its next batch.
    pub fn engine_mut<E: Engine + 'static>(&mut self, node: NodeId) -> &mut E {
        let resident = self.nodes[node.index()].shards[0].resident.as_mut().expect("the node is down");
        let resident: &mut dyn Any = resident.as_mut();
        resident.downcast_mut().expect("the node's engine has another type")
    }

    /// The endpoint of a node. Panics if the node is down or its endpoint is not an `E`.
    pub fn endpoint<E: Endpoint + 'static>(&self, node: NodeId) -> &E {
        &self.engine::<Scripted<E>>(node).0
    }

    /// The endpoint of a node, to change.
    pub fn endpoint_mut<E: Endpoint + 'static>(&mut self, node: NodeId) -> &mut E {
        &mut self.engine_mut::<Scripted<E>>(node).0
    }

    pub(crate) fn schedule(&mut self, at_ms: u64, node: NodeId, shard: u8, what: What) {
        let life = self.nodes[node.index()].life;
        self.queue.insert((at_ms, self.scheduled), Scheduled { node, shard, life, what });
        self.scheduled += 1;
    }

    /// The earliest arrival or deadline; an arrival goes first, so that a deadline of the same instant is part of its
    /// batch.
    fn next_batch(&mut self) -> Option<(u64, NodeId, u8)> {
        let first = self.queue.first_key_value();
        let arrival = first.map(|((at_ms, _), scheduled)| (*at_ms, scheduled.node, scheduled.shard));
        let deadline = self.next_deadline();
        match (arrival, deadline) {
            (Some(arrival), Some(deadline)) if deadline.0 < arrival.0 => Some(deadline),
            (Some(arrival), _) => Some(arrival),
            (None, deadline) => deadline,
        }
    }

    fn next_deadline(&mut self) -> Option<(u64, NodeId, u8)> {
        let now_ms = self.now_ms;
        let mut earliest: Option<(u64, NodeId, u8)> = None;
        for (index, slot) in self.nodes.iter_mut().enumerate() {
            for (number, shard) in slot.shards.iter_mut().enumerate() {
                let deadline_ms = shard.resident.as_mut().and_then(|resident| resident.deadline_ms());
                let Some(at_ms) = deadline_ms.map(|deadline_ms| deadline_ms.max(now_ms)) else { continue };
                if earliest.is_none_or(|(earliest_ms, ..)| at_ms < earliest_ms) {
                    earliest = Some((at_ms, NodeId(index as u32), number as u8));
                }
            }
        }
        earliest
    }

    fn run_batch(&mut self, node: NodeId, shard: u8, batch: Vec<Scheduled>) {
        let mut inputs = Vec::new();
        for scheduled in batch {
            self.arrive(scheduled, &mut inputs);
        }
        let now_ms = self.now_ms;
        let place = &mut self.nodes[node.index()].shards[usize::from(shard)].resident;
        let Some(mut engine) = place.take() else { return };
        let mut out = Outbox::new();
        for input in &inputs {
            tell(engine.as_mut(), now_ms, input, &mut out);
        }
        let due = engine.deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms);
        if due {
            engine.tick(now_ms, &mut out);
            self.watch(node, shard, engine.deadline_ms(), inputs.is_empty());
        }
        if due || !inputs.is_empty() {
            engine.commit(now_ms, &mut out);
        }
        self.nodes[node.index()].shards[usize::from(shard)].resident = Some(engine);
        self.flush(node, shard, &out);
        self.close_unframeable(node, &inputs);
    }

    /// The watchdog: an engine whose deadline stays in the past would stop the world's time for ever.
    fn watch(&mut self, node: NodeId, shard: u8, deadline_ms: Option<u64>, nothing_received: bool) {
        let (now_ms, elapsed_ms) = (self.now_ms, self.elapsed_ms());
        let slot = &mut self.nodes[node.index()];
        let shard = &mut slot.shards[usize::from(shard)];
        let again = nothing_received && shard.last_tick_ms == now_ms;
        shard.idle_ticks = if again { shard.idle_ticks + 1 } else { 0 };
        shard.last_tick_ms = now_ms;
        let late_ms = now_ms.saturating_sub(deadline_ms.unwrap_or(now_ms));
        assert!(
            shard.idle_ticks < IDLE_TICKS_MAX,
            "`{}` never advances: after {IDLE_TICKS_MAX} ticks at {elapsed_ms} ms its deadline is {late_ms} ms ago",
            slot.name
        );
    }

    fn count_events(&mut self, arrived: u64) {
        self.events += arrived.max(1);
        assert!(
            self.events <= self.events_max,
            "more than {} events by {} ms: a loop between nodes? (see World::events_max)",
            self.events_max,
            self.elapsed_ms()
        );
    }

    fn close_unframeable(&mut self, node: NodeId, inputs: &[Input]) {
        for input in inputs {
            if let Input::Unframeable(flow, _) = input {
                self.close(node, flow.connection);
            }
        }
    }
}

fn tell(engine: &mut dyn Resident, now_ms: u64, input: &Input, out: &mut Outbox) {
    match input {
        Input::Receive(flow, bytes) => engine.receive(now_ms, flow, bytes, out),
        Input::Unframeable(flow, head) => engine.unframeable(now_ms, flow, head, out),
        Input::SendFailed(ticket) => engine.send_failed(now_ms, *ticket, out),
        Input::IcmpError(to, error, quoted) => engine.icmp_error(now_ms, to, *error, quoted, out),
        Input::Closed(connection) => engine.connection_closed(now_ms, *connection, out),
    }
}
