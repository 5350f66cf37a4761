//! Who has proved by a certificate to be which domain: RFC 5922 §7.4. Kept beside the connection, for as long as it lives;
//! connections without a client certificate cost nothing here.

use std::collections::HashMap;

use offhook_certificates::sip_domains;
use offhook_net::ConnectionId;

/// Domains kept of one certificate. More are in certificates of hosting companies, who are no trunk.
const DOMAINS_MAX: usize = 32;

/// Domains by connection. It has at most as many entries as there are connections.
#[derive(Default, Debug)]
pub(crate) struct Certified(HashMap<ConnectionId, Proved>);

/// What one connection has proved.
#[derive(Debug)]
struct Proved {
    domains: Box<[String]>,
    /// Whether its peer has said that it takes requests by it (RFC 5923), and at which port; once for all.
    has_alias: bool,
}

impl Certified {
    /// Keeps what a certificate (DER) that was found good proves.
    pub(crate) fn note(&mut self, connection: ConnectionId, certificate: &[u8]) -> &[String] {
        let mut domains = sip_domains(certificate);
        domains.truncate(DOMAINS_MAX);
        let proved = Proved { domains: domains.into(), has_alias: false };
        &self.0.entry(connection).insert_entry(proved).into_mut().domains
    }

    pub(crate) fn forget(&mut self, connection: ConnectionId) {
        if !self.0.is_empty() {
            self.0.remove(&connection);
        }
    }

    pub(crate) fn domains(&self, connection: ConnectionId) -> &[String] {
        self.0.get(&connection).map_or(&[], |proved| &proved.domains)
    }

    /// The same of a connection that has no alias yet.
    pub(crate) fn domains_without_alias(&self, connection: ConnectionId) -> &[String] {
        self.0.get(&connection).filter(|proved| !proved.has_alias).map_or(&[], |proved| &proved.domains)
    }

    /// It has one now.
    pub(crate) fn note_alias(&mut self, connection: ConnectionId) {
        if let Some(proved) = self.0.get_mut(&connection) {
            proved.has_alias = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_proved_ends_with_its_connection() {
        let certificate = rcgen::generate_simple_self_signed(["trunk.example.com".to_owned()]).unwrap().cert;
        let (mut certified, trunk) = (Certified::default(), ConnectionId { index: 7, generation: 1 });
        assert_eq!(certified.note(trunk, certificate.der()), ["trunk.example.com"]);
        assert_eq!(certified.domains(trunk), ["trunk.example.com"]);
        assert_eq!(certified.domains_without_alias(trunk), ["trunk.example.com"]);
        certified.note_alias(trunk);
        assert!(certified.domains_without_alias(trunk).is_empty());
        assert!(certified.domains(ConnectionId { index: 7, generation: 2 }).is_empty());
        certified.forget(trunk);
        assert!(certified.domains(trunk).is_empty());
    }
}
