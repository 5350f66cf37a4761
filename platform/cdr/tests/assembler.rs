//! Spool, joiner, tables and files together, with crashes between and in the middle of everything.

mod facts;
mod spooled;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use offhook_cdr::{
    Assembler, Fact, FileFormat, FileOptions, Filter, InDialog, List, Options, Outcome, Policy, Record,
    Spool, SpoolFolder,
};
use offhook_store::{Store, StoreError};
use proptest::prelude::*;
use tempfile::TempDir;

use facts::{answered, begun};
use spooled::frames_end;

const START_MS: u64 = 1_795_248_903_123;
const SHARDS: u8 = 2;
const TORN: [u8; 3] = [0xf5, 0xff, 9];

/// The records of a server, without the server.
struct House {
    dir: TempDir,
    folder: SpoolFolder,
    spools: Vec<Spool>,
    assembler: Assembler,
    format: FileFormat,
    now_ms: u64,
}

impl House {
    fn new(format: FileFormat) -> Self {
        let dir = TempDir::new().unwrap();
        let (folder, spools, assembler) = open(&dir, format);
        Self { dir, folder, spools, assembler, format, now_ms: START_MS }
    }

    /// The server dies. Its spools may end with the first bytes of a frame, its archive with records and its newest file with
    /// lines that nobody has noted, and a next file may have been begun.
    fn crash(&mut self) {
        let append = |path: &PathBuf, bytes: &[u8]| {
            OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
        };
        self.spool_files().iter().for_each(tear);
        self.named("records-").iter().for_each(|path| append(path, b"half a record"));
        if let Some(newest) = self.files().last() {
            append(newest, b"{\"half a li");
            std::fs::write(self.folder().join("cdr-20991231-999999.jsonl"), "a line too many\n").unwrap();
        }
        (self.folder, self.spools, self.assembler) = open(&self.dir, self.format);
    }

    fn note(&mut self, shard: usize, fact: &Fact<'_>) {
        self.now_ms += 7;
        self.spools[shard].note(self.now_ms, fact);
        assert!(self.spools[shard].commit(self.now_ms).is_none());
    }

    fn turn(&mut self) {
        self.now_ms += 50;
        self.assembler.turn(self.now_ms).unwrap();
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("cdr")
    }

    fn named(&self, prefix: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder()).unwrap().map(|entry| entry.unwrap().path());
        let has_prefix = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(prefix) && !name.ends_with(".aside")
        };
        let mut paths: Vec<_> = entries.filter(has_prefix).collect();
        paths.sort();
        paths
    }

    fn files(&self) -> Vec<PathBuf> {
        self.named("cdr-")
    }

    fn spool_files(&self) -> Vec<PathBuf> {
        self.named("spool-")
    }

    fn lines(&self) -> Vec<String> {
        let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
        self.files().iter().map(text).collect::<String>().lines().map(str::to_owned).collect()
    }

    fn list(&self) -> Vec<Record> {
        self.found().records
    }

    fn found(&self) -> List {
        let store = Store::open(self.dir.path()).unwrap();
        offhook_cdr::list(&store, &self.folder(), &Filter { limit: 10_000, ..Filter::default() }).unwrap()
    }
}

/// The first bytes of a frame stand behind the last one.
fn tear(segment: &PathBuf) {
    let mut bytes = std::fs::read(segment).unwrap();
    let end = frames_end(&bytes);
    bytes.resize(bytes.len().max(end + TORN.len()), 0);
    bytes[end..end + TORN.len()].copy_from_slice(&TORN);
    std::fs::write(segment, bytes).unwrap();
}

fn open(dir: &TempDir, format: FileFormat) -> (SpoolFolder, Vec<Spool>, Assembler) {
    let folder = SpoolFolder::open(&dir.path().join("cdr"), 1 << 30, SHARDS.into()).unwrap();
    let options = Options {
        policy: Policy { call_max_ms: 3_600_000, calls_max: 100 },
        files: Some(FileOptions { format, bytes_max: 3_000 }),
        keep_days: 30,
    };
    let assembler = Assembler::open(Store::open(dir.path()).unwrap(), folder.clone(), options).unwrap();
    let spools = (0..SHARDS).map(|shard| folder.spool(shard)).collect();
    (folder, spools, assembler)
}

/// One call and how far it is. Those of even number are answered, the others are refused.
struct Call {
    number: usize,
    call_id: String,
    /// In which run its INVITE went through.
    run: u32,
    stage: u8,
}

