//! The registrar: RFC 3261 §10, with Path (RFC 3327) and the flows of one device (RFC 5626 §6).
//!
//! ```text
//!   REGISTER ──► Registration::read ──► decide(what is registered now) ──► the new list of bindings
//!                      │                      │                                  │
//!                   refusal                refusal                     write_headers: the 200
//! ```
//! Decisions only: who the sender is (§10.3 steps 3 and 4) is settled before, storing is done after.

#![forbid(unsafe_code)]

mod answer;
mod decide;
mod request;

pub use answer::write_headers;
pub use decide::{BINDINGS_MAX, BindingList, decide};
pub use request::{Asked, CONTACTS_MAX, Registration, Wanted};

/// What the administrator decides about registrations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Shorter lifetimes are refused with 423, seconds.
    pub expires_min_s: u32,
    /// The lifetime when the phone names none, seconds.
    pub expires_default_s: u32,
    /// Longer lifetimes are shortened to this, seconds.
    pub expires_max_s: u32,
    /// How many bindings an address-of-record may have.
    pub bindings_per_aor_max: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self { expires_min_s: 60, expires_default_s: 3600, expires_max_s: 86_400, bindings_per_aor_max: 10 }
    }
}
