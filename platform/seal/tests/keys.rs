//! How keys follow one another, with a store on disk and a clock of the test's own.

use std::cell::Cell;

use offhook_seal::{Keeper, Purpose, Ring, Seals};
use offhook_store::{Store, StoreError};

const HOUR_MS: u64 = 3_600_000;
const PERIOD_MS: u64 = 48 * HOUR_MS;
const START_MS: u64 = 1_700_000_000_000;

/// A server that looks at its keys once a minute.
struct Server<'d> {
    keeper: Keeper,
    ring: Ring,
    entropy: &'d Cell<u8>,
}

impl<'d> Server<'d> {
    fn start(dir: &std::path::Path, entropy: &'d Cell<u8>, now_ms: u64) -> Self {
        let keeper = Keeper::new(Store::open(dir).expect("a store"), PERIOD_MS);
        let mut server = Self { keeper, ring: Ring::default(), entropy };
        server.look(now_ms);
        server
    }

    fn look(&mut self, now_ms: u64) {
        let fresh = || {
            self.entropy.set(self.entropy.get() + 1);
            Ok::<_, StoreError>([self.entropy.get(); 32])
        };
        if let Some(ring) = self.keeper.refresh(now_ms, fresh).expect("the store") {
            self.ring = ring;
        }
    }

    fn seals(&mut self, now_ms: u64) -> Seals {
        self.look(now_ms);
        self.ring.seals(now_ms)
    }
}

fn token(seals: &Seals) -> Vec<u8> {
    let mut out = Vec::new();
    seals.seal(Purpose::Dialog, &[b"c", b"t"], b"", &mut out).expect("a token");
    out
}

fn opens(seals: &Seals, token: &[u8]) -> bool {
    seals.open(Purpose::Dialog, &[b"c", b"t"], token).is_some()
}

/// A token opens for one period at least, whenever it was made, and for two at most; so a call of 24 hours never breaks.
#[test]
fn a_token_lives_one_period_and_no_more_than_two() {
    let (dir, entropy) = (tempfile::tempdir().expect("a folder"), Cell::new(0));
    let mut server = Server::start(dir.path(), &entropy, START_MS);
    let mut made: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for hour in 0..48 * 7 {
        let now_ms = START_MS + hour * HOUR_MS;
        let seals = server.seals(now_ms);
        made.push((hour, token(&seals)));
        seen.insert(made.last().map(|(_, token)| token.clone()));
        for (born, token) in &made {
            let age_hours = hour - born;
            if age_hours <= 48 {
                assert!(opens(&seals, token), "of hour {born}, at hour {hour}");
            }
            if age_hours > 96 {
                assert!(!opens(&seals, token), "of hour {born}, at hour {hour}");
            }
        }
    }
    assert_eq!(seen.len(), 7, "a key for each period");
}

/// A restart, and another process on the same store, have the same keys at the same time.
#[test]
fn shards_restarts_and_neighbours_agree() {
    let (dir, entropy) = (tempfile::tempdir().expect("a folder"), Cell::new(0));
    let mut first = Server::start(dir.path(), &entropy, START_MS);
    let mut neighbour = Server::start(dir.path(), &entropy, START_MS + 1);
    for minute in 0..48 * 60 * 3 {
        let now_ms = START_MS + minute * 60_000;
        let (ours, theirs) = (first.seals(now_ms), neighbour.seals(now_ms + 1));
        assert!(opens(&theirs, &token(&ours)) && opens(&ours, &token(&theirs)), "minute {minute}");
    }
    let now_ms = START_MS + 48 * 60 * 3 * 60_000;
    let before = token(&first.seals(now_ms));
    drop(first);
    let mut restarted = Server::start(dir.path(), &entropy, now_ms + 1);
    assert!(opens(&restarted.seals(now_ms + 1), &before));
}

/// A server that was off for a year has new keys at once, and those of the year before mean nothing.
#[test]
fn a_long_sleep() {
    let (dir, entropy) = (tempfile::tempdir().expect("a folder"), Cell::new(0));
    let old = token(&Server::start(dir.path(), &entropy, START_MS).seals(START_MS));
    let later_ms = START_MS + 365 * 24 * HOUR_MS;
    let mut server = Server::start(dir.path(), &entropy, later_ms);
    assert!(!opens(&server.seals(later_ms + 49 * HOUR_MS), &old));
    let new = token(&server.seals(later_ms + 49 * HOUR_MS));
    assert!(opens(&server.seals(later_ms + 49 * HOUR_MS + PERIOD_MS), &new));
}
