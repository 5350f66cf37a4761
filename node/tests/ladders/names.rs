//! Next hops by name: RFC 3263. The name server is the test's own; `far` and `farther` are where its names lead.

use offhook_journal::EventKind;
use offhook_ladder::{Ladder, Stage};
use offhook_locate::Nowhere;
use offhook_simnet::NameServer;

use crate::exchange::{Exchange, OPEN, Observed, scene_with_names};

const FAR: &str = "sip:far.example.org";

/// The name leads to `far`, or to it and then to `farther`.
fn one_place() -> NameServer {
    NameServer::new().name(FAR, &["udp 203.0.113.1:5060"])
}

fn two_places() -> NameServer {
    NameServer::new().name(FAR, &["udp 203.0.113.1:5060", "udp 203.0.113.2:5060"])
}

fn scene(names: NameServer) -> Ladder {
    scene_with_names(OPEN, names).address("far", "203.0.113.1:5060").address("farther", "203.0.113.2:5060")
}

fn names_of(stage: &mut Stage) -> &mut NameServer {
    let proxy = stage.proxy();
    &mut stage.world_mut().engine_mut::<Exchange>(proxy).names
}

/// The request waits for the answer; retransmissions are absorbed, the caller hears 100. RFC 3263 §4,
/// RFC 3261 §17.2.1, RFC 3261 §16.6 step 7.
#[test]
fn a_call_waits_for_its_name() {
    let mut stage = scene(one_place().delay_ms(900)).run(
        "
        alice  -> proxy            INVITE sip:bob@far.example.org
        +200ms alice <- proxy      100
        +300ms alice -> proxy      INVITE (again)
        alice  <- proxy            100
        +400ms    proxy -> far     INVITE sip:bob@far.example.org
                  proxy <- far     180
        alice  <- proxy            180
                  proxy <- far     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> far     ACK
        alice  -> proxy            BYE
                  proxy -> far     BYE
                  proxy <- far     200
        alice  <- proxy            200
    ",
    );
    assert_eq!(names_of(&mut stage).asked(), [FAR], "the second call needs no question");
    stage.leaves_nothing();
}

/// What is known needs no question and no waiting. RFC 3263 §4.
#[test]
fn a_known_name_is_not_asked_again() {
    let mut stage = scene(one_place().delay_ms(50)).run(
        "
        alice  -> proxy            OPTIONS sip:far.example.org
        +50ms     proxy -> far     OPTIONS
                  proxy <- far     200
        alice  <- proxy            200
        +1min alice -> proxy       OPTIONS sip:far.example.org #2
                  proxy -> far     OPTIONS #2
                  proxy <- far     200 #2
        alice  <- proxy            200 #2
    ",
    );
    assert_eq!(names_of(&mut stage).asked().len(), 1);
    stage.leaves_nothing();
}

/// A name in use is asked again before its time is over, and nobody waits.
#[test]
fn a_name_in_use_is_asked_again_in_time() {
    let mut stage = scene(one_place().ttl_s(FAR, 100).delay_ms(300)).run(
        "
        alice  -> proxy            OPTIONS sip:far.example.org
        +300ms    proxy -> far     OPTIONS
                  proxy <- far     200
        alice  <- proxy            200
        +95s alice -> proxy        OPTIONS sip:far.example.org #2
                  proxy -> far     OPTIONS #2
                  proxy <- far     200 #2
        alice  <- proxy            200 #2
        +15s alice -> proxy        OPTIONS sip:far.example.org #3
                  proxy -> far     OPTIONS #3
                  proxy <- far     200 #3
        alice  <- proxy            200 #3
    ",
    );
    assert_eq!(names_of(&mut stage).asked().len(), 2);
    stage.leaves_nothing();
}

/// The caller hangs up before it is known where to send the call. RFC 3261 §16.10, RFC 3261 §9.2.
#[test]
fn a_waiting_call_is_cancelled() {
    scene(one_place().delay_ms(1_000))
        .run(
            "
        alice  -> proxy            INVITE sip:bob@far.example.org
        +100ms alice -> proxy      CANCEL
        alice  <- proxy            200 CANCEL
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
    ",
        )
        .leaves_nothing();
}

