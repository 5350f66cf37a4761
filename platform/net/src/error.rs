//! Why sockets could not be opened: each with what the operator can do.

use std::io;
use std::net::SocketAddr;

use offhook_sip::Transport;
use thiserror::Error;

/// A failure at the start. Once the loop runs, failures are counted and told to the engine instead.
#[derive(Debug, Error)]
pub enum NetError {
    /// Somebody else has it.
    #[error(
        "{} {local} is in use by another program; stop that one (`ss -lnp` names it) or listen on another port",
        .transport.via_token()
    )]
    AddressInUse {
        /// How the bytes would travel.
        transport: Transport,
        /// The address asked for.
        local: SocketAddr,
    },
    /// The address belongs to no interface that is up.
    #[error(
        "{} {local} is not an address of this machine; `ip address` lists them, 0.0.0.0 and [::] mean all",
        .transport.via_token()
    )]
    AddressNotHere {
        /// How the bytes would travel.
        transport: Transport,
        /// The address asked for.
        local: SocketAddr,
    },
    /// A port below 1024 without the right to it.
    #[error(
        "no right to listen on {} {local}; take a port above 1023 or give the program CAP_NET_BIND_SERVICE",
        .transport.via_token()
    )]
    NotAllowed {
        /// How the bytes would travel.
        transport: Transport,
        /// The address asked for.
        local: SocketAddr,
    },
    /// Anything else the system said about an address.
    #[error("cannot listen on {} {local}: {source}", .transport.via_token())]
    Listen {
        /// How the bytes would travel.
        transport: Transport,
        /// The address asked for.
        local: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The kernel has no such sockets: SCTP is a module that many systems do not load.
    #[error(
        "this kernel does not speak {}; load its module (`modprobe {}`) or listen by another transport",
        .0.via_token(),
        .0.name()
    )]
    Unsupported(Transport),
    /// A TLS listener without certificates.
    #[error("listening by TLS needs a certificate")]
    NoCertificate,
    /// No address at all came out of what was asked for.
    #[error("there is no address to listen on")]
    NoListener,
    /// More than [`crate::LISTENERS_MAX`].
    #[error("{0} addresses to listen on are more than {max}", max = crate::LISTENERS_MAX)]
    TooManyListeners(usize),
    /// No shard at all, or more than [`crate::SHARDS_MAX`].
    #[error("{0} shards: there must be 1 to {max}", max = crate::SHARDS_MAX)]
    ShardCount(usize),
    /// The system has no descriptors or memory left for the loop itself, or its interfaces cannot be listed.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
}

impl NetError {
    /// The error for what the system said when an address was bound.
    pub(crate) fn listening(transport: Transport, local: SocketAddr, source: io::Error) -> Self {
        if matches!(source.raw_os_error(), Some(libc::EPROTONOSUPPORT | libc::ESOCKTNOSUPPORT)) {
            return Self::Unsupported(transport);
        }
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::AddressInUse { transport, local },
            io::ErrorKind::AddrNotAvailable => Self::AddressNotHere { transport, local },
            io::ErrorKind::PermissionDenied => Self::NotAllowed { transport, local },
            _ => Self::Listen { transport, local, source },
        }
    }
}
