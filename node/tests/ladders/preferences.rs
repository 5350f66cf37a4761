//! What a caller may choose: RFC 3840 and RFC 3841 as phones see them. Which rules say what is tested beside them, in
//! `service/proxy/tests/preferences.rs`.

use crate::exchange::{OPEN, Observed, open_ladder, scene};

/// Who wants video and nothing else is not connected with a phone that has none. RFC 3841 §7.2.4, RFC 3840 §6.
#[test]
fn video_or_nothing() {
    open_ladder(
        "
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>;audio;methods=\"INVITE,ACK,BYE,CANCEL\"
        desk   <- proxy            200
            Contact: *;audio;methods=*
        studio -> proxy            REGISTER bob
            Contact: <sip:studio@{studio}>;audio;video;q=0.2
        studio <- proxy            200
        alice  -> proxy            INVITE bob
            Accept-Contact: *;video;require;explicit
                  proxy -> studio  INVITE sip:studio@{studio}
            Accept-Contact: *;video;require;explicit
                  proxy <- studio  200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> studio  ACK
        alice  -> proxy            BYE
                  proxy -> studio  BYE
                  proxy <- studio  200
        alice  <- proxy            200
        alice  -> proxy            INVITE bob #2
            a: *;video;text;require;explicit
        alice  <- proxy            480 #2
        alice  -> proxy            ACK #2
    ",
    )
    .leaves_nothing();
}

