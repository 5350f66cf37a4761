//! PEM files: a certificate with the chain behind it, its key, a list of authorities.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::CertificateError;

/// Largest file read, bytes. The list of all authorities of a Linux distribution has 220 kB.
pub(crate) const PEM_BYTES_MAX: u64 = 4 << 20;

/// A certificate with the chain behind it, and its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PemFiles {
    /// The certificate first, then those of the authorities between it and a root.
    pub certificate: PathBuf,
    /// The private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

impl PemFiles {
    /// Both, checked against each other.
    pub(crate) fn load(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, CertificateError> {
        let (chain, key) = (certificates(&self.certificate)?, key(&self.key)?);
        CertifiedKey::from_der(chain, key, provider).map(Arc::new).map_err(|error| {
            CertificateError::Mismatch {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
                why: error.to_string(),
            }
        })
    }

    /// All that keeps them from being used.
    pub(crate) fn problems(&self, provider: &CryptoProvider) -> Vec<CertificateError> {
        let alone = [certificates(&self.certificate).err(), key(&self.key).err()];
        let found: Vec<_> = alone.into_iter().flatten().collect();
        if found.is_empty() { self.load(provider).err().into_iter().collect() } else { found }
    }
}

/// The private key of a file.
fn key(file: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let key = PrivateKeyDer::from_pem_slice(&read(file)?);
    key.map_err(|_| CertificateError::Nothing { file: file.into(), what: "private key" })
}

/// The authorities of a file.
pub(crate) fn authorities(file: &Path) -> Result<Arc<RootCertStore>, CertificateError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        let refuse =
            |error: rustls::Error| CertificateError::Authority { file: file.into(), why: error.to_string() };
        roots.add(certificate).map_err(refuse)?;
    }
    Ok(Arc::new(roots))
}

/// The certificates of a file.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let text = read(file)?;
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let list = list.ok().filter(|list| !list.is_empty());
    list.ok_or_else(|| CertificateError::Nothing { file: file.into(), what: "certificate" })
}

fn read(file: &Path) -> Result<Vec<u8>, CertificateError> {
    let unreadable = |error| CertificateError::Unreadable { file: file.into(), error };
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(unreadable)?;
    opened.take(PEM_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > PEM_BYTES_MAX {
        return Err(CertificateError::TooLarge { file: file.into() });
    }
    Ok(bytes)
}
