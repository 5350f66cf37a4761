//! Shards, readers, sweeps and compactions at the same time.

mod world;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use offhook_location::{Binding, Change, Location, LocationError, Writer};
use world::{all, copy_of, quiet};

const AORS: u32 = 40;
const UPDATES_PER_SHARD: u32 = 2_000;
const SHARDS: u16 = 3;

/// Each address-of-record counts its updates in the CSeq, and has two bindings that must always agree.
fn count_up(writer: &mut Writer, shard: u16) {
    for n in 0..UPDATES_PER_SHARD {
        let aor = format!("user{}@x", (n * 7 + u32::from(shard) * 3) % AORS);
        let count = writer.update(aor.as_bytes(), 0, |mut have, new| {
            let cseq = have.next().map_or(0, |binding| binding.cseq) + 1;
            for contact in [&b"desk"[..], b"mobile"] {
                // Made at its end: the copy that is opened in the end does not believe it for longer.
                let times = Binding { expires_at_ms: 1_000, registered_at_ms: 1_000, ..Binding::default() };
                new.push(&Binding { contact, cseq, ..times });
            }
            (Change::Replace, ())
        });
        count.unwrap();
        if n % 5 == 0 {
            writer.commit().unwrap();
        }
    }
    writer.commit().unwrap();
}

fn assert_agreement(location: &Location) {
    for n in 0..AORS {
        location.read(format!("user{n}@x").as_bytes(), 0, |bindings| {
            let seen: Vec<u32> = bindings.map(|binding| binding.cseq).collect();
            assert!(matches!(seen[..], [] | [_, _]) && seen.windows(2).all(|w| w[0] == w[1]), "{seen:?}");
        });
    }
}

/// The number of a batch is short, and comes again: an old record that carries the present one is no open batch's.
#[test]
fn an_old_record_is_not_waited_for() {
    let location = Location::in_memory(quiet());
    let (mut first, mut second) = (location.writer(0).unwrap(), location.writer(1).unwrap());
    let register = |writer: &mut Writer, aor: &str| {
        let binding = Binding { expires_at_ms: 1_000, ..Binding::default() };
        writer.update(aor.as_bytes(), 0, |_, new| (Change::Replace, new.push(&binding))).unwrap();
        writer.commit().unwrap();
    };
    register(&mut first, "old@x");
    (0..u16::MAX).for_each(|n| register(&mut first, &format!("user{}@x", n % 8)));
    register(&mut second, "old@x");
}

#[test]
fn no_update_is_lost_and_no_reader_sees_half_of_one() {
    let folder = world::new_folder();
    let location = Location::open(folder.path(), quiet(), 0).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let shards: Vec<_> = (0..SHARDS)
            .map(|shard| {
                let mut writer = location.writer(shard).unwrap();
                scope.spawn(move || count_up(&mut writer, shard))
            })
            .collect();
        let mut sweeper = location.writer(SHARDS).unwrap();
        let (location, done) = (&location, &done);
        scope.spawn(move || {
            while !done.load(Relaxed) {
                assert_agreement(location);
                sweeper.expire(0, location.stripes(), |_, _| panic!("nothing expires")).unwrap();
            }
        });
        scope.spawn(|| {
            while !done.load(Relaxed) {
                location.compact().unwrap();
            }
        });
        let outcomes: Vec<_> = shards.into_iter().map(|shard| shard.join()).collect();
        done.store(true, Relaxed); // also after a panic, so that the others end
        outcomes.into_iter().for_each(|outcome| outcome.unwrap());
    });

    let mut updates = 0;
    location.dump(0, |_, binding| updates += binding.cseq);
    assert_eq!(updates, 2 * UPDATES_PER_SHARD * u32::from(SHARDS));
    let next = Location::open(copy_of(folder.path()).path(), quiet(), 0).unwrap();
    assert_eq!(all(&next, 0), all(&location, 0));
    let mut updates_found = 0;
    next.dump(0, |_, binding| updates_found += binding.cseq);
    assert_eq!(updates_found, updates);
}

/// A reader in another process sees every registration that it saw before, although files come and go under it.
#[test]
fn a_foreign_reader_never_misses_a_compaction() {
    let folder = world::new_folder();
    let location = Location::open(folder.path(), quiet(), 0).unwrap();
    let mut writer = location.writer(0).unwrap();
    let mut register = |n: u32| {
        let aor = format!("user{n}@x");
        let binding = Binding { expires_at_ms: 1_000, contact: aor.as_bytes(), ..Binding::default() };
        writer.update(aor.as_bytes(), 0, |_, new| (Change::Replace, new.push(&binding))).unwrap();
        writer.commit().unwrap();
    };
    (0..1_000).for_each(&mut register);
    let mut counts = vec![1_000];
    for round in 1..16 {
        std::thread::scope(|scope| {
            scope.spawn(|| location.compact().unwrap());
            scope.spawn(|| (round * 1_000..).take(100).for_each(&mut register));
            for _ in 0..3 {
                match Location::open_read_only(folder.path(), 0) {
                    Ok(beside) => counts.push(beside.count()),
                    Err(LocationError::KeepsChanging) => {} // honest, if unlucky
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    assert!(counts.is_sorted() && counts.len() > 15, "{counts:?}");
}
