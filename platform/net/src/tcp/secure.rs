//! Reading and writing through the layers of a connection, and the life of a handshake.

use std::io::{ErrorKind, Read, Write};
use std::mem;
use std::net::{IpAddr, TcpStream};

use offhook_sip::Transport;

use super::layers::Layers;
use super::read::Brought;
use super::{Connection, Streams, source};
use crate::fallout::Fallout;
use crate::tls::{Came, End, Session};
use crate::{CloseReason, ConnectionId, Engine, Flow, Outbox, TlsFailure};

impl Streams {
    /// The layers of an accepted connection: none for plain TCP.
    pub(super) fn layers_of_accepted(&self, transport: Transport) -> Result<Option<Box<Layers>>, TlsFailure> {
        if transport != Transport::Tls {
            return Ok(None);
        }
        let tls = self.tls.as_ref().ok_or(TlsFailure::NotConfigured)?;
        Session::accept(tls.server()).map(|session| Some(Layers::tls(session)))
    }

    /// The layers of a connection that we open. The peer must prove the domain of the flow, or the address itself where
    /// the flow names none: RFC 5922 §7.3, §7.4.
    pub(super) fn layers_of_dialled(
        &self,
        flow: &Flow,
        out: &Outbox,
    ) -> Result<Option<Box<Layers>>, TlsFailure> {
        if flow.transport != Transport::Tls {
            return Ok(None);
        }
        let tls = self.tls.as_ref().ok_or(TlsFailure::NotConfigured)?;
        let session = match flow.connection.index {
            0 => Session::open_to(tls.client(), &flow.remote.ip().to_string()),
            domain => Session::open_to(tls.client(), out.domain_of(domain).ok_or(TlsFailure::WrongName)?),
        };
        session.map(|session| Some(Layers::tls(session)))
    }

    /// Counts a handshake in, unless too many are in progress.
    pub(super) fn begin_handshake(&mut self, source: IpAddr) -> bool {
        let of_source = self.by_source.get(&source).map_or(0, |of_source| of_source.handshakes);
        let fits =
            self.handshakes < self.limits.handshakes_max && of_source < self.limits.handshakes_per_source_max;
        if fits {
            self.handshakes += 1;
            self.by_source.entry(source).or_default().handshakes += 1;
        }
        fits
    }

    /// Counts a handshake out again.
    pub(super) fn end_handshake(&mut self, source: IpAddr) {
        self.handshakes -= 1;
        if let Some(of_source) = self.by_source.get_mut(&source) {
            of_source.handshakes -= 1;
        }
    }

    /// What a dialled connection says first. Fails only if it was closed for it.
    pub(super) fn say_hello(&mut self, id: ConnectionId, now_ms: u64, fallout: &mut Fallout) {
        let Some(connection) = self.table.find_mut(id) else { return };
        let Some(layers) = &mut connection.layers else { return };
        let mut hello = Vec::new();
        let end = layers.open(&mut [], now_ms, &mut hello, |_| {});
        let flow = connection.flow;
        connection.queue.push(hello.into(), self.shard, 0);
        if let Some(end) = end {
            self.close_at_end((id, flow), true, end, fallout);
        }
    }

