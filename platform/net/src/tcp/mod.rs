//! The connections of one shard: accepted, opened, read, written, and closed when they cost too much.
//!
//! ```text
//!   accept ──► Open ◄── connected ── Connecting ◄── a message for an address that nothing leads to
//!               │                        │
//!               └────────► gone ◄────────┘   peer, error, limit: see CloseReason
//! ```
//!
//! A connection has two buffers and both are usually empty: the rest of an incomplete message, and what its peer has
//! not taken yet. Complete messages are delivered from the shard's one read buffer, and a batch's messages are written
//! from the outbox, without a copy.

mod accept;
mod apart;
mod connect;
mod connection;
mod deadlines;
mod layers;
mod lingering;
mod read;
mod secure;
mod table;
mod unheard;
mod websocket;
mod write;
mod write_layers;
mod write_queue;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;

use accept::source;
use connection::Connection;
use deadlines::Deadlines;
use lingering::Lingering;
use table::Table;
use write_layers::Sealed;

use crate::fallout::Fallout;
use crate::sys::{Epoll, Event};
use crate::{
    CloseReason, ConnectionId, Engine, Limits, Listener, NetCounters, Outbox, TlsConfigs, WebSocketOptions,
};

/// What one read takes at most, bytes: the longest message and then some.
const READ_BYTES: usize = 64 * 1024;

/// What was accepted from one source.
#[derive(Default)]
struct OfSource {
    connections: usize,
    /// Those of them whose handshake is in progress.
    handshakes: usize,
}

/// The streams of a shard.
pub(crate) struct Streams {
    shard: u8,
    limits: Limits,
    counters: Arc<NetCounters>,
    epoll: Arc<Epoll>,
    /// All listeners of the server: to know from which address to connect.
    listeners: Arc<[Listener]>,
    sockets: Vec<(u16, TcpListener)>,
    accepting_again_ms: Option<u64>,
    table: Table<Connection>,
    /// Which connection leads to an address, by the listener whose address it comes from. The first one that does.
    by_remote: HashMap<(u16, u32, SocketAddr), ConnectionId>,
    /// What was accepted from a source.
    by_source: HashMap<IpAddr, OfSource>,
    tls: Option<Arc<TlsConfigs>>,
    websocket: WebSocketOptions,
    /// Accepted connections whose handshake is in progress.
    handshakes: usize,
    /// Where messages are sealed; empty between two uses.
    sealed: Sealed,
    deadlines: Deadlines,
    read_buffer: Box<[u8]>,
    /// The messages of this batch and their connections: (connection, index in the outbox).
    touched: Vec<(ConnectionId, usize)>,
    /// To be closed when the batch has been sent.
    closing: Vec<(ConnectionId, CloseReason)>,
    /// Closed for what they said, and told so.
    lingering: Lingering,
    held_bytes: usize,
}

impl Streams {
    pub(crate) fn new(
        shard: u8,
        limits: Limits,
        listeners: Arc<[Listener]>,
        sockets: Vec<(u16, TcpListener)>,
        tls: Option<Arc<TlsConfigs>>,
        (epoll, counters): (Arc<Epoll>, Arc<NetCounters>),
    ) -> io::Result<Self> {
        let streams = Self {
            shard,
            limits,
            counters,
            epoll,
            listeners,
            sockets,
            accepting_again_ms: None,
            table: Table::new(shard),
            by_remote: HashMap::new(),
            by_source: HashMap::new(),
            tls,
            websocket: WebSocketOptions::default(),
            handshakes: 0,
            sealed: Sealed::default(),
            deadlines: Deadlines::default(),
            read_buffer: vec![0; READ_BYTES].into(),
            touched: Vec::new(),
            closing: Vec::new(),
            lingering: Lingering::default(),
            held_bytes: 0,
        };
        streams.prepare_listening()?;
        Ok(streams)
    }

    /// Says how WebSocket connections are taken from now on.
    pub(crate) fn set_websocket(&mut self, options: WebSocketOptions) {
        self.websocket = options;
    }

    /// A connection is ready for something. Returns whether the engine was called.
    pub(crate) fn ready<E: Engine>(
        &mut self,
        id: ConnectionId,
        event: Event,
        now_ms: u64,
        (engine, out): (&mut E, &mut Outbox),
        fallout: &mut Fallout,
    ) -> usize {
        // An event of a connection that was closed earlier in this turn finds nobody.
        let Some(connection) = self.table.find(id) else { return 0 };
        if connection.connecting {
            self.finish_connect(id, now_ms, fallout);
            return 0;
        }
        let reading = connection.interest.read;
        if event.writable {
            self.write_waiting(id, now_ms, fallout);
        }
        if reading && (event.readable || event.broken) {
            return self.read(id, now_ms, (engine, out), fallout);
        }
        if event.broken {
            self.close(id, CloseReason::Reset, fallout);
        }
        0
    }

