//! Which records are shown: the latest that fit, whatever order they ended in.

use std::path::Path;

use offhook_cdr::{Assembler, Begun, Fact, Filter, Options, Policy, Record, SpoolFolder, list};
use offhook_store::Store;
use tempfile::TempDir;

const START_MS: u64 = 1_795_248_903_123;

/// Nearly each is stored in a turn of its own, and rows are read a hundred at a time.
const CALLS: u64 = 64 * 3 + 5;

/// Calls that begin a second after one another. Each third is refused at once and has its record half a minute later; the
/// others ring for an hour.
fn house(dir: &Path) {
    let folder = SpoolFolder::open(&dir.join("cdr"), 1 << 30, 1).unwrap();
    let policy = Policy { call_max_ms: 3_600_000, calls_max: 1_000 };
    let options = Options { policy, files: None, keep_days: 30 };
    let mut assembler = Assembler::open(Store::open(dir).unwrap(), folder.clone(), options).unwrap();
    let mut spool = folder.spool(0);
    for number in 0..CALLS {
        let at_ms = START_MS + number * 1_000;
        let (call_id, is_refused) = (number.to_string(), number % 3 == 0);
        let begun = Begun {
            leg: if is_refused { 0 } else { number },
            refused: if is_refused { 480 } else { 0 },
            in_path: true,
            cseq: 1,
            transport: b"udp",
            source: "192.0.2.1:5060".parse().unwrap(),
            call_id: call_id.as_bytes(),
            from_tag: b"a",
            from: if number % 2 == 0 { b"sip:alice@example.org" } else { b"sip:carol@example.org" },
            to: b"sip:bob@example.org",
            request_uri: b"sip:+4930@example.org",
            user: if number % 4 == 0 { b"chief" } else { b"" },
            domain: if number % 4 == 0 { b"two.example" } else { b"" },
            contact: b"",
            agent: b"",
            route: b"out",
            trunk: if number % 5 == 0 { b"carrier" } else { b"" },
        };
        spool.note(at_ms, &Fact::Begun(begun));
        assert!(spool.commit(at_ms).is_none());
        assembler.turn(at_ms).unwrap();
    }
    assembler.turn(START_MS + 10_000_000).unwrap();
}

/// The calls that are listed, by number.
fn numbers(dir: &Path, filter: Filter) -> Vec<u64> {
    let limit = if filter.limit == 0 { 10_000 } else { filter.limit };
    let found = list(&Store::open(dir).unwrap(), &dir.join("cdr"), &Filter { limit, ..filter }).unwrap();
    let number = |record: &Record| record.call_id.parse().unwrap();
    found.records.iter().map(number).collect()
}

#[test]
fn the_latest_that_fit() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    house(dir);
    let all: Vec<u64> = (0..CALLS).collect();
    let those = |fits: &dyn Fn(u64) -> bool| all.iter().copied().filter(|n| fits(*n)).collect::<Vec<_>>();
    let any = Filter::default;
    assert_eq!(numbers(dir, any()), all);
    for limit in [1, 5, 64, 65, 130] {
        let latest = all[all.len() - limit..].to_vec();
        assert_eq!(numbers(dir, Filter { limit, ..any() }), latest, "the latest {limit}");
    }
    let trunk = Filter { trunk: Some("carrier".to_owned()), ..any() };
    assert_eq!(numbers(dir, trunk.clone()), those(&|n| n % 5 == 0));
    assert_eq!(numbers(dir, Filter { limit: 2, ..trunk }), [190, 195]);
    assert_eq!(numbers(dir, Filter { trunk: Some("car".to_owned()), ..any() }), [0; 0]);
    assert_eq!(numbers(dir, Filter { status: Some(480), ..any() }), those(&|n| n % 3 == 0));
    assert_eq!(numbers(dir, Filter { from: Some("alice".to_owned()), ..any() }), those(&|n| n % 2 == 0));
    assert_eq!(numbers(dir, Filter { from: Some("chief".to_owned()), ..any() }), those(&|n| n % 4 == 0));
    assert_eq!(numbers(dir, Filter { from: Some("Chief@TWO".to_owned()), ..any() }), those(&|n| n % 4 == 0));
    assert_eq!(numbers(dir, Filter { to: Some("+4930".to_owned()), ..any() }), all);
    assert_eq!(numbers(dir, Filter { to: Some("dave".to_owned()), ..any() }), [0; 0]);
    let at = |number: u64| Some(START_MS + number * 1_000);
    assert_eq!(numbers(dir, Filter { since_ms: at(190), ..any() }), (190..CALLS).collect::<Vec<_>>());
    assert_eq!(
        numbers(dir, Filter { since_ms: at(3), until_ms: at(7), limit: 3, ..any() }),
        [4, 5, 6],
        "the latest of an hour long ago"
    );
}
