//! Random evenings: automatic phones call each other through one or two exchanges, over links that lose, double, delay and
//! overtake, through translators and streams; exchanges die and come back. At the end everybody must agree on what
//! happened, and nothing may be left behind.
//!
//! `OFFHOOK_SEEDS=20000 cargo test -p offhook-node --test random_calls` plays more of them; `OFFHOOK_SEED=17` plays one.

mod callee;
mod caller;
#[path = "../ladders/exchange.rs"]
#[allow(dead_code, reason = "ladders use the rest of it")]
mod exchange;
mod phone;
mod rules;
mod scene;
mod wire;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use scene::Scene;

/// Evenings in an ordinary test run.
const SEEDS: u64 = 300;

/// RFC 3261 §16.7: every INVITE ends, in one refusal or in answers; RFC 3261 §9.1: every phone stops ringing;
/// RFC 3261 §12, RFC 3261 §15: caller and callee agree on their calls.
#[test]
fn random_calls() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("OFFHOOK_SEED") {
        return evening(seed);
    }
    let (next, last) = (AtomicU64::new(0), number("OFFHOOK_SEEDS").unwrap_or(SEEDS));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Relaxed)).filter(|seed| *seed < last) {
                    evening(seed);
                }
            });
        }
    });
}

/// One of them.
fn evening(seed: u64) {
    let mut scene = Scene::new(seed);
    scene.play();
    let broken = rules::broken(&scene);
    assert!(
        broken.is_empty(),
        "OFFHOOK_SEED={seed}: {} rules are broken\n{}",
        broken.len(),
        broken.join("\n")
    );
}
