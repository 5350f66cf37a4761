//! Route, strict and loose: RFC 3261 §16.4, §16.6 step 6; loops and spirals: §16.3 step 4, RFC 5393 §4.2.

use offhook_ladder::Stage;

use crate::exchange::{OPEN, Observed, header_of, open_ladder, scene};

/// Our own value on top of Route is removed, the next one stays and leads on. RFC 3261 §16.4, RFC 3261 §16.6 step 7.
#[test]
fn our_own_route_is_removed() {
    open_ladder(
        "
        alice  -> proxy            INVITE sip:bob@far.example.org
            Route: <sip:{proxy};lr>
            Route: <sip:{far};lr>
            Route: <sip:farther.example.org;lr>
                  proxy -> far     INVITE sip:bob@far.example.org
            Route: <sip:{far};lr>
            Route: <sip:farther.example.org;lr>
                  proxy <- far     486
                  proxy -> far     ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// A Route that names our domain or our address without a port is ours as well. RFC 3261 §16.4.
#[test]
fn our_domain_in_route() {
    for route in [
        "<sip:example.com;lr>",
        "<sip:{proxy.host};lr>",
        "\"Us\" <sip:EXAMPLE.com;lr;x=y>",
        "<sip:{proxy};lr>, <sip:example.com;lr>",
    ] {
        open_ladder(&format!(
            "
        given bob is registered
        alice  -> proxy            OPTIONS bob
            Route: {route}
                  proxy -> bob     OPTIONS sip:bob@{{bob}}
            !Route
                  proxy <- bob     200
        alice  <- proxy            200
        "
        ))
        .leaves_nothing();
    }
}

/// The first value is not ours: it stays, and the request goes there. RFC 3261 §16.6 step 7.
#[test]
fn a_foreign_route_is_followed() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            OPTIONS bob
            Route: <sip:{far};lr>
                  proxy -> far     OPTIONS sip:bob@example.com
            Route: <sip:{far};lr>
                  proxy <- far     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// The next hop is a strict router: it gets itself as Request-URI, and the target stands at the end of Route.
/// RFC 3261 §16.6 step 6, RFC 3261 §16.12.1.2.
#[test]
fn the_next_hop_routes_strictly() {
    open_ladder(
        "
        alice  -> proxy            INVITE sip:bob@far.example.org
            Route: <sip:{proxy};lr>
            Route: <sip:{strict}>
            Route: <sip:farther.example.org;lr>
                  proxy -> strict  INVITE sip:{strict}
            Route: <sip:farther.example.org;lr>
            Route: <sip:bob@far.example.org>
                  proxy <- strict  486
                  proxy -> strict  ACK sip:{strict}
            Route: <sip:farther.example.org;lr>
            Route: <sip:bob@far.example.org>
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// A strict router alone in Route. RFC 3261 §16.6 step 6.
#[test]
fn a_strict_router_is_the_last_hop() {
    open_ladder(
        "
        alice  -> proxy            OPTIONS sip:bob@far.example.org
            Route: <sip:{strict}>
                  proxy -> strict  OPTIONS sip:{strict}
            Route: <sip:bob@far.example.org>
                  proxy <- strict  200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// The sender routes strictly: our Record-Route value comes back as Request-URI, and the last Route value is the target.
/// RFC 3261 §16.4, RFC 3261 §16.12.1.2.
#[test]
fn the_sender_routes_strictly() {
    let mut stage = call();
    let ours = record_route(&stage, "bob");
    stage.play(&format!(
        "
        alice  -> proxy            OPTIONS {ours} #2
            Call-ID: {call_id}
            From: {from}
            To: {to}
            Route: <sip:bob@{{bob}};strict>
                  proxy -> bob     OPTIONS sip:bob@{{bob}};strict
            !Route
                  proxy <- bob     200 #1
        alice  <- proxy            200 #1
        alice  -> proxy            OPTIONS {ours} #3
            Call-ID: {call_id}
            From: {from}
            To: {to}
            Route: <sip:{{far}};lr>, <sip:bob@{{bob}};strict>
                  proxy -> far     OPTIONS sip:bob@{{bob}};strict
            Route: <sip:{{far}};lr>
                  proxy <- far     200
        alice  <- proxy            200
    ",
        call_id = stage.last_header("alice", "Call-ID"),
        from = stage.last_header("alice", "From"),
        to = stage.last_header("alice", "To"),
    ));
    stage.leaves_nothing();
}

/// Too many values of ours on top of Route: somebody plays ping-pong. RFC 5393 §3 describes the attack.
#[test]
fn our_own_routes_are_bounded() {
    let routes = ["<sip:{proxy};lr>"; 9].join(", ");
    open_ladder(&format!(
        "
        given bob is registered
        alice  -> proxy            OPTIONS bob
            Route: {routes}
        alice  <- proxy            400 Too many values of Route
        "
    ))
    .leaves_nothing();
}

/// A request that comes back unchanged has looped: 482. RFC 3261 §16.3 step 4, RFC 5393 §4.2.
#[test]
fn a_loop_is_detected() {
    let mut stage = open_ladder(
        "
        given mirror is registered
        alice  -> proxy            INVITE mirror
                  proxy -> mirror  INVITE
    ",
    );
    let vias = vias(&stage, "mirror");
    stage.play(&format!(
        "
        mirror -> proxy            INVITE mirror #2
            Call-ID: {call_id}
            From: {from}
            To: <sip:mirror@example.com>
            CSeq: 1 INVITE
            Max-Forwards: 68
            Via: SIP/2.0/UDP {{mirror}};branch=z9hG4bK-m1
            {vias}
        mirror <- proxy            482 #1
        mirror -> proxy            ACK #1
            CSeq: 1 ACK
            Via: SIP/2.0/UDP {{mirror}};branch=z9hG4bK-m1
    ",
        call_id = stage.last_header("alice", "Call-ID"),
        from = stage.last_header("alice", "From"),
    ));
}

/// A request that comes back with another target spirals, and goes on. RFC 3261 §16.3 step 4, RFC 5393 §4.2.1.
#[test]
fn a_spiral_goes_on() {
    let mut stage = open_ladder(
        "
        given mirror is registered
        given bob is registered
        alice  -> proxy            OPTIONS mirror
                  proxy -> mirror  OPTIONS
    ",
    );
    let vias = vias(&stage, "mirror");
    stage.play(&format!(
        "
        mirror -> proxy            OPTIONS bob #2
            Call-ID: {call_id}
            From: {from}
            To: <sip:mirror@example.com>
            CSeq: 1 OPTIONS
            Max-Forwards: 68
            Via: SIP/2.0/UDP {{mirror}};branch=z9hG4bK-m1
            {vias}
                  proxy -> bob     OPTIONS sip:bob@{{bob}} #1
            Max-Forwards: 67
            Via: SIP/2.0/UDP {{proxy.host}};*
            Via: SIP/2.0/UDP {{mirror}};branch=z9hG4bK-m1
            Via: SIP/2.0/UDP {{proxy.host}};*
            Via: SIP/2.0/UDP {{alice}};*
                  proxy <- bob     200 #1
        mirror <- proxy            200 #1
    ",
        call_id = stage.last_header("alice", "Call-ID"),
        from = stage.last_header("alice", "From"),
    ));
}

/// The same person is called in a loop through a forwarding phone that writes no Via of ours: the hops run out.
/// RFC 3261 §16.3 step 3.
#[test]
fn a_loop_without_via_ends_by_max_forwards() {
    open_ladder(
        "
        given mirror is registered
        alice  -> proxy            OPTIONS mirror
            Max-Forwards: 2
                  proxy -> mirror  OPTIONS
            Max-Forwards: 1
        mirror -> proxy            OPTIONS mirror #2
            Max-Forwards: 1
                  proxy -> mirror  OPTIONS #2
            Max-Forwards: 0
                  proxy <- mirror  483 #2
        mirror <- proxy            483 #2
                  proxy <- mirror  483 #1
        alice  <- proxy            483 #1
    ",
    )
    .leaves_nothing();
}

fn call() -> Stage {
    scene(OPEN).run(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
    ",
    )
}

/// The URI of the Record-Route value that a phone was shown.
fn record_route(stage: &Stage, phone: &str) -> String {
    let received = stage.world().received(stage.phone(phone));
    let values = received.iter().rev().map(|bytes| String::from_utf8_lossy(bytes));
    let value = values.filter_map(|text| header_of(&text, "Record-Route")).next();
    value.expect("a Record-Route").trim_matches(['<', '>']).to_owned()
}

/// The Via lines of the last request that came to a phone, as lines of a ladder.
fn vias(stage: &Stage, phone: &str) -> String {
    let received = stage.world().received(stage.phone(phone));
    let text = String::from_utf8_lossy(received[received.len() - 1]).into_owned();
    text.lines().filter(|line| line.starts_with("Via: ")).collect::<Vec<_>>().join("\n")
}
