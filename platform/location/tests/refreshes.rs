//! Refreshes that the log covers wait for others, and what they promised is true all the same.

mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use offhook_location::{Binding, Change, Limits, Location, SyncPolicy, Writer};
use proptest::prelude::*;
use tempfile::TempDir;
use world::{all, copy_of, get, log_of, quiet};

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;
const NOW_MS: u64 = 1_795_248_000_000;

/// A phone registers, from `at_ms` on for so long.
fn registers(writer: &mut Writer, aor: &str, at_ms: u64, lasts_ms: u64) {
    registers_as(writer, aor, at_ms, lasts_ms, Binding::default());
}

fn registers_as(writer: &mut Writer, aor: &str, at_ms: u64, lasts_ms: u64, as_what: Binding<'_>) {
    let updated = writer.update(aor.as_bytes(), at_ms, |have, new| {
        let cseq = have.map(|binding| binding.cseq).max().unwrap_or(0) + 1;
        let (expires_at_ms, registered_at_ms) = (at_ms + lasts_ms, at_ms);
        new.push(&Binding { contact: b"desk", cseq, expires_at_ms, registered_at_ms, ..as_what });
        (Change::Replace, ())
    });
    updated.unwrap();
    writer.commit().unwrap();
}

fn removes(writer: &mut Writer, aor: &str, at_ms: u64) {
    writer.update(aor.as_bytes(), at_ms, |_, _| (Change::Replace, ())).unwrap();
    writer.commit().unwrap();
}

fn open(folder: &Path, now_ms: u64) -> (Location, Writer) {
    let location = Location::open(folder, quiet(), now_ms).unwrap();
    let writer = location.writer(0).unwrap();
    (location, writer)
}

fn log_bytes(folder: &TempDir) -> u64 {
    std::fs::metadata(log_of(folder.path(), 0)).unwrap().len()
}

/// When the binding ends, after a crash now.
fn end_after_kill(folder: &TempDir, aor: &str, now_ms: u64) -> Option<u64> {
    let copy = copy_of(folder.path());
    let location = Location::open(copy.path(), quiet(), now_ms).unwrap();
    get(&location, aor, now_ms).first().map(|(_, end_ms)| *end_ms)
}

/// When it ends, as somebody beside the server reads.
fn end_in_files(folder: &TempDir, aor: &str) -> u64 {
    get(&Location::open_read_only(folder.path(), NOW_MS).unwrap(), aor, NOW_MS)[0].1
}

#[test]
fn a_refresh_waits_and_survives() {
    let folder = world::new_folder();
    let (_location, mut writer) = open(folder.path(), NOW_MS);
    registers(&mut writer, ALICE, NOW_MS, MINUTE_MS);
    let before = log_bytes(&folder);
    registers(&mut writer, ALICE, NOW_MS + 30_000, MINUTE_MS);
    assert_eq!((log_bytes(&folder), end_in_files(&folder, ALICE)), (before, NOW_MS + MINUTE_MS), "it waits");
    let promised_ms = NOW_MS + 30_000 + MINUTE_MS;
    assert!(end_after_kill(&folder, ALICE, promised_ms - 1) >= Some(promised_ms), "it is there to the last");
    writer.catch_up().unwrap();
    assert_eq!(end_in_files(&folder, ALICE), promised_ms, "it is written");
}

#[test]
fn the_next_change_of_anybody_takes_it_along() {
    let folder = world::new_folder();
    let (_location, mut writer) = open(folder.path(), NOW_MS);
    registers(&mut writer, ALICE, NOW_MS, MINUTE_MS);
    registers(&mut writer, ALICE, NOW_MS + 1, MINUTE_MS);
    registers(&mut writer, BOB, NOW_MS + 2, MINUTE_MS);
    assert_eq!(end_in_files(&folder, ALICE), NOW_MS + 1 + MINUTE_MS);
}

#[test]
fn many_do_not_wait() {
    let folder = world::new_folder();
    let (_location, mut writer) = open(folder.path(), NOW_MS);
    let users: Vec<_> = (0..1_000).map(|n| format!("user{n}@example.org")).collect();
    users.iter().for_each(|user| registers(&mut writer, user, NOW_MS, HOUR_MS));
    let before = log_bytes(&folder);
    users.iter().for_each(|user| registers(&mut writer, user, NOW_MS + 1, HOUR_MS));
    assert!(log_bytes(&folder) > before);
}

