//! What commands ask a running server, and what it answers: lines of JSON over the socket `control.sock` in its data
//! directory, which only its owner may open (`offhook_net::ControlSocket`).
//!
//! ```text
//!   → {"offhook":1,"ask":"ban.lift","source":"192.0.2.7"}
//!   ← {"source":"192.0.2.7","until_s":1795249203,…}          one line for each thing
//!   ← {"offhook":1,"done":1}                                   so many; without it the answer was cut off
//!
//!   → {"offhook":1,"ask":"trunk.lift"}
//!   ← {"offhook":1,"error":"this server knows no question \"trunk.lift\"","kind":"unknown"}
//! ```
//! `offhook` is the version of the protocol. Later versions of the program may know more questions and more fields; what
//! changes the meaning of those that are there is another version, and is refused.
//!
//! A [`Desk`] answers in a thread of its own from what shards share: tables of atomics, snapshots, channels that never
//! wait. To add a question: `desk.on("trunk.list", move |_| Ok(trunks.iter().map(object).collect()))`, and ask it
//! with `ask(&data_dir, &Question::new("trunk.list"))`.

#![forbid(unsafe_code)]

mod asking;
mod desk;
mod question;

pub use asking::{AskError, ask};
pub use desk::Desk;
pub use question::{Fault, Question};
