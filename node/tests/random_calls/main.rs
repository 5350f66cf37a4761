//! Random evenings: automatic phones call each other through one or two exchanges, over links that lose, double, delay and
//! overtake, through translators and streams; exchanges die and come back. At the end everybody must agree on what
//! happened, and nothing may be left behind.
//!
//! In some of them people come by TLS and from browsers too; in some there is a domain far away whose servers are found by
//! name, and of which some are dead, busy or slow, as the name servers may be; in some there is a provider that numbers go
//! to, which asks who calls, registers the exchange and sends calls in; in some there is a row of servers that share calls and
//! are asked whether they live; in some phones are forwarded; in some
//! people say who they are, or want it hidden; in some they want TLS on every hop; in some phones ring for seconds only, until
//! others have their turn; in some requests say which way they have gone.
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
mod forwarding;
mod found;
#[path = "../ladders/ledger.rs"]
mod ledger;
mod lines;
mod loads;
#[path = "../ladders/message_room.rs"]
#[allow(dead_code, reason = "ladders use it")]
mod message_room;
mod oracle;
mod phone;
mod posing;
mod records;
mod row;
mod rules;
mod scene;
mod sniffer;
mod trunk;
mod wire;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use loads::Loads;
use oracle::Draw;
use scene::Scene;

/// Evenings in an ordinary test run.
const SEEDS: u64 = 200;

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
    let again = found::FOUND.iter().filter(|_| number("OFFHOOK_SEED").is_none());
    let seen = Mutex::new(Seen::default());
    again.for_each(|(seed, _)| seen.lock().expect("no evening panics with it").add(evening(*seed)));
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Relaxed)).filter(|seed| *seed < last) {
                    let evening = evening(seed);
                    let mut seen = seen.lock().expect("no evening panics with it");
                    seen.add(evening);
                    if seen.failures.len() >= FAILURES_MAX {
                        break;
                    }
                }
            });
        }
    });
    let Seen { mut failures, loads } = seen.into_inner().expect("no evening panics with it");
    failures.extend(loads.wrong());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What was seen in all evenings.
#[derive(Default)]
struct Seen {
    failures: Vec<String>,
    loads: Loads,
}

impl Seen {
    fn add(&mut self, (broken, draws): (Option<String>, Vec<Draw>)) {
        self.failures.extend(broken);
        draws.iter().for_each(|draw| self.loads.add(draw));
    }
}

/// One of them; what was wrong with it, if anything, and what was chosen among equals.
fn evening(seed: u64) -> (Option<String>, Vec<Draw>) {
    let mut scene = Scene::new(seed);
    scene.play();
    let (broken, draws) = rules::broken(&scene);
    let (count, text) = (broken.len(), broken.join("\n"));
    let broken = (count > 0).then(|| format!("OFFHOOK_SEED={seed}: {count} rules are broken\n{text}"));
    (broken, draws)
}
