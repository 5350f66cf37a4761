//! TLS on a stream, RFC 3261 §26.2 and RFC 8446: one connection's records, opened and sealed.
//!
//! ```text
//!   handshaking ──► established ──► closed (close_notify)
//!        │               │
//!        └───────────────┴──► failed: see TlsFailure
//! ```
//!
//! The session has no buffers of its own: records are opened where the read has put them, and sealed straight into what
//! is written. What an idle connection holds are its keys.

mod configs;
mod domains;
mod failure;
mod session;

pub use configs::TlsConfigs;
pub use domains::DOMAINS_MAX;
pub(crate) use domains::Domains;
pub use failure::TlsFailure;
pub(crate) use session::{Came, End, Session};
