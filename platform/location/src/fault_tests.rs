//! A disk that is full, refuses, or stops in the middle.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::disk::Disk;
use crate::disk::faults::{Faults, Plan};
use crate::{Binding, Change, Limits, Location, LocationError, SyncPolicy, Writer};

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";

/// The contacts of everyone who has any.
type Shown = BTreeMap<String, Vec<String>>;

/// A service whose disk can be told to fail, with Alice at her desk and Bob on his mobile, committed by shard 0.
struct World {
    first: Writer,
    second: Writer,
    location: Location,
    faults: Faults,
    folder: TempDir,
}

impl World {
    fn new(sync: SyncPolicy) -> Self {
        let folder = new_folder();
        let disk = Disk::default();
        let faults = disk.faults.clone();
        let limits = Limits { sync, shards_max: 4, ..Limits::default() };
        let location = Location::open_on(disk, folder.path(), limits, 0).unwrap();
        let (mut first, second) = (location.writer(0).unwrap(), location.writer(1).unwrap());
        set(&mut first, ALICE, &["desk"]);
        set(&mut first, BOB, &["mobile"]);
        first.commit().unwrap();
        Self { first, second, location, faults, folder }
    }

    /// Nothing happens in the background.
    fn quiet() -> Self {
        Self::new(SyncPolicy::Interval(Duration::from_secs(3600)))
    }

    fn shown(&self) -> Shown {
        shown(&self.location)
    }

    /// What the next process shows if this one is killed now.
    fn after_kill(&self) -> Shown {
        let copy = new_folder();
        copy_files(self.folder.path(), copy.path());
        shown(&Location::open(copy.path(), Limits::default(), 0).unwrap())
    }

    fn break_disk(&self, change: impl FnOnce(&mut Plan)) {
        self.faults.plan(change);
    }

    fn mend_disk(&self) {
        self.faults.plan(|plan| *plan = Plan::default());
    }
}

fn set(writer: &mut Writer, aor: &str, contacts: &[&str]) {
    let bindings = contacts.iter().map(|contact| Binding {
        contact: contact.as_bytes(),
        expires_at_ms: 1_000,
        registered_at_ms: 1_000,
        ..Binding::default()
    });
    let set = writer.update(aor.as_bytes(), 0, |_, new| {
        bindings.for_each(|binding| new.push(&binding));
        (Change::Replace, ())
    });
    set.unwrap();
}

/// Adds a contact to those that are there.
fn add(writer: &mut Writer, aor: &str, contact: &str) {
    let add = writer.update(aor.as_bytes(), 0, |have, new| {
        have.for_each(|binding| new.push(&binding));
        let times = Binding { expires_at_ms: 1_000, registered_at_ms: 1_000, ..Binding::default() };
        new.push(&Binding { contact: contact.as_bytes(), ..times });
        (Change::Replace, ())
    });
    add.unwrap();
}

fn shown(location: &Location) -> Shown {
    let mut shown = Shown::new();
    location.dump(0, |aor, binding| {
        let [aor, contact] = [aor, binding.contact].map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        shown.entry(aor).or_default().push(contact);
    });
    shown
}

fn contacts(alice: &[&str], bob: &[&str]) -> Shown {
    let known = [(ALICE, alice), (BOB, bob)].into_iter().filter(|(_, list)| !list.is_empty());
    known.map(|(aor, list)| (aor.to_string(), list.iter().map(|c| c.to_string()).collect())).collect()
}

/// A new folder, in memory where the system has one there: these tests force much to disk.
fn new_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A batch with everything in it: a change, a removal, both twice, and a new address-of-record.
fn change_much(writer: &mut Writer) {
    set(writer, ALICE, &["softphone"]);
    set(writer, BOB, &[]);
    set(writer, BOB, &["tablet"]);
    set(writer, "carol@example.org", &["desk"]);
    set(writer, ALICE, &[]);
    set(writer, "carol@example.org", &[]);
}

