//! Call detail records: what became of a call, exactly once. Beside these stories every ladder that ends with
//! `leaves_nothing`, and every random evening, is checked against its records (`ledger.rs`).

use offhook_cdr::{EndedBy, Outcome, Record};
use offhook_ladder::Stage;

use crate::exchange::{CALL_MAX_MS, OPEN, Observed, ladder, open_ladder, scene, scene_on_disk};
use crate::websocket::with_websocket;

/// The one record there is.
fn record(stage: &Stage) -> Record {
    let records = stage.records();
    let [record] = &records[..] else { panic!("{} records: {records:#?}", records.len()) };
    record.clone()
}

const ANSWERED: &str = "
        given bob is registered
        alice  -> proxy            INVITE bob
            User-Agent: desk phone
                  proxy -> bob     INVITE
        +100ms    proxy <- bob     180
        alice  <- proxy            180
        +2s       proxy <- bob     200
            User-Agent: soft phone
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
";

/// Who, when, by which devices, and who hung up: the caller does. RFC 3261 §15.1.
#[test]
fn the_caller_hangs_up() {
    let mut stage = ladder(&ANSWERED.replace(
        "alice  -> proxy            INVITE bob\n",
        "
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob (auth)
",
    ));
    assert_eq!(stage.records(), [], "it goes on");
    stage.play(
        "
        +10s alice -> proxy        BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    );
    let record = record(&stage);
    assert_eq!(
        (record.outcome, record.ended_by, record.status),
        (Outcome::Answered, Some(EndedBy::Caller), 200)
    );
    assert_eq!(record.ring_ms, Some(record.start_ms + 100));
    assert_eq!(record.answer_ms, Some(record.start_ms + 2_100));
    assert_eq!((record.end_ms, record.duration_ms()), (Some(record.start_ms + 12_100), Some(10_000)));
    assert_eq!((record.user.split_once('@'), &*record.route), (Some(("alice", "example.com")), "user"));
    assert_eq!((&*record.caller_agent, &*record.callee_agent), ("desk phone", "soft phone"));
    assert!(record.from.starts_with("sip:alice@") && record.to.starts_with("sip:bob@"), "{record:?}");
    assert!(record.caller_source.starts_with("udp 192.0.2."), "{record:?}");
    assert!(record.callee_contact.contains("sip:bob@192.0.2."), "{record:?}");
    stage.leaves_nothing();
}

/// The callee does; his BYE comes from the other side of the dialog. RFC 3261 §12, RFC 3261 §15.1.
#[test]
fn the_callee_hangs_up() {
    let mut stage = open_ladder(ANSWERED);
    stage.play(
        "
        +5s       proxy <- bob     BYE
        alice  <- proxy            BYE
        alice  -> proxy            200
                  proxy -> bob     200 BYE
    ",
    );
    let record = record(&stage);
    assert_eq!((record.ended_by, record.duration_ms()), (Some(EndedBy::Callee), Some(5_000)));
    stage.leaves_nothing();
}

/// A BYE that is refused ends nothing; one that is not known any more does. RFC 3261 §15.1.1.
#[test]
fn a_bye_that_is_refused_ends_nothing() {
    let mut stage = open_ladder(ANSWERED);
    stage.play(
        "
        +5s  alice -> proxy        BYE
                  proxy -> bob     BYE
                  proxy <- bob     500
        alice  <- proxy            500
    ",
    );
    assert_eq!(stage.records(), []);
    stage.play(
        "
        +5s  alice -> proxy        BYE
                  proxy -> bob     BYE
                  proxy <- bob     481
        alice  <- proxy            481
    ",
    );
    assert_eq!(record(&stage).duration_ms(), Some(10_000));
    stage.leaves_nothing();
}

/// The proxy behind us can bring the BYE to nobody. For who has sent it the call is over, and it does not come again.
/// RFC 5057 §5.1, RFC 5626 §11.5.
#[test]
fn a_bye_that_reaches_nobody_ends_the_call() {
    for status in ["480", "430"] {
        let mut stage = open_ladder(ANSWERED);
        stage.play(&format!(
            "
        +5s  alice -> proxy        BYE
                  proxy -> bob     BYE
                  proxy <- bob     {status}
        alice  <- proxy            480
            "
        ));
        assert_eq!(record(&stage).duration_ms(), Some(5_000), "{status}");
        stage.leaves_nothing();
    }
}

