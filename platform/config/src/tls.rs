//! Certificates, those shown and those believed: `[tls]`.

use std::path::PathBuf;

use crate::host::Host;
use crate::table::{section, table};

section! {
    /// Certificates for listeners and next hops with `transport = "tls"`, RFC 3261 §26.3.1 and RFC 5922. All files are
    /// PEM; relative paths start from the working directory. Files that change are read again while the server runs.
    pub struct Tls {
        /// The certificate that is shown, its chain behind it. Where none is named, one is made at the first start and
        /// kept in `tls/` of the data directory.
        certificate: Option<PathBuf> = None,
            because "phones can speak TLS before anybody has obtained a certificate",
            example "\"/etc/offhook/fullchain.pem\"";
        /// The private key of the certificate.
        key: Option<PathBuf> = None, because "it belongs to the certificate",
            example "\"/etc/offhook/privkey.pem\"";
        /// Certificates for domains that a client asks for by name (SNI); others get the one above.
        domain: Vec<TlsDomain> = Vec::new(), because "one certificate can hold all domains of a small server",
            example "[{ name = \"example.org\", certificate = \"org.pem\", key = \"org.key\" }]";
        /// The authorities whose client certificates are accepted. Without them no client is asked for one.
        client_ca: Option<PathBuf> = None, because "phones prove who they are by their password",
            example "\"/etc/offhook/trunks-ca.pem\"";
        /// Whether a client without a certificate is turned away.
        client_required: bool = false, because "phones have none, and use the same port";
        /// The certificate that we show to a next hop that asks for one, its chain behind it.
        client_certificate: Option<PathBuf> = None, because "only a trunk with mutual TLS asks",
            example "\"/etc/offhook/client.pem\"";
        /// The private key of that certificate.
        client_key: Option<PathBuf> = None, because "it belongs to the certificate",
            example "\"/etc/offhook/client.key\"";
        /// The authorities whose certificates next hops may have, in the place of those that browsers trust.
        server_ca: Option<PathBuf> = None, because "public servers have certificates of public authorities",
            example "\"/etc/offhook/private-ca.pem\"";
        /// Whether a next hop must prove its name (RFC 5922 §7.3). Off, everybody between us can pretend to be it.
        check_servers: bool = true, because "TLS with somebody unknown protects from nobody who matters";
    }
}

table! {
    /// A domain with a certificate of its own.
    pub struct TlsDomain {
        /// The domain.
        name: Host, example "\"example.org\"";
        /// Its certificate, with the chain behind it.
        certificate: PathBuf, example "\"org.pem\"";
        /// The private key of its certificate.
        key: PathBuf, example "\"org.key\"";
    }
}
