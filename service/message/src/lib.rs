//! The message relay: RFC 3428 §7. What of a MESSAGE is kept for a recipient who cannot be reached, and what is sent to
//! him later.
//!
//! ```text
//!   MESSAGE bob ─► no device, or none that answers ─► keep: what stands in it without its hops ──► 202
//!                                                         │
//!   bob registers ──────────────────────────────► delivery: the same request to each of his devices
//! ```
//! From, To, Call-ID and CSeq stay as they were written, as do Content-Type and body, signed or not (message/cpim, IMDN of
//! RFC 5438): to the recipient's phone it is the sender's request that has taken long. A phone that got it twice can see
//! that it is one.
//!
//! Not here: who may leave a message (proxy's access), keeping (`offhook-undelivered`), sending.

#![forbid(unsafe_code)]

mod delivery;
mod keep;

pub use delivery::{Delivery, judge, worse};
pub use keep::{Policy, expires_at_ms, is_unreachable, write_content, write_identity};