/// Better matches ring first, and the others when those refuse, the callee's own order before. RFC 3841 §7.2.4.
#[test]
fn the_better_match_rings_first() {
    open_ladder(
        "
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>;audio
        desk   <- proxy            200
        studio -> proxy            REGISTER bob
            Contact: <sip:studio@{studio}>;audio;video
        studio <- proxy            200
        mobile -> proxy            REGISTER bob
            Contact: <sip:mobile@{mobile}>;audio;video;q=0.3
        mobile <- proxy            200
        alice  -> proxy            INVITE bob
            Accept-Contact: *;video
                  proxy -> studio  INVITE
                  proxy <- studio  486
                  proxy -> studio  ACK
                  proxy -> desk    INVITE
                  proxy <- desk    480
                  proxy -> desk    ACK
                  proxy -> mobile  INVITE
                  proxy <- mobile  480
                  proxy -> mobile  ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// A phone that has said which methods it knows is spared the others, unless no phone knows them: then it may say 405
/// itself. RFC 3841 §7.2.2.1, RFC 3841 §7.2.4; RFC 4596 §3.1, §3.2.
#[test]
fn a_message_goes_to_the_pager() {
    open_ladder(
        "
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>;methods=\"INVITE,ACK,BYE,CANCEL,OPTIONS\";audio
        desk   <- proxy            200
        pager  -> proxy            REGISTER bob
            Contact: <sip:pager@{pager}>;methods=\"OPTIONS,MESSAGE\"
        pager  <- proxy            200
        alice  -> proxy            MESSAGE bob
                  proxy -> pager   MESSAGE
                  proxy <- pager   200
        alice  <- proxy            200
        alice  -> proxy            INVITE bob #2
                  proxy -> desk    INVITE #2
                  proxy <- desk    486 #2
                  proxy -> desk    ACK #2
        alice  <- proxy            486 #2
        alice  -> proxy            ACK #2
        alice  -> proxy            PUBLISH bob #3
                  proxy -> desk    PUBLISH #3
                  proxy -> pager   PUBLISH #3
                  proxy <- desk    405 #3
                  proxy <- pager   405 #3
        alice  <- proxy            405 #3
    ",
    )
    .leaves_nothing();
}

/// A subscription goes to the phone that knows the package, and to those that say nothing of packages when it refuses.
/// RFC 3841 §7.2.2.2; RFC 4596 §3.4.
#[test]
fn a_subscription_goes_to_who_knows_its_package() {
    open_ladder(
        "
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>;methods=\"INVITE,SUBSCRIBE\"
        desk   <- proxy            200
        agent  -> proxy            REGISTER bob
            Contact: <sip:agent@{agent}>;methods=\"SUBSCRIBE\";events=\"presence\"
        agent  <- proxy            200
        alice  -> proxy            SUBSCRIBE bob
            Event: presence
                  proxy -> agent   SUBSCRIBE
                  proxy <- agent   480
                  proxy -> desk    SUBSCRIBE
                  proxy <- desk    489
        alice  <- proxy            489
    ",
    )
    .leaves_nothing();
}

/// The robot is not wanted; phones that say nothing about themselves are. RFC 3841 §7.2.3, §7.2.4.
#[test]
fn a_robot_is_rejected() {
    open_ladder(
        "
        robot  -> proxy            REGISTER bob
            Contact: <sip:robot@{robot}>;automata;actor=\"msg-taker\"
        robot  <- proxy            200
        given desk is registered as bob
        alice  -> proxy            INVITE bob
            Reject-Contact: *;automata
                  proxy -> desk    INVITE
                  proxy <- desk    486
                  proxy -> desk    ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// One after the other, all at once, only one: how phones are called is the caller's choice too. RFC 3841 §9.1.
#[test]
fn who_rings_when() {
    let two = "
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>;q=0.5
        desk   <- proxy            200
        mobile -> proxy            REGISTER bob
            Contact: <sip:mobile@{mobile}>;q=0.5
        mobile <- proxy            200
        home   -> proxy            REGISTER bob
            Contact: <sip:home@{home}>;q=0.1
        home   <- proxy            200
    ";
    let one_by_one = "
        alice  -> proxy            INVITE bob
            Request-Disposition: sequential
                  proxy -> desk    INVITE
                  proxy <- desk    486
                  proxy -> desk    ACK
                  proxy -> mobile  INVITE
                  proxy <- mobile  486
                  proxy -> mobile  ACK
                  proxy -> home    INVITE
                  proxy <- home    486
                  proxy -> home    ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ";
    let together = "
        alice  -> proxy            INVITE bob
            d: parallel, recurse
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy -> home    INVITE
                  proxy <- home    603
                  proxy -> home    ACK
                  proxy <- mobile  486
                  proxy -> mobile  ACK
                  proxy <- desk    486
                  proxy -> desk    ACK
        alice  <- proxy            603
        alice  -> proxy            ACK
    ";
    let alone = "
        alice  -> proxy            INVITE bob
            Request-Disposition: no-fork
                  proxy -> desk    INVITE
                  proxy <- desk    486
                  proxy -> desk    ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ";
    for call in [one_by_one, together, alone] {
        open_ladder(&format!("{two}{call}")).leaves_nothing();
    }
}

/// The caller wants to talk to all who answer: nobody is cancelled while the request's transaction lives.
/// RFC 3841 §9.1 `no-cancel`, RFC 6026 §7.2.
#[test]
fn the_others_ring_on() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        given home is registered as bob
        alice  -> proxy            INVITE bob
            Request-Disposition: no-cancel
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy -> home    INVITE
                  proxy <- home    180
        alice  <- proxy            180
                  proxy <- mobile  180
        alice  <- proxy            180
                  proxy <- desk    200
        alice  <- proxy            200
        alice  -> proxy            ACK (with desk)
                  proxy -> desk    ACK
        +5s       proxy <- mobile  200
        alice  <- proxy            200
        alice  -> proxy            ACK (with mobile)
                  proxy -> mobile  ACK
        +27s      proxy -> home    CANCEL
                  proxy <- home    200 CANCEL
                  proxy <- home    487 INVITE
                  proxy -> home    ACK
        alice  -> proxy            BYE (with desk)
                  proxy -> desk    BYE
                  proxy <- desk    200
        alice  <- proxy            200
        alice  -> proxy            BYE (with mobile)
                  proxy -> mobile  BYE
                  proxy <- mobile  200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Who belongs here may be told where a user's phones are, in the order in which they would ring; a phone behind a
/// connection is reached by us alone. A stranger is connected as ever. RFC 3841 §9.1 `redirect`, §7.2.4.
#[test]
fn a_caller_is_redirected() {
    let calls_prove = "[access]\nauthenticate_register = false\n";
    let phones = "
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>;audio;q=0.5
        desk   <- proxy            200
        mobile -> proxy            REGISTER bob
            Contact: <sip:mobile@{mobile}>;video;q=0.5
        mobile <- proxy            200
        given tablet is registered as bob over tcp
    ";
    scene(calls_prove)
        .run(&format!(
            "{phones}
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob (auth)
            Request-Disposition: redirect, no-fork
            Accept-Contact: *;video
        alice  <- proxy            302
            Contact: <sip:mobile@192.0.2.12:5060>;q=1.000
            Contact: <sip:desk@192.0.2.11:5060>;q=0.500
        alice  -> proxy            ACK
    "
        ))
        .leaves_nothing();
    scene(calls_prove)
        .run(&format!(
            "{phones}
        alice  -> proxy            INVITE bob
            From: <sip:eve@elsewhere.example>;tag=1
            Request-Disposition: redirect
                  proxy -> tablet  INVITE
                  proxy <- tablet  603
                  proxy -> tablet  ACK
        alice  <- proxy            603
        alice  -> proxy            ACK
    "
        ))
        .leaves_nothing();
}

/// Where the administrator does not want it, the called user alone says which phones ring. RFC 3841 §7.1 (local policy).
#[test]
fn callers_have_no_choice_where_nobody_asks_them() {
    scene(&format!("{OPEN}\n[proxy]\ncaller_preferences = false\n"))
        .run(
            "
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>;audio;methods=\"BYE\"
        desk   <- proxy            200
        alice  -> proxy            INVITE bob
            Accept-Contact: *;video;require;explicit
            Request-Disposition: redirect
                  proxy -> desk    INVITE
                  proxy <- desk    486
                  proxy -> desk    ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
        )
        .leaves_nothing();
}

/// More rules than anyone needs cost more than they are worth; and what is against the grammar is said so.
/// RFC 3841 §11, §10.
#[test]
fn too_many_rules() {
    let rules = "            Accept-Contact: *;audio\n".repeat(21);
    open_ladder(&format!(
        "
        given desk is registered as bob
        alice  -> proxy            INVITE bob
{rules}
        alice  <- proxy            403 Too many caller preferences
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob #2
            Reject-Contact: audio
        alice  <- proxy            400 #2
        alice  -> proxy            ACK #2
    "
    ))
    .leaves_nothing();
}

/// `Proxy-Require: pref` and, in a REGISTER, `Require: pref` ask whether we know caller preferences. We do.
/// RFC 3841 §5, RFC 3840 §6.
#[test]
fn pref_is_understood() {
    open_ladder(
        "
        desk   -> proxy            REGISTER bob
            Require: pref
            Contact: <sip:desk@{desk}>;audio
        desk   <- proxy            200
        alice  -> proxy            INVITE bob
            Proxy-Require: pref
                  proxy -> desk    INVITE
                  proxy <- desk    486
                  proxy -> desk    ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob #2
            Proxy-Require: pref, teleport
        alice  <- proxy            420 #2
            Unsupported: teleport
        alice  -> proxy            ACK #2
    ",
    )
    .leaves_nothing();
}