    /// When [`Streams::expire`] wants to be called next.
    pub(crate) fn deadline_ms(&mut self) -> Option<u64> {
        let deadlines = [self.deadlines.next_ms(), self.accepting_again_ms, self.lingering.deadline_ms()];
        deadlines.into_iter().flatten().min()
    }

    /// Closes what has been too slow or too quiet.
    pub(crate) fn expire(&mut self, now_ms: u64, fallout: &mut Fallout) {
        self.resume_accepting(now_ms);
        self.lingering.look(now_ms, &mut self.read_buffer);
        let ping_every_ms = self.websocket.ping_every_ms;
        while let Some((due_ms, id)) = self.deadlines.pop(now_ms) {
            let Some(connection) = self.table.find_mut(id).filter(|c| c.check_ms == Some(due_ms)) else {
                continue;
            };
            connection.check_ms = None;
            match connection.deadline(&self.limits) {
                (deadline_ms, CloseReason::Insecure) if deadline_ms <= now_ms => self.close_late(id, fallout),
                (deadline_ms, reason) if deadline_ms <= now_ms => self.close(id, reason, fallout),
                _ if connection.silent_at_ms(ping_every_ms).is_some_and(|at_ms| at_ms <= now_ms) => {
                    self.ask(id, now_ms, fallout);
                }
                _ => self.keep_track(id, now_ms),
            }
        }
    }

    /// Closes those that had only to be sent something before.
    pub(crate) fn close_answered(&mut self, fallout: &mut Fallout) {
        while let Some((id, reason)) = self.closing.pop() {
            self.close(id, reason, fallout);
        }
    }

    fn close(&mut self, id: ConnectionId, reason: CloseReason, fallout: &mut Fallout) {
        let Some(mut connection) = self.table.remove(id) else { return };
        self.held_bytes -= connection.held_bytes;
        let way = connection.way();
        secure::say_goodbye(&mut connection);
        if connection.securing && connection.accepted {
            self.end_handshake(source(connection.flow.remote.ip()));
        }
        if self.by_remote.get(&way) == Some(&id) {
            self.by_remote.remove(&way);
        }
        if connection.accepted {
            self.forget_source(way.2.ip());
        }
        let mut unsent: Vec<_> = connection.queue.drain_tickets().collect();
        if let Some(layers) = &mut connection.layers {
            unsent.extend(layers.early.drain_tickets());
            if reason == CloseReason::Insecure {
                let mut unread = layers.unheard.take();
                unread.retain(|sent| !unsent.contains(sent));
                fallout.failed.append(&mut unread);
            }
        }
        fallout.failed.append(&mut unsent);
        if !connection.connecting {
            fallout.closed.push(id);
        }
        self.counters.count_closed(reason);
        self.publish();
        if reason.is_told() && connection.queue.is_empty() {
            self.let_finish(connection.stream);
        }
    }

    /// The peer was told why, and may be speaking still.
    fn let_finish(&mut self, stream: TcpStream) {
        if self.epoll.remove(stream.as_fd()).is_ok() {
            self.lingering.add(stream);
        }
    }

    /// After anything happened to a connection: watch it for what it now wants, count what it holds, and be there when
    /// its time is over.
    fn keep_track(&mut self, id: ConnectionId, now_ms: u64) {
        let Some(connection) = self.table.find_mut(id) else { return };
        let interest = connection.wanted(&self.limits);
        if interest != connection.interest {
            connection.interest = interest;
            // Fails only without memory in the kernel; then the connection's deadline ends it.
            let _ = self.epoll.modify(connection.stream.as_fd(), id.token(), interest);
        }
        let (mut deadline_ms, _) = connection.deadline(&self.limits);
        if let Some(silent_at_ms) = connection.silent_at_ms(self.websocket.ping_every_ms) {
            deadline_ms = deadline_ms.min(silent_at_ms);
        }
        if let Some(check_ms) = self.deadlines.push(deadline_ms, now_ms, id, connection.check_ms) {
            connection.check_ms = Some(check_ms);
        }
        let held_bytes = connection.held_now();
        if held_bytes != connection.held_bytes {
            self.held_bytes = self.held_bytes - connection.held_bytes + held_bytes;
            connection.held_bytes = held_bytes;
            self.publish();
        }
    }

    fn publish(&self) {
        self.counters.connections.set(self.table.len() as u64);
        self.counters.held_bytes.set(self.held_bytes as u64);
    }
}

/// The server stops: whoever can be told so in his own words is told, WebSocket clients by a Close frame (RFC 6455 §7.4.1,
/// 1001), TLS peers by close_notify. Nobody is waited for.
impl Drop for Streams {
    fn drop(&mut self) {
        self.table.iter_mut().for_each(secure::say_goodbye);
    }
}
