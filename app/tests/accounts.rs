//! `offhook account` and `offhook bindings`, beside a running server and without one.

mod phone;
mod server;

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use phone::Phone;
use serde_json::Value;
use server::{Place, Server, text, within};

/// A server looks every second; the rest is the slowness of a busy machine.
const SOON: Duration = Duration::from_secs(3);

/// The password in what `account add` and `account password` print.
fn password(printed: &str) -> String {
    printed.split_whitespace().last().unwrap().to_owned()
}

#[test]
fn a_running_server_sees_every_change_soon() {
    let place = Place::new();
    let server = Server::start(&place);
    let register = |password: &str| Phone::new(server.udp, "carol", password).register(60);

    let first = password(&place.print(&["account", "add", "carol"]));
    within(SOON, "the account is there", || register(&first) == 200);
    let second = password(&place.print(&["account", "password", "carol"]));
    within(SOON, "the password is another", || register(&second) == 200);
    assert_ne!(register(&first), 200);
    place.print(&["account", "remove", "carol"]);
    within(SOON, "the account is gone", || register(&second) != 200);
}

#[test]
fn a_password_may_come_from_standard_input() {
    let place = Place::new();
    let mut add = place.command(&["account", "add", "carol", "--password-stdin"]);
    let mut add = add.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    add.stdin.take().unwrap().write_all("räuber hotzenplotz\r\nnot this\n".as_bytes()).unwrap();
    let output = add.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "Added carol@offhook.internal.\n");
    let server = Server::start(&place);
    assert_eq!(Phone::new(server.udp, "carol", "räuber hotzenplotz").register(60), 200);
}

#[test]
fn ten_thousand_accounts_are_imported() {
    let place = Place::with("");
    let mut rows = String::from("user,domain,password\n");
    (0..10_000).for_each(|n| rows.push_str(&format!("user{n},offhook.internal,secret{n}\n")));
    let file = place.write("many.csv", rows);
    assert_eq!(place.print(&["account", "import", &file]), "Imported 10000 accounts.\n");
    // With the line of titles.
    assert_eq!(place.print(&["account", "list"]).lines().count(), 10_001);
    let server = Server::start(&place);
    assert_eq!(Phone::new(server.udp, "user9999", "secret9999").register(60), 200);
}

#[test]
fn a_list_tells_what_each_account_has() {
    let place = Place::new();
    let ha1 = "0123456789abcdef0123456789abcdef";
    let file = place.write("two.csv", format!("a,example.org,secret\nb,example.org,,{ha1}\n"));
    let output = place.run(&["account", "import", &file]);
    assert_eq!(text(&output.stdout), "Imported 2 accounts.\n");
    assert!(text(&output.stderr).contains("example.org is not in \"domains\""), "{}", text(&output.stderr));
    let list = place.print(&["account", "list"]);
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines[1].ends_with("  MD5 SHA-256 SHA-512-256  a@example.org"), "{list}");
    assert!(lines[2].ends_with("  MD5                      b@example.org"), "{list}");
    let of_b = place.print(&["account", "list", "--json", "--user", "B", "--domain", "example.org"]);
    let of_b: Value = serde_json::from_str(&of_b).unwrap();
    assert_eq!((&of_b["aor"], &of_b["digests"]), (&"b@example.org".into(), &serde_json::json!(["MD5"])));
}

