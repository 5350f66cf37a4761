//! Which rule of the configuration takes a request, and where it leads (RFC 3261 §16.5).
//!
//! ```text
//!   [[route]], [[trunk]] ──Rules::new──► Rules ──first(facts)──► Rule ──► To | Trunk | Users | Redirect | Refuse
//!                                          │                      │
//!                                     explain(facts)           Change: the Request-URI to send
//!                                                                 Trunk::order: which target, which next
//! ```
//! Decisions only. A rule is looked at with its cheapest condition first and costs nothing where there are none.

#![forbid(unsafe_code)]

mod change;
mod enrolment;
mod rule;
mod rules;
mod spread;
mod toward;
mod trunk;
mod trust;
mod when;

pub use enrolment::{Enrolment, Setback};
pub use rule::{Rule, Then};
pub use rules::Rules;
pub use spread::SpreadKey;
pub use toward::Toward;
pub use trunk::{Login, Registers, Target, Trunk};
pub use trust::TrustDomain;
pub use when::{Facts, Unmet};
