//! A guesser arrives at a running server, is banned, seen and pardoned: the example of docs/abuse.md, and the control
//! socket as other programs see it.

mod phone;
mod server;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use phone::Phone;
use serde_json::Value;
use server::{PATIENCE, Place, Server, text, within};

/// Loopback counts, so that the test can be an abuser.
const STRICT: &str = "domains = [\"example.org\"]\n";
const NOBODY_EXEMPT: &str = "[abuse]\nexempt = []\n";

fn place() -> Place {
    let place = Place::with(NOBODY_EXEMPT);
    // Keys of the top level stand above the first table.
    let config = std::fs::read_to_string(place.config()).unwrap();
    std::fs::write(place.config(), format!("{STRICT}{config}")).unwrap();
    place
}

/// Guesses until nothing is answered any more.
fn guess(server: &Server) -> u32 {
    let mut guesser = Phone::at("127.0.0.66:0", server.udp, "alice", "guess");
    guesser.set_patience(Duration::from_millis(300));
    let mut guesses = 0;
    while guesser.tries_to_register(60) {
        guesses += 1;
        assert!(guesses < 100, "nobody stops it");
    }
    guesses
}

#[test]
fn a_guesser_is_banned_seen_and_pardoned() {
    let place = place();
    let server = Server::start(&place);
    assert_eq!(place.print(&["ban", "list"]), "Nobody is banned.\n");
    // Silence comes first; who does not mind it is banned.
    let guesser = || guess(&server);
    within(PATIENCE, "a ban", || {
        guesser();
        place.print(&["ban", "list"]).starts_with("SOURCE")
    });
    let event = server.wait_event("ban.began");
    assert_eq!((&event["source"], &event["lasts_s"]), (&Value::from("127.0.0.66"), &Value::from(300)));
    let listed: Value = serde_json::from_str(&place.print(&["ban", "list", "--json"])).unwrap();
    assert_eq!(
        (&listed["source"], &listed["offence"]),
        (&Value::from("127.0.0.66"), &"wrong-password".into())
    );
    assert_eq!(listed["until_s"].as_u64().unwrap() - listed["since_s"].as_u64().unwrap(), 300);
    assert_eq!(guess(&server), 0, "banned");

    let said = place.print(&["ban", "lift", "127.0.0.66"]);
    assert!(said.starts_with("The ban of 127.0.0.66 is lifted."), "{said}");
    assert_eq!(server.wait_event("ban.lifted")["source"], "127.0.0.66");
    assert_eq!(place.print(&["ban", "list", "--json"]), "");
    assert!(guess(&server) > 0, "pardoned");
    // Nobody else was meant.
    let mut phone = Phone::new(server.udp, "alice", &password(&server, "alice"));
    assert_eq!(phone.register(60), 200);
}