#[test]
fn what_is_more_than_a_refresh_does_not_wait() {
    let plain = Binding::default();
    let flow = offhook_location::StoredFlow { remote: "192.0.2.9:5060".parse().unwrap(), ..plain.flow };
    let cases = [
        ("another way", MINUTE_MS, Binding { flow, ..plain }),
        ("another Path", MINUTE_MS, Binding { path: b"<sip:edge;lr>", ..plain }),
        ("another q", MINUTE_MS, Binding { q_milli: 500, ..plain }),
        ("another Call-ID", MINUTE_MS, Binding { call_id: b"new", ..plain }),
        ("for less time", MINUTE_MS - 2, plain),
        ("for more than twice the time", 2 * MINUTE_MS, plain),
    ];
    for (what, lasts_ms, as_what) in cases {
        let folder = world::new_folder();
        let (_location, mut writer) = open(folder.path(), NOW_MS);
        registers(&mut writer, ALICE, NOW_MS, MINUTE_MS);
        registers_as(&mut writer, ALICE, NOW_MS + 1, lasts_ms, as_what);
        assert_eq!(end_in_files(&folder, ALICE), NOW_MS + 1 + lasts_ms, "{what}");
    }
}

#[test]
fn a_second_refresh_that_goes_beyond_what_is_kept_does_not_wait() {
    let folder = world::new_folder();
    let (_location, mut writer) = open(folder.path(), NOW_MS);
    registers(&mut writer, ALICE, NOW_MS, MINUTE_MS);
    for (at_ms, lasts_ms) in [(NOW_MS + 500, MINUTE_MS), (NOW_MS + 900, 119_000)] {
        registers(&mut writer, ALICE, at_ms, lasts_ms);
        assert!(end_after_kill(&folder, ALICE, at_ms) >= Some(at_ms + lasts_ms));
    }
}

#[test]
fn who_wants_each_commit_on_disk_gets_it() {
    let folder = world::new_folder();
    let limits = Limits { sync: SyncPolicy::EveryCommit, ..quiet() };
    let location = Location::open(folder.path(), limits, NOW_MS).unwrap();
    let mut writer = location.writer(0).unwrap();
    registers(&mut writer, ALICE, NOW_MS, MINUTE_MS);
    registers(&mut writer, ALICE, NOW_MS + 1, MINUTE_MS);
    assert_eq!(end_in_files(&folder, ALICE), NOW_MS + 1 + MINUTE_MS);
}

#[test]
fn a_removal_after_a_refresh_that_waits_is_for_good() {
    let folder = world::new_folder();
    let (_location, mut writer) = open(folder.path(), NOW_MS);
    registers(&mut writer, ALICE, NOW_MS, MINUTE_MS);
    registers(&mut writer, ALICE, NOW_MS + 1, MINUTE_MS);
    removes(&mut writer, ALICE, NOW_MS + 2);
    assert_eq!(end_after_kill(&folder, ALICE, NOW_MS + 3), None);
}

#[test]
fn what_ended_before_the_crash_stays_gone() {
    let folder = world::new_folder();
    let (location, mut writer) = open(folder.path(), NOW_MS);
    registers(&mut writer, ALICE, NOW_MS, MINUTE_MS);
    registers(&mut writer, BOB, NOW_MS, HOUR_MS);
    let now_ms = NOW_MS + MINUTE_MS;
    assert!(end_after_kill(&folder, ALICE, now_ms).is_some(), "who knows whether she has refreshed it?");
    assert_eq!(writer.expire(now_ms, location.stripes(), |_, _| ()).unwrap(), 1);
    assert_eq!(end_after_kill(&folder, ALICE, now_ms), None, "she has not");
    assert_eq!(end_after_kill(&folder, BOB, now_ms), Some(NOW_MS + 2 * HOUR_MS));
}

/// It ended while no server ran, so no sweep has told the log.
#[test]
fn what_is_removed_after_its_end_and_a_stop_stays_gone() {
    let folder = world::new_folder();
    let (location, mut writer) = open(folder.path(), NOW_MS);
    registers(&mut writer, ALICE, NOW_MS, MINUTE_MS);
    drop((location, writer));
    let (_location, mut writer) = open(folder.path(), NOW_MS + MINUTE_MS);
    removes(&mut writer, ALICE, NOW_MS + MINUTE_MS);
    assert_eq!(end_after_kill(&folder, ALICE, NOW_MS + MINUTE_MS), None);
}

#[test]
fn two_crashes_are_believed_once() {
    let folder = world::new_folder();
    let (_killed, mut writer) = open(folder.path(), NOW_MS);
    registers(&mut writer, ALICE, NOW_MS, MINUTE_MS);
    let copy = copy_of(folder.path());
    let (location, _writer) = open(copy.path(), NOW_MS);
    location.compact().unwrap();
    assert_eq!(end_after_kill(&copy, ALICE, NOW_MS), Some(NOW_MS + 2 * MINUTE_MS));
}

