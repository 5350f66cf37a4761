//! Answers to the REGISTERs that we send to a provider: no panic; what we send is SIP and goes to one of its addresses, a
//! stranger's 302 does not lead elsewhere; an answer leads to one request at most, and some day there is another.
//!
//! The input is answers, one below the other behind a line `~~`: a status line without its version, and headers. Those that
//! an answer must repeat are added, and `{contact}` becomes the Contact that we have registered.

#![cfg_attr(not(test), no_main)]

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use offhook_accounts::Directory;
use offhook_cdr::MemorySpool;
use offhook_config::Config;
use offhook_fuzz::fuzz_target;
use offhook_journal::{Counters, EventKind, Journal};
use offhook_location::{Limits, Location};
use offhook_net::{ConnectionId, Engine, Flow, Listener, Outbox};
use offhook_node::{Drain, Resources, Secrets, Settings, Shard, Whereabouts};
use offhook_seal::Ring;
use offhook_sip::{Message, Transport};

/// Between two answers.
const CUT: &[u8] = b"\n~~\n";

const START_MS: u64 = 1_700_000_000_000;

/// Longer than we wait after a failure.
const WAIT_MS: u64 = 2 * 3_600_000;

/// Longer than a registration lasts, whatever was granted.
const DAYS_MS: u64 = 2 * 86_400_000;

const PROVIDER: [[u8; 4]; 2] = [[192, 0, 2, 50], [192, 0, 2, 51]];

fn shard() -> (Shard, Arc<Counters>) {
    let text = "domains = [\"b\"]\n[[listen]]\ntransport = \"udp\"\naddress = \"198.51.100.1:5060\"\n\
        [[listen]]\ntransport = \"tcp\"\naddress = \"198.51.100.1:5060\"\n\
        [[trunk]]\nname = \"p\"\ntargets = [{ to = \"sip:192.0.2.50\" }, { to = \"sip:192.0.2.51\", priority = 1 }]\n\
        domain = \"p.example\"\nuser = \"u\"\npassword = \"x\"\nregister = true\nregister_expires_s = 600\n";
    let config = Config::parse(text, "fuzz").expect("sound");
    let local = "198.51.100.1:5060".parse().expect("an address");
    let listener = |transport| Listener { transport, local, prefix_bits: 8, advertise: None };
    let listeners = [listener(Transport::Udp), listener(Transport::Tcp)];
    let journal = Journal::silent();
    let counters = journal.counters();
    let resources = Resources {
        location: Location::in_memory(Limits::default()),
        directory: Arc::new(ArcSwap::from_pointee(Directory::of_passwords([("a", "b", "c")]))),
        journal,
        spool: MemorySpool::default().spool(1, 0),
        undelivered: offhook_undelivered::Desk::off(),
        secrets: Secrets { cookies: [1; 16], nonces: [2; 32], hashes: [3; 16], gruus: [5; 32] },
        seals: Arc::new(ArcSwap::from_pointee(Ring::of_one([4; 32]))),
        drain: Arc::new(Drain::new(1)),
        whereabouts: Whereabouts::new(1),
    };
    (Shard::new(0, Arc::new(Settings::new(&config, &listeners, 1)), resources).expect("a shard"), counters)
}

fuzz_target!(|input: &[u8]| {
    let (shard, counters) = shard();
    let mut house = House { shard, now_ms: START_MS, asked: None, sent: 0 };
    house.pass(60_000);
    let mut rest = input;
    while !rest.is_empty() {
        let end = rest.windows(CUT.len()).position(|w| w == CUT).unwrap_or(rest.len());
        let (answer, behind) = rest.split_at(end);
        rest = behind.get(CUT.len()..).unwrap_or_default();
        house.hears(answer);
    }
    let sent = house.sent;
    house.pass(DAYS_MS);
    assert!(house.sent > sent, "it has given up for ever");
    assert_eq!(counters.of(EventKind::PanicCaught), 0, "a panic was caught");
});

struct House {
    shard: Shard,
    now_ms: u64,
    /// The last REGISTER, and where it went.
    asked: Option<(Flow, Vec<u8>)>,
    sent: usize,
}

impl House {
    fn hears(&mut self, answer: &[u8]) {
        if self.asked.is_none() {
            self.pass(WAIT_MS);
        }
        let Some((flow, request)) = self.asked.take() else { return };
        let bytes = answer_to(&request, answer);
        let sent = self.sent;
        self.step(|shard, now_ms, out| shard.receive(now_ms, &flow, &bytes, out));
        assert!(self.sent - sent <= 1, "one answer, several requests");
        if self.asked.is_none() && answer.starts_with(b"1") {
            self.asked = Some((flow, request));
        }
    }

    fn pass(&mut self, wait_ms: u64) {
        let until_ms = self.now_ms + wait_ms;
        while let Some(due_ms) = self.shard.deadline_ms().filter(|due_ms| *due_ms <= until_ms) {
            self.now_ms = due_ms.max(self.now_ms + wait_ms / 64).min(until_ms);
            self.step(|shard, now_ms, out| shard.tick(now_ms, out));
        }
        self.now_ms = until_ms;
    }

    fn step(&mut self, act: impl FnOnce(&mut Shard, u64, &mut Outbox)) {
        let mut out = Outbox::new();
        act(&mut self.shard, self.now_ms, &mut out);
        self.shard.commit(self.now_ms, &mut out);
        for one in out.outgoing() {
            let bytes = out.bytes(one.bytes.clone());
            let message = Message::parse(bytes).expect("what was sent is a message");
            assert!(message.fault().is_none(), "{}", bytes.escape_ascii());
            assert!(
                PROVIDER.iter().any(|ip| one.flow.remote.ip() == SocketAddr::from((*ip, 0)).ip()),
                "{:?}",
                one.flow
            );
            if bytes.starts_with(b"REGISTER ") {
                let connection = ConnectionId::NONE;
                self.asked = Some((Flow { connection, ..one.flow }, bytes.to_vec()));
                self.sent += 1;
            }
        }
    }
}

/// RFC 3261 §8.2.6.2: what an answer repeats of its request, and what the input adds.
fn answer_to(request: &[u8], answer: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    let (status, headers) = answer.split_at(answer.iter().position(|&c| c == b'\n').unwrap_or(answer.len()));
    let mut out = [b"SIP/2.0 ", status.trim_ascii(), b"\r\n"].concat();
    for name in ["Via:", "From:", "Call-ID:", "CSeq:"] {
        out.extend_from_slice(format!("{}\r\n", line(name)).as_bytes());
    }
    out.extend_from_slice(format!("{};tag=t\r\n", line("To:")).as_bytes());
    let contact = line("Contact:").trim_start_matches("Contact: ").split(">").next().unwrap_or_default();
    let added = String::from_utf8_lossy(headers.trim_ascii()).replace("{contact}", &format!("{contact}>"));
    for header in added.lines() {
        out.extend_from_slice(format!("{header}\r\n").as_bytes());
    }
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    out
}