/// Names that lead nowhere: RFC 3261 §21.4.5 for those that are known not to be there, RFC 3261 §21.5.5 where nobody
/// says.
#[test]
fn names_that_lead_nowhere() {
    for (why, status) in [
        (Nowhere::NoSuchName, 404),
        (Nowhere::NotOffered, 404),
        (Nowhere::NoTransport, 502),
        (Nowhere::NotAllowed, 403),
        (Nowhere::Unanswered, 504),
    ] {
        let stage = scene(NameServer::new().nowhere(FAR, why).delay_ms(30)).run(&format!(
            "
        alice  -> proxy            INVITE sip:bob@far.example.org
        +30ms alice <- proxy       {status}
        alice  -> proxy            ACK
        "
        ));
        let counts =
            [EventKind::NameUnresolved, EventKind::CallFailed].map(|kind| stage.exchange().count(kind));
        assert_eq!(counts, [1, 1], "{status}");
        stage.leaves_nothing();
    }
}

/// A name is known to lead nowhere, and a moment later it leads somewhere. A request that was refused meanwhile stays so: its
/// repetition hears the same. RFC 3261 §8.2.7, RFC 3261 §17.2.2.
#[test]
fn a_refusal_by_name_stays_one() {
    let mut stage = scene(NameServer::new().nowhere(FAR, Nowhere::Unanswered)).run(
        "
        alice  -> proxy            OPTIONS sip:far.example.org
        alice  <- proxy            504
        +1s alice -> proxy         OPTIONS sip:far.example.org #2
        alice  <- proxy            504 #2
    ",
    );
    *names_of(&mut stage) = one_place();
    stage.play(
        "
        +1.5s alice -> proxy       OPTIONS sip:far.example.org #2 (again)
        alice  <- proxy            504 #2
        alice  -> proxy            OPTIONS sip:far.example.org #3
                  proxy -> far     OPTIONS #3
                  proxy <- far     200 #3
        alice  <- proxy            200 #3
    ",
    );
    stage.leaves_nothing();
}

/// The name server is dead: patience ends with 504. RFC 3261 §21.5.5.
#[test]
fn nobody_waits_for_ever() {
    let mut names = one_place();
    names.set_dead(true);
    scene(names)
        .run(
            "
        alice  -> proxy            OPTIONS sip:far.example.org
        +3500ms alice <- proxy     100
        +2500ms alice <- proxy     504
    ",
        )
        .leaves_nothing();
}

/// Who owns a name shall not reach into our network. A name that leads to ourselves is none of ours: RFC 3261 §21.4.5.
#[test]
fn a_name_leads_neither_inside_nor_back() {
    for (place, status) in
        [("udp 10.0.0.1:5060", 403), ("udp 127.0.0.1:5060", 403), ("udp 198.51.100.1:5060", 404)]
    {
        scene(NameServer::new().name(FAR, &[place]))
            .run(&format!(
                "
        alice  -> proxy            OPTIONS sip:far.example.org
        alice  <- proxy            {status}
        "
            ))
            .leaves_nothing();
    }
}

/// 503 of one server: the next one is tried, by a branch of its own. RFC 3263 §4.3.
#[test]
fn after_a_503_the_next_address_is_tried() {
    let stage = scene(two_places()).run(
        "
        alice  -> proxy            INVITE sip:bob@far.example.org
                  proxy -> far     INVITE
                  proxy <- far     503
                  proxy -> far     ACK
                  proxy -> farther INVITE sip:bob@far.example.org
                  proxy <- farther 200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> farther ACK
    ",
    );
    assert_eq!(stage.exchange().count(EventKind::TargetDead), 1);
}

/// All have failed: a 503 becomes 500 for the caller. RFC 3263 §4.3, RFC 3261 §16.7 step 6.
#[test]
fn when_all_addresses_have_failed() {
    scene(two_places()).run(
        "
        alice  -> proxy            OPTIONS sip:far.example.org
                  proxy -> far     OPTIONS
                  proxy <- far     503
                  proxy -> farther OPTIONS
                  proxy <- farther 503
        alice  <- proxy            500
    ",
    );
}

/// A server that says nothing at all: after four seconds the next one rings. When the first wakes up, it is cancelled.
/// RFC 3263 §4.3, RFC 3261 §9.1.
#[test]
fn a_silent_server_is_left() {
    scene(two_places()).run(
        "
        alice  -> proxy            OPTIONS sip:far.example.org
                  proxy x-> far    OPTIONS
        +500ms    proxy x-> far    OPTIONS (again)
        +1s       proxy x-> far    OPTIONS (again)
        +2s       proxy x-> far    OPTIONS (again)
        alice  <- proxy            100
        +500ms    proxy -> farther OPTIONS
                  proxy <- farther 200
        alice  <- proxy            200
    ",
    );
}

