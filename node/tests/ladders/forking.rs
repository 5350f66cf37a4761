//! One call, several phones: RFC 3261 §16.6 (who rings when), §16.7 (whose answer counts), RFC 5393 §5.

use crate::exchange::{Observed, header_of, open_ladder};

/// Both phones of a user ring at once; who lifts first has the call, the other one stops ringing.
/// RFC 3261 §16.7 step 10, RFC 3261 §16.6.
#[test]
fn the_first_answer_wins() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE sip:desk@{desk}
                  proxy -> mobile  INVITE sip:mobile@{mobile}
                  proxy <- desk    180
        alice  <- proxy            180
            Contact: <sip:desk@*
                  proxy <- mobile  180
        alice  <- proxy            180
            Contact: <sip:mobile@*
        +3s       proxy <- mobile  200
        alice  <- proxy            200
            Contact: <sip:mobile@*
                  proxy -> desk    CANCEL sip:desk@{desk}
                  proxy <- desk    200 CANCEL
                  proxy <- desk    487 INVITE
                  proxy -> desk    ACK
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

/// Each copy has a branch of its own. RFC 3261 §16.6 step 8.
#[test]
fn each_copy_has_its_own_branch() {
    let stage = open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
    ",
    );
    let via = |phone: &str| {
        let received = stage.world().received(stage.phone(phone));
        let text = String::from_utf8_lossy(received[received.len() - 1]).into_owned();
        header_of(&text, "Via").expect("a request has a Via")
    };
    assert_ne!(via("desk"), via("mobile"));
}

/// Both lift at the same moment: the caller gets both answers and sorts it out. RFC 3261 §16.7 step 5, RFC 6026 §7.2.
#[test]
fn two_answers_at_once() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy <- desk    200
        alice  <- proxy            200
            Contact: <sip:desk@*
                  proxy <- mobile  200
        alice  <- proxy            200
            Contact: <sip:mobile@*
        alice  -> proxy            ACK (with desk)
                  proxy -> desk    ACK
        alice  -> proxy            ACK (with mobile)
                  proxy -> mobile  ACK
        alice  -> proxy            BYE (with mobile)
                  proxy -> mobile  BYE
                  proxy <- mobile  200
        alice  <- proxy            200
        alice  -> proxy            BYE (with desk)
                  proxy -> desk    BYE
                  proxy <- desk    200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// The CANCEL comes too late for the second phone: its 200 reaches the caller as well. RFC 3261 §16.7 step 5.
#[test]
fn a_cancel_crosses_a_200() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy <- desk    180
        alice  <- proxy            180
                  proxy <- mobile  180
        alice  <- proxy            180
                  proxy <- desk    200
        alice  <- proxy            200
                  proxy -> mobile  CANCEL
                  proxy <- mobile  200 INVITE
                  proxy <- mobile  481 CANCEL
        alice  <- proxy            200
            Contact: <sip:mobile@*
    ",
    )
    .leaves_nothing();
}

/// Nobody takes the call: the caller gets the answer that says most, and only when all have spoken.
/// RFC 3261 §16.7 step 6.
#[test]
fn the_best_of_all_refusals() {
    for (desk, mobile, best) in [
        (486, 480, 486),
        (480, 486, 486),
        (404, 302, 302),
        (500, 404, 404),
        (503, 500, 500),
        (503, 503, 500),
        (486, 415, 415),
        (408, 404, 404),
        (603, 302, 603),
    ] {
        open_ladder(&format!(
            "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy <- desk    {desk}
                  proxy -> desk    ACK
        +100ms    proxy <- mobile  {mobile}
                  proxy -> mobile  ACK
        alice  <- proxy            {best}
        alice  -> proxy            ACK
        "
        ))
        .leaves_nothing();
    }
}

/// Silence counts as 408, and a refusal says more. RFC 3261 §16.7 step 6, RFC 3261 §16.8.
#[test]
fn a_refusal_says_more_than_silence() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy <- desk    100
                  proxy <- mobile  100
        +200ms alice <- proxy      100
        +2s       proxy <- desk    486
                  proxy -> desk    ACK
        @181s     proxy -> mobile  CANCEL
                  proxy <- mobile  200 CANCEL
        +32s   alice <- proxy      486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// A 6xx decides for all phones: the others are cancelled, and then it goes upstream. RFC 3261 §16.7 step 5.
