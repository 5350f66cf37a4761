//! Opens the sockets of every shard.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;

use offhook_sip::Transport;
use socket2::{Domain, Protocol, Socket, Type};

use crate::mailbox::{Bells, Mailboxes, NamesDesk};
use crate::sys::{enlarge_buffers, interfaces, prepare_sctp, stamp_arrivals};
use crate::{Clock, LISTENERS_MAX, Listener, NetError};

/// Most shards: their number fits the top 8 bits of a connection's index.
pub const SHARDS_MAX: usize = 256;

/// Kernel's buffers of a UDP socket, bytes each way: 2,000 messages, which arrive within 20 ms of a full load, may wait
/// while the loop is busy elsewhere.
const UDP_BUFFER_BYTES: i32 = 4 * 1024 * 1024;

/// Connections that the kernel may finish before we accept them: an avalanche of phones after a power cut. (The
/// system's `net.core.somaxconn`, 4096, cuts it.)
const TCP_BACKLOG: i32 = 4096;

/// The sockets of one shard. Give each to a [`crate::Loop`] in a thread of its own.
#[derive(Debug)]
pub struct ShardSockets {
    pub(crate) shard: u8,
    pub(crate) listeners: Arc<[Listener]>,
    /// With the index of the listener.
    pub(crate) udp: Vec<(u16, UdpSocket)>,
    pub(crate) tcp: Vec<(u16, TcpListener)>,
    pub(crate) mailboxes: Arc<Mailboxes>,
    pub(crate) clock: Clock,
}

impl ShardSockets {
    /// The shard's number, from 0.
    pub fn shard(&self) -> usize {
        usize::from(self.shard)
    }

    /// Where findings about names are handed in, for all these shards.
    pub fn names_desk(&self) -> NamesDesk {
        NamesDesk(self.mailboxes.clone())
    }

    /// Wakes these shards.
    pub fn bells(&self) -> Bells {
        Bells(self.mailboxes.clone())
    }

    /// The clock that all these shards share.
    pub fn clock(&self) -> Clock {
        self.clock
    }
}

/// Opens one socket per listener for each of `shards`; the kernel spreads peers over them. An address that another
/// program has is an error even where the kernel would let us share it.
pub fn bind(listeners: &[Listener], shards: usize) -> Result<Vec<ShardSockets>, NetError> {
    if !(1..=SHARDS_MAX).contains(&shards) {
        return Err(NetError::ShardCount(shards));
    }
    if listeners.len() > LISTENERS_MAX {
        return Err(NetError::TooManyListeners(listeners.len()));
    }
    let shared = shards > 1;
    if shared {
        // With SO_REUSEPORT a second copy of this program would quietly get half of the calls. Without it, the kernel
        // tells; what it opens is closed before anybody can use it.
        listeners.iter().try_for_each(|l| open(l, false).map(drop).map_err(|e| at(l, e)))?;
    }
    let mailboxes = Mailboxes::new(shards)?;
    let clock = Clock::start();
    let all: Arc<[Listener]> = listeners.into();
    let shard_sockets = |shard: usize| {
        let (mut udp, mut tcp) = (Vec::new(), Vec::new());
        for (index, listener) in listeners.iter().enumerate() {
            let socket = open(listener, shared).map_err(|e| at(listener, e))?;
            match listener.transport {
                Transport::Udp => udp.push((index as u16, socket.into())),
                Transport::Tcp | Transport::Tls | Transport::Sctp | Transport::Ws | Transport::Wss => {
                    socket.listen(TCP_BACKLOG).map_err(|e| at(listener, e))?;
                    tcp.push((index as u16, socket.into()));
                }
            }
        }
        let (listeners, mailboxes) = (all.clone(), mailboxes.clone());
        Ok(ShardSockets { shard: shard as u8, listeners, udp, tcp, mailboxes, clock })
    };
    (0..shards).map(shard_sockets).collect()
}

fn at(listener: &Listener, error: io::Error) -> NetError {
    NetError::listening(listener.transport, listener.local, error)
}

/// A bound socket, not listening yet.
fn open(listener: &Listener, shared: bool) -> io::Result<Socket> {
    let local: SocketAddr = listener.local;
    let datagrams = !listener.transport.is_reliable();
    let (kind, protocol) = kind_of_socket(listener.transport);
    let socket = Socket::new(Domain::for_address(local), kind, protocol)?;
    socket.set_nonblocking(true)?;
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if shared {
        socket.set_reuse_port(true)?;
    }
    if datagrams {
        enlarge_buffers(socket.as_fd(), UDP_BUFFER_BYTES);
        // Where the kernel refuses, overload is not seen; nothing else hangs on it.
        let _ = stamp_arrivals(socket.as_fd());
    } else {
        // A restart must not wait for the connections of the last run to leave TIME_WAIT.
        socket.set_reuse_address(true)?;
        // Accepted connections inherit it. The loop writes whole batches: nothing is gained by waiting for more.
        send_at_once(&socket, listener.transport)?;
    }
    let bound = socket.bind(&local.into());
    if bound.as_ref().is_err_and(|e| e.kind() == ErrorKind::AddrNotAvailable) && is_tentative(local.ip())? {
        socket.set_freebind_v6(true)?;
        socket.bind(&local.into())?;
    } else {
        bound?;
    }
    Ok(socket)
}

/// What the system calls such a socket.
pub(crate) fn kind_of_socket(transport: Transport) -> (Type, Option<Protocol>) {
    match transport {
        Transport::Udp => (Type::DGRAM, None),
        Transport::Sctp => (Type::STREAM, Some(Protocol::from(libc::IPPROTO_SCTP))),
        Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => (Type::STREAM, None),
    }
}

/// Nothing waits in the kernel for more to send.
pub(crate) fn send_at_once(socket: &Socket, transport: Transport) -> io::Result<()> {
    match transport {
        Transport::Sctp => prepare_sctp(socket.as_fd()),
        _ => socket.set_tcp_nodelay(true),
    }
}

/// Whether an address that cannot be bound is ours all the same: for a second or two after its interface has come up,
/// the kernel looks whether anybody else has an IPv6 address (RFC 4862 §5.4). A server that starts with the machine
/// meets this.
fn is_tentative(ip: IpAddr) -> io::Result<bool> {
    Ok(ip.is_ipv6() && interfaces()?.iter().any(|interface| interface.address == ip))
}
