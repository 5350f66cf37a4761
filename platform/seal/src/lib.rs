//! State of ours that travels in messages instead of lying in memory: the flows of a dialog in Record-Route, the flow of
//! a phone in Path (RFC 5626 §5.2), the device behind a temporary GRUU (RFC 5627 Appendix A). It is sealed, so that
//! nobody else can read it, make it, change it, or move it to another dialog.
//!
//! ```text
//!   token   base64url of:  key │ salt │ sealed state │ tag        key: 1 byte, tag: 16, salt: 8 or none
//!
//!   nonce = first 12 bytes of SipHash-128(key, purpose, what it is bound to, salt)
//!   sealed state, tag = AES-128-GCM-SIV(key, nonce, state)        RFC 8452
//! ```
//!
//! - **Nothing about nonces is remembered.** The nonce follows from what the token is bound to (Call-ID and caller's tag
//!   of a dialog), so it need not travel, shards and restarts need not agree on a counter, and a token that is carried to
//!   another dialog does not open there. What is bound to nothing carries a salt that follows from the state itself. Two
//!   states under one nonce are two values of one dialog: a handful, where RFC 8452 §9 allows 256 and more with 2^61
//!   messages. Even then GCM-SIV tells only that two states are equal.
//! - **Two keys are live**: the one that seals and the one before it, which still opens. [`Keeper`] makes them, keeps them
//!   in the store and lets them go. See there how long a token lives.
//! - What comes in is judged in constant memory and without allocation: [`Seals::open`] takes any bytes.

#![forbid(unsafe_code)]

mod keeper;
mod key;
mod ring;

pub use keeper::Keeper;
pub use key::{Purpose, STATE_BYTES_MAX, State};
pub use ring::{Ring, Seals};
