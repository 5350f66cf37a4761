//! Who lives in the world: server shards ([`Engine`]) and the scripted peers of a test ([`Endpoint`]).

use std::any::Any;
use std::net::{IpAddr, SocketAddr};

use offhook_net::{ConnectionId, Engine, Flow, Listener, Outbox, Ticket};
use offhook_sip::Transport;

use crate::{Realm, Rng};

/// A node of one world.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A peer written in a test: like an [`Engine`], but only `receive` must be there.
pub trait Endpoint {
    /// One whole message, or a datagram of anything.
    fn receive(&mut self, now_ms: u64, from: &Flow, message: &[u8], out: &mut Outbox);

    /// Timers that are due.
    fn tick(&mut self, _now_ms: u64, _out: &mut Outbox) {}

    /// When [`Endpoint::tick`] wants to be called next.
    fn deadline_ms(&mut self) -> Option<u64> {
        None
    }

    /// A message with this ticket could not be sent.
    fn send_failed(&mut self, _now_ms: u64, _ticket: Ticket, _out: &mut Outbox) {}

    /// A connection is gone.
    fn connection_closed(&mut self, _now_ms: u64, _connection: ConnectionId, _out: &mut Outbox) {}
}

/// A node to be: see [`crate::World::add`].
pub struct Node {
    pub(crate) name: String,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) realm: Realm,
    pub(crate) residents: Vec<Box<dyn Resident>>,
    pub(crate) answers_pings: bool,
}

impl Node {
    /// A server with one shard.
    pub fn engine(name: &str, engine: impl Engine + 'static) -> Self {
        Self::shards(name, [engine])
    }

    /// A server with several shards. Datagrams and connections are spread over them by the peer's address, as
    /// `SO_REUSEPORT` does; [`Outbox::hand_over`] reaches the others.
    pub fn shards<E: Engine + 'static>(name: &str, engines: impl IntoIterator<Item = E>) -> Self {
        Self {
            name: name.to_owned(),
            listeners: Vec::new(),
            realm: Realm::PUBLIC,
            residents: boxed(engines),
            answers_pings: true,
        }
    }

    /// A scripted peer. Unlike a server's loop, it gets keep-alives of streams as messages and must answer them itself.
    pub fn endpoint(name: &str, endpoint: impl Endpoint + 'static) -> Self {
        Self { answers_pings: false, ..Self::engine(name, Scripted(endpoint)) }
    }

    /// A peer that takes everything and says nothing by itself; see [`crate::World::send`] and
    /// [`crate::World::received`].
    pub fn mute(name: &str) -> Self {
        Self::endpoint(name, Mute)
    }

    /// One more address. Panics if `local` is no `ip:port`.
    pub fn listen(mut self, transport: Transport, local: &str) -> Self {
        let local: SocketAddr = local.parse().expect("a listener's address is ip:port");
        let prefix_bits = if local.is_ipv4() { 24 } else { 64 };
        self.listeners.push(Listener { transport, local, prefix_bits, advertise: None });
        self
    }

    /// All addresses at once: those that the engine was told of.
    pub fn listeners(self, listeners: &[Listener]) -> Self {
        Self { listeners: listeners.to_vec(), ..self }
    }

    /// Lives inside this realm instead of the public one.
    pub fn behind(self, realm: Realm) -> Self {
        Self { realm, ..self }
    }
}

/// An engine that a test can look into.
pub(crate) trait Resident: Engine + Any {}

impl<T: Engine + Any> Resident for T {}

/// An [`Endpoint`] in the clothes of an [`Engine`].
pub(crate) struct Scripted<E>(pub(crate) E);

impl<E: Endpoint> Engine for Scripted<E> {
    fn receive(&mut self, now_ms: u64, from: &Flow, message: &[u8], out: &mut Outbox) {
        self.0.receive(now_ms, from, message, out);
    }

    fn unframeable(&mut self, now_ms: u64, from: &Flow, head: &[u8], out: &mut Outbox) {
        self.0.receive(now_ms, from, head, out);
    }

    fn send_failed(&mut self, now_ms: u64, ticket: Ticket, out: &mut Outbox) {
        self.0.send_failed(now_ms, ticket, out);
    }

    fn connection_closed(&mut self, now_ms: u64, connection: ConnectionId, out: &mut Outbox) {
        self.0.connection_closed(now_ms, connection, out);
    }

    fn tick(&mut self, now_ms: u64, out: &mut Outbox) {
        self.0.tick(now_ms, out);
    }

