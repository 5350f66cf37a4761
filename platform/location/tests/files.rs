//! What is found in the files: after a restart, beside a running server, after damage.

mod world;

use std::path::Path;

use offhook_location::{Binding, Change, Location, LocationError, OpenReport, StoredFlow};
use proptest::prelude::*;
use world::{all, contacts, copy_of, get, log_of, names_in, quiet, set};

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";

fn open(folder: &Path) -> Location {
    Location::open(folder, quiet(), 0).unwrap()
}

/// A folder in which each of the pairs was committed for itself by shard 0.
fn folder_with(pairs: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = world::new_folder();
    let location = open(folder.path());
    let mut writer = location.writer(0).unwrap();
    for (aor, contact) in pairs {
        set(&mut writer, aor, &contacts(&[(contact, 1_000)])).unwrap();
        writer.commit().unwrap();
    }
    folder
}

#[test]
fn what_was_committed_is_there_after_a_restart() {
    let folder = folder_with(&[(ALICE, "desk"), (BOB, "desk"), (ALICE, "mobile")]);
    for _ in 0..3 {
        let location = open(folder.path());
        assert_eq!(get(&location, ALICE, 0), contacts(&[("mobile", 1_000)]));
        assert_eq!(location.report(), OpenReport { bindings: 2, ..OpenReport::default() });
    }
}

#[test]
fn what_was_removed_stays_removed_whichever_log_says_so() {
    let folder = world::new_folder();
    {
        let location = open(folder.path());
        let mut writers = [0, 1, 2].map(|shard| location.writer(shard).unwrap());
        for (shard, list) in [(2, vec![("desk", 9)]), (0, vec![("mobile", 9)]), (1, vec![])] {
            set(&mut writers[shard], ALICE, &contacts(&list)).unwrap();
            writers[shard].commit().unwrap();
        }
    }
    assert!(all(&open(folder.path()), 0).is_empty());
    open(folder.path()).compact().unwrap();
    assert!(all(&open(folder.path()), 0).is_empty());
}

#[test]
fn what_expired_meanwhile_is_counted_and_left_out() {
    let folder = world::new_folder();
    {
        let location = open(folder.path());
        let mut writer = location.writer(0).unwrap();
        set(&mut writer, ALICE, &contacts(&[("desk", 9_000), ("mobile", 1_000)])).unwrap();
        // The later record ends earlier: the earlier one must not take its place.
        set(&mut writer, BOB, &contacts(&[("desk", 9_000)])).unwrap();
        set(&mut writer, BOB, &contacts(&[("desk", 1_000)])).unwrap();
        writer.commit().unwrap();
    }
    let location = Location::open(folder.path(), quiet(), 5_000).unwrap();
    assert_eq!(location.report(), OpenReport { bindings: 1, expired: 2, ..OpenReport::default() });
    assert_eq!(all(&location, 5_000), [(ALICE.to_string(), contacts(&[("desk", 9_000)]))].into());
    let mut writer = location.writer(0).unwrap();
    assert_eq!(writer.expire(5_000, location.stripes(), |_, _| {}).unwrap(), 2);
    assert_eq!(all(&location, 0), [(ALICE.to_string(), contacts(&[("desk", 9_000)]))].into());
}

#[test]
fn a_connection_does_not_outlive_its_process() {
    let folder = world::new_folder();
    let flow =
        StoredFlow { connection_index: 7, connection_generation: 3, nat: true, ..StoredFlow::default() };
    {
        let location = open(folder.path());
        let mut writer = location.writer(0).unwrap();
        let binding = Binding { flow, expires_at_ms: 9, ..Binding::default() };
        writer.update(ALICE.as_bytes(), 0, |_, new| (Change::Replace, new.push(&binding))).unwrap();
        writer.commit().unwrap();
    }
    let found = open(folder.path()).read(ALICE.as_bytes(), 0, |mut b| b.next().map(|b| b.flow));
    assert_eq!(found, Some(StoredFlow { connection_index: 0, connection_generation: 0, ..flow }));
}

#[test]
fn a_second_server_is_turned_away() {
    let folder = folder_with(&[(ALICE, "desk")]);
    let first = open(folder.path());
    let second = Location::open(folder.path(), quiet(), 0);
    assert!(matches!(second, Err(LocationError::InUse { .. })));
    drop(first);
    open(folder.path());
}

#[test]
fn a_reader_beside_the_server_changes_nothing() {
    let folder = folder_with(&[(ALICE, "desk")]);
    let server = open(folder.path());
    let mut writer = server.writer(0).unwrap();
    set(&mut writer, BOB, &contacts(&[("desk", 1_000)])).unwrap();
    let before = names_in(folder.path());
    let reader = Location::open_read_only(folder.path(), 0).unwrap();
    assert_eq!(all(&reader, 0).keys().collect::<Vec<_>>(), [ALICE], "bob is not committed");
    writer.commit().unwrap();
    assert_eq!(all(&Location::open_read_only(folder.path(), 0).unwrap(), 0), all(&server, 0));
    assert!(matches!(reader.writer(0), Err(LocationError::ReadOnly)));
    assert!(matches!(reader.compact(), Err(LocationError::ReadOnly)));
    assert_eq!(names_in(folder.path()), before);
}

#[test]
fn a_reader_without_a_folder_says_so() {
    let nowhere = world::new_folder().path().join("nothing");
    let outcome = Location::open_read_only(&nowhere, 0);
    assert!(matches!(outcome, Err(LocationError::Io { action: "open", .. })));
}

