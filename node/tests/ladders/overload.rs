//! Overload between neighbours: RFC 7339, loss-based. First what we tell those who offer to listen, then what we do when
//! a next hop asks us for less.

use offhook_journal::EventKind;
use offhook_ladder::{Ladder, Stage};
use offhook_net::Engine;

use crate::exchange::{Exchange, OPEN, Observed, scene};

/// Somebody who would hold back.
const LISTENS: &str = "Via: SIP/2.0/UDP {alice};branch=z9hG4bK-{n};oc;oc-algo=\"loss\"";

/// The Via of an answer when there is nothing to hold back.
const NOTHING: &str =
    "Via: SIP/2.0/UDP {alice};branch=z9hG4bK-*;received=*;oc=0;oc-algo=\"loss\";oc-validity=0;oc-seq=*";

/// Messages wait so long, as the socket loop sees it, ms.
fn wait(stage: &mut Stage, waited_ms: u32) {
    let proxy = stage.proxy();
    stage.world_mut().engine_mut::<Exchange>(proxy).note_wait(waited_ms);
}

/// They do for more than a moment.
fn flood(stage: &mut Stage) {
    for n in 101..103 {
        wait(stage, 1000);
        burst(stage, n, 1, NOTHING);
        stage.play("+100ms");
    }
}

/// So many OPTIONS at one instant, of which the first four are let in.
fn burst(stage: &mut Stage, first: u32, count: u32, via: &str) {
    for n in first..first + count {
        let listens = LISTENS.replace("{n}", &n.to_string());
        let (status, more) = if n < first + 4 { (200, "") } else { (503, "!Retry-After") };
        stage.play(&format!(
            "
        alice  -> proxy            OPTIONS proxy #{n}
            {listens}
        alice  <- proxy            {status} #{n}
            {via}
            {more}
        "
        ));
    }
}

/// Who offers to listen is told that there is no overload: `oc=0`, and what was chosen of the list.
/// RFC 7339 §5.1, RFC 7339 §4.2.
#[test]
fn there_is_nothing_to_hold_back() {
    for offer in ["oc;oc-algo=\"loss\"", "oc-algo=\"rate,loss\";oc", "rport;oc;oc-algo=\"loss,A\""] {
        scene(OPEN)
            .run(&format!(
                "
        alice  -> proxy            OPTIONS proxy
            Via: SIP/2.0/UDP {{alice}};branch=z9hG4bK-1;{offer}
        alice  <- proxy            200
            Via: SIP/2.0/UDP {{alice}};*;oc=0;oc-algo=\"loss\";oc-validity=0;oc-seq=*.*
        "
            ))
            .leaves_nothing();
    }
}

/// Who offers nothing, or another scheme, or asks instead of offering, is told nothing. RFC 7339 §5.1.
#[test]
fn nobody_is_told_who_does_not_listen() {
    for (offer, answer) in [
        ("", "Via: SIP/2.0/UDP {alice};branch=z9hG4bK-1"),
        (";oc;oc-algo=\"rate\"", "Via: SIP/2.0/UDP {alice};branch=z9hG4bK-1;received=*"),
        (";oc=20;oc-algo=\"loss\"", "Via: SIP/2.0/UDP {alice};branch=z9hG4bK-1;received=*"),
    ] {
        let mut stage = scene(OPEN).run(&format!(
            "
        alice  -> proxy            OPTIONS proxy
            Via: SIP/2.0/UDP {{alice}};branch=z9hG4bK-1{offer}
        alice  <- proxy            200
            {answer}
        "
        ));
        assert!(!stage.world().trace().last().is_some_and(|entry| {
            entry.message().is_some_and(|text| String::from_utf8_lossy(text).contains("oc-seq"))
        }));
        stage.play("+1s");
        stage.leaves_nothing();
    }
}

/// It can be switched off.
#[test]
fn feedback_can_be_off() {
    scene(&format!("{OPEN}[overload]\nfeedback = false\n"))
        .run(
            "
        alice  -> proxy            OPTIONS proxy
            Via: SIP/2.0/UDP {alice};branch=z9hG4bK-1;oc;oc-algo=\"loss\"
        alice  <- proxy            200
            Via: SIP/2.0/UDP {alice};branch=z9hG4bK-1;received={alice.host}
    ",
        )
        .leaves_nothing();
}

