//! Files of fixed length in memory: one side appends, another reads what has been appended.
//!
//! ```text
//!   Writer ── append ──► │ what has been appended │ end │ room │ ◄── bytes ── Reader
//! ```
//! Where the file system keeps the room that it has given, the memory is the file's own pages: appending is a copy, without a
//! system call, and survives `kill -9` all the same. Elsewhere a page that is written to for the first time may find the disk
//! full, which ends the program by a signal: there the memory is ours, and the file is written at once. Room that has been
//! used is used again, for making it is what costs.

mod memory;
mod segment;

pub use segment::{END_BYTES, Reader, Writer};
