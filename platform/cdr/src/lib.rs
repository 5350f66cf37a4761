//! Call detail records: exactly one for each call, also when the server is killed in the middle of it.
//!
//! ```text
//!   shard ── facts, one write a batch ──► spool ──► joiner ──► records
//! ```
//! A shard has no state of dialogs and gets none: it notes what passes (an INVITE, its first ringing, its answers, the
//! result of a BYE) in its [`Spool`]. The [`Joiner`] makes calls of these facts, off the fast path.

#![forbid(unsafe_code)]

mod call;
mod fact;
mod joiner;
mod record;
mod segments;
mod spool;

pub use call::EndedBy;
pub use fact::{Answered, Begun, Fact, InDialog, TEXT_BYTES_MAX};
pub use joiner::{Changes, Joiner, Policy};
pub use record::{Outcome, Record};
pub use spool::{MemorySpool, Spool, SpoolFolder, SpoolTrouble};