#[test]
fn a_decline_ends_the_ringing_everywhere() {
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
                  proxy -> mobile  ACK
                  proxy -> desk    CANCEL
                  proxy <- desk    200 CANCEL
        +1s       proxy <- desk    487 INVITE
                  proxy -> desk    ACK
        alice  <- proxy            603
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// After a 6xx a 200 may still come from a phone that was just lifted: it wins, and the 6xx is never sent.
/// RFC 3261 §16.7 step 5.
#[test]
fn an_answer_beats_a_decline() {
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
                  proxy -> mobile  ACK
                  proxy -> desk    CANCEL
                  proxy <- desk    200 INVITE
        alice  <- proxy            200
                  proxy <- desk    481 CANCEL
        alice  -> proxy            ACK
                  proxy -> desk    ACK
        alice  -> proxy            BYE
                  proxy -> desk    BYE
                  proxy <- desk    200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Both phones want credentials of their own: the caller gets every challenge, whichever came first.
/// RFC 3261 §16.7 step 7.
#[test]
fn challenges_are_gathered() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy <- desk    401
            WWW-Authenticate: Digest realm=\"desk\", nonce=\"1\"
                  proxy -> desk    ACK
                  proxy <- mobile  407
            Proxy-Authenticate: Digest realm=\"mobile\", nonce=\"2\"
            Proxy-Authenticate: Digest realm=\"more\", nonce=\"3\"
                  proxy -> mobile  ACK
        alice  <- proxy            401
            WWW-Authenticate: Digest realm=\"desk\", nonce=\"1\"
            Proxy-Authenticate: Digest realm=\"mobile\", nonce=\"2\"
            Proxy-Authenticate: Digest realm=\"more\", nonce=\"3\"
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// A challenge of one phone and a refusal of the other, in both orders. RFC 3261 §16.7 step 6 and 7.
#[test]
fn a_challenge_beats_a_refusal() {
    for (first, second) in [("desk", "mobile"), ("mobile", "desk")] {
        open_ladder(&format!(
            "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy <- {first}    486
                  proxy -> {first}    ACK
                  proxy <- {second}  407
            Proxy-Authenticate: Digest realm=\"phone\", nonce=\"2\"
                  proxy -> {second}  ACK
        alice  <- proxy            407
            Proxy-Authenticate: Digest realm=\"phone\", nonce=\"2\"
        alice  -> proxy            ACK
        "
        ))
        .leaves_nothing();
    }
}

/// The preferred phone rings first; only when it refuses, the next. RFC 3261 §16.6.
#[test]
fn preferred_phones_ring_first() {
    open_ladder(
        "
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>;q=0.5
        desk   <- proxy            200
        mobile -> proxy            REGISTER bob
            Contact: <sip:mobile@{mobile}>;q=0.9
        mobile <- proxy            200
        home   -> proxy            REGISTER bob
            Contact: <sip:home@{home}>;q=0.5
        home   <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> mobile  INVITE
                  proxy <- mobile  180
        alice  <- proxy            180
        +5s       proxy <- mobile  486
                  proxy -> mobile  ACK
                  proxy -> desk    INVITE
                  proxy -> home    INVITE
                  proxy <- desk    486
                  proxy -> desk    ACK
                  proxy <- home    200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> home    ACK
        alice  -> proxy            BYE
                  proxy -> home    BYE
                  proxy <- home    200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// All in turn refuse: the best of all rounds goes upstream. RFC 3261 §16.6, RFC 3261 §16.7 step 6.
#[test]
fn rounds_of_refusals() {
    open_ladder(
        "
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>;q=0.5
        desk   <- proxy            200
        mobile -> proxy            REGISTER bob
            Contact: <sip:mobile@{mobile}>;q=0.9
        mobile <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> mobile  INVITE
                  proxy <- mobile  486
                  proxy -> mobile  ACK
                  proxy -> desk    INVITE
                  proxy <- desk    480
                  proxy -> desk    ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The preferred phone is dead: when its turn is over the next one rings. RFC 3261 §16.6.
#[test]
fn a_dead_phone_gives_way_to_the_next() {
    open_ladder(
        "
        mobile -> proxy            REGISTER bob
            Contact: <sip:mobile@{mobile}>;q=0.9
        mobile <- proxy            200
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>;q=0.5
        desk   <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy x-> mobile INVITE
        +200ms alice <- proxy      100
        @500ms    proxy x-> mobile INVITE (again)
        @1.5s     proxy x-> mobile INVITE (again)
        @3.5s     proxy x-> mobile INVITE (again)
        @7.5s     proxy x-> mobile INVITE (again)
        @15.5s    proxy x-> mobile INVITE (again)
        @25s      proxy -> desk    INVITE
                  proxy <- desk    200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> desk    ACK
        alice  -> proxy            BYE
                  proxy -> desk    BYE
                  proxy <- desk    200
        alice  <- proxy            200
        @31.5s    proxy x-> mobile INVITE (again)
    ",
    )
    .leaves_nothing();
}

/// Somebody declines for good: nobody else is asked. RFC 3261 §16.7 step 5.
#[test]
fn a_decline_ends_the_search() {
    open_ladder(
        "
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>;q=0.5
        desk   <- proxy            200
        mobile -> proxy            REGISTER bob
            Contact: <sip:mobile@{mobile}>;q=0.9
        mobile <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> mobile  INVITE
                  proxy <- mobile  603
                  proxy -> mobile  ACK
        alice  <- proxy            603
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The caller gives up while the first phone rings: the second never does. RFC 3261 §16.10.
#[test]
fn a_cancel_ends_the_search() {
    open_ladder(
        "
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>;q=0.5
        desk   <- proxy            200
        mobile -> proxy            REGISTER bob
            Contact: <sip:mobile@{mobile}>;q=0.9
        mobile <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> mobile  INVITE
                  proxy <- mobile  180
        alice  <- proxy            180
        alice  -> proxy            CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> mobile  CANCEL
                  proxy <- mobile  200 CANCEL
                  proxy <- mobile  487 INVITE
                  proxy -> mobile  ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The caller gives up long after one of the phones was busy: the one that still rings is cancelled, though the
/// transaction of the other is long over. RFC 3261 §16.10, RFC 3261 §16.7 step 9.
#[test]
fn a_cancel_reaches_the_phone_that_still_rings() {
    for (busy, rings) in [("desk", "mobile"), ("mobile", "desk")] {
        open_ladder(&format!(
            "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy <- {rings}  180
        alice  <- proxy            180
                  proxy <- {busy}  486
                  proxy -> {busy}  ACK
        +90s   alice -> proxy      CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> {rings}  CANCEL
                  proxy <- {rings}  200 CANCEL
                  proxy <- {rings}  487 INVITE
                  proxy -> {rings}  ACK
        alice  <- proxy            486 INVITE
        alice  -> proxy            ACK
        "
        ))
        .leaves_nothing();
    }
}

/// The same when somebody answers: the phone that rings elsewhere stops. RFC 3261 §16.7 step 10.
#[test]
fn a_late_answer_cancels_the_phone_that_still_rings() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        given home is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy -> home    INVITE
                  proxy <- desk    180
        alice  <- proxy            180
                  proxy <- mobile  486
                  proxy -> mobile  ACK
                  proxy <- home    180
        alice  <- proxy            180
        +90s      proxy <- home    200
        alice  <- proxy            200
                  proxy -> desk    CANCEL
                  proxy <- desk    200 CANCEL
                  proxy <- desk    487 INVITE
                  proxy -> desk    ACK
    ",
    )
    .leaves_nothing();
}

/// A phone that cannot be reached at all does not keep the others from telling the caller that work goes on.
/// RFC 3261 §17.2.1, RFC 3261 §16.9.
#[test]
fn a_refused_connection_does_not_silence_the_100() {
    open_ladder(
        "
        given desk is registered as bob
        mobile -> proxy            REGISTER bob
            Contact: <sip:mobile@{mobile.host}:9999;transport=tcp>
        mobile <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy <- desk    100
        +200ms alice <- proxy      100
        +5s       proxy <- desk    200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// A request that is no INVITE is forked too; the first 200 is the answer, later ones are dropped.
/// RFC 3261 §16.7 step 5.
#[test]
fn one_answer_to_a_forked_message() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            MESSAGE bob
                  proxy -> desk    MESSAGE
                  proxy -> mobile  MESSAGE
                  proxy <- desk    486
        +400ms    proxy <- mobile  200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            MESSAGE bob
                  proxy -> desk    MESSAGE
                  proxy -> mobile  MESSAGE
                  proxy <- desk    200
        alice  <- proxy            200
                  proxy <- mobile  200
    ",
    )
    .leaves_nothing();
}

/// The first phone does not answer a MESSAGE. When it is given up, the caller has given up too: the next phone is not
/// asked for nothing. RFC 4320 §4.2.
#[test]
fn a_message_has_no_time_for_a_second_round() {
    open_ladder(
        "
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>;q=0.5
        desk   <- proxy            200
        mobile -> proxy            REGISTER bob
            Contact: <sip:mobile@{mobile};transport=tcp>;q=0.9
        mobile <- proxy            200
        alice  -> proxy            MESSAGE bob
                  proxy -> mobile/tcp  MESSAGE
        +3.5s  alice <- proxy      100
        +40s
    ",
    )
    .leaves_nothing();
}

/// The breadth that a request may still have is divided among its copies, and where there is not enough for all, the
/// others wait. RFC 5393 §5.3.3.
#[test]
fn max_breadth_is_divided() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        given home is registered as bob
        alice  -> proxy            INVITE bob
            Max-Breadth: 2
                  proxy -> desk    INVITE
            Max-Breadth: 1
                  proxy -> mobile  INVITE
            Max-Breadth: 1
                  proxy <- desk    486
                  proxy -> desk    ACK
                  proxy <- mobile  486
                  proxy -> mobile  ACK
                  proxy -> home    INVITE
            Max-Breadth: 2
                  proxy <- home    486
                  proxy -> home    ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// Copies get a Max-Breadth where the caller gave none; one copy needs none. RFC 5393 §5.3.3.1.
#[test]
fn max_breadth_is_added_where_it_forks() {
    open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        given carol is registered
        alice  -> proxy            OPTIONS bob
                  proxy -> desk    OPTIONS
            Max-Breadth: 30
                  proxy -> mobile  OPTIONS
            Max-Breadth: 30
                  proxy <- desk    200
        alice  <- proxy            200
                  proxy <- mobile  200
        alice  -> proxy            OPTIONS carol #2
                  proxy -> carol   OPTIONS #2
            !Max-Breadth
                  proxy <- carol   200 #2
        alice  <- proxy            200 #2
    ",
    )
    .leaves_nothing();
}

/// No breadth is left: the request may not be forwarded at all. RFC 5393 §5.3.3.
#[test]
fn max_breadth_is_used_up() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
            Max-Breadth: 0
        alice  <- proxy            440
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The same Contact is a target once, however it was registered. RFC 3261 §16.5.
#[test]
fn a_target_stands_once_in_the_set() {
    open_ladder(
        "
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>
        desk   <- proxy            200
        desk   -> proxy            REGISTER bob
            Contact: <sip:DESK@{desk}>, <sip:%64esk@{desk};transport=udp>, <sip:desk@{desk}>
        desk   <- proxy            200
        alice  -> proxy            OPTIONS sip:bob@example.com
                  proxy -> desk    OPTIONS
                  proxy -> desk    OPTIONS
                  proxy -> desk    OPTIONS
                  proxy <- desk    200
        alice  <- proxy            200
                  proxy <- desk    200
                  proxy <- desk    200
    ",
    )
    .leaves_nothing();
}
