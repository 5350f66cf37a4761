//! Finding the next hop by name: RFC 3263, with the selection of RFC 2782, two address families (RFC 7984), and telephone
//! numbers (ENUM, RFC 6116).
//!
//! ```text
//!   Wanted ──begin──► Search ──questions──► (whoever can ask) ──answers──► Search … ──► Located ──order(entropy)──► Hop, Hop …
//!     host, port,      NAPTR ─► SRV ─► A, AAAA                                 └──────► Nowhere: an answer to the request
//!     transport, sips
//! ```
//! A search is a value: it says what to ask, eats the answers and says what to ask next. It opens no socket, keeps no
//! clock, and draws its weighted choice from a number that it is given, so the same number gives the same order.
//!
//! Answers are somebody else's: they may loop, lie, and be long. Every step is bounded ([`limits`]), and what cannot be
//! used is dropped and counted.
//!
//! Not here: sockets, caching, CNAME (the resolver follows it), DNSSEC, and which targets are dead.

#![forbid(unsafe_code)]

mod address;
mod domain;
mod enumeration;
mod finding;
mod hop;
pub mod limits;
mod located;
mod number;
mod question;
mod record;
mod rewrite;
mod search;
mod service;
mod wanted;
mod weights;

pub use address::Reach;
pub use domain::Domain;
pub use enumeration::{EnumNext, EnumSearch};
pub use finding::Finding;
pub use hop::Hop;
pub use located::{Located, Server};
pub use number::Number;
pub use question::{Kind, Question};
pub use record::{Answer, Naptr, Record, Srv};
pub use rewrite::{BadRewrite, Rewrite};
pub use search::{Next, Nowhere, Search};
pub use wanted::{Abilities, Wanted};
