//! A whole shard eats anything: datagrams cut from the input, a millisecond or a minute apart. It never panics, and when
//! time has passed nothing is left.

#![cfg_attr(not(test), no_main)]

use std::sync::Arc;

use arc_swap::ArcSwap;
use offhook_accounts::Directory;
use offhook_cdr::MemorySpool;
use offhook_config::Config;
use offhook_fuzz::fuzz_target;
use offhook_journal::{EventKind, Journal};
use offhook_location::{Limits, Location};
use offhook_net::{ConnectionId, Engine, Flow, Listener, Outbox};
use offhook_node::{Drain, Resources, Secrets, Settings, Shard, Whereabouts};
use offhook_seal::Ring;
use offhook_sip::Transport;

/// Between two datagrams of the input.
const CUT: &[u8] = b"\n~~\n";

const START_MS: u64 = 1_700_000_000_000;

/// Longer than every timer of RFC 3261 and Timer C.
const QUIET_MS: u64 = 400_000;

fn shard() -> (Shard, Arc<offhook_journal::Counters>) {
    let text = "domains = [\"b\"]\n[[listen]]\ntransport = \"udp\"\naddress = \"127.0.0.1:5060\"\n\
        [access]\nauthenticate_register = false\nauthenticate_calls = false\n\
        [[route]]\nmatch = { domain = \"r\" }\nto = \"sip:192.0.2.9\"\n\
        [[route]]\nmatch = { domain = \"s\" }\nto = \"sip:192.0.2.9\"\nmode = \"stateless\"\n";
    let config = Config::parse(text, "fuzz").expect("sound");
    let local = "127.0.0.1:5060".parse().expect("an address");
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
    let (mut shard, counters) = shard();
    let mut out = Outbox::new();
    let mut now_ms = START_MS;
    let mut rest = input;
    while !rest.is_empty() {
        let end = rest.windows(CUT.len()).position(|w| w == CUT).unwrap_or(rest.len());
        let (datagram, behind) = rest.split_at(end);
        rest = behind.get(CUT.len()..).unwrap_or_default();
        let transport = if datagram.len() % 5 == 0 { Transport::Tcp } else { Transport::Udp };
        let from = Flow {
            transport,
            listener: u16::from(transport == Transport::Tcp),
            connection: ConnectionId::NONE,
            remote: ([127, 0, 0, 1], 5070).into(),
        };
        shard.receive(now_ms, &from, datagram, &mut out);
        // What it sent comes back now and then, as if a neighbour echoed it.
        let echo = out.outgoing().last().map(|o| (o.ticket, out.bytes(o.bytes.clone()).to_vec()));
        shard.commit(now_ms, &mut out);
        out.clear();
        if let Some((ticket, bytes)) = echo {
            match datagram.len() % 3 {
                0 => shard.receive(now_ms, &from, &bytes, &mut out),
                1 => shard.send_failed(now_ms, ticket, &mut out),
                _ => {}
            }
        }
        now_ms += if datagram.len() % 7 == 0 { 60_000 } else { 1 };
        shard.tick(now_ms, &mut out);
        shard.commit(now_ms, &mut out);
        out.clear();
    }
    for step in 1..=64 {
        shard.tick(now_ms + step * (QUIET_MS / 64), &mut out);
        shard.commit(now_ms, &mut out);
        out.clear();
    }
    assert_eq!(counters.of(EventKind::PanicCaught), 0, "a panic was caught");
    assert!(shard.is_empty(), "something is left after all timers");
});