impl Call {
    fn new(number: usize) -> Self {
        Self { number, call_id: format!("call-{number}"), run: 0, stage: 0 }
    }

    fn is_over(&self) -> bool {
        self.stage == if self.number.is_multiple_of(2) { 3 } else { 2 }
    }

    /// The next thing that happens to it.
    fn go_on(&mut self, house: &mut House) {
        let (shard, leg) = (self.number % usize::from(SHARDS), self.number as u64 + 1);
        if self.stage == 1 && self.run != house.folder.run() {
            self.stage = 0; // nobody had answered when the server died: the INVITE comes again
        }
        match (self.stage, self.number % 2) {
            (0, _) => {
                self.run = house.folder.run();
                house.note(shard, &Fact::Begun(begun(&self.call_id, leg)));
                house.note(shard, &Fact::Rang { leg });
            }
            (1, 0) => house.note(shard, &Fact::Answered(answered(leg))),
            (1, _) => {
                house.note(shard, &Fact::Refused { leg, status: 486, reason: b"Busy Here" });
                house.note(shard, &Fact::Heard { leg });
            }
            (2, 0) => {
                let (a, b): (&[u8], &[u8]) = (b"a", b"b");
                let (from_tag, to_tag) = if self.number.is_multiple_of(4) { (a, b) } else { (b, a) };
                let dialog = InDialog { call_id: self.call_id.as_bytes(), from_tag, to_tag };
                // The BYE comes by another shard than the call.
                house.note(1 - shard, &Fact::Ended { dialog, status: 200, unheard: false });
            }
            _ => return,
        }
        self.stage += 1;
    }
}

