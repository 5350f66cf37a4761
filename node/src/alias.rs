//! Connections that a peer lets us use for requests of our own: RFC 5923.
//!
//! ```text
//!   request by TLS, `alias` in its Via ──► the peer's certificate proves the name it sends by ──► Aliases
//!   request to that name, at that address and port ──► the connection that is there, instead of a new one
//! ```
//! By TLS only. By TCP anybody can say what he likes: a program on a machine of many users would get the calls that are meant
//! for the proxy at its well-known port (RFC 5923 §9, §9.3). Phones need none of this: they are reached by their registration,
//! and in calls by Record-Route.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use offhook_net::{ConnectionId, Flow, Outbox};
use offhook_sip::{Host, Transport};

use crate::arrival::Arrival;
use crate::switchboard::Switchboard;

/// Connections that peers may offer for reuse: far more than a server has neighbours. One more is not reused.
const ALIASES_MAX: usize = 1_024;

/// What all shards know of connections that may be used in the other direction.
#[derive(Clone, Default, Debug)]
pub(crate) struct Aliases(Arc<Shared>);

#[derive(Default, Debug)]
struct Shared {
    /// How many there are, so that a server without any never looks.
    count: AtomicUsize,
    by_address: RwLock<HashMap<SocketAddr, Vec<Alias>>>,
}

#[derive(Debug)]
struct Alias {
    connection: ConnectionId,
    /// What the peer's certificate proves, in lower case.
    domains: Box<[String]>,
}

impl Aliases {
    fn is_empty(&self) -> bool {
        self.0.count.load(Relaxed) == 0
    }

    /// `false`: there is no room.
    fn note(&self, address: SocketAddr, connection: ConnectionId, domains: &[String]) -> bool {
        // Whoever is not noted asks again with each request: that is to cost no lock.
        if self.0.count.load(Relaxed) >= ALIASES_MAX {
            return false;
        }
        let mut table = self.0.by_address.write().unwrap_or_else(PoisonError::into_inner);
        let known = table.get(&address).is_some_and(|all| all.iter().any(|a| a.connection == connection));
        let has_room = self.0.count.load(Relaxed) < ALIASES_MAX;
        if !known && has_room {
            table.entry(address).or_default().push(Alias { connection, domains: domains.into() });
            self.0.count.fetch_add(1, Relaxed);
        }
        known || has_room
    }

    /// The newest connection to this address whose peer has proved to be this domain.
    fn find(&self, address: SocketAddr, domain: &str) -> Option<ConnectionId> {
        let table = self.0.by_address.read().unwrap_or_else(PoisonError::into_inner);
        let proved = |alias: &&Alias| alias.domains.iter().any(|own| own.eq_ignore_ascii_case(domain));
        table.get(&address)?.iter().rev().find(proved).map(|alias| alias.connection)
    }

    fn forget(&self, connection: ConnectionId) {
        let mut table = self.0.by_address.write().unwrap_or_else(PoisonError::into_inner);
        for aliases in table.values_mut() {
            aliases.retain(|alias| alias.connection != connection);
        }
        table.retain(|_, aliases| !aliases.is_empty());
        self.0.count.store(table.values().map(Vec::len).sum(), Relaxed);
    }
}

impl Switchboard {
    /// §8.2: a peer says that it will take requests by this connection. It is believed if its certificate proves the name in
    /// its Via, or if it sends by the very address that stands there.
    pub(crate) fn note_alias(&mut self, arrival: &Arrival<'_, '_>) {
        if arrival.from.transport != Transport::Tls {
            return;
        }
        let (from, via) = (&arrival.from, &arrival.parts.via);
        // Each connection has one alias, its first: what it says of other ports is of no use to us, and would fill the table.
        let domains = self.certified.domains_without_alias(from.connection);
        if domains.is_empty() || !via.params().has(b"alias") {
            return;
        }
        let is_proved = match via.sent_by.host {
            Host::Name(name) => domains.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(name)),
            Host::Ip(ip) => ip.to_canonical() == from.remote.ip().to_canonical(),
        };
        let address = SocketAddr::new(from.remote.ip(), via.port());
        if is_proved && self.aliases.note(address, from.connection, domains) {
            self.certified.note_alias(from.connection);
        }
    }

    /// The same path by a connection that is there, if the peer has offered one and has proved to be who is wanted.
    pub(crate) fn reusing(&self, flow: Flow, out: &Outbox) -> Flow {
        if flow.transport != Transport::Tls || flow.connection.is_some() || self.aliases.is_empty() {
            return flow;
        }
        let offered = out.domain_of(flow.connection.index).and_then(|d| self.aliases.find(flow.remote, d));
        match offered.filter(|connection| !self.closed.has(self.shard, *connection)) {
            Some(connection) => Flow { connection, ..flow },
            None => flow,
        }
    }

    /// A connection is gone.
    pub(crate) fn forget_alias(&mut self, connection: ConnectionId) {
        if !self.aliases.is_empty() {
            self.aliases.forget(connection);
        }
    }
}

/// Whether we offer the same for the connection that this request leaves by (§8.1): where we open it to a server by its name,
/// and take what comes back by it. To a phone on its own connection there is nothing to offer.
pub(crate) fn is_offered(flow: &Flow) -> bool {
    flow.transport == Transport::Tls && !flow.connection.is_some() && flow.connection.index != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(index: u32) -> ConnectionId {
        ConnectionId { index, generation: 1 }
    }

    /// RFC 5923 §9.3: two domains at one address have each their own connections.
    #[test]
    fn who_has_proved_what() {
        let aliases = Aliases::default();
        let address: SocketAddr = "192.0.2.1:5061".parse().expect("an address");
        aliases.note(address, connection(18), &["example.com".into()]);
        aliases.note(address, connection(18), &["example.com".into()]);
        aliases.note(address, connection(54), &["example.net".into()]);
        assert_eq!(aliases.find(address, "EXAMPLE.com"), Some(connection(18)));
        assert_eq!(aliases.find(address, "example.net"), Some(connection(54)));
        assert_eq!(aliases.find(address, "example.org"), None);
        assert_eq!(aliases.find("192.0.2.1:5071".parse().expect("an address"), "example.com"), None);
        aliases.forget(connection(18));
        assert_eq!(aliases.find(address, "example.com"), None);
        assert!(!aliases.is_empty());
        aliases.forget(connection(54));
        assert!(aliases.is_empty());
    }

    #[test]
    fn there_is_an_end_of_it() {
        let aliases = Aliases::default();
        let address = |n: usize| SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 5061));
        for n in 0..ALIASES_MAX + 10 {
            aliases.note(address(n), connection(n as u32 + 1), &["a.example".into()]);
        }
        assert_eq!(aliases.0.count.load(Relaxed), ALIASES_MAX);
        assert_eq!(aliases.find(address(ALIASES_MAX + 1), "a.example"), None);
    }
}
