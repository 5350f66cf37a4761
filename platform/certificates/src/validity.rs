//! Until when certificates hold: nobody renews one that he does not think of.

use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};

use crate::Wanted;
use crate::files::certificates;

/// 9999-12-31: a certificate that holds until then has no end (RFC 5280 §4.1.2.5).
const END_OF_TIME: Duration = Duration::from_secs(253_402_300_799);

/// The files of the certificates that we show, and when each of them ends, ms since 1970. Files that cannot be read, and
/// certificates that never end, are left out.
pub fn ends(wanted: &Wanted) -> Vec<(PathBuf, u64)> {
    let shown = wanted.domains.iter().map(|(_, files)| files).chain([&wanted.default]).chain(&wanted.client);
    let end = |file: &PathBuf| Some((file.clone(), end_ms(certificates(file).ok()?.first()?)?));
    let mut ends: Vec<_> = shown.filter_map(|files| end(&files.certificate)).collect();
    ends.sort();
    ends.dedup();
    ends
}

/// The library keeps its dates to itself, but says them to who asks whether a certificate holds at the end of time. That is
/// what it looks at first: who vouches for it does not matter.
fn end_ms(certificate: &CertificateDer<'_>) -> Option<u64> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let at = UnixTime::since_unix_epoch(END_OF_TIME);
    let verified = certificate.verify_for_usage(&[], &[], &[], at, KeyUsage::server_auth(), None, None);
    match verified.err()? {
        Error::CertExpired { not_after, .. } => Some(not_after.as_secs().saturating_mul(1_000)),
        _ => None,
    }
}