/// Every call has one record, and the files have the same ones, a line each.
#[track_caller]
fn check(house: &House, calls: usize) {
    let records = house.list();
    let mut of_call: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    records.iter().for_each(|record| of_call.entry(&record.call_id).or_default().push(record));
    assert!(of_call.values().all(|its| its.len() == 1), "{of_call:#?}");
    assert_eq!(of_call.len(), calls, "{:?}", of_call.keys());
    let lines = house.lines();
    let lines: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), calls, "{lines:#?}");
    for record in &records {
        let number: usize = record.call_id.strip_prefix("call-").unwrap().parse().unwrap();
        let expected = if number.is_multiple_of(2) { Outcome::Answered } else { Outcome::Busy };
        assert_eq!(record.outcome, expected, "{record:?}");
        assert!(lines.contains(&record.object()), "no line of {record:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    #[test]
    fn crashes_lose_nothing_and_double_nothing(steps in prop::collection::vec(0usize..16, 1..100)) {
        let mut house = House::new(FileFormat::JsonLines);
        let mut calls: Vec<Call> = (0..12).map(Call::new).collect();
        for step in steps {
            match step {
                12 | 13 => house.turn(),
                14 => house.crash(),
                15 => house.now_ms += 100,
                call => calls[call].go_on(&mut house),
            }
        }
        while !calls.iter().all(Call::is_over) {
            calls.iter_mut().for_each(|call| call.go_on(&mut house));
        }
        house.turn();
        house.turn();
        check(&house, calls.len());
        prop_assert_eq!(house.assembler.open_calls(), 0);
        house.crash();
        house.turn();
        check(&house, calls.len());
    }

    /// Whatever stands in a spool, the assembler reads past it.
    #[test]
    fn any_bytes_in_a_spool(bytes in prop::collection::vec(any::<u8>(), 0..4_000), at in 0usize..2_000) {
        let mut house = House::new(FileFormat::JsonLines);
        let mut calls: Vec<Call> = (0..4).map(Call::new).collect();
        (0..3).for_each(|_| calls.iter_mut().for_each(|call| call.go_on(&mut house)));
        for path in house.spool_files() {
            let mut spool = std::fs::read(&path).unwrap();
            let at = at.min(spool.len());
            spool.splice(at..(at + bytes.len() / 2).min(spool.len()), bytes.iter().copied());
            std::fs::write(&path, spool).unwrap();
        }
        house.crash();
        house.turn();
        let mut later = Call::new(8);
        (0..3).for_each(|_| later.go_on(&mut house));
        house.turn();
        prop_assert!(house.list().iter().any(|record| record.call_id == "call-8"));
    }
}

#[test]
fn segments_of_the_spool_go_when_they_are_in_the_store() {
    let mut house = House::new(FileFormat::JsonLines);
    let long = "x".repeat(900);
    for number in 0..8_000u32 {
        let call_id = format!("{number}");
        let mut fact = begun(&call_id, u64::from(number) + 1);
        (fact.agent, fact.contact) = (long.as_bytes(), long.as_bytes());
        house.note(1, &Fact::Begun(fact));
        if number % 1_000 == 0 {
            house.turn();
        }
    }
    house.turn();
    assert_eq!(house.spool_files().len(), 1, "{:?}", house.spool_files());
    assert!(house.assembler.open_calls() <= 100, "the table of open calls has its bound");
    let store = Store::open(house.dir.path()).unwrap();
    assert_eq!(offhook_cdr::losses(&store).unwrap(), (0, 7_900), "and says whom it has dropped");
}

/// A busy hour leaves room for more segments than a quiet one needs.
#[test]
fn room_is_used_again_and_given_back() {
    let mut house = House::new(FileFormat::JsonLines);
    let long = "x".repeat(900);
    let mut facts = 0u32;
    let mut note = |house: &mut House, times: u32| {
        for number in facts..facts + times {
            let call_id = format!("{number}");
            let mut fact = begun(&call_id, u64::from(number) + 1);
            (fact.agent, fact.contact) = (long.as_bytes(), long.as_bytes());
            house.note(0, &Fact::Begun(fact));
        }
        facts += times;
    };
    note(&mut house, 6_000);
    house.turn();
    let spares = house.named("spare-").len();
    assert!(spares > 8, "{spares} segments were read");
    note(&mut house, 3_000);
    assert!(house.named("spare-").len() < spares - 3, "and are written again");
    house.turn();
    for _ in 0..20 {
        house.turn();
    }
    assert_eq!(house.named("spare-").len(), 2);
    house.crash();
    assert_eq!(house.named("spare-").len(), 0, "nobody has them in memory");
}

/// Behind what a segment has may stand what an earlier use of its room has left: it is neither taken nor called damaged. What
/// was torn is.
#[test]
fn what_an_earlier_use_has_left_is_nobodys() {
    let long = "x".repeat(900);
    for (is_torn, facts_read) in [(false, 700), (true, 699)] {
        let mut house = House::new(FileFormat::JsonLines);
        for number in 0..1_800u32 {
            let call_id = format!("{number:04}");
            let mut fact = begun(&call_id, u64::from(number) + 1);
            (fact.agent, fact.contact) = (long.as_bytes(), long.as_bytes());
            house.note(0, &Fact::Begun(fact));
            if number == 1_099 {
                house.turn(); // the first segments are read, and used again
            }
        }
        let newest = house.spool_files().pop().unwrap();
        let mut segment = std::fs::read(&newest).unwrap();
        let end = frames_end(&segment);
        assert!(segment[end + 8..].iter().any(|byte| *byte != 0), "its room was used before");
        segment[end - 1] ^= u8::from(is_torn);
        std::fs::write(&newest, &segment).unwrap();
        (house.folder, house.spools, house.assembler) = open(&house.dir, house.format);
        let turn = house.assembler.turn(house.now_ms).unwrap();
        assert_eq!(turn.cut_short, facts_read, "each call is one too many");
        assert_eq!(turn.damaged_bytes > 0, is_torn);
        assert!(turn.damaged_bytes < 2_500, "{}: one frame", turn.damaged_bytes);
    }
}

/// A spool of another format is not read as if it were of this one: what is lost by it is told.
#[test]
fn a_spool_of_another_format_is_told() {
    let mut house = House::new(FileFormat::JsonLines);
    let mut call = Call::new(1);
    call.go_on(&mut house);
    let path = house.spool_files().remove(0);
    house.spools.clear();
    for format in [2, 4] {
        let kind = offhook_frames::Kind { magic: *b"offhookC", format };
        let header = offhook_frames::Header { salt: 1, generation: 1 << 32 | 1 }.to_bytes(kind);
        let mut spool = std::fs::read(&path).unwrap();
        spool[..header.len()].copy_from_slice(&header);
        std::fs::write(&path, &spool).unwrap();
        (house.folder, house.spools, house.assembler) = open(&house.dir, house.format);
        let turn = house.assembler.turn(house.now_ms).unwrap();
        assert_eq!((turn.damaged_bytes, turn.records), (spool.len() as u64, 0), "format {format}");
        assert_eq!(house.assembler.open_calls(), 0);
        std::fs::write(&path, &spool).unwrap();
    }
}

/// What a disk has done to the log of open calls is told at the next start, and not again.
#[test]
fn a_damaged_log_of_open_calls_is_told_once() {
    type Harm = fn(&mut Vec<u8>);
    let harms: [Harm; 4] = [
        |log| log.truncate(log.len() / 2),
        Vec::clear,
        |log| log[5] ^= 1,
        |log| {
            let middle = log.len() / 2;
            log[middle] ^= 1;
        },
    ];
    for harm in harms {
        let mut house = House::new(FileFormat::JsonLines);
        for number in 0..4 {
            let mut call = Call::new(number);
            (0..2).for_each(|_| call.go_on(&mut house));
            while number % 2 == 1 && !call.is_over() {
                call.go_on(&mut house);
            }
            house.turn();
        }
        house.crash();
        assert!(!house.assembler.turn(house.now_ms).unwrap().forgotten);
        let log = house.named("open-").remove(0);
        let mut bytes = std::fs::read(&log).unwrap();
        harm(&mut bytes);
        std::fs::write(&log, bytes).unwrap();
        house.crash();
        assert!(house.assembler.turn(house.now_ms).unwrap().forgotten);
        Call::new(4).go_on(&mut house);
        house.turn();
        house.crash();
        assert!(!house.assembler.turn(house.now_ms).unwrap().forgotten, "it was written anew");
    }
}

/// Somebody sets the machine's clock, or it has slept: records have the time that it says.
#[test]
fn records_have_the_time_of_the_machines_clock() {
    const DAY_MS: u64 = 86_400_000;
    let mut house = House::new(FileFormat::JsonLines);
    for ahead_ms in [0, DAY_MS] {
        house.spools.iter_mut().for_each(|spool| spool.note_clock(ahead_ms as i64));
        let (mut call, start_ms) = (Call::new(ahead_ms as usize), house.now_ms);
        while !call.is_over() {
            call.go_on(&mut house);
        }
        house.assembler.turn(house.now_ms + ahead_ms).unwrap();
        let record = house.list().pop().unwrap();
        let since_ms = record.start_ms - start_ms;
        assert!((ahead_ms..ahead_ms + 1_000).contains(&since_ms), "{since_ms}");
    }
}

/// A life that leaves no segment has had its number all the same: its successor is not taken for its forerunner.
#[test]
fn no_two_runs_have_one_number() {
    let mut house = House::new(FileFormat::JsonLines);
    let mut runs = vec![house.folder.run()];
    let mut call = Call::new(1);
    call.go_on(&mut house);
    for _ in 0..3 {
        house.crash();
        house.turn();
        runs.push(house.folder.run());
    }
    assert_eq!(runs, [1, 2, 3, 4]);
    assert_eq!(house.spool_files(), Vec::<PathBuf>::new(), "the first run's segment is read");
    while !call.is_over() {
        call.go_on(&mut house);
    }
    house.turn();
    check(&house, 1);
}

#[test]
fn csv_has_its_names_in_the_first_line_of_each_file() {
    let mut house = House::new(FileFormat::Csv);
    let mut calls: Vec<Call> = (0..40).map(Call::new).collect();
    (0..3).for_each(|_| calls.iter_mut().for_each(|call| call.go_on(&mut house)));
    house.turn();
    house.turn();
    let files = house.files();
    assert!(files.len() > 2, "files are closed when they are full: {files:?}");
    let mut rows = 0;
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.starts_with("id,start,ring,answer,end,duration_ms,outcome,"), "{text}");
        assert!(text.ends_with("\r\n"));
        rows += text.matches("\r\n").count() - 1;
        assert_eq!(
            text.matches(",\"phone, \"\"soft\"\"\",").count(),
            text.matches(",answered,").count(),
            "{text}"
        );
    }
    assert_eq!(rows, 40);
}

