//! What WebSocket listeners are told, and what they tell.

use std::sync::Arc;

use offhook_websocket::{Policy, Refusal, Violation};
use thiserror::Error;

/// How a shard takes WebSocket connections.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebSocketOptions {
    /// Who may open one where.
    pub policy: Arc<Policy>,
    /// How long a client may be silent until it is sent a Ping, milliseconds. One that is silent for as long again is
    /// gone, and the connection is closed.
    pub ping_every_ms: u64,
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        Self { policy: Arc::default(), ping_every_ms: 30_000 }
    }
}

/// Why a WebSocket connection was not opened, or was broken off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum WebSocketFailure {
    /// The opening handshake was refused, with an HTTP answer.
    #[error("opening handshake answered {code}: {0}", code = .0.status().0)]
    Refused(Refusal),
    /// The client broke a rule of RFC 6455, and was told so in a Close frame.
    #[error("closed with {code}: {0}", code = .0.code() as u16)]
    Violation(Violation),
    /// [`crate::Limits::handshake_ms`] passed without an opening handshake.
    #[error("no opening handshake came in time")]
    Timeout,
    /// The client hung up before it was opened.
    #[error("hung up before the opening handshake was over")]
    HungUp,
}
