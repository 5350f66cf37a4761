//! Registrations of the exchange at its trunks: RFC 3261 §10.2 as a client.

use offhook_journal::EventKind;
use offhook_ladder::{Ladder, Stage};
use offhook_simnet::NameServer;

use crate::exchange::{OPEN, Observed, scene, scene_with_names};

const HOUSE: &str = r#"
    [[trunk]]
    name = "provider"
    targets = [{ to = "sip:192.0.2.50" }, { to = "sip:192.0.2.51", priority = 1 }]
    domain = "provider.example"
    user = "4930123"
    password = "correct horse"
    register = true
    register_expires_s = 600
    [[route]]
    match = { from_trunk = "provider", number = "4930123" }
    users = true
    user = "bob"
    [[route]]
    match = { prefix = "0" }
    trunk = "provider"
"#;

const ASKS: &str = r#"WWW-Authenticate: Digest realm="provider.example", nonce="n1", qop="auth""#;

fn house() -> Ladder {
    scene(&format!("{HOUSE}{OPEN}"))
        .address("provider", "192.0.2.50:5060")
        .address("second", "192.0.2.51:5060")
        .address("elsewhere", "192.0.2.60:5060")
}

/// What the exchange says its address is.
fn contact(stage: &Stage) -> String {
    let sent = stage.world().trace().iter().rev().filter(|entry| entry.from == stage.proxy());
    let texts = sent.filter_map(|entry| entry.message()).map(String::from_utf8_lossy);
    let text = texts.into_iter().find(|text| text.starts_with("REGISTER ")).expect("a REGISTER");
    crate::exchange::header_of(&text, "Contact").expect("a Contact")
}

pub(crate) fn contact_uri(stage: &Stage) -> String {
    let contact = contact(stage);
    contact.split_once('<').and_then(|(_, rest)| rest.split_once('>')).expect("a URI").0.to_owned()
}

fn registered() -> Stage {
    house().run(&format!(
        "
                  proxy -> provider    REGISTER sip:provider.example
            From: <sip:4930123@provider.example>*
            To: <sip:4930123@provider.example>
            Contact: <sip:4930123@198.51.100.1*;ot=*>;expires=600
            CSeq: 1 REGISTER
            !Authorization
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    REGISTER sip:provider.example
            CSeq: 2 REGISTER
            Authorization: *nc=00000001*
                  proxy <- provider    200
            Contact: <sip:other@192.0.2.99>;expires=7, <sip:4930123@198.51.100.1;transport=udp;ot=none>;expires=8
            Expires: 300
    "
    ))
}

/// The exchange registers when it starts, with credentials, and again well before that is over: with the credentials it
/// has, counted on, and with new ones where those are too old. RFC 3261 §10.2, RFC 3261 §10.2.4, RFC 7616 §3.4.1.
#[test]
fn it_registers_and_refreshes() {
    let mut stage = registered();
    assert_eq!(stage.exchange().count(EventKind::TrunkRegistered), 1);
    stage.play(
        "
+209s..256s       proxy -> provider    REGISTER sip:provider.example
            CSeq: 3 REGISTER
            Authorization: *nc=00000002*
                  proxy <- provider    401
            WWW-Authenticate: Digest realm=\"provider.example\", nonce=\"n2\", qop=\"auth\", stale=true
                  proxy -> provider    REGISTER
            CSeq: 4 REGISTER
            Authorization: *nonce=\"n2\"*nc=00000001*
                  proxy <- provider    200
            Expires: 600
        +400s
    ",
    );
    assert_eq!(stage.exchange().count(EventKind::TrunkRegistered), 1, "no news");
}

/// A registrar that has another nonce for the next time saves a round by it. RFC 7616 §3.5.
#[test]
fn it_answers_the_next_nonce() {
    registered().play(
        "
+209s..256s       proxy -> provider    REGISTER sip:provider.example
            Authorization: *nonce=\"n1\"*nc=00000002*
                  proxy <- provider    200
            Expires: 300
            Authentication-Info: qop=auth, nextnonce=\"n2\"
+209s..256s       proxy -> provider    REGISTER sip:provider.example
            Authorization: *nonce=\"n2\"*nc=00000001*
                  proxy <- provider    200
            Expires: 300
            Authentication-Info: nextnonce=
+209s..256s       proxy -> provider    REGISTER sip:provider.example
            Authorization: *nonce=\"n2\"*nc=00000002*
                  proxy <- provider    200
            Expires: 600
        +400s
    ",
    );
}

