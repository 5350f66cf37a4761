//! Browser phones: SIP over WebSocket, RFC 7118. They write names that lead nowhere into Via and Contact (`.invalid`), and
//! are reached by the connection that they have opened, and by no other.

use offhook_ladder::{Ladder, Stage};
use offhook_net::Listener;
use offhook_simnet::NameServer;
use offhook_sip::Transport;

use crate::exchange::{Exchange, OPEN, Observed, scene, scene_on_disk, scene_with_names};

/// Where browsers and others connect.
pub(crate) fn with_websocket(scene: Ladder) -> Ladder {
    let listener = |transport, local: &str| Listener {
        transport,
        local: local.parse().expect("an address"),
        prefix_bits: 24,
        advertise: None,
    };
    scene.listeners(vec![
        listener(Transport::Udp, "198.51.100.1:5060"),
        listener(Transport::Tcp, "198.51.100.1:5060"),
        listener(Transport::Ws, "198.51.100.1:8080"),
        listener(Transport::Wss, "198.51.100.1:443"),
    ])
}

fn play(text: &str) -> Stage {
    with_websocket(scene(OPEN)).run(text)
}

/// A browser registers with its password, and is called by a browser. RFC 7118 §8.1, RFC 7118 §5.1, RFC 7118 §5.2.
#[test]
fn a_call_between_two_browsers() {
    with_websocket(scene(""))
        .run(
            "
        bob    -> proxy/wss        REGISTER
            Contact: <sip:bob@bob.invalid;transport=ws>
        bob    <- proxy            401
            Via: SIP/2.0/WSS bob.invalid;branch=z9hG4bK-bob-2
        bob    -> proxy            REGISTER (auth)
        bob    <- proxy            200
            Contact: <sip:bob@bob.invalid;transport=ws>;expires=3600
        given alice is registered over wss
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob (auth)
                  proxy -> bob     INVITE sip:bob@bob.invalid;transport=ws
            Via: SIP/2.0/WSS {proxy.host};branch=*
            Via: SIP/2.0/WSS alice.invalid;branch=*
            Record-Route: <sip:{proxy.host}:443;transport=ws;lr;oh=*>
                  proxy <- bob     180
        alice  <- proxy            180
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        +1min     proxy <- bob     BYE
        alice  <- proxy            BYE sip:alice@alice.invalid;transport=ws
        alice  -> proxy            200
                  proxy -> bob     200
    ",
        )
        .leaves_nothing();
}

/// From a browser to a desk phone: two Record-Routes, the flow of the browser in them, so that either can hang up.
/// RFC 7118 §8.2, RFC 5658 §4.
#[test]
fn from_a_browser_to_a_desk_phone() {
    for who_hangs_up in ["alice", "bob"] {
        let bye = match who_hangs_up {
            "alice" => {
                "
        alice  -> proxy            BYE
                  proxy -> bob     BYE sip:bob@{bob}
            !Route
                  proxy <- bob     200
        alice  <- proxy            200
        "
            }
            _ => {
                "
                  proxy <- bob     BYE
        alice  <- proxy            BYE sip:alice@alice.invalid;transport=ws
            !Route
        alice  -> proxy            200
                  proxy -> bob     200
        "
            }
        };
        play(&format!(
            "
        given alice is registered over ws
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
            Via: SIP/2.0/UDP {{proxy.host}};*
            Via: SIP/2.0/WS alice.invalid;branch=*
            Record-Route: <sip:{{proxy.host}};lr;oh=*>
            Record-Route: <sip:{{proxy.host}}:8080;transport=ws;lr;oh=*>
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
            !Route
        {bye}"
        ))
        .leaves_nothing();
    }
}

