//! From files to what TLS is spoken with.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::by_domain::ByDomain;
use crate::files::authorities;
use crate::{CertificateError, PemFiles, SipVerifier};

/// Which files are used for what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// What clients are shown that ask for no domain of the next list.
    pub default: PemFiles,
    /// What clients are shown that ask for a domain by SNI.
    pub domains: Vec<(String, PemFiles)>,
    /// Who vouches for clients. Without it, no client is asked for a certificate.
    pub client_ca: Option<PathBuf>,
    /// Whether a client without a certificate is turned away.
    pub client_required: bool,
    /// What servers that we dial are shown if they ask.
    pub client: Option<PemFiles>,
    /// Who vouches for servers that we dial. Without it, the authorities that browsers trust.
    pub server_ca: Option<PathBuf>,
    /// Whether servers that we dial must prove who they are.
    pub check_servers: bool,
}

/// Configurations for both roles.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// For connections that we accept.
    pub server: Arc<ServerConfig>,
    /// For connections that we open.
    pub client: Arc<ClientConfig>,
}

impl Wanted {
    /// All files, for who wants to see them change.
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let pairs = self.domains.iter().map(|(_, files)| files).chain([&self.default]).chain(&self.client);
        let pairs = pairs.flat_map(|files| [&files.certificate, &files.key]);
        pairs.chain(&self.client_ca).chain(&self.server_ca)
    }
}

/// Reads all files.
///
/// # Errors
/// The first file that cannot be used.
pub fn load(wanted: &Wanted) -> Result<Loaded, CertificateError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    Ok(Loaded { server: Arc::new(server(wanted, &provider)?), client: Arc::new(client(wanted, &provider)?) })
}

/// Whether every file that is named can be used, without making the certificate that is made where none is: `has_default`
/// says that there is one. Gives all that cannot.
pub fn check(wanted: &Wanted, has_default: bool) -> Vec<CertificateError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let default = Some(&wanted.default).filter(|_| has_default);
    let pairs =
        default.into_iter().chain(wanted.domains.iter().map(|(_, files)| files)).chain(&wanted.client);
    let mut found: Vec<_> = pairs.flat_map(|files| files.problems(&provider)).collect();
    if let Some(file) = &wanted.client_ca {
        found.extend(authorities(file).and_then(|all| clients(wanted, all, &provider)).err());
    }
    let server_ca = wanted.server_ca.as_deref().filter(|_| wanted.check_servers);
    found.extend(server_ca.and_then(|file| authorities(file).err()));
    if found.is_empty() {
        found.extend(client(wanted, &provider).err());
    }
    found
}

fn server(wanted: &Wanted, provider: &Arc<CryptoProvider>) -> Result<ServerConfig, CertificateError> {
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().map_err(setup)?;
    let builder = match &wanted.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => builder.with_client_cert_verifier(clients(wanted, authorities(file)?, provider)?),
    };
    let of_domain = |(name, files): &(String, PemFiles)| Ok((name.clone(), files.load(provider)?));
    let domains = wanted.domains.iter().map(of_domain).collect::<Result<_, CertificateError>>()?;
    let default = wanted.default.load(provider)?;
    let mut config = builder.with_cert_resolver(Arc::new(ByDomain { default, domains }));
    // Sessions are resumed from tickets that clients keep, so that nothing is kept here. One suffices: phones hold one
    // connection.
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(setup)?;
    config.send_tls13_tickets = 1;
    Ok(config)
}

fn clients(
    wanted: &Wanted,
    authorities: Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, CertificateError> {
    let builder = WebPkiClientVerifier::builder_with_provider(authorities, provider.clone());
    let builder = if wanted.client_required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| CertificateError::Setup(error.to_string()))
}

fn client(wanted: &Wanted, provider: &Arc<CryptoProvider>) -> Result<ClientConfig, CertificateError> {
    let roots = match &wanted.server_ca {
        _ if !wanted.check_servers => None,
        Some(file) => Some(authorities(file)?),
        None => Some(Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })),
    };
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().map_err(setup)?;
    let verifier = Arc::new(SipVerifier::new(provider.clone(), roots));
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    Ok(match &wanted.client {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let own = files.load(provider)?;
            builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(own)))
        }
    })
}

fn setup(error: rustls::Error) -> CertificateError {
    CertificateError::Setup(error.to_string())
}
