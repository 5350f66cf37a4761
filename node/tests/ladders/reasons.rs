//! Why a phone stops ringing: the Reason header, RFC 3326.

use crate::exchange::{Observed, open_ladder};

/// One phone answers: the others are told that the call was taken, so they show none as missed. One that had said nothing
/// yet is told later. RFC 3326 §2, RFC 3261 §9.1.
#[test]
fn taken_elsewhere() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        given tablet is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy x-> tablet INVITE
                  proxy <- mobile  180
        alice  <- proxy            180
        +100ms    proxy <- desk    200
        alice  <- proxy            200
                  proxy -> mobile  CANCEL
            Reason: SIP;cause=200;text=\"Call completed elsewhere\"
                  proxy <- mobile  200 CANCEL
                  proxy <- mobile  487 INVITE
                  proxy -> mobile  ACK
        alice  -> proxy            ACK (with desk)
                  proxy -> desk    ACK
        +400ms    proxy -> tablet  INVITE (again)
                  proxy <- tablet  180
                  proxy -> tablet  CANCEL
            Reason: SIP;cause=200;text=\"Call completed elsewhere\"
                  proxy <- tablet  200 CANCEL
                  proxy <- tablet  487 INVITE
                  proxy -> tablet  ACK
        alice  -> proxy            BYE (with desk)
                  proxy -> desk    BYE
                  proxy <- desk    200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Nobody takes the call, and the time to ring is over: the phone is told that, and may show a call that was missed.
/// RFC 3326 §2, RFC 3261 §16.8.
#[test]
fn it_has_rung_for_too_long() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        +181s     proxy -> bob     CANCEL
            Reason: SIP;cause=408;text=\"Request Timeout\"
                  proxy <- bob     200 CANCEL
                  proxy <- bob     487 INVITE
                  proxy -> bob     ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// One phone declines for all: the others are told so. RFC 3326 §2, RFC 3261 §16.7 step 5.
#[test]
fn declined_for_all() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy <- desk    180
        alice  <- proxy            180
                  proxy <- mobile  603
            Reason: Q.850;cause=21
                  proxy -> mobile  ACK
                  proxy -> desk    CANCEL
            Reason: SIP;cause=603;text=\"Decline\"
                  proxy <- desk    200 CANCEL
                  proxy <- desk    487 INVITE
                  proxy -> desk    ACK
        alice  <- proxy            603
            Reason: Q.850;cause=21
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The caller's reason reaches a phone at once, and one that must be waited for later; all of it. RFC 3326 §2, RFC 3261 §9.1.
#[test]
fn the_callers_reason() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy x-> mobile INVITE
                  proxy <- desk    180
        alice  <- proxy            180
        +100ms alice -> proxy      CANCEL
            Reason: SIP;cause=487
            Reason: Q.850;cause=16;text=\"Terminated\"
        alice  <- proxy            200 CANCEL
                  proxy -> desk    CANCEL
            Reason: SIP;cause=487, Q.850;cause=16;text=\"Terminated\"
                  proxy <- desk    200 CANCEL
                  proxy <- desk    487 INVITE
                  proxy -> desk    ACK
        +400ms    proxy -> mobile  INVITE (again)
                  proxy <- mobile  183
        alice  <- proxy            183
                  proxy -> mobile  CANCEL
            Reason: SIP;cause=487, Q.850;cause=16;text=\"Terminated\"
                  proxy <- mobile  200 CANCEL
                  proxy <- mobile  487 INVITE
                  proxy -> mobile  ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// A reason that is too long to be kept is lost with nothing else. A caller who gives none has none given for him.
/// RFC 3326 §2.
#[test]
fn reasons_that_are_not_kept() {
    for reason in [format!("Reason: SIP;cause=487;text=\"{}\"", "x".repeat(512)), "Subject: none".to_owned()]
    {
        open_ladder(&format!(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy x-> bob    INVITE
        +100ms alice -> proxy      CANCEL
            {reason}
        alice  <- proxy            200 CANCEL
        +100ms alice <- proxy      100
        +300ms    proxy -> bob     INVITE (again)
                  proxy <- bob     100
                  proxy -> bob     CANCEL
            !Reason
                  proxy <- bob     200 CANCEL
                  proxy <- bob     487 INVITE
                  proxy -> bob     ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
        "
        ))
        .leaves_nothing();
    }
}

/// The reason of a BYE and of a refusal passes as it is. RFC 3326 §2.
#[test]
fn reasons_pass() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        alice  -> proxy            BYE
            Reason: Q.850;cause=16;text=\"Terminated\"
                  proxy -> bob     BYE
            Reason: Q.850;cause=16;text=\"Terminated\"
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}
