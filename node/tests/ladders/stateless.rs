//! Routes that keep no state: RFC 3261 §16.11. Each message is forwarded by itself.

use offhook_ladder::Ladder;

use crate::exchange::{Observed, scene};

/// Everything for this domain goes to the trunk, without transactions.
fn stateless(open: bool) -> Ladder {
    let route = "to = \"sip:192.0.2.50:5060\"\nmode = \"stateless\"\n";
    scene(&format!("[[route]]\nmatch = {{ domain = \"pstn.example\" }}\n{route}open = {open}\n"))
        .address("trunk", "192.0.2.50:5060")
}

/// A call over a stateless route: no 100 of ours, and the exchange remembers nothing at any time.
/// RFC 3261 §16.11.
#[test]
fn a_call() {
    stateless(true)
        .run(
            "
        trudy  -> proxy            INVITE sip:1234@pstn.example
            From: <sip:trudy@elsewhere.example>;tag=t1
                  proxy -> trunk   INVITE sip:1234@pstn.example
            Max-Forwards: 69
            Via: SIP/2.0/UDP {proxy.host};rport;branch=z9hG4bKos*
            Via: SIP/2.0/UDP {trudy};branch=z9hG4bK-*
            Record-Route: <sip:{proxy.host};lr;oh=*>
        +2s       proxy <- trunk   100
        trudy  <- proxy            100
                  proxy <- trunk   180
        trudy  <- proxy            180
                  proxy <- trunk   200
        trudy  <- proxy            200
        trudy  -> proxy            ACK
                  proxy -> trunk   ACK
        trudy  -> proxy            BYE
                  proxy -> trunk   BYE
            Via: SIP/2.0/UDP {proxy.host};rport;branch=z9hG4bKos*
            Via: SIP/2.0/UDP {trudy};branch=z9hG4bK-*
                  proxy <- trunk   200
        trudy  <- proxy            200
    ",
        )
        .leaves_nothing();
}

/// What began without transactions goes on without: a re-INVITE of the callee and its CANCEL, and the BYE. RFC 3261 §16.11.
#[test]
fn the_dialog_keeps_no_state() {
    let own_branch = "Via: SIP/2.0/UDP {proxy.host};rport;branch=z9hG4bKos*";
    let steps = "
        trudy  -> proxy            INVITE sip:1234@pstn.example
            From: <sip:trudy@elsewhere.example>;tag=t1
                  proxy -> trunk   INVITE
                  proxy <- trunk   200
        trudy  <- proxy            200
        trudy  -> proxy            ACK
                  proxy -> trunk   ACK
        trunk  -> proxy            INVITE
                  proxy -> trudy   INVITE
            OWN
            Via: *
                  proxy <- trudy   180
        trunk  <- proxy            180
        trunk  -> proxy            CANCEL
                  proxy -> trudy   CANCEL
            OWN
            Via: *
                  proxy <- trudy   200 CANCEL
        trunk  <- proxy            200 CANCEL
                  proxy <- trudy   487 INVITE
        trunk  <- proxy            487 INVITE
        trunk  -> proxy            ACK
                  proxy -> trudy   ACK
        trunk  -> proxy            BYE
                  proxy -> trudy   BYE
            OWN
            Via: *
                  proxy <- trudy   200
        trunk  <- proxy            200
    ";
    stateless(true).run(&steps.replace("OWN", own_branch)).leaves_nothing();
}

/// A repetition is forwarded like the first one, with the same branch; responses likewise. RFC 3261 §16.11.
#[test]
fn repetitions_look_the_same() {
    stateless(true)
        .run(
            "
        trudy  -> proxy            INVITE sip:1234@pstn.example
            From: <sip:trudy@elsewhere.example>;tag=t1
                  proxy -> trunk   INVITE
        +500ms trudy -> proxy      INVITE sip:1234@pstn.example (again)
                  proxy -> trunk   INVITE (again)
        +1s    trudy -> proxy      INVITE sip:1234@pstn.example (again)
                  proxy -> trunk   INVITE (again)
                  proxy <- trunk   486
        trudy  <- proxy            486
        +500ms    proxy <- trunk   486 (again)
        trudy  <- proxy            486 (again)
        trudy  -> proxy            ACK
                  proxy -> trunk   ACK
    ",
        )
        .leaves_nothing();
}