/// A call: each answer says it, the 100 of ours and those from downstream; the offer and the answer go one hop only.
/// RFC 7339 §5.2, RFC 7339 §5.6, RFC 7339 §5.11, RFC 7339 §5.4.
#[test]
fn every_answer_of_a_call_says_it() {
    scene(OPEN)
        .run(&format!(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
            Via: SIP/2.0/UDP {{alice}};branch=z9hG4bK-1;oc;oc-algo=\"loss\"
                  proxy -> bob     INVITE
            Via: SIP/2.0/UDP {{proxy.host}};rport;branch=z9hG4bK*
            Via: SIP/2.0/UDP {{alice}};branch=z9hG4bK-1;received={{alice.host}}
        +200ms alice <- proxy      100
            {NOTHING}
                  proxy <- bob     180
        alice  <- proxy            180
            {NOTHING}
                  proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486
            {NOTHING}
        alice  -> proxy            ACK
            Via: SIP/2.0/UDP {{alice}};branch=z9hG4bK-1;oc;oc-algo=\"loss\"
    "
        ))
        .leaves_nothing();
}

/// What we make up ourselves says it too: the 408 for a phone that stays silent. RFC 7339 §5.2.
#[test]
fn an_answer_in_place_of_silence_says_it() {
    scene(OPEN)
        .run(&format!(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
            Via: SIP/2.0/UDP {{alice}};branch=z9hG4bK-1;oc;oc-algo=\"loss\"
                  proxy -> bob     INVITE
        +200ms alice <- proxy      100
        +300ms    proxy -> bob     INVITE (again)
        +1s       proxy -> bob     INVITE (again)
        +2s       proxy -> bob     INVITE (again)
        +4s       proxy -> bob     INVITE (again)
        +8s       proxy -> bob     INVITE (again)
        +16s      proxy -> bob     INVITE (again)
        +500ms alice <- proxy      408
            {NOTHING}
        alice  -> proxy            ACK
            Via: SIP/2.0/UDP {{alice}};branch=z9hG4bK-1;oc;oc-algo=\"loss\"
    "
        ))
        .leaves_nothing();
}

/// Too much came: a fifth of it was refused, so a fifth less is asked for, and no more when it is over. The refused are
/// not sent away altogether: no Retry-After. RFC 7339 §5.2, RFC 7339 §5.7, RFC 7339 §7.1, RFC 7339 §5.10.
#[test]
fn a_fifth_less_is_asked_for() {
    let mut stage = scene(OPEN).run("+1ms");
    flood(&mut stage);
    burst(&mut stage, 1, 5, NOTHING);
    stage.play("+200ms");
    burst(&mut stage, 6, 4, &NOTHING.replace("oc=0", "oc=20").replace("validity=0", "validity=500"));
    wait(&mut stage, 0);
    stage.play("+2s");
    burst(&mut stage, 10, 1, NOTHING);
    assert_eq!(stage.exchange().count(EventKind::RequestTurnedAway), 1);
    stage.leaves_nothing();
}

/// The numbers grow from answer to answer. RFC 7339 §4.4.
#[test]
fn later_answers_have_higher_numbers() {
    let mut stage = scene(OPEN).run("+1ms");
    let mut last = 0.0;
    for n in 1..20 {
        burst(&mut stage, n, 1, NOTHING);
        let text = stage.world().trace().last().and_then(|e| e.message()).map(String::from_utf8_lossy);
        let text = text.expect("an answer").into_owned();
        let number = text.split("oc-seq=").nth(1).and_then(|rest| rest.lines().next()).expect("a number");
        let number: f64 = number.parse().expect("a number");
        assert!(number > last, "{number} after {last}");
        last = number;
        stage.play("+1ms");
    }
}

/// Everybody may call through the trunk.
fn trunk(more: &str) -> Ladder {
    scene(&format!(
        "{OPEN}[[route]]\nmatch = {{ domain = \"pstn.example\" }}\nto = \"sip:192.0.2.50:5060\"\n{more}\n"
    ))
    .address("trunk", "192.0.2.50:5060")
}