#[test]
fn a_full_disk_undoes_the_batch_wherever_the_write_stops() {
    for room in (0..400).step_by(3) {
        let mut world = World::quiet();
        let before = world.shown();
        change_much(&mut world.first);
        assert_eq!(world.shown(), contacts(&[], &["tablet"]));
        world.break_disk(|plan| plan.room = Some(room));
        let outcome = world.first.commit();
        world.mend_disk();
        if outcome.is_ok() {
            assert!(room > 200, "the batch fits");
            assert_eq!(world.after_kill(), contacts(&[], &["tablet"]));
            return;
        }
        assert!(matches!(outcome, Err(LocationError::Io { action: "write", .. })));
        assert_eq!((world.shown(), world.location.count()), (before.clone(), 2));
        assert_eq!(world.after_kill(), before);

        add(&mut world.first, ALICE, "softphone");
        world.first.commit().unwrap();
        assert_eq!(world.after_kill(), contacts(&["desk", "softphone"], &["mobile"]));
    }
    panic!("the batch never fits");
}

#[test]
fn a_torn_tail_that_cannot_be_cut_is_cut_before_the_next_write() {
    let mut world = World::quiet();
    world.break_disk(|plan| *plan = Plan { room: Some(150), truncate_fails: true, ..Plan::default() });
    change_much(&mut world.first);
    world.first.commit().unwrap_err();
    world.break_disk(|plan| plan.room = None);
    add(&mut world.first, ALICE, "softphone");
    let outcome = world.first.commit();
    assert!(matches!(outcome, Err(LocationError::Io { action: "truncate", .. })));
    assert_eq!(world.shown(), contacts(&["desk"], &["mobile"]));

    world.mend_disk();
    add(&mut world.first, ALICE, "tablet");
    world.first.commit().unwrap();
    assert_eq!(world.after_kill(), contacts(&["desk", "tablet"], &["mobile"]));
}

#[test]
fn a_version_that_may_lie_in_a_torn_tail_is_not_used_again() {
    let mut world = World::quiet();
    set(&mut world.first, ALICE, &[]);
    set(&mut world.first, BOB, &["tablet"]);
    let first_frame_and_a_bit = Some(40);
    world.break_disk(|plan| {
        *plan = Plan { room: first_frame_and_a_bit, truncate_fails: true, ..Plan::default() }
    });
    world.first.commit().unwrap_err();
    // Another shard, another log: its word on Alice is the last.
    world.break_disk(|plan| plan.room = None);
    add(&mut world.second, ALICE, "softphone");
    world.second.commit().unwrap();
    assert_eq!(world.after_kill(), contacts(&["desk", "softphone"], &["mobile"]));
}

#[test]
fn a_disk_that_does_not_keep_a_commit_is_not_believed() {
    let mut world = World::new(SyncPolicy::EveryCommit);
    set(&mut world.first, ALICE, &[]);
    world.break_disk(|plan| plan.sync_failures = 1);
    assert!(matches!(world.first.commit(), Err(LocationError::Io { action: "sync", .. })));
    assert_eq!((world.shown(), world.after_kill()), (contacts(&["desk"], &["mobile"]), world.shown()));
}

#[test]
fn nobody_builds_on_what_is_undone() {
    let mut world = World::quiet();
    set(&mut world.first, ALICE, &[]); // a removal that will fail
    world.break_disk(|plan| plan.room = Some(0));
    add(&mut world.second, ALICE, "softphone"); // meets it, and has it written first, in vain
    assert_eq!(world.shown(), contacts(&["desk", "softphone"], &["mobile"]));
    set(&mut world.first, BOB, &[]);
    world.mend_disk();
    world.first.commit().expect_err("a part of this batch failed already");
    assert_eq!(world.shown(), contacts(&["desk", "softphone"], &["mobile"]));
    world.second.commit().unwrap();
    world.first.commit().expect("a new batch");
    assert_eq!(world.after_kill(), contacts(&["desk", "softphone"], &["mobile"]));
}

#[test]
fn what_a_second_shard_builds_on_is_written_first() {
    let mut world = World::quiet();
    set(&mut world.first, ALICE, &[]);
    add(&mut world.second, ALICE, "softphone");
    assert_eq!(world.after_kill(), contacts(&[], &["mobile"]));
    world.break_disk(|plan| plan.room = Some(0));
    world.second.commit().unwrap_err();
    world.first.commit().expect("it is on disk already");
    assert_eq!((world.shown(), world.after_kill()), (contacts(&[], &["mobile"]), world.shown()));
}