/// What lies in the way of the next file of lines cannot be set aside either, so that no turn succeeds.
#[test]
fn what_is_old_goes_also_when_the_files_of_lines_take_nothing() {
    let mut house = House::new(FileFormat::JsonLines);
    let mut old = Call::new(1);
    (0..2).for_each(|_| old.go_on(&mut house));
    house.turn();
    house.now_ms += 31 * 86_400_000;
    let next = house.folder().join("cdr-20261222-000002.jsonl");
    std::fs::create_dir(&next).unwrap();
    std::fs::create_dir_all(next.with_added_extension("aside").join("full")).unwrap();
    let mut new = Call::new(3);
    (0..2).for_each(|_| new.go_on(&mut house));
    let long = "x".repeat(900);
    // As many calls at a time as are kept: all of them come into the log.
    for number in 0..5_000u32 {
        let call_id = number.to_string();
        let mut fact = begun(&call_id, u64::from(number) + 100);
        (fact.agent, fact.contact) = (long.as_bytes(), long.as_bytes());
        house.note(1, &Fact::Begun(fact));
        if number % 100 == 99 {
            house.assembler.turn(house.now_ms).unwrap_err();
        }
    }
    let logs: Vec<u64> =
        house.named("open-").iter().map(|path| std::fs::metadata(path).unwrap().len()).collect();
    assert!(logs.len() == 1 && logs[0] < 6 << 20, "the log is written anew: {logs:?}");
    assert!(house.list().iter().all(|record| record.call_id != "call-1"));
    assert!(house.named("cdr-20261121").is_empty());
    assert!(house.named("records-000001").is_empty());
}

