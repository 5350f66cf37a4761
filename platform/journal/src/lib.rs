//! Everything that happens is one enum, [`Event`]; log lines and counters are readings of it.
//!
//! ```text
//!   shard ──note(event)──► counter + 1 ──grave enough?──► rate of its kind ──► line ──► batch ──flush──► LogThread ──► stderr
//!                                      └─ no: done                      └─ full: counted, told a second later
//! ```
//!
//! - A [`Journal`] belongs to one thread and is handed around as `&mut`: an event that is not logged costs an
//!   increment and a comparison, no lock, no atomic read-modify-write, no formatting.
//! - What came from the network is shown so that it can neither break a line nor steer a terminal (`field.rs`), and
//!   is cut at [`FIELD_BYTES_MAX`].
//! - A flood of one kind fills no disk: [`LINES_PER_SECOND_MAX`] lines a second and kind, then one that counts the rest.
//! - A stuck terminal or log collector stops no call: batches are handed to a thread, and are lost when it cannot
//!   keep up; the next line says how many.
//! - Secrets cannot leak: a field is one of the few types of `field.rs`, none of which carries a password, an HA1, a
//!   nonce or a digest response, and a test forbids fields of such names.
//!
//! Not here: the clock (every call is told the time) and who reads the counters.

mod counters;
mod declare;
mod event;
mod field;
mod journal;
mod level;
mod line;
mod manual;
mod rate;
mod sink;

pub use counters::Counters;
pub use event::{AuthFailure, Event, EventKind};
pub use field::FIELD_BYTES_MAX;
pub use journal::Journal;
pub use level::Level;
pub use line::Format;
pub use manual::reference;
pub use rate::{ERROR_LINES_PER_SECOND_MAX, LINES_PER_SECOND_MAX};
pub use sink::{BATCH_BYTES_MAX, BATCHES_MAX, LogClock, LogThread, MEMORY_LINES_MAX, MemoryLines, Sink};
