//! Which certificate a client is shown: the one of the domain it asks for (SNI), else the first.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Certificates by domain. RFC 5922 §7.8.
#[derive(Debug)]
pub(crate) struct ByDomain {
    pub(crate) default: Arc<CertifiedKey>,
    pub(crate) domains: Vec<(String, Arc<CertifiedKey>)>,
}

impl ResolvesServerCert for ByDomain {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let wanted = hello.server_name();
        let of_domain =
            |name: &str| self.domains.iter().find(|(domain, _)| domain.eq_ignore_ascii_case(name));
        Some(wanted.and_then(of_domain).map_or(&self.default, |(_, own)| own).clone())
    }
}
