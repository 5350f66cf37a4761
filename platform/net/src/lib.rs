//! Sockets: UDP in batches, TCP, TLS, WebSocket, and the loop that drives an engine.
//!
//! ```text
//!   [(transport, address)] ──resolve──► [Listener] ──bind──► [ShardSockets] ──Loop::new──► [Loop<E: Engine>]
//! ```
//!
//! One thread per shard runs a [`Loop`]. It owns its sockets, its connections and its [`Engine`]; shards share nothing
//! but mailboxes, through which a message that came to the wrong shard is handed over ([`Outbox::hand_over`]), and
//! one that is to leave by another shard's connection finds it.
//!
//! The engine knows neither sockets nor a clock: it is told the time, gets messages with the [`Flow`] they came by,
//! and puts messages with the flow they shall leave by into an [`Outbox`].
//!
//! Not here: DNS.

mod bind;
mod clock;
mod control;
mod counters;
mod engine;
mod error;
mod fallout;
mod flow;
mod icmp;
mod limits;
mod mailbox;
mod outbox;
mod resolve;
mod shard;
mod stop;
mod sys;
mod tcp;
mod tls;
mod toward;
mod websocket;

pub use bind::{SHARDS_MAX, ShardSockets, bind};
pub use clock::Clock;
pub use control::{ANSWER_BYTES_MAX, CONTROL_SOCKET, ControlSocket, QUESTION_BYTES_MAX, ask_control};
pub use counters::{CloseReason, Counter, NetCounters};
pub use engine::Engine;
pub use error::NetError;
pub use flow::{ConnectionId, Flow, Listener};
pub use icmp::IcmpError;
pub use limits::{Limits, make_room_for};
pub use mailbox::{Bells, NamesDesk};
pub use outbox::{HandOver, Outbox, Outgoing, Ticket};
pub use resolve::{Ask, LISTENERS_MAX, own_addresses, resolve};
pub use shard::Loop;
pub use stop::Stopper;
pub use sys::SIEVED_MAX;
pub use tls::{DOMAINS_MAX, TlsConfigs, TlsFailure};
pub use toward::local_ip_toward;
pub use websocket::{WebSocketFailure, WebSocketOptions};
