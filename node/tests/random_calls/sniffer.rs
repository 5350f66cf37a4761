//! A sniffer at an exchange's door: each thing that a shard is told, with all that it sends because of it.

use std::cell::RefCell;
use std::rc::Rc;

use offhook_locate::Finding;
use offhook_net::{ConnectionId, Engine, Flow, IcmpError, Outbox, Ticket};

use crate::exchange::Exchange;

/// What an exchange did, in order; its shards and its lives write into one.
pub(crate) type Log = Rc<RefCell<Vec<Step>>>;

/// Why a shard moved.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    /// A message came by this flow.
    Message(Flow, Vec<u8>),
    /// A message that came belongs to another shard, which gets it next.
    HandedOver,
    /// What was sent with this ticket did not leave.
    Failed(Ticket),
    /// A host says that nobody listens there: to what was sent where, and how it began.
    Icmp(Flow, Vec<u8>),
    /// A connection is gone.
    Closed,
    /// Time has passed.
    Time,
    /// The name server has said something.
    Located(Finding),
}

/// One message that left.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) flow: Flow,
    pub(crate) ticket: Ticket,
    pub(crate) bytes: Vec<u8>,
}

/// One cause and what follows from it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Milliseconds since the world began.
    pub(crate) at_ms: u64,
    /// Which process; each restart counts one.
    pub(crate) life: u32,
    pub(crate) shard: u8,
    pub(crate) cause: Cause,
    pub(crate) sent: Vec<Sent>,
    /// Transactions that the shard says it has afterwards: servers, clients.
    pub(crate) held: (usize, usize),
}

/// A shard, listened to.
pub(crate) struct Sniffer {
    exchange: Exchange,
    log: Log,
    began_ms: u64,
    shard: u8,
    life: u32,
}

impl Sniffer {
    /// `began_ms` is the Unix time of the world's beginning.
    pub(crate) fn new(exchange: Exchange, log: &Log, began_ms: u64, shard: u8, life: u32) -> Self {
        Self { exchange, log: Rc::clone(log), began_ms, shard, life }
    }

    pub(crate) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    fn listen(
        &mut self,
        now_ms: u64,
        cause: Cause,
        out: &mut Outbox,
        act: impl FnOnce(&mut Exchange, &mut Outbox),
    ) {
        let (sent_before, handed_before) = (out.outgoing().len(), out.handed_over().len());
        act(&mut self.exchange, out);
        let cause = if out.handed_over().len() > handed_before { Cause::HandedOver } else { cause };
        let sent = out.outgoing()[sent_before..].iter().map(|one| Sent {
            flow: one.flow,
            ticket: one.ticket,
            bytes: out.bytes(one.bytes.clone()).to_vec(),
        });
        let sent: Vec<Sent> = sent.collect();
        let held = self.exchange.held();
        let step = Step {
            at_ms: now_ms - self.began_ms,
            life: self.life,
            shard: self.shard,
            cause,
            sent,
            held: (held.servers, held.clients),
        };
        self.log.borrow_mut().push(step);
    }
}

impl Engine for Sniffer {
    fn receive(&mut self, now_ms: u64, from: &Flow, message: &[u8], out: &mut Outbox) {
        let cause = Cause::Message(*from, message.to_vec());
        self.listen(now_ms, cause, out, |exchange, out| exchange.receive(now_ms, from, message, out));
    }

    fn unframeable(&mut self, now_ms: u64, from: &Flow, head: &[u8], out: &mut Outbox) {
        let cause = Cause::Message(*from, head.to_vec());
        self.listen(now_ms, cause, out, |exchange, out| exchange.unframeable(now_ms, from, head, out));
    }

    fn send_failed(&mut self, now_ms: u64, ticket: Ticket, out: &mut Outbox) {
        let cause = Cause::Failed(ticket);
        self.listen(now_ms, cause, out, |exchange, out| exchange.send_failed(now_ms, ticket, out));
    }

    fn icmp_error(&mut self, now_ms: u64, to: &Flow, error: IcmpError, quoted: &[u8], out: &mut Outbox) {
        let cause = Cause::Icmp(*to, quoted.to_vec());
        self.listen(now_ms, cause, out, |exchange, out| exchange.icmp_error(now_ms, to, error, quoted, out));
    }

    fn connection_closed(&mut self, now_ms: u64, connection: ConnectionId, out: &mut Outbox) {
        let cause = Cause::Closed;
        self.listen(now_ms, cause, out, |exchange, out| exchange.connection_closed(now_ms, connection, out));
    }

    fn tick(&mut self, now_ms: u64, out: &mut Outbox) {
        for finding in self.exchange.names.take_due(now_ms) {
            let cause = Cause::Located(finding.clone());
            self.listen(now_ms, cause, out, |exchange, out| exchange.located(now_ms, &finding, out));
        }
        self.listen(now_ms, Cause::Time, out, |exchange, out| exchange.tick(now_ms, out));
    }

    fn deadline_ms(&mut self) -> Option<u64> {
        self.exchange.deadline_ms()
    }

    fn commit(&mut self, now_ms: u64, out: &mut Outbox) {
        self.exchange.commit(now_ms, out);
    }
}
