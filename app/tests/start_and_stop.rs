//! The life of a server, seen from outside.

mod phone;
mod server;

use std::process::Stdio;
use std::time::Duration;

use phone::Phone;
use server::{PATIENCE, Place, Server, within};

/// The passwords in a welcome, with their users.
fn passwords(welcome: &str) -> Vec<(String, String)> {
    let field = |name: &str| -> Vec<String> {
        let fields = welcome.lines().filter_map(|line| line.trim().strip_prefix(name));
        fields.map(|value| value.trim().to_owned()).collect()
    };
    field("user ").into_iter().zip(field("password ")).collect()
}

#[test]
fn the_first_start_makes_two_accounts_and_is_ready_at_once() {
    let place = Place::new();
    let server = Server::start(&place);
    assert!(server.ready_after < Duration::from_secs(2), "{:?}", server.ready_after);
    assert!(server.welcome.contains(&server.udp.to_string()), "{}", server.welcome);
    let accounts = passwords(&server.welcome);
    assert_eq!(accounts.iter().map(|(user, _)| user.as_str()).collect::<Vec<_>>(), ["alice", "bob"]);
    for (user, password) in &accounts {
        assert_eq!(Phone::new(server.udp, user, password).register(60), 200, "{user}");
        assert_ne!(Phone::new(server.udp, user, "guess").register(60), 200, "{user}");
    }
}

#[test]
fn what_goes_to_a_file_has_neither_pictures_nor_colours() {
    let welcome = Server::start(&Place::new()).welcome.clone();
    assert!(!welcome.contains('\x1b') && welcome.is_ascii(), "{welcome}");
    assert!(welcome.lines().all(|line| line.len() <= 80 || line.contains("offhook --config")), "{welcome}");
}

#[test]
fn passwords_are_not_logged() {
    let place = Place::new();
    let mut server = Server::start(&place);
    let accounts = passwords(&server.welcome);
    assert_eq!(Phone::new(server.udp, "alice", &accounts[0].1).register(60), 200);
    server.kill();
    let log = server.log();
    assert!(accounts.iter().all(|(_, password)| !log.contains(password)), "{log}");
}

#[test]
fn the_second_start_makes_no_accounts() {
    let place = Place::new();
    let (ended, _) = Server::start(&place).signal("TERM");
    assert!(ended.success());
    let second = Server::start(&place);
    assert_eq!(passwords(&second.welcome), []);
    assert_eq!(place.print(&["account", "list", "--json"]).lines().count(), 2);
}

#[test]
fn accounts_made_before_the_first_start_are_enough() {
    let place = Place::new();
    place.print(&["account", "add", "carol"]);
    assert_eq!(passwords(&Server::start(&place).welcome), []);
}

#[test]
fn both_signals_end_an_idle_server_within_a_second() {
    for signal in ["TERM", "INT"] {
        let (ended, took) = Server::start(&Place::new()).signal(signal);
        assert_eq!(ended.code(), Some(0), "{signal}");
        assert!(took < Duration::from_secs(1), "{signal}: {took:?}");
    }
}

#[test]
fn it_serves_though_nobody_reads_its_welcome() {
    let place = Place::new();
    let mut child = place.command(&["serve"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    within(PATIENCE, "the accounts are made", || {
        place.run(&["account", "list"]).status.success()
            && place.print(&["account", "list", "--json"]).lines().count() == 2
    });
    assert_eq!(child.try_wait().unwrap(), None, "it has not ended");
    child.kill().unwrap();
    child.wait().unwrap();
}
