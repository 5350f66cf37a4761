//! Call detail records: exactly one for each call, also when the server is killed in the middle of it.
//!
//! ```text
//!   shard ── facts, one write a batch ──► spool ──► assembler: joiner ──► archive and store, files (JSON lines or CSV)
//! ```
//! A shard has no state of dialogs and gets none: it notes what passes (an INVITE, its first ringing, its answers, the
//! result of a BYE) in its [`Spool`]. The [`Joiner`] makes calls of these facts, off the fast path; the [`Assembler`]
//! feeds it, keeps the calls that are not over in a log, and stores the records of the others. Each step can be repeated
//! after a crash: a turn of the assembler counts when its records are in the store, facts are read on from the position of
//! the last one that counts, and files are cut to the length that was stored with their last record.
//!
//! Not here: money. A record tells who called whom, when, how long and by which way; rating belongs to who bills.

#![forbid(unsafe_code)]

mod address;
mod archive;
mod assembler;
mod batch;
mod by_trunk;
mod call;
mod calls;
mod draft;
mod error;
mod fact;
mod files;
mod folder;
mod joiner;
mod layout;
mod leg;
mod legs;
mod line;
mod list;
mod open_calls;
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
pub use folder::SpoolFolder;
pub use joiner::{Joiner, Policy};
pub use line::{COLUMNS, utc};
pub use list::{Filter, List, list};
pub use record::{Outcome, Record};
pub use spool::{MemorySpool, Spool, SpoolTrouble};
pub use table::losses;
