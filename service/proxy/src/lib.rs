//! The proxy: RFC 3261 §16, as decisions. It eats facts and says what to do; sockets, transactions, storage and time
//! belong to the node that carries it out.
//!
//! ```text
//!   request ──► screen (§16.3) ──► route (§16.4) ──► access (§16.3 step 6) ──► targets (§16.5)
//!                                                                                  │
//!   upstream ◄── fork: which answer goes up (§16.7) ◄── responses ◄── forward: one copy each (§16.6)
//! ```
//! Transparent by principle: no body is read, no Contact rewritten; [`forward`] touches Via, Max-Forwards, Route,
//! Record-Route, the Request-URI, and credentials that were meant for us.

#![forbid(unsafe_code)]

pub mod access;
pub mod asserted;
mod cookie;
pub mod derived;
pub mod early;
mod flow_code;
pub mod flow_token;
pub mod fork;
pub mod forward;
pub mod history;
mod identity;
pub mod preferences;
pub mod privacy;
pub mod reason;
pub mod record_route;
pub mod redirect;
pub mod renumber;
mod route;
mod screen;
pub mod session_timer;

pub use cookie::{ANY_SHARD, CookieKey, Place};
pub use flow_code::PhoneMark;
pub use identity::{Identity, Local};
pub use route::Routed;
pub use screen::{Screened, screen};