/// The Via lines of what this phone received last.
fn vias(stage: &Stage, phone: &str) -> Vec<String> {
    let received = stage.world().received(stage.phone(phone));
    let text = received.last().map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default();
    text.lines().filter(|line| line.starts_with("Via: ")).map(str::to_owned).collect()
}

/// Alice's OPTIONS reach the trunk, whose answer says this about its load.
fn the_trunk_says(stage: &mut Stage, n: u32, said: &str) {
    stage.play(&format!(
        "
        alice  -> proxy            OPTIONS sip:1@pstn.example #{n}
                  proxy -> trunk   OPTIONS #{n}
            Via: SIP/2.0/UDP {{proxy.host}};rport;branch=*;oc;oc-algo=\"loss\"
    "
    ));
    let vias = vias(stage, "trunk").join("\n            ").replace("oc;oc-algo=\"loss\"", said);
    stage.play(&format!(
        "
                  proxy <- trunk   200 #{n}
            {vias}
        alice  <- proxy            200 #{n}
            Via: SIP/2.0/UDP {{alice}};branch=z9hG4bK-*
    "
    ));
}

const STOP: &str = "oc=100;oc-algo=\"loss\";oc-validity=2000;oc-seq=1282321615.782";

/// A request that would go to the trunk is answered here.
const HELD_BACK: &str = "
        alice  -> proxy            INVITE sip:1@pstn.example #9
        alice  <- proxy            503 #9
            !Retry-After
        alice  -> proxy            ACK #9
";

/// One that reaches it.
const PASSES: &str = "
        alice  -> proxy            INVITE sip:1@pstn.example #8
                  proxy -> trunk   INVITE #8
                  proxy <- trunk   486 #8
                  proxy -> trunk   ACK #8
        alice  <- proxy            486 #8
        alice  -> proxy            ACK #8
";

/// The trunk asks for everything to be held back, for two seconds: new calls are answered 503 here, without Retry-After,
/// until the time is over. RFC 7339 §4.1, RFC 7339 §4.3, RFC 7339 §5.5, RFC 7339 §5.10.
#[test]
fn a_next_hop_is_spared() {
    let mut stage = trunk("").run("+1ms");
    the_trunk_says(&mut stage, 1, STOP);
    stage.play(HELD_BACK);
    stage.play("+1999ms");
    stage.play(HELD_BACK);
    stage.play("+1ms");
    stage.play(PASSES);
    assert_eq!(stage.exchange().count(EventKind::RequestThrottled), 2);
    assert_eq!(stage.exchange().count(EventKind::NextHopOverloaded), 1);
    assert_eq!(stage.exchange().count(EventKind::NextHopRecovered), 1);
    stage.leaves_nothing();
}

/// Where a trunk has another target, that one takes what the first does not want, as after a 503 of the first. RFC 7339 §5.5.
#[test]
fn the_next_target_takes_what_the_first_does_not_want() {
    let mut stage = scene(&format!(
        "{OPEN}[[trunk]]\nname = \"pair\"\n\
         targets = [{{ to = \"sip:192.0.2.50\" }}, {{ to = \"sip:192.0.2.51\", priority = 1 }}]\n\
         [[route]]\nmatch = {{ domain = \"pstn.example\" }}\ntrunk = \"pair\"\n"
    ))
    .address("trunk", "192.0.2.50:5060")
    .address("second", "192.0.2.51:5060")
    .run("+1ms");
    the_trunk_says(&mut stage, 1, STOP);
    stage.play(
        "
        alice  -> proxy            INVITE sip:1@pstn.example #9
                  proxy -> second  INVITE #9
                  proxy <- second  486 #9
                  proxy -> second  ACK #9
        alice  <- proxy            486 #9
        alice  -> proxy            ACK #9
    ",
    );
    stage.leaves_nothing();
}

/// Two seconds are half a second where the trunk names no time. RFC 7339 §4.3.
#[test]
fn half_a_second_where_nothing_is_said() {
    let mut stage = trunk("").run("+1ms");
    the_trunk_says(&mut stage, 1, "oc=100;oc-algo=\"loss\";oc-seq=1282321615.782");
    stage.play("+499ms");
    stage.play(HELD_BACK);
    stage.play("+1ms");
    stage.play(PASSES);
    stage.leaves_nothing();
}

