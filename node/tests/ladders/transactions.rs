//! What belongs to what: repetitions, ACKs, branches of old phones. RFC 3261 §17.2.3, RFC 6026.

use crate::exchange::{Observed, ladder, open_ladder};

/// A repeated INVITE is not a second call: absorbed while nothing was said, then answered as before.
/// RFC 3261 §17.2.1.
#[test]
fn a_repeated_invite() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
        +100ms alice -> proxy      INVITE bob (again)
                  proxy <- bob     180
        alice  <- proxy            180
        +1s    alice -> proxy      INVITE bob (again)
        alice  <- proxy            180 (again)
                  proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486
        alice  -> proxy            INVITE bob (again)
        alice  <- proxy            486 (again)
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The INVITE that was repeated because the 200 was slow does not start a second call: nothing is answered, the phone
/// repeats its 200. RFC 6026 §7.1, RFC 6026 §5.
#[test]
fn a_repeated_invite_after_the_200() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <-x proxy           200
        +500ms alice -> proxy      INVITE bob (again)
                  proxy <- bob     200 (again)
        alice  <- proxy            200 (again)
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

/// Each ACK to a 200 passes, as often as it comes. RFC 6026 §7.1, RFC 3261 §13.2.2.4.
#[test]
fn each_ack_to_a_200_passes() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        alice  -> proxy            ACK (again)
                  proxy -> bob     ACK (again)
        +40s   alice -> proxy      ACK (again)
                  proxy -> bob     ACK (again)
    ",
    )
    .leaves_nothing();
}

/// The ACK to a refusal is ours, hop by hop: built from the INVITE we sent and the To of the refusal.
/// RFC 3261 §17.1.1.3.
#[test]
fn our_own_ack() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
            Subject: not for the ACK
                  proxy -> bob     INVITE
                  proxy <- bob     486
                  proxy -> bob     ACK sip:bob@{bob}
            Via: SIP/2.0/UDP {proxy.host};rport;branch=z9hG4bKoh*
            To: <sip:bob@example.com>;tag=bob-*
            From: <sip:alice@example.com>;tag=alice-*
            CSeq: 1 ACK
            Max-Forwards: 70
            !Subject
            !Record-Route
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The ACK to our own challenge ends here, before and after the call begins. RFC 3261 §17.1.1.3, RFC 3261 §22.3.
#[test]
fn the_ack_to_a_challenge_ends_here() {
    ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            ACK (again)
        +1s
    ",
    )
    .leaves_nothing();
}

/// An ACK that belongs to nothing goes nowhere, to our users neither unless strangers may call them.
/// RFC 3261 §17.1.1.3, RFC 3261 §22.1.
#[test]
fn an_ack_out_of_nowhere() {
    let mut stage = ladder("given bob is registered\n alice -> proxy OPTIONS proxy\n alice <- proxy 200");
    let ack = |uri: &str| {
        format!(
            "alice -> proxy \"ACK {uri} SIP/2.0\\r\\nVia: SIP/2.0/UDP 192.0.2.12;branch=z9hG4bK-x1\\r\\nMax-Forwards: 70\\r\\n\
             From: <sip:alice@example.com>;tag=1\\r\\nTo: <sip:bob@example.com>;tag=2\\r\\nCall-ID: nowhere\\r\\n\
             CSeq: 1 ACK\\r\\nContent-Length: 0\\r\\n\\r\\n\""
        )
    };
    stage.play(&ack("sip:bob@192.0.2.11"));
    stage.play(&ack("sip:carol@192.0.2.99"));
    stage.play(&ack("sip:nobody@example.com"));
    stage.leaves_nothing();
}

/// The same branch from another sender is another transaction. RFC 3261 §17.2.3.
#[test]
fn a_branch_belongs_to_its_sender() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            MESSAGE bob
            Via: SIP/2.0/UDP {alice};branch=z9hG4bK-same
                  proxy -> bob     MESSAGE
                  proxy <- bob     200
        alice  <- proxy            200
        carol  -> proxy            MESSAGE bob #2
            Via: SIP/2.0/UDP {carol};branch=z9hG4bK-same
                  proxy -> bob     MESSAGE #2
                  proxy <- bob     202 #2
        carol  <- proxy            202 #2
    ",
    )
    .leaves_nothing();
}

/// A phone of RFC 2543, whose branches mean nothing: its repetitions are known by Call-ID, tags, CSeq, Via and target.
/// RFC 3261 §17.2.3.
#[test]
fn an_old_phone_repeats_itself() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            MESSAGE bob
            Via: SIP/2.0/UDP {alice};branch=1
                  proxy -> bob     MESSAGE
            Via: SIP/2.0/UDP {proxy.host};*
            Via: SIP/2.0/UDP {alice};branch=1
                  proxy <- bob     200
        alice  <-x proxy           200
        +500ms alice -> proxy      MESSAGE bob (again)
        alice  <- proxy            200 (again)
        alice  -> proxy            MESSAGE bob
            Via: SIP/2.0/UDP {alice};branch=1
            CSeq: 2 MESSAGE
                  proxy -> bob     MESSAGE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Its INVITE, its CANCEL and its ACK fit together as well. RFC 3261 §17.2.3, RFC 3261 §9.2.
#[test]
fn an_old_phone_gives_up() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
            Via: SIP/2.0/UDP {alice};branch=1
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        alice  -> proxy            CANCEL
            Via: SIP/2.0/UDP {alice};branch=1
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL
                  proxy <- bob     200 CANCEL
                  proxy <- bob     487 INVITE
                  proxy -> bob     ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
            Via: SIP/2.0/UDP {alice};branch=1
        +20s
    ",
    )
    .leaves_nothing();
}

/// A branch longer than any honest one: refused, and nothing is kept of it.
#[test]
fn an_endless_branch() {
    let branch = "x".repeat(4000);
    open_ladder(&format!(
        "
        given bob is registered
        alice  -> proxy            MESSAGE bob
            Via: SIP/2.0/UDP {{alice}};branch=z9hG4bK{branch}
        alice  <- proxy            400 Branch too long
        "
    ))
    .leaves_nothing();
}

/// As many transactions as the configuration allows: the next request is told to come back later, and those at work go
/// on. RFC 3261 §21.5.4, RFC 3261 §20.33.
#[test]
fn a_full_house() {
    let small = "[access]\nauthenticate_register = false\nauthenticate_calls = false\n[limits]\ntransactions_max = 1\n";
    crate::exchange::scene(small)
        .run(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        carol  -> proxy            INVITE bob #2
        carol  <- proxy            503 #2
            Retry-After: *
        carol  -> proxy            ACK #2
                  proxy <- bob     200 #1
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
    ",
        )
        .leaves_nothing();
}

/// There is room for the server transaction, but not for the second copy: the first phone rings, and that is all.
#[test]
fn half_a_fork_is_better_than_none() {
    let small = "[access]\nauthenticate_register = false\nauthenticate_calls = false\n[limits]\ntransactions_max = 1\n";
    crate::exchange::scene(small)
        .run(
            "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy <- desk    486
                  proxy -> desk    ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
        )
        .leaves_nothing();
}
