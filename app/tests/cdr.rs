//! Call detail records of the program as people run it: what `offhook cdr list` shows, and that there is exactly one for
//! each call when the server is killed in the middle, and when its disk is full.
//!
//! Three kills as a rule; `OFFHOOK_KILL_ROUNDS=100 cargo test -p offhook --test cdr` kills more often.

mod calls;
mod server;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use calls::{Calls, Fate};
use serde_json::Value;
use server::{PATIENCE, Place, Server, text};

/// Nobody is challenged.
const OPEN: &str = "[access]\nauthenticate_register = false\nauthenticate_calls = false\n";

/// Between a fact and its record: the assembler looks once a second, and where the kill took the ACK to a refusal, it
/// waits 32 s for the INVITE to come again.
const SOON: Duration = Duration::from_secs(60);

/// The records, once there are so many.
#[track_caller]
fn records(place: &Place, calls: usize) -> Vec<Value> {
    let asked = Instant::now();
    loop {
        let list = place.print(&["cdr", "list", "--json", "--limit", "100000"]);
        if list.lines().count() >= calls {
            return list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        }
        assert!(asked.elapsed() < SOON, "{} of {calls} records", list.lines().count());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Each call that somebody made has one record, and that tells what he was told.
#[track_caller]
fn check(place: &Place, calls: &Calls) {
    let records = records(place, calls.fates().len());
    let mut of_call: BTreeMap<&str, &Value> = BTreeMap::new();
    for record in &records {
        let before = of_call.insert(record["call_id"].as_str().unwrap(), record);
        assert_eq!(before, None, "a second record: {record}");
    }
    for (call_id, fate) in calls.fates() {
        let record = of_call.remove(call_id.as_str()).unwrap_or_else(|| panic!("no record of {call_id}"));
        let expected = match fate {
            Fate::Busy => ("busy", 486),
            Fate::Over => ("answered", 200),
        };
        assert_eq!(
            (record["outcome"].as_str().unwrap(), record["status"].as_u64().unwrap()),
            expected,
            "{record}"
        );
        assert!(record["end"].is_string(), "{record}");
    }
    assert!(of_call.is_empty(), "records of nobody's calls: {of_call:?}");
}

#[test]
fn a_list_for_people_and_one_for_programs() {
    let place = Place::with(OPEN);
    let server = Server::start(&place);
    let mut calls = Calls::new(server.udp);
    calls.make(2);
    calls.finish();
    check(&place, &calls);
    let table = place.print(&["cdr", "list"]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("START (UTC)"), "{table}");
    assert_eq!(lines.len(), 3, "{table}");
    assert!(table.contains("answered 200") && table.contains("busy 486"), "{table}");
    assert!(!table.contains('…'), "{table}");

    assert_eq!(place.print(&["cdr", "list", "--json", "--status", "486"]).lines().count(), 1);
    assert_eq!(place.print(&["cdr", "list", "--json", "--to", "bob", "--limit", "1"]).lines().count(), 1);
    assert_eq!(place.print(&["cdr", "list", "--since", "2099-01-01"]), "There are no such records.\n");
    assert_eq!(place.print(&["cdr", "list", "--trunk", "provider"]), "There are no such records.\n");
    assert_eq!(place.print(&["cdr", "list", "--json", "--until", "2099-01-01T00:00:00Z"]).lines().count(), 2);
    assert_eq!(place.run(&["cdr", "list", "--since", "yesterday"]).status.code(), Some(2));

    std::fs::remove_file(place.data().join("cdr/records-000001.log")).unwrap();
    let list = place.run(&["cdr", "list"]);
    let told = "2 records cannot be read: their files in the directory cdr are missing, cut or damaged.\n";
    assert_eq!(text(&list.stdout), "There are no such records.\n");
    assert_eq!(text(&list.stderr), told);
}

/// The files have the same lines as the list.
#[track_caller]
fn check_files(place: &Place, calls: &Calls) {
    let mut lines: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(place.data().join("cdr")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            lines.extend(std::fs::read_to_string(path).unwrap().lines().map(str::to_owned));
        }
    }
    let call_id =
        |line: &String| serde_json::from_str::<Value>(line).unwrap()["call_id"].as_str().unwrap().to_owned();
    let mut told: Vec<String> = lines.iter().map(call_id).collect();
    told.sort();
    let mut made: Vec<String> = calls.fates().keys().cloned().collect();
    made.sort();
    assert_eq!(told, made);
}

#[test]
fn a_kill_in_the_middle_of_calls_loses_no_record_and_doubles_none() {
    let rounds = std::env::var("OFFHOOK_KILL_ROUNDS").map_or(3, |rounds| rounds.parse().unwrap());
    let place = Place::with(OPEN);
    let mut server = Server::start(&place);
    let mut calls = Calls::new(server.udp);
    for round in 0..rounds {
        calls.make_until(20 + 7 * (round % 5), 100 + 50 * (round % 3));
        server.kill();
        place.configure(&format!("{OPEN}[engine]\nshards = {}\n", 1 + round % 3));
        server = Server::start(&place);
        calls.moved_to(server.udp);
    }
    calls.finish();
    check(&place, &calls);
    drop(server);
    let stopped = Server::start(&place).signal("TERM");
    assert!(stopped.0.success());
    check(&place, &calls);
    check_files(&place, &calls);
}

/// Calls go on while no fact can be written; what was lost is counted, told and shown once there is room again.
#[test]
fn a_full_disk_stops_no_call() {
    let place = Place::with(OPEN);
    assert!(Server::start(&place).signal("TERM").0.success(), "the first start, with room for what it makes");
    let server = Server::start_on_small_disk(&place, 192);
    let mut calls = Calls::new(server.udp);
    let begun = Instant::now();
    // A call is some 256 bytes: more than the disk takes, and than finds room in memory.
    while calls.fates().len() < 3_000 {
        calls.make(50);
        calls.finish();
        assert!(begun.elapsed() < PATIENCE * 6, "calls still succeed: {}", calls.fates().len());
    }
    // The first line tells that facts wait, a later one that they did not all find room.
    let unwritten = loop {
        let unwritten = server.wait_event("cdr.unwritten");
        assert!(unwritten["error"].as_str().unwrap().contains("File too large"), "{unwritten}");
        if unwritten["lost"] != 0 {
            break unwritten;
        }
    };
    server.make_room();
    calls.make(5);
    calls.finish();
    let lost = server.wait_event("cdr.lost")["facts"].as_u64().unwrap();
    assert!(lost >= unwritten["lost"].as_u64().unwrap(), "{lost}, {unwritten}");
    let told =
        format!("{lost} facts about calls were lost for want of room: records may be missing or incomplete.");
    let list = place.run(&["cdr", "list", "--limit", "3"]);
    let said = [text(&list.stdout), text(&list.stderr)].concat();
    assert!(said.contains(&told), "{told}: {said}");
    // And calls are recorded again.
    let before = place.print(&["cdr", "list", "--json", "--limit", "100000"]).lines().count();
    calls.make(2);
    calls.finish();
    records(&place, before + 2);
}
