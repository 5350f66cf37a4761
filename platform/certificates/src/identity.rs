//! Which SIP domains a certificate proves: RFC 5922 §7.1.

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// The SIP domains of a certificate (DER), in the order of the certificate: the hosts of `sip:` URIs without a user in
/// subjectAltName, or, only where there is none of these, its DNS names. A wildcard proves nothing (§7.2). Nothing for what is
/// no certificate. Whether anybody trustworthy vouches for it is another question.
pub fn sip_domains(certificate: &[u8]) -> Vec<String> {
    let der = CertificateDer::from(certificate);
    let Ok(certificate) = EndEntityCert::try_from(&der) else { return Vec::new() };
    let uris: Vec<String> = certificate.valid_uri_names().filter_map(sip_host).map(str::to_owned).collect();
    let names = || certificate.valid_dns_names().map(str::to_owned).collect();
    let mut domains = if uris.is_empty() { names() } else { uris };
    domains.retain(|domain| !domain.contains('*'));
    domains
}

/// Whether two names are the same domain: RFC 5922 §7.2. Letters of either case are one; a wildcard is only itself.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    let absolute = |name: &str| name.strip_suffix('.').map_or(name.len(), str::len);
    a[..absolute(a)].eq_ignore_ascii_case(&b[..absolute(b)])
}

/// The host of a URI that names a domain: scheme `sip`, no user.
fn sip_host(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") || rest.contains('@') {
        return None;
    }
    let host = rest.split([';', '?', ':']).next().unwrap_or_default();
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5922 §7.1: scheme `sip` in any case, no user, the host alone.
    #[test]
    fn uris_that_name_a_domain() {
        assert_eq!(sip_host("sip:example.com"), Some("example.com"));
        assert_eq!(sip_host("SIP:Example.com:5061;transport=tls"), Some("Example.com"));
        for other in ["sips:example.com", "sip:alice@example.com", "https://example.com", "sip:", "x"] {
            assert_eq!(sip_host(other), None, "{other}");
        }
    }

    /// RFC 5922 §7.2
    #[test]
    fn names_match_whole_or_not_at_all() {
        assert!(is_same("Example.COM", "example.com"));
        assert!(is_same("example.com.", "example.com"));
        assert!(!is_same("*.example.com", "sip.example.com"));
        assert!(!is_same("example.com", "sip.example.com"));
    }

    #[test]
    fn what_is_no_certificate_proves_nothing() {
        assert!(sip_domains(b"").is_empty());
        assert!(sip_domains(&[0x30; 100]).is_empty());
    }
}