/// More of them at once than may wait for the log.
#[test]
fn a_mass_of_expired_bindings_is_swept() {
    let folder = world::new_folder();
    let (location, mut writer) = open(folder.path(), NOW_MS);
    let long = vec![b'p'; 1_000];
    for n in 0..6_000 {
        let as_what = Binding { user_agent: &long, ..Binding::default() };
        registers_as(&mut writer, &format!("user{n}@example.org"), NOW_MS, MINUTE_MS, as_what);
    }
    let swept = writer.expire(NOW_MS + MINUTE_MS, location.stripes(), |_, _| {}).unwrap();
    assert_eq!((swept, location.count()), (6_000, 0));
    registers(&mut writer, ALICE, NOW_MS + MINUTE_MS, MINUTE_MS);
}

/// RFC 3261 §10.2.2
#[test]
fn what_is_removed_after_its_end_stays_gone() {
    let folder = world::new_folder();
    let (location, mut writer) = open(folder.path(), NOW_MS);
    registers(&mut writer, ALICE, NOW_MS, MINUTE_MS);
    writer.expire(NOW_MS + MINUTE_MS, location.stripes(), |_, _| ()).unwrap();
    removes(&mut writer, ALICE, NOW_MS + MINUTE_MS);
    assert_eq!(end_after_kill(&folder, ALICE, NOW_MS + MINUTE_MS), None);
}

#[test]
fn nobody_is_believed_for_more_than_an_hour_beyond_the_end() {
    let folder = world::new_folder();
    let (_location, mut writer) = open(folder.path(), NOW_MS);
    registers(&mut writer, ALICE, NOW_MS, 24 * HOUR_MS);
    assert_eq!(end_after_kill(&folder, ALICE, NOW_MS), Some(NOW_MS + 25 * HOUR_MS));
}

#[test]
fn after_a_stop_in_peace_all_is_as_it_was() {
    let folder = world::new_folder();
    let (location, mut writer) = open(folder.path(), NOW_MS);
    registers(&mut writer, ALICE, NOW_MS, MINUTE_MS);
    registers(&mut writer, ALICE, NOW_MS + 10_000, MINUTE_MS);
    drop((location, writer));
    assert_eq!(end_in_files(&folder, ALICE), NOW_MS + 10_000 + MINUTE_MS, "what waited is written");
    for _ in 0..2 {
        let (location, _writer) = open(folder.path(), NOW_MS + 11_000);
        assert_eq!(get(&location, ALICE, NOW_MS + 11_000)[0].1, NOW_MS + 10_000 + MINUTE_MS);
        assert_eq!(location.report().believed, 0);
    }
}

/// The log of the next life says less than memory, until a snapshot is there: nothing waits till then.
#[test]
fn after_a_crash_nothing_waits_until_a_snapshot_is_written() {
    let folder = world::new_folder();
    let (_killed, mut writer) = open(folder.path(), NOW_MS);
    registers(&mut writer, ALICE, NOW_MS, MINUTE_MS);
    let copy = copy_of(folder.path());
    let (location, mut writer) = open(copy.path(), NOW_MS);
    assert_eq!(location.report().believed, 1);
    let believed_ms = NOW_MS + 2 * MINUTE_MS;
    registers(&mut writer, ALICE, NOW_MS + 90_000, MINUTE_MS);
    assert_eq!(end_in_files(&copy, ALICE), NOW_MS + 90_000 + MINUTE_MS, "beyond {believed_ms}: at once");
    registers(&mut writer, ALICE, NOW_MS + 91_000, MINUTE_MS);
    assert_eq!(end_in_files(&copy, ALICE), NOW_MS + 91_000 + MINUTE_MS, "still at once");
    location.compact().unwrap();
    registers(&mut writer, ALICE, NOW_MS + 92_000, MINUTE_MS);
    assert_eq!(end_in_files(&copy, ALICE), NOW_MS + 91_000 + MINUTE_MS, "now it waits");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Register {
        shard: usize,
        aor: u8,
        lasts_s: u64,
    },
    Remove {
        shard: usize,
        aor: u8,
    },
    /// A second at most; then the shards catch up.
    Pass {
        ms: u64,
    },
    /// Many of those.
    PassLong {
        s: u64,
    },
    Compact,
    /// In peace, and started again after so many seconds.
    Stop {
        s: u64,
    },
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let register = (0..2usize, 0..4u8, prop_oneof![Just(60u64), Just(90), Just(3_600)])
        .prop_map(|(shard, aor, lasts_s)| Step::Register { shard, aor, lasts_s });
    let step = prop_oneof![
        20 => register,
        2 => (0..2usize, 0..4u8).prop_map(|(shard, aor)| Step::Remove { shard, aor }),
        8 => (0..1_000u64).prop_map(|ms| Step::Pass { ms }),
        2 => (1..100u64).prop_map(|s| Step::PassLong { s }),
        1 => Just(Step::Compact),
        1 => (0..100u64).prop_map(|s| Step::Stop { s }),
        3 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 1..80)
}

