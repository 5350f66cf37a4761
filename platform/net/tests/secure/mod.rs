//! Authorities, certificates and peers for the tests of TLS.

// Each test file uses its part.
#![allow(dead_code, unreachable_pub)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use offhook_net::TlsConfigs;
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::crypto::aws_lc_rs;
use rustls::crypto::cipher::{OutboundChunks, OutboundPlainMessage};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS12;
use rustls::{
    ClientConfig, ClientConnection, ConnectionTrafficSecrets, ContentType, ProtocolVersion, RootCertStore,
    ServerConfig, ServerConnection, StreamOwned, SupportedCipherSuite,
};

/// Somebody who signs certificates.
pub struct Authority {
    pub certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        // Two authorities of one name would be told apart by their signatures only.
        let name: String = key.public_key_raw().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate for these names, valid for long.
    pub fn sign(&self, names: &[&str]) -> Identity {
        self.sign_with(names, |_| {})
    }

    /// One whose time is over.
    pub fn sign_expired(&self, names: &[&str]) -> Identity {
        self.sign_with(names, |params| {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
        })
    }

    fn sign_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { chain: vec![certificate.der().clone()], key: key.serialize_der() }
    }

    pub fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        Arc::new(roots)
    }
}

impl Identity {
    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.clone()).unwrap()
    }

    /// What a server with this certificate speaks TLS with; `clients` vouches for clients, which must then show
    /// certificates.
    pub fn server(&self, clients: Option<&Authority>) -> Arc<ServerConfig> {
        let builder = match clients {
            None => ServerConfig::builder().with_no_client_auth(),
            Some(authority) => {
                let verifier = WebPkiClientVerifier::builder(authority.roots()).build().unwrap();
                ServerConfig::builder().with_client_cert_verifier(verifier)
            }
        };
        Arc::new(builder.with_single_cert(self.chain.clone(), self.key()).unwrap())
    }

    /// What a client that trusts `authority` and shows this certificate speaks TLS with.
    pub fn client(&self, authority: &Authority) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder().with_root_certificates(authority.roots());
        Arc::new(builder.with_client_auth_cert(self.chain.clone(), self.key()).unwrap())
    }
}

/// A client without a certificate.
pub fn anonymous(authority: &Authority) -> Arc<ClientConfig> {
    Arc::new(ClientConfig::builder().with_root_certificates(authority.roots()).with_no_client_auth())
}

/// A client that speaks TLS 1.2 with one cipher, and whose keys can be taken out: for [`ask_anew`].
pub fn renegotiating(authority: &Authority) -> Arc<ClientConfig> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![ONE_SUITE];
    let builder = ClientConfig::builder_with_provider(provider.into());
    let builder = builder.with_protocol_versions(&[&TLS12]).unwrap();
    let mut config = builder.with_root_certificates(authority.roots()).with_no_client_auth();
    config.enable_secret_extraction = true;
    Arc::new(config)
}

const ONE_SUITE: SupportedCipherSuite =
    aws_lc_rs::cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256;

/// Says ClientHello a second time, under the keys of the first: what no sound library does any more. RFC 5246 §7.4.1.2.
pub fn ask_anew(client: Client) -> TcpStream {
    let (connection, stream) = client.into_parts();
    let (sequence, keys) = connection.dangerous_extract_secrets().unwrap().tx;
    let (ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }, SupportedCipherSuite::Tls12(suite)) =
        (keys, ONE_SUITE)
    else {
        panic!("another cipher")
    };
    // Version, 32 random bytes, no session, one suite, no compression, no extension.
    let mut hello = vec![1, 0, 0, 41, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xcc, 0xa9, 1, 0]);
    let plain = OutboundPlainMessage {
        typ: ContentType::Handshake,
        version: ProtocolVersion::TLSv1_2,
        payload: OutboundChunks::Single(&hello),
    };
    let mut sealer = suite.aead_alg.encrypter(key, iv.as_ref(), &[]);
    (&stream).write_all(&sealer.encrypt(plain, sequence).unwrap().encode()).unwrap();
    stream
}

/// Configurations of a server that both listens and dials.
pub fn configs(identity: &Identity, authority: &Authority) -> Arc<TlsConfigs> {
    Arc::new(TlsConfigs::new(identity.server(None), identity.client(authority)))
}

pub type Client = StreamOwned<ClientConnection, TcpStream>;
pub type Peer = StreamOwned<ServerConnection, TcpStream>;

/// A client whose handshake begins with what it first writes or reads.
pub fn client(config: &Arc<ClientConfig>, stream: TcpStream, name: &str) -> Client {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    StreamOwned::new(ClientConnection::new(config.clone(), name).unwrap(), stream)
}

/// The far end of a connection that the server under test has opened.
pub fn peer(config: &Arc<ServerConfig>, stream: TcpStream) -> Peer {
    StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream)
}

#[track_caller]
pub fn expect(stream: &mut impl Read, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).expect("bytes from the server");
    assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(expected));
}

pub fn say(stream: &mut impl Write, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    stream.flush().unwrap();
}
