//! Users and non-users are refused after the same work: the clock tells nobody who has an account. RFC 3261 §26.1.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use offhook_accounts::Directory;
use offhook_config::Config;
use offhook_digest::{Algorithm, Challenge, Login, Request, answer};
use offhook_journal::Journal;
use offhook_location::{Limits, Location};
use offhook_net::{ConnectionId, Engine, Flow, Listener, Outbox};
use offhook_node::{Drain, Resources, Secrets, Settings, Shard, Whereabouts};
use offhook_seal::Ring;
use offhook_sip::{Message, Name, Transport};

const NOW_MS: u64 = 1_795_248_903_123;

/// Requests of each kind, in turns, so that whatever else this machine does meets both.
const ROUNDS: usize = 2_000;

/// As many users as a company has: several in each part of the directory.
const USERS: usize = 20_000;

/// The chance that a request of a user takes longer than one of nobody: 0.5 tells nothing. Within this of it nobody can
/// tell a name from another with fewer tries than he has before he is banned.
const TELLS: f64 = 0.1;

struct Server {
    shard: Shard,
    out: Outbox,
}

impl Server {
    /// With many users, and nobody counts failures.
    fn new() -> Self {
        let text = "domains = [\"home.test\"]\n[abuse]\nenabled = false\n[[listen]]\ntransport = \"udp\"\naddress = \"127.0.0.1:5060\"\n";
        let config = Config::parse(text, "same time").unwrap();
        let local = "127.0.0.1:5060".parse().unwrap();
        let listeners = [Listener { transport: Transport::Udp, local, prefix_bits: 8, advertise: None }];
        let users: Vec<String> = (0..USERS).map(|n| format!("u{}", 10_000 + n)).collect();
        let accounts = users.iter().map(|user| (user.as_str(), "home.test", "a secret"));
        let resources = Resources {
            location: Location::in_memory(Limits::default()),
            directory: Arc::new(ArcSwap::from_pointee(Directory::of_passwords(accounts))),
            journal: Journal::silent(),
            spool: offhook_cdr::Spool::off(),
            undelivered: offhook_undelivered::Desk::off(),
            secrets: Secrets { cookies: [1; 16], nonces: [2; 32], hashes: [3; 16], gruus: [5; 32] },
            seals: Arc::new(ArcSwap::from_pointee(Ring::of_one([4; 32]))),
            drain: Arc::new(Drain::new(1)),
            whereabouts: Whereabouts::new(1),
        };
        let shard = Shard::new(0, Arc::new(Settings::new(&config, &listeners, 1)), resources).unwrap();
        Self { shard, out: Outbox::new() }
    }

    /// The answer, and how long it took, ns.
    fn asks(&mut self, text: &str) -> (Vec<u8>, u64) {
        let remote = ([192, 0, 2, 7], 5060).into();
        let from = Flow { transport: Transport::Udp, listener: 0, connection: ConnectionId::NONE, remote };
        self.out.clear();
        let started = Instant::now();
        self.shard.receive(NOW_MS, &from, text.as_bytes(), &mut self.out);
        let took = started.elapsed().as_nanos() as u64;
        self.shard.commit(NOW_MS, &mut self.out);
        let sent = self.out.outgoing().last().expect("an answer");
        (self.out.bytes(sent.bytes.clone()).to_vec(), took)
    }
}

fn request(method: &str, user: &str, number: usize, more: &str) -> String {
    let (uri, to) = match method {
        "REGISTER" => ("sip:home.test", format!("sip:{user}@home.test")),
        _ => ("sip:u10000@home.test", "sip:u10000@home.test".to_owned()),
    };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK{number};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:{user}@home.test>;tag=1\r\nTo: <{to}>\r\nCall-ID: {number}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:{user}@192.0.2.7>\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

/// Wrong credentials for a challenge of the server.
fn wrong(server: &mut Server, method: &str, user: &str, algorithm: Algorithm) -> String {
    let (refusal, _) = server.asks(&request(method, user, 0, ""));
    let refusal = Message::parse(&refusal).unwrap();
    let (name, value) = match refusal.value(Name::WwwAuthenticate) {
        Some(value) => ("Authorization", value),
        None => ("Proxy-Authorization", refusal.value(Name::ProxyAuthenticate).unwrap()),
    };
    let uri = if method == "REGISTER" { "sip:home.test" } else { "sip:u10000@home.test" };
    let login = Login { username: user, password: "guess" };
    let line = answer(
        &Challenge { algorithm, ..Challenge::parse(value).unwrap() },
        login,
        Request { method, uri, body: b"" },
        "c0ffee",
        1,
    );
    format!("{name}: {line}\r\n")
}

/// The chance that one of `first` is larger than one of `second`: the area under the curve of who guesses by time.
fn area(first: &[u64], second: &[u64]) -> f64 {
    let mut sorted = second.to_vec();
    sorted.sort_unstable();
    let below = |n: &u64| {
        let (less, more) = (sorted.partition_point(|m| m < n), sorted.partition_point(|m| m <= n));
        (less + more) as f64 / 2.0
    };
    first.iter().map(below).sum::<f64>() / (first.len() * second.len()) as f64
}

/// RFC 3261 §26.1, RFC 7616 §5.8: neither the request without credentials nor the one with wrong ones takes longer for a
/// user than for nobody.
#[test]
fn a_refusal_takes_as_long_for_users_as_for_nobody() {
    let mut server = Server::new();
    let (mut areas, mut good) = (Vec::new(), true);
    for method in ["REGISTER", "INVITE", "MESSAGE", "OPTIONS"] {
        // The server offers MD5; who guesses chooses what suits him.
        for algorithm in
            [None, Some(Algorithm::Md5), Some(Algorithm::Sha256), Some(Algorithm::Sha512Trunc256)]
        {
            let mut took = [Vec::new(), Vec::new()];
            for round in 0..ROUNDS {
                // All users, and as many that are not.
                let n = (round * 7 % USERS) + 10_000;
                // In turns who comes first and finds the caches cold.
                for kind in [round % 2, 1 - round % 2] {
                    let user = &format!("{}{n}", if kind == 0 { "u" } else { "x" });
                    let line = algorithm.map_or(String::new(), |with| wrong(&mut server, method, user, with));
                    let (answer, ns) = server.asks(&request(method, user, 2 * round + kind, &line));
                    let status = Message::parse(&answer).unwrap().status();
                    assert!(matches!(status, Some(401 | 407)), "{status:?} for {method} of {user}");
                    took[kind].push(ns);
                }
            }
            let area = area(&took[0], &took[1]);
            areas.push(format!("{method}, {algorithm:?}: {area:.3}"));
            good &= (area - 0.5).abs() < TELLS;
        }
    }
    assert!(good, "{areas:#?}");
}
