//! Who walks through users, and who only seems to: docs/abuse.md. Told as in [`crate::abuse`].

use offhook_journal::EventKind;
use offhook_ladder::{Stage, password_of};
use offhook_sip::Transport;

use crate::abuse::{MALLORY, credentials, evening, passes, request, says, status, tries};
use crate::exchange::{Observed, scene};

const METHODS: [&str; 4] = ["INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE"];

/// A stranger asks for a user. What leaves for it.
fn asks_for(
    stage: &mut Stage,
    (transport, from): (Transport, &str),
    method: &str,
    user: &str,
    number: u32,
) -> Option<u16> {
    let uri = format!("sip:{user}@example.com");
    let text = request(method, &uri, "mallory", from, number, "Event: x\r\n")
        .replace("<sip:mallory@example.com>", "<sip:mallory@elsewhere.example>")
        .replace("/UDP", &format!("/{}", transport.name().to_ascii_uppercase()));
    let sent = says(stage, transport, from, &text);
    sent.first().and_then(|(_, text)| status_of(text))
}

/// Asks for users by their numbers. How many requests were answered.
fn walk(stage: &mut Stage, from: (Transport, &str), method: &str, users: std::ops::Range<u32>) -> usize {
    let answered = |n: &u32| asks_for(stage, from, method, &format!("{n}"), *n).is_some();
    users.filter(answered).count()
}

/// One user after the other: twenty are answered, then silence grows, then she is banned, whatever she asks with. Nobody else
/// notices. RFC 3261 §26.1.
#[test]
fn who_walks_through_users_is_silenced_then_banned() {
    for method in METHODS {
        let mut stage = evening();
        assert_eq!(walk(&mut stage, (Transport::Tcp, MALLORY), method, 0..600), 21, "{method}");
        assert_eq!(stage.exchange().count(EventKind::BanBegan), 1, "{method}");
        passes(&mut stage, 20_000);
        assert_eq!(asks_for(&mut stage, (Transport::Tcp, MALLORY), method, "alice", 1_000), None);
        let friend = (Transport::Tcp, "203.0.113.77:40000");
        assert_eq!(asks_for(&mut stage, friend, method, "nobody", 1_000), Some(480), "{method}");
    }
}

/// Registrations of one user after the other, by somebody who never proves to be any. RFC 3261 §26.1.
#[test]
fn who_registers_one_user_after_the_other_is_banned() {
    for method in ["REGISTER", "INVITE"] {
        let mut stage = evening();
        let answered = |n: &u32| {
            let uri = if method == "REGISTER" { "sip:example.com" } else { "sip:bob@example.com" };
            let text = request(method, uri, &format!("{n}"), MALLORY, *n, "").replace("/UDP", "/TCP");
            !says(&mut stage, Transport::Tcp, MALLORY, &text).is_empty()
        };
        assert_eq!((0..600).filter(answered).count(), 21, "{method}");
        assert_eq!(stage.exchange().count(EventKind::BanBegan), 1, "{method}");
    }
}

/// By datagrams nobody is banned, for their address may be another's. Credentials and calls that are open are heard all the
/// while, and so is whoever comes by a connection. RFC 3261 §26.1.
#[test]
fn a_walk_by_datagrams_harms_nobody_else() {
    let mut stage = evening();
    let walks = |stage: &mut Stage, first: u32| {
        let ask = |n: &u32| {
            passes(stage, 110);
            asks_for(stage, (Transport::Udp, MALLORY), "OPTIONS", &format!("{n}"), *n).is_some()
        };
        (first..first + 300).filter(ask).count()
    };
    let heard = walks(&mut stage, 0);
    assert!((21..=28).contains(&heard), "{heard} of 300 in half a minute");
    assert_eq!(asks_for(&mut stage, (Transport::Udp, MALLORY), "INVITE", "alice", 400), None);
    assert_eq!(asks_for(&mut stage, (Transport::Tcp, MALLORY), "OPTIONS", "nobody", 400), Some(480));
    // Who lives there shows the right password as ever, and from then on nothing is counted.
    passes(&mut stage, 8_000);
    assert_eq!(tries(&mut stage, MALLORY, "bob", &password_of("bob"), 1), Some(200));
    assert_eq!(walks(&mut stage, 1_000), 300);
    assert_eq!(stage.exchange().count(EventKind::BanBegan), 0);
}

