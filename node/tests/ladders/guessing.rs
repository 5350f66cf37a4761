//! What guesses, forgeries and repetitions do not do to others: docs/abuse.md. Told as in [`crate::abuse`].

use offhook_journal::EventKind;
use offhook_ladder::{Stage, password_of};
use offhook_sip::Transport;

use crate::abuse::{MALLORY, asks, credentials, evening, passes, register, request, says, status, tries};
use crate::exchange::{Observed, scene};

/// A broken phone subscribes again at once whenever it is refused (some do): it meets silence until its own timers have
/// run. RFC 3261 §17.1.2.2.
#[test]
fn a_phone_without_rest_is_left_alone() {
    let mut stage = evening();
    let phone = "203.0.113.5:5060";
    assert_eq!(tries(&mut stage, phone, "bob", &password_of("bob"), 1), Some(200));
    let mut answers = 0;
    for n in 0..1_000 {
        answers += usize::from(subscribes(&mut stage, phone, "nobody", n) == Some(404));
        passes(&mut stage, 10);
    }
    assert!((20..=41).contains(&answers), "{answers} in ten seconds");
    assert_eq!(
        subscribes(&mut stage, phone, "somebody", 1),
        Some(404),
        "another subscription of the same phone"
    );
}

/// A subscription of bob, after its challenge. `None`: one of the two got no answer.
fn subscribes(stage: &mut Stage, from: &str, to: &str, number: u32) -> Option<u16> {
    let uri = format!("sip:{to}@example.com");
    let subscribe =
        |number, more: &str| request("SUBSCRIBE", &uri, "bob", from, number, &format!("Event: x\r\n{more}"));
    let refusal = asks(stage, from, &subscribe(2 * number, ""))?;
    let line = credentials(&refusal, "bob", &password_of("bob"), ("SUBSCRIBE", &uri), 1);
    status(asks(stage, from, &subscribe(2 * number + 1, &line)).as_deref())
}

/// Mallory repeats a phone's requests without pause, in the name of its address: the phone registers and subscribes as ever.
/// RFC 3261 §26.1.
#[test]
fn forged_repetitions_silence_no_phone() {
    let mut stage = evening();
    let phone = "203.0.113.5:5060";
    assert_eq!(tries(&mut stage, phone, "bob", &password_of("bob"), 1), Some(200));
    for n in 0..100 {
        asks(&mut stage, phone, &register("bob", phone, 1_000 + n, ""));
        let uri = "sip:nobody@example.com";
        asks(&mut stage, phone, &request("SUBSCRIBE", uri, "bob", phone, 1_000 + n, "Event: x\r\n"));
    }
    assert_eq!(tries(&mut stage, phone, "bob", &password_of("bob"), 2), Some(200));
    assert_eq!(subscribes(&mut stage, phone, "nobody", 3), Some(404));
}

/// Guesses at an account from forty places: it is closed to places that are new to it.
fn close_alice(stage: &mut Stage) {
    for n in 0..80 {
        let from = format!("198.51.100.{}:5060", 100 + n % 40);
        passes(stage, 250);
        tries(stage, &from, "alice", "guess", n);
    }
    assert_eq!(stage.exchange().count(EventKind::BanBegan), 0);
}

/// Who is exempt is heard, whatever others have done to the account, and is not counted. RFC 3261 §26.1.
#[test]
fn who_is_exempt_is_neither_silenced_nor_counted() {
    let mut stage = scene("[abuse]\nexempt = [\"203.0.113.66/32\"]\n").run("given alice is registered\n+1ms");
    close_alice(&mut stage);
    assert_eq!(tries(&mut stage, "203.0.113.67:5060", "alice", "guess", 500), None);
    for number in 0..100 {
        assert_eq!(tries(&mut stage, MALLORY, "alice", "guess", number), Some(401));
    }
    assert_eq!(tries(&mut stage, MALLORY, "alice", &password_of("alice"), 200), Some(200));
    assert_eq!(stage.exchange().count(EventKind::BanBegan), 0);
}

/// BYE passes from a banned source, for it may belong to a call; as a way to guess at a password it is of no use. RFC 3261
/// §22.
#[test]
fn a_banned_source_does_not_guess_by_bye() {
    let mut stage = evening();
    let uri = "sip:bob@example.com";
    let bye = |n: u32, more: &str| request("BYE", uri, "alice", MALLORY, n, more);
    let refusal = asks(&mut stage, MALLORY, &bye(1, "")).expect("a challenge");
    let mut number = 1;
    while stage.exchange().count(EventKind::BanBegan) == 0 {
        tries(&mut stage, MALLORY, "alice", "guess", number);
        number += 1;
        passes(&mut stage, 100);
    }
    passes(&mut stage, 20_000);
    let heard = stage.exchange().count(EventKind::AuthFailed);
    for n in 2..200 {
        let line = credentials(&refusal, "alice", &format!("guess{n}"), ("BYE", uri), n);
        assert_eq!(asks(&mut stage, MALLORY, &bye(n, &line)), None);
        passes(&mut stage, 1_000);
    }
    assert_eq!(stage.exchange().count(EventKind::AuthFailed), heard, "none was looked at");
    assert_eq!(stage.exchange().count(EventKind::BanBegan), 1);
}

