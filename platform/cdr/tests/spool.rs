//! What a spool writes, and when.

use std::path::Path;

use offhook_cdr::{Fact, SpoolFolder};
use tempfile::TempDir;

const RANG: Fact<'static> = Fact::Rang { leg: 1 };
const HEARD: Fact<'static> = Fact::Heard { leg: 1 };

/// Bytes of all its segments.
fn written(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let spools = entries.filter(|entry| entry.file_name().to_str().unwrap().starts_with("spool-"));
    spools.map(|entry| entry.metadata().unwrap().len()).sum()
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