/// Hundreds of phones behind one address begin to register at the same moment: one of them has shown the right password, and
/// nobody is silenced. RFC 3261 §10.2.
#[test]
fn an_office_that_comes_back_is_no_walk() {
    const OFFICE: &str = "203.0.113.5:5060";
    let mut stage = evening();
    assert_eq!(tries(&mut stage, OFFICE, "bob", &password_of("bob"), 1), Some(200));
    for n in 0..300 {
        let text =
            request("REGISTER", "sip:example.com", &format!("{n}"), OFFICE, n, "").replace("/UDP", "/TCP");
        let sent = says(&mut stage, Transport::Tcp, OFFICE, &text);
        assert_eq!(status(sent.first().map(|(_, text)| &**text)), Some(401), "{n}");
    }
    assert_eq!(tries(&mut stage, OFFICE, "alice", &password_of("alice"), 2), Some(200));
}

/// Calls of strangers to users who are there are calls, as many as they are; and one who is not there may be called again and
/// again. RFC 3261 §16.5.
#[test]
fn callers_are_no_walkers() {
    let mut stage = evening();
    for n in 0..200 {
        let user = ["alice", "bob", "carol", "nobody"][n as usize % 4];
        let from = (Transport::Tcp, MALLORY);
        assert!(!says_nothing(&mut stage, from, user, n), "{n}");
    }
    assert_eq!(stage.exchange().count(EventKind::BanBegan), 0);
}

fn says_nothing(stage: &mut Stage, from: (Transport, &str), user: &str, number: u32) -> bool {
    let uri = format!("sip:{user}@example.com");
    let text = request("OPTIONS", &uri, "mallory", from.1, number, "")
        .replace("<sip:mallory@example.com>", "<sip:mallory@elsewhere.example>")
        .replace("/UDP", "/TCP");
    says(stage, from.0, from.1, &text).is_empty()
}

/// Trunks and the networks that are exempt may ask for whom they like. RFC 3261 §26.1.
#[test]
fn peers_and_the_exempt_may_walk() {
    for configuration in [
        "[abuse]\n[[trunk]]\nname = \"provider\"\npeers = [\"203.0.113.66\"]\ntargets = [{ to = \"sip:203.0.113.66\" }]\n",
        "[abuse]\nexempt = [\"203.0.113.0/24\"]\n",
    ] {
        let mut stage = scene(configuration).run("given alice is registered\n+1ms");
        assert_eq!(walk(&mut stage, (Transport::Tcp, MALLORY), "OPTIONS", 0..300), 300);
    }
}

/// Strangers' calls leave room for others: when three quarters of the transactions are taken, users still call. RFC 3261
/// §21.5.4.
#[test]
fn strangers_leave_room_for_users() {
    let keys = "[limits]\ntransactions_max = 100\n[abuse]\n";
    let mut stage = scene(keys).run("given bob is registered\n+1ms");
    let from = (Transport::Tcp, MALLORY);
    let let_in = |n: &u32| asks_for(&mut stage, from, "INVITE", "bob", *n) != Some(503);
    let count = (0..200).filter(let_in).count();
    assert!((70..=76).contains(&count), "{count}");
    let phone = "203.0.113.5:5060";
    let asked = says(&mut stage, Transport::Tcp, phone, &invite("bob", 1, ""));
    let line = credentials(&asked[0].1, "bob", &password_of("bob"), ("INVITE", "sip:bob@example.com"), 1);
    let sent = says(&mut stage, Transport::Tcp, phone, &invite("bob", 2, &line));
    assert!(sent.iter().any(|(_, text)| text.starts_with("INVITE ")), "{sent:?}");
}

fn invite(user: &str, number: u32, more: &str) -> String {
    request("INVITE", "sip:bob@example.com", user, "203.0.113.5:5060", number, more).replace("/UDP", "/TCP")
}

/// `None`: it is a request.
fn status_of(text: &str) -> Option<u16> {
    text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}
