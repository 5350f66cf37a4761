//! Certificates: those we show, those we trust, and what names they prove.
//!
//! ```text
//!   Wanted ──load──► Loaded { server, client }          again whenever Watch says that a file has changed
//!     │ no files named: made once, kept in the data directory (key 0600)
//!     └ server: by SNI, one per domain · client: SipVerifier, the name checks of RFC 5922
//! ```
//!
//! What a certificate proves about a SIP domain is not what browsers take it for: a `sip:` URI in subjectAltName comes
//! before DNS names, and a wildcard matches nothing (RFC 5922 §7.1, §7.2).

#![forbid(unsafe_code)]

mod by_domain;
mod error;
mod files;
mod identity;
mod load;
mod own;
mod validity;
mod verifier;
mod watch;

pub use error::CertificateError;
pub use files::PemFiles;
pub use identity::sip_domains;
pub use load::{Loaded, Wanted, check, load};
pub use own::{OWN_CERTIFICATE, OWN_KEY, make_own};
pub use validity::ends;
pub use verifier::SipVerifier;
pub use watch::Watch;
