//! One place to send to.

use std::net::SocketAddr;

use offhook_sip::Transport;

/// A transport and an address, one of the places that a name leads to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Hop {
    /// How to send.
    pub transport: Transport,
    /// Where to.
    pub address: SocketAddr,
}
