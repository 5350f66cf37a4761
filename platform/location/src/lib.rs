//! Where each user can be reached: the location service of RFC 3261 §10, with the Path of RFC 3327 and the instances
//! and flows of RFC 5626.
//!
//! Every address-of-record has one record, a compact byte string with all its bindings. It lies in memory, in a table
//! that all shards read, and the same bytes go to an append-only log, one per shard, so a registration that was
//! answered survives `kill -9`.
//!
//! ```text
//!  shard 0 ── update ──► table (stripes, one lock each) ◄── read ── every shard
//!     │ commit                      │
//!     ▼                             ▼ compaction, in the background
//!  location-0.7.log             location.snapshot          (replaces every log of an older generation)
//! ```
//!
//! - [`Location`] is the shared handle: [`read`](Location::read), [`dump`](Location::dump).
//! - [`Writer`] belongs to one shard: [`update`](Writer::update) decides and changes an address-of-record as one step,
//!   [`commit`](Writer::commit) makes everything since the last commit durable, or undoes it. A REGISTER is answered
//!   after the commit. A refresh that the log covers already is written later, with others: see `reprieve`.
//! - What the files hold, what may be lost and what may never come back stands in `segments`, `replay` and `compaction`.
//!
//! Not here: what a REGISTER may do (the registrar decides), canonical form of an address-of-record (the caller's),
//! choosing among bindings (the proxy's).

#![forbid(unsafe_code)]

mod binding;
mod compaction;
mod disk;
mod error;
mod expiry;
mod keeper;
mod limits;
mod location;
mod log;
mod record;
mod replay;
mod reprieve;
mod segments;
mod shared;
mod table;
mod update;
mod writer;

#[cfg(test)]
mod fault_tests;

pub use binding::{Binding, Bindings, StoredFlow};
pub use error::LocationError;
pub use limits::{Limits, SyncPolicy};
pub use location::Location;
pub use replay::OpenReport;
pub use shared::Upkeep;
pub use update::{Change, Replacement};
pub use writer::Writer;
