//! What is known of an account's password: a digest for each hash function.

use std::fmt;

use offhook_digest::{Algorithm, DIGEST_LEN_MAX, Ha1, Hash};
use offhook_store::sql;

use crate::name::Name;

/// The HA1 values of an account (RFC 7616 §3.4.2), as bytes: a million of them stay in memory. One that was imported
/// as a digest has only that one. [`fmt::Debug`] shows which there are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credential {
    pub(crate) md5: Option<[u8; 16]>,
    pub(crate) sha256: Option<[u8; 32]>,
    pub(crate) sha512_256: Option<[u8; 32]>,
}

impl Credential {
    /// What is looked at where there is no account: it has a digest for every algorithm and belongs to nobody.
    pub const fn decoy() -> Self {
        Self { md5: Some([0x6f; 16]), sha256: Some([0x6f; 32]), sha512_256: Some([0x6f; 32]) }
    }

    /// The digest for this algorithm, if the account has it.
    pub fn ha1(&self, algorithm: Algorithm) -> Option<Ha1> {
        let digest = match algorithm.hash() {
            Hash::Md5 => self.md5.as_ref()?.as_slice(),
            Hash::Sha256 => self.sha256.as_ref()?,
            Hash::Sha512Trunc256 => self.sha512_256.as_ref()?,
        };
        Ha1::from_digest(algorithm, digest)
    }

    /// Whether the account has a digest for this algorithm.
    pub fn has(&self, algorithm: Algorithm) -> bool {
        match algorithm.hash() {
            Hash::Md5 => self.md5.is_some(),
            Hash::Sha256 => self.sha256.is_some(),
            Hash::Sha512Trunc256 => self.sha512_256.is_some(),
        }
    }

    pub(crate) fn from_password(name: &Name, password: &str) -> Self {
        Self {
            md5: digest(&of_password(Algorithm::Md5, name, password)),
            sha256: digest(&of_password(Algorithm::Sha256, name, password)),
            sha512_256: digest(&of_password(Algorithm::Sha512Trunc256, name, password)),
        }
    }

    /// With an MD5 digest that was computed elsewhere; the other two as far as the password is known.
    pub(crate) fn from_md5(name: &Name, md5: &Ha1, password: Option<&str>) -> Self {
        let rest = |algorithm| password.and_then(|password| digest(&of_password(algorithm, name, password)));
        Self {
            md5: digest(md5),
            sha256: rest(Algorithm::Sha256),
            sha512_256: rest(Algorithm::Sha512Trunc256),
        }
    }

    /// From three columns, the first of which is `column`.
    pub(crate) fn from_row(row: &sql::Row<'_>, column: usize) -> sql::Result<Self> {
        Ok(Self { md5: row.get(column)?, sha256: row.get(column + 1)?, sha512_256: row.get(column + 2)? })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("md5", &self.md5.is_some())
            .field("sha256", &self.sha256.is_some())
            .field("sha512_256", &self.sha512_256.is_some())
            .finish()
    }
}

fn of_password(algorithm: Algorithm, name: &Name, password: &str) -> Ha1 {
    Ha1::from_password(algorithm, name.user.as_bytes(), name.domain.as_bytes(), password.as_bytes())
}

fn digest<const N: usize>(ha1: &Ha1) -> Option<[u8; N]> {
    ha1.digest(&mut [0; DIGEST_LEN_MAX]).try_into().ok()
}
