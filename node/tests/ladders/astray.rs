//! Refusals that have lost the Vias below ours. They cannot be passed on, but they end their branch.

use offhook_ladder::Stage;
use offhook_simnet::NameServer;

use crate::exchange::{OPEN, Observed, header_of, open_ladder, scene_with_names};
use crate::outbound::registered_through_two_edges;

/// The topmost Via of what this party has received last: ours alone.
fn top_via(stage: &Stage, party: &str) -> String {
    let received = stage.world().received(stage.phone(party));
    let text = String::from_utf8_lossy(received[received.len() - 1]).into_owned();
    header_of(&text, "Via").expect("a Via")
}

/// Two addresses of one name, and the first has a call.
fn at_the_first_of_two() -> Stage {
    let names =
        NameServer::new().name("sip:far.example.org", &["udp 203.0.113.1:5060", "udp 203.0.113.2:5060"]);
    scene_with_names(OPEN, names)
        .address("far", "203.0.113.1:5060")
        .address("farther", "203.0.113.2:5060")
        .run(
            "
        alice  -> proxy            INVITE sip:bob@far.example.org
                  proxy -> far     INVITE
    ",
        )
}

/// The phone writes its 487 with the Via of the CANCEL, which is ours alone: it cannot be passed on, but it ends the call, and at
/// once. RFC 3261 §16.7 step 3, RFC 3261 §8.2.6.2.
#[test]
fn a_487_with_the_via_of_the_cancel() {
    let mut stage = open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        alice  -> proxy            CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL
                  proxy <- bob     200 CANCEL
    ",
    );
    let via = top_via(&stage, "bob");
    stage.play(&format!(
        "
                  proxy <- bob     487 INVITE
            Via: {via}
        alice  <- proxy            487 INVITE
                  proxy -> bob     ACK
        alice  -> proxy            ACK
        +100ms    proxy <- bob     487 INVITE (again)
                  proxy -> bob     ACK (again)
    "
    ));
    stage.leaves_nothing();
}

/// A server that is overloaded says so, and the call goes to the next address of its name, as after any 503.
/// RFC 3263 §4.3, RFC 3261 §16.7 step 3.
#[test]
fn a_503_sends_the_call_to_the_next_address() {
    let mut stage = at_the_first_of_two();
    let via = top_via(&stage, "far");
    stage.play(&format!(
        "
                  proxy <- far     503 INVITE
            Via: {via}
                  proxy -> farther INVITE
                  proxy -> far     ACK
                  proxy <- farther 200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> farther ACK
        +8s..10s  proxy -> far     OPTIONS sip:203.0.113.1:5060 #2
                  proxy <- far     200 #2
    "
    ));
    stage.leaves_nothing();
}

/// An edge proxy has lost the flow: the call goes by the other one. RFC 5626 §7, RFC 3261 §16.7 step 3.
#[test]
fn a_430_sends_the_call_by_the_other_flow() {
    let mut stage = registered_through_two_edges();
    stage.play(
        "
        alice  -> proxy            INVITE bob
                  proxy -> ep2     INVITE
    ",
    );
    let via = top_via(&stage, "ep2");
    stage.play(&format!(
        "
                  proxy <- ep2     430 INVITE
            Via: {via}
                  proxy -> ep1     INVITE
                  proxy -> ep2     ACK
                  proxy <- ep1     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> ep1     ACK
    "
    ));
    stage.leaves_nothing();
}

/// The first address was silent for so long that the call went to the next one. When it wakes up, and declines for good, nobody
/// else needs to ring. RFC 3261 §16.7 steps 3 and 5.
#[test]
fn a_603_of_who_was_given_up() {
    let mut stage = at_the_first_of_two();
    let via = top_via(&stage, "far");
    stage.play(&format!(
        "
        +200ms alice <- proxy      100
        +300ms    proxy -> far     INVITE (again)
        +1s       proxy -> far     INVITE (again)
        +2s       proxy -> far     INVITE (again)
        +500ms    proxy -> farther INVITE
                  proxy <- farther 180
        alice  <- proxy            180
                  proxy <- far     603 INVITE
            Via: {via}
                  proxy -> farther CANCEL
                  proxy -> far     ACK
                  proxy <- farther 200 CANCEL
                  proxy <- farther 487 INVITE
                  proxy -> farther ACK
        alice  <- proxy            603 INVITE
        alice  -> proxy            ACK
    "
    ));
    stage.leaves_nothing();
}
