//! Reading and writing through the layers of a connection, and the life of a handshake.

use std::io::{ErrorKind, Read, Write};
use std::mem;
use std::net::{IpAddr, TcpStream};

use offhook_sip::Transport;

use super::connection::Stage;
use super::layers::{Bench, Came, End, Layers};
use super::read::Brought;
use super::websocket::WebSocket;
use super::write_layers::Sealed;
use super::{Connection, Streams, source};
use crate::fallout::Fallout;
use crate::tls::Session;
use crate::{CloseReason, ConnectionId, Engine, Flow, Outbox, TlsFailure, WebSocketFailure};

impl Streams {
    /// The layers of an accepted connection: none for plain TCP.
    pub(super) fn layers_of_accepted(
        &self,
        transport: Transport,
        now_ms: u64,
    ) -> Result<Option<Box<Layers>>, TlsFailure> {
        let tls = match transport {
            Transport::Tls | Transport::Wss => {
                let tls = self.tls.as_ref().ok_or(TlsFailure::NotConfigured)?;
                Some(Session::accept(tls.server())?)
            }
            _ => None,
        };
        let websocket = transport.is_websocket();
        let websocket = websocket.then(|| WebSocket::new(self.websocket.policy.clone(), now_ms));
        let is_plain = tls.is_none() && websocket.is_none();
        Ok((!is_plain).then(|| Layers::new(tls, websocket)))
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
        session.map(|session| Some(Layers::dialled(session)))
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
        let end = layers.open(&mut [], now_ms, &mut hello, &mut Bench::default(), |_| {});
        let flow = connection.flow;
        connection.queue.push(hello.into(), self.shard, 0);
        if let Some(end) = end {
            self.close_at_end((id, flow), Stage::Securing, end, fallout);
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
        let Sealed { wire: reply, bench, .. } = &mut sealed;
        let wire = &mut self.read_buffer[..kept + count];
        let mut secured = false;
        let end = match count {
            0 => Some(hung_up(&layers)),
            _ => layers.open(wire, now_ms, reply, bench, |came| match came {
                Came::Secured(certificate) => {
                    secured = true;
                    let tell = |der: &[u8]| engine.peer_certified(now_ms, &connection.flow, der);
                    certificate.into_iter().for_each(tell);
                }
                Came::Plain(_) if brought.unframeable => {}
                Came::Plain(bytes) => brought.add(connection.take(bytes, now_ms, engine, out)),
                Came::Message(bytes) => brought.add(connection.take_message(bytes, now_ms, engine, out)),
                Came::Pinged => brought.add(connection.pinged(now_ms)),
            }),
        };
        self.counters.secured.add(u64::from(secured));
        let established = connection.securing && layers.is_ready();
        if established {
            connection.alive_ms = now_ms;
            connection.securing = false;
        }
        let accepted_from = connection.accepted.then(|| source(connection.flow.remote.ip()));
        if brought.messages > 0 {
            layers.unheard.end();
        }
        connection.layers = Some(layers);
        let (flow, stage) = (connection.flow, connection.stage());
        let calls = self.account(id, brought, now_ms, fallout);
        if established {
            accepted_from.into_iter().for_each(|source| self.end_handshake(source));
            self.established(id, reply);
        }
        self.speak(id, reply, now_ms, fallout);
        sealed.clear();
        self.sealed = sealed;
        if let Some(end) = end {
            self.close_at_end((id, flow), stage, end, fallout);
        }
        calls
    }

    /// The handshakes are over: what waited for them may go.
    fn established(&mut self, id: ConnectionId, reply: &mut Vec<u8>) {
        let Some(connection) = self.table.find_mut(id) else { return };
        if connection.flow.transport.is_websocket() {
            // The opening handshake says as much as a first message: a browser may open long before it calls.
            connection.greeted = true;
            self.counters.websockets.add(1);
        }
        if let Some(layers) = &mut connection.layers {
            let own = mem::take(reply);
            connection.queue.push(own.into(), self.shard, 0);
            let waiting: Vec<_> = layers.early.take_all().collect();
            for (message, origin, ticket) in waiting {
                let mut sealed = Vec::new();
                // Keys that are a moment old have not sealed all they may.
                let _ = layers.seal(&message, &mut sealed, &mut Bench::default());
                layers.unheard.note(origin, ticket);
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
        stage: Stage,
        end: End,
        fallout: &mut Fallout,
    ) {
        let hung_up = matches!(
            end,
            End::Closed | End::Insecure(TlsFailure::HungUp) | End::WebSocket(WebSocketFailure::HungUp)
        );
        let (end, reason) = match (stage, end) {
            (Stage::Open, _) if hung_up => return self.close(id, CloseReason::Peer, fallout),
            (Stage::Opening, _) if hung_up => {
                (End::WebSocket(WebSocketFailure::HungUp), CloseReason::WebSocket)
            }
            (_, End::Closed) => (End::Insecure(TlsFailure::HungUp), CloseReason::Insecure),
            (_, End::Insecure(_)) => (end, CloseReason::Insecure),
            (_, End::WebSocket(_)) => (end, CloseReason::WebSocket),
        };
        match end {
            End::WebSocket(why) => fallout.unopened.push((flow, why)),
            End::Insecure(why) => self.note_insecure(flow, why, fallout),
            End::Closed => {}
        }
        self.close(id, reason, fallout);
    }

    /// A handshake took too long.
    pub(super) fn close_late(&mut self, id: ConnectionId, fallout: &mut Fallout) {
        let Some(connection) = self.table.find(id) else { return };
        let end = match connection.stage() {
            Stage::Opening => End::WebSocket(WebSocketFailure::Timeout),
            _ => End::Insecure(TlsFailure::Timeout),
        };
        self.close_at_end((id, connection.flow), connection.stage(), end, fallout);
    }

    /// Nothing has come for a while: the peer is asked whether it lives. If it was asked before, it is gone.
    pub(super) fn ask(&mut self, id: ConnectionId, now_ms: u64, fallout: &mut Fallout) {
        let Some(connection) = self.table.find_mut(id) else { return };
        let mut ping = Vec::new();
        if connection.layers.as_mut().is_some_and(|layers| layers.ping(&mut ping)) {
            self.speak(id, &ping, now_ms, fallout);
        } else {
            self.close(id, CloseReason::Idle, fallout);
        }
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
    let whole = connection.queue.is_empty() && !connection.connecting;
    if let Some(layers) = connection.layers.as_mut().filter(|layers| whole && layers.is_secured()) {
        let mut goodbye = Vec::new();
        layers.say_goodbye(&mut goodbye);
        // The connection ends either way.
        let _ = write_once(&connection.stream, &goodbye);
    }
}

/// The end of a stream, before or in the middle of anything.
fn hung_up(layers: &Layers) -> End {
    match layers.is_secured() {
        true => End::WebSocket(WebSocketFailure::HungUp),
        false => End::Insecure(TlsFailure::HungUp),
    }
}

fn write_once(mut stream: &TcpStream, bytes: &[u8]) -> std::io::Result<usize> {
    stream.write(bytes)
}