#[test]
fn an_account_of_a_domain_that_nobody_serves_is_remarked() {
    let place = Place::new();
    let output = place.run(&["account", "add", "alice@example.org"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("example.org is not in \"domains\""), "{output:?}");
    assert_eq!(text(&place.run(&["account", "add", "alice@OFFHOOK.internal"]).stderr), "");
}

#[test]
fn bindings_are_shown_in_order_and_cannot_steer_the_terminal() {
    let place = Place::with("[access]\nauthenticate_register = false\n");
    let server = Server::start(&place);
    assert_eq!(place.print(&["bindings"]), "Nobody is registered.\n");
    assert_eq!(place.print(&["bindings", "--json"]), "");
    for user in ["zoe", "bob", "alice", "a-user-with-a-very-long-name-that-would-break-the-line-if-it-could"]
    {
        let mut phone = Phone::new(server.udp, user, "");
        phone.user_agent = format!("Evil\x1b[2J\u{9b}31m {}", "x".repeat(200));
        assert_eq!(phone.register(60), 200);
    }
    let table = place.print(&["bindings"]);
    // No terminal: nothing is cut.
    assert!(!table.contains('…') && table.lines().any(|line| line.chars().count() > 100), "{table}");
    assert!(table.chars().all(|c| c == '\n' || !c.is_control()), "{table:?}");
    let users: Vec<&str> = table.lines().skip(1).filter_map(|line| line.split('@').next()).collect();
    assert!(users.is_sorted() && users.len() == 4, "{table}");

    let json = place.print(&["bindings", "BOB", "--json"]);
    assert!(json.trim_end().chars().all(|c| !c.is_control()), "{json:?}");
    let bob: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(bob["aor"], "bob@offhook.internal");
    assert_eq!(bob["transport"], "udp");
    assert!(bob["user_agent"].as_str().unwrap().starts_with("Evil\x1b[2J\u{9b}31m xxx"), "{bob}");
    assert!((1..=60).contains(&bob["expires_s"].as_u64().unwrap()), "{bob}");
}

/// RFC 5626 §6, RFC 5627 §5.4, RFC 3840 §9: which device, which of its ways, its name, and what it can do.
#[test]
fn bindings_show_devices() {
    let place = Place::with("[access]\nauthenticate_register = false\n");
    let server = Server::start(&place);
    let mut phone = Phone::new(server.udp, "bob", "");
    phone.contact_params = ";reg-id=1;+sip.instance=\"<urn:uuid:d1>\";audio".to_owned();
    assert_eq!(phone.register(60), 200);
    let bob: Value = serde_json::from_str(&place.print(&["bindings", "--json"])).unwrap();
    assert_eq!(bob["instance"], "<urn:uuid:d1>");
    assert_eq!(bob["reg_id"], 1);
    assert_eq!(bob["gruu"], "sip:bob@offhook.internal;gr=urn:uuid:d1");
    assert!(bob["capabilities"].as_str().unwrap().contains(";audio"), "{bob}");
}

/// RFC 3261 §10.3: who has no account has no bindings. The name can be given to somebody else at once, and the phones of
/// before are not his.
#[test]
fn a_removed_account_leaves_no_phone_behind() {
    let place = Place::new();
    let add = |user: &str| password(&place.print(&["account", "add", user]));
    let bindings = || place.print(&["bindings", "--json"]).lines().count();
    let (carol, dave) = (add("carol"), add("dave"));
    let mut server = Server::start(&place);
    let contact = {
        let mut phone = Phone::new(server.udp, "carol", &carol);
        assert_eq!(phone.register(600), 200);
        phone.contact()
    };
    assert_eq!(Phone::new(server.udp, "dave", &dave).register(600), 200);
    let said = "Removed carol@offhook.internal. One phone was registered; it is not reached any more.\n";
    assert_eq!(place.print(&["account", "remove", "carol"]), said);
    // At once, not within a second: nobody else can be given the name before.
    assert_eq!(bindings(), 1);
    add("carol");
    let event = server.wait_event("register.forgotten");
    assert_eq!((&event["aor"], &event["contact"]), (&"carol@offhook.internal".into(), &contact.into()));
    assert_ne!(Phone::new(server.udp, "carol", &carol).register(60), 200, "the new one has another password");

    server.kill();
    assert!(place.print(&["account", "remove", "dave"]).contains("One phone was registered"));
    assert_eq!(place.print(&["account", "remove", "carol"]), "Removed carol@offhook.internal.\n");
    let server = Server::start(&place);
    assert_eq!(bindings(), 0);
    drop(server);
}

/// A server that starts or ends has the files and answers nobody: the account goes all the same, and what stays is said.
#[test]
fn what_cannot_be_forgotten_is_said() {
    let place = Place::new();
    password(&place.print(&["account", "add", "carol"]));
    let limits = offhook_location::Limits::default();
    let _in_use = offhook_location::Location::open(&place.data(), limits, 0).unwrap();
    let output = place.run(&["account", "remove", "carol"]);
    assert_eq!(
        (output.status.code(), text(&output.stdout)),
        (Some(0), "Removed carol@offhook.internal.\n".into())
    );
    let note = "note: the phones of carol@offhook.internal stay registered until they have to register again";
    assert!(text(&output.stderr).contains(note), "{output:?}");
    assert!(!place.print(&["account", "list"]).contains("carol@"));
}
