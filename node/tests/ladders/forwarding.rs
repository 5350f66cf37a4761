//! The copy that goes on, step by step: RFC 3261 §16.6; what stays as it was, and what §18 adds.

use offhook_journal::EventKind;
use offhook_net::Listener;
use offhook_sip::Transport;

use crate::exchange::{OPEN, Observed, open_ladder, scene};

/// All that the proxy need not touch leaves as it came, byte for byte and in order: unknown headers, odd spellings, folded
/// lines, short forms, the body. RFC 3261 §16.6 step 1.
#[test]
fn what_is_not_touched_stays_as_it_is() {
    let mut stage =
        open_ladder("given bob is registered\n alice -> proxy OPTIONS proxy\n alice <- proxy 200");
    let rest = "f: \"A. Lice\" <sip:alice@example.com> ; TAG = x1\r\nt:<sip:bob@example.com>\r\ni : call-1\r\n\
                CSEQ:   7   MESSAGE\r\nX-Folded: one,\r\n two\r\n\tthree\r\nSubject:  \t blanks  \r\nX-Empty:\r\n\
                x-empty: \r\nSupported: a\r\nk: b,c\r\nContent-Type: application/x\r\nl: 7\r\n\r\n\u{0}\u{1}body\n";
    let request = format!(
        "MESSAGE sip:bob@example.com SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.12;branch=z9hG4bK-1\r\nMax-Forwards: 9\r\n{rest}"
    );
    let (alice, proxy) = (stage.phone("alice"), "198.51.100.1:5060".parse().expect("an address"));
    stage.world_mut().send(alice, Transport::Udp, proxy, request.as_bytes());
    stage.world_mut().run_for(1);
    let received = stage.world().received(stage.phone("bob"));
    let copy = String::from_utf8_lossy(received[received.len() - 1]).into_owned();
    let (head, tail) = copy.split_once("v: ").expect("the Via of the phone, in its short form");
    assert!(
        head.starts_with("MESSAGE sip:bob@192.0.2.11:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;"),
        "{copy}"
    );
    assert_eq!(tail, format!("SIP/2.0/UDP 192.0.2.12;branch=z9hG4bK-1\r\nMax-Forwards: 8\r\n{rest}"));
}

/// The Request-URI of the copy is the target, without what has no place there. RFC 3261 §16.6 step 2, RFC 3261 §19.1.1.
#[test]
fn the_request_uri_becomes_the_target() {
    open_ladder(
        "
        bob    -> proxy            REGISTER
            Contact: <sip:bob@{bob};line=1?Subject=hello>
        bob    <- proxy            200
        alice  -> proxy            OPTIONS sip:bob@example.com;user=phone
                  proxy -> bob     OPTIONS sip:bob@{bob};line=1
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Max-Forwards counts down; a request without gets 70. RFC 3261 §16.6 step 3.
#[test]
fn max_forwards() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            OPTIONS bob
            Max-Forwards: 255
                  proxy -> bob     OPTIONS
            Max-Forwards: 254
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            OPTIONS bob
            !Max-Forwards
                  proxy -> bob     OPTIONS
            Max-Forwards: 70
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Record-Route stands above what others have put there, in requests that make dialogs and in no others.
/// RFC 3261 §16.6 step 4.
#[test]
fn record_route() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
            Record-Route: <sip:192.0.2.77;lr>
                  proxy -> bob     INVITE
            Record-Route: <sip:{proxy.host};lr;oh=*>
            Record-Route: <sip:192.0.2.77;lr>
                  proxy <- bob     486
                  proxy -> bob     ACK
            !Record-Route
        alice  <- proxy            486
        alice  -> proxy            ACK
        alice  -> proxy            OPTIONS bob
                  proxy -> bob     OPTIONS
            !Record-Route
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Our Via goes on top, with the cookie and a branch of its own; the Via below says where the request really came from.
/// RFC 3261 §16.6 step 8, RFC 3261 §18.2.1.
#[test]
fn via() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            OPTIONS bob
            Via: SIP/2.0/UDP pc33.example.org;branch=z9hG4bK-77;received=203.0.113.1
            Via: SIP/2.0/UDP 10.1.1.1;branch=z9hG4bK-76;received=203.0.113.2
                  proxy -> bob     OPTIONS
            Via: SIP/2.0/UDP {proxy.host};rport;branch=z9hG4bKoh*
            Via: SIP/2.0/UDP pc33.example.org;branch=z9hG4bK-77;received={alice.host}
            Via: SIP/2.0/UDP 10.1.1.1;branch=z9hG4bK-76;received=203.0.113.2
                  proxy <- bob     200
        alice  <- proxy            200
            Via: SIP/2.0/UDP pc33.example.org;branch=z9hG4bK-77;received={alice.host}
            Via: SIP/2.0/UDP 10.1.1.1;branch=z9hG4bK-76;received=203.0.113.2
    ",
    )
    .leaves_nothing();
}

/// Over a stream the length must be said; a datagram may leave it out. RFC 3261 §16.6 step 9, RFC 3261 §18.3,
/// RFC 3261 §20.14.
#[test]
fn content_length_on_streams() {
    open_ladder(
        "
        given bob is registered over tcp
        alice  -> proxy/udp        MESSAGE bob
            Content-Length:
            Content-Type: text/plain
            | Hello!
                  proxy -> bob     MESSAGE
            Content-Length: 8
            | Hello!
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    );
}

