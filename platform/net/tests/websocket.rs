//! WebSocket through the loop, with frames made by hand: what passes, what is refused and how, what is bounded.

mod browser;
mod secure;
mod server;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use browser::*;
use offhook_net::{CloseReason, Limits, WebSocketFailure, WebSocketOptions};
use offhook_sip::Transport::{Udp, Ws, Wss};
use offhook_websocket::{Origin, Policy, Refusal, Violation};
use secure::{Authority, anonymous, client, configs};
use server::{Receive, Server, Told, echo, eventually, phone, read_to_close, say};

const MESSAGE: &[u8] = b"MESSAGE sip:bob SIP/2.0\r\n\r\nhello";

fn start_with(limits: Limits, options: WebSocketOptions, receive: Receive) -> Server {
    let listen = [(Ws, "127.0.0.1:0"), (Udp, "127.0.0.1:0")];
    Server::start_websocket(&listen, limits, (None, options), receive)
}

fn start() -> Server {
    start_with(Limits::default(), WebSocketOptions::default(), echo())
}

fn opened(server: &Server) -> TcpStream {
    let mut stream = server.dial(0);
    open(&mut stream);
    stream
}

fn unopened(_: usize, told: &Told) -> Option<WebSocketFailure> {
    match told {
        Told::Unopened(_, why) => Some(*why),
        _ => None,
    }
}

/// RFC 7118 §4.2, §5: one message in each frame, text or binary; it needs no Content-Length.
#[test]
fn messages_pass_both_ways() {
    let server = start();
    let mut alice = opened(&server);
    for first in [TEXT, BINARY] {
        for body in ["", "x", &"y".repeat(3_000), &"z".repeat(60_000)] {
            let message = [MESSAGE, body.as_bytes()].concat();
            say(&alice, &masked(first, &message));
            assert_eq!(hear(&mut alice), (TEXT, message));
        }
    }
    let latin = [MESSAGE, b"caf\xe9"].concat();
    say(&alice, &masked(BINARY, &latin));
    assert_eq!(hear(&mut alice), (BINARY, latin));
    let flow = server.wait_told(|_, told| match told {
        Told::Received(flow, _) => Some(*flow),
        _ => None,
    });
    assert_eq!((flow.transport, flow.connection.is_some()), (Ws, true));
    let counters = &server.counters[0];
    assert_eq!((counters.websockets.get(), counters.secured.get(), counters.held_bytes.get()), (1, 0, 0));
}

/// RFC 6455 §5.4: fragments, with a Ping between them; and bytes one by one, from the first of the opening on.
#[test]
fn frames_and_bytes_in_pieces() {
    let server = start();
    let mut alice = opened(&server);
    let (begin, end) = MESSAGE.split_at(10);
    let frames = [
        masked(TEXT_BEGINS, begin),
        masked(PING, b"there?"),
        masked(CONTINUES, b""),
        masked(ENDS, end),
        masked(TEXT, MESSAGE),
    ];
    say(&alice, &frames.concat());
    // The Pong belongs to the end of what was read; it may overtake.
    let heard = [hear(&mut alice), hear(&mut alice), hear(&mut alice)];
    assert_eq!(heard.iter().filter(|(first, bytes)| (*first, &**bytes) == (TEXT, MESSAGE)).count(), 2);
    assert_eq!(heard.iter().filter(|(first, bytes)| (*first, &**bytes) == (PONG, b"there?")).count(), 1);

    let mut slow = server.dial(0);
    let bytes = [OPENING.as_bytes().to_vec(), frames.concat()].concat();
    bytes.iter().for_each(|byte| say(&slow, &[*byte]));
    let mut answer = vec![0; OPENED.len()];
    slow.read_exact(&mut answer).unwrap();
    assert_eq!(answer, OPENED.as_bytes());
    let heard = [hear(&mut slow), hear(&mut slow), hear(&mut slow)];
    assert_eq!(heard, [(PONG, b"there?".to_vec()), (TEXT, MESSAGE.to_vec()), (TEXT, MESSAGE.to_vec())]);
    eventually("no buffer is kept", || server.counters[0].held_bytes.get() == 0);
}

