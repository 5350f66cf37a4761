//! Opening connections: RFC 3261 §18.1.1. One that leads to the address is used again; only else a new one is opened.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use offhook_sip::Transport;
use socket2::{Domain, Socket};

use super::{Connection, Streams};
use crate::bind::{kind_of_socket, send_at_once};
use crate::fallout::Fallout;
use crate::sys::bind_without_port;
use crate::{CloseReason, ConnectionId, Flow, Outbox};

impl Streams {
    /// The connection that a flow means: the named one, or one that leads to its remote address, opened if need be.
    pub(super) fn connection_for(
        &mut self,
        flow: &Flow,
        out: &Outbox,
        now_ms: u64,
        fallout: &mut Fallout,
    ) -> Option<ConnectionId> {
        if flow.connection.is_some() {
            return self.table.find(flow.connection).map(|_| flow.connection);
        }
        match self.by_remote.get(&(flow.listener, flow.connection.index, flow.remote)) {
            Some(id) => Some(*id),
            None => self.connect(flow, out, now_ms, fallout),
        }
    }

    fn connect(
        &mut self,
        flow: &Flow,
        out: &Outbox,
        now_ms: u64,
        fallout: &mut Fallout,
    ) -> Option<ConnectionId> {
        let listener = self.listeners.get(usize::from(flow.listener))?;
        // RFC 7118 §5: nobody is dialled by WebSocket.
        let never = listener.transport != flow.transport || flow.transport.is_websocket();
        if never || self.table.len() >= self.limits.connections_max {
            return None;
        }
        let mut local = listener.local;
        let layers = match self.layers_of_dialled(flow, out) {
            Ok(layers) => layers,
            Err(why) => {
                self.note_insecure(*flow, why, fallout);
                return None;
            }
        };
        local.set_port(0);
        let Ok(socket) = self.begin_connect(flow.transport, local, flow.remote) else {
            self.counters.count_closed(CloseReason::ConnectFailed);
            return None;
        };
        let id = self.table.insert(|connection| {
            let mut dialled =
                Connection::new(socket.into(), Flow { connection, ..*flow }, false, layers, now_ms);
            dialled.domain = flow.connection.index;
            dialled
        });
        self.enter(id, now_ms);
        Some(id)
    }

    fn begin_connect(
        &self,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> io::Result<Socket> {
        let (kind, protocol) = kind_of_socket(transport);
        let socket = Socket::new(Domain::for_address(local), kind, protocol)?;
        socket.set_nonblocking(true)?;
        send_at_once(&socket, transport)?;
        if transport != Transport::Sctp {
            socket.set_tcp_user_timeout(Some(Duration::from_millis(self.limits.write_stall_ms)))?;
            bind_without_port(socket.as_fd())?;
        }
        socket.bind(&local.into())?;
        match socket.connect(&remote.into()) {
            Err(e) if e.raw_os_error() != Some(libc::EINPROGRESS) => Err(e),
            // Even if it stands already: writability tells, as for the others.
            _ => Ok(socket),
        }
    }

    /// An attempt has ended, this way or that.
    pub(super) fn finish_connect(&mut self, id: ConnectionId, now_ms: u64, fallout: &mut Fallout) {
        let Some(connection) = self.table.find_mut(id) else { return };
        match connection.stream.take_error() {
            Ok(None) => {
                connection.connecting = false;
                connection.alive_ms = now_ms;
                connection.taken_ms = now_ms;
                self.counters.connected.add(1);
                self.say_hello(id, now_ms, fallout);
                self.write_waiting(id, now_ms, fallout);
            }
            _ => self.close(id, CloseReason::ConnectFailed, fallout),
        }
    }
}
