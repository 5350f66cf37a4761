//! Responses on their way back: RFC 3261 §16.7, step by step; who else may send what.

use crate::exchange::{Observed, header_of, open_ladder};

/// A 100 is for us and goes no further; every other provisional response passes at once. RFC 3261 §16.7 step 5.
#[test]
fn provisional_responses() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     100
        +200ms alice <- proxy      100
            !Contact
                  proxy <- bob     180
        alice  <- proxy            180 Ringing
                  proxy <- bob     181
        alice  <- proxy            181
                  proxy <- bob     183 Something New
        alice  <- proxy            183 Something New
                  proxy <- bob     199
        alice  <- proxy            199
                  proxy <- bob     100
    ",
    );
}

/// Our own 100 has no To tag, and repeats the Timestamp of the caller. RFC 3261 §8.2.6.1, RFC 3261 §17.2.1,
/// RFC 3261 §20.38.
#[test]
fn our_own_100() {
    open_ladder(
        "
        given bob is registered over tcp
        alice  -> proxy/udp        INVITE bob
            Timestamp: 54
                  proxy -> bob     INVITE
        +200ms alice <- proxy      100 Trying
            Timestamp: 54
            To: <sip:bob@example.com>
    ",
    );
}

/// Our Via goes, and nothing else: unknown headers, the To tag, the body pass. RFC 3261 §16.7 step 3 and 9.
#[test]
fn a_response_passes_as_it_is() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200 Fine
            X-Unheard-Of: \"yes\"; no
            Server: Bob
            | v=0
        alice  <- proxy            200 Fine
            X-Unheard-Of: \"yes\"; no
            Server: Bob
            To: <sip:bob@example.com>;tag=bob-*
            Via: SIP/2.0/UDP {alice};branch=z9hG4bK-alice-*
            | v=0
    ",
    )
    .leaves_nothing();
}

/// A response whose only Via is ours was meant for us, whatever it says: it goes nowhere. RFC 3261 §16.7 step 3.
#[test]
fn a_response_without_further_via_is_not_forwarded() {
    let mut stage = open_ladder(
        "
        given bob is registered over tcp
        alice  -> proxy/udp        OPTIONS bob
                  proxy -> bob     OPTIONS
    ",
    );
    let via = {
        let received = stage.world().received(stage.phone("bob"));
        let text = String::from_utf8_lossy(received[received.len() - 1]).into_owned();
        header_of(&text, "Via").expect("a Via")
    };
    stage.play(&format!(
        "
                  proxy <- bob     200
            Via: {via}
        +1s
    "
    ));
}

/// A response that nobody asked for, with a branch that looks like ours, like a stateless one, or like nothing: silence.
/// RFC 3261 §17.1.3, RFC 3261 §16.11, RFC 3261 §18.1.2.
#[test]
fn forged_responses_go_nowhere() {
    let mut stage =
        open_ladder("given bob is registered\n alice -> proxy OPTIONS proxy\n alice <- proxy 200");
    for branch in [
        "z9hG4bKoh00000000010000000000000000ffffffff",
        "z9hG4bKos0000000000000000ffffffff",
        "z9hG4bK-anything",
        "",
        "z9hG4bKoh",
    ] {
        stage.play(&format!(
            "
            bob -> proxy \"SIP/2.0 200 OK\\r\\nVia: SIP/2.0/UDP 198.51.100.1;branch={branch}\\r\\nVia: SIP/2.0/UDP 192.0.2.12:5060;branch=z9hG4bK-1\\r\\nFrom: <sip:a@b>;tag=1\\r\\nTo: <sip:c@d>;tag=2\\r\\nCall-ID: x\\r\\nCSeq: 1 INVITE\\r\\nContent-Length: 0\\r\\n\\r\\n\"
            "
        ));
    }
    stage.leaves_nothing();
}

/// A response for another method than the branch stands for is dropped. RFC 3261 §17.1.3.
#[test]
fn a_response_to_another_method() {
    open_ladder(
        "
        given bob is registered over tcp
        alice  -> proxy/udp        MESSAGE bob
                  proxy -> bob     MESSAGE
                  proxy <- bob     200
            CSeq: 1 INVITE
        +1s
    ",
    );
}

/// 503 of one phone says nothing about us: the caller hears 500. RFC 3261 §16.7 step 6.
#[test]
fn a_503_becomes_a_500() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     503
            Retry-After: 3600
                  proxy -> bob     ACK
        alice  <- proxy            500 Server Internal Error
        alice  -> proxy            ACK
        alice  -> proxy            MESSAGE bob
                  proxy -> bob     MESSAGE
                  proxy <- bob     503
        alice  <- proxy            500
    ",
    )
    .leaves_nothing();
}

/// What comes after the final response is dropped, if it is no 2xx. RFC 3261 §16.7 step 5.
#[test]
fn nothing_follows_the_answer() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy <- desk    180
        alice  <- proxy            180
                  proxy <- mobile  200
        alice  <- proxy            200
                  proxy -> desk    CANCEL
                  proxy <- desk    200 CANCEL
                  proxy <- desk    183 INVITE
                  proxy <- desk    486 INVITE
                  proxy -> desk    ACK
    ",
    )
    .leaves_nothing();
}
