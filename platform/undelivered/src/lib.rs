//! Messages that wait for their recipient: the store of a message relay (RFC 3428 §7).
//!
//! ```text
//!   shard ── Ask::Keep ──► Office ─► Keeper: one transaction for all that came together ─► offhook.db
//!     ▲                                │
//!     └── Told::Kept: now the 202 may leave ◄┘      (or not: there is no room, the disk refuses)
//!
//!   shard ── Ask::Registered ─► Keeper: whose turn is it? ── Told::Deliver ─► shard: MESSAGE to all devices
//!     └── Ask::Done ──────────► gone, or kept and tried again later
//! ```
//! A shard never waits: it asks by its [`Desk`] and goes on. The [`Keeper`] is a value that a thread drives, or a test
//! with a clock of its own; what it has promised is in the store. One recipient gets one message at a time, the oldest
//! first.
//!
//! Not here: who may leave a message and what of it is kept (service/message), SIP.

#![forbid(unsafe_code)]

mod desk;
mod keeper;
mod line;
mod message;
mod signs;
mod table;

pub use desk::{Ask, Desk, NotKept, Office, Outcome, Parcel, Told};
pub use keeper::{Keeper, Limits};
pub use message::{Filter, Listed, NewMessage};
pub use table::{is_empty, list, remove};
