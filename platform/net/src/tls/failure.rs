//! Why a connection was not secured, in words an operator can act on.

use rustls::{AlertDescription, CertificateError, Error};

/// The type of a record that carries handshake messages: RFC 8446 §5.1.
pub(super) const HANDSHAKE: u8 = 22;

/// Why a handshake failed, or what had been secured did not stay so.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum TlsFailure {
    /// What came first was no TLS: plain SIP on the TLS port, or noise.
    NotTls,
    /// No version, cipher or group in common.
    Incompatible,
    /// The peer's certificate is over, or its time has not come.
    Expired,
    /// No authority that we trust vouches for the peer's certificate.
    UnknownAuthority,
    /// The peer's certificate is for another name: RFC 5922 §7.3.
    WrongName,
    /// The peer had to show a certificate and did not.
    NoCertificate,
    /// The peer's certificate is refused for another reason: signature, purpose, revocation, encoding.
    BadCertificate,
    /// The peer does not accept our certificate.
    OursRefused,
    /// The peer ended the handshake with another alert.
    PeerAlert,
    /// The peer went away in the middle of the handshake.
    HungUp,
    /// [`crate::Limits::handshake_ms`].
    Timeout,
    /// [`crate::Limits::handshakes_max`], [`crate::Limits::handshakes_per_source_max`].
    TooMany,
    /// We have no TLS configuration to speak it with.
    NotConfigured,
    /// The peer asked for a second handshake within the connection (RFC 5246 §7.4.1.1), which nobody gets.
    Renegotiation,
    /// A record or a handshake message that breaks the protocol.
    Broken,
}

impl TlsFailure {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 15] = [
        Self::NotTls,
        Self::Incompatible,
        Self::Expired,
        Self::UnknownAuthority,
        Self::WrongName,
        Self::NoCertificate,
        Self::BadCertificate,
        Self::OursRefused,
        Self::PeerAlert,
        Self::HungUp,
        Self::Timeout,
        Self::TooMany,
        Self::NotConfigured,
        Self::Renegotiation,
        Self::Broken,
    ];

    /// A short name for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotTls => "not_tls",
            Self::Incompatible => "incompatible",
            Self::Expired => "expired",
            Self::UnknownAuthority => "unknown_authority",
            Self::WrongName => "wrong_name",
            Self::NoCertificate => "no_certificate",
            Self::BadCertificate => "bad_certificate",
            Self::OursRefused => "ours_refused",
            Self::PeerAlert => "peer_alert",
            Self::HungUp => "hung_up",
            Self::Timeout => "timeout",
            Self::TooMany => "too_many",
            Self::NotConfigured => "not_configured",
            Self::Renegotiation => "renegotiation",
            Self::Broken => "broken",
        }
    }

    /// What it means, for the log.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::NotTls => "what came is not TLS; is the peer set to plain TCP?",
            Self::Incompatible => "no TLS version or cipher in common",
            Self::Expired => "the peer's certificate has expired or is not valid yet",
            Self::UnknownAuthority => "no trusted authority vouches for the peer's certificate",
            Self::WrongName => "the peer's certificate is for another name",
            Self::NoCertificate => "the peer showed no certificate",
            Self::BadCertificate => "the peer's certificate is not acceptable",
            Self::OursRefused => "the peer does not accept our certificate",
            Self::PeerAlert => "the peer ended the handshake",
            Self::HungUp => "the peer went away during the handshake",
            Self::Timeout => "the handshake took too long",
            Self::TooMany => "too many handshakes at once",
            Self::NotConfigured => "TLS is not set up here",
            Self::Renegotiation => "the peer wants to negotiate anew, which is not done here",
            Self::Broken => "the peer breaks the TLS protocol",
        }
    }

    /// What an error of the TLS library means. `first` is the first byte the peer sent, if it sent nothing valid yet.
    pub(crate) fn of(error: &Error, first: Option<u8>) -> Self {
        match error {
            Error::InvalidMessage(_) if first.is_some_and(|byte| byte != HANDSHAKE) => Self::NotTls,
            Error::PeerIncompatible(_) => Self::Incompatible,
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidCertificate(why) => Self::of_certificate(why),
            Error::AlertReceived(alert) => Self::of_alert(*alert),
            _ => Self::Broken,
        }
    }

    fn of_certificate(why: &CertificateError) -> Self {
        match why {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::Expired,
            CertificateError::UnknownIssuer => Self::UnknownAuthority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName
            }
            _ => Self::BadCertificate,
        }
    }

    fn of_alert(alert: AlertDescription) -> Self {
        match alert {
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => Self::OursRefused,
            AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure => Self::Incompatible,
            _ => Self::PeerAlert,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn reasons_are_in_order_and_told_apart() {
        assert!(TlsFailure::ALL.iter().enumerate().all(|(place, reason)| *reason as usize == place));
        let words = |word: fn(TlsFailure) -> &'static str| {
            TlsFailure::ALL.map(word).into_iter().collect::<HashSet<_>>()
        };
        assert_eq!(words(TlsFailure::name).len(), TlsFailure::ALL.len());
        assert_eq!(words(TlsFailure::meaning).len(), TlsFailure::ALL.len());
    }
}
