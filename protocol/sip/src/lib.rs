//! SIP messages: RFC 3261 sections 7, 19, 20 and 25.
//!
//! A message keeps its received bytes. [`Message::parse`] finds, in one pass and without allocating, where things are;
//! typed values ([`Via`], [`NameAddr`], [`Uri`], …) borrow from the bytes and are parsed when asked for. [`Splice`]
//! changes a message without touching a byte that need not change; [`Reply`] answers a request; [`stream::frame`]
//! finds messages in a stream.
//!
//! ```text
//!   datagram ──► Message::parse ──► top_via(), from(), values(Route) …      (views)
//!                     │
//!                     └─► Splice: push, replace, remove ──► the same bytes with a few new ones
//! ```
//!
//! Not here: time, sockets, transactions, dialogs, bodies.

#![forbid(unsafe_code)]

mod block;
mod chars;
mod error;
mod essentials;
pub mod header;
mod host;
pub mod limits;
mod line;
mod message;
mod method;
mod name;
mod params;
mod quoted;
mod refusal;
mod reply;
mod splice;
mod start_line;
mod status;
pub mod stream;
mod transport;
mod uri;

pub use chars::{same_in_any_case, trim};
pub use error::{Malformed, NotSip};
pub use essentials::Essentials;
pub use header::{
    Alternative, CSeq, Contact, Date, Disposition, Feature, FeatureSet, FeatureValue, Likeness, LossFeedback,
    MAGIC_COOKIE, NameAddr, OptionTags, Values, Via,
};
pub use host::{Host, HostPort};
pub use line::Line;
pub use message::{Message, ResponseParts};
pub use method::Method;
pub use name::{HowMany, Name};
pub use params::{Param, Params};
pub use quoted::QuotedRequest;
pub use refusal::{Hint, Refusal};
pub use reply::Reply;
pub use splice::{Scratch, Splice};
pub use start_line::StartLine;
pub use status::reason_phrase;
pub use transport::Transport;
pub use uri::{Scheme, Uri, write_host};
