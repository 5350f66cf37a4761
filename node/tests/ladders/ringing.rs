//! How long phones ring before others have their turn: RFC 3261 §16.6 (serial forking), §16.8 (Timer C), §9.1.

use crate::exchange::{OPEN, Observed, open_ladder, scene};

/// Three turns by q, the middle one of two phones: each rings its time, however often it says so; the last one until
/// Timer C. RFC 3261 §16.6, RFC 3261 §16.8.
#[test]
fn turns_by_preference() {
    open_ladder(
        "
        mobile -> proxy            REGISTER bob
            Contact: <sip:mobile@{mobile}>;q=0.9
        mobile <- proxy            200
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>;q=0.5
        desk   <- proxy            200
        home   -> proxy            REGISTER bob
            Contact: <sip:home@{home}>;q=0.5
        home   <- proxy            200
        mail   -> proxy            REGISTER bob
            Contact: <sip:mail@{mail}>;q=0.1
        mail   <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> mobile  INVITE
                  proxy <- mobile  180
        alice  <- proxy            180
        @20s      proxy <- mobile  180
        alice  <- proxy            180
        @25s      proxy -> mobile  CANCEL
                  proxy <- mobile  200 CANCEL
                  proxy <- mobile  487 INVITE
                  proxy -> mobile  ACK
                  proxy -> desk    INVITE
                  proxy -> home    INVITE
                  proxy <- desk    180
        alice  <- proxy            180
                  proxy <- home    180
        alice  <- proxy            180
        @40s      proxy <- home    486
                  proxy -> home    ACK
        @50s      proxy -> desk    CANCEL
                  proxy <- desk    200 CANCEL
                  proxy <- desk    487 INVITE
                  proxy -> desk    ACK
                  proxy -> mail    INVITE
                  proxy <- mail    180
        alice  <- proxy            180
        @231s     proxy -> mail    CANCEL
                  proxy <- mail    200 CANCEL
                  proxy <- mail    487 INVITE
                  proxy -> mail    ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// A phone that was silent for its whole turn wakes up while the next one rings: it is told to stop. RFC 3261 §9.1.
#[test]
fn who_wakes_up_after_his_turn_is_cancelled() {
    open_ladder(
        "
        mobile -> proxy/tcp        REGISTER bob
            Contact: <sip:mobile@{mobile};transport=tcp>;q=0.9
        mobile <- proxy            200
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>;q=0.5
        desk   <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> mobile  INVITE
        +200ms alice <- proxy      100
        @25s      proxy -> desk    INVITE
                  proxy <- desk    180
        alice  <- proxy            180
        @28s      proxy <- mobile  180
                  proxy -> mobile  CANCEL
                  proxy <- mobile  200 CANCEL
                  proxy <- mobile  487 INVITE
                  proxy -> mobile  ACK
        alice  <- proxy            180
        @30s      proxy <- desk    200
        alice  <- proxy            200
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

/// Whoever lifts while his CANCEL is on its way has the call; the next phone never rings. RFC 3261 §16.7 step 5, §9.1.
#[test]
fn lifted_in_the_last_moment() {
    open_ladder(
        "
        mobile -> proxy            REGISTER bob
            Contact: <sip:mobile@{mobile}>;q=0.9
        mobile <- proxy            200
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>;q=0.5
        desk   <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> mobile  INVITE
                  proxy <- mobile  180
        alice  <- proxy            180
        @25s      proxy -> mobile  CANCEL
                  proxy <- mobile  200 INVITE
        alice  <- proxy            200
                  proxy <- mobile  481 CANCEL
        alice  -> proxy            ACK
                  proxy -> mobile  ACK
        alice  -> proxy            BYE
                  proxy -> mobile  BYE
                  proxy <- mobile  200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// A phone that has rung and died, and so says nothing to its CANCEL either, holds nobody up: the next one rings a moment later.
/// RFC 3261 §16.6, RFC 3261 §9.1.
#[test]
fn a_phone_that_died_while_it_rang_gives_way() {
    open_ladder(&format!(
        "{MOBILE_AND_DESK}
        @25s      proxy -> mobile  CANCEL
        @26s      proxy -> desk    INVITE
                  proxy <- desk    180
        alice  <- proxy            180
        @30s      proxy <- desk    486
                  proxy -> desk    ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    "
    ))
    .leaves_nothing();
}

/// It was not dead, but far away, and lifted when the next one rings: the caller has it, and the next one is told to stop. RFC 3261
/// §16.7 steps 5 and 10.
#[test]
fn lifted_after_its_turn() {
    open_ladder(&format!(
        "{MOBILE_AND_DESK}
        @25s      proxy -> mobile  CANCEL
        @26s      proxy -> desk    INVITE
                  proxy <- desk    180
        alice  <- proxy            180
        @27s      proxy <- mobile  200 INVITE
        alice  <- proxy            200
                  proxy -> desk    CANCEL
            Reason: SIP;cause=200;text=\"Call completed elsewhere\"
                  proxy <- mobile  481 CANCEL
        alice  -> proxy            ACK (with mobile)
                  proxy -> mobile  ACK
                  proxy <- desk    200 CANCEL
                  proxy <- desk    487 INVITE
                  proxy -> desk    ACK
        alice  -> proxy            BYE (with mobile)
                  proxy -> mobile  BYE
                  proxy <- mobile  200
        alice  <- proxy            200
    "
    ))
    .leaves_nothing();
}

/// Both are lifted: the caller has two answers, and may end one of them. RFC 3261 §16.7 step 5, RFC 3261 §13.2.2.4.
#[test]
fn two_are_lifted_one_after_its_turn() {
    open_ladder(&format!(
        "{MOBILE_AND_DESK}
        @25s      proxy -> mobile  CANCEL
        @26s      proxy -> desk    INVITE
                  proxy <- desk    200 INVITE
        alice  <- proxy            200
                  proxy <- mobile  200 INVITE
        alice  <- proxy            200
        alice  -> proxy            ACK (with desk)
                  proxy -> desk    ACK
        alice  -> proxy            ACK (with mobile)
                  proxy -> mobile  ACK
        alice  -> proxy            BYE (with mobile)
                  proxy -> mobile  BYE
                  proxy <- mobile  200
        alice  <- proxy            200
    "
    ))
    .leaves_nothing();
}

/// Its 487 comes when the next one rings: it is acknowledged, and that is all. RFC 3261 §17.1.1.3.
#[test]
fn a_late_487_changes_nothing() {
    open_ladder(&format!(
        "{MOBILE_AND_DESK}
        @25s      proxy -> mobile  CANCEL
        @26s      proxy -> desk    INVITE
                  proxy <- desk    180
        alice  <- proxy            180
        @27s      proxy <- mobile  200 CANCEL
                  proxy <- mobile  487 INVITE
                  proxy -> mobile  ACK
        @30s      proxy <- desk    603
                  proxy -> desk    ACK
        alice  <- proxy            603
        alice  -> proxy            ACK
    "
    ))
    .leaves_nothing();
}

/// The caller gives up in the moment between two turns: nobody else rings, and he is told when the phone has said its last
/// word. RFC 3261 §16.7, RFC 3261 §9.2.
#[test]
fn the_caller_gives_up_between_two_turns() {
    open_ladder(&format!(
        "{MOBILE_AND_DESK}
        @25s      proxy -> mobile  CANCEL
        @25500ms alice -> proxy    CANCEL
        alice  <- proxy            200 CANCEL
        @27s      proxy <- mobile  200 CANCEL
                  proxy <- mobile  487 INVITE
                  proxy -> mobile  ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
    "
    ))
    .leaves_nothing();
}

/// The last ones have nobody behind them: what they say is waited for. RFC 3261 §9.1.
#[test]
fn nobody_waits_behind_the_last_one() {
    open_ladder(&format!(
        "{MOBILE_AND_DESK}
        @25s      proxy -> mobile  CANCEL
                  proxy <- mobile  200 CANCEL
                  proxy <- mobile  487 INVITE
                  proxy -> mobile  ACK
                  proxy -> desk    INVITE
                  proxy <- desk    180
        alice  <- proxy            180
        @206s     proxy -> desk    CANCEL
        @238s  alice <- proxy      487 INVITE
        alice  -> proxy            ACK
    "
    ))
    .leaves_nothing();
}

/// Nobody waits behind a phone when it is called, and then somebody does, for another one forwards to two people: it is not
/// in a turn, and each ringing gives it time. RFC 3261 §16.7 step 2.
#[test]
fn others_begin_to_wait_while_it_rings() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        given home is registered as carol
        given mail is registered as dave
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy <- mobile  302
            Contact: <sip:carol@example.com>;q=0.9, <sip:dave@example.com>;q=0.1
                  proxy -> mobile  ACK
                  proxy -> home    INVITE
                  proxy <- desk    180
        alice  <- proxy            180
                  proxy <- home    486
                  proxy -> home    ACK
        @100s     proxy <- desk    180
        alice  <- proxy            180
        @281s     proxy -> desk    CANCEL
                  proxy <- desk    200 CANCEL
                  proxy <- desk    487 INVITE
                  proxy -> desk    ACK
                  proxy -> mail    INVITE
                  proxy <- mail    603
                  proxy -> mail    ACK
        alice  <- proxy            603
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// Alice calls, and Bob's mobile rings; his desk phone waits for its turn.
const MOBILE_AND_DESK: &str = "
        mobile -> proxy/tcp        REGISTER bob
            Contact: <sip:mobile@{mobile};transport=tcp>;q=0.9
        mobile <- proxy            200
        desk   -> proxy/tcp        REGISTER bob
            Contact: <sip:desk@{desk};transport=tcp>;q=0.5
        desk   <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> mobile  INVITE
                  proxy <- mobile  180
        alice  <- proxy            180
";

/// The configuration says how long, and a rule says it for its number. RFC 3261 §16.6.
#[test]
fn a_rule_says_how_long() {
    let rules = "
        [proxy]
        ring_s = 10

        [[route]]
        match = { number = \"0\" }
        users = true
        user = \"bob\"
        ring_s = 4
    ";
    let phones = "
        mobile -> proxy            REGISTER bob
            Contact: <sip:mobile@{mobile}>;q=0.9
        mobile <- proxy            200
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>;q=0.5
        desk   <- proxy            200
    ";
    for (dialled, turn_s) in [("bob", 10), ("0", 4)] {
        scene(&format!("{OPEN}{rules}"))
            .run(&format!(
                "{phones}
        alice  -> proxy            INVITE {dialled}
                  proxy -> mobile  INVITE
                  proxy <- mobile  180
        alice  <- proxy            180
        @{turn_s}s       proxy -> mobile  CANCEL
                  proxy <- mobile  200 CANCEL
                  proxy <- mobile  487 INVITE
                  proxy -> mobile  ACK
                  proxy -> desk    INVITE
                  proxy <- desk    603
                  proxy -> desk    ACK
        alice  <- proxy            603
        alice  -> proxy            ACK
    "
            ))
            .leaves_nothing();
    }
}
