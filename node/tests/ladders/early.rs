//! Several early dialogs of one call: 199 (RFC 6228), early media, PRACK and UPDATE of several branches.

use crate::exchange::{Observed, open_ladder};

/// One of two phones is busy while the other rings: its refusal waits, and the caller is told that this dialog is over.
/// RFC 6228 §6, RFC 6228 §9.1.
#[test]
fn an_early_dialog_ends() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
            Supported: 199
                  proxy -> desk    INVITE
            Supported: 199
                  proxy -> mobile  INVITE
                  proxy <- desk    183
            To: <sip:bob@example.com>;tag=desk
        alice  <- proxy            183
                  proxy <- mobile  180
        alice  <- proxy            180
        +1s       proxy <- desk    486
            To: <sip:bob@example.com>;tag=desk
                  proxy -> desk    ACK
        alice  <- proxy            199 INVITE Early Dialog Terminated
            To: <sip:bob@example.com>;tag=desk
            Reason: SIP;cause=486;text=\"Busy Here\"
            !Contact
            !Record-Route
            !Require
        +1s       proxy <- mobile  200
        alice  <- proxy            200
        alice  -> proxy            ACK (with mobile)
                  proxy -> mobile  ACK
        alice  -> proxy            BYE (with mobile)
                  proxy -> mobile  BYE
                  proxy <- mobile  200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// The last refusal goes up at once and needs no 199; nor does a phone that has not rung, one that says 199 itself, or a
/// caller who does not want to know, or cannot take it. RFC 6228 §6.
#[test]
fn no_199_is_needed() {
    for (says, mobile, told) in [
        ("Supported: 199", "// it has not rung", "// nothing"),
        ("Subject: none", "proxy <- mobile 180", "alice <- proxy 180"),
        ("Supported: 199\n            Require: 100rel", "proxy <- mobile 180", "alice <- proxy 180"),
        (
            "Supported: 199",
            "proxy <- mobile 180\n        alice <- proxy 180\n        proxy <- mobile 199",
            "alice <- proxy 199",
        ),
    ] {
        open_ladder(&format!(
            "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
            {says}
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
        {mobile}
        {told}
        +50ms     proxy <- mobile  486
                  proxy -> mobile  ACK
        +50ms     proxy <- desk    480
                  proxy -> desk    ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
        "
        ))
        .leaves_nothing();
    }
}

/// One after the other: the first phone stops ringing, and while the second is called the caller knows. RFC 6228 §6,
/// RFC 3261 §16.6.
#[test]
fn phones_one_after_the_other() {
    open_ladder(
        "
        desk   -> proxy            REGISTER
            From: <sip:bob@example.com>;tag=1
            To: <sip:bob@example.com>
            Contact: <sip:desk@{desk}>;q=0.9
        desk   <- proxy            200
        mobile -> proxy            REGISTER
            From: <sip:bob@example.com>;tag=2
            To: <sip:bob@example.com>
            Contact: <sip:mobile@{mobile}>;q=0.1
        mobile <- proxy            200
        alice  -> proxy            INVITE bob
            Supported: 199
                  proxy -> desk    INVITE
                  proxy <- desk    180
            To: <sip:bob@example.com>;tag=desk
        alice  <- proxy            180
        +5s       proxy <- desk    480
            To: <sip:bob@example.com>;tag=desk
                  proxy -> desk    ACK
                  proxy -> mobile  INVITE
        alice  <- proxy            199
            To: <sip:bob@example.com>;tag=desk
            Reason: SIP;cause=480;*
                  proxy <- mobile  486
                  proxy -> mobile  ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// Two phones send early media, each its own; both reach the caller, and both early dialogs carry PRACK and UPDATE.
/// RFC 3262 §4, RFC 3311 §5.1, RFC 3261 §16.7 step 5.
#[test]
fn two_early_dialogs() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
            Supported: 100rel
                  proxy -> desk    INVITE
            Supported: 100rel
                  proxy -> mobile  INVITE
                  proxy <- desk    183
            Require: 100rel
            RSeq: 8
            Content-Type: application/sdp
            | v=0 desk
        alice  <- proxy            183
            Require: 100rel
            RSeq: 8
            Content-Type: application/sdp
            | v=0 desk
                  proxy <- mobile  183
            Require: 100rel
            RSeq: 9
            Content-Type: application/sdp
            | v=0 mobile
        alice  <- proxy            183
            RSeq: 9
            | v=0 mobile
        alice  -> proxy            PRACK (with desk)
                  proxy -> desk    PRACK
                  proxy <- desk    200
        alice  <- proxy            200 PRACK
        alice  -> proxy            PRACK (with mobile)
                  proxy -> mobile  PRACK
                  proxy <- mobile  200
        alice  <- proxy            200 PRACK
        alice  -> proxy            UPDATE (with mobile)
                  proxy -> mobile  UPDATE
                  proxy <- mobile  200
        alice  <- proxy            200 UPDATE
                  proxy <- desk    UPDATE
        alice  <- proxy            UPDATE
        alice  -> proxy            200 UPDATE
                  proxy -> desk    200 UPDATE
        +1s       proxy <- desk    200 INVITE
        alice  <- proxy            200 INVITE
                  proxy -> mobile  CANCEL
                  proxy <- mobile  200 CANCEL
                  proxy <- mobile  487 INVITE
                  proxy -> mobile  ACK
        alice  -> proxy            ACK (with desk)
                  proxy -> desk    ACK
        alice  -> proxy            BYE (with desk)
                  proxy -> desk    BYE
                  proxy <- desk    200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// What joins or replaces another call passes as it is, to the phone whose call it is. RFC 3891 §3, RFC 3911 §4.
#[test]
fn replaces_and_join_pass() {
    for header in [
        "Replaces: 12345@192.0.2.9;from-tag=a;to-tag=b;early-only",
        "Join: 12345@192.0.2.9;from-tag=a;to-tag=b",
    ] {
        open_ladder(&format!(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
            {header}
            Require: replaces, join
                  proxy -> bob     INVITE
            {header}
            Require: replaces, join
                  proxy <- bob     481
                  proxy -> bob     ACK
        alice  <- proxy            481
        alice  -> proxy            ACK
        "
        ))
        .leaves_nothing();
    }
}

/// A method that nobody has heard of, with headers and a body that nobody has either, outside a dialog and within one.
/// RFC 3261 §16.1, RFC 3261 §16.6 step 1.
#[test]
fn methods_and_headers_unheard_of() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            JUGGLE bob
            X-Balls: 5;colour=\"red, blue\", 6
            x-b: ?=;;
            Content-Type: application/x-balls
            | ooooo
                  proxy -> bob     JUGGLE sip:bob@{bob}
            X-Balls: 5;colour=\"red, blue\", 6
            x-b: ?=;;
            Content-Type: application/x-balls
            !Record-Route
            | ooooo
                  proxy <- bob     501
            X-Dropped: 1
        alice  <- proxy            501
            X-Dropped: 1
        alice  -> proxy            INVITE bob #2
                  proxy -> bob     INVITE #2
                  proxy <- bob     200 #2
        alice  <- proxy            200 #2
        alice  -> proxy            ACK #2
                  proxy -> bob     ACK #2
                  proxy <- bob     JUGGLE #2
            X-Balls: 7
        alice  <- proxy            JUGGLE #2
            X-Balls: 7
        alice  -> proxy            299 Caught #2
                  proxy -> bob     299 Caught #2
        alice  -> proxy            BYE #2
                  proxy -> bob     BYE #2
                  proxy <- bob     200 #2
        alice  <- proxy            200 #2
    ",
    )
    .leaves_nothing();
}
