//! Who behaves badly, and what it costs him.
//!
//! ```text
//!   failure that proves its source ──► score of the source ──► silence, 0.5 s … 8 s ──► ban, 5 min … a day
//!                                  └─► score of the account ──► one guess a minute from places that are new to it
//!   registered phone ──► its address is known: never banned, the account that fails there is silenced alone
//! ```
//! A source address in a datagram proves nothing: whoever could be banned by a forged one could be cut off by anybody.
//! So only what proves its source is counted: credentials with a nonce that was sealed for this very address, or
//! anything that came over a connection.
//!
//! Delays are silence: an answer that is held back would be memory that a stranger makes us keep. A request that is
//! dropped comes again by its sender's own timers (RFC 3261 §17.1.2.2), and the first one after the delay is answered.
//!
//! All shards share one [`Guard`] of plain atomics: no locks, no waiting. What nobody has done costs one comparison.

#![forbid(unsafe_code)]

mod ban;
mod counts;
mod guard;
mod known;
mod policy;
mod record;
mod score;
mod slots;
mod source;
mod walk;

pub use ban::{Ban, Offence};
pub use guard::{Guard, Guess, Verdict};
pub use policy::Policy;
pub use source::{NoSource, Source};
pub use walk::Asking;