/// Busy, declined, not there: each is a record with the status that the caller was sent. RFC 3261 §21.
#[test]
fn refused_calls() {
    for (status, outcome) in [
        ("486", Outcome::Busy),
        ("486 Gone fishing", Outcome::Busy),
        ("600", Outcome::Busy),
        ("603", Outcome::Declined),
        ("480", Outcome::Unavailable),
        ("302", Outcome::Redirected),
        ("488", Outcome::Failed),
    ] {
        let stage = open_ladder(&format!(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
        +150ms    proxy <- bob     {status}
                  proxy -> bob     ACK
        alice  <- proxy            {status}
        alice  -> proxy            ACK
    "
        ));
        let record = record(&stage);
        let (status, words) = status.split_once(' ').unwrap_or((status, ""));
        assert_eq!((record.outcome, record.status.to_string().as_str()), (outcome, status));
        assert!(record.reason.ends_with(words), "his own words: {record:?}");
        assert_eq!((record.answer_ms, record.end_ms), (None, Some(record.start_ms + 150)));
        assert!(!record.reason.is_empty(), "{record:?}");
        stage.leaves_nothing();
    }
}

/// The other side's connection is gone, so the BYE can be brought to nobody: the call is over all the same, for who has sent a
/// BYE is in it no more. RFC 3261 §15.1.1.
#[test]
fn the_other_side_is_gone_when_one_hangs_up() {
    let stage = with_websocket(scene(OPEN)).run(
        "
        given bob is registered over ws
        alice  -> proxy/udp        INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        +10s      proxy <- bob     close
        +5s alice -> proxy         BYE
        alice  <- proxy            480
    ",
    );
    let record = record(&stage);
    assert_eq!((record.outcome, record.ended_by), (Outcome::Answered, Some(EndedBy::Caller)));
    assert_eq!(record.duration_ms(), Some(15_000));
    stage.leaves_nothing();
}

/// Nobody is registered: we refuse it ourselves, and a copy of the INVITE makes no second record.
#[test]
fn nobody_is_there() {
    let mut stage = open_ladder(
        "
        alice  -> proxy            INVITE bob
        alice  <- proxy            404
        alice  -> proxy            INVITE bob (again)
        alice  <- proxy            404 (again)
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob (again)
    ",
    );
    stage.play("+40s");
    let record = record(&stage);
    assert_eq!((record.outcome, record.status), (Outcome::Unavailable, 404));
    stage.leaves_nothing();
}

/// The caller gives up; his Reason is kept. RFC 3261 §9, RFC 3326 §2.
#[test]
fn cancelled_by_the_caller() {
    let stage = open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        +5s alice -> proxy         CANCEL
            Reason: SIP;cause=200;text=\"Call completed elsewhere\"
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL
                  proxy <- bob     200
                  proxy <- bob     487
                  proxy -> bob     ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
    ",
    );
    let record = record(&stage);
    assert_eq!((record.outcome, record.status), (Outcome::Cancelled, 487));
    assert_eq!(record.reason, "SIP;cause=200;text=\"Call completed elsewhere\"");
    stage.leaves_nothing();
}

/// Nobody takes it until we end it: the caller has done nothing. RFC 3261 §16.8.
#[test]
fn nobody_takes_it() {
    let stage = open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        +181s     proxy -> bob     CANCEL
                  proxy <- bob     200 CANCEL
                  proxy <- bob     487 INVITE
                  proxy -> bob     ACK
        alice  <- proxy            487
        alice  -> proxy            ACK
    ",
    );
    let record = record(&stage);
    assert_eq!((record.outcome, record.status), (Outcome::NoAnswer, 487));
    stage.leaves_nothing();
}

