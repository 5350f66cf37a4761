//! SIP transactions: RFC 3261 §17 as corrected by RFC 6026, with the prohibitions of RFC 4320.
//!
//! ```text
//!                     request             ┌──────────────────────────┐  request
//!      ──────────────► find_server ──────►│ server       client      │ set_request ───────►
//!                      open_server        │ transaction  transaction │ open_client
//!      ◄────────────── respond ◄──────────│      transaction user    │ response ◄──────────
//!                     response            │  (proxy, user agent, …)  │  find_client response
//!                                         └──────────────────────────┘
//!                             next_due: what is sent again, times out, ends
//! ```
//!
//! Sans-IO: nothing here sends, reads a clock or parses. [`Transactions`] is told what happened, in slices that the
//! caller has found in the message, and says what to do. The rules stand in four small machines, one file each:
//! [`InviteClient`], [`NonInviteClient`], [`InviteServer`], [`NonInviteServer`].
//!
//! A transaction is a record of some 56 bytes in a [`Slab`], a block of a pool ([`Buffers`]) for the bytes it must be
//! able to send again, and one or two reminders in a [`TimerQueue`]. In steady state nothing is allocated.
//!
//! Not here: parsing and building messages (the `sip` crate), choosing addresses (RFC 3263), dialogs, and what the RFCs
//! leave to the transaction user; each machine's file names its part of that.

#![forbid(unsafe_code)]

mod actions;
mod buffers;
mod client;
mod deadlines;
mod held;
mod ids;
mod invite_client;
mod invite_server;
mod key;
mod layer;
mod non_invite_client;
mod non_invite_server;
mod server;
mod slab;
mod table;
mod timers;
mod timing;
mod wheel;

pub use actions::{Actions, ClientInput, Dispatch, ServerInput, Set, Tell};
pub use buffers::{Buffer, Buffers};
pub use client::{ClientRecord, ClientState, ClientVerdict};
pub use deadlines::{DELAY_MAX_MS, LINGER_GRAIN_MS};
pub use ids::{ClientId, ServerId, TransactionId};
pub use invite_client::InviteClient;
pub use invite_server::InviteServer;
pub use key::{KEY_BYTES_MAX, ServerKey, has_magic_cookie};
pub use layer::{Config, Due, Limits, OpenError, Transactions};
pub use non_invite_client::NonInviteClient;
pub use non_invite_server::NonInviteServer;
pub use server::{AckVerdict, ServerRecord, ServerState, ServerVerdict};
pub use slab::{Slab, SlotId};
pub use timers::{Delay, Entry, Fate, LANES_MAX, TimerQueue};
pub use timing::Timing;
