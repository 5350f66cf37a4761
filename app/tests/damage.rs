//! What disks and half restored backups do to a data directory: a server says so, and makes nothing up in its place.

mod server;

use std::fs;
use std::net::UdpSocket;

use server::{PATIENCE, Place, Server, text};

/// Registers users at a server that asks for no passwords.
fn register(server: &Server, users: &[&str]) {
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    phone.set_read_timeout(Some(PATIENCE)).unwrap();
    let at = phone.local_addr().unwrap();
    for user in users {
        let request = format!(
            "REGISTER sip:offhook.internal SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{user}\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@offhook.internal>;tag=1\r\nTo: <sip:{user}@offhook.internal>\r\nCall-ID: {user}\r\n\
             CSeq: 1 REGISTER\r\nContact: <sip:{user}@{at}>\r\nContent-Length: 0\r\n\r\n"
        );
        phone.send_to(request.as_bytes(), server.udp).unwrap();
        let mut answer = [0; 4096];
        let length = phone.recv(&mut answer).unwrap();
        assert!(
            answer[..length].starts_with(b"SIP/2.0 200 "),
            "{}",
            String::from_utf8_lossy(&answer[..length])
        );
    }
}

fn used() -> Place {
    let place = Place::with("[access]\nauthenticate_register = false\n");
    let server = Server::start(&place);
    register(&server, &["alice", "bob"]);
    drop(server);
    place
}

/// Two new accounts beside the registrations of others would be worse than no server.
#[test]
fn a_directory_without_its_accounts_is_no_first_start() {
    for empty in [true, false] {
        let place = used();
        let store = place.data().join("offhook.db");
        for name in ["offhook.db", "offhook.db-wal", "offhook.db-shm"] {
            let _ = fs::remove_file(place.data().join(name));
        }
        if empty {
            fs::write(&store, "").unwrap();
        }
        let output = place.run(&["serve"]);
        assert_eq!(output.status.code(), Some(5));
        let said = text(&output.stderr);
        assert!(said.contains("offhook.db is missing or empty") && said.contains("backup"), "{said}");
        assert_eq!(text(&output.stdout), "", "no accounts were made");
    }
}

/// The rest goes on.
#[test]
fn damaged_registrations_are_told() {
    let place = used();
    let mut files = fs::read_dir(place.data()).unwrap().map(|entry| entry.unwrap().path());
    let is_log = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        name.starts_with("location") && fs::metadata(path).unwrap().len() > 100
    };
    let log = files.find(is_log).expect("registrations");
    let mut bytes = fs::read(&log).unwrap();
    bytes[40] ^= 1;
    fs::write(&log, bytes).unwrap();
    let server = Server::start(&place);
    let told = server.early.lines().find(|line| line.contains("\"location.damaged\""));
    assert!(told.is_some(), "{}", server.early);
}