/// A refresh that the log covers is answered before it is written: where that fails it stays, and nothing waits any more
/// until a snapshot holds it.
#[test]
fn a_full_disk_undoes_no_refresh_that_was_answered() {
    let mut world = World::quiet();
    let register = |writer: &mut Writer, at_ms: u64| {
        let times = Binding { expires_at_ms: at_ms + 10_000, registered_at_ms: at_ms, ..Binding::default() };
        writer.update(ALICE.as_bytes(), at_ms, |_, new| (Change::Replace, new.push(&times))).unwrap();
        writer.commit()
    };
    let end_ms =
        |location: &Location| location.read(ALICE.as_bytes(), 0, |mut b| b.next().unwrap().expires_at_ms);
    register(&mut world.first, 1).unwrap();
    world.break_disk(|plan| plan.room = Some(0));
    register(&mut world.first, 2).expect("it waits");
    world.first.catch_up().unwrap_err();
    assert_eq!(end_ms(&world.location), 10_002);
    register(&mut world.first, 3).expect_err("nothing waits now");
    assert_eq!(end_ms(&world.location), 10_002);
    world.mend_disk();
    world.location.compact().unwrap();
    let read = || end_ms(&Location::open_read_only(world.folder.path(), 0).unwrap());
    assert_eq!(read(), 10_002, "the snapshot has it");
    register(&mut world.first, 4).unwrap();
    assert_eq!(read(), 10_002, "and refreshes wait again");
}

#[test]
fn a_snapshot_that_stops_anywhere_loses_and_resurrects_nothing() {
    for operations in 0..100 {
        // Each log holds a removal whose binding lies in the other one, whichever is removed first.
        let mut world = World::quiet();
        set(&mut world.second, ALICE, &[]);
        set(&mut world.second, BOB, &["tablet"]);
        set(&mut world.second, "carol@example.org", &["desk"]);
        world.second.commit().unwrap();
        set(&mut world.first, BOB, &[]);
        world.first.commit().unwrap();
        let before = world.shown();
        world.break_disk(|plan| plan.operations_left = Some(operations));
        let outcome = world.location.compact();
        assert_eq!(world.after_kill(), before, "stopped after {operations} operations");
        world.mend_disk();
        if outcome.is_ok() {
            assert!(operations > 10, "it does more than {operations} operations");
            return;
        }
        add(&mut world.first, ALICE, "softphone");
        world.first.commit().unwrap();
        assert_eq!(world.after_kill(), world.shown());
        world.location.compact().unwrap();
        assert_eq!(world.after_kill(), world.shown());
    }
    panic!("a compaction never ends");
}

#[test]
fn a_snapshot_keeps_nothing_that_was_undone() {
    let (mut given_up, mut whole) = (0, 0);
    for room in (0..600).step_by(5) {
        let mut world = World::quiet();
        let before = world.shown();
        change_much(&mut world.first);
        world.break_disk(|plan| plan.room = Some(room));
        let compacted = world.location.compact();
        let committed = world.first.commit();
        world.mend_disk();
        let expected = if committed.is_ok() { contacts(&[], &["tablet"]) } else { before };
        assert_eq!((world.shown(), world.after_kill()), (expected, world.shown()), "room for {room} bytes");
        given_up += u32::from(matches!(compacted, Err(LocationError::CompactionGivenUp)));
        whole += u32::from(compacted.is_ok());
    }
    assert!(given_up > 0 && whole > 0, "{given_up} given up, {whole} whole");
}

#[test]
fn a_sync_that_failed_in_the_background_is_made_good_by_a_snapshot() {
    let mut world = World::new(SyncPolicy::Interval(Duration::from_millis(10)));
    world.break_disk(|plan| plan.sync_failures = 1);
    set(&mut world.first, ALICE, &["softphone"]);
    world.first.commit().unwrap();
    while world.location.upkeep().compactions == 0 {
        std::thread::yield_now();
    }
    let upkeep = world.location.upkeep();
    assert_eq!((upkeep.sync_failures, upkeep.compaction_failures), (1, 0));
    assert!(matches!(upkeep.last_failure.as_deref(), Some(LocationError::Io { action: "sync", .. })));
    assert_eq!(world.after_kill(), contacts(&["softphone"], &["mobile"]));
}