/// Whoever is banned loses his connections, whatever they speak, and gets no new ones; lifted, he is welcome again.
#[test]
fn a_ban_closes_connections() {
    let place = place();
    let config = std::fs::read_to_string(place.config()).unwrap();
    let more = "[engine]\nshards = 2\n[[listen]]\ntransport = \"tls\"\naddress = \"127.0.0.1:0\"\n";
    std::fs::write(place.config(), format!("{config}{more}")).unwrap();
    let server = Server::start(&place);
    let dial = |to| {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let is_closed = |mut stream: &TcpStream| match stream.read(&mut [0; 100]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    };
    // Enough of them to have some in each shard; those by TLS wait for a handshake.
    let mut open: Vec<TcpStream> = (0..8).map(|_| dial(server.tcp)).collect();
    open.extend((0..8).map(|_| dial(server.tls())));
    let mut answer = [0; 4];
    for mut stream in &open[..8] {
        stream.write_all(b"\r\n\r\n").unwrap();
        stream.read_exact(&mut answer[..2]).unwrap();
    }
    let said = place.print(&["ban", "add", "127.0.0.1", "--for", "60"]);
    assert!(said.starts_with("127.0.0.1 is banned until 20"), "{said}");
    let event = server.wait_event("ban.began");
    assert_eq!((&event["offence"], &event["lasts_s"]), (&"the administrator".into(), &60.into()));
    assert!(open.iter().all(is_closed));
    assert!(is_closed(&dial(server.tcp)) && is_closed(&dial(server.tls())));
    let listed: Value = serde_json::from_str(&place.print(&["ban", "list", "--json"])).unwrap();
    assert_eq!(listed["offence"], "administrator");
    assert!(listed["dropped"].as_u64() >= Some(2), "{listed}");
    place.print(&["ban", "lift", "127.0.0.1"]);
    let mut again = dial(server.tcp);
    again.write_all(b"\r\n\r\n").unwrap();
    again.read_exact(&mut answer[..2]).unwrap();
    assert_eq!(&answer[..2], b"\r\n");
}

#[test]
fn who_is_exempt_is_not_banned_by_hand_either() {
    let place = Place::with("[abuse]\nexempt = [\"127.0.0.0/8\"]\n");
    let _server = Server::start(&place);
    for (source, words) in [
        ("127.0.0.66", "127.0.0.66 is never banned"),
        ("somebody", "neither an IP address nor the /64 of one"),
    ] {
        let output = place.run(&["ban", "add", source]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
    assert_eq!(place.run(&["ban", "add", "192.0.2.7", "--for", "0"]).status.code(), Some(2));
}

/// Neither a polite stop nor a kill pardons anybody; an exception that the administrator makes does.
#[test]
fn a_ban_outlives_the_server() {
    let place = place();
    let mut server = Server::start(&place);
    within(PATIENCE, "a ban", || {
        guess(&server);
        place.print(&["ban", "list"]).starts_with("SOURCE")
    });
    let before: Value = serde_json::from_str(&place.print(&["ban", "list", "--json"])).unwrap();
    let file = place.data().join("bans.jsonl");
    within(PATIENCE, "the ban is on disk", || {
        std::fs::read_to_string(&file).is_ok_and(|text| text.contains("127.0.0.66"))
    });
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    server.kill();
    let server = Server::start(&place);
    assert!(server.early.contains("ban.restored"), "{}", server.early);
    let after: Value = serde_json::from_str(&place.print(&["ban", "list", "--json"])).unwrap();
    for field in ["source", "offence", "failures", "times", "since_s", "until_s"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert_eq!(guess(&server), 0, "banned");
    let (ended, _) = server.signal("TERM");
    assert!(ended.success());

    let config = std::fs::read_to_string(place.config()).unwrap();
    std::fs::write(place.config(), config.replace("exempt = []", "exempt = [\"127.0.0.0/8\"]")).unwrap();
    let server = Server::start(&place);
    assert_eq!(place.print(&["ban", "list"]), "Nobody is banned.\n");
    drop(server);
}

/// The password of a user in the welcome of the first start.
fn password(server: &Server, user: &str) -> String {
    let lines: Vec<&str> = server.welcome.lines().map(str::trim).collect();
    let at =
        lines.iter().position(|line| line.strip_prefix("user").is_some_and(|u| u.trim() == user)).unwrap();
    lines[at..].iter().find_map(|line| line.strip_prefix("password")).unwrap().trim().to_owned()
}

/// Whoever shares an address with registered phones is not banned with them.
#[test]
fn where_a_phone_is_registered_nobody_is_banned() {
    let place = place();
    let server = Server::start(&place);
    let password = password(&server, "bob");
    let mut bob = Phone::at("127.0.0.66:0", server.udp, "bob", &password);
    assert_eq!(bob.register(60), 200);
    let heard: u32 = (0..8).map(|_| guess(&server)).sum();
    assert!((5..=8).contains(&heard), "{heard}");
    assert_eq!(place.print(&["ban", "list"]), "Nobody is banned.\n");
    assert_eq!(bob.register(60), 200, "heard, whoever fails beside him");
}

#[test]
fn what_cannot_be_said_is_said() {
    let place = place();
    let answer = |arguments: &[&str]| {
        let output = place.run(arguments);
        (output.status.code().unwrap(), text(&output.stderr))
    };
    let (code, words) = answer(&["ban", "list"]);
    assert_eq!(code, 4, "{words}");
    assert!(words.contains("no server runs with the data directory") && words.contains("--data"), "{words}");
    let mut server = Server::start(&place);
    let (code, words) = answer(&["ban", "lift", "192.0.2.7"]);
    assert_eq!((code, words.as_str()), (1, "offhook: 192.0.2.7 is not banned\n"));
    let (code, words) = answer(&["ban", "lift", "example.org"]);
    assert!(code == 1 && words.contains("neither an IP address nor the /64 of one"), "{words}");
    assert_eq!(answer(&["ban", "lift"]).0, 2);
    assert_eq!(place.print(&["ban", "lift", "--all"]), "");
    server.kill();
    assert_eq!(answer(&["ban", "list"]).0, 4, "what a dead server left is no server");
    let _again = Server::start(&place);
    assert_eq!(place.print(&["ban", "list"]), "Nobody is banned.\n");
}

#[test]
fn other_programs_may_ask_too_if_they_are_the_owners() {
    let place = place();
    let server = Server::start(&place);
    let path = place.data().join("control.sock");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let ask = |question: &[u8]| {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(question).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert_eq!(ask(b"{\"offhook\":1,\"ask\":\"ban.list\"}\n"), "{\"done\":0,\"offhook\":1}\n");
    assert!(ask(b"{\"offhook\":1,\"ask\":\"ban.forget\"}\n").contains("\"kind\":\"unknown\""));
    assert!(ask(b"GET / HTTP/1.1\r\n\r\n").contains("\"kind\":\"malformed\""));
    // Somebody holds the socket and says nothing; phones do not notice.
    let _idle = UnixStream::connect(&path).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    socket.send_to(b"OPTIONS sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:example.org>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n", server.udp).unwrap();
    assert!(socket.recv(&mut [0; 2_000]).is_ok());
    let (ended, took) = server.signal("TERM");
    assert!(ended.success() && took < Duration::from_secs(3), "{took:?}");
    assert!(!path.exists());
}

/// Guesses from many ports reach all shards, and are counted together.
#[test]
fn shards_count_together() {
    let place = place();
    let config = std::fs::read_to_string(place.config()).unwrap();
    std::fs::write(place.config(), format!("{config}[engine]\nshards = 4\n")).unwrap();
    let server = Server::start(&place);
    let mut heard = 0;
    for port in 0..60 {
        let mut guesser = Phone::at("127.0.0.66:0", server.udp, "alice", "guess");
        guesser.set_patience(Duration::from_millis(if port < 20 { 1_000 } else { 100 }));
        heard += u32::from(guesser.tries_to_register(60));
    }
    assert!((5..=9).contains(&heard), "{heard} of 60 were answered");
}

/// The page for administrators: what it sets can be set, and the table is the one that is printed.
#[test]
fn the_manual_says_what_is_so() {
    let page = include_str!("../../docs/abuse.md");
    let start = page.find("    [abuse]\n").expect("an example");
    let example: Vec<&str> = page[start..].lines().take_while(|line| line.starts_with("    ")).collect();
    let place = Place::with(&example.join("\n"));
    assert!(place.print(&["check"]).contains("is sound"));
    let titles = |line: &str| {
        line.split("  ").map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let shown = page.lines().find(|line| line.trim().starts_with("SOURCE")).expect("a table");
    let place = self::place();
    let server = Server::start(&place);
    within(PATIENCE, "a ban", || {
        guess(&server);
        place.print(&["ban", "list"]).starts_with("SOURCE")
    });
    let printed = place.print(&["ban", "list"]);
    assert_eq!(titles(printed.lines().next().unwrap()), titles(shown));
    assert!(page.contains("127.0.0.66") && printed.contains("127.0.0.66"));
}
