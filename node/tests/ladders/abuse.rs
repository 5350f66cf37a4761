//! What scanners, guessers and forgers meet, and what their neighbours do not: docs/abuse.md.
//!
//! Attackers do not keep to SIP, so here they are not phones of a ladder: what they send is given to the exchange as it is,
//! from whatever address they claim, and what leaves is looked at.

use std::net::SocketAddr;

use offhook_digest::{Challenge, Login, Request, answer};
use offhook_journal::EventKind;
use offhook_ladder::{Stage, password_of};
use offhook_net::{ConnectionId, Engine, Flow, Outbox};
use offhook_sip::{Message, Name, Transport};

use crate::exchange::{Exchange, Observed, scene};

/// Mallory; nobody else is there.
pub(crate) const MALLORY: &str = "203.0.113.66:5060";

/// Whatever the simulated network is, it is strange.
const COUNTED: &str = "[abuse]\n";

/// What leaves for one message, and where to.
pub(crate) fn says(
    stage: &mut Stage,
    transport: Transport,
    from: &str,
    text: &str,
) -> Vec<(SocketAddr, String)> {
    let (proxy, now_ms) = (stage.proxy(), stage.world().now_ms());
    let exchange = stage.world_mut().engine_mut::<Exchange>(proxy);
    let connection = match transport {
        Transport::Udp => ConnectionId::NONE,
        _ => ConnectionId { index: 9, generation: 1 },
    };
    let listener = u16::from(transport != Transport::Udp);
    let flow = Flow { transport, listener, connection, remote: from.parse().expect("an address") };
    let mut out = Outbox::new();
    exchange.receive(now_ms, &flow, text.as_bytes(), &mut out);
    exchange.commit(now_ms, &mut out);
    let text = |bytes| String::from_utf8(out.bytes(bytes).to_vec()).expect("text");
    out.outgoing().iter().map(|sent| (sent.flow.remote, text(sent.bytes.clone()))).collect()
}

/// The same by UDP; the one answer, if there is one.
pub(crate) fn asks(stage: &mut Stage, from: &str, text: &str) -> Option<String> {
    let mut sent = says(stage, Transport::Udp, from, text);
    assert!(sent.len() <= 1, "more than one datagram for one: {sent:?}");
    sent.pop().map(|(to, text)| {
        assert_eq!(to, from.parse().expect("an address"));
        text
    })
}

pub(crate) fn status(answer: Option<&str>) -> Option<u16> {
    Message::parse(answer?.as_bytes()).expect("an answer").status()
}