/// RFC 7118 §6, RFC 5626 §3.5.1: CRLF keep-alives in frames are answered in frames; half of one and nothing are tolerated.
#[test]
fn keep_alives_of_sip() {
    let server = start();
    let mut alice = opened(&server);
    for nothing in [&b""[..], b"\r\n"] {
        say(&alice, &masked(TEXT, nothing));
    }
    say(&alice, &masked(TEXT, b"\r\n\r\n"));
    assert_eq!(hear(&mut alice), (TEXT, b"\r\n".to_vec()));
    assert_eq!(server.counters[0].pings.get(), 1);
}

/// RFC 6455 §7.1.7: who breaks a rule is told so in a Close frame, and the connection ends; the journal is told too.
#[test]
fn broken_rules() {
    let server = start();
    let unmasked = [&[TEXT, MESSAGE.len() as u8], MESSAGE].concat();
    let too_long = [&[BINARY, 0xff, 0, 0, 0, 0, 0, 1, 0, 0], &[0; 4][..]].concat();
    for (frame, violation, code) in [
        (unmasked, Violation::Unmasked, 1002u16),
        (masked(TEXT | 0x40, MESSAGE), Violation::ReservedBit, 1002),
        (masked(0x83, MESSAGE), Violation::ReservedOpcode, 1002),
        (masked(CONTINUES, MESSAGE), Violation::NothingToContinue, 1002),
        (masked(TEXT, b"caf\xe9"), Violation::NotUtf8, 1007),
        (too_long, Violation::TooLong, 1009),
    ] {
        let mut alice = opened(&server);
        say(&alice, &frame);
        let (first, payload) = hear(&mut alice);
        assert_eq!((first, &payload[..2]), (CLOSE, &code.to_be_bytes()[..]), "{violation:?}");
        assert_eq!(read_to_close(&alice), b"");
        assert_eq!(server.wait_told(unopened), WebSocketFailure::Violation(violation));
    }
    server.wait_closed(CloseReason::WebSocket, 6);
}

