//! The certificate of the first start: made by ourselves for ourselves, so that phones can speak TLS before anybody has
//! bought anything. Nobody vouches for it; a phone must be told to trust it, or not to look.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};

use crate::{CertificateError, PemFiles};

/// Where it lies in the data directory.
pub const OWN_CERTIFICATE: &str = "tls/certificate.pem";

/// Where its key lies.
pub const OWN_KEY: &str = "tls/key.pem";

/// How long it holds: nobody renews it, and nobody looks at it who cares.
const VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A clock that is behind by this much does not refuse it.
const SLACK: Duration = Duration::from_secs(24 * 3600);

/// The certificate in this data directory; made, with a key of its own, where there is none. `true` if it was made now.
/// Both files or none are there, whenever the power fails.
///
/// # Errors
/// The directory cannot be written.
pub fn make_own(
    data_dir: &Path,
    names: &[String],
    now_ms: u64,
) -> Result<(PemFiles, bool), CertificateError> {
    let files = PemFiles { certificate: data_dir.join(OWN_CERTIFICATE), key: data_dir.join(OWN_KEY) };
    if files.certificate.exists() && files.key.exists() {
        return Ok((files, false));
    }
    let failed = |error: rcgen::Error| CertificateError::Making(error.to_string());
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = params(names, now_ms).and_then(|params| params.self_signed(&key)).map_err(failed)?;
    if let Some(dir) = files.certificate.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|error| CertificateError::Unwritable { file: dir.into(), error })?;
    }
    write(&files.key, key.serialize_pem().as_bytes(), 0o600)?;
    write(&files.certificate, certificate.pem().as_bytes(), 0o644)?;
    Ok((files, true))
}

fn params(names: &[String], now_ms: u64) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    for name in names {
        match name.parse::<IpAddr>() {
            Ok(ip) => params.subject_alt_names.push(SanType::IpAddress(ip)),
            Err(_) => {
                // RFC 5922 §6: the URI says what the certificate is for; clients that know only DNS names read those.
                params.subject_alt_names.push(SanType::URI(format!("sip:{name}").try_into()?));
                params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into()?));
            }
        }
    }
    let first = names.first().map_or("offhook", String::as_str);
    params.distinguished_name.push(DnType::CommonName, first);
    let now = date_time_ymd(1970, 1, 1) + Duration::from_millis(now_ms);
    params.not_before = now - SLACK;
    params.not_after = now + VALIDITY;
    Ok(params)
}

/// Writes beside and renames, so that nobody reads half a file.
fn write(file: &Path, bytes: &[u8], mode: u32) -> Result<(), CertificateError> {
    let beside = file.with_extension("new");
    let attempt = || {
        let mut opened =
            OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
        opened.write_all(bytes)?;
        opened.sync_all()?;
        fs::rename(&beside, file)
    };
    attempt().map_err(|error| CertificateError::Unwritable { file: file.into(), error })
}
