//! How often an account, or a stranger, may begin something: docs/abuse.md. RFC 3261 §21.5.4.

use offhook_journal::EventKind;
use offhook_ladder::{Stage, password_of};

use crate::abuse::{asks, credentials, passes, request, status};
use crate::exchange::{Observed, scene};

const HOME: &str = "192.0.2.11:5060";
/// Who is not there, so that every request ends here.
const NOBODY: &str = "sip:nobody@example.com";
const CAFE: &str = "198.51.100.8:5060";

/// Two a second, so ten at once.
fn evening() -> Stage {
    scene("[abuse]\naccount_requests_max = 2\nstranger_requests_max = 2\nanswers_max = 1000\n")
        .run("given alice is registered\ngiven bob is registered\ngiven carol is registered\n+10s")
}

/// What a MESSAGE of a user who has shown the password is answered.
fn message(stage: &mut Stage, user: &str, from: &str, number: u32) -> u16 {
    let uri = NOBODY;
    let of = |number, more: &str| request("MESSAGE", uri, user, from, number, more);
    let asked = asks(stage, from, &of(2 * number, "")).expect("a challenge");
    let line = credentials(&asked, user, password_of(user).as_str(), ("MESSAGE", uri), 1);
    answered(stage, from, &of(2 * number + 1, &line))
}

fn answered(stage: &mut Stage, from: &str, text: &str) -> u16 {
    let answer = asks(stage, from, text).expect("an answer");
    let status = status(Some(&answer)).expect("a status");
    assert!(status != 503 || answer.contains("\r\nRetry-After: 2\r\n"), "{answer}");
    status
}

fn let_in(answers: impl Iterator<Item = u16>) -> Vec<(u16, usize)> {
    let mut counts = std::collections::BTreeMap::new();
    answers.for_each(|status| *counts.entry(status).or_default() += 1);
    counts.into_iter().collect()
}

/// From wherever its password is shown; nobody else notices.
#[test]
fn an_account_begins_so_much_and_no_more() {
    let mut stage = evening();
    let at_once =
        let_in((0..30).map(|n| message(&mut stage, "alice", if n % 2 == 0 { HOME } else { CAFE }, n)));
    assert_eq!(at_once, [(404, 10), (503, 20)]);
    assert!(stage.exchange().count(EventKind::LimitReached) > 0);
    assert_eq!(message(&mut stage, "carol", CAFE, 100), 404);
    passes(&mut stage, 2_000);
    assert_eq!(let_in((200..230).map(|n| message(&mut stage, "alice", HOME, n))), [(404, 4), (503, 26)]);
}

/// By his address, for there is nothing else that he could be known by.
#[test]
fn so_does_a_stranger() {
    let mut stage = evening();
    let call = |stage: &mut Stage, from: &str, n: u32| {
        let text = request("MESSAGE", NOBODY, "a", from, n, "");
        answered(stage, from, &text.replace("a@example.com", "a@elsewhere.example"))
    };
    assert_eq!(let_in((0..13).map(|n| call(&mut stage, CAFE, n))), [(480, 10), (503, 3)]);
    assert_eq!(call(&mut stage, "198.51.100.9:5060", 50), 480, "another");
    assert_eq!(call(&mut stage, "198.51.100.8:9", 51), 503, "the same by another port");
    passes(&mut stage, 5_000);
    assert_eq!(let_in((60..73).map(|n| call(&mut stage, CAFE, n))), [(480, 10), (503, 3)]);
}

/// What repeats itself was counted, and what belongs to a call is none of a kind that is.
#[test]
fn repetitions_and_calls_in_progress_are_not_counted() {
    let mut stage = evening();
    for _ in 0..4 {
        stage.play(
            "
            alice  -> proxy            INVITE bob
            alice  <- proxy            407
            alice  -> proxy            ACK
            alice  -> proxy            INVITE bob (auth)
                      proxy -> bob     INVITE
                      proxy <- bob     200
            alice  <- proxy            200
            alice  -> proxy            ACK
                      proxy -> bob     ACK
            alice  -> proxy            BYE
                      proxy -> bob     BYE
                      proxy <- bob     200
            alice  <- proxy            200
        ",
        );
    }
    assert_eq!(let_in((0..10).map(|n| message(&mut stage, "alice", CAFE, n))), [(404, 6), (503, 4)]);
}