/// A call to the address that was registered, from the provider's address, is one of the trunk's; from anywhere else it is
/// a stranger's, token or not. RFC 3261 §10.2.1.
#[test]
fn calls_come_to_the_registered_contact() {
    let mut stage = registered();
    let uri = contact_uri(&stage);
    stage.play(&format!(
        "
        given bob is registered
        provider -> proxy              MESSAGE {uri}
            From: <sip:+1555@provider.example>;tag=t
                    proxy -> bob       MESSAGE sip:bob@192.0.2.*
                    proxy <- bob       200
        provider <- proxy              200
        elsewhere -> proxy             MESSAGE {uri}
            From: <sip:+1555@provider.example>;tag=u
        elsewhere <- proxy             404
        provider -> proxy              MESSAGE sip:4930123@example.com
            From: <sip:+1555@provider.example>;tag=v
        provider <- proxy              404
    "
    ));
}

/// 423: the provider wants longer registrations. RFC 3261 §10.2.8, RFC 3261 §21.4.17.
#[test]
fn it_asks_for_longer() {
    house().run(
        "
                  proxy -> provider    REGISTER
            Expires: 600
                  proxy <- provider    423
            Min-Expires: 1800
                  proxy -> provider    REGISTER
            Expires: 1800
                  proxy <- provider    200
        +900s
    ",
    );
}

/// A silent target: the next one, and when none answers a wait that grows. RFC 3263 §4.3, RFC 5626 §4.5.
#[test]
fn it_goes_to_the_next_target() {
    let stage = house().run(
        "
                  proxy -> provider    REGISTER
                  proxy <- provider    503
                  proxy -> second      REGISTER
            CSeq: 2 REGISTER
                  proxy <- second      503
        +3s
+1s..3s           proxy -> provider    REGISTER
                  proxy <- provider    500
                  proxy -> second      REGISTER
                  proxy <- second      503
        +6s
+1s..5s           proxy -> provider    REGISTER
                  proxy <- provider    200
        +400s
    ",
    );
    assert_eq!(stage.exchange().count(EventKind::TrunkUnregistered), 2);
    assert_eq!(stage.exchange().count(EventKind::TrunkRegistered), 1);
}

/// A target that says nothing at all is left after its transaction's time, and taken for dead. RFC 3261 §17.1.2.2,
/// RFC 3261 §10.2.7.
#[test]
fn silence() {
    let stage = house().run(
        "
                  proxy ->x provider   REGISTER
  +500ms          proxy ->x provider   REGISTER (again)
  +1s             proxy ->x provider   REGISTER (again)
  +2s             proxy ->x provider   REGISTER (again)
  +4s             proxy ->x provider   REGISTER (again)
  +4s             proxy ->x provider   REGISTER (again)
  +4s             proxy ->x provider   REGISTER (again)
  +4s             proxy ->x provider   REGISTER (again)
  +4s             proxy ->x provider   REGISTER (again)
  +4s             proxy ->x provider   REGISTER (again)
  +4s             proxy ->x provider   REGISTER (again)
  +500ms          proxy -> second      REGISTER
                  proxy <- second      200
    ",
    );
    assert_eq!(stage.exchange().count(EventKind::TargetDead), 1);
}

/// A wrong password ends the attempt, and the next one comes late: providers lock who keeps trying. RFC 3261 §22.2.
#[test]
fn a_wrong_password_is_not_repeated() {
    let stage = house().run(&format!(
        "
                  proxy -> provider    REGISTER
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    REGISTER
                  proxy <- provider    401
            WWW-Authenticate: Digest realm=\"provider.example\", nonce=\"n2\", qop=\"auth\"
        +44s
+1s..17s          proxy -> provider    REGISTER
            !Authorization
                  proxy <- provider    403
        +89s
+1s..33s          proxy -> provider    REGISTER
                  proxy <- provider    503
            Retry-After: 1000
                  proxy -> second      REGISTER
                  proxy <- second      503
            Retry-After: 1000
        +999s
+1s..2s           proxy -> provider    REGISTER
    "
    ));
    assert_eq!(stage.exchange().count(EventKind::TrunkRefused), 1);
}

