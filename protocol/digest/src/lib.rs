//! HTTP digest authentication for SIP: RFC 7616 and RFC 8760, and RFC 2617 for phones that know no better.
//!
//! ```text
//!   phone                                            server
//!     │  REGISTER                                      │
//!     ├───────────────────────────────────────────────►│
//!     │  401, WWW-Authenticate: Digest nonce="…"       │  NonceKey::issue, Challenge::write
//!     │◄───────────────────────────────────────────────┤  (nothing is remembered)
//!     │  REGISTER, Authorization: Digest response="…"  │
//!     ├───────────────────────────────────────────────►│  Credentials::parse, NonceKey::check, verify
//! ```
//!
//! The server keeps no passwords, only [`Ha1`], and no nonces: a nonce is sealed with a key and proves itself.
//! [`Credentials::parse`], [`NonceKey::issue`], [`NonceKey::check`] and [`verify`] allocate nothing.
//!
//! Not here: where HA1 values are stored; which algorithms are offered; what happens after a wrong answer; replay of
//! a nonce count within a nonce's lifetime (who wants that refused remembers [`Credentials::nc`] per nonce);
//! Authentication-Info (RFC 7616 §3.5).

#![forbid(unsafe_code)]

mod algorithm;
mod challenge;
mod choice;
mod credentials;
mod error;
mod ha1;
mod info;
mod nonce;
mod params;
mod response;

pub use algorithm::{Algorithm, Hash, Qop};
pub use challenge::Challenge;
pub use choice::best;
pub use credentials::Credentials;
pub use error::Malformed;
pub use ha1::{DIGEST_LEN_MAX, Ha1};
pub use info::next_nonce;
pub use nonce::{Issue, NONCE_LEN, Nonce, NonceKey, NonceVerdict};
pub use params::unescape;
pub use response::{Login, Request, answer, verify};