    fn deadline_ms(&mut self) -> Option<u64> {
        self.0.deadline_ms()
    }

    fn commit(&mut self, _now_ms: u64, _out: &mut Outbox) {}
}

struct Mute;

impl Endpoint for Mute {
    fn receive(&mut self, _now_ms: u64, _from: &Flow, _message: &[u8], _out: &mut Outbox) {}
}

pub(crate) fn boxed<E: Engine + 'static>(engines: impl IntoIterator<Item = E>) -> Vec<Box<dyn Resident>> {
    engines.into_iter().map(|engine| Box::new(engine) as Box<dyn Resident>).collect()
}

/// A node at work.
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) realm: Realm,
    pub(crate) shards: Vec<Shard>,
    /// The process runs.
    pub(crate) up: bool,
    /// Grows with each crash: what was sent to an earlier life does not arrive.
    pub(crate) life: u32,
    pub(crate) reads_streams: bool,
    pub(crate) answers_pings: bool,
    port_next: u16,
}

/// One engine of a node and its connections.
pub(crate) struct Shard {
    /// `None` while it runs, and while the node is down.
    pub(crate) resident: Option<Box<dyn Resident>>,
    /// Batches in a row that were ticks only, at the same millisecond.
    pub(crate) idle_ticks: u32,
    pub(crate) last_tick_ms: u64,
    /// Generation and stream of each index.
    connections: Vec<(u32, Option<usize>)>,
}

/// First port of outgoing streams: the IANA range of dynamic ports.
const DYNAMIC_PORT_FIRST: u16 = 49_152;

impl Slot {
    pub(crate) fn new(node: Node) -> Self {
        assert!(!node.residents.is_empty(), "`{}` has no shards", node.name);
        Self {
            name: node.name,
            listeners: node.listeners,
            realm: node.realm,
            shards: node.residents.into_iter().map(Shard::new).collect(),
            up: true,
            life: 1,
            reads_streams: true,
            answers_pings: node.answers_pings,
            port_next: DYNAMIC_PORT_FIRST,
        }
    }

    /// The listener at this address.
    pub(crate) fn listener(&self, transport: Transport, local: SocketAddr) -> Option<u16> {
        let same = |l: &Listener| l.transport == transport && l.local == local;
        self.listeners.iter().position(same).map(|index| index as u16)
    }

    /// The shard that gets what comes from this address: always the same one.
    pub(crate) fn shard_for(&self, remote: SocketAddr) -> u8 {
        let ip = match remote.ip() {
            IpAddr::V4(ip) => u64::from(ip.to_bits()),
            IpAddr::V6(ip) => ip.to_bits() as u64,
        };
        let mixed = Rng::new(ip ^ u64::from(remote.port()) << 40).below(self.shards.len() as u64);
        mixed as u8
    }

    /// A name for a new stream. Indices are used again, with the next generation.
    pub(crate) fn name_connection(&mut self, shard: u8, stream: usize) -> ConnectionId {
        let connections = &mut self.shards[usize::from(shard)].connections;
        let free = connections.iter().position(|(_, used_by)| used_by.is_none());
        let place = free.unwrap_or_else(|| {
            connections.push((0, None));
            connections.len() - 1
        });
        let (generation, used_by) = &mut connections[place];
        *generation += 1;
        *used_by = Some(stream);
        // The shard stands in the top 8 bits: see ConnectionId::index.
        ConnectionId { index: u32::from(shard) << 24 | place as u32, generation: *generation }
    }

    pub(crate) fn stream_of(&self, connection: ConnectionId) -> Option<usize> {
        let shard = self.shards.get(usize::from(connection.shard()))?;
        let (generation, used_by) = shard.connections.get(place(connection))?;
        used_by.filter(|_| *generation == connection.generation)
    }

    pub(crate) fn forget_connection(&mut self, connection: ConnectionId) {
        if self.stream_of(connection).is_some() {
            self.shards[usize::from(connection.shard())].connections[place(connection)].1 = None;
        }
    }

    pub(crate) fn dynamic_port(&mut self) -> u16 {
        let port = self.port_next;
        self.port_next = self.port_next.checked_add(1).unwrap_or(DYNAMIC_PORT_FIRST);
        port
    }
}

fn place(connection: ConnectionId) -> usize {
    (connection.index & 0x00FF_FFFF) as usize
}

impl Shard {
    pub(crate) fn new(resident: Box<dyn Resident>) -> Self {
        Self { resident: Some(resident), idle_ticks: 0, last_tick_ms: 0, connections: Vec::new() }
    }
}