/// Whatever a registrar grants, it is asked again in time. RFC 3261 §10.2.4, RFC 3261 §10.3 step 7.
#[test]
fn more_than_was_asked_for_is_what_was_asked_for() {
    let stage = house().run(
        "
                  proxy -> provider    REGISTER
                  proxy <- provider    200
            Expires: 4000000000
        +419s
  +1s..95s        proxy -> provider    REGISTER
                  proxy <- provider    200
            Expires: 0
        +5s
    ",
    );
    let counts =
        [EventKind::TrunkRegistered, EventKind::TrunkUnregistered].map(|kind| stage.exchange().count(kind));
    assert_eq!(counts, [1, 1]);
}

/// Nor does one that asks for what nobody here can make: of that no realm is to blame. RFC 7616 §3.3.
#[test]
fn an_unknown_algorithm_gets_no_answer() {
    for challenge in ["Digest realm=\"provider.example\", nonce=\"n1\", algorithm=FOO", "Bearer"] {
        let stage = house().run(&format!(
            "
                  proxy -> provider    REGISTER
                  proxy <- provider    401
            WWW-Authenticate: {challenge}
        +44s
    "
        ));
        let counts =
            [EventKind::TrunkUnanswerable, EventKind::TrunkForeign].map(|kind| stage.exchange().count(kind));
        assert_eq!(counts, [1, 0], "{challenge}");
    }
}

/// A challenge of a foreign realm gets no answer. RFC 3261 §22.1.
#[test]
fn a_foreign_realm_gets_no_answer() {
    let stage = house().run(
        "
                  proxy -> provider    REGISTER
                  proxy <- provider    401
            WWW-Authenticate: Digest realm=\"other.example\", nonce=\"n1\", qop=\"auth\"
        +44s
    ",
    );
    assert_eq!(stage.exchange().count(EventKind::TrunkForeign), 1);
}

/// What the registrar said of the way back to it stands in requests to the trunk. RFC 3608 §5, RFC 3608 §6.2,
/// RFC 3261 §8.1.2.
#[test]
fn the_service_route_is_followed() {
    house().run(
        "
                  proxy -> provider    REGISTER
                  proxy <- provider    200
            Service-Route: <sip:edge.provider.example;lr>, <sip:core.provider.example;lr>
        alice  -> proxy                OPTIONS sip:0301@example.com
                  proxy -> provider    OPTIONS sip:0301@provider.example
            Route: <sip:edge.provider.example;lr>
            Route: <sip:core.provider.example;lr>
                  proxy <- provider    200
        alice  <- proxy                200
    ",
    );
}

/// A polite stop takes the registration back, and waits for that. RFC 3261 §10.2.2.
#[test]
fn a_stop_takes_it_back() {
    let mut stage = registered();
    let drain = stage.exchange().plan.drain.clone();
    assert_eq!(drain.at_work(), 1);
    drain.ask();
    stage.play(
        "
+1ms..1s          proxy -> provider    REGISTER
            Contact: *;expires=0
            Expires: 0
            Authorization: *
    ",
    );
    assert_eq!(drain.at_work(), 1);
    stage.play(
        "
                  proxy <- provider    200
        +2000s
    ",
    );
    assert_eq!((drain.at_work(), stage.exchange().count(EventKind::TrunkLeft)), (0, 1));
}

/// A REGISTER is under way when the server stops: first it is granted, then taken back. RFC 3261 §10.2.2.
#[test]
fn a_stop_in_the_middle() {
    let mut stage = house().run("proxy -> provider    REGISTER");
    let drain = stage.exchange().plan.drain.clone();
    drain.ask();
    stage.play(
        "
  +400ms          proxy <- provider    200
+1ms..1s          proxy -> provider    REGISTER
            Contact: *;expires=0
                  proxy <- provider    200
        +100s
    ",
    );
    assert_eq!((drain.at_work(), stage.exchange().count(EventKind::TrunkLeft)), (0, 1));
}

