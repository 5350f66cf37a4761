//! Call detail records: exactly one for each call, also when the server is killed in the middle of it.
//!
//! ```text
//!   shard ── facts, one write a batch ──► spool ──► assembler: joiner ──► tables ──► files (JSON lines or CSV)
//! ```
//! A shard has no state of dialogs and gets none: it notes what passes (an INVITE, its first ringing, its answers, the
//! result of a BYE) in its [`Spool`]. The [`Joiner`] makes calls of these facts, off the fast path; the [`Assembler`]
//! feeds it and stores what it says. Each step can be repeated after a crash: facts are read on from the position that
//! was stored together with their records, and files are cut to the length that was stored with their last record.
//!
//! Not here: money. A record tells who called whom, when, how long and by which way; rating belongs to who bills.

#![forbid(unsafe_code)]

mod assembler;
mod call;
mod error;
mod fact;
mod files;
mod joiner;
mod leg;
mod line;
mod record;
mod segments;
mod spool;
mod table;
mod tail;

pub use assembler::{Assembler, Options, Turn};
pub use call::EndedBy;
pub use error::CdrError;
pub use fact::{Answered, Begun, Fact, InDialog, TEXT_BYTES_MAX};
pub use files::{FileFormat, FileOptions};
pub use joiner::{Joiner, Policy};
pub use line::{COLUMNS, utc};
pub use record::{Outcome, Record};
pub use spool::{MemorySpool, Spool, SpoolFolder, SpoolTrouble};
pub use table::{Filter, list, losses};
