//! WebSocket, the server's half: RFC 6455, as far as RFC 7118 needs it to carry SIP.
//!
//! ```text
//!   browser                                      server
//!     │  GET / HTTP/1.1, Upgrade: websocket        │
//!     ├───────────────────────────────────────────►│  open: 101, or an answer that says what is wrong
//!     │                       101, or 4xx and gone │
//!     │◄───────────────────────────────────────────┤
//!     │  frames, masked                            │
//!     ├───────────────────────────────────────────►│  Reader::next: messages, pings, the end
//!     │                           frames, unmasked │
//!     │◄───────────────────────────────────────────┤  FrameHead, then the payload from where it lies
//! ```
//!
//! Frames are unmasked where they were received. A message in one frame is handed out from there; only one in several
//! frames is put together in a buffer, which has a bound and goes when the message was handed out.
//!
//! Not here: sockets, time (who pings when, who has been silent for too long), SIP, the client's half (a browser is
//! reached by the connection it opened and never dialled), extensions: none is ever agreed to, so the reserved bits
//! must be zero.

#![forbid(unsafe_code)]

mod close;
mod frame;
pub mod limits;
mod mask;
mod opening;
mod origin;
mod reader;
mod refusal;

pub use close::{CloseCode, Violation};
pub use frame::{FrameHead, write_close, write_ping, write_pong};
pub use opening::{Accepted, Opening, Policy, open};
pub use origin::{MalformedOrigin, Origin};
pub use reader::{Input, Reader};
pub use refusal::Refusal;
