//! Phones that register flows, and reach their registrar through us or are reached by us: RFC 5626, RFC 3327, RFC 3608.
//!
//! Two flows of one phone are played by two: `desk` and `desk2`.

use offhook_ladder::Stage;

use crate::exchange::{OPEN, Observed, header_of, ladder, open_ladder, scene};

/// Two flows of one device of bob's.
const TWO_FLOWS: &str = "
        desk   -> proxy/tcp        REGISTER bob
            Supported: path, outbound
            Contact: <sip:bob@{desk};transport=tcp;ob>;reg-id=1;+sip.instance=\"<urn:uuid:d1>\"
        desk   <- proxy            200
            Require: outbound
            Flow-Timer: 120
            Contact: *;reg-id=1;+sip.instance=\"<urn:uuid:d1>\";expires=3600
        +1s desk2 -> proxy/tcp     REGISTER bob
            Supported: path, outbound
            Contact: <sip:bob@{desk2};transport=tcp;ob>;reg-id=2;+sip.instance=\"<urn:uuid:d1>\"
        desk2  <- proxy            200
            Require: outbound
            Contact: *;reg-id=1;*
            Contact: *;reg-id=2;*
";

/// The last value of a header that this phone was sent.
pub(crate) fn last_received(stage: &Stage, phone: &str, name: &str) -> String {
    let sent = stage.world().trace().iter().rev().filter(|entry| entry.to == Some(stage.phone(phone)));
    let texts = sent.filter_map(|entry| entry.message()).map(String::from_utf8_lossy);
    let found = texts.filter_map(|text| header_of(&text, name)).next();
    found.unwrap_or_else(|| panic!("{phone} was never sent {name}"))
}

/// Two flows are one device: it rings once, over the flow that registered last, though both are there.
/// RFC 5626 §6, RFC 5626 §7, RFC 5626 §4.2.1.
#[test]
fn two_flows_are_one_target() {
    open_ladder(&format!(
        "{TWO_FLOWS}
        alice  -> proxy/udp        INVITE bob
                  proxy -> desk2   INVITE sip:bob@{{desk2}};transport=tcp;ob
                  proxy <- desk2   180
        alice  <- proxy            180
                  proxy <- desk2   200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> desk2   ACK
                  proxy <- desk2   BYE
        alice  <- proxy            BYE
        alice  -> proxy            200
                  proxy -> desk2   200
        "
    ))
    .leaves_nothing();
}

/// The flow that a call went by is gone, and its device has another, though with another Contact: the call goes on by that. RFC
/// 5626 §4.2.1, RFC 3261 §16.12.
#[test]
fn a_call_goes_on_by_the_other_flow() {
    open_ladder(&format!(
        "{TWO_FLOWS}
        alice  -> proxy/udp        INVITE bob
                  proxy -> desk2   INVITE sip:bob@{{desk2}};transport=tcp;ob
                  proxy <- desk2   200
            Contact: <sip:bob@{{desk2}};transport=tcp;ob>
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> desk2   ACK
        desk2  -> proxy            close
        alice  -> proxy            BYE
                  proxy -> desk    BYE sip:bob@{{desk2}};transport=tcp;ob
                  proxy <- desk    200
        alice  <- proxy            200
        "
    ))
    .leaves_nothing();
}

/// The connection of the better flow is gone: the other one is used, and nothing is dialled. RFC 5626 §7.
#[test]
fn a_closed_flow_is_passed_over() {
    scene(OPEN)
        .user("bob")
        .run(&format!(
            "{TWO_FLOWS}
        desk2  -> proxy            close
        alice  -> proxy/udp        INVITE bob
                  proxy -> desk    INVITE sip:bob@{{desk}};transport=tcp;ob
                  proxy <- desk    486
                  proxy -> desk    ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
        desk   -> proxy            close
        alice  -> proxy            INVITE bob #2
        alice  <- proxy            480 #2
        alice  -> proxy            ACK #2
        "
        ))
        .leaves_nothing();
}

/// The device has answered, if only by saying that it is busy: it is not asked again by its other flow. RFC 5626 §7.
#[test]
fn an_answer_is_an_answer() {
    open_ladder(&format!(
        "{TWO_FLOWS}
        alice  -> proxy/udp        INVITE bob
                  proxy -> desk2   INVITE
                  proxy <- desk2   486
                  proxy -> desk2   ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
        "
    ))
    .leaves_nothing();
}

/// A flow that swallows everything: when the INVITE has been silent for 64·T1 the other flow is tried. RFC 5626 §7.
#[test]
fn a_silent_flow() {
    open_ladder(&format!(
        "{TWO_FLOWS}
        alice  -> proxy/udp        INVITE bob
                  proxy -> desk2   INVITE
        +200ms alice <- proxy      100
        +31s..33s proxy -> desk    INVITE sip:bob@{{desk}};transport=tcp;ob
                  proxy <- desk    200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> desk    ACK
        "
    ))
    .leaves_nothing();
}

