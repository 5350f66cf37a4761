//! Whether a server that we have dialled is who we meant: RFC 5922 §7.3.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::identity::{is_same, sip_domains};

/// Checks the chain as RFC 5280 says and the name as RFC 5922 does.
#[derive(Debug)]
pub struct SipVerifier {
    provider: Arc<CryptoProvider>,
    /// Nobody: whatever is shown is taken.
    roots: Option<Arc<RootCertStore>>,
}

impl SipVerifier {
    /// One that trusts these authorities. `None` takes any certificate for any name: what is sent is then safe from
    /// listeners, and from nobody else.
    pub fn new(provider: Arc<CryptoProvider>, roots: Option<Arc<RootCertStore>>) -> Self {
        Self { provider, roots }
    }
}

impl ServerCertVerifier for SipVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(roots) = &self.roots else { return Ok(ServerCertVerified::assertion()) };
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms)?;
        match server_name {
            ServerName::DnsName(domain) => {
                let proved = sip_domains(end_entity);
                let is_it = proved.iter().any(|name| is_same(name, domain.as_ref()));
                is_it.then_some(()).ok_or(CertificateError::NotValidForName)?;
            }
            // An address in the place of a domain: RFC 5922 has no word for it, RFC 5280 has.
            _ => verify_server_name(&parsed, server_name)?,
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
