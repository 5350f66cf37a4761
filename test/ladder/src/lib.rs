//! Call flows as text, run in the simulated world.
//!
//! ```text
//!   ladder text ──► lines ──► for each line, in order:
//!                              phone -> proxy   the scripted phone builds the message and sends it
//!                              proxy -> phone   the world runs until it comes; it is compared and learnt from
//!                              +500ms           nothing else may happen until then
//! ```
//!
//! Phones do nothing that the ladder does not say, but they know SIP: what they send fits what they have received
//! (RFC 3261 §8.2.6, §12, §13, §17.1.1.3). The notation is in `README.md` beside this crate.
//!
//! Messages are read and written here by a few plain text functions of our own, so that a fault in the server's parser
//! cannot hide itself.
//!
//! Not here: the server (the test brings its engine), SDP, automatic behaviour of phones.

mod act;
mod auth;
mod check;
mod expect;
mod failure;
mod glob;
mod ladder;
mod learn;
mod message;
mod notation;
mod phone;
mod places;
mod premise;
mod reading;
mod report;
mod request;
mod response;
mod stage;
mod text;

pub use failure::{Failure, Problem};
pub use ladder::{Ladder, Site, User, password_of};
pub use stage::Stage;
