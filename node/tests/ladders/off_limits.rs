//! Where nobody's URI leads: into our network, to our machine, to a trunk past the rules.

use offhook_ladder::{Ladder, Stage};
use offhook_simnet::NameServer;

use crate::exchange::{OPEN, Observed, scene, scene_with_names};

const HOUSE: &str = r#"
    [[trunk]]
    name = "provider"
    targets = [{ to = "sip:192.0.2.50" }]
    peers = ["192.0.2.50", "192.0.2.64/29"]
    [[trunk]]
    name = "named"
    targets = [{ to = "sip:sip.provider.example" }]
    [[route]]
    match = { prefix = "0900" }
    refuse = 403
    [[route]]
    match = { prefix = "0" }
    trunk = "provider"
    [[route]]
    match = { prefix = "1" }
    trunk = "named"
"#;

fn house() -> Ladder {
    let names = NameServer::new()
        .name("sip:sip.provider.example", &["udp 192.0.2.80:5060"])
        .name("sip:evil.example", &["udp 192.0.2.50:5060"])
        .name("sip:worse.example", &["udp 192.0.2.80:5060"]);
    scene_with_names(&format!("{HOUSE}{OPEN}"), names)
        .address("provider", "192.0.2.50:5060")
        .address("named", "192.0.2.80:5060")
}

fn refused(request: &str) -> Stage {
    house().run(&format!("alice -> proxy {request}\nalice <- proxy 403"))
}

/// A rule that closes a number holds however the way to the provider is written. RFC 3261 §16.3 step 6, RFC 3261 §16.5.
#[test]
fn no_address_gets_past_the_rules() {
    for way in [
        "MESSAGE sip:0900123@192.0.2.50",
        "MESSAGE sip:0900123@192.0.2.50:5091;transport=tcp",
        "MESSAGE sip:0900123@example.org;maddr=192.0.2.50",
        "MESSAGE sip:0900123@192.0.2.66",
        "MESSAGE sip:0900123@evil.example",
        "MESSAGE sip:x@example.org\n    Route: <sip:192.0.2.50;lr>",
        "MESSAGE sip:x@192.0.2.99\n    Route: <sip:evil.example;lr>",
    ] {
        refused(way).leaves_nothing();
    }
}

/// Nor does a name of another that leads to a trunk's, or the trunk's own. RFC 3263 §4.
#[test]
fn no_name_gets_past_the_rules() {
    for name in ["sip.provider.example", "worse.example"] {
        house()
            .run(&format!(
                "
        alice  -> proxy                MESSAGE sip:100@example.com
                  proxy -> named       MESSAGE
                  proxy <- named       200
        alice  <- proxy                200
        alice  -> proxy                MESSAGE sip:0900123@{name}
        alice  <- proxy                403
        "
            ))
            .leaves_nothing();
    }
}

/// Nobody who calls a user of ours pays for what that one has registered, or sees it through a Path. RFC 3261 §10.3,
/// RFC 3327 §5.3.
#[test]
fn nobody_registers_a_trunk() {
    for headers in [
        "Contact: <sip:bob@{bob}>\n    Contact: <sip:0900123@192.0.2.50>",
        "Contact: <sip:bob@{bob}>\n    Contact: <sip:0900123@192.0.2.99;maddr=192.0.2.50>",
        "Contact: <sip:0900123@192.0.2.99>\n    Supported: path\n    Path: <sip:192.0.2.50;lr>",
    ] {
        house().run(&format!("bob -> proxy REGISTER\n    {headers}\nbob <- proxy 403")).leaves_nothing();
    }
}

/// The only Contact of a phone stands for the way it came by: there it is called, whatever it has written. RFC 3261 §10.2.1.
#[test]
fn a_contact_at_a_trunk_is_called_where_it_came_from() {
    house()
        .run(
            "
        bob    -> proxy                REGISTER
            Contact: <sip:0900123@192.0.2.50>
        bob    <- proxy                200
        alice  -> proxy                MESSAGE bob
                  proxy -> bob         MESSAGE sip:0900123@192.0.2.50
                  proxy <- bob         200
        alice  <- proxy                200
    ",
        )
        .leaves_nothing();
}