#[test]
fn a_compaction_leaves_one_snapshot_and_new_logs() {
    let folder = folder_with(&[(ALICE, "desk"), (ALICE, "mobile"), (BOB, "desk")]);
    let location = open(folder.path());
    let mut writer = location.writer(3).unwrap();
    set(&mut writer, BOB, &contacts(&[("mobile", 1_000)])).unwrap();
    let before = all(&location, 0);
    location.compact().unwrap();
    assert_eq!(names_in(folder.path()), ["location-3.3.log", "location.lock", "location.snapshot"]);
    assert_eq!(location.upkeep().compactions, 1);
    set(&mut writer, ALICE, &contacts(&[])).unwrap();
    writer.commit().unwrap();
    drop((writer, location));
    let after = all(&open(folder.path()), 0);
    assert_eq!(after, before.into_iter().filter(|(aor, _)| aor == BOB).collect());
}

#[test]
fn files_that_grow_are_compacted_in_the_background() {
    let folder = world::new_folder();
    let sync = offhook_location::SyncPolicy::Interval(std::time::Duration::from_millis(10));
    let limits = offhook_location::Limits { log_slack_bytes: 10_000, sync, ..quiet() };
    let location = Location::open(folder.path(), limits, 0).unwrap();
    let mut writer = location.writer(0).unwrap();
    while location.upkeep().compactions == 0 {
        set(&mut writer, ALICE, &contacts(&[("desk", 1_000)])).unwrap();
        writer.commit().unwrap();
        std::thread::yield_now();
    }
    assert!(location.upkeep().last_failure.is_none());
    assert!(std::fs::metadata(folder.path().join("location.snapshot")).unwrap().len() < 1_000);
}

#[test]
fn many_restarts_do_not_leave_many_files() {
    let folder = world::new_folder();
    for _ in 0..5 {
        let location = open(folder.path());
        let _writers = [0, 1, 2].map(|shard| location.writer(shard).unwrap());
    }
    drop(open(folder.path()));
    assert_eq!(names_in(folder.path()), ["location.lock", "location.stopped"]);
}

#[test]
fn a_newer_format_is_refused_and_left_as_it_is() {
    let folder = folder_with(&[(ALICE, "desk")]);
    let log = log_of(folder.path(), 0);
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[8] = 2;
    std::fs::write(&log, &bytes).unwrap();
    let outcome = Location::open(folder.path(), quiet(), 0);
    assert!(matches!(outcome, Err(LocationError::NewerFormat { format: 2, supported: 1, .. })));
    assert_eq!(std::fs::read(&log).unwrap(), bytes);
}

#[test]
fn a_damaged_header_costs_that_file_only() {
    let folder = folder_with(&[(ALICE, "desk")]);
    {
        let location = open(folder.path());
        let mut writer = location.writer(5).unwrap();
        set(&mut writer, BOB, &contacts(&[("desk", 1_000)])).unwrap();
        writer.commit().unwrap();
    }
    let log = log_of(folder.path(), 0);
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[12] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let location = open(folder.path());
    assert_eq!(location.report().damaged_files, 1);
    assert_eq!(all(&location, 0).keys().collect::<Vec<_>>(), [BOB]);
    assert!(names_in(folder.path()).contains(&"location-0.1.log.damaged".to_string()));
}

#[test]
fn a_torn_tail_is_cut_and_reported() {
    let folder = folder_with(&[(ALICE, "desk"), (BOB, "desk")]);
    let log = log_of(folder.path(), 0);
    let length = std::fs::metadata(&log).unwrap().len();
    std::fs::File::options().write(true).open(&log).unwrap().set_len(length - 3).unwrap();
    let location = open(folder.path());
    assert_eq!(all(&location, 0).keys().collect::<Vec<_>>(), [ALICE]);
    assert!(location.report().torn_bytes > 0);
    location.compact().unwrap();
    drop(location);
    assert_eq!(open(folder.path()).report(), OpenReport { bindings: 1, ..OpenReport::default() });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Whatever bytes change, the server starts, and shows only what was once written.
    #[test]
    fn damage_shows_nothing_that_never_was(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        in_snapshot: bool,
    ) {
        let written = [(ALICE, "desk"), (BOB, "desk"), (ALICE, "mobile"), (BOB, "softphone"), (ALICE, "tablet")];
        let folder = folder_with(&written);
        if in_snapshot {
            open(folder.path()).compact().unwrap();
        }
        let file = if in_snapshot { folder.path().join("location.snapshot") } else { log_of(folder.path(), 0) };
        let mut bytes = std::fs::read(&file).unwrap();
        for (at, byte) in changes {
            *at.get_mut(&mut bytes[10..]) = byte; // not the magic and the format
        }
        std::fs::write(&file, bytes).unwrap();
        for (aor, found) in all(&open(folder.path()), 0) {
            prop_assert!(written.iter().any(|(name, contact)| aor == *name && found == contacts(&[(contact, 1_000)])));
        }
    }

    /// Any bytes at all, as a log, as the snapshot, or after a good log.
    #[test]
    fn any_bytes_can_be_opened(noise in prop::collection::vec(any::<u8>(), 0..3_000), after_good: bool) {
        let folder = folder_with(&[(ALICE, "desk")]);
        let log = log_of(folder.path(), 0);
        if after_good {
            let good = std::fs::read(&log).unwrap();
            std::fs::write(&log, [&good[..], &noise[..]].concat()).unwrap();
        } else {
            std::fs::write(folder.path().join("location-7.1.log"), &noise).unwrap();
            std::fs::write(folder.path().join("location.snapshot"), &noise).unwrap();
        }
        let copy = copy_of(folder.path());
        let found = all(&Location::open_read_only(copy.path(), 0).unwrap(), 0);
        prop_assert_eq!(&found, &[(ALICE.to_string(), contacts(&[("desk", 1_000)]))].into());
        prop_assert_eq!(all(&open(folder.path()), 0), found);
    }
}