/// Two phones answer at once: one record, and it lasts until both have ended. RFC 3261 §13.2.2.4.
#[test]
fn two_phones_answer() {
    let mut stage = open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy <- desk    200
                  proxy <- mobile  200
        alice  <- proxy            200
        alice  <- proxy            200
        alice  -> proxy            ACK (with desk)
                  proxy -> desk    ACK
        alice  -> proxy            ACK (with mobile)
                  proxy -> mobile  ACK
        alice  -> proxy            BYE (with desk)
                  proxy -> desk    BYE
                  proxy <- desk    200
        alice  <- proxy            200
    ",
    );
    assert_eq!(stage.records(), [], "one of them is still in the call");
    stage.play(
        "
        +7s alice -> proxy         BYE (with mobile)
                  proxy -> mobile  BYE
                  proxy <- mobile  200
        alice  <- proxy            200
    ",
    );
    let record = record(&stage);
    assert_eq!(record.duration_ms(), Some(7_000));
    assert!(record.callee_contact.contains("sip:mobile@"), "{record:?}");
    stage.leaves_nothing();
}

/// The BYE never comes: after the longest call the record says that its end is not known.
#[test]
fn a_call_whose_bye_never_comes() {
    let mut stage = open_ladder(ANSWERED);
    stage.play(&format!("+{}ms", CALL_MAX_MS - 1));
    assert_eq!(stage.records(), []);
    stage.play("+1ms");
    let record = record(&stage);
    assert_eq!((record.ended_by, record.end_ms), (Some(EndedBy::Unknown), None));
    stage.leaves_nothing();
}

/// With a session timer it is over when the timer is not renewed. RFC 4028 §10, RFC 4028 §8.2.
#[test]
fn a_session_timer_runs_out() {
    let mut stage = open_ladder(
        &ANSWERED
            .replace("User-Agent: soft", "Session-Expires: 90;refresher=uac\n            User-Agent: soft"),
    );
    stage.play(
        "
        +60s alice -> proxy        UPDATE
                  proxy -> bob     UPDATE
                  proxy <- bob     200
            Session-Expires: 90;refresher=uac
        alice  <- proxy            200
        +121999ms
    ",
    );
    assert_eq!(stage.records(), []);
    stage.play("+1ms");
    let record = record(&stage);
    assert_eq!((record.ended_by, record.duration_ms()), (Some(EndedBy::SessionTimer), Some(150_000)));
    stage.leaves_nothing();
}

/// The exchange dies in the middle of the call: the BYE goes through its successor, and there is one record.
#[test]
fn a_restart_in_the_middle_of_a_call() {
    let mut stage = scene_on_disk(OPEN).run(ANSWERED);
    stage.kill_and_restart();
    stage.play(
        "
        +10s alice -> proxy        BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    );
    let record = record(&stage);
    assert_eq!((record.ended_by, record.duration_ms()), (Some(EndedBy::Caller), Some(10_000)));
    stage.leaves_nothing();
}

/// It dies while it rings: the caller's retransmission goes on with the same record. RFC 3261 §17.1.1.2.
#[test]
fn a_restart_while_it_rings() {
    let mut stage = scene_on_disk(OPEN).run(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy x-> bob    INVITE
    ",
    );
    stage.kill_and_restart();
    stage.play(
        "
        alice  -> proxy            INVITE bob (again)
                  proxy -> bob     INVITE
                  proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    );
    assert_eq!(record(&stage).outcome, Outcome::Busy);
}

/// The INVITE comes a second time by another branch, as from a proxy before us that was killed: one call, and whichever
/// copy is answered, the record says so. RFC 3261 §8.2.2.2.
#[test]
fn an_invite_that_comes_by_another_branch() {
    let gives_up = "
        alice  -> proxy            CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL
                  proxy <- bob     200 CANCEL
                  proxy <- bob     487 INVITE
    ";
    for (refusal, status) in [(gives_up, 487), ("proxy <- bob     486", 486)] {
        let mut stage = open_ladder(&format!(
            "
        given bob is registered
        given desk is registered as carol
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        edge   -> proxy            INVITE carol #2
            Call-ID: call-alice-1
            From: <sip:alice@example.com>;tag=alice-2
                  proxy -> desk    INVITE
                  proxy <- desk    180
        edge   <- proxy            180
        +4s       proxy <- desk    200
        edge   <- proxy            200
        edge   -> proxy            ACK
                  proxy -> desk    ACK
        {refusal}
                  proxy -> bob     ACK
        alice  <- proxy            {status} INVITE
        alice  -> proxy            ACK
        +9s       proxy <- desk    BYE
        edge   <- proxy            BYE
        edge   -> proxy            200 BYE
                  proxy -> desk    200 BYE
        "
        ));
        let record = record(&stage);
        assert_eq!((record.outcome, record.status), (Outcome::Answered, 200));
        assert_eq!(record.answer_ms, Some(record.start_ms + 4_000));
        assert_eq!((record.ended_by, record.duration_ms()), (Some(EndedBy::Callee), Some(9_000)));
        stage.play("+80s");
    }
}