/// The ACK to a refusal has the branch of its INVITE and goes where that went: the trunk waits for it.
/// RFC 3261 §16.11, RFC 3261 §17.1.1.3.
#[test]
fn the_ack_follows_its_invite() {
    let stage = stateless(true).run(
        "
        trudy  -> proxy            INVITE sip:1234@pstn.example
            From: <sip:trudy@elsewhere.example>;tag=t1
                  proxy -> trunk   INVITE
                  proxy <- trunk   486
        trudy  <- proxy            486
        trudy  -> proxy            ACK
                  proxy -> trunk   ACK sip:1234@pstn.example
    ",
    );
    let received = stage.world().received(stage.phone("trunk"));
    let branch = |index: usize| {
        let text = String::from_utf8_lossy(received[index]).into_owned();
        let via = crate::exchange::header_of(&text, "Via").expect("a Via");
        via.split("branch=").nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(branch(0), branch(1));
}

/// So does the CANCEL, and the 200 to it comes from the trunk. RFC 3261 §16.11, RFC 3261 §16.10.
#[test]
fn the_cancel_follows_its_invite() {
    stateless(true)
        .run(
            "
        trudy  -> proxy            INVITE sip:1234@pstn.example
            From: <sip:trudy@elsewhere.example>;tag=t1
                  proxy -> trunk   INVITE
                  proxy <- trunk   180
        trudy  <- proxy            180
        trudy  -> proxy            CANCEL
                  proxy -> trunk   CANCEL sip:1234@pstn.example
                  proxy <- trunk   200 CANCEL
        trudy  <- proxy            200 CANCEL
                  proxy <- trunk   487 INVITE
        trudy  <- proxy            487 INVITE
        trudy  -> proxy            ACK
                  proxy -> trunk   ACK
    ",
        )
        .leaves_nothing();
}

/// Where the route is not open, our user proves who he is with the INVITE; its ACK and CANCEL cannot be challenged and
/// follow all the same. RFC 3261 §22.1, RFC 3261 §16.11.
#[test]
fn our_user_on_a_closed_route() {
    stateless(false)
        .run(
            "
        alice  -> proxy            INVITE sip:1234@pstn.example
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE sip:1234@pstn.example (auth)
                  proxy -> trunk   INVITE
            !Proxy-Authorization
                  proxy <- trunk   180
        alice  <- proxy            180
        alice  -> proxy            CANCEL
                  proxy -> trunk   CANCEL
                  proxy <- trunk   200 CANCEL
        alice  <- proxy            200 CANCEL
                  proxy <- trunk   487 INVITE
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
                  proxy -> trunk   ACK
    ",
        )
        .leaves_nothing();
}

/// A stranger on a closed route is challenged, and his ACK to the challenge ends here. RFC 3261 §16.11, RFC 3261 §22.3.
#[test]
fn a_stranger_on_a_closed_route() {
    stateless(false)
        .run(
            "
        trudy  -> proxy            INVITE sip:1234@pstn.example
            From: <sip:trudy@elsewhere.example>;tag=t1
        trudy  <- proxy            407
        trudy  -> proxy            ACK
        +1s
        trunk  -> proxy            OPTIONS proxy #2
        trunk  <- proxy            200 #2
    ",
        )
        .leaves_nothing();
}

/// The checks of §16.3 hold without state too. RFC 3261 §16.11.
#[test]
fn a_stateless_route_checks_its_requests() {
    stateless(true)
        .run(
            "
        trudy  -> proxy            INVITE sip:1234@pstn.example
            From: <sip:trudy@elsewhere.example>;tag=t1
            Max-Forwards: 0
        trudy  <- proxy            483
        trudy  -> proxy            ACK
        trudy  -> proxy            INVITE sip:1234@pstn.example
            From: <sip:trudy@elsewhere.example>;tag=t1
            Proxy-Require: teleport
        trudy  <- proxy            420
        trudy  -> proxy            ACK
        +1s
        trunk  -> proxy            OPTIONS proxy #2
        trunk  <- proxy            200 #2
    ",
        )
        .leaves_nothing();
}

/// A phone of RFC 2543 on a stateless route: what identifies its transaction stands in place of the branch.
/// RFC 3261 §16.11.
#[test]
fn an_old_phone() {
    stateless(true)
        .run(
            "
        trudy  -> proxy            INVITE sip:1234@pstn.example
            From: <sip:trudy@elsewhere.example>;tag=t1
            Via: SIP/2.0/UDP {trudy};branch=1
                  proxy -> trunk   INVITE
        +500ms trudy -> proxy      INVITE sip:1234@pstn.example (again)
                  proxy -> trunk   INVITE (again)
                  proxy <- trunk   486
        trudy  <- proxy            486
    ",
        )
        .leaves_nothing();
}

/// The response finds its way by the Via below ours, with received and rport. RFC 3261 §16.11, RFC 3581 §4.
#[test]
fn through_a_translator() {
    let nat = offhook_simnet::Nat::new(offhook_simnet::NatKind::Symmetric, "203.0.113.7");
    stateless(true)
        .behind_nat(&["trudy"], nat)
        .run(
            "
        trudy  -> proxy            OPTIONS sip:1234@pstn.example
            From: <sip:trudy@elsewhere.example>;tag=t1
                  proxy -> trunk   OPTIONS
            Via: *
            Via: SIP/2.0/UDP {trudy};branch=*;received=203.0.113.7;rport=20000
                  proxy <- trunk   200
        trudy  <- proxy            200
    ",
        )
        .leaves_nothing();
}
