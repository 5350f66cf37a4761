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
//! ```
//! use offhook_transaction::{Config, Due, Limits, ServerKey, ServerVerdict, Timing, Transactions};
//!
//! let hash_key = [7; 16]; // sixteen random bytes
//! let (timing, limits) = (Timing::default(), Limits::default());
//! let config = Config { timing, limits, hash_key, user_delays_ms: vec![200, 180_000] };
//! let mut layer: Transactions<&str, &str> = Transactions::new(&config);
//!
//! // An OPTIONS comes over UDP, is answered, and comes again because the answer was lost.
//! let key = ServerKey::Rfc3261 { branch: b"z9hG4bK776asdhds", sent_by: b"192.0.2.1", method: b"OPTIONS" };
//! let id = layer.open_server(10_000, &key, false, false, "from 192.0.2.1:5060")?;
//! assert_eq!(layer.respond(10_001, id, 200, b"SIP/2.0 200 OK\r\n\r\n"), ServerVerdict::Send);
//! let again = layer.find_server(&key).and_then(|id| layer.request_again(10_500, id));
//! assert_eq!(again, Some(&b"SIP/2.0 200 OK\r\n\r\n"[..]));
//!
//! // Timer J ends it.
//! let now_ms = layer.next_deadline_ms().unwrap_or_default();
//! assert!(now_ms >= 42_001);
//! assert_eq!(layer.next_due(now_ms), Some(Due::ServerEnded(id, "from 192.0.2.1:5060")));
//! # Ok::<(), offhook_transaction::OpenError>(())
//! ```
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