/// The registrar sends us to another one, which the configuration knows: that one is asked with what the first one was asked
/// with, and asked again when it is time. RFC 3261 §8.1.3.4, RFC 3261 §10.2.
#[test]
fn a_registrar_sends_us_to_its_neighbour() {
    for to in ["sip:192.0.2.51", "sip:4930123@192.0.2.51:5060;transport=udp"] {
        let stage = house().run(&format!(
            "
                  proxy -> provider    REGISTER sip:provider.example
            CSeq: 1 REGISTER
                  proxy <- provider    302
            Contact: <sip:192.0.2.60>;q=0.9, <{to}>;q=0.5
                  proxy -> second      REGISTER sip:provider.example
            CSeq: 2 REGISTER
                  proxy <- second      401
            {ASKS}
                  proxy -> second      REGISTER
            Authorization: Digest *
                  proxy <- second      200
            Expires: 60
+29s..37s         proxy -> second      REGISTER
                  proxy <- second      200
        "
        ));
        assert_eq!(stage.exchange().count(EventKind::TrunkUnregistered), 0);
    }
}

/// The same where both have names. RFC 3261 §8.1.3.4, RFC 3263 §4.
#[test]
fn a_registrar_sends_us_to_its_neighbour_by_name() {
    let by_name = r#"
        [[trunk]]
        name = "provider"
        targets = [{ to = "sip:one.provider.example" }, { to = "sip:two.provider.example", priority = 1 }]
        user = "4930123"
        password = "correct horse"
        register = true
    "#;
    let names = NameServer::new()
        .name("sip:one.provider.example", &["udp 192.0.2.50:5060"])
        .name("sip:two.provider.example", &["udp 192.0.2.51:5060"]);
    scene_with_names(&format!("{by_name}{OPEN}"), names)
        .address("provider", "192.0.2.50:5060")
        .address("second", "192.0.2.51:5060")
        .run(
            "
+0ms..2s          proxy -> provider    REGISTER
                  proxy <- provider    302
            Contact: <sip:TWO.provider.example>
                  proxy -> second      REGISTER
                  proxy <- second      200
        ",
        );
}

/// One that nobody has written into the configuration would be shown our credentials: it is not asked. Two that send us to each
/// other are not asked for ever. RFC 3261 §8.1.3.4, RFC 3261 §26.1.
#[test]
fn a_registrar_sends_us_to_strangers_or_in_a_circle() {
    let mut stage = house().run(
        "
                  proxy -> provider    REGISTER
                  proxy <- provider    301
            Contact: <sip:192.0.2.60>, <sip:192.0.2.51:5070>, <mailto:a@b.example>
        ",
    );
    stage.play("+30s");
    assert_eq!(stage.exchange().count(EventKind::TrunkUnregistered), 1);
    let there_and_back = "
                  proxy -> provider    REGISTER
                  proxy <- provider    302
            Contact: <sip:192.0.2.51>
                  proxy -> second      REGISTER
                  proxy <- second      302
            Contact: <sip:192.0.2.50>
    ";
    let stage = house().run(&format!("{}\n+30s", there_and_back.repeat(3)));
    assert_eq!(stage.exchange().count(EventKind::TrunkUnregistered), 1);
}

/// The name of the registrar is looked up first; its servers are tried in their order. RFC 3263 §4,
/// RFC 3261 §8.1.2, RFC 3261 §10.2.6.
#[test]
fn a_registrar_by_name() {
    let by_name = r#"
        [[trunk]]
        name = "provider"
        targets = [{ to = "sip:provider.example" }]
        user = "4930123"
        password = "correct horse"
        register = true
    "#;
    let names = NameServer::new()
        .name("sip:provider.example", &["udp 192.0.2.50:5060", "udp 192.0.2.51:5060"])
        .delay_ms(300);
    scene_with_names(&format!("{by_name}{OPEN}"), names)
        .address("provider", "192.0.2.50:5060")
        .address("second", "192.0.2.51:5060")
        .run(
            "
+300ms..2s        proxy -> provider    REGISTER sip:provider.example
                  proxy <- provider    503
                  proxy -> second      REGISTER sip:provider.example
            From: <sip:4930123@provider.example>*
                  proxy <- second      200
            Expires: 60
+29s..37s         proxy -> second      REGISTER
                  proxy <- second      200
        ",
        );
}
