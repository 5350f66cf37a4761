//! What the exchange remembers in messages is sealed: for how long it counts, and for whom it does not.

use std::sync::Arc;

use offhook_ladder::Stage;
use offhook_seal::Ring;

use crate::exchange::{Observed, scene};

const CALL: &str = "
        given alice is registered
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob (auth)
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
";

/// Other keys from now on: number and time of each.
fn keys(stage: &Stage, keys: &[(u8, u64)]) {
    let mut ring = Ring::default();
    for (number, from_ms) in keys {
        ring.push(*number, *from_ms, &[*number + 4; 32]);
    }
    stage.exchange().plan.seals.store(Arc::new(ring));
}

/// A call is hung up by either side though another key seals meanwhile: the one before still opens, for a period of at
/// least 24 hours.
/// RFC 3261 §16.12, RFC 3261 §12.2.
#[test]
fn a_call_outlives_a_change_of_keys() {
    for hang_up in [
        "
        alice  -> proxy            BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
        ",
        "
                  proxy <- bob     BYE
        alice  <- proxy            BYE
        alice  -> proxy            200
                  proxy -> bob     200
        ",
    ] {
        let mut stage = scene("").run(CALL);
        keys(&stage, &[(0, 0), (1, stage.world().now_ms() + 60_000)]);
        stage.play("+2min");
        stage.play(hang_up);
        stage.leaves_nothing();
    }
}

/// When its key is retired, a Route of ours gives no rights any more: the request is judged like a stranger's.
/// RFC 3261 §16.3 step 6.
#[test]
fn a_route_of_a_retired_key() {
    let mut stage = scene("").run(CALL);
    keys(&stage, &[(1, 0), (2, 0)]);
    stage.play(
        "
        +2s    alice -> proxy      BYE
        alice  <- proxy            407
    ",
    );
    stage.leaves_nothing();
}

/// A sealed Route carried over to another dialog is refused, though it is ours and whole: another Call-ID, or other tags.
/// RFC 3261 §16.4, RFC 3261 §26.1.
#[test]
fn a_route_of_another_dialog() {
    let mut stage = scene("").user("carol").run(CALL);
    let (route, call_id) = (stage.last_header("alice", "Route"), stage.last_header("alice", "Call-ID"));
    for (call_id, number) in [("another", 2), (call_id.as_str(), 1)] {
        stage.play(&format!(
            "
        mallory -> proxy           INFO sip:carol@192.0.2.77 #{number}
            Route: {route}
            To: <sip:carol@elsewhere.test>;tag=y
            From: <sip:mallory@elsewhere.test>;tag=z
            Call-ID: {call_id}
        mallory <- proxy           407 #{number}
        "
        ));
    }
    stage.leaves_nothing();
}

/// Cut short, made longer, or of somebody else's making: no token, no rights. RFC 3261 §16.4.
#[test]
fn a_route_that_is_not_whole() {
    let mut stage = scene("").run(CALL);
    let route = stage.last_header("alice", "Route");
    let (head, token) = route.trim_end_matches('>').split_once(";oh=").expect("our value");
    for bad in ["", "=", &token[..token.len() - 1], &format!("{token}A"), &format!("B{}", &token[1..])] {
        stage.play(&format!(
            "
        alice  -> proxy            INFO
            Route: {head};oh={bad}>
        alice  <- proxy            407
        "
        ));
    }
    stage.leaves_nothing();
}

/// What was let in is one dialog: its Route gives no right to begin another one, in whosever name, nor to go where its other side
/// is not. RFC 3261 §12.2.1.1, RFC 3261 §16.3 step 6, RFC 3261 §22.3.
#[test]
fn a_dialog_opens_nothing_but_itself() {
    const PROVIDER: &str = "[[trunk]]\nname = \"provider\"\ntargets = [{ to = \"sip:192.0.2.50\" }]\n\
        [[route]]\nmatch = { prefix = \"0\" }\ntrunk = \"provider\"\n";
    let mut stage = scene(PROVIDER).user("carol").address("provider", "192.0.2.50:5060").run(
        "
        given bob is registered
        given carol is registered
        trudy  -> proxy            INVITE bob
            From: <sip:trudy@elsewhere.example>;tag=t
                  proxy -> bob     INVITE
                  proxy <- bob     200
        trudy  <- proxy            200
        trudy  -> proxy            ACK
                  proxy -> bob     ACK
    ",
    );
    let (route, call_id) = (stage.last_header("trudy", "Route"), stage.last_header("trudy", "Call-ID"));
    let to = stage.last_header("trudy", "To");
    for (target, to, status) in [
        ("carol", "<sip:carol@example.com>", 407),
        ("carol", &*to, 407),
        ("sip:0900@192.0.2.50", "<sip:0900@192.0.2.50>", 407),
        ("sip:0900@192.0.2.50", &*to, 403),
        ("sip:0900@example.com;maddr=192.0.2.50", &*to, 407),
        ("sip:x@127.0.0.1:9", &*to, 403),
        ("sip:x@10.0.0.9", &*to, 403),
    ] {
        stage.play(&format!(
            "
        trudy  -> proxy            MESSAGE {target}
            From: <sip:alice@example.com>;tag=t
            To: {to}
            Call-ID: {call_id}
            Route: {route}
        trudy  <- proxy            {status}
        "
        ));
    }
    stage.leaves_nothing();
}
