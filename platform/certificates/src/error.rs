//! Why certificates could not be used: each with the file, and what can be done.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A failure to read, make or use a certificate.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file is missing, or may not be read.
    #[error("cannot read {}: {error}", .file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {error}", .file.display())]
    Unwritable {
        /// Which.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file is larger than any certificate.
    #[error("{} is longer than {max} bytes", .file.display(), max = crate::files::PEM_BYTES_MAX)]
    TooLarge {
        /// Which.
        file: PathBuf,
    },
    /// A file holds nothing of what it should.
    #[error("{} holds no {what} in PEM form", .file.display())]
    Nothing {
        /// Which.
        file: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// The key is not the one of the certificate, or is of a kind that nobody uses.
    #[error("{} and {} do not belong together: {why}", .certificate.display(), .key.display())]
    Mismatch {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// What the TLS library says.
        why: String,
    },
    /// An authority's certificate that cannot be one.
    #[error("{} holds a certificate that cannot vouch for others: {why}", .file.display())]
    Authority {
        /// Which.
        file: PathBuf,
        /// What the TLS library says.
        why: String,
    },
    /// The certificate of the first start could not be made.
    #[error("cannot make a certificate: {0}")]
    Making(String),
    /// What was loaded does not make a TLS configuration.
    #[error("cannot set up TLS: {0}")]
    Setup(String),
}

impl CertificateError {
    /// The file that cannot be used; none where it is no single one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Unreadable { file, .. }
            | Self::Unwritable { file, .. }
            | Self::TooLarge { file }
            | Self::Nothing { file, .. }
            | Self::Authority { file, .. } => Some(file),
            Self::Mismatch { certificate, .. } => Some(certificate),
            Self::Making(_) | Self::Setup(_) => None,
        }
    }
}
