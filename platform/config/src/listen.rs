//! Where we listen: `[[listen]]`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use offhook_sip::Transport;

use crate::host::HostPort;
use crate::table::table;

table! {
    /// An address the server listens at, RFC 3261 §18.
    ///
    /// As soon as the file has one of these, only those it has are opened.
    pub struct Listen {
        /// The transport; `ws` and `wss` are for browser phones, `sctp` (RFC 4168) is for trunks and needs a kernel
        /// that has it.
        transport: Transport, example "\"udp\"";
        /// The IP address of this machine, or `0.0.0.0` or `[::]` for all of one family, and the port. Port 0
        /// lets the system choose one.
        address: SocketAddr, example "\"0.0.0.0:5060\"";
        /// What peers are told in Via and Record-Route instead of the address: a name that leads to
        /// this listener, or the public address of a NAT in front of it.
        advertise: Option<HostPort> = None,
            because "the address itself is right wherever no NAT stands between", example "\"sip.example.org\"";
    }
}

impl Listen {
    /// UDP and TCP on port 5060 of every address (RFC 3261 §19.1.2). Where the machine lacks an address family,
    /// its two are left out at start.
    pub fn everywhere() -> Vec<Self> {
        let addresses: [SocketAddr; 2] =
            [(Ipv4Addr::UNSPECIFIED, 5060).into(), (Ipv6Addr::UNSPECIFIED, 5060).into()];
        let both = |address| [Transport::Udp, Transport::Tcp].map(|transport| (transport, address));
        let listen = |(transport, address)| Self { transport, address, advertise: None };
        addresses.into_iter().flat_map(both).map(listen).collect()
    }

    /// Whether two listeners want the same socket; the system chooses different ports for two zeros. TLS and WebSocket
    /// are TCP to the system.
    pub(crate) fn clashes_with(&self, other: &Self) -> bool {
        self.carrier() == other.carrier() && self.address == other.address && self.address.port() != 0
    }

    fn carrier(&self) -> Transport {
        match self.transport {
            Transport::Tls | Transport::Ws | Transport::Wss => Transport::Tcp,
            other => other,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.transport.name(), self.address)
    }
}
