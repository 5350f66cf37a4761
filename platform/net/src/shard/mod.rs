//! One shard's loop: waits, receives a batch, lets the engine think, sends a batch.
//!
//! ```text
//!   ┌─► epoll_wait ──► recvmmsg / read / accept / mail ──► engine.receive … engine.tick
//!   │                                                            │
//!   └── tell the engine what failed ◄── sendmmsg / writev ◄── engine.commit
//! ```
//!
//! A busy UDP server makes three system calls for up to 32 messages; one that is not busy makes the same three for one
//! message. Nothing ever waits for a batch to fill: a timer costs more than a wake-up.

mod gathering;
mod icmp;
mod lateness;
mod token;
mod udp;

use std::io::{self, ErrorKind};
use std::mem;
use std::os::fd::AsFd;
use std::sync::Arc;

use icmp::ErrorReader;
use offhook_locate::{Finding, Nowhere, Wanted};
use offhook_sip::Transport;
pub(crate) use token::Token;
use udp::UdpPort;

use crate::fallout::Fallout;
use crate::mailbox::{Mail, Mailboxes};
use crate::sys::{Alarm, Epoll, Event, Interest, Ready, ReceiveBatch, SendBatch};
use crate::tcp::Streams;
use crate::{
    Clock, Engine, Flow, Limits, Listener, NetCounters, NetError, Outbox, Outgoing, ShardSockets, Stopper,
    Ticket, TlsConfigs, WebSocketOptions,
};

/// Datagrams of one system call. More gain nothing and keep the first one waiting.
const RECEIVE_BATCH: usize = 32;

/// No datagram is longer, bytes, so none is ever cut. Pages that no datagram reaches cost nothing.
const DATAGRAM_BYTES: usize = 65_536;

/// Datagrams sent in one system call: a full batch received, answered and forwarded (100 and INVITE).
const SEND_BATCH: usize = 2 * RECEIVE_BATCH;

/// Sockets that one wait reports. The others come with the next: the kernel reports them in turn.
const EVENTS_MAX: usize = 64;

/// What is due so soon is waited for by the wait itself: an alarm would be set anew for each turn. What is due later has an
/// alarm, which is set some fifty times a second at most.
const ALARM_FROM_MS: u64 = 20;

/// Rounds of sending and telling what failed within one turn. An engine that answers each failure with a send that
/// fails again goes on in the next turn, after others had theirs.
const SETTLE_ROUNDS: usize = 4;

/// How often the engine is told how the machine's clock has been set, ms.
const CLOCK_TOLD_EVERY_MS: u64 = 1_000;

/// Owns the sockets of a shard and drives an engine.
pub struct Loop<E> {
    engine: E,
    outbox: Outbox,
    fallout: Fallout,
    /// Messages that the engine got since it last committed.
    uncommitted: usize,
    /// The engine was called since it last committed.
    engine_called: bool,
    shard: u8,
    clock: Clock,
    now_ms: u64,
    /// When it is told of the machine's clock again.
    clock_due_ms: u64,
    epoll: Arc<Epoll>,
    alarm: Alarm,
    ready: Ready,
    ports: Vec<UdpPort>,
    /// By listener.
    port_of: Vec<Option<usize>>,
    receiving: ReceiveBatch,
    errors: ErrorReader,
    /// Datagrams waited when this was last told.
    was_late: bool,
    sending: SendBatch,
    streams: Streams,
    mailboxes: Arc<Mailboxes>,
    counters: Arc<NetCounters>,
    names: Option<AskNames>,
}

/// Takes a question about a name for the shard of this number; `false` if it cannot.
type AskNames = Box<dyn FnMut(u8, Wanted) -> bool + Send>;

impl<E: Engine> Loop<E> {
    /// Fails when the process has no descriptor left.
    pub fn new(sockets: ShardSockets, engine: E, limits: Limits) -> Result<Self, NetError> {
        Self::with_tls(sockets, engine, limits, None)
    }