/// Registered through two edge proxies. One has crashed and knows the flow no more: it says 430, and the call goes by the
/// other. RFC 5626 §9.3, RFC 5626 §11.5, RFC 3327 §5.4.
#[test]
fn a_flow_failed_behind_an_edge_proxy() {
    let mut stage = registered_through_two_edges();
    stage.play(
        "
        alice  -> proxy            INVITE bob
                  proxy -> ep2     INVITE sip:bob@192.0.2.99
            Route: <sip:token2@{ep2};lr;ob>
                  proxy <- ep2     430
                  proxy -> ep2     ACK
                  proxy -> ep1     INVITE sip:bob@192.0.2.99
            Route: <sip:token1@{ep1};lr;ob>
                  proxy <- ep1     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> ep1     ACK
    ",
    );
    stage.leaves_nothing();
}

/// When every flow has failed the phone is not there; 430 is a word between proxies. RFC 5626 §11.5, RFC 3261 §16.7.
#[test]
fn all_flows_failed() {
    let mut stage = registered_through_two_edges();
    stage.play(
        "
        alice  -> proxy            INVITE bob
                  proxy -> ep2     INVITE
                  proxy <- ep2     430
                  proxy -> ep2     ACK
                  proxy -> ep1     INVITE
                  proxy <- ep1     430
                  proxy -> ep1     ACK
        alice  <- proxy            480
        alice  -> proxy            ACK
    ",
    );
    stage.leaves_nothing();
}

/// The caller gives up while the second flow rings: it is cancelled there. RFC 3261 §9.1, RFC 5626 §7.
#[test]
fn a_cancel_at_the_second_flow() {
    let mut stage = registered_through_two_edges();
    stage.play(
        "
        alice  -> proxy            INVITE bob
                  proxy -> ep2     INVITE
                  proxy <- ep2     430
                  proxy -> ep2     ACK
                  proxy -> ep1     INVITE
                  proxy <- ep1     180
        alice  <- proxy            180
        alice  -> proxy            CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> ep1     CANCEL
                  proxy <- ep1     200 CANCEL
                  proxy <- ep1     487 INVITE
                  proxy -> ep1     ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
    ",
    );
    stage.leaves_nothing();
}

/// Bob, whose phone has a flow through each of two edge proxies; that through `ep2` is the better one.
pub(crate) fn registered_through_two_edges() -> Stage {
    let register = |number: u8| {
        format!(
            "
        +1s    ep{number} -> proxy REGISTER bob
            Via: SIP/2.0/UDP {{ep{number}}};branch=z9hG4bKe{number};rport
            Via: SIP/2.0/TCP 192.0.2.99;branch=z9hG4bKp{number}
            Supported: path, outbound
            Path: <sip:token{number}@{{ep{number}}};lr;ob>
            Contact: <sip:bob@192.0.2.99>;reg-id={number};+sip.instance=\"<urn:uuid:d1>\"
        ep{number} <- proxy        200
            Require: outbound
            Path: <sip:token{number}@{{ep{number}}};lr;ob>
            !Flow-Timer
            "
        )
    };
    open_ladder(&(register(1) + &register(2)))
}

/// The phone asks for outbound, the first proxy behind it does not know it: 439. RFC 5626 §6, RFC 5626 §11.6.
#[test]
fn a_first_hop_without_outbound() {
    open_ladder(
        "
        edge   -> proxy            REGISTER bob
            Via: SIP/2.0/UDP {edge};branch=z9hG4bKe;rport
            Via: SIP/2.0/TCP 192.0.2.99;branch=z9hG4bKp
            Supported: path, outbound
            Path: <sip:{edge};lr>
            Contact: <sip:bob@192.0.2.99>;reg-id=1;+sip.instance=\"<urn:uuid:d1>\"
        edge   <- proxy            439 REGISTER First Hop Lacks Outbound Support
    ",
    )
    .leaves_nothing();
}

/// A Path that nobody asked for is refused with 420, and named. So is one of a thousand entries, with 400.
/// RFC 3327 §5.3.
#[test]
fn paths_that_are_refused() {
    let many = "<sip:192.0.2.50;lr>,".repeat(999) + "<sip:192.0.2.50;lr>";
    open_ladder(&format!(
        "
        edge   -> proxy            REGISTER bob
            Path: <sip:{{edge}};lr>
            Contact: <sip:bob@192.0.2.99>
        edge   <- proxy            420
            Unsupported: path
        edge   -> proxy            REGISTER bob
            Supported: path
            Path: {many}
            Contact: <sip:bob@192.0.2.99>
        edge   <- proxy            400
    "
    ))
    .leaves_nothing();
}

/// Where it is configured, phones are told the way their requests shall go. RFC 3608 §6.1.
#[test]
fn service_route() {
    scene(&format!(
        "{OPEN}[registrar]\nservice_route = [\"sip:orig@192.0.2.70;lr\", \"sip:192.0.2.71;transport=tcp;lr\"]\n"
    ))
    .run(
        "
        bob    -> proxy            REGISTER
        bob    <- proxy            200
            Service-Route: <sip:orig@192.0.2.70;lr>
            Service-Route: <sip:192.0.2.71;transport=tcp;lr>
    ",
    )
    .leaves_nothing();
}