/// Until when, by user.
type Ends = BTreeMap<String, u64>;

struct World {
    location: Location,
    writers: Vec<Writer>,
    folder: TempDir,
    now_ms: u64,
    /// What each user was told last.
    promises: Ends,
    /// Who was believed at the last start after a crash, and has not been heard of since.
    believed: Ends,
    /// Since that crash no snapshot has been written.
    is_ahead: bool,
}

impl World {
    fn open(folder: TempDir, now_ms: u64) -> Self {
        let limits = Limits { sync: SyncPolicy::Interval(Duration::from_secs(3_600)), ..Limits::default() };
        let location = Location::open(folder.path(), limits, now_ms).unwrap();
        let writers = (0..2).map(|shard| location.writer(shard).unwrap()).collect();
        let (promises, believed) = (Ends::new(), Ends::new());
        Self { location, writers, folder, now_ms, promises, believed, is_ahead: false }
    }

    fn step(mut self, step: Step) -> Self {
        match step {
            Step::Register { shard, aor, lasts_s } => {
                let aor = format!("user{aor}@x");
                registers(&mut self.writers[shard], &aor, self.now_ms, lasts_s * 1_000);
                self.believed.remove(&aor);
                self.promises.insert(aor, self.now_ms + lasts_s * 1_000);
            }
            Step::Remove { shard, aor } => {
                let aor = format!("user{aor}@x");
                removes(&mut self.writers[shard], &aor, self.now_ms);
                self.believed.remove(&aor);
                self.promises.remove(&aor);
            }
            Step::Pass { ms } => self.pass(ms),
            Step::PassLong { s } => self.pass(s * 1_000),
            Step::Compact => self.compact(),
            // The thread that writes the snapshot after a crash is not waited for.
            Step::Stop { .. } if self.is_ahead => {}
            Step::Stop { s } => return self.stopped(s * 1_000),
            Step::Kill => return self.killed(),
        }
        self
    }

    fn compact(&mut self) {
        self.location.compact().unwrap();
        self.is_ahead = false;
    }

    fn pass(&mut self, ms: u64) {
        // The thread in the background has done it by then.
        if self.is_ahead && ms >= 1_000 {
            self.compact();
        }
        self.now_ms += ms;
        // What is still to be written is not swept: as in a server, each shard has written what waited before the round ends.
        self.writers.iter_mut().for_each(|writer| writer.catch_up().unwrap());
        for writer in &mut self.writers {
            writer.expire(self.now_ms, self.location.stripes(), |_, _| {}).unwrap();
        }
        self.promises.retain(|_, end_ms| *end_ms > self.now_ms);
        self.believed.retain(|_, end_ms| *end_ms > self.now_ms);
    }

    fn stopped(self, for_ms: u64) -> Self {
        let now_ms = self.now_ms + for_ms;
        let before = all(&self.location, now_ms);
        let Self { location, writers, folder, promises, believed, .. } = self;
        drop((location, writers));
        let mut next = Self { promises, believed, ..Self::open(folder, now_ms) };
        assert_eq!(all(&next.location, now_ms), before, "after a stop in peace");
        next.pass(0); // what ended meanwhile is gone for good once it was swept
        next
    }

    fn killed(self) -> Self {
        let next = Self::open(copy_of(self.folder.path()), self.now_ms);
        let Self { promises, believed, now_ms, .. } = self;
        let found: Ends =
            all(&next.location, now_ms).into_iter().map(|(aor, contacts)| (aor, contacts[0].1)).collect();
        for (aor, promised_ms) in &promises {
            let end_ms = found.get(aor).copied().unwrap_or(0);
            assert!(end_ms >= *promised_ms, "{aor}: {promised_ms} was promised, {end_ms} is found");
            let known_ms = believed.get(aor).copied().unwrap_or(promised_ms + HOUR_MS);
            assert!(end_ms <= known_ms, "{aor}: at most {known_ms} is believed, {end_ms} is found");
        }
        for aor in found.keys() {
            assert!(promises.contains_key(aor) || believed.contains_key(aor), "{aor} is back");
        }
        let is_ahead = next.location.report().believed > 0;
        Self { promises, believed: found, is_ahead, ..next }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn what_was_promised_is_true_whenever_the_server_dies(steps in steps()) {
        let mut world = World::open(world::new_folder(), NOW_MS);
        for step in steps {
            world = world.step(step);
        }
    }
}