/// Calls for help reach it all the same, and so does what ends a call. RFC 7339 §5.10.1.
#[test]
fn emergencies_are_not_held_back() {
    let mut stage = trunk("").run(
        "
        alice  -> proxy            INVITE sip:1@pstn.example #2
                  proxy -> trunk   INVITE #2
                  proxy <- trunk   200 #2
        alice  <- proxy            200 #2
        alice  -> proxy            ACK #2
                  proxy -> trunk   ACK #2
    ",
    );
    the_trunk_says(&mut stage, 1, STOP);
    stage.play(
        "
        alice  -> proxy            INVITE sip:112@pstn.example #3
                  proxy -> trunk   INVITE #3
                  proxy <- trunk   486 #3
                  proxy -> trunk   ACK #3
        alice  <- proxy            486 #3
        alice  -> proxy            ACK #3
        alice  -> proxy            INVITE sip:1@pstn.example #4
            Priority: emergency
                  proxy -> trunk   INVITE #4
                  proxy <- trunk   486 #4
                  proxy -> trunk   ACK #4
        alice  <- proxy            486 #4
        alice  -> proxy            ACK #4
        alice  -> proxy            BYE #2
                  proxy -> trunk   BYE #2
                  proxy <- trunk   200 #2
        alice  <- proxy            200 #2
    ",
    );
    stage.play(HELD_BACK);
    stage.leaves_nothing();
}

/// A word of the trunk ends it: `oc-validity=0`, or `oc=0`. RFC 7339 §5.7. The word comes with the answer to a request
/// that passed.
#[test]
fn the_next_hop_says_that_it_is_over() {
    for end in ["oc=100;oc-algo=\"loss\";oc-validity=0", "oc=0;oc-algo=\"loss\";oc-validity=2000"] {
        let mut stage = trunk("").run(
            "
        alice  -> proxy            INVITE sip:112@pstn.example #2
                  proxy -> trunk   INVITE #2
        ",
        );
        let vias = vias(&stage, "trunk").join("\n            ");
        the_trunk_says(&mut stage, 1, STOP);
        stage.play(HELD_BACK);
        stage.play(&format!(
            "
                  proxy <- trunk   180 #2
            {}
        alice  <- proxy            180 #2
        ",
            vias.replace("oc;oc-algo=\"loss\"", &format!("{end};oc-seq=1282321615.783"))
        ));
        stage.play(PASSES);
    }
}

/// An answer that was overtaken says nothing any more. RFC 7339 §5.4.
#[test]
fn an_old_answer_changes_nothing() {
    let mut stage = trunk("").run("+1ms");
    the_trunk_says(&mut stage, 1, "oc=0;oc-algo=\"loss\";oc-validity=0;oc-seq=1282321700.1");
    the_trunk_says(&mut stage, 2, STOP);
    stage.play(PASSES);
    stage.leaves_nothing();
}

/// A trunk that knows nothing of it leaves the offer as it was; one that speaks of another scheme was not asked for it.
/// RFC 7339 §6, RFC 7339 §4.2.
#[test]
fn a_next_hop_without_overload_control() {
    for said in ["oc;oc-algo=\"loss\"", "oc=100;oc-algo=\"rate\";oc-validity=2000;oc-seq=1.1"] {
        let mut stage = trunk("").run("+1ms");
        the_trunk_says(&mut stage, 1, said);
        stage.play(PASSES);
        stage.leaves_nothing();
    }
}

/// Without a transaction too. RFC 7339 §5.5, RFC 3261 §16.11.
#[test]
fn a_stateless_route() {
    let mut stage = trunk("mode = \"stateless\"\nopen = true").run("+1ms");
    the_trunk_says(&mut stage, 1, STOP);
    stage.play(HELD_BACK);
    stage.leaves_nothing();
}

