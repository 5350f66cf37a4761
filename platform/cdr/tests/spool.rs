//! What a spool writes, and when.

mod spooled;

use std::path::Path;

use offhook_cdr::{Assembler, Fact, Options, Policy, SpoolFolder};
use offhook_store::Store;
use tempfile::TempDir;

use spooled::frames_end;

const RANG: Fact<'static> = Fact::Rang { leg: 1 };
const HEARD: Fact<'static> = Fact::Heard { leg: 1 };

/// Bytes of all its segments, without the room behind them.
fn written(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let spools = entries.filter(|entry| entry.file_name().to_str().unwrap().starts_with("spool-"));
    spools.map(|entry| frames_end(&std::fs::read(entry.path()).unwrap()) as u64).sum()
}

/// A server with little to do writes each fact alone, and each write costs it more than the fact.
#[test]
fn that_it_rings_waits_for_another_fact() {
    let dir = TempDir::new().unwrap();
    let mut spool = SpoolFolder::open(dir.path(), 1 << 30, 1).unwrap().spool(0);
    let mut note = |now_ms: u64, facts: &[Fact<'_>]| {
        facts.iter().for_each(|fact| spool.note(now_ms, fact));
        assert!(spool.commit(now_ms).is_none());
        written(dir.path())
    };
    assert_eq!(note(1_000, &[RANG]), 0);
    assert_eq!(note(1_099, &[]), 0);
    let first = note(1_100, &[]);
    assert!(first > 0, "nothing else came");
    assert_eq!(note(2_000, &[RANG]), first);
    let second = note(2_001, &[HEARD]);
    assert!(second > first);
    assert_eq!(note(5_000, &[HEARD, RANG]) - second, second - first, "both are written each time");
    let third = note(6_000, &[RANG]);
    drop(spool);
    assert!(written(dir.path()) > third, "the server stops");
}

/// A server that stops while facts wait for room has them written, and says how many found none.
#[test]
fn losses_are_told_at_the_end() {
    const FACTS: u64 = 50_000;
    let dir = TempDir::new().unwrap();
    let folder = SpoolFolder::open(&dir.path().join("cdr"), 1 << 30, 1).unwrap();
    let mut spool = folder.spool(0);
    (0..FACTS).for_each(|_| spool.note(1_000, &HEARD));
    drop(spool);
    let policy = Policy { call_max_ms: 3_600_000, calls_max: 100 };
    let options = Options { policy, files: None, keep_days: 30 };
    let mut assembler = Assembler::open(Store::open(dir.path()).unwrap(), folder, options).unwrap();
    let lost = assembler.turn(2_000).unwrap().lost;
    assert!((1..FACTS).contains(&lost), "{lost}");
}

/// What a disk has changed may say that more was lost than a number of the store can hold. It stops no record.
#[test]
fn no_number_of_losses_is_too_large() {
    let dir = TempDir::new().unwrap();
    let folder = SpoolFolder::open(&dir.path().join("cdr"), 1 << 30, 1).unwrap();
    let mut spool = folder.spool(0);
    let policy = Policy { call_max_ms: 3_600_000, calls_max: 100 };
    let options = Options { policy, files: None, keep_days: 30 };
    let mut assembler = Assembler::open(Store::open(dir.path()).unwrap(), folder, options).unwrap();
    for turn in 1..=3 {
        spool.note(turn * 1_000, &Fact::Lost { facts: u64::MAX });
        assert!(spool.commit(turn * 1_000).is_none());
        assert!(assembler.turn(turn * 1_000).unwrap().lost > 1_000_000);
    }
}