/// The first server wakes up when the second rings already: it is cancelled. RFC 3263 §4.3, RFC 3261 §9.1.
#[test]
fn a_server_that_wakes_up_too_late_is_cancelled() {
    scene(two_places()).run(
        "
        alice  -> proxy            INVITE sip:bob@far.example.org
                  proxy x-> far    INVITE
        +200ms alice <- proxy      100
        +300ms    proxy x-> far    INVITE (again)
        +1s       proxy x-> far    INVITE (again)
        +2s       proxy x-> far    INVITE (again)
        +500ms    proxy -> farther INVITE
                  proxy <- farther 180
        alice  <- proxy            180
        +3500ms   proxy -> far     INVITE (again)
                  proxy <- far     180
        alice  <- proxy            180
                  proxy -> far     CANCEL
                  proxy <- far     200 CANCEL
                  proxy <- far     487 INVITE
                  proxy -> far     ACK
                  proxy <- farther 200 INVITE
        alice  <- proxy            200 INVITE
        alice  -> proxy            ACK (with farther)
                  proxy -> farther ACK
    ",
    );
}

/// The flow up to where the second server rings because the first has said nothing.
const SECOND_RINGS: &str = "
        alice  -> proxy            INVITE sip:bob@far.example.org
                  proxy x-> far    INVITE
        +200ms alice <- proxy      100
        +300ms    proxy x-> far    INVITE (again)
        +1s       proxy x-> far    INVITE (again)
        +2s       proxy x-> far    INVITE (again)
        +500ms    proxy -> farther INVITE
                  proxy <- farther 180
        alice  <- proxy            180
        +3500ms   proxy -> far     INVITE (again)
";

/// The first server takes the call with its first word, when the second rings already: that one stops ringing. RFC 3261
/// §16.7 step 10, RFC 3263 §4.3.
#[test]
fn a_server_that_answers_too_late_ends_the_ringing() {
    scene(two_places())
        .run(&format!(
            "{SECOND_RINGS}
                  proxy <- far     200 INVITE
        alice  <- proxy            200 INVITE
                  proxy -> farther CANCEL
                  proxy <- farther 200 CANCEL
                  proxy <- farther 487 INVITE
                  proxy -> farther ACK
        alice  -> proxy            ACK (with far)
                  proxy -> far     ACK
        alice  -> proxy            BYE (with far)
                  proxy -> far     BYE
                  proxy <- far     200
        alice  <- proxy            200
    "
        ))
        .leaves_nothing();
}

/// A server that has woken up is a branch like any other: the caller hears the refusal of the next one when it has ended too.
/// RFC 3261 §16.7 step 6, RFC 3263 §4.3.
#[test]
fn a_server_that_has_woken_up_is_waited_for() {
    scene(two_places())
        .run(&format!(
            "{SECOND_RINGS}
                  proxy <- far     180
        alice  <- proxy            180
                  proxy -> far     CANCEL
                  proxy <- far     200 CANCEL
                  proxy <- farther 486 INVITE
                  proxy -> farther ACK
                  proxy <- far     487 INVITE
                  proxy -> far     ACK
        alice  <- proxy            486 INVITE
        alice  -> proxy            ACK
    "
        ))
        .leaves_nothing();
}

/// It takes the call after all, before it hears of the CANCEL: the caller has that. RFC 3261 §16.7 step 5, RFC 3263 §4.3.
#[test]
fn a_server_that_has_woken_up_may_take_the_call() {
    scene(two_places())
        .run(&format!(
            "{SECOND_RINGS}
                  proxy <- far     180
        alice  <- proxy            180
                  proxy -> far     CANCEL
                  proxy <- farther 603 INVITE
                  proxy -> farther ACK
                  proxy <- far     200 INVITE
        alice  <- proxy            200 INVITE
                  proxy <- far     200 CANCEL
        alice  -> proxy            ACK (with far)
                  proxy -> far     ACK
        alice  -> proxy            BYE (with far)
                  proxy -> far     BYE
                  proxy <- far     200
        alice  <- proxy            200
    "
        ))
        .leaves_nothing();
}

