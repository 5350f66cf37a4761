//! `offhook route`: the dry run of the routes that the manual shows.

use std::process::Command;

const ROUTES: &str = include_str!("../../docs/routes.md");
const TRUNKS: &str = include_str!("../../docs/trunks.md");

/// The first example of a page of the manual, as a file.
fn house(folder: &std::path::Path, page: &str) -> std::path::PathBuf {
    let example =
        page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let file = folder.join("house.toml");
    let data = format!("data_dir = {:?}\n", folder.join("data"));
    std::fs::write(&file, data + example).expect("a file");
    file
}

fn route(page: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_offhook"));
    command.arg("--config").arg(house(folder.path(), page)).arg("route").args(arguments);
    let output = command.output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn says(arguments: &[&str], expected: &[&str]) {
    page_says(ROUTES, arguments, expected);
}

fn page_says(page: &str, arguments: &[&str], expected: &[&str]) {
    let said = route(page, arguments);
    for line in expected {
        assert!(said.contains(line), "no {line:?} in\n{said}");
    }
}

#[test]
fn a_number_leaves_by_the_provider() {
    says(
        &["alice", "0049 30 555".replace(' ', "").as_str()],
        &["rule abroad: takes it", "sends it to 192.0.2.9:5060 by udp as sip:+4930555@sip.provider.example"],
    );
}

#[test]
fn strangers_are_asked_who_they_are() {
    says(&["alice", "004930555", "--unproved"], &["rule abroad: takes it", "answers 407"]);
}

#[test]
fn barred_numbers_and_hours() {
    says(&["alice", "0900123"], &["rule no premium numbers: takes it", "answers 403 Forbidden"]);
    says(&["alice", "0", "--at", "2026-11-02T12:00:00Z"], &["rule reception: takes it"]);
    says(
        &["alice", "0", "--at", "2026-11-02T22:00:00Z"],
        &["rule reception: no, it is not the hour", "no rule"],
    );
}

#[test]
fn a_peer_brings_calls() {
    let arguments = ["sip:x@provider.example", "+4930123bob", "--source", "192.0.2.9", "--unproved"];
    says(&arguments, &["rule our numbers: takes it", "answers 404"]);
}

#[test]
fn a_provider_that_asks_for_credentials() {
    page_says(
        TRUNKS,
        &["alice", "0301234"],
        &[
            "rule world: takes it",
            "sends it to 192.0.2.9:5060 by udp as sip:0301234@sip.provider.example",
            "answers a challenge of sip.provider.example there as 4930123",
        ],
    );
}

#[test]
fn a_number_is_looked_up_first() {
    let (_, page) = ROUTES.split_once("## Numbers with an address").expect("the chapter");
    page_says(page, &["alice", "004930555"], &["rule abroad: takes it", "looks up +4930555 below e164.arpa"]);
}

#[test]
fn a_trunk_by_name() {
    let page = TRUNKS.replace("sip:192.0.2.9", "sip:sip.provider.example");
    page_says(
        &page,
        &["alice", "0301234"],
        &[
            "rule world: takes it",
            "looks for the servers of sip:sip.provider.example (offhook resolve shows them)",
        ],
    );
}
