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

const PROVIDERS: &str = r#"
    [[trunk]]
    name = "provider"
    targets = [{ to = "sip:192.0.2.50" }]
    [[trunk]]
    name = "other"
    targets = [{ to = "sip:192.0.2.51" }]
    [[route]]
    match = { prefix = "0" }
    trunk = "provider"
"#;

/// Trudy has called bob, and carol and dave have registered.
fn a_stranger_has_called() -> Stage {
    let house = scene(PROVIDERS).user("carol").user("dave").address("provider", "192.0.2.50:5060");
    house.run(
        "
        given bob is registered
        given dave is registered over tcp
        carol  -> proxy            REGISTER
            Contact: <sip:carol@{carol}>;+sip.instance=\"<urn:uuid:c1>\"
            Supported: gruu
        carol  <- proxy            401
        carol  -> proxy            REGISTER (auth)
            Contact: <sip:carol@{carol}>;+sip.instance=\"<urn:uuid:c1>\"
            Supported: gruu
        carol  <- proxy            200
        trudy  -> proxy            INVITE bob
            From: <sip:trudy@elsewhere.example>;tag=t
                  proxy -> bob     INVITE
                  proxy <- bob     200
        trudy  <- proxy            200
        trudy  -> proxy            ACK
                  proxy -> bob     ACK
    ",
    )
}

/// `who` says something within the call that has this header lines, in this name.
fn says(stage: &mut Stage, who: &str, (method, name): (&str, &str), (target, to): (&str, &str), status: u16) {
    let (route, call_id) = (stage.last_header(who, "Route"), stage.last_header(who, "Call-ID"));
    stage.play(&format!(
        "
        {who}  -> proxy            {method} {target}
            From: {name}
            To: {to}
            Call-ID: {call_id}
            Route: {route}
        {who}  <- proxy            {status}
        "
    ));
}

/// What was let in is one dialog: its Route gives no right to begin another one, nor to go where its other side is not.
/// RFC 3261 §12.2.1.1, RFC 3261 §16.3 step 6, RFC 3261 §22.3.
#[test]
fn a_dialog_opens_nothing_but_itself() {
    let mut stage = a_stranger_has_called();
    let to = stage.last_header("trudy", "To");
    for (target, to, status) in [
        ("sip:0900@192.0.2.50", "<sip:0900@192.0.2.50>", 407),
        ("sip:0900@192.0.2.50", &*to, 403),
        ("sip:0900@example.com;maddr=192.0.2.50", &*to, 407),
        ("sip:x@127.0.0.1:9", &*to, 403),
        ("sip:x@10.0.0.9", &*to, 403),
    ] {
        let name = "<sip:trudy@elsewhere.example>;tag=t";
        says(&mut stage, "trudy", ("MESSAGE", name), (target, to), status);
    }
    stage.leaves_nothing();
}

/// Nor to speak in the name of one of our users, to whom ever: to another one by his number, by the name of his device, by his
/// address or the connection that he has opened; nor to the other side. RFC 3261 §12.2.1.1: the name in From stays.
#[test]
fn a_dialog_lends_nobody_a_name() {
    let mut stage = a_stranger_has_called();
    let to = stage.last_header("trudy", "To");
    let targets = [
        "carol",
        "sip:carol@example.com;gr=urn:uuid:c1",
        "sip:carol@{carol}",
        "sip:dave@{dave};transport=tcp",
        "sip:bob@{bob}",
    ];
    for name in ["sip:alice@example.com", "sip:al%69ce@EXAMPLE.com:5060;user=x", "sip:bob@example.com"] {
        for target in targets {
            for to in [&*to, "<sip:carol@example.com>;tag=invented"] {
                let name = format!("<{name}>;tag=t");
                for method in ["MESSAGE", "REFER", "UPDATE"] {
                    says(&mut stage, "trudy", (method, &name), (target, to), 407);
                }
            }
        }
    }
    stage.leaves_nothing();
}

/// Who keeps his name is never asked for credentials in a call, whoever has begun it, by two transports as well, where two values
/// of ours stand in Route.
#[test]
fn the_names_of_a_call_are_known() {
    for (alice, bob) in [("udp", "udp"), ("tcp", "udp"), ("udp", "tcp")] {
        let call = CALL.replace("alice is registered", &format!("alice is registered over {alice}"));
        let mut stage =
            scene("").run(&call.replace("bob is registered", &format!("bob is registered over {bob}")));
        stage.play(
            "
        alice  -> proxy            INFO
                  proxy -> bob     INFO
                  proxy <- bob     200
        alice  <- proxy            200
                  proxy <- bob     UPDATE
        alice  <- proxy            UPDATE
        alice  -> proxy            200
                  proxy -> bob     200
        ",
        );
        stage.leaves_nothing();
    }
}

/// A call by one provider leads to no other one, but it ends wherever that one's machines may be. RFC 3261 §16.3 step 6.
#[test]
fn a_call_by_one_trunk_leads_to_no_other() {
    let mut stage =
        scene(PROVIDERS).address("provider", "192.0.2.50:5060").address("other", "192.0.2.51:5060").run(
            "
        given alice is registered
        alice  -> proxy            INVITE sip:0123@example.com
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE sip:0123@example.com (auth)
                  proxy -> provider INVITE
                  proxy <- provider 200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> provider ACK
    ",
        );
    let (from, to) = (stage.last_header("alice", "From"), stage.last_header("alice", "To"));
    for target in ["sip:0900@192.0.2.51", "sip:0900@far.example;maddr=192.0.2.51"] {
        says(&mut stage, "alice", ("INFO", &from), (target, &to), 403);
    }
    let route = stage.last_header("alice", "Route");
    let call_id = stage.last_header("alice", "Call-ID");
    stage.play(&format!(
        "
        alice  -> proxy            BYE sip:0123@192.0.2.51
            From: {from}
            To: {to}
            Call-ID: {call_id}
            Route: {route}
                  proxy -> other   BYE
                  proxy <- other   200
        alice  <- proxy            200
        "
    ));
}

/// Trunks write into From what they like, in their calls too.
#[test]
fn a_trunk_may_change_its_name() {
    const HOUSE: &str = r#"
        [[trunk]]
        name = "provider"
        targets = [{ to = "sip:192.0.2.50" }]
        peers = ["192.0.2.50"]
    "#;
    let mut stage = scene(HOUSE).address("provider", "192.0.2.50:5060").run(
        "
        given bob is registered
        provider -> proxy          INVITE bob
            From: <sip:0123@example.com>;tag=p
                  proxy -> bob     INVITE
                  proxy <- bob     200
        provider <- proxy          200
        provider -> proxy          ACK
                  proxy -> bob     ACK
    ",
    );
    let header = |stage: &Stage, name: &str| stage.last_header("provider", name);
    let (to, route, call_id) = (header(&stage, "To"), header(&stage, "Route"), header(&stage, "Call-ID"));
    stage.play(&format!(
        "
        provider -> proxy          UPDATE sip:bob@{{bob}}
            From: <sip:0456@example.com>;tag=p
            To: {to}
            Call-ID: {call_id}
            Route: {route}
                  proxy -> bob     UPDATE
                  proxy <- bob     200
        provider <- proxy          200
        "
    ));
}
