//! The registrar: RFC 3261 §10, with Path (RFC 3327), the flows of one device (RFC 5626 §6), its names (GRUU, RFC 5627)
//! and Service-Route (RFC 3608).
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
pub mod gruu;
mod request;

pub use answer::{Headers, write_headers};
pub use decide::{BINDINGS_MAX, BindingList, decide, way_before};
pub use request::{
    Asked, CONTACT_PARAMS_BYTES_MAX, CONTACTS_MAX, Contacts, PATHS_MAX, Registration, Wanted,
    required_extensions,
};

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
    /// Whether a Path is refused with 420 when the phone does not say that it supports it (RFC 3327 §5.3).
    pub path_must_be_supported: bool,
    /// How long a phone on a connection may be silent, seconds: Flow-Timer (RFC 5626 §4.4). 0 says nothing.
    pub flow_timer_s: u32,
    /// Whether a 200 says what time it is (§10.3, last paragraph).
    pub date: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            expires_min_s: 60,
            expires_default_s: 3600,
            expires_max_s: 86_400,
            bindings_per_aor_max: 10,
            path_must_be_supported: true,
            flow_timer_s: 120,
            date: true,
        }
    }
}