/// Nobody was there, and when a stranger's phone repeats its INVITE somebody is: his refusal left no state, and was not the
/// end. RFC 3261 §17.1.1.2.
#[test]
fn a_refused_invite_whose_repetition_is_answered() {
    let stage = ladder(
        "
        trudy  -> proxy            INVITE bob
            From: <sip:trudy@elsewhere.example>;tag=t1
        trudy  <-x proxy           480
        given bob is registered
        +500ms trudy -> proxy      INVITE bob (again)
                  proxy -> bob     INVITE
                  proxy <- bob     180
        trudy  <- proxy            180
        +1s       proxy <- bob     200
        trudy  <- proxy            200
        trudy  -> proxy            ACK
                  proxy -> bob     ACK
        +3s trudy -> proxy         BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        trudy  <- proxy            200
    ",
    );
    let record = record(&stage);
    assert_eq!((record.outcome, record.status), (Outcome::Answered, 200));
    assert_eq!((&*record.route, record.duration_ms()), ("user", Some(3_000)));
    stage.leaves_nothing();
}

/// A refusal of ours is recorded in the words that the caller is told. RFC 3261 §21.5.3.
#[test]
fn a_refusal_of_ours_has_its_reason() {
    let stage = open_ladder(
        "
        alice  -> proxy            INVITE sip:x@192.0.2.99;transport=tls
        alice  <- proxy            502 No way to that transport*
        alice  -> proxy            ACK
        +1s
    ",
    );
    let record = record(&stage);
    assert_eq!((record.status, &*record.reason), (502, "No way to that transport or address family"));
    stage.leaves_nothing();
}

/// The record says by which trunk the call goes out that is answered, where a phone or the provider has sent it elsewhere: with
/// credentials or without. RFC 3261 §16.7 step 4.
#[test]
fn the_trunk_of_a_redirected_call() {
    let trunk = |login: &str| {
        format!(
            "
    [access]
    authenticate_register = false
    [[trunk]]
    name = \"provider\"
    targets = [{{ to = \"sip:192.0.2.50\" }}]
    {login}
    [[route]]
    match = {{ prefix = \"00\" }}
    trunk = \"provider\"
"
        )
    };
    let call = |called: &str, first: &str, to: &str, then: &str| {
        format!(
            "
        given bob is registered
        alice  -> proxy            INVITE {called}
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE {called} (auth)
                  proxy -> {first} INVITE
                  proxy <- {first} 302
            Contact: <{to}>
                  proxy -> {first} ACK
                  proxy -> {then}  INVITE
                  proxy <- {then}  200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> {then}  ACK
        +1s    alice -> proxy      BYE
                  proxy -> {then}  BYE
                  proxy <- {then}  200
        alice  <- proxy            200
    "
        )
    };
    for login in ["", "user = \"4930123\"\npassword = \"correct horse\""] {
        for (called, first, to, then, by) in [
            ("bob", "bob", "sip:0049301@example.com", "trunk", "provider"),
            ("sip:0049301@example.com", "trunk", "sip:bob@example.com", "bob", ""),
        ] {
            let mut stage =
                scene(&trunk(login)).address("trunk", "192.0.2.50:5060").run(&call(called, first, to, then));
            assert_eq!(record(&stage).trunk, by, "{called}");
            stage.play("+40s");
            stage.leaves_nothing();
        }
    }
}
