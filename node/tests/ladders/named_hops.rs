//! Next hops of the configuration that are names: RFC 3263, kept fresh, so that nobody waits for them.

use offhook_ladder::Ladder;
use offhook_locate::Nowhere;
use offhook_simnet::NameServer;

use crate::exchange::{OPEN, Observed, scene_with_names};

const HOUSE: &str = r#"
    [[trunk]]
    name = "provider"
    targets = [{ to = "sip:sip.provider.example" }, { to = "sip:192.0.2.52", priority = 1 }]
    user = "4930123"
    password = "correct horse"
    [[trunk]]
    name = "row"
    targets = [{ to = "sip:one.example:5070" }]
    domain = "row.example"
    [[route]]
    match = { prefix = "0" }
    trunk = "provider"
    [[route]]
    match = { prefix = "8" }
    trunk = "row"
    [[route]]
    match = { domain = "far.example" }
    to = "sip:hop.example;transport=udp"
"#;

fn names() -> NameServer {
    NameServer::new()
        .name("sip:sip.provider.example", &["udp 192.0.2.50:5060", "udp 192.0.2.51:5060"])
        .name("sip:one.example:5070", &["udp 192.0.2.53:5070"])
        .name("sip:hop.example;transport=udp", &["udp 10.0.0.9:5060"])
}

fn house(names: NameServer) -> Ladder {
    scene_with_names(&format!("{HOUSE}{OPEN}"), names)
        .address("first", "192.0.2.50:5060")
        .address("second", "192.0.2.51:5060")
        .address("reserve", "192.0.2.52:5060")
        .address("row", "192.0.2.53:5070")
        .address("inside", "10.0.0.9:5060")
}

/// A trunk by name: its servers in their order, then its next target; the name stands in the Request-URI. RFC 3263 §4.2,
/// RFC 3263 §4.3.
#[test]
fn a_trunk_by_name() {
    house(names()).run(
        "
        +1s
        alice  -> proxy                MESSAGE sip:0301@example.com
                  proxy -> first       MESSAGE sip:0301@sip.provider.example
                  proxy <- first       503
                  proxy -> second      MESSAGE sip:0301@sip.provider.example
                  proxy <- second      503
                  proxy -> reserve     MESSAGE sip:0301@sip.provider.example
                  proxy <- reserve     200
        alice  <- proxy                200
        alice  -> proxy                MESSAGE sip:0302@example.com #2
                  proxy -> reserve     MESSAGE #2
                  proxy <- reserve     200 #2
        alice  <- proxy                200 #2
    ",
    );
}

/// Credentials go to the servers that the name leads to. RFC 3261 §22.2.
#[test]
fn the_servers_of_a_name_get_credentials() {
    house(names())
        .run(
            "
        +1s
        alice  -> proxy                OPTIONS sip:0301@example.com
                  proxy -> first       OPTIONS
                  proxy <- first       401
            WWW-Authenticate: Digest realm=\"sip.provider.example\", nonce=\"n1\", qop=\"auth\"
                  proxy -> first       OPTIONS
            Authorization: *
                  proxy <- first       200
        alice  <- proxy                200
    ",
        )
        .leaves_nothing();
}

/// A name with a port is looked up as such, and the trunk's domain goes into the Request-URI. RFC 3263 §4.2.
#[test]
fn a_trunk_by_name_with_a_port() {
    house(names())
        .run(
            "
        +1s
        alice  -> proxy                OPTIONS sip:81@example.com
                  proxy -> row         OPTIONS sip:81@row.example
                  proxy <- row         200
        alice  <- proxy                200
    ",
        )
        .leaves_nothing();
}

/// The administrator may name a server inside his own network. RFC 3263 §4.2.
#[test]
fn a_rule_that_leads_inside() {
    house(names())
        .run(
            "
        +1s
        alice  -> proxy                OPTIONS sip:bob@far.example
                  proxy -> inside      OPTIONS sip:bob@far.example
                  proxy <- inside      200
        alice  <- proxy                200
    ",
        )
        .leaves_nothing();
}

/// Names are asked for before anybody calls, and again before their time is over: a name server that is slow, or dead
/// later, makes nobody wait. RFC 3263 §4.
#[test]
fn nobody_waits_for_a_name() {
    let mut stage = house(names().ttl_s("sip:one.example:5070", 100).delay_ms(3_000)).run("+90s");
    let asked = |stage: &offhook_ladder::Stage| {
        stage.exchange().names.asked().iter().filter(|name| name.contains("one.example")).count()
    };
    assert_eq!(asked(&stage), 1);
    stage.play("+10s");
    assert_eq!(asked(&stage), 2);
    stage.play(
        "
        alice  -> proxy                OPTIONS sip:81@example.com
                  proxy -> row         OPTIONS sip:81@row.example
                  proxy <- row         200
        alice  <- proxy                200
    ",
    );
    stage.leaves_nothing();
}

/// Who calls before the name is known waits for it; a trunk with another target that is known uses that.
#[test]
fn the_first_call_of_the_day() {
    house(names().delay_ms(500))
        .run(
            "
        alice  -> proxy                OPTIONS sip:81@example.com
        alice  -> proxy                OPTIONS sip:0301@example.com #2
                  proxy -> reserve     OPTIONS #2
                  proxy <- reserve     200 #2
        alice  <- proxy                200 #2
  +500ms          proxy -> row         OPTIONS sip:81@row.example
                  proxy <- row         200
        alice  <- proxy                200
    ",
        )
        .leaves_nothing();
}

/// A name that leads nowhere: the next target, or the answer that says why. RFC 3261 §21.4.5.
#[test]
fn a_name_that_leads_nowhere() {
    let lost = NameServer::new()
        .nowhere("sip:sip.provider.example", Nowhere::NoSuchName)
        .nowhere("sip:one.example:5070", Nowhere::Unanswered);
    house(lost)
        .run(
            "
        +1s
        alice  -> proxy                OPTIONS sip:0301@example.com
                  proxy -> reserve     OPTIONS
                  proxy <- reserve     200
        alice  <- proxy                200
        alice  -> proxy                OPTIONS sip:81@example.com #2
        alice  <- proxy                504 #2
    ",
        )
        .leaves_nothing();
}
