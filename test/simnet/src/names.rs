//! A name server for engines under test: it says what the test wrote, after as long as the test wants, or never.
//!
//! Whoever wraps an engine passes on what it asks ([`NameServer::ask`]) and hands it what is due
//! ([`NameServer::take_due`]); time is the world's.

use std::collections::BTreeMap;

use offhook_locate::{Domain, Finding, Located, Nowhere, Server, Wanted};
use offhook_sip::Transport;

use crate::zone::{Effort, Zone};

/// How long a server without a zone says that it has nothing, seconds.
const NOTHING_S: u32 = 60;

/// The names of a world.
#[derive(Clone, Debug, Default)]
pub struct NameServer {
    names: BTreeMap<String, Entry>,
    /// Where what is not among the names is searched for.
    zone: Option<Zone>,
    /// Milliseconds from a question to its answer.
    delay_ms: u64,
    /// Says nothing any more.
    dead: bool,
    due: Vec<(u64, Finding)>,
    asked: Vec<String>,
}

#[derive(Clone, Debug)]
struct Entry {
    found: Result<Vec<(Transport, std::net::SocketAddr)>, Nowhere>,
    /// Of a telephone number.
    uris: Vec<String>,
    ttl_s: u32,
}

impl NameServer {
    /// Knows nothing, and says so at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// A name, as a URI says it (`sip:far.example.org;transport=tcp`), and the places it leads to, the preferred one
    /// first: `udp 192.0.2.1:5060`. Panics where a place is none.
    pub fn name(mut self, wanted: &str, places: &[&str]) -> Self {
        let place = |text: &&str| {
            let (transport, address) = text.split_once(' ').expect("a place is `udp 192.0.2.1:5060`");
            let transport = Transport::from_name(transport.as_bytes()).expect("a transport");
            (transport, address.parse().expect("an address is ip:port"))
        };
        let found = Ok(places.iter().map(place).collect());
        self.names.insert(wanted.to_owned(), Entry { found, uris: Vec::new(), ttl_s: 3_600 });
        self
    }

    /// A telephone number below a suffix (`+49301 below e164.arpa`), and its addresses, the preferred one first.
    pub fn number(mut self, wanted: &str, uris: &[&str]) -> Self {
        let uris = uris.iter().map(|uri| (*uri).to_owned()).collect();
        self.names.insert(wanted.to_owned(), Entry { found: Ok(Vec::new()), uris, ttl_s: 3_600 });
        self
    }

    /// A name that leads nowhere.
    pub fn nowhere(mut self, wanted: &str, why: Nowhere) -> Self {
        self.names.insert(wanted.to_owned(), Entry { found: Err(why), uris: Vec::new(), ttl_s: 3_600 });
        self
    }

    /// How long what was said of a name is good, seconds.
    pub fn ttl_s(mut self, wanted: &str, ttl_s: u32) -> Self {
        if let Some(entry) = self.names.get_mut(wanted) {
            entry.ttl_s = ttl_s;
        }
        self
    }

    /// Takes this long for each answer.
    pub fn delay_ms(mut self, delay_ms: u64) -> Self {
        self.delay_ms = delay_ms;
        self
    }

    /// What was not said of any name by itself is searched for in this zone.
    pub fn zone(self, zone: Zone) -> Self {
        Self { zone: Some(zone), ..self }
    }

    /// Dies, or comes to life again. What it was asked while dead stays without an answer.
    pub fn set_dead(&mut self, dead: bool) {
        self.dead = dead;
        if dead {
            self.due.clear();
        }
    }

    /// What it was asked so far, in order.
    pub fn asked(&self) -> &[String] {
        &self.asked
    }

    /// An engine asks.
    pub fn ask(&mut self, now_ms: u64, wanted: &Wanted) {
        self.asked.push(wanted.to_string());
        if !self.dead {
            let (finding, delay_ms) = self.finding(now_ms, wanted);
            self.due.push((now_ms + delay_ms, finding));
        }
    }

    /// When the next answer is due.
    pub fn next_ms(&self) -> Option<u64> {
        self.due.iter().map(|(at_ms, _)| *at_ms).min()
    }

    /// The answers that are due.
    pub fn take_due(&mut self, now_ms: u64) -> Vec<Finding> {
        self.due.extract_if(.., |(at_ms, _)| *at_ms <= now_ms).map(|(_, finding)| finding).collect()
    }

    /// What is known of a name, and how many milliseconds it takes to find that.
    fn finding(&self, now_ms: u64, wanted: &Wanted) -> (Finding, u64) {
        if let Some(entry) = self.names.get(&wanted.to_string()) {
            return (entry.finding(wanted), self.delay_ms);
        }
        let Some(zone) = &self.zone else {
            return (Finding::nowhere(wanted.clone(), Nowhere::NoSuchName, NOTHING_S), self.delay_ms);
        };
        match zone.search(now_ms, wanted) {
            (finding, Effort::Rounds(rounds)) => (finding, rounds.max(1) * self.delay_ms),
            (finding, Effort::InVain(for_ms)) => (finding, for_ms),
        }
    }
}

impl Entry {
    fn finding(&self, wanted: &Wanted) -> Finding {
        let Self { found, uris, ttl_s } = self;
        let places = match found {
            Ok(places) => places,
            Err(why) => return Finding::nowhere(wanted.clone(), *why, *ttl_s),
        };
        let server = |(rank, (transport, address)): (usize, &(Transport, std::net::SocketAddr))| Server {
            name: Domain::parse(format!("s{rank}.{}", wanted.host).as_bytes()).expect("a name"),
            transport: *transport,
            port: address.port(),
            rank: rank as u32,
            weight: 0,
            addresses: vec![address.ip()],
        };
        let servers = places.iter().enumerate().map(server).collect();
        let host = wanted.host.clone();
        Finding::found(
            wanted.clone(),
            Located { host, servers, uris: uris.clone(), ttl_s: *ttl_s, dropped: 0 },
        )
    }
}
