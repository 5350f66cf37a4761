//! `offhook route`: the dry run of the routes that the manual shows.

mod server;

use std::net::UdpSocket;
use std::process::Command;

use server::{Place, Server};

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
fn a_phone_of_somebody_who_proves_it_may_register() {
    says(&["alice", "alice", "--method", "REGISTER"], &["answers 200 OK"]);
    says(&["alice", "alice", "--method", "REGISTER", "--unproved"], &["answers 401"]);
}

#[test]
fn a_method_is_one_word() {
    let arguments = ["route", "alice", "bob", "--method", "in vite"];
    let output =
        Command::new(env!("CARGO_BIN_EXE_offhook")).args(arguments).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("'in vite'") && said.contains("one word is wanted"), "{said}");
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

/// A name that the server has made up for a phone leads where it leads in the server: its key is in the data directory.
/// RFC 5627 §5.1.
#[test]
fn a_temporary_name_leads_to_its_phone() {
    let place = Place::with("[access]\nauthenticate_register = false\n");
    let running = Server::start(&place);
    let phone = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let at = phone.local_addr().expect("an address");
    let register = format!(
        "REGISTER sip:offhook.internal SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKr\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@offhook.internal>;tag=1\r\nTo: <sip:alice@offhook.internal>\r\nCall-ID: r\r\nCSeq: 1 REGISTER\r\n\
         Supported: gruu\r\nContact: <sip:alice@{at}>;+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>\"\r\n\
         Content-Length: 0\r\n\r\n"
    );
    phone.send_to(register.as_bytes(), running.listener("udp")).expect("it is sent");
    let mut bytes = [0; 4_096];
    let length = phone.recv(&mut bytes).expect("an answer");
    let answer = String::from_utf8_lossy(&bytes[..length]).into_owned();
    let name = answer.split("temp-gruu=\"").nth(1).and_then(|rest| rest.split('"').next());
    let said = place.print(&["route", "alice", name.expect(&answer), "--method", "OPTIONS"]);
    assert!(said.contains(&format!("sends it to {at} by udp")), "{said}");
}