/// Requests of the same call that reach us by two ways are two requests; the phone sorts it out. RFC 3261 §16.3.
#[test]
fn merged_requests_are_no_error() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        carol  -> proxy            INVITE bob #2
            Call-ID: call-alice-1
            From: <sip:alice@example.com>;tag=alice-2
                  proxy -> bob     INVITE
                  proxy <- bob     482
                  proxy -> bob     ACK
        carol  <- proxy            482
        carol  -> proxy            ACK
        alice  -> proxy            CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL
                  proxy <- bob     200 CANCEL
                  proxy <- bob     487 INVITE
                  proxy -> bob     ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// Timer C: a call that rings for three minutes without a word more is cancelled; each word begins the time anew.
/// RFC 3261 §16.6 step 11, RFC 3261 §16.7 step 2, RFC 3261 §16.8.
#[test]
fn timer_c() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        +180s     proxy <- bob     180
        alice  <- proxy            180
        +180s     proxy <- bob     183
        alice  <- proxy            183
        +181s     proxy -> bob     CANCEL
                  proxy <- bob     200 CANCEL
                  proxy <- bob     487 INVITE
                  proxy -> bob     ACK
        alice  <- proxy            487
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// A 100 says only that the INVITE has come: it does not prolong the ringing. RFC 3261 §16.7 step 2.
#[test]
fn a_100_does_not_reset_timer_c() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        +100s     proxy <- bob     100
        +81s      proxy -> bob     CANCEL
                  proxy <- bob     200 CANCEL
                  proxy <- bob     487 INVITE
                  proxy -> bob     ACK
        alice  <- proxy            487
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// A phone that rang once and was unplugged: Timer C, the CANCEL, and 64·T1 later the caller is told.
/// RFC 3261 §16.8, RFC 3261 §9.1.
#[test]
fn timer_c_and_silence() {
    open_ladder(
        "
        given bob is registered over tcp
        alice  -> proxy/udp        INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        +181s     proxy -> bob     CANCEL
        +32s   alice <- proxy      408
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The configuration sets Timer C.
#[test]
fn timer_c_is_configured() {
    scene("[access]\nauthenticate_register = false\nauthenticate_calls = false\n[proxy]\ntimer_c_s = 300\n")
        .run(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        +300s     proxy -> bob     CANCEL
                  proxy <- bob     200 CANCEL
                  proxy <- bob     487 INVITE
                  proxy -> bob     ACK
        alice  <- proxy            487
        alice  -> proxy            ACK
    ",
        )
        .leaves_nothing();
}

/// The connection to the phone is refused: as if it had said 503, which is 500 to the caller. RFC 3261 §16.9,
/// RFC 3261 §16.7 step 6, RFC 3261 §18.4.
#[test]
fn a_refused_connection() {
    let stage = open_ladder(
        "
        bob    -> proxy            REGISTER
            Contact: <sip:bob@{bob.host}:9999;transport=tcp>
        bob    <- proxy            200
        alice  -> proxy            INVITE sip:carol@{bob.host}:9999;transport=tcp
        alice  <- proxy            500
        alice  -> proxy            ACK
        alice  -> proxy            MESSAGE sip:carol@{bob.host}:9999;transport=tcp
        alice  <- proxy            500
    ",
    );
    assert_eq!(stage.exchange().count(EventKind::TargetUnreachable), 2, "the log says where it went");
    stage.leaves_nothing();
}

/// Nobody answers the knock at all: after the time for that the caller is told. RFC 3261 §16.9.
#[test]
fn a_connection_that_never_opens() {
    open_ladder(
        "
        alice  -> proxy            INVITE sip:carol@192.0.2.99;transport=tcp
        +200ms alice <- proxy      100
        @5s    alice <- proxy      500
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// One of two phones cannot be reached: the other one rings. RFC 3261 §16.9.
#[test]
fn a_refused_connection_of_two_phones() {
    open_ladder(
        "
        given desk is registered as bob
        mobile -> proxy            REGISTER bob
            Contact: <sip:mobile@{mobile.host}:9999;transport=tcp>
        mobile <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy <- desk    486
                  proxy -> desk    ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// Where several of our addresses fit, the one on the phone's own network is written into Via and Record-Route, and two
/// Record-Routes stand where the call changes sides. RFC 5658 §4, RFC 3261 §16.6 step 8.
#[test]
fn between_two_networks() {
    let at = |local: &str| Listener {
        transport: Transport::Udp,
        local: local.parse().expect("an address"),
        prefix_bits: 24,
        advertise: None,
    };
    scene(OPEN)
        .listeners(vec![at("198.51.100.1:5060"), at("203.0.113.1:5060")])
        .address("bob", "203.0.113.20:5060")
        .run(
            "
        alice  -> proxy            INVITE sip:bob@{bob}
                  proxy -> bob     INVITE
            Via: SIP/2.0/UDP 203.0.113.1;*
            Record-Route: <sip:203.0.113.1;lr;oh=*>
            Record-Route: <sip:198.51.100.1;lr;oh=*>
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
            !Route
            Via: SIP/2.0/UDP 203.0.113.1;*
        bob    -> proxy            BYE
        alice  <- proxy            BYE
            !Route
            Via: SIP/2.0/UDP 198.51.100.1;*
        alice  -> proxy            200
        bob    <- proxy            200
    ",
        )
        .leaves_nothing();
}

/// Peers are told the name or address that leads to us from outside, and it is known again. RFC 3261 §18.1.1.
#[test]
fn an_advertised_address() {
    let listener = Listener {
        transport: Transport::Udp,
        local: "198.51.100.1:5060".parse().expect("an address"),
        prefix_bits: 24,
        advertise: Some("sip.example.com".into()),
    };
    scene(OPEN)
        .listeners(vec![listener])
        .run(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
            Via: SIP/2.0/UDP sip.example.com;*
            Record-Route: <sip:sip.example.com;lr;oh=*>
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK (outbound)
                  proxy -> bob     ACK
            !Route
        alice  -> proxy            BYE (outbound)
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
        )
        .leaves_nothing();
}
