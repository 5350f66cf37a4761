//! The transports a SIP message may travel by: RFC 3261 §18 and §20.42, RFC 4168 (SCTP), RFC 7118 (WebSocket).

/// A transport as named in Via (`SIP/2.0/UDP`) and in the `transport` URI parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams, RFC 3261 §18.
    Udp,
    /// A stream, RFC 3261 §18.
    Tcp,
    /// TLS over TCP, RFC 3261 §26.2.
    Tls,
    /// Stream control transmission, RFC 4168.
    Sctp,
    /// WebSocket, RFC 7118.
    Ws,
    /// WebSocket over TLS, RFC 7118.
    Wss,
}

impl Transport {
    /// Every transport, in a fixed order.
    pub const ALL: [Self; 6] = [Self::Udp, Self::Tcp, Self::Tls, Self::Sctp, Self::Ws, Self::Wss];

    /// The token of the Via header: `UDP`, `TCP`, …
    pub const fn via_token(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Sctp => "SCTP",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The value of the configuration key: `udp`, `tcp`, …; of the `transport` URI parameter too, but for
    /// [`Transport::Wss`]: see [`Transport::uri_name`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Sctp => "sctp",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// The value of the `transport` URI parameter. RFC 7118 §5.2 has one for both kinds of WebSocket; port and scheme say
    /// which is meant.
    pub const fn uri_name(self) -> &'static str {
        match self {
            Self::Wss => "ws",
            other => other.name(),
        }
    }

    /// Whether only the peer can open a connection: a browser listens nowhere, and what it registers is reached by the
    /// connection that it has opened (RFC 7118 §5).
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// The transport of this name, in any case of letters.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|t| name.eq_ignore_ascii_case(t.name().as_bytes()))
    }

    /// Whether the transport itself repairs loss: then transactions do not retransmit (RFC 3261 §17.1.1.2).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// Whether nobody on the way can read along or change anything: what `sips` asks of every hop (RFC 3261 §26.2.2).
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// The port where none is written: RFC 3261 §19.1.2, RFC 7118 §7.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp | Self::Sctp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}