/// "any credentials in the INVITE that were accepted by a server MUST be accepted by that server for the ACK": such an ACK is
/// no wrong password. RFC 3261 §22.1.
#[test]
fn an_ack_has_the_credentials_of_its_invite() {
    const PHONE: &str = "203.0.113.5:5060";
    let mut stage = evening();
    let uri = "sip:carol@example.com";
    let call = |method: &str, n, more: &str| {
        request(method, uri, "bob", PHONE, n, more).replace("Call-ID: ACK", "Call-ID: INVITE")
    };
    let refusal = asks(&mut stage, PHONE, &call("INVITE", 1, "")).expect("a challenge");
    let line = credentials(&refusal, "bob", &password_of("bob"), ("INVITE", uri), 1);
    assert!(!says(&mut stage, Transport::Udp, PHONE, &call("INVITE", 2, &line)).is_empty(), "it rings");
    for _ in 0..30 {
        let ack = call("ACK", 2, &line).replace("z9hG4bKACK", "z9hG4bKnew");
        assert_eq!(says(&mut stage, Transport::Udp, PHONE, &ack).len(), 1, "it is relayed");
    }
    assert_eq!(stage.exchange().count(EventKind::AuthFailed), 0);
    assert_eq!(tries(&mut stage, PHONE, "bob", &password_of("bob"), 900), Some(200));
}

/// So does one that registers again at once whenever it is challenged, or that publishes: twenty are answered, then two a second.
/// RFC 3261 §17.1.2.2, RFC 3261 §26.1.
#[test]
fn who_registers_or_publishes_without_rest_is_left_alone() {
    for (method, uri) in [("REGISTER", "sip:example.com"), ("PUBLISH", "sip:bob@example.com")] {
        let mut stage = evening();
        let phone = "203.0.113.5:40000";
        let answers = |stage: &mut Stage, user: &str, numbers: std::ops::Range<u32>| {
            let ask = |n: u32| request(method, uri, user, phone, n, "Event: x\r\n").replace("/UDP", "/TCP");
            numbers.filter(|n| !says(stage, Transport::Tcp, phone, &ask(*n)).is_empty()).count()
        };
        assert_eq!(answers(&mut stage, "bob", 0..200), 20, "{method}");
        assert_eq!(answers(&mut stage, "carol", 0..10), 10, "another user's {method}");
        passes(&mut stage, 5_000);
        assert_eq!(answers(&mut stage, "bob", 200..400), 10, "{method}, two for each second");
        assert_eq!(stage.exchange().count(EventKind::BanBegan), 0);
    }
}

/// Others guess at her account from forty places, and alice's phone at home notices nothing; a new phone of hers, elsewhere, is
/// heard once a minute. RFC 3261 §26.1, RFC 3261 §22.
#[test]
fn an_account_that_is_guessed_at_is_open_where_it_is_registered() {
    const HOME: &str = "203.0.113.5:5060";
    let mut stage = evening();
    assert_eq!(tries(&mut stage, HOME, "alice", &password_of("alice"), 1), Some(200));
    close_alice(&mut stage);
    assert_eq!(tries(&mut stage, HOME, "alice", &password_of("alice"), 1_000), Some(200));
    let elsewhere = "203.0.113.99:5060";
    assert_eq!(tries(&mut stage, elsewhere, "alice", &password_of("alice"), 1), None);
    assert_eq!(tries(&mut stage, elsewhere, "bob", &password_of("bob"), 2), Some(200));
    passes(&mut stage, 60_000);
    assert_eq!(tries(&mut stage, elsewhere, "alice", &password_of("alice"), 3), Some(200));
}

/// An office from whose address somebody walks through all names: in the end it is silenced, but for those who are registered
/// there, and not banned. RFC 3261 §26.1.
#[test]
fn at_a_silenced_address_those_who_live_there_are_heard() {
    const OFFICE: [&str; 2] = ["203.0.113.5:5060", "203.0.113.5:5062"];
    let mut stage = evening();
    assert_eq!(tries(&mut stage, OFFICE[0], "bob", &password_of("bob"), 1), Some(200));
    for number in 0..200 {
        tries(&mut stage, OFFICE[1], &format!("{number}"), "guess", number);
    }
    assert_eq!(tries(&mut stage, OFFICE[0], "carol", &password_of("carol"), 1), None);
    assert_eq!(tries(&mut stage, OFFICE[0], "bob", &password_of("bob"), 1_000), Some(200));
    passes(&mut stage, 8_000);
    assert_eq!(tries(&mut stage, OFFICE[0], "carol", &password_of("carol"), 2), Some(200));
    assert_eq!(stage.exchange().count(EventKind::BanBegan), 0);
}

/// Over whatever connection a scanner comes, its address is proved and banned. RFC 3261 §26.1.
#[test]
fn a_scanner_is_banned_over_any_connection() {
    let mut stage = evening();
    let by = [Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss, Transport::Sctp];
    for (n, transport) in (1..).zip(by) {
        let from = format!("198.51.100.{n}:40000");
        let ask = |agent: &str| {
            request("OPTIONS", "sip:example.com", "100", &from, 1, agent)
                .replace("/UDP", &format!("/{}", transport.name().to_ascii_uppercase()))
        };
        assert_eq!(says(&mut stage, transport, &from, &ask("")).len(), 1, "{transport:?}");
        assert!(says(&mut stage, transport, &from, &ask("User-Agent: SIPvicious\r\n")).is_empty());
        assert!(says(&mut stage, transport, &from, &ask("")).is_empty(), "{transport:?}: banned");
        assert_eq!(stage.exchange().count(EventKind::BanBegan), n, "{transport:?}");
    }
}
