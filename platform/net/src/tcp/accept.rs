//! Taking connections in.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use offhook_sip::Transport;
use socket2::SockRef;

use super::{Connection, Streams};
use crate::fallout::Fallout;
use crate::shard::Token;
use crate::sys::Interest;
use crate::{CloseReason, ConnectionId, Flow, TlsFailure};

/// Connections taken from one listener in one turn, so that a storm of them does not keep messages waiting.
const ACCEPTS_PER_TURN: usize = 64;

/// How long accepting rests when no descriptor or memory is left, milliseconds. Without the rest the loop would spin:
/// the listener stays ready.
const ACCEPT_PAUSE_MS: u64 = 200;

impl Streams {
    pub(super) fn prepare_listening(&self) -> io::Result<()> {
        // A peer that is gone without a word acknowledges nothing. Accepted connections inherit the option.
        let stall = Duration::from_millis(self.limits.write_stall_ms);
        for (index, (listener, socket)) in self.sockets.iter().enumerate() {
            // SCTP asks its peers by itself whether they live (RFC 9260 §8.3).
            if self.transport_of(*listener) != Transport::Sctp {
                SockRef::from(socket).set_tcp_user_timeout(Some(stall))?;
            }
            self.epoll.add(socket.as_fd(), Token::Accept(index).pack(), Interest::READ)?;
        }
        Ok(())
    }

    /// Takes what waits at the listening socket with this place in the shard's list, from whom `admits` lets in.
    pub(crate) fn accept(
        &mut self,
        socket: usize,
        now_ms: u64,
        mut admits: impl FnMut(IpAddr) -> bool,
        fallout: &mut Fallout,
    ) {
        for _ in 0..ACCEPTS_PER_TURN {
            let (listener, accepting) = &self.sockets[socket];
            match accepting.accept() {
                Ok((_, remote)) if !admits(remote.ip()) => self.counters.count_closed(CloseReason::Barred),
                Ok((stream, remote)) => {
                    let listener = *listener;
                    self.take_in(listener, stream, remote, now_ms, fallout);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) if is_exhaustion(&e) => return self.pause_accepting(now_ms),
                // An error of the one connection that would have been next: it is gone.
                Err(_) => {}
            }
        }
    }

    fn take_in(
        &mut self,
        listener: u16,
        stream: TcpStream,
        remote: SocketAddr,
        now_ms: u64,
        fallout: &mut Fallout,
    ) {
        let source = source(remote.ip());
        let of_source = self.by_source.get(&source).map_or(0, |of_source| of_source.connections);
        let transport = self.transport_of(listener);
        let flow = Flow { transport, listener, connection: ConnectionId::NONE, remote };
        if let Some((which, limit)) = self.limits.reached(self.table.len(), of_source) {
            fallout.no_room.push((flow, which, limit));
            return self.counters.count_closed(CloseReason::TooMany);
        }
        if stream.set_nonblocking(true).is_err() {
            return self.counters.count_closed(CloseReason::Reset);
        }
        let layers = match self.layers_of_accepted(transport, now_ms) {
            Ok(Some(_)) if !self.begin_handshake(source) => Err(TlsFailure::TooMany),
            result => result,
        };
        let layers = match layers {
            Ok(layers) => layers,
            Err(why) => {
                self.note_insecure(flow, why, fallout);
                return self.counters.count_closed(CloseReason::Insecure);
            }
        };
        let id = self
            .table
            .insert(|connection| Connection::new(stream, Flow { connection, ..flow }, true, layers, now_ms));
        self.by_source.entry(source).or_default().connections += 1;
        self.counters.accepted.add(1);
        self.enter(id, now_ms);
    }

    /// Closes those whose peers are not admitted any more.
    pub(crate) fn close_barred(&mut self, mut admits: impl FnMut(IpAddr) -> bool, fallout: &mut Fallout) {
        let all = self.table.iter_mut().map(|connection| connection.flow);
        let barred: Vec<ConnectionId> =
            all.filter(|flow| !admits(flow.remote.ip())).map(|flow| flow.connection).collect();
        for id in barred {
            self.close(id, CloseReason::Barred, fallout);
        }
    }

    fn transport_of(&self, listener: u16) -> Transport {
        self.listeners.get(usize::from(listener)).map_or(Transport::Tcp, |l| l.transport)
    }