/// RFC 9112 §9.6: who is still speaking when he is told hears it to its end. A reset would take it from him.
#[test]
fn who_still_speaks_is_told_too() {
    let server = start();
    let mut alice = opened(&server);
    let head = [BINARY, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0];
    say(&alice, &[&head, &*vec![b'x'; 1 << 20]].concat());
    let (first, payload) = hear(&mut alice);
    assert_eq!((first, &payload[..2]), (CLOSE, &1009u16.to_be_bytes()[..]));
    assert_eq!(alice.read(&mut [0]).unwrap(), 0);
    server.wait_closed(CloseReason::WebSocket, 1);

    let bob = server.dial(0);
    say(&bob, &[b"BREW /pot HTTP/1.1\r\n\r\n", &*vec![b'x'; 1 << 20]].concat());
    let mut answer = String::new();
    (&bob).read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

/// RFC 6455 §5.5.1: a Close is answered with a Close, then the server ends the connection (§7.1.1). Nobody is to blame.
#[test]
fn a_client_closes() {
    let server = start();
    let mut alice = opened(&server);
    say(&alice, &[masked(TEXT, MESSAGE), masked(CLOSE, b"\x03\xe9")].concat());
    assert_eq!(hear(&mut alice), (CLOSE, 1000u16.to_be_bytes().to_vec()));
    read_to_close(&alice);
    server.wait_closed(CloseReason::Peer, 1);
    let told: Vec<Told> = server.told.try_iter().map(|(_, told)| told).collect();
    assert!(!told.iter().any(|told| matches!(told, Told::Unopened(..))), "{told:?}");
}

/// RFC 6455 §7.4.1: a server that stops says so (1001), and a browser knows that it may come back. Who has not opened yet
/// hears nothing.
#[test]
fn a_server_that_stops_says_so() {
    let mut server = start();
    let mut alice = opened(&server);
    let bob = server.dial(0);
    say(&alice, &masked(TEXT, MESSAGE));
    hear(&mut alice);
    drop(server.stop());
    assert_eq!(hear(&mut alice), (CLOSE, 1001u16.to_be_bytes().to_vec()));
    read_to_close(&alice);
    assert_eq!(read_to_close(&bob), b"");
}

/// RFC 6455 §5.5.3: of many Pings that came together only the last is answered.
#[test]
fn a_flood_of_pings_makes_no_flood_of_ours() {
    let server = start();
    let mut alice = opened(&server);
    let pings: Vec<u8> = (0..5_000u32).flat_map(|n| masked(PING, &n.to_be_bytes())).collect();
    say(&alice, &pings);
    let mut answers = 0;
    loop {
        let (first, payload) = hear(&mut alice);
        assert_eq!(first, PONG);
        answers += 1;
        if payload == 4_999u32.to_be_bytes() {
            break;
        }
    }
    assert!(answers < 2_500, "{answers}");
}

/// RFC 6455 §4.2.2: what is refused is answered in HTTP, with a text for a person, and closed.
#[test]
fn refused_openings() {
    let origins = vec![Origin::parse("https://phone.example.com").unwrap()];
    let policy = Arc::new(Policy { path: Some("/sip".into()), origins });
    let server = start_with(Limits::default(), WebSocketOptions { policy, ..Default::default() }, echo());
    let good = OPENING.replace("GET / ", "GET /sip ").replace("http://www", "https://phone");
    let mut alice = server.dial(0);
    say(&alice, good.as_bytes());
    let mut answer = vec![0; OPENED.len()];
    alice.read_exact(&mut answer).unwrap();
    assert_eq!(answer, OPENED.as_bytes());
    for (opening, refusal, status) in [
        (good.replace("/sip ", "/ "), Refusal::Path, "404 Not Found"),
        (good.replace("https://phone", "https://evil"), Refusal::Origin, "403 Forbidden"),
        (good.replace("Version: 13", "Version: 8"), Refusal::Version, "426 Upgrade Required"),
        (good.replace("Protocol: sip", "Protocol: xmpp"), Refusal::NotSip, "400 Bad Request"),
        ("REGISTER sip:a SIP/2.0\r\n\r\n".into(), Refusal::NotHttp, "400 Bad Request"),
        ("\x16\x03\x01".into(), Refusal::NotHttp, "400 Bad Request"),
    ] {
        let client = server.dial(0);
        say(&client, opening.as_bytes());
        let answer = String::from_utf8(read_to_close(&client)).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
        assert!(answer.ends_with(&format!("{refusal}\r\n")), "{answer}");
        assert_eq!(server.wait_told(unopened), WebSocketFailure::Refused(refusal));
    }
}

/// Who does not open in time, or hangs up before, is told of.
#[test]
fn openings_that_never_end() {
    let server = start_with(Limits { handshake_ms: 100, ..Limits::default() }, Default::default(), echo());
    let slow = server.dial(0);
    say(&slow, &OPENING.as_bytes()[..50]);
    assert_eq!(read_to_close(&slow), b"");
    assert_eq!(server.wait_told(unopened), WebSocketFailure::Timeout);
    drop(server.dial(0));
    assert_eq!(server.wait_told(unopened), WebSocketFailure::HungUp);
}

/// Handshakes in progress are bounded for each source.
#[test]
fn a_flood_of_openings() {
    let limits = Limits { handshakes_per_source_max: 3, ..Limits::default() };
    let server = start_with(limits, Default::default(), echo());
    let _waiting: Vec<_> = (0..3).map(|_| server.dial(0)).collect();
    eventually("three wait", || server.counters[0].accepted.get() == 3);
    assert_eq!(read_to_close(&server.dial(0)), b"");
    server.wait_closed(CloseReason::Insecure, 1);
}

/// A message that never ends, in one frame or in many, is not waited for for ever.
#[test]
fn messages_that_never_end() {
    let server = start_with(Limits { message_ms: 150, ..Limits::default() }, Default::default(), echo());
    let mut alice = opened(&server);
    say(&alice, &masked(TEXT, MESSAGE)[..20]);
    assert_eq!(hear(&mut alice).0, CLOSE);
    let mut bob = opened(&server);
    say(&bob, &masked(TEXT_BEGINS, b"MESS"));
    assert_eq!(hear(&mut bob).0, CLOSE);
    server.wait_closed(CloseReason::SlowWriter, 2);
}

/// What is kept of messages in pieces counts against the bound on memory.
#[test]
fn memory_of_fragments_is_bounded() {
    let limits = Limits { held_bytes_max: 100_000, ..Limits::default() };
    let server = start_with(limits, Default::default(), echo());
    let piece = masked(TEXT_BEGINS, &[b'x'; 40_000]);
    let clients: Vec<_> = (0..4).map(|_| opened(&server)).collect();
    clients.iter().for_each(|client| say(client, &piece));
    eventually("somebody had to go", || server.counters[0].closed(CloseReason::OutOfMemory) > 0);
    assert!(server.counters[0].held_bytes.get() <= 100_000);
}

/// RFC 7118 §6: a silent client is pinged; one that answers stays, one that does not is gone.
#[test]
fn the_silent_are_asked() {
    let options = WebSocketOptions { ping_every_ms: 150, ..Default::default() };
    let server = start_with(Limits::default(), options, echo());
    let mut alive = opened(&server);
    let mut dead = opened(&server);
    for _ in 0..4 {
        assert_eq!(hear(&mut alive), (PING, vec![]));
        say(&alive, &masked(PONG, b""));
    }
    assert_eq!(hear(&mut dead), (PING, vec![]));
    assert_eq!(hear(&mut dead), (CLOSE, 1001u16.to_be_bytes().to_vec()));
    server.wait_closed(CloseReason::Idle, 1);
    say(&alive, &masked(TEXT, MESSAGE));
    while hear(&mut alive).0 != TEXT {}
}

/// A browser may open long before it calls: the bound on the first message is for plain streams.
#[test]
fn who_has_opened_may_be_silent() {
    let limits = Limits { first_message_ms: 100, ..Limits::default() };
    let options = WebSocketOptions { ping_every_ms: 300, ..Default::default() };
    let server = start_with(limits, options, echo());
    let mut alice = opened(&server);
    assert_eq!(hear(&mut alice), (PING, vec![]));
}

/// A peer that never reads costs its queue and no more.
#[test]
fn a_slow_reader() {
    let amplify: Receive = Box::new(|from, _, out| {
        (1..=10).for_each(|n| out.push(&[b'x'; 10_000], *from, n));
    });
    let limits = Limits { write_queue_bytes: 50_000, write_stall_ms: 300, ..Limits::default() };
    let server = start_with(limits, Default::default(), amplify);
    let alice = opened(&server);
    let requests: Vec<u8> = (0..400).flat_map(|_| masked(TEXT, MESSAGE)).collect();
    say(&alice, &requests);
    let mut most_held = 0;
    eventually("messages fail", || {
        most_held = most_held.max(server.counters[0].held_bytes.get());
        server.counters[0].sends_failed.get() > 1_000
    });
    assert!(most_held <= 50_000 + 1_000, "{most_held}");
    server.wait_closed(CloseReason::SlowReader, 1);
    assert_eq!(server.counters[0].held_bytes.get(), 0);
}

/// RFC 7118 §5: a message for somebody who has no connection fails at once; nobody is dialled.
#[test]
fn nobody_is_dialled() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = listener.local_addr().unwrap();
    let relay: Receive = Box::new(move |_, message, out| {
        let flow = offhook_net::Flow {
            transport: Ws,
            listener: 0,
            connection: offhook_net::ConnectionId::NONE,
            remote,
        };
        out.push(message, flow, 7);
    });
    let server = start_with(Limits::default(), Default::default(), relay);
    phone("127.0.0.1").send_to(MESSAGE, server.address(1)).unwrap();
    let ticket = server.wait_told(|_, told| match told {
        Told::Failed(ticket) => Some(*ticket),
        _ => None,
    });
    assert_eq!(ticket, 7);
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err());
}

