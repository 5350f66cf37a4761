//! Random evenings: automatic phones call each other through one or two exchanges, over links that lose, double, delay and
//! overtake, through translators and streams; exchanges die and come back. At the end everybody must agree on what
//! happened, and nothing may be left behind.
//!
//! In some of them people come by TLS and from browsers too; in some there is a domain far away whose servers are found by
//! name, and of which some are dead, busy or slow, as the name servers may be; in some there is a provider that numbers go
//! to, which asks who calls, registers the exchange and sends calls in.
//!
//! An oracle at the door of each exchange sees every message and holds it against RFC 3261.
//!
//! `OFFHOOK_SEEDS=20000 cargo test -p offhook-node --test random_calls` plays more of them, from `OFFHOOK_FIRST_SEED` on;
//! `OFFHOOK_SEED=17` plays one. Without the latter, those that once found something are played before all others.

mod asks;
mod callee;
mod caller;
#[path = "../ladders/exchange.rs"]
#[allow(dead_code, reason = "ladders use the rest of it")]
mod exchange;
mod extras;
mod far;
#[path = "../ladders/ledger.rs"]
mod ledger;
mod lines;
#[path = "../ladders/message_room.rs"]
#[allow(dead_code, reason = "ladders use it")]
mod message_room;
mod oracle;
mod phone;
mod records;
mod rules;
mod scene;
mod sniffer;
mod trunk;
mod wire;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use scene::Scene;

/// Evenings in an ordinary test run.
const SEEDS: u64 = 200;

/// Evenings that once found something and are too long for a ladder. They are played first, each time. They are from the
/// time before there were extras, and have none.
const FOUND_IN_PLAIN_EVENINGS: [u64; 4] = [
    213_134, // an INVITE comes twice, nobody is registered when the first copy comes, and somebody is for the second one
    500_940, // the ACK to a 408 comes by a new connection, to another shard
    2_006_834, // a caller far away acknowledges the 480 of one copy of his INVITE while another copy rings
    4_013_826, // the same, and the phone that rings never says a word
];

/// The same, with names and a provider.
const FOUND: [u64; 15] = [
    5_001_767,  // a name leads nowhere, and two copies of a request for a route without state wait for it
    5_003_882,  // a provider's first word comes after Timer B
    5_007_428, // a server says 503 when the request has been answered by another one, and its transaction is gone
    5_013_771, // a server that was left takes the call when its caller has been refused, and hangs up
    5_016_825, // a name leads nowhere, and then somewhere, while a request is repeated
    6_062_719, // an exchange that has started again sends on the ACK to a refusal, and it gets to a trunk
    6_081_499, // the connection for an answer is gone and has to be opened anew
    6_097_067, // on a route without state an INVITE waits for a name, and its ACK too
    7_006_569, // there an exchange is killed while a request waits for a name
    7_007_047, // there its repetition has waited in vain, and the ACK goes on
    7_092_454, // a machine of a provider that was left takes the call too late, and hangs up
    10_017_641, // nobody is there for a message, and somebody is for its repetition
    10_044_379, // a call was declined and has its record when a copy of it comes by another way, and is taken
    10_073_959, // the connection for a 180 is gone and has to be opened anew
    10_088_786, // nobody is there for an OPTIONS, and for its repetition its credentials have been used
];

/// So many bad evenings are enough to look at.
const FAILURES_MAX: usize = 5;

/// RFC 3261 §16.7: every INVITE ends, in one refusal or in answers; RFC 3261 §9.1: every phone stops ringing;
/// RFC 3261 §12, RFC 3261 §15: caller and callee agree on their calls. RFC 3261 §17, RFC 6026 §7, RFC 4320 §4: each message
/// of the exchange is the one that its transactions want, at its time, and they live as long as they must.
#[test]
fn random_calls() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("OFFHOOK_FIRST_SEED").unwrap_or(0);
    let (first, last) = match number("OFFHOOK_SEED") {
        Some(seed) => (seed, seed + 1),
        None => (first, first + number("OFFHOOK_SEEDS").unwrap_or(SEEDS)),
    };
    let again = FOUND_IN_PLAIN_EVENINGS.iter().chain(&FOUND).filter(|_| number("OFFHOOK_SEED").is_none());
    let failures: Vec<String> = again.filter_map(|seed| evening(*seed)).collect();
    let (next, failures) = (AtomicU64::new(first), Mutex::new(failures));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Relaxed)).filter(|seed| *seed < last) {
                    let broken = evening(seed);
                    let mut failures = failures.lock().expect("no evening panics with it");
                    failures.extend(broken);
                    if failures.len() >= FAILURES_MAX {
                        break;
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no evening panics with it");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// One of them; what was wrong with it, if anything.
fn evening(seed: u64) -> Option<String> {
    let mut scene = Scene::new(seed);
    scene.play();
    let broken = rules::broken(&scene);
    let (count, text) = (broken.len(), broken.join("\n"));
    (count > 0).then(|| format!("OFFHOOK_SEED={seed}: {count} rules are broken\n{text}"))
}
