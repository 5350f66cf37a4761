//! What can be wrong with a header value.

/// Why a value is neither credentials nor a challenge we can use. A server answers 400 (RFC 3261 §22.4 has no other
/// word for it), a client passes over the challenge (RFC 8760 §2.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    /// Another scheme, such as Basic, which SIP forbids (RFC 8760 §2.6).
    #[error("the scheme is not Digest")]
    Scheme,
    /// Not `name=value, name=value`; the byte of the value where reading stopped.
    #[error("name=value expected at byte {at}")]
    Syntax {
        /// Offset in the header value.
        at: usize,
    },
    /// A parameter that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A parameter stands twice; which one counts would be anybody's guess.
    #[error("{0} is given twice")]
    Twice(&'static str),
    /// `nc` is not eight hex digits.
    #[error("nc is not eight hex digits")]
    NonceCount,
    /// `qop` is neither `auth` nor `auth-int`.
    #[error("unknown qop")]
    Qop,
    /// `algorithm` names none of ours.
    #[error("unknown algorithm")]
    Algorithm,
    /// `userhash=true`, which we do not offer (RFC 7616 §3.4.4).
    #[error("userhash is not supported")]
    Userhash,
    /// `username*` with anything but plain UTF-8 text: no SIP user needs it, they escape inside their URI.
    #[error("username* is supported only as UTF-8''name without %-escapes")]
    UsernameStar,
    /// A challenge that is not UTF-8 (RFC 3261 §25.1: qdtext).
    #[error("the challenge is not UTF-8")]
    Text,
}