/// Both are silent for too long, and the first answers yet. RFC 3261 §16.7 step 5, RFC 3263 §4.3.
#[test]
fn a_late_answer_is_an_answer() {
    scene(two_places())
        .run(
            "
        alice  -> proxy            OPTIONS sip:far.example.org
                  proxy x-> far    OPTIONS
        +500ms    proxy x-> far    OPTIONS (again)
        +1s       proxy x-> far    OPTIONS (again)
        +2s       proxy -> far     OPTIONS (again)
        alice  <- proxy            100
        +500ms    proxy -> farther OPTIONS
        +100ms    proxy <- far     200
        alice  <- proxy            200
                  proxy <- farther 200
    ",
        )
        .leaves_nothing();
}

/// One that failed is passed over by the calls that follow, asked by OPTIONS, and used again when it answers.
/// RFC 3263 §4.3, RFC 3261 §11.
#[test]
fn a_dead_server_is_passed_over_until_it_answers() {
    let stage = scene(two_places()).run(
        "
        alice  -> proxy            OPTIONS sip:far.example.org
                  proxy -> far     OPTIONS
                  proxy <- far     503
                  proxy -> farther OPTIONS
                  proxy <- farther 200
        alice  <- proxy            200
        +1s alice -> proxy         OPTIONS sip:far.example.org #2
                  proxy -> farther OPTIONS #2
                  proxy <- farther 200 #2
        alice  <- proxy            200 #2
        +8s..10s  proxy -> far     OPTIONS sip:203.0.113.1:5060 #3
                  proxy <- far     200 #3
        +1s alice -> proxy         OPTIONS sip:far.example.org #4
                  proxy -> far     OPTIONS #4
                  proxy <- far     200 #4
        alice  <- proxy            200 #4
    ",
    );
    assert_eq!(stage.exchange().count(EventKind::TargetAlive), 1);
    stage.leaves_nothing();
}

/// The ACK to a 2xx and the BYE go to a Contact that is a name; an ACK that must wait is not lost. RFC 3261 §12.2.1.1,
/// RFC 3263 §4.
#[test]
fn within_a_dialog_contacts_may_be_names() {
    let names = NameServer::new().name("sip:pc.far.example.org", &["udp 203.0.113.1:5060"]).delay_ms(80);
    scene(names)
        .run(
            "
        given far is registered
        alice  -> proxy            INVITE far
                  proxy -> far     INVITE
                  proxy <- far     200
            Contact: <sip:far@pc.far.example.org>
        alice  <- proxy            200
        alice  -> proxy            ACK
        +80ms     proxy -> far     ACK sip:far@pc.far.example.org
        alice  -> proxy            BYE
                  proxy -> far     BYE sip:far@pc.far.example.org
                  proxy <- far     200
        alice  <- proxy            200
    ",
        )
        .leaves_nothing();
}

/// A Route of the request that is a name. RFC 3261 §16.6 step 7.
#[test]
fn a_route_may_be_a_name() {
    scene(one_place().delay_ms(10))
        .run(
            "
        alice  -> proxy            OPTIONS sip:bob@elsewhere.example.org
            Route: <sip:far.example.org;lr>
        +10ms     proxy -> far     OPTIONS sip:bob@elsewhere.example.org
            Route: <sip:far.example.org;lr>
                  proxy <- far     200
        alice  <- proxy            200
    ",
        )
        .leaves_nothing();
}

/// What is too large for a datagram goes by TCP, if the name does not say UDP. RFC 3261 §18.1.1.
#[test]
fn a_large_request_goes_by_tcp() {
    let long = "x".repeat(1_200);
    scene(one_place()).run(&format!(
        "
        alice  -> proxy            OPTIONS sip:far.example.org
            Subject: {long}
                  proxy -> far/tcp OPTIONS
                  proxy <- far     200
        alice  <- proxy            200
        "
    ));
    let by_udp = NameServer::new().name("sip:far.example.org;transport=udp", &["udp 203.0.113.1:5060"]);
    scene(by_udp).run(&format!(
        "
        alice  -> proxy            OPTIONS sip:far.example.org;transport=udp
            Subject: {long}
                  proxy -> far     OPTIONS
                  proxy <- far     200
        alice  <- proxy            200
        "
    ));
}
