//! Calls that end though nobody says so: session timers that the server asks for, RFC 4028 §8.

use offhook_cdr::{EndedBy, Record};
use offhook_ladder::Stage;

use crate::exchange::{OPEN, Observed, open_ladder, scene};

const ASKED_FOR: &str = "[session_timer]\nenabled = true\nexpires_s = 1800\nmin_s = 120\n";

fn timed(text: &str) -> Stage {
    scene(&format!("{OPEN}{ASKED_FOR}")).run(text)
}

fn record(stage: &Stage) -> Record {
    let records = stage.records();
    let [record] = &records[..] else { panic!("{} records: {records:#?}", records.len()) };
    record.clone()
}

/// Nobody has proposed an interval: the server does, and the callee chooses who refreshes. RFC 4028 §8.1.
#[test]
fn both_phones_know_it() {
    timed(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
            Supported: timer
                  proxy -> bob     INVITE
            Session-Expires: 1800
            !Min-SE
                  proxy <- bob     200
            Session-Expires: 1800;refresher=uas
            Require: timer
        alice  <- proxy            200
            Session-Expires: 1800;refresher=uas
        alice  -> proxy            ACK
                  proxy -> bob     ACK
            !Session-Expires
        alice  -> proxy            BYE
                  proxy -> bob     BYE
            !Session-Expires
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// The callee knows nothing of it: the server answers for him, and the caller refreshes. Her refresh is asked again. The
/// record of a call that nobody ends is over when the timer is. RFC 4028 §8.2, RFC 4028 §8.3.
#[test]
fn only_the_caller_knows_it() {
    let mut stage = timed(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
            Supported: timer
                  proxy -> bob     INVITE
            Session-Expires: 1800
                  proxy <- bob     180
        alice  <- proxy            180
            !Session-Expires
                  proxy <- bob     200
        alice  <- proxy            200
            Session-Expires: 1800;refresher=uac
            Require: timer
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        +900s alice -> proxy       UPDATE
            Supported: timer
            Session-Expires: 1800;refresher=uac
                  proxy -> bob     UPDATE
            Session-Expires: 1800;refresher=uac
                  proxy <- bob     200
        alice  <- proxy            200
            Session-Expires: 1800;refresher=uac
            Require: timer
        +600s alice -> proxy       INVITE
            Supported: timer
                  proxy -> bob     INVITE
            Session-Expires: 1800
                  proxy <- bob     200
        alice  <- proxy            200
            Session-Expires: 1800;refresher=uac
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        +1831999ms
    ",
    );
    assert_eq!(stage.records(), [], "the timer runs");
    stage.play("+1ms");
    let record = record(&stage);
    assert_eq!((record.ended_by, record.duration_ms()), (Some(EndedBy::SessionTimer), Some(3_300_000)));
    stage.leaves_nothing();
}

/// Only the callee knows it: he refreshes. Nobody knows it: there is no timer. RFC 4028 §8.2.
#[test]
fn the_caller_does_not_know_it() {
    for (answer, told) in [
        ("Session-Expires: 1800;refresher=uas", "Session-Expires: 1800;refresher=uas"),
        ("", "!Session-Expires"),
    ] {
        timed(&format!(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
            Session-Expires: 60
                  proxy -> bob     INVITE
            Session-Expires: 120
            Min-SE: 120
                  proxy <- bob     200
            {answer}
        alice  <- proxy            200
            {told}
            !Require
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        alice  -> proxy            BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
        "
        ))
        .leaves_nothing();
    }
}

/// Too short for us: the phone is told what is not, and asks again. The refusal leaves no record: it is the same call.
/// RFC 4028 §6, RFC 4028 §8.1.
#[test]
fn an_interval_that_is_too_short() {
    let stage = timed(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
            Supported: timer
            Session-Expires: 90
        alice  <- proxy            422 Session Interval Too Small
            Min-SE: 120
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob
            Supported: timer
            Session-Expires: 120
            Min-SE: 120
                  proxy -> bob     INVITE
            Session-Expires: 120
            Min-SE: 120
                  proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    );
    assert_eq!(record(&stage).status, 486);
    stage.leaves_nothing();
}

/// A longer interval is lowered, never below what the caller can do, and the callee's 422 is between the two.
/// RFC 4028 §8.1.
#[test]
fn an_interval_that_is_too_long() {
    timed(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
            Supported: timer
            Session-Expires: 7200;refresher=uac
            Min-SE: 3600
                  proxy -> bob     INVITE
            Session-Expires: 3600;refresher=uac
            Min-SE: 3600
                  proxy <- bob     422
            Min-SE: 4000
                  proxy -> bob     ACK
        alice  <- proxy            422
            Min-SE: 4000
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// Both phones of a user ring, one knows the timer and one does not: each answer gets what it needs. RFC 4028 §8.2.
#[test]
fn two_phones_answer() {
    timed(
        "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
            Supported: timer
                  proxy -> desk    INVITE
            Session-Expires: 1800
                  proxy -> mobile  INVITE
            Session-Expires: 1800
                  proxy <- desk    200
        alice  <- proxy            200
            Contact: <sip:desk@*
            Session-Expires: 1800;refresher=uac
                  proxy <- mobile  200
            Session-Expires: 900;refresher=uas
        alice  <- proxy            200
            Contact: <sip:mobile@*
            Session-Expires: 900;refresher=uas
        alice  -> proxy            ACK (with desk)
                  proxy -> desk    ACK
        alice  -> proxy            ACK (with mobile)
                  proxy -> mobile  ACK
        alice  -> proxy            BYE (with mobile)
                  proxy -> mobile  BYE
                  proxy <- mobile  200
        alice  <- proxy            200
        alice  -> proxy            BYE (with desk)
                  proxy -> desk    BYE
                  proxy <- desk    200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Nothing is asked for: what the phones agree on passes as it is. RFC 4028 §8.
#[test]
fn off_changes_nothing() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
            Supported: timer
                  proxy -> bob     INVITE
            !Session-Expires
                  proxy <- bob     200
        alice  <- proxy            200
            !Session-Expires
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        alice  -> proxy            INVITE
            Supported: timer
            Session-Expires: 60
                  proxy -> bob     INVITE
            Session-Expires: 60
                  proxy <- bob     200
            Session-Expires: 60;refresher=uas
        alice  <- proxy            200
            Session-Expires: 60;refresher=uas
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        alice  -> proxy            BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// A stateless route cannot remember, so it does not ask. RFC 4028 §8.
#[test]
fn a_stateless_route_does_not_ask() {
    let route =
        "[[route]]\nmatch = { number = \"7\" }\nto = \"sip:192.0.2.12\"\nmode = \"stateless\"\nopen = true\n";
    scene(&format!("{OPEN}{ASKED_FOR}{route}")).run(
        "
        alice  -> proxy            INVITE sip:7@{proxy}
            Supported: timer
            Session-Expires: 7200
                  proxy -> gate    INVITE
            Session-Expires: 7200
                  proxy <- gate    486
        alice  <- proxy            486
        alice  -> proxy            ACK
                  proxy -> gate    ACK
    ",
    );
}

/// What the manual's page shows: its configuration, and its table. RFC 4028 §8.1.
#[test]
fn the_example_of_the_manual() {
    let page = include_str!("../../../docs/session-timers.md");
    let example =
        page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let (_, timer) = example.split_once("\n\n").expect("domains, and the timer");
    scene(&format!("{OPEN}{timer}")).run(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
            Supported: timer
            Session-Expires: 200
        alice  <- proxy            422
            Min-SE: 300
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob #2
            Session-Expires: 200
                  proxy -> bob     INVITE #2
            Session-Expires: 300
            Min-SE: 300
                  proxy <- bob     486 #2
                  proxy -> bob     ACK #2
        alice  <- proxy            486 #2
        alice  -> proxy            ACK #2
    ",
    );
}