/// Also the newest file goes when its time is over, though no other has been begun since.
#[test]
fn the_last_records_go_when_they_are_old() {
    let mut house = House::new(FileFormat::JsonLines);
    for number in [1, 3] {
        let mut call = Call::new(number);
        (0..2).for_each(|_| call.go_on(&mut house));
        house.turn();
        assert_eq!((house.list().len(), house.named("records-").len()), (1, 1));
        house.now_ms += 31 * 86_400_000;
        house.turn();
        assert_eq!((house.list().len(), house.named("records-")), (0, vec![]));
    }
}

/// Its records are written in pieces, to the archive and to many files of lines, and all of that again after a crash that
/// came before the store had them.
#[test]
fn a_turn_of_many_calls_is_like_any_other() {
    let mut house = House::new(FileFormat::JsonLines);
    let refuse = |house: &mut House, numbers: std::ops::Range<usize>| {
        for mut call in numbers.map(|number| Call::new(2 * number + 1)) {
            (0..2).for_each(|_| call.go_on(house));
        }
    };
    refuse(&mut house, 0..800);
    let store = Store::open(house.dir.path()).unwrap();
    let carry_out = |text| store.write(|sql| sql.execute_batch(text).map_err(StoreError::from)).unwrap();
    carry_out("CREATE TRIGGER full BEFORE INSERT ON cdr BEGIN SELECT RAISE(ABORT, 'full'); END");
    house.assembler.turn(house.now_ms).unwrap_err();
    let written = house.named("records-").iter().map(|path| path.metadata().unwrap().len()).sum::<u64>();
    assert!(written > 100_000, "{written} bytes are several pieces");
    carry_out("DROP TRIGGER full");
    house.crash();
    refuse(&mut house, 800..1_200);
    house.turn();
    check(&house, 1_200);
    refuse(&mut house, 1_200..1_600);
    house.turn();
    check(&house, 1_600);
}

/// The archive has records that the store has refused: what is old goes meanwhile, these stay.
#[test]
fn records_wait_in_the_archive_for_the_store() {
    let mut house = House::new(FileFormat::JsonLines);
    let store = Store::open(house.dir.path()).unwrap();
    let carry_out = |text| store.write(|sql| sql.execute_batch(text).map_err(StoreError::from)).unwrap();
    carry_out("CREATE TRIGGER full BEFORE INSERT ON cdr BEGIN SELECT RAISE(ABORT, 'full'); END");
    let mut call = Call::new(1);
    (0..2).for_each(|_| call.go_on(&mut house));
    for _ in 0..2 {
        house.assembler.turn(house.now_ms).unwrap_err();
        house.now_ms += 2 * 3_600_000;
    }
    carry_out("DROP TRIGGER full");
    house.turn();
    check(&house, 1);
}

/// Where only the store was kept, or put back, its rows still name files that are gone.
#[test]
fn records_that_were_taken_away_are_not_looked_for_in_new_files() {
    let mut house = House::new(FileFormat::JsonLines);
    let refuse = |house: &mut House, number| {
        let mut call = Call::new(number);
        (0..2).for_each(|_| call.go_on(house));
        house.turn();
    };
    refuse(&mut house, 1);
    std::fs::remove_dir_all(house.folder()).unwrap();
    (house.folder, house.spools, house.assembler) = open(&house.dir, house.format);
    refuse(&mut house, 3);
    let left: Vec<String> = house.list().into_iter().map(|record| record.call_id).collect();
    assert_eq!((left, house.found().unreadable), (vec!["call-3".to_owned()], 1));
}