    /// Watches a new connection, and remembers where it leads unless another leads there already.
    pub(super) fn enter(&mut self, id: ConnectionId, now_ms: u64) {
        let Some(connection) = self.table.find(id) else { return };
        let way = connection.way();
        // Who is at the far end of an accepted TLS connection is not proved: nothing is sent there but by its name.
        let leads_there = !(connection.accepted && connection.layers.is_some());
        // Fails only without memory in the kernel; then the connection's deadline ends it.
        let _ = self.epoll.add(connection.stream.as_fd(), id.token(), connection.interest);
        if leads_there {
            self.by_remote.entry(way).or_insert(id);
        }
        self.keep_track(id, now_ms);
        self.publish();
    }

    pub(super) fn forget_source(&mut self, ip: IpAddr) {
        let source = source(ip);
        match self.by_source.get_mut(&source) {
            Some(of_source) if of_source.connections > 1 => of_source.connections -= 1,
            _ => drop(self.by_source.remove(&source)),
        }
    }

    fn pause_accepting(&mut self, now_ms: u64) {
        self.counters.accept_pauses.add(1);
        self.accepting_again_ms = Some(now_ms + ACCEPT_PAUSE_MS);
        self.watch_listeners(Interest::NONE);
    }

    pub(super) fn resume_accepting(&mut self, now_ms: u64) {
        if self.accepting_again_ms.is_some_and(|again_ms| again_ms <= now_ms) {
            self.accepting_again_ms = None;
            self.watch_listeners(Interest::READ);
        }
    }

    fn watch_listeners(&self, interest: Interest) {
        for (index, (_, socket)) in self.sockets.iter().enumerate() {
            // Cannot fail: the socket is in the set, and changing it takes no memory.
            let _ = self.epoll.modify(socket.as_fd(), Token::Accept(index).pack(), interest);
        }
    }
}

fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// Whom a connection is counted against: a whole IPv6 /64, because one subscriber has at least that.
pub(super) fn source(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;

    use super::*;
    use crate::sys::Epoll;
    use crate::{Limits, Listener, NetCounters};

    #[test]
    fn accepted_connections_inherit_what_the_listener_was_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stall = Some(Duration::from_millis(1_234));
        SockRef::from(&listener).set_tcp_user_timeout(stall).unwrap();
        SockRef::from(&listener).set_tcp_nodelay(true).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let accepted = SockRef::from(&accepted);
        assert_eq!(accepted.tcp_user_timeout().unwrap(), stall);
        assert!(accepted.tcp_nodelay().unwrap());
    }

    /// Whom the engine bars loses his connections whatever they speak. Here each is a TCP stream that is said to be something
    /// else, so that no kernel needs SCTP for it.
    #[test]
    fn whoever_is_barred_is_closed_by_any_transport() {
        for transport in [Transport::Tcp, Transport::Ws, Transport::Sctp] {
            let socket = TcpListener::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            let local = socket.local_addr().unwrap();
            let listener = Listener { transport, local, prefix_bits: 8, advertise: None };
            let (epoll, counters) = (Arc::new(Epoll::new().unwrap()), Arc::new(NetCounters::default()));
            let limits = Limits::default();
            let shared = (epoll, counters.clone());
            let mut streams =
                Streams::new(0, limits, [listener].into(), vec![(0, socket)], None, shared).unwrap();
            let mut fallout = Fallout::default();
            let _clients: Vec<_> = (0..3).map(|_| TcpStream::connect(local).unwrap()).collect();
            streams.accept(0, 0, |_| true, &mut fallout);
            assert_eq!(counters.accepted.get(), 3);
            streams.close_barred(|_| true, &mut fallout);
            assert_eq!((streams.table.len(), fallout.closed.len()), (3, 0), "{transport:?}");
            streams.close_barred(|_| false, &mut fallout);
            assert_eq!((streams.table.len(), fallout.closed.len()), (0, 3), "{transport:?}");
            let _late = TcpStream::connect(local).unwrap();
            streams.accept(0, 0, |_| false, &mut fallout);
            assert_eq!(
                (counters.accepted.get(), counters.closed(CloseReason::Barred)),
                (3, 4),
                "{transport:?}"
            );
        }
    }

    #[test]
    fn a_source_is_an_ipv4_address_or_an_ipv6_64() {
        let of = |ip: &str| source(ip.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
