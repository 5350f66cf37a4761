//! Names of algorithms and qualities of protection: RFC 7616 §3.3, RFC 8760 §2.1.

/// The `algorithm` parameter: RFC 7616 §6.1, RFC 8760 §2.7.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Algorithm {
    /// `MD5`, and what is meant when the parameter is absent.
    Md5,
    /// `MD5-sess`.
    Md5Sess,
    /// `SHA-256`.
    Sha256,
    /// `SHA-256-sess`.
    Sha256Sess,
    /// `SHA-512-256`: SHA-512/256 of FIPS 180-4, which is not SHA-512 cut short.
    Sha512Trunc256,
    /// `SHA-512-256-sess`.
    Sha512Trunc256Sess,
}

/// The hash function below an [`Algorithm`]. An [`crate::Ha1`] belongs to one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Hash {
    /// MD5: 16 bytes.
    Md5,
    /// SHA-256: 32 bytes.
    Sha256,
    /// SHA-512/256: 32 bytes.
    Sha512Trunc256,
}

/// The `qop` parameter, quality of protection: RFC 7616 §3.3 and §3.4.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Qop {
    /// `auth`: method and URI are protected.
    Auth,
    /// `auth-int`: the body too.
    AuthInt,
}

impl Algorithm {
    /// All of them, strongest first within each kind.
    pub const ALL: [Self; 6] = [
        Self::Sha512Trunc256,
        Self::Sha256,
        Self::Md5,
        Self::Sha512Trunc256Sess,
        Self::Sha256Sess,
        Self::Md5Sess,
    ];

    /// The algorithm with this name, in any case of letters.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The name in the registry "Hash Algorithms for HTTP Digest Authentication".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
            Self::Sha512Trunc256 => "SHA-512-256",
            Self::Sha512Trunc256Sess => "SHA-512-256-sess",
        }
    }

    /// The hash function, with or without `-sess`.
    pub const fn hash(self) -> Hash {
        match self {
            Self::Md5 | Self::Md5Sess => Hash::Md5,
            Self::Sha256 | Self::Sha256Sess => Hash::Sha256,
            Self::Sha512Trunc256 | Self::Sha512Trunc256Sess => Hash::Sha512Trunc256,
        }
    }

    /// Whether HA1 is mixed with nonce and cnonce first: RFC 7616 §3.4.2.
    pub const fn is_session(self) -> bool {
        matches!(self, Self::Md5Sess | Self::Sha256Sess | Self::Sha512Trunc256Sess)
    }
}

impl Hash {
    /// Length of the digest in bytes; its text has twice as many characters.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha256 | Self::Sha512Trunc256 => 32,
        }
    }
}

impl Qop {
    /// The quality with this name, in any case of letters.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Auth, Self::AuthInt]
            .into_iter()
            .find(|known| known.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }
}