/// A request of a user at an address; `more` are header lines, each with its end.
pub(crate) fn request(method: &str, uri: &str, user: &str, from: &str, number: u32, more: &str) -> String {
    let to = if method == "REGISTER" { format!("sip:{user}@example.com") } else { uri.to_owned() };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{method}{number};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{user}@example.com>;tag=1\r\nTo: <{to}>\r\n\
         Call-ID: {method}-{user}\r\nCSeq: {number} {method}\r\nContact: <sip:{user}@{from}>\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

pub(crate) fn register(user: &str, from: &str, number: u32, more: &str) -> String {
    request("REGISTER", "sip:example.com", user, from, number, more)
}

/// The header line that answers a challenge.
pub(crate) fn credentials(
    refusal: &str,
    user: &str,
    password: &str,
    (method, uri): (&str, &str),
    count: u32,
) -> String {
    let message = Message::parse(refusal.as_bytes()).expect("a refusal");
    let (name, value) = match message.value(Name::WwwAuthenticate) {
        Some(value) => ("Authorization", value),
        None => ("Proxy-Authorization", message.value(Name::ProxyAuthenticate).expect("a challenge")),
    };
    let challenge = Challenge::parse(value).expect("a challenge");
    let request = Request { method, uri, body: b"" };
    let login = Login { username: user, password };
    format!("{name}: {}\r\n", answer(&challenge, login, request, "0a4f113b", count))
}

/// A REGISTER with this password, after its challenge. `None`: one of the two got no answer.
pub(crate) fn tries(stage: &mut Stage, from: &str, user: &str, password: &str, number: u32) -> Option<u16> {
    let refusal = asks(stage, from, &register(user, from, 2 * number, ""))?;
    let line = credentials(&refusal, user, password, ("REGISTER", "sip:example.com"), 1);
    status(asks(stage, from, &register(user, from, 2 * number + 1, &line)).as_deref())
}

/// Guesses until nothing is answered. How many were.
fn guesses(stage: &mut Stage, from: &str, first: u32) -> u32 {
    let mut is_heard = |n: &u32| {
        // Ten answers a second are for everybody.
        passes(stage, 250);
        tries(stage, from, "alice", "guess", first + n).is_some()
    };
    (0..).take_while(|n| is_heard(n)).count() as u32
}

pub(crate) fn passes(stage: &mut Stage, ms: u64) {
    stage.play(&format!("+{ms}ms"));
}

pub(crate) fn evening() -> Stage {
    scene(COUNTED).run("given alice is registered\ngiven bob is registered\ngiven carol is registered\n+1ms")
}

/// Five wrong passwords are answered, then silence grows, then Mallory is banned: nothing of hers is read, for five
/// minutes. RFC 3261 §26.1, RFC 7616 §5.8.
#[test]
fn a_guesser_meets_silence_then_a_ban() {
    let mut stage = evening();
    let heard = guesses(&mut stage, MALLORY, 1);
    assert!((6..=7).contains(&heard), "{heard}");
    assert_eq!(stage.exchange().count(EventKind::BanBegan), 0);
    let mut number = 100;
    while stage.exchange().count(EventKind::BanBegan) == 0 {
        passes(&mut stage, 100);
        tries(&mut stage, MALLORY, "alice", "guess", number);
        number += 1;
        assert!(number < 200, "she is never banned");
    }
    assert_eq!(asks(&mut stage, MALLORY, &request("OPTIONS", "sip:example.com", "x", MALLORY, 1, "")), None);
    passes(&mut stage, 299_000);
    assert_eq!(tries(&mut stage, MALLORY, "alice", "guess", 300), None);
    passes(&mut stage, 1_000);
    assert_eq!(tries(&mut stage, MALLORY, "alice", "guess", 301), Some(401));
    // The owner has noticed nothing.
    stage.play(
        "
        alice  -> proxy            MESSAGE bob
        alice  <- proxy            407
        alice  -> proxy            MESSAGE bob (auth)
                  proxy -> bob     MESSAGE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    );
    stage.leaves_nothing();
}

/// Mallory sends wrong credentials in the name of a victim's address: with a nonce of her own, and with none of ours. The
/// victim is not banned and not even silenced. RFC 7616 §5.4.
#[test]
fn a_forged_address_harms_nobody() {
    const VICTIM: &str = "198.51.100.77:5060";
    let mut stage = evening();
    let refusal = asks(&mut stage, MALLORY, &register("alice", MALLORY, 1, "")).expect("a challenge");
    let line = credentials(&refusal, "alice", "guess", ("REGISTER", "sip:example.com"), 1);
    let made_up = line.replace("nonce=\"", "nonce=\"x");
    for number in 0..500 {
        for line in [&line, &made_up] {
            asks(&mut stage, VICTIM, &register("alice", VICTIM, number, line));
        }
    }
    passes(&mut stage, 1_000);
    assert_eq!(stage.exchange().count(EventKind::BanBegan), 0);
    assert_eq!(tries(&mut stage, VICTIM, "bob", &password_of("bob"), 900), Some(200));
}

/// What may belong to a call passes from a banned source: its BYE and its answers. RFC 3261 §15.
#[test]
fn a_call_outlives_a_ban() {
    let mut stage = evening();
    stage.play(
        "
        trudy  -> proxy            INVITE bob
            From: <sip:trudy@elsewhere.example>;tag=t1
                  proxy -> bob     INVITE
                  proxy <- bob     200
        trudy  <- proxy            200
        trudy  -> proxy            ACK
                  proxy -> bob     ACK
    ",
    );
    let node = stage.phone("trudy");
    let spoken = stage.world().trace().iter().rev().find(|entry| entry.from == node).expect("she spoke");
    let trudy = spoken.wire.0.to_string();
    let mut number = 1;
    while stage.exchange().count(EventKind::BanBegan) == 0 {
        tries(&mut stage, &trudy, "alice", "guess", number);
        number += 1;
        passes(&mut stage, 100);
    }
    stage.play(
        "
        trudy  -> proxy            OPTIONS proxy #2
        trudy  -> proxy            BYE #1
                  proxy -> bob     BYE #1
                  proxy <- bob     200 #1
        trudy  <- proxy            200 #1
    ",
    );
}

/// Where somebody has shown the right password nobody is banned: the account that fails is silenced alone.
#[test]
fn an_office_shares_an_address_and_no_penalty() {
    const OFFICE: [&str; 2] = ["203.0.113.5:5060", "203.0.113.5:5062"];
    let mut stage = evening();
    assert_eq!(tries(&mut stage, OFFICE[0], "bob", &password_of("bob"), 1), Some(200));
    for number in 0..3_000 {
        tries(&mut stage, OFFICE[1], "alice", "typo", number);
        passes(&mut stage, 100);
    }
    assert_eq!(stage.exchange().count(EventKind::BanBegan), 0);
    let heard = stage.exchange().count(EventKind::AuthFailed);
    assert!((10..=30).contains(&heard), "five minutes of wrong passwords: {heard} were looked at");
    assert_eq!(tries(&mut stage, OFFICE[0], "bob", &password_of("bob"), 5_000), Some(200));
}

/// A peer of the configuration may fail as it likes, and so may a target of a trunk that calls us from there.
#[test]
fn a_trunk_is_never_banned() {
    for (target, peers) in [
        ("203.0.113.66", "[\"203.0.113.66\"]"),
        ("203.0.113.67", "[\"203.0.113.66\"]"),
        ("203.0.113.66", "[\"203.0.113.67\"]"),
    ] {
        let trunk = format!(
            "[[trunk]]\nname = \"provider\"\npeers = {peers}\ntargets = [{{ to = \"sip:{target}\" }}]\n"
        );
        let mut stage = scene(&format!("[abuse]\n{trunk}")).run("given alice is registered");
        for number in 0..200 {
            assert_eq!(tries(&mut stage, MALLORY, "alice", "guess", number), Some(401));
        }
        assert_eq!(stage.exchange().count(EventKind::BanBegan), 0);
    }
}

/// Scanners get no answer to anything: over UDP that is all, for the address may be another's; over a connection they are
/// banned. With the right password even they are heard.
#[test]
fn scanners_meet_silence() {
    const AGENT: &str = "User-Agent: Friendly-Scanner 1.0\r\n";
    let mut stage = evening();
    for (n, (method, uri)) in [
        ("OPTIONS", "sip:example.com"),
        ("OPTIONS", "sip:100@example.com"),
        ("REGISTER", "sip:example.com"),
        ("INVITE", "sip:bob@example.com"),
        ("INVITE", "sip:00972599000000@example.com"),
        ("MESSAGE", "sip:bob@example.com"),
    ]
    .into_iter()
    .enumerate()
    {
        for user in ["100", "alice"] {
            let text = request(method, uri, user, MALLORY, n as u32, AGENT);
            assert_eq!(asks(&mut stage, MALLORY, &text), None, "{method} {uri} of {user}");
            let stranger =
                text.replace(&format!("From: <sip:{user}@example.com>"), "From: <sip:a@elsewhere.example>");
            assert_eq!(asks(&mut stage, MALLORY, &stranger), None, "{method} {uri} of a stranger");
        }
    }
    assert_eq!(stage.exchange().count(EventKind::RequestScanning), 24);
    assert_eq!(stage.exchange().count(EventKind::BanBegan), 0);
    let refusal =
        asks(&mut stage, MALLORY, &register("bob", MALLORY, 50, "")).expect("no scanner, a challenge");
    let line = credentials(&refusal, "bob", &password_of("bob"), ("REGISTER", "sip:example.com"), 1);
    let proved = register("bob", MALLORY, 51, &format!("{AGENT}{line}"));
    assert_eq!(status(asks(&mut stage, MALLORY, &proved).as_deref()), Some(200));

    const BY_TCP: &str = "203.0.113.67:40000";
    let text = request("OPTIONS", "sip:example.com", "100", BY_TCP, 1, AGENT).replace("/UDP", "/TCP");
    assert!(says(&mut stage, Transport::Tcp, BY_TCP, &text).is_empty());
    assert_eq!(stage.exchange().count(EventKind::BanBegan), 1);
}

/// Overheard credentials are of no use: neither for another phone, nor to take one away, nor for another call. A
/// retransmission gets its answer. RFC 7616 §3.4.6, RFC 7616 §5.4, RFC 3261 §22.4, RFC 3261 §10.3.
#[test]
fn overheard_credentials_are_good_once() {
    const PHONE: &str = "203.0.113.5:5060";
    let mut stage = evening();
    let refusal = asks(&mut stage, PHONE, &register("bob", PHONE, 1, "")).expect("a challenge");
    let line = credentials(&refusal, "bob", &password_of("bob"), ("REGISTER", "sip:example.com"), 1);
    let sound = register("bob", PHONE, 2, &line);
    let answer = asks(&mut stage, PHONE, &sound).expect("an answer");
    assert_eq!(status(Some(&answer)), Some(200));
    assert_eq!(asks(&mut stage, PHONE, &sound).as_ref(), Some(&answer), "a retransmission");
    // Behind the same translator, with what bob's phone has sent.
    let other = register("bob", PHONE, 3, &line)
        .replace("<sip:bob@203.0.113.5:5060>", "<sip:mallory@203.0.113.5:6666>");
    let away = register("bob", PHONE, 3, &format!("Expires: 0\r\n{line}"));
    for replay in [other, away] {
        let refusal = asks(&mut stage, PHONE, &replay).expect("an answer");
        assert_eq!(status(Some(&refusal)), Some(401));
        assert!(refusal.contains("stale=TRUE"), "bob's phone would go on without asking him");
    }
    // The nonce itself is good for more.
    let line = credentials(&refusal, "bob", &password_of("bob"), ("REGISTER", "sip:example.com"), 2);
    assert_eq!(status(asks(&mut stage, PHONE, &register("bob", PHONE, 4, &line)).as_deref()), Some(200));

    let message =
        |number, more: &str| request("MESSAGE", "sip:alice@example.com", "bob", PHONE, number, more);
    let refusal = asks(&mut stage, PHONE, &message(1, "")).expect("a challenge");
    let line = credentials(&refusal, "bob", &password_of("bob"), ("MESSAGE", "sip:alice@example.com"), 1);
    assert_eq!(says(&mut stage, Transport::Udp, PHONE, &message(2, &line)).len(), 1, "relayed");
    assert!(
        says(&mut stage, Transport::Udp, PHONE, &message(2, &line)).is_empty(),
        "a retransmission is absorbed"
    );
    assert_eq!(status(asks(&mut stage, PHONE, &message(3, &line)).as_deref()), Some(407));
}

/// Users and non-users get the same answer, to the letter but for what the request itself said: without credentials, with
/// wrong ones, to whatever is asked. RFC 3261 §26.1.
#[test]
fn nobody_learns_who_is_there() {
    for method in ["REGISTER", "INVITE", "MESSAGE", "OPTIONS", "SUBSCRIBE", "PUBLISH", "REFER", "TELEPORT"] {
        let mut stage = evening();
        let uri = if method == "REGISTER" { "sip:example.com" } else { "sip:carol@example.com" };
        // As long as each other, for the length of a name is nobody's secret.
        let mut shapes = ["bob", "nob"].map(|user| {
            let challenged =
                asks(&mut stage, MALLORY, &request(method, uri, user, MALLORY, 1, "")).expect("an answer");
            let line = credentials(&challenged, user, "guess", (method, uri), 1);
            let refused =
                asks(&mut stage, MALLORY, &request(method, uri, user, MALLORY, 2, &line)).expect("an answer");
            [challenged, refused].map(|text| anonymous(&text, user))
        });
        let [user, nobody] = &mut shapes;
        assert_eq!(user, nobody, "{method}");
        // As a target, of a stranger.
        let target = |stage: &mut Stage, user: &str| {
            let text = request(method, &format!("sip:{user}@example.com"), user, MALLORY, 3, "");
            let text =
                text.replace(&format!("From: <sip:{user}@example.com>"), "From: <sip:a@elsewhere.example>");
            asks(stage, MALLORY, &text).map(|text| anonymous(&text, user))
        };
        let mut quiet = scene(COUNTED)
            .run("given carol is registered\nforgetful -> proxy OPTIONS carol\nforgetful <- proxy 407");
        assert_eq!(target(&mut quiet, "forgetful"), target(&mut quiet, "nobodyabc"), "{method}");
    }
}

/// Without what differs anyhow: the name, and what is made of it or of chance.
fn anonymous(text: &str, user: &str) -> String {
    let text = text.replace(user, "*");
    let mut shown = String::new();
    for line in text.lines() {
        let cut =
            [";tag=oh", "nonce=\""].iter().find_map(|mark| line.find(mark).map(|at| (at + mark.len(), mark)));
        match cut {
            Some((at, _)) => {
                let secret =
                    line[at..].bytes().take_while(|c| c.is_ascii_alphanumeric() || b"-_".contains(c)).count();
                shown.push_str(&format!("{}<{secret}>{}", &line[..at], &line[at + secret..]));
            }
            None => shown.push_str(line),
        }
        shown.push('\n');
    }
    shown
}

/// What an unproved datagram draws: one datagram at most, of twice its bytes at most, ten a second, and nothing by itself
/// later. RFC 3261 §26.1, RFC 3261 §18.2.2.
#[test]
fn nothing_is_worth_asking_for_in_another_name() {
    const VICTIM: &str = "198.51.100.77:5060";
    let plenty =
        "[abuse]\nanswers_max = 100000\n[digest]\nalgorithms = [\"SHA-256\", \"SHA-512-256\", \"MD5\"]\n";
    let mut answered = std::collections::BTreeSet::new();
    let mut stage = scene(plenty).run("given alice is registered");
    for text in short_requests() {
        let sent = says(&mut stage, Transport::Udp, VICTIM, &text);
        assert!(sent.len() <= 1, "{} for one:\n{text}", sent.len());
        for (to, answer) in &sent {
            assert_eq!(to.ip().to_string(), "198.51.100.77", "elsewhere:\n{text}");
            assert!(answer.len() <= 2 * text.len(), "{} for {}:\n{text}\n{answer}", answer.len(), text.len());
            answered.insert(status(Some(answer)).expect("a status"));
        }
    }
    // Nothing comes by itself.
    passes(&mut stage, 64_000);
    stage.leaves_nothing();
    for status in [200, 400, 401, 404, 405, 407, 416, 420, 480, 481, 483] {
        assert!(answered.contains(&status), "no request draws {status}: {answered:?}");
    }
    let mut stage = evening();
    let mut answers = 0;
    for n in 0..5_000 {
        let text = request("OPTIONS", "sip:example.com", "a", VICTIM, n, "");
        answers += usize::from(asks(&mut stage, VICTIM, &text).is_some());
        passes(&mut stage, 1);
    }
    assert!((50..=61).contains(&answers), "{answers} in five seconds");
    let other = request("OPTIONS", "sip:example.com", "a", MALLORY, 1, "");
    assert!(asks(&mut stage, MALLORY, &other).is_some(), "nobody else has less for it");
}

/// Requests as short as they can be, of all kinds that are answered without credentials.
fn short_requests() -> Vec<String> {
    let mut all = Vec::new();
    let methods =
        ["REGISTER", "INVITE", "MESSAGE", "OPTIONS", "SUBSCRIBE", "BYE", "CANCEL", "PRACK", "ACK", "X"];
    let uris = [
        "sip:example.com",
        "sip:bob@example.com",
        "sip:nobody@example.com",
        "sip:a@b",
        "tel:1",
        "http:x",
        "x",
    ];
    let extras =
        ["", "Max-Forwards: 0\r\n", "Require: x\r\n", "Proxy-Require: x\r\n", "l: 9\r\n", "Route: <x>\r\n"];
    for method in methods {
        for uri in uris {
            for extra in extras {
                for from in ["a@b", "bob@example.com"] {
                    for to in ["sip:a", "sip:bob@example.com", "sip:a>;tag=1"] {
                        let n = all.len();
                        let shortest = format!(
                            "{method} {uri} SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK{n}\r\nf: <sip:{from}>;tag=1\r\n\
                             t: <{to}>\r\ni: 1\r\nCSeq: 1 {method}\r\n{extra}"
                        );
                        let lengths = [0, 60, 120, 400].map(|len| format!("s: {}\r\n", "x".repeat(len)));
                        all.extend(lengths.map(|line| {
                            format!("{shortest}{line}\r\n")
                                .replace("z9hG4bK", &format!("z9hG4bK{}.", line.len()))
                        }));
                    }
                }
            }
        }
    }
    for broken in ["CSeq: x\r\n", "CSeq: 1 OTHER\r\n", "CSeq: 1 OPTIONS\r\nCSeq: 2 OPTIONS\r\n", ""] {
        all.push(format!("OPTIONS sip:a SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\nf: <sip:a@b>;tag=1\r\nt: <sip:a>\r\ni: 1\r\n{broken}\r\n"));
    }
    all
}

/// A call in a victim's name rings a phone, as a call of anybody does; its refusal is sent again no more often than ten times a second
/// to one address, however many calls were forged. RFC 3261 §17.2.1.
#[test]
fn refusals_of_forged_calls_are_not_repeated_without_end() {
    const VICTIM: &str = "198.51.100.77:5060";
    let mut stage = scene("[abuse]\nstranger_requests_max = 800\n").run("given bob is registered\n+1ms");
    let proxy = stage.proxy();
    let mut packets = 0;
    for n in 0..200 {
        let text = request("INVITE", "sip:bob@example.com", "a", VICTIM, n, "");
        let text = text
            .replace("<sip:a@example.com>", "<sip:a@elsewhere.example>")
            .replace("INVITE-a", &format!("call{n}"));
        let copy = says(&mut stage, Transport::Udp, VICTIM, &text).pop().expect("it rings").1;
        let busy = refusal_of(&copy);
        let from = "192.0.2.12:5060";
        packets += says(&mut stage, Transport::Udp, from, &busy)
            .iter()
            .filter(|(to, _)| to.to_string() == VICTIM)
            .count();
    }
    assert_eq!(packets, 200, "one answer for each request");
    let (start_ms, mut repeated) = (stage.world().now_ms(), 0);
    let exchange = stage.world_mut().engine_mut::<Exchange>(proxy);
    for now_ms in (start_ms..start_ms + 32_000).step_by(50) {
        let mut out = Outbox::new();
        exchange.tick(now_ms, &mut out);
        repeated += out.outgoing().iter().filter(|sent| sent.flow.remote.to_string() == VICTIM).count();
    }
    assert!((1..=330).contains(&repeated), "{repeated} in 32 s, of 2,000 that the timers would send");
}

/// 486 to a request of ours.
fn refusal_of(copy: &str) -> String {
    let keep = |line: &&str| ["Via:", "From:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name));
    let lines: Vec<&str> = copy.lines().filter(keep).collect();
    format!(
        "SIP/2.0 486 Busy Here\r\n{}\r\nTo: <sip:bob@example.com>;tag=b\r\nContent-Length: 0\r\n\r\n",
        lines.join("\r\n")
    )
}