/// What a phone forwards its calls to is nobody's way past the rules either. RFC 3261 §16.5.
#[test]
fn no_redirection_gets_past_the_rules() {
    house()
        .run(
            "
        given bob is registered
        alice  -> proxy                MESSAGE bob
                  proxy -> bob         MESSAGE
                  proxy <- bob         302
            Contact: <sip:0900123@192.0.2.50>
        alice  <- proxy                302
    ",
        )
        .leaves_nothing();
}

/// By the rules the trunk is reached, and what belongs to a call that it has taken goes to its Contact. RFC 3261 §12.2.1.1.
#[test]
fn a_call_by_the_rules() {
    house()
        .run(
            "
        alice  -> proxy                INVITE sip:0301@example.com
                  proxy -> provider    INVITE
                  proxy <- provider    200
            Contact: <sip:gw@192.0.2.50>
        alice  <- proxy                200
        alice  -> proxy                ACK
                  proxy -> provider    ACK
        alice  -> proxy                INFO
                  proxy -> provider    INFO sip:gw@192.0.2.50
                  proxy <- provider    200
        alice  <- proxy                200
        alice  -> proxy                BYE
                  proxy -> provider    BYE
                  proxy <- provider    200
        alice  <- proxy                200
    ",
        )
        .leaves_nothing();
}

/// Nobody on the internet reaches our network or our machine through us, however he writes it. RFC 3261 §16.3 step 6,
/// RFC 3261 §10.3.
#[test]
fn nobody_reaches_our_own_network() {
    for inside in ["10.0.0.9", "127.0.0.1:9", "169.254.1.1", "0.0.0.0", "198.51.100.99:9"] {
        let host = inside.trim_end_matches(":9");
        for request in [
            format!("MESSAGE sip:x@{inside}"),
            format!("MESSAGE sip:x@192.0.2.99;maddr={host}"),
            format!("MESSAGE sip:x@192.0.2.99\n    Route: <sip:{inside};lr>"),
            format!(
                "REGISTER alice\n    Contact: <sip:a@{{alice}}>\n    Contact: <sip:a@192.0.2.99;maddr={host}>"
            ),
            format!(
                "REGISTER alice\n    Contact: <sip:a@{{alice}}>\n    Supported: path\n    Path: <sip:{inside};lr>"
            ),
        ] {
            scene(OPEN).run(&format!("alice -> proxy {request}\nalice <- proxy 403")).leaves_nothing();
        }
    }
}

/// Who calls a phone in one of our private networks may not go about in it all, nor in the others, by the Route of that call.
/// RFC 3261 §16.3 step 6.
#[test]
fn a_call_into_one_network_leads_to_no_other() {
    let mut stage = scene("").address("desk", "10.9.0.12:5060").address("beside", "10.9.0.13:5060").run(
        "
        given desk is registered as bob
        trudy  -> proxy            INVITE bob
            From: <sip:trudy@elsewhere.example>;tag=t
                  proxy -> desk    INVITE
                  proxy <- desk    200
        trudy  <- proxy            200
        trudy  -> proxy            ACK
                  proxy -> desk    ACK
    ",
    );
    let header = |stage: &Stage, name: &str| stage.last_header("trudy", name);
    let (to, route, call_id) = (header(&stage, "To"), header(&stage, "Route"), header(&stage, "Call-ID"));
    let info = |target: &str| {
        format!(
            "trudy -> proxy INFO {target}\n    From: <sip:trudy@elsewhere.example>;tag=t\n    To: {to}\n    \
             Call-ID: {call_id}\n    Route: {route}\n"
        )
    };
    for elsewhere in
        ["10.9.1.12", "10.8.0.12", "172.16.0.1:5070", "169.254.169.254:80", "127.0.0.1:9", "198.51.100.99:9"]
    {
        stage.play(&format!("{}trudy <- proxy 403", info(&format!("sip:x@{elsewhere}"))));
    }
    // Two machines that share their work are in one network.
    let there = "proxy -> beside INFO\nproxy <- beside 200\ntrudy <- proxy 200";
    stage.play(&format!("{}{there}", info("sip:bob@10.9.0.13")));
}