    /// One that can also speak TLS. Fails when a listener needs that and it is `None`.
    pub fn with_tls(
        sockets: ShardSockets,
        engine: E,
        limits: Limits,
        tls: Option<Arc<TlsConfigs>>,
    ) -> Result<Self, NetError> {
        let needs_tls = |l: &Listener| matches!(l.transport, Transport::Tls | Transport::Wss);
        if tls.is_none() && sockets.listeners.iter().any(needs_tls) {
            return Err(NetError::NoCertificate);
        }
        let ShardSockets { shard, listeners, udp, tcp, mailboxes, clock } = sockets;
        let (epoll, counters) = (Arc::new(Epoll::new()?), Arc::new(NetCounters::default()));
        let mut port_of = vec![None; listeners.len()];
        let mut ports = Vec::new();
        for (listener, socket) in udp {
            epoll.add(socket.as_fd(), Token::Datagrams(ports.len()).pack(), Interest::READ)?;
            port_of[usize::from(listener)] = Some(ports.len());
            ports.push(UdpPort::new(listener, socket));
        }
        epoll.add(mailboxes.bell(shard), Token::Mail.pack(), Interest::READ)?;
        let alarm = Alarm::new()?;
        epoll.add(alarm.as_fd(), Token::Alarm.pack(), Interest::READ)?;
        let streams = Streams::new(shard, limits, listeners, tcp, tls, (epoll.clone(), counters.clone()))?;
        Ok(Self {
            engine,
            outbox: Outbox::new(),
            fallout: Fallout::default(),
            uncommitted: 0,
            engine_called: false,
            shard,
            clock,
            now_ms: clock.now_ms(),
            clock_due_ms: 0,
            epoll,
            alarm,
            ready: Ready::new(EVENTS_MAX),
            ports,
            port_of,
            receiving: ReceiveBatch::new(RECEIVE_BATCH, DATAGRAM_BYTES),
            errors: ErrorReader::new(),
            was_late: false,
            sending: SendBatch::new(SEND_BATCH),
            streams,
            mailboxes,
            counters,
            names: None,
        })
    }

    /// Says how WebSocket connections are taken; without it any page may connect at any path.
    pub fn with_websocket(mut self, options: WebSocketOptions) -> Self {
        self.streams.set_websocket(options);
        self
    }

