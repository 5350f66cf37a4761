//! Where a message came from and where it goes: the words that the loop and an engine share.

use std::net::SocketAddr;

use offhook_sip::Transport;

/// A connection of this process, or [`ConnectionId::NONE`]. An index that is used again gets a new generation, so an
/// old name never reaches a new peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct ConnectionId {
    /// Where there is no connection: the number of the domain that one must lead to, see [`crate::Outbox::toward`].
    /// Else the owning shard in the top 8 bits, below them the index in that shard's table of connections.
    pub index: u32,
    /// How often that index has been given out; 0 where there is no connection.
    pub generation: u32,
}

impl ConnectionId {
    /// No connection and no domain: a datagram, or "whichever connection leads there".
    pub const NONE: Self = Self { index: 0, generation: 0 };

    /// How many bits of the index count within a shard: 16 million connections.
    const SLOT_BITS: u32 = 24;

    pub(crate) const fn new(shard: u8, slot: u32, generation: u32) -> Self {
        Self { index: (shard as u32) << Self::SLOT_BITS | slot, generation }
    }

    /// The place in that shard's table.
    pub const fn slot(self) -> usize {
        (self.index & ((1 << Self::SLOT_BITS) - 1)) as usize
    }

    /// The shard that owns the connection and sends on it, whoever asks.
    pub const fn shard(self) -> u8 {
        (self.index >> Self::SLOT_BITS) as u8
    }

    /// Whether this names a connection.
    pub const fn is_some(self) -> bool {
        self.generation != 0
    }
}

/// One path to a peer: RFC 5626 §3.1 calls it a flow.
///
/// Received messages carry the flow they came by. To send, the same value is used; a stream flow whose connection is
/// [`ConnectionId::NONE`] means "the connection that leads to `remote`, or a new one"; by TLS, the domain that the peer
/// must prove to be can stand there ([`crate::Outbox::toward`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Flow {
    /// How the bytes travel.
    pub transport: Transport,
    /// Index of the listener (see [`crate::Listener`]) whose socket or address is used.
    pub listener: u16,
    /// The connection, for streams.
    pub connection: ConnectionId,
    /// The peer's address as we see it.
    pub remote: SocketAddr,
}

/// One local address that takes SIP traffic. Wildcard addresses are spread out before they come here, so `local` is
/// what a peer can answer to, and what Via and Record-Route say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listener {
    /// How the bytes travel.
    pub transport: Transport,
    /// The bound address.
    pub local: SocketAddr,
    /// Length of the network prefix of the interface that has this address: 8 for 127.0.0.1.
    pub prefix_bits: u8,
    /// What peers are told instead of `local` (`host` or `host:port`), when configured.
    pub advertise: Option<String>,
}