/// From a desk phone to a browser, and to the browser's other device at once. RFC 7118 §5, RFC 3261 §16.6.
#[test]
fn a_browser_and_a_desk_phone_ring_together() {
    play(
        "
        given browser is registered as bob over ws
        given desk is registered as bob over tcp
        alice  -> proxy/udp        INVITE bob
                  proxy -> browser INVITE sip:browser@browser.invalid;transport=ws
            Record-Route: <sip:{proxy.host}:8080;transport=ws;lr;oh=*>
            Record-Route: <sip:{proxy.host};lr;oh=*>
                  proxy -> desk    INVITE
                  proxy <- browser 180
        alice  <- proxy            180
                  proxy <- desk    180
        alice  <- proxy            180
                  proxy <- browser 200
        alice  <- proxy            200
                  proxy -> desk    CANCEL
                  proxy <- desk    200
                  proxy <- desk    487 INVITE
                  proxy -> desk    ACK
        alice  -> proxy            ACK (with browser)
                  proxy -> browser ACK
        alice  -> proxy            BYE (with browser)
                  proxy -> browser BYE
                  proxy <- browser 200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// RFC 7118 §5.3: no `received` is added, and none is needed: the answer goes by the connection. RFC 3261 §18.2.2.
#[test]
fn a_browser_is_not_told_its_address() {
    play(
        "
        alice  -> proxy/ws         OPTIONS proxy
        alice  <- proxy            200
            Via: SIP/2.0/WS alice.invalid;branch=z9hG4bK-alice-3
    ",
    );
}

/// RFC 7118 §5: the frame is the message; one without Content-Length gets it where it goes on over TCP (RFC 3261 §18.3).
#[test]
fn a_message_without_content_length() {
    let mut stage = play("given alice is registered over ws\n given bob is registered over tcp");
    let message = "MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/WS alice.invalid;branch=z9hG4bK-m\r\n\
        Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: m\r\n\
        CSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\n\r\nHello";
    let (alice, proxy) = (stage.phone("alice"), "198.51.100.1:8080".parse().expect("an address"));
    stage.world_mut().send(alice, Transport::Ws, proxy, message.as_bytes());
    stage.world_mut().run_for(10);
    let received = stage.world().received(stage.phone("bob"));
    let last = String::from_utf8_lossy(received.last().expect("bob got it"));
    assert!(last.starts_with("MESSAGE sip:bob@"), "{last}");
    assert!(last.contains("\r\nContent-Length: 5\r\n") && last.ends_with("\r\n\r\nHello"), "{last}");
}

/// The page is closed: nobody is dialled by WebSocket, so the browser is not there. RFC 7118 §5, RFC 3261 §21.4.18.
#[test]
fn a_closed_page_is_not_called() {
    play(
        "
        given bob is registered over ws
        bob    -> proxy            close
        alice  -> proxy/udp        INVITE bob
        alice  <- proxy            480
        alice  -> proxy            ACK
        given bob is registered over ws
        alice  -> proxy            MESSAGE bob
                  proxy -> bob     MESSAGE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// A page that is loaded again is a new phone with a new name each time. Those before it are forgotten when it registers,
/// so that they do not use up the phones a user may have. RFC 3261 §10.3.
#[test]
fn a_page_loaded_again_and_again() {
    let mut stage = play("given page-0 is registered as bob over ws");
    for n in 1..=12 {
        stage.play(&format!(
            "
        page-{}  -> proxy          close
        page-{n} -> proxy/ws       REGISTER bob
            Contact: <sip:{n}@page.invalid;transport=ws>
        page-{n} <- proxy          200
            Contact: <sip:{n}@page.invalid;transport=ws>;expires=3600
        ",
            n - 1
        ));
    }
}

/// The exchange is killed and comes back: connections are gone, and with them what was registered over them.
/// RFC 7118 §5.
#[test]
fn the_exchange_starts_again() {
    let mut stage = with_websocket(scene_on_disk(OPEN)).run("given bob is registered over ws");
    stage.kill_and_restart();
    stage.play(
        "
        bob    <- proxy            close
        given mallory is registered over ws
        alice  -> proxy/udp        INVITE bob
        alice  <- proxy            480
        alice  -> proxy            ACK
    ",
    );
    stage.leaves_nothing();
}

/// The connection of the caller is gone when the callee hangs up: there is no way, and the BYE is answered at once.
/// RFC 3261 §16.9, RFC 3261 §21.4.18.
#[test]
fn the_page_was_closed_in_the_middle_of_a_call() {
    play(
        "
        given alice is registered over ws
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        alice  -> proxy            close
                  proxy <- bob     BYE
                  proxy -> bob     480
    ",
    )
    .leaves_nothing();
}

/// Alice's page calls bob.
fn call_of_a_page() -> Stage {
    with_websocket(scene_on_disk(OPEN)).run(
        "
        given bob is registered
        alice  -> proxy/ws         REGISTER
            Contact: <sip:a1@page.invalid;transport=ws>
        alice  <- proxy            200
        alice  -> proxy            INVITE bob
            Contact: <sip:a1@page.invalid;transport=ws;ob>
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
    ",
    )
}

/// A browser whose network was away, or whose exchange was started anew, has a new connection and the Contact that its calls
/// know. RFC 3261 §16.12, RFC 7118 §5.
#[test]
fn a_page_that_has_come_back_hears_of_its_calls() {
    for kill in [false, true] {
        let mut stage = call_of_a_page();
        match kill {
            true => stage.kill_and_restart(),
            false => stage.play("alice -> proxy close"),
        }
        stage.play(if kill { "alice <- proxy close" } else { "+1ms" });
        stage.play(
            "
                  proxy <- bob     INFO
                  proxy -> bob     480
        alice  -> proxy/ws         REGISTER
            Contact: <sip:other@page.invalid;transport=ws>
        alice  <- proxy            200
                  proxy <- bob     INFO
                  proxy -> bob     480
        alice  -> proxy/ws         REGISTER
            Contact: <sip:a1@page.invalid;transport=ws>
        alice  <- proxy            200
                  proxy <- bob     BYE
        alice  <- proxy            BYE sip:a1@page.invalid;transport=ws;ob
        alice  -> proxy            200
                  proxy -> bob     200
    ",
        );
        stage.leaves_nothing();
    }
}

/// Who was told that nobody is there has ended his call. When the page comes back, his repetition hears the same as before. RFC 3261
/// §8.2.7, RFC 3261 §17.2.2.
#[test]
fn a_page_that_comes_back_too_late() {
    let mut stage = call_of_a_page();
    stage.play(
        "
        alice  -> proxy            close
                  proxy <- bob     BYE
                  proxy -> bob     480
        alice  -> proxy/ws         REGISTER
            Contact: <sip:a1@page.invalid;transport=ws>
        alice  <- proxy            200
        +1s       proxy <- bob     BYE (again)
                  proxy -> bob     480
    ",
    );
    stage.play("+40s");
    stage.leaves_nothing();
}

/// Even an exchange that does not stay in the path stays in that of browsers: RFC 7118 Appendix B.2.
#[test]
fn without_record_route() {
    with_websocket(scene(&format!("{OPEN}[proxy]\nrecord_route = false\n"))).run(
        "
        given bob is registered over ws
        alice  -> proxy/udp        INVITE bob
                  proxy -> bob     INVITE
            Record-Route: <sip:{proxy.host}:8080;transport=ws;lr;oh=*>
            Record-Route: <sip:{proxy.host};lr;oh=*>
    ",
    );
}

/// The end of such a call is seen, and its record has it. RFC 7118 Appendix B.2.
#[test]
fn the_record_of_a_call_without_record_route() {
    let stage = with_websocket(scene(&format!("{OPEN}[proxy]\nrecord_route = false\n"))).run(
        "
        given bob is registered over ws
        alice  -> proxy/udp        INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        +10s alice -> proxy        BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    );
    let durations: Vec<_> = stage.records().iter().map(|record| record.duration_ms()).collect();
    assert_eq!(durations, [Some(10_000)]);
}

/// A desk phone and a browser ring: to reach the browser we stay in the path, and so we do for the desk phone, for its answer is
/// the end of the call that is noted as one that passes here. RFC 7118 Appendix B.2, RFC 3261 §16.6 step 4.
#[test]
fn the_record_of_a_call_that_rings_at_a_browser_too() {
    let stage = with_websocket(scene(&format!("{OPEN}[proxy]\nrecord_route = false\n"))).run(
        "
        given bob is registered over ws
        given desk is registered as bob
        alice  -> proxy/udp        INVITE bob
                  proxy -> bob     INVITE
                  proxy -> desk    INVITE
            Record-Route: <sip:{proxy.host};lr;oh=*>
                  proxy <- desk    200
        alice  <- proxy            200
                  proxy <- bob     180
                  proxy -> bob     CANCEL
                  proxy <- bob     200 CANCEL
                  proxy <- bob     487 INVITE
                  proxy -> bob     ACK
        alice  -> proxy            ACK
                  proxy -> desk    ACK
        +10s alice -> proxy        BYE
                  proxy -> desk    BYE
                  proxy <- desk    200
        alice  <- proxy            200
    ",
    );
    let durations: Vec<_> = stage.records().iter().map(|record| record.duration_ms()).collect();
    assert_eq!(durations, [Some(10_000)]);
}

/// The answer to a page that was closed is nobody's: no name server is asked for a name that it made up. RFC 7118 §5.
#[test]
fn an_answer_to_a_closed_page() {
    let text = "
        given bob is registered
        given alice is registered over ws
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
        alice  -> proxy            close
                  proxy <- bob     486
                  proxy -> bob     ACK
        +64s
    ";
    let mut stage = with_websocket(scene_with_names(OPEN, NameServer::new())).run(text);
    let proxy = stage.proxy();
    assert!(stage.world_mut().engine_mut::<Exchange>(proxy).names.asked().is_empty());
}

/// A request that names WebSocket as its way leads nowhere: RFC 7118 §5.
#[test]
fn nobody_is_dialled_by_websocket() {
    play(
        "
        alice  -> proxy/udp        OPTIONS sip:x@192.0.2.77:80;transport=ws
        alice  <- proxy            502
    ",
    );
}

/// On a stateless route the answer to a browser goes back as it does to others: the exchange keeps the state that the Via
/// of a browser cannot carry. RFC 3261 §16.11, RFC 7118 §5.
#[test]
fn a_stateless_route() {
    let route = "[[route]]\nmatch = { domain = \"carrier.example\" }\nto = \"sip:192.0.2.50:5060\"\nmode = \"stateless\"\n\
                 open = true\n";
    with_websocket(scene(&format!("{OPEN}{route}"))).address("carrier", "192.0.2.50:5060").run(
        "
        alice  -> proxy/ws         MESSAGE sip:1@carrier.example
                  proxy -> carrier MESSAGE
                  proxy <- carrier 200
        alice  <- proxy            200
    ",
    );
}

/// The server is killed while a browser's call rings behind a route without state. Its CANCEL matches nothing any more, and is
/// told so here: an answer from afar would not find back to a browser. RFC 3261 §9.2, RFC 7118 §5.
#[test]
fn a_cancel_after_a_kill() {
    let route =
        "[[route]]\nmatch = { domain = \"far.example\" }\nto = \"sip:203.0.113.1\"\nmode = \"stateless\"\n";
    let mut stage =
        with_websocket(scene_on_disk(&format!("{route}{OPEN}"))).address("far", "203.0.113.1:5060").run(
            "
        given alice is registered over ws
        alice  -> proxy            INVITE sip:bob@far.example
                  proxy -> far     INVITE
                  proxy <- far     180
        alice  <- proxy            180
    ",
        );
    stage.kill_and_restart();
    stage.play(
        "
        alice  <- proxy            close
        alice  -> proxy/ws         CANCEL
        alice  <- proxy            481
    ",
    );
}