    /// Runs until `stop` is pulled; connections stay open, so that it can be run again. Fails only if the system
    /// refuses to watch sockets at all.
    pub fn run(&mut self, stop: &Stopper) -> Result<(), NetError> {
        self.epoll.add(stop.as_fd(), Token::Stop.pack(), Interest::READ)?;
        let result = loop {
            match self.turn() {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.epoll.remove(stop.as_fd())?;
        result
    }

    /// Hands what the engine asks about names to `ask`; without it every name is unanswered.
    pub fn asking(mut self, ask: impl FnMut(u8, Wanted) -> bool + Send + 'static) -> Self {
        self.names = Some(Box::new(ask));
        self
    }

    /// What the sockets have done; readable while the loop runs in another thread.
    pub fn counters(&self) -> Arc<NetCounters> {
        self.counters.clone()
    }

    /// The engine, between two runs.
    pub fn engine_mut(&mut self) -> &mut E {
        &mut self.engine
    }

    /// Closes every connection and gives the engine back.
    pub fn into_engine(self) -> E {
        self.engine
    }

    /// Once round; says whether to go on.
    fn turn(&mut self) -> Result<bool, NetError> {
        let patience_ms = self.patience_ms()?;
        let count = self.epoll.wait(&mut self.ready, patience_ms)?;
        self.now_ms = self.clock.now_ms();
        self.counters.turns.add(1);
        self.resume_errors();
        if self.now_ms >= self.clock_due_ms {
            self.clock_due_ms = self.now_ms + CLOCK_TOLD_EVERY_MS;
            self.engine.note_clock(self.clock.machine_ahead_ms());
        }
        let mut go_on = true;
        for index in 0..count {
            let event = self.ready.event(index);
            go_on &= self.serve(event);
            // Whoever came first is answered before the next socket is read.
            if self.uncommitted >= RECEIVE_BATCH {
                self.settle();
                self.now_ms = self.clock.now_ms();
            }
        }
        if self.engine.deadline_ms().is_some_and(|due_ms| due_ms <= self.now_ms) {
            self.engine.tick(self.now_ms, &mut self.outbox);
            self.engine_called = true;
        }
        self.tell_wait(count < EVENTS_MAX);
        self.streams.expire(self.now_ms, &mut self.fallout);
        if self.engine.bars_more() {
            let (engine, now_ms) = (&mut self.engine, self.now_ms);
            self.streams.close_barred(|ip| engine.admits(now_ms, ip), &mut self.fallout);
        }
        self.settle();
        if let Some(sources) = self.engine.sieve() {
            self.ports.iter().for_each(|port| port.sift(sources));
        }
        Ok(go_on)
    }

    /// How long nothing is to be done but wait; `None` is for ever.
    fn patience_ms(&mut self) -> io::Result<Option<u64>> {
        if !self.fallout.is_empty() {
            return Ok(Some(0));
        }
        let deadlines = [self.engine.deadline_ms(), self.streams.deadline_ms()];
        let Some(next_ms) = deadlines.into_iter().flatten().min() else { return Ok(None) };
        // The loop may have been busy since `now_ms`. Waiting too long by that is worse than one look at the clock.
        let now_ms = self.clock.now_ms();
        let patience_ms = next_ms.saturating_sub(now_ms);
        if patience_ms < ALARM_FROM_MS {
            return Ok(Some(patience_ms));
        }
        self.alarm.ring_by(now_ms, next_ms)?;
        Ok(None)
    }

    /// Deals with one ready socket; `false` if it says to stop.
    fn serve(&mut self, event: Event) -> bool {
        match Token::unpack(event.token) {
            Token::Stop => return false,
            Token::Mail => self.read_mail(),
            Token::Alarm => self.alarm.quiet(), // the deadlines are looked at in each turn
            Token::Datagrams(port) => {
                // What peers say comes first: an error counts where nothing was heard.
                self.receive_datagrams(port);
                if event.broken {
                    self.receive_errors(port);
                }
            }
            Token::Accept(socket) => {
                let (engine, now_ms) = (&mut self.engine, self.now_ms);
                self.streams.accept(socket, now_ms, |ip| engine.admits(now_ms, ip), &mut self.fallout);
            }
            Token::Connection(id) => {
                let engine = (&mut self.engine, &mut self.outbox);
                let calls = self.streams.ready(id, event, self.now_ms, engine, &mut self.fallout);
                self.called(calls);
            }
        }
        true
    }

    /// Tells how long datagrams wait, and once that they do not any more. `saw_all`: a socket that was not read in this turn has
    /// nothing to be read.
    fn tell_wait(&mut self, saw_all: bool) {
        let mut longest_ms = 0;
        for port in &mut self.ports {
            if !mem::take(&mut port.was_read) && saw_all {
                port.lateness.note_empty();
            }
            longest_ms = longest_ms.max(port.lateness.waited_ms());
        }
        let is_late = longest_ms > 0;
        if mem::replace(&mut self.was_late, is_late) || is_late {
            self.engine.note_wait(longest_ms);
        }
    }

    fn receive_datagrams(&mut self, port: usize) {
        let port = &mut self.ports[port];
        // An error that belongs to a datagram sent before is gone by asking, and hides what has come.
        let is_empty = |error: &io::Error| error.kind() == ErrorKind::WouldBlock;
        let mut received = self.receiving.receive(port.socket());
        if received.as_ref().is_err_and(|error| !is_empty(error)) {
            received = self.receiving.receive(port.socket());
        }
        let Ok(count) = received else { return };
        self.counters.batches_in.add(1);
        port.was_read = true;
        if count == RECEIVE_BATCH {
            port.note_full_batch(self.receiving.arrived());
        } else {
            port.lateness.note_empty();
        }
        let mut delivered = 0;
        for index in 0..count {
            let datagram = self.receiving.datagram(index);
            if let (Some(remote), false) = (datagram.from, datagram.truncated) {
                self.engine.receive(self.now_ms, &port.flow(remote), datagram.bytes, &mut self.outbox);
                delivered += 1;
            }
        }
        self.counters.datagrams_in.add(delivered as u64);
        self.counters.datagrams_malformed.add((count - delivered) as u64);
        self.called(delivered);
    }

    fn read_mail(&mut self) {
        for mail in self.mailboxes.collect(self.shard) {
            match mail {
                Mail::Received { flow, bytes } => {
                    self.engine.receive(self.now_ms, &flow, &bytes, &mut self.outbox);
                    self.called(1);
                }
                Mail::Error { to, error, quoted } => {
                    self.engine.icmp_error(self.now_ms, &to, error, &quoted, &mut self.outbox);
                    self.called(1);
                }
                Mail::Send { flow, bytes, ticket, origin } => {
                    let asking = (origin, ticket);
                    self.streams.write_for(&flow, bytes, asking, self.now_ms, &mut self.fallout);
                }
                Mail::Failed { ticket } => self.fallout.failed.push((self.shard, ticket)),
                Mail::Rung => {
                    self.engine.rung(self.now_ms, &mut self.outbox);
                    self.called(1);
                }
                Mail::Located(finding) => {
                    self.engine.located(self.now_ms, &finding, &mut self.outbox);
                    self.called(1);
                }
            }
        }
    }

    fn called(&mut self, times: usize) {
        self.uncommitted += times;
        self.engine_called |= times > 0;
    }

    /// Ends a batch: the engine hears what failed, commits, and what it wants sent is sent; again while that fails.
    fn settle(&mut self) {
        for _ in 0..SETTLE_ROUNDS {
            self.tell_fallout();
            if self.engine_called {
                self.engine.commit(self.now_ms, &mut self.outbox);
                self.engine_called = false;
                self.uncommitted = 0;
            }
            self.transmit();
            self.streams.close_answered(&mut self.fallout);
            if self.fallout.is_empty() {
                return;
            }
        }
    }

    fn tell_fallout(&mut self) {
        let mut failed = mem::take(&mut self.fallout.failed);
        for (origin, ticket) in failed.drain(..) {
            if origin == self.shard {
                self.counters.sends_failed.add(1);
                if ticket != 0 {
                    self.engine.send_failed(self.now_ms, ticket, &mut self.outbox);
                    self.engine_called = true;
                }
            } else {
                // A full mailbox is counted; the engine there has a timer for it.
                let _ = self.post(origin, Mail::Failed { ticket });
            }
        }
        self.fallout.failed = failed;
        for (flow, why) in self.fallout.unopened.drain(..) {
            self.engine.websocket_failed(self.now_ms, &flow, why);
            self.engine_called = true;
        }
        for (flow, why) in self.fallout.insecure.drain(..) {
            self.engine.insecure(self.now_ms, &flow, why);
            self.engine_called = true;
        }
        for (flow, which, limit) in self.fallout.no_room.drain(..) {
            self.engine.limit_reached(self.now_ms, &flow, which, limit);
            self.engine_called = true;
        }
        for connection in self.fallout.closed.drain(..) {
            self.engine.connection_closed(self.now_ms, connection, &mut self.outbox);
            self.engine_called = true;
        }
    }

    /// Sends the outbox and empties it.
    fn transmit(&mut self) {
        if self.outbox.is_empty() {
            return;
        }
        for (index, message) in self.outbox.outgoing().iter().enumerate() {
            let Flow { transport, listener, connection, .. } = message.flow;
            let foreign = connection.is_some() && connection.shard() != self.shard;
            if transport == Transport::Udp {
                match self.port_of.get(usize::from(listener)).copied().flatten() {
                    Some(port) => self.ports[port].enqueue(index),
                    None => self.fallout.failed.push((self.shard, message.ticket)),
                }
            } else if foreign {
                let posted = self.forward(message);
                self.fallout.failed.extend(posted.err().map(|ticket| (self.shard, ticket)));
            } else {
                self.streams.address(&self.outbox, index, self.now_ms, &mut self.fallout);
            }
        }
        for port in &mut self.ports {
            port.send(&self.outbox, (&mut self.sending, self.shard), &self.counters, &mut self.fallout);
        }
        self.streams.write(&self.outbox, self.now_ms, &mut self.fallout);
        self.hand_over();
        self.ask_names();
        self.outbox.clear();
    }

    /// Gives a message for another shard's connection to that shard, or its ticket back.
    fn forward(&self, message: &Outgoing) -> Result<(), Ticket> {
        let &Outgoing { flow, ticket, .. } = message;
        let bytes = self.outbox.bytes(message.bytes.clone()).into();
        self.post(flow.connection.shard(), Mail::Send { flow, bytes, ticket, origin: self.shard })
            .map_err(|_| ticket)
    }

    /// Passes on what the engine asks about names. What nobody takes is unanswered, in the next turn.
    fn ask_names(&mut self) {
        for wanted in self.outbox.asked() {
            let taken = self.names.as_mut().is_some_and(|ask| ask(self.shard, wanted.clone()));
            if !taken {
                let finding = Finding::nowhere(wanted.clone(), Nowhere::Unanswered, 0);
                let _ = self.post(self.shard, Mail::Located(Box::new(finding)));
            }
        }
    }

    fn hand_over(&self) {
        for message in self.outbox.handed_over() {
            let bytes = self.outbox.bytes(message.bytes.clone()).into();
            let mail = match message.error {
                Some(error) => Mail::Error { to: message.from, error, quoted: bytes },
                None => Mail::Received { flow: message.from, bytes },
            };
            // A full mailbox is counted; the message is lost, and its sender will send it again.
            let _ = self.post(message.shard, mail);
        }
    }

    fn post(&self, shard: u8, mail: Mail) -> Result<(), Mail> {
        let posted = self.mailboxes.post(shard, mail);
        let counter = if posted.is_ok() { &self.counters.handed_over } else { &self.counters.hand_over_lost };
        counter.add(1);
        posted
    }
}