    /// One read through the layers. Says how often the engine was called.
    pub(super) fn read_layers<E: Engine>(
        &mut self,
        id: ConnectionId,
        now_ms: u64,
        (engine, out): (&mut E, &mut Outbox),
        fallout: &mut Fallout,
    ) -> usize {
        let Some(connection) = self.table.find_mut(id) else { return 0 };
        let Some(mut layers) = connection.layers.take() else { return 0 };
        let kept = layers.rest().len();
        self.read_buffer[..kept].copy_from_slice(layers.rest());
        let count = match (&connection.stream).read(&mut self.read_buffer[kept..]) {
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                connection.layers = Some(layers);
                return 0;
            }
            // 0 is the end of what comes.
            result => result.unwrap_or(0),
        };
        let mut brought = Brought::default();
        let mut sealed = mem::take(&mut self.sealed);
        let reply = &mut sealed.wire;
        let wire = &mut self.read_buffer[..kept + count];
        let end = match count {
            0 => Some(End::Failed(TlsFailure::HungUp)),
            _ => layers.open(wire, now_ms, reply, |came| match came {
                Came::Established(None) => {}
                Came::Established(Some(certificate)) => {
                    engine.peer_certified(now_ms, &connection.flow, certificate);
                }
                Came::Plain(_) if brought.unframeable => {}
                Came::Plain(bytes) => brought.add(connection.take(bytes, now_ms, engine, out)),
            }),
        };
        let established = connection.securing && layers.is_ready();
        if established {
            connection.alive_ms = now_ms;
            connection.securing = false;
        }
        let (flow, securing) = (connection.flow, connection.securing);
        let accepted_from = connection.accepted.then(|| source(connection.flow.remote.ip()));
        connection.layers = Some(layers);
        let calls = self.account(id, brought, now_ms, fallout);
        if established {
            accepted_from.into_iter().for_each(|source| self.end_handshake(source));
            self.established(id, reply);
        }
        self.speak(id, reply, now_ms, fallout);
        sealed.clear();
        self.sealed = sealed;
        if let Some(end) = end {
            self.close_at_end((id, flow), securing, end, fallout);
        }
        calls
    }

    /// A handshake is over: what waited for it may go.
    fn established(&mut self, id: ConnectionId, reply: &mut Vec<u8>) {
        let Some(connection) = self.table.find_mut(id) else { return };
        self.counters.secured.add(1);
        if let Some(layers) = &mut connection.layers {
            let own = mem::take(reply);
            connection.queue.push(own.into(), self.shard, 0);
            let waiting: Vec<_> = layers.early.take_all().collect();
            for (message, origin, ticket) in waiting {
                let mut sealed = Vec::new();
                // Keys that are a moment old have not sealed all they may.
                let _ = layers.seal(&message, &mut sealed);
                connection.queue.push(sealed.into(), origin, ticket);
            }
        }
    }

    /// Sends what the layers have to say themselves.
    fn speak(&mut self, id: ConnectionId, reply: &[u8], now_ms: u64, fallout: &mut Fallout) {
        let Some(connection) = self.table.find_mut(id) else { return };
        if !reply.is_empty() {
            // Bounded: the peer's bytes are not read while its queue is half full.
            connection.queue.push(reply.into(), self.shard, 0);
        }
        if !connection.queue.is_empty() {
            self.write_waiting(id, now_ms, fallout);
        }
    }

    /// Closes a connection that has said its last; it may be closed already, because the peer did not take that.
    fn close_at_end(
        &mut self,
        (id, flow): (ConnectionId, Flow),
        securing: bool,
        end: End,
        fallout: &mut Fallout,
    ) {
        let why = match end {
            End::Failed(TlsFailure::HungUp) | End::Closed if !securing => {
                return self.close(id, CloseReason::Peer, fallout);
            }
            End::Closed => TlsFailure::HungUp,
            End::Failed(why) => why,
        };
        self.note_insecure(flow, why, fallout);
        self.close(id, CloseReason::Insecure, fallout);
    }

    /// Closes a connection that could not be secured, and tells why.
    pub(super) fn close_insecure(&mut self, id: ConnectionId, why: TlsFailure, fallout: &mut Fallout) {
        if let Some(connection) = self.table.find(id) {
            self.note_insecure(connection.flow, why, fallout);
        }
        self.close(id, CloseReason::Insecure, fallout);
    }

    /// Counts and tells why a connection was not secured.
    pub(super) fn note_insecure(&self, flow: Flow, why: TlsFailure, fallout: &mut Fallout) {
        self.counters.count_tls_failure(why);
        fallout.insecure.push((flow, why));
    }
}

/// Tells the peer that nothing follows, if it takes that at once.
pub(super) fn say_goodbye(connection: &mut Connection) {
    let whole = connection.queue.is_empty() && !connection.securing && !connection.connecting;
    if let Some(layers) = connection.layers.as_mut().filter(|_| whole) {
        let mut goodbye = Vec::new();
        layers.say_goodbye(&mut goodbye);
        // The connection ends either way.
        let _ = write_once(&connection.stream, &goodbye);
    }
}

fn write_once(mut stream: &TcpStream, bytes: &[u8]) -> std::io::Result<usize> {
    stream.write(bytes)
}