/// RFC 7118 §9.1: the same over TLS, with a client by others.
#[test]
fn over_tls() {
    let authority = Authority::new();
    let tls = configs(&authority.sign(&["sip.example.org"]), &authority);
    let options = WebSocketOptions { ping_every_ms: 400, ..Default::default() };
    let framing = (Some(tls), options);
    let server = Server::start_websocket(&[(Wss, "127.0.0.1:0")], Limits::default(), framing, echo());
    let config = anonymous(&authority);
    let connect = || client(&config, server.dial(0), "sip.example.org");
    let mut alice = connect();
    open(&mut alice);
    for body in ["x", &"y".repeat(3_000), &"z".repeat(60_000)] {
        let message = [MESSAGE, body.as_bytes()].concat();
        alice.write_all(&masked(TEXT, &message)).unwrap();
        assert_eq!(hear(&mut alice), (TEXT, message));
    }
    assert_eq!(hear(&mut alice), (PING, vec![]));
    alice
        .write_all(&[masked(TEXT_BEGINS, b"MESS"), masked(PING, b"?"), masked(ENDS, b"AGE")].concat())
        .unwrap();
    let heard = [hear(&mut alice), hear(&mut alice)];
    assert!(
        heard.contains(&(PONG, b"?".to_vec())) && heard.contains(&(TEXT, b"MESSAGE".to_vec())),
        "{heard:?}"
    );
    let counters = server.counters[0].clone();
    assert_eq!((counters.secured.get(), counters.websockets.get(), counters.held_bytes.get()), (1, 1, 0));

    alice.write_all(&masked(0x83, b"")).unwrap();
    assert_eq!(hear(&mut alice).0, CLOSE);
    assert_eq!(alice.read(&mut [0; 10]).unwrap(), 0, "close_notify");
    assert_eq!(server.wait_told(unopened), WebSocketFailure::Violation(Violation::ReservedOpcode));

    let mut lost = connect();
    lost.write_all(OPENING.replace("websocket", "h2c").as_bytes()).unwrap();
    let mut answer = String::new();
    lost.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
    assert_eq!(server.wait_told(unopened), WebSocketFailure::Refused(Refusal::NotWebSocket));
}

