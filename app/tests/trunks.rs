//! `offhook trunks` beside a running server: the example of docs/trunks.md, with a provider that answers and one that does
//! not.

mod server;

use std::net::UdpSocket;

use offhook_sip::{Message, Method, Name};
use serde_json::Value;
use server::{PATIENCE, Place, Server, text, within};

/// Answers whatever comes, as long as the test runs.
fn provider() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let Ok(request) = Message::parse(&buffer[..length]) else { continue };
            if request.method() == Some(Method::Ack) {
                continue;
            }
            let value = |name| text(request.value(name).unwrap_or_default());
            let all = |name| {
                let lines = request.lines_of(name).map(|line| text(&request.bytes()[line.whole()]));
                lines.collect::<String>()
            };
            let answer = format!(
                "SIP/2.0 200 OK\r\n{}{}From: {}\r\nTo: {}{}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
                 Contact: <sip:127.0.0.1:{port}>\r\nExpires: 300\r\nContent-Length: 0\r\n\r\n",
                all(Name::Via),
                all(Name::RecordRoute),
                value(Name::From),
                value(Name::To),
                if value(Name::To).contains(";tag=") { "" } else { ";tag=p" },
                value(Name::CallId),
                value(Name::CSeq),
            );
            socket.send_to(answer.as_bytes(), from).unwrap();
        }
    });
    port
}

fn configured(port: u16, silent: u16) -> String {
    format!(
        "[proxy]\nfailover_after_ms = 500\n\
         [[trunk]]\nname = \"provider\"\ndomain = \"sip.provider.example\"\nhealth_check_s = 1\n\
         targets = [{{ to = \"sip:127.0.0.1:{port}\" }}, {{ to = \"sip:127.0.0.1:{silent}\", weight = 2 }}]\n\
         user = \"4930123\"\npassword = \"correct horse\"\nregister = true\n"
    )
}

fn asked(place: &Place) -> Value {
    serde_json::from_str(&place.print(&["trunks", "--json"])).unwrap()
}

#[test]
fn trunks_are_seen() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (port, silent_port) = (provider(), silent.local_addr().unwrap().port());
    let place = Place::with(&configured(port, silent_port));
    let server = Server::start(&place);
    let health = |trunk: &Value, target: usize| trunk["targets"][target]["addresses"][0]["health"].clone();
    within(PATIENCE, "the health of both is known, and the registration", || {
        let trunk = asked(&place);
        health(&trunk, 0) == "up"
            && health(&trunk, 1) == "down"
            && !trunk["registration"]["until_s"].is_null()
    });
    let trunk = asked(&place);
    assert_eq!(
        (&trunk["trunk"], &trunk["calls"], &trunk["calls_now"]),
        (&"provider".into(), &0.into(), &0.into())
    );
    let [good, bad] = [0, 1].map(|target| trunk["targets"][target].clone());
    assert_eq!(good["addresses"][0]["answer"], 200);
    assert_eq!((&bad["weight"], &bad["addresses"][0]["why"]), (&2.into(), &"silence".into()));
    assert_eq!(trunk["registration"]["aor"], "sip:4930123@sip.provider.example");

    let shown = place.print(&["trunks"]);
    let lines: Vec<&str> = shown.lines().collect();
    let page = include_str!("../../docs/trunks.md");
    for title in lines.iter().filter(|line| line.starts_with("TRUNK")) {
        let words =
            |line: &str| line.split("  ").map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()).collect();
        let titles: Vec<String> = words(title);
        let in_page = page.lines().map(words).any(|words: Vec<String>| words == titles);
        assert!(in_page, "the manual shows other columns than {titles:?}");
    }
    assert_eq!(lines.iter().filter(|line| line.starts_with("provider")).count(), 3, "{shown}");
    let row = |port: u16| lines.iter().find(|line| line.contains(&format!("udp 127.0.0.1:{port}"))).unwrap();
    assert!(row(port).contains(" up ") && row(silent_port).contains("silence"), "{shown}");
    drop(server);
}

#[test]
fn without_trunks_and_without_a_server() {
    let place = Place::new();
    let output = place.run(&["trunks"]);
    let words = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{words}");
    assert!(words.contains("no server runs with the data directory") && words.contains("--data"), "{words}");
    let server = Server::start(&place);
    assert_eq!(place.print(&["trunks"]), "The server has no trunks.\n");
    assert_eq!(place.print(&["trunks", "--json"]), "");
    let (ended, _) = server.signal("TERM");
    assert!(ended.success());
}

/// A call that is open is counted, and counted no more when it is over.
#[test]
fn calls_are_counted() {
    let port = provider();
    let config = format!(
        "[access]\nauthenticate_calls = false\n\
         [[trunk]]\nname = \"provider\"\ntargets = [{{ to = \"sip:127.0.0.1:{port}\" }}]\n\
         [[route]]\nmatch = {{ prefix = \"0\" }}\ntrunk = \"provider\"\n"
    );
    let place = Place::with(&config);
    let server = Server::start(&place);
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    phone.set_read_timeout(Some(PATIENCE)).unwrap();
    phone.connect(server.udp).unwrap();
    let own = phone.local_addr().unwrap();
    let say = |method: &str, cseq: u32, rest: &str| {
        // Within the call the provider is meant, where its Contact says.
        let uri = match method {
            "INVITE" => format!("sip:0301@{}", server.udp),
            _ => format!("sip:127.0.0.1:{port}"),
        };
        let request = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;branch=z9hG4bK{cseq}{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:alice@{server}>;tag=1\r\nTo: <sip:0301@{server}>{to}\r\n\
             Call-ID: trunks@test\r\nCSeq: {cseq} {method}\r\nContact: <sip:alice@{own}>\r\n{rest}Content-Length: 0\r\n\r\n",
            server = server.udp,
            to = if cseq > 1 || method == "ACK" { ";tag=p" } else { "" },
        );
        phone.send(request.as_bytes()).unwrap();
    };
    let answer = || loop {
        let mut buffer = vec![0; 65_536];
        let length = phone.recv(&mut buffer).unwrap();
        let message = Message::parse(&buffer[..length]).unwrap();
        if message.status() < Some(200) {
            continue;
        }
        let route = message.value(Name::RecordRoute).map(|route| format!("Route: {}\r\n", text(route)));
        break (message.status(), route.unwrap_or_default());
    };
    say("INVITE", 1, "");
    let (status, route) = answer();
    assert_eq!(status, Some(200));
    say("ACK", 1, &route);
    within(PATIENCE, "the call is counted", || {
        let trunk = asked(&place);
        trunk["calls_now"] == 1 && trunk["calls"] == 1
    });
    say("BYE", 2, &route);
    assert_eq!(answer().0, Some(200));
    within(PATIENCE, "the call is over", || asked(&place)["calls_now"] == 0);
    assert_eq!(asked(&place)["calls"], 1);
}