/// Bob registers a flow with `home`, through us.
const THROUGH_US: &str = "
        bob    -> proxy/tcp        REGISTER
            Route: <sip:{home};lr>
            Supported: path, outbound
            Contact: <sip:bob@{bob};transport=tcp;ob>;reg-id=1;+sip.instance=\"<urn:uuid:b1>\"
                  proxy -> home    REGISTER
            Path: <sip:{proxy.host};lr;ob;of=*>
                  proxy <- home    200
            Require: outbound
        bob    <- proxy            200
            Require: outbound
";

fn edge(more: &str) -> Stage {
    scene(&format!("{OPEN}{more}")).run(THROUGH_US)
}

/// As edge proxy: Path with a flow token and `ob`; what comes back with it goes over that flow, and we stay in the path of
/// the dialog, even if we would not otherwise. RFC 5626 §5.1, RFC 5626 §5.3.1, RFC 5626 §9.2.
#[test]
fn an_edge_proxy_keeps_the_flow() {
    for more in ["", "[proxy]\nrecord_route = false\n"] {
        let mut stage = edge(more);
        let path = last_received(&stage, "home", "Path");
        stage.play(&format!(
            "
        home   -> proxy            INVITE sip:bob@{{bob}};transport=tcp;ob
            Route: {path}
                  proxy -> bob     INVITE sip:bob@{{bob}};transport=tcp;ob
            Record-Route: <sip:{{proxy.host}};transport=tcp;lr;oh=*>
            Record-Route: <sip:{{proxy.host}};lr;oh=*>
            !Route
                  proxy <- bob     200
        home   <- proxy            200
        home   -> proxy            ACK
                  proxy -> bob     ACK
        home   -> proxy            BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        home   <- proxy            200
        "
        ));
        stage.leaves_nothing();
    }
}

/// A flow token that was tampered with is refused with 403, one whose connection has ended with 430. RFC 5626 §5.3.1.
#[test]
fn flow_tokens_that_lead_nowhere() {
    let mut stage = edge("");
    let path = last_received(&stage, "home", "Path");
    let (head, token) = path.trim_end_matches('>').split_once(";of=").expect("a flow token");
    for bad in [&token[1..], &token[..token.len() - 1], "", "AAAA", &token.replacen(&token[9..11], "zz", 1)] {
        stage.play(&format!(
            "
        home   -> proxy            MESSAGE sip:bob@{{bob}}
            Route: {head};of={bad}>
        home   <- proxy            403
        "
        ));
    }
    stage.play(&format!(
        "
        bob    -> proxy            close
        home   -> proxy            MESSAGE sip:bob@{{bob}}
            Route: {path}
        home   <- proxy            430 MESSAGE Flow Failed
        "
    ));
    stage.leaves_nothing();
}

/// A request that comes over the flow itself is on its way out: the token only removes itself. RFC 5626 §5.3,
/// RFC 5626 §5.3.2.
#[test]
fn an_outgoing_request_with_its_own_token() {
    let mut stage = edge("");
    let path = last_received(&stage, "home", "Path");
    stage.play(&format!(
        "
        bob    -> proxy/tcp        MESSAGE sip:alice@{{home}}
            Route: {path}
                  proxy -> home    MESSAGE sip:alice@{{home}}
            !Route
                  proxy <- home    200
        bob    <- proxy            200
        "
    ));
    stage.leaves_nothing();
}

/// A phone that does not know Path gets none, or, where the administrator wants it, 421. RFC 3327 §5.2.
#[test]
fn a_phone_that_does_not_know_path() {
    let register = "
        bob    -> proxy            REGISTER
            Route: <sip:192.0.2.60;lr>
    ";
    scene(OPEN)
        .address("home", "192.0.2.60:5060")
        .run(&format!(
            "{register}
                  proxy -> home    REGISTER
            !Path
                  proxy <- home    200
        bob    <- proxy            200
        "
        ))
        .leaves_nothing();
    scene(&format!("{OPEN}[proxy]\nrequire_path = true\n"))
        .address("home", "192.0.2.60:5060")
        .run(&format!(
            "{register}
        bob    <- proxy            421
            Require: path
        "
        ))
        .leaves_nothing();
}

/// `ob` in a Contact asks that requests inside the dialog come by the flow, over UDP too. RFC 5626 §5.3.2,
/// RFC 5626 §4.3.
#[test]
fn a_contact_with_ob() {
    ladder(
        "
        given alice is registered
        given bob is registered
        alice  -> proxy            INVITE bob
            Contact: <sip:alice@192.0.2.123;ob>
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob (auth)
            Contact: <sip:alice@192.0.2.123;ob>
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
                  proxy <- bob     BYE
        alice  <- proxy            BYE sip:alice@192.0.2.123;ob
        alice  -> proxy            200
                  proxy -> bob     200
    ",
    )
    .leaves_nothing();
}