/// Whoever is barred loses his WebSocket, open or about to be, and gets no new one; others notice nothing.
#[test]
fn whom_the_engine_bars_is_closed() {
    let listen = [(Ws, "127.0.0.1:0"), (Ws, "[::1]:0")];
    let server =
        Server::start_websocket(&listen, Limits::default(), (None, WebSocketOptions::default()), echo());
    let (mut alice, mut other) = (opened(&server), server.dial(1));
    open(&mut other);
    let opening = server.dial(0);
    let speaks = |stream: &mut TcpStream| {
        say(stream, &masked(TEXT, MESSAGE));
        assert_eq!(hear(stream), (TEXT, MESSAGE.to_vec()));
    };
    speaks(&mut alice);
    eventually("all are there", || server.counters[0].accepted.get() == 3);
    *server.barred.lock().unwrap() = (Some("127.0.0.1".parse().unwrap()), true);
    // The loop looks when it turns.
    speaks(&mut other);
    let close = [0x88, 2, 0x03, 0xe9]; // 1001
    assert_eq!((read_to_close(&alice), read_to_close(&opening)), (close.to_vec(), vec![]));
    server.wait_closed(CloseReason::Barred, 2);
    assert_eq!(read_to_close(&server.dial(0)), b"");
    server.wait_closed(CloseReason::Barred, 3);
    speaks(&mut other);
}
