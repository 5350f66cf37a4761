//! What a search has found, and in which order its places are tried.

use std::net::{IpAddr, SocketAddr};

use offhook_sip::Transport;

use crate::domain::Domain;
use crate::hop::Hop;
use crate::limits::HOPS_MAX;
use crate::weights;

/// The servers that a name leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Located {
    /// The name that was looked for: what a certificate must be made out to, wherever SRV leads (RFC 5922 §4).
    pub host: Domain,
    /// Servers of the same transport and priority stand together; the preferred ones first.
    pub servers: Vec<Server>,
    /// The addresses of a telephone number, the preferred one first; then there are no servers.
    pub uris: Vec<String>,
    /// How long this may be believed, seconds: the shortest of all answers.
    pub ttl_s: u32,
    /// Records and addresses that could not be used: port 0, addresses that lead nowhere or inside.
    pub dropped: usize,
}

/// One server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    /// Its name.
    pub name: Domain,
    /// How it is reached.
    pub transport: Transport,
    /// Its port.
    pub port: u16,
    /// Servers of the same rank share the load: place of the service, then the SRV priority.
    pub rank: u32,
    /// Its share.
    pub weight: u16,
    /// Its addresses, IPv6 and IPv4 in turn.
    pub addresses: Vec<IpAddr>,
}

impl Located {
    /// The addresses of a telephone number below `host`.
    pub fn of_number(host: Domain, uris: Vec<String>, ttl_s: u32) -> Self {
        Self { host, servers: Vec::new(), uris, ttl_s, dropped: 0 }
    }

    /// The places in the order in which to try them: ranks as they are, within one by weight (RFC 2782). The same
    /// `entropy` gives the same order, which is what a proxy without state needs (RFC 3263 §4.4).
    pub fn order(&self, entropy: u64) -> Vec<Hop> {
        let mut hops =
            Vec::with_capacity(self.servers.iter().map(|s| s.addresses.len()).sum::<usize>().min(HOPS_MAX));
        let mut draw = weights::Draw::new(entropy);
        for rank in self.servers.chunk_by(|a, b| a.rank == b.rank) {
            for index in weights::order(rank, &mut draw) {
                let server = &rank[index];
                let place = |&ip: &IpAddr| Hop {
                    transport: server.transport,
                    address: SocketAddr::new(ip, server.port),
                };
                for hop in server.addresses.iter().map(place) {
                    if hops.len() < HOPS_MAX && !hops.contains(&hop) {
                        hops.push(hop);
                    }
                }
            }
        }
        hops
    }
}