/// Phones are not asked, nor routes that are not to be: then nothing they say counts.
#[test]
fn who_is_not_asked() {
    let mut stage = trunk("overload_control = false").run(
        "
        given bob is registered
        alice  -> proxy            OPTIONS bob #1
                  proxy -> bob     OPTIONS #1
                  proxy <- bob     200 #1
        alice  <- proxy            200 #1
        alice  -> proxy            OPTIONS sip:1@pstn.example #2
                  proxy -> trunk   OPTIONS #2
    ",
    );
    assert!(!vias(&stage, "bob")[0].contains(";oc"), "phones are not asked");
    let vias = vias(&stage, "trunk");
    assert!(!vias[0].contains(";oc"), "nor is this trunk");
    let [ours, hers] = &vias[..] else { panic!("two Vias: {vias:?}") };
    stage.play(&format!(
        "
                  proxy <- trunk   200 #2
            {ours};{STOP}
            {hers}
        alice  <- proxy            200 #2
    "
    ));
    stage.play(PASSES);
    stage.leaves_nothing();
}

/// The same trunk by TCP, where nothing is sent twice.
fn silent_trunk() -> Stage {
    let mut stage = scene(&format!(
        "{OPEN}[[route]]\nmatch = {{ domain = \"pstn.example\" }}\nto = \"sip:192.0.2.50:5060;transport=tcp\"\n"
    ))
    .address("trunk", "192.0.2.50:5060")
    .run(
        "
        alice  -> proxy            INVITE sip:7@pstn.example #7
                  proxy -> trunk/tcp INVITE #7
                  proxy <- trunk   200 #7
        alice  <- proxy            200 #7
        alice  -> proxy            ACK #7
                  proxy -> trunk   ACK #7
    ",
    );
    for n in 1..4 {
        stage.play(&format!(
            "
        alice  -> proxy            INVITE sip:{n}@pstn.example #{n}
                  proxy -> trunk   INVITE #{n}
        @200ms alice <- proxy      100 #{n}
        @32s   alice <- proxy      408 #{n}
        alice  -> proxy            ACK #{n}
    "
        ));
    }
    stage
}

/// A trunk that has left three calls unanswered gets no more: the next caller is told at once. OPTIONS ask whether it is there,
/// and then everything is as before. RFC 7339 §5.9.
#[test]
fn a_silent_next_hop_is_left_alone() {
    let mut stage = silent_trunk();
    assert_eq!(stage.exchange().count(EventKind::TargetDead), 1);
    stage.play(HELD_BACK);
    stage.play(
        "
        +9.9s..11s proxy -> trunk  OPTIONS
                  proxy <- trunk   200
    ",
    );
    stage.play(PASSES);
    assert_eq!(stage.exchange().count(EventKind::RequestThrottled), 1);
    assert_eq!(stage.exchange().count(EventKind::TargetAlive), 1);
}

/// One that answers no OPTIONS is found by a call now and then. RFC 7339 §5.9.
#[test]
fn a_silent_next_hop_is_tried_now_and_then() {
    let mut stage = silent_trunk();
    stage.play(HELD_BACK);
    stage.play(
        "
        +9.9s..11s proxy -> trunk  OPTIONS
        alice  -> proxy            INVITE sip:1@pstn.example #11
                  proxy -> trunk   INVITE #11
        alice  -> proxy            INVITE sip:1@pstn.example #12
        alice  <- proxy            503 INVITE Next hop does not answer #12
            !Retry-After
        alice  -> proxy            ACK #12
                  proxy <- trunk   486 #11
                  proxy -> trunk   ACK #11
        alice  <- proxy            486 #11
        alice  -> proxy            ACK #11
    ",
    );
    stage.play(PASSES);
}

/// What ends a call, and a call for help, is tried all the same. RFC 7339 §5.9, RFC 7339 §5.10.1.
#[test]
fn emergencies_are_tried_where_nobody_answers() {
    let mut stage = silent_trunk();
    stage.play(HELD_BACK);
    stage.play(
        "
        alice  -> proxy            BYE #7
                  proxy -> trunk   BYE #7
        alice  -> proxy            INVITE sip:112@pstn.example #8
                  proxy -> trunk   INVITE #8
                  proxy <- trunk   486 #8
                  proxy -> trunk   ACK #8
        alice  <- proxy            486 #8
        alice  -> proxy            ACK #8
                  proxy <- trunk   200 #7
        alice  <- proxy            200 #7
    ",
    );
}
