//! What an engine wants sent: one arena of bytes for a whole batch and a list of who gets which range.

use std::ops::Range;

use offhook_locate::Wanted;

use crate::tls::Domains;
use crate::{ConnectionId, Flow, IcmpError};

/// What the engine wants to hear back if a message could not leave. 0 means nobody asks.
pub type Ticket = u64;

/// What an arena keeps from one batch to the next, bytes: far more than a batch of 32 messages makes. What a rare
/// storm of timers needed beyond it is given back.
const ARENA_KEPT_BYTES: usize = 1024 * 1024;

/// One message that waits to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// By which path.
    pub flow: Flow,
    /// Which bytes of the arena.
    pub bytes: Range<usize>,
    /// Handed to [`crate::Engine::send_failed`] when it cannot be sent.
    pub ticket: Ticket,
}

/// A received message that belongs to another shard, or an ICMP error.
#[derive(Clone, Debug)]
pub struct HandOver {
    /// The shard that shall have it; shards are numbered from 0.
    pub shard: u8,
    /// The path it came by; of an error, the path that its datagram was to take.
    pub from: Flow,
    /// Which bytes of the arena.
    pub bytes: Range<usize>,
    /// It is no message: this error was met by a datagram that began with the bytes.
    pub error: Option<IcmpError>,
}

/// The sends of one batch. It is emptied, not freed, after each flush, so a steady load allocates nothing.
#[derive(Default, Debug)]
pub struct Outbox {
    arena: Vec<u8>,
    outgoing: Vec<Outgoing>,
    handed_over: Vec<HandOver>,
    asked: Vec<Wanted>,
    domains: Domains,
}

impl Outbox {
    /// An empty box.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a message: write into the arena, then call [`Outbox::send`] with what this returned.
    pub fn begin(&mut self) -> usize {
        self.arena.len()
    }

    /// The arena; a message under construction is appended to it.
    pub fn arena(&mut self) -> &mut Vec<u8> {
        &mut self.arena
    }

    /// Ends the message begun at `start` and addresses it.
    pub fn send(&mut self, start: usize, flow: Flow, ticket: Ticket) {
        let bytes = start..self.arena.len();
        self.outgoing.push(Outgoing { flow, bytes, ticket });
    }

    /// What a flow says in the place of a connection when it is to be opened by TLS and must lead to this domain
    /// (RFC 5922 §7.3; in lower case), whatever address was found for it. It holds while the request is under way. Without it
    /// ([`ConnectionId::NONE`]) the peer must prove the address itself.
    pub fn toward(&mut self, domain: &str) -> ConnectionId {
        self.domains.number(domain)
    }

    /// The domain behind a number of [`Outbox::toward`].
    pub fn domain_of(&self, number: u32) -> Option<&str> {
        self.domains.name(number)
    }

    /// Appends finished bytes as one message.
    pub fn push(&mut self, message: &[u8], flow: Flow, ticket: Ticket) {
        let start = self.begin();
        self.arena.extend_from_slice(message);
        self.send(start, flow, ticket);
    }

    /// Gives a received message to the engine of another shard, which gets it by [`crate::Engine::receive`] with the
    /// flow it came by, and may answer by that flow. If that shard is swamped, the message is lost and counted.
    pub fn hand_over(&mut self, shard: u8, from: Flow, message: &[u8]) {
        self.hand_on(shard, from, message, None);
    }

    /// Gives an ICMP error to the engine of the shard that has sent what it quotes: [`crate::Engine::icmp_error`]. If that
    /// shard is swamped, the error is lost and counted.
    pub fn hand_over_error(&mut self, shard: u8, to: Flow, error: IcmpError, quoted: &[u8]) {
        self.hand_on(shard, to, quoted, Some(error));
    }

    fn hand_on(&mut self, shard: u8, from: Flow, bytes: &[u8], error: Option<IcmpError>) {
        let start = self.begin();
        self.arena.extend_from_slice(bytes);
        self.handed_over.push(HandOver { shard, from, bytes: start..self.arena.len(), error });
    }

    /// Asks where a name leads. [`crate::Engine::located`] gets the finding, now or in seconds.
    pub fn ask(&mut self, wanted: Wanted) {
        self.asked.push(wanted);
    }

    /// What is asked for.
    pub fn asked(&self) -> &[Wanted] {
        &self.asked
    }

    /// The bytes of a message that waits or is being written.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.arena[range]
    }

    /// What waits, in order.
    pub fn outgoing(&self) -> &[Outgoing] {
        &self.outgoing
    }

    /// What goes to other shards, in order.
    pub fn handed_over(&self) -> &[HandOver] {
        &self.handed_over
    }

    /// Puts other bytes in the place of the message at `index` of [`Outbox::outgoing`]; the flow stays.
    pub fn rewrite(&mut self, index: usize, message: &[u8]) {
        let start = self.arena.len();
        self.arena.extend_from_slice(message);
        self.outgoing[index].bytes = start..self.arena.len();
    }

    /// Forgets everything, keeps the memory that a usual batch needs.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.arena.shrink_to(ARENA_KEPT_BYTES);
        self.outgoing.clear();
        self.handed_over.clear();
        self.asked.clear();
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.outgoing.is_empty() && self.handed_over.is_empty() && self.asked.is_empty()
    }
}
