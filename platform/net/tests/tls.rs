//! TLS through the loop, with clients and servers by others: handshakes that succeed and fail, what passes through, what
//! is told, and what is bounded.

mod secure;
mod server;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use offhook_net::{CloseReason, ConnectionId, Flow, Limits, Outbox, TlsFailure};
use offhook_sip::Transport::{Tls, Udp};
use secure::{Authority, anonymous, ask_anew, client, configs, expect, peer, renegotiating, say};
use server::{PATIENCE, Receive, Server, Told, echo, eventually, message, phone};

struct Scene {
    authority: Authority,
    server: Server,
}

const NAME: &str = "sip.example.org";

fn scene(limits: Limits, receive: Receive) -> Scene {
    let authority = Authority::new();
    let tls = configs(&authority.sign(&[NAME]), &authority);
    let server = Server::start_secure(&[(Tls, "127.0.0.1:0"), (Udp, "127.0.0.1:0")], limits, tls, receive);
    Scene { authority, server }
}

fn insecure(_: usize, told: &Told) -> Option<TlsFailure> {
    match told {
        Told::Insecure(_, why) => Some(*why),
        _ => None,
    }
}

fn failed(_: usize, told: &Told) -> Option<u64> {
    match told {
        Told::Failed(ticket) => Some(*ticket),
        _ => None,
    }
}

/// RFC 3261 §26.2.1: SIP over TLS, framed as over TCP.
#[test]
fn messages_pass_both_ways() {
    let Scene { authority, server } = scene(Limits::default(), echo());
    let mut alice = client(&anonymous(&authority), server.dial(0), NAME);
    for body in ["x", &"y".repeat(3_000), &"z".repeat(50_000)] {
        say(&mut alice, &message(body));
        expect(&mut alice, &message(body));
    }
    let flow = server.wait_told(|_, told| match told {
        Told::Received(flow, _) => Some(*flow),
        _ => None,
    });
    assert_eq!((flow.transport, server.counters[0].secured.get()), (Tls, 1));
}

#[test]
fn a_message_may_be_cut_anywhere_and_records_too() {
    let Scene { authority, server } = scene(Limits::default(), echo());
    let mut alice = client(&anonymous(&authority), server.dial(0), NAME);
    let message = message("hello\r\n\r\nthere");
    for cut in 1..message.len() {
        say(&mut alice, &message[..cut]);
        say(&mut alice, &message[cut..]);
        expect(&mut alice, &message);
    }
    // Sealed bytes one by one.
    alice.conn.writer().write_all(&message).unwrap();
    let mut sealed = Vec::new();
    while alice.conn.wants_write() {
        alice.conn.write_tls(&mut sealed).unwrap();
    }
    sealed.iter().for_each(|byte| (&alice.sock).write_all(&[*byte]).unwrap());
    expect(&mut alice, &message);
    eventually("no buffer is kept", || server.counters[0].held_bytes.get() == 0);
}

/// RFC 5626 §3.5.1: the ping of a phone is answered inside TLS.
#[test]
fn pings_are_answered() {
    let Scene { authority, server } = scene(Limits::default(), echo());
    let mut alice = client(&anonymous(&authority), server.dial(0), NAME);
    say(&mut alice, b"\r\n\r\n");
    expect(&mut alice, b"\r\n");
}

#[test]
fn many_messages_to_a_slow_reader_arrive_in_order() {
    let receive: Receive = Box::new(|from, _, out| {
        (0..400).for_each(|n| out.push(&message(format!("{n} {}", "x".repeat(500))), *from, 0));
    });
    let limits = Limits { write_queue_bytes: 1 << 20, ..Limits::default() };
    let Scene { authority, server } = scene(limits, receive);
    let mut alice = client(&anonymous(&authority), server.dial(0), NAME);
    (0..3).for_each(|_| say(&mut alice, &message("go")));
    for n in (0..3).flat_map(|_| 0..400) {
        expect(&mut alice, &message(format!("{n} {}", "x".repeat(500))));
    }
    eventually("no buffer is kept", || server.counters[0].held_bytes.get() == 0);
}

/// RFC 8446 §6.1: who says close_notify is closed, and so is who just shuts his half.
#[test]
fn both_ways_to_end_are_an_end() {
    let Scene { authority, server } = scene(Limits::default(), echo());
    let mut alice = client(&anonymous(&authority), server.dial(0), NAME);
    say(&mut alice, &message("1"));
    expect(&mut alice, &message("1"));
    alice.conn.send_close_notify();
    alice.flush().unwrap();
    server.wait_closed(CloseReason::Peer, 1);
    let mut bob = client(&anonymous(&authority), server.dial(0), NAME);
    say(&mut bob, &message("2"));
    expect(&mut bob, &message("2"));
    bob.sock.shutdown(Shutdown::Write).unwrap();
    server.wait_closed(CloseReason::Peer, 2);
    assert_eq!(bob.read(&mut [0; 9]).expect("close_notify, then the end"), 0);
}

/// RFC 3261 §26.2.1: plain SIP on the port of TLS finds a closed door, and the log says why.
#[test]
fn plain_text_is_refused_and_named() {
    let Scene { server, .. } = scene(Limits::default(), echo());
    let mut stream = server.dial(0);
    stream.write_all(&message("hello")).unwrap();
    assert_eq!(server.wait_told(insecure), TlsFailure::NotTls);
    server.wait_closed(CloseReason::Insecure, 1);
    assert_eq!(server.counters[0].tls_failed(TlsFailure::NotTls), 1);
}

#[test]
fn a_client_that_does_not_trust_us_says_so() {
    let Scene { server, .. } = scene(Limits::default(), echo());
    let mut alice = client(&anonymous(&Authority::new()), server.dial(0), NAME);
    assert!(alice.write_all(b"x").and_then(|()| alice.flush()).is_err());
    assert_eq!(server.wait_told(insecure), TlsFailure::OursRefused);
}

#[test]
fn a_handshake_has_its_time() {
    let limits = Limits { handshake_ms: 200, ..Limits::default() };
    let Scene { server, .. } = scene(limits, echo());
    let mut slow = server.dial(0);
    slow.write_all(&[22, 3, 1, 2]).unwrap();
    assert_eq!(server.wait_told(insecure), TlsFailure::Timeout);
    assert_eq!(server.counters[0].closed(CloseReason::Insecure), 1);
}

#[test]
fn handshakes_in_progress_are_bounded_by_source_and_in_all() {
    let limits = Limits { handshakes_max: 6, handshakes_per_source_max: 4, ..Limits::default() };
    let Scene { authority, server } = scene(limits, echo());
    let mut alice = client(&anonymous(&authority), server.dial(0), NAME);
    say(&mut alice, &message("established ones do not count"));
    expect(&mut alice, &message("established ones do not count"));
    let dial_from = |ip: &str| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&format!("{ip}:0").parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.connect(&server.address(0).into()).unwrap();
        socket
    };
    let _one: Vec<_> = (0..5).map(|_| dial_from("127.0.0.9")).collect();
    assert_eq!(server.wait_told(insecure), TlsFailure::TooMany);
    let _other: Vec<_> = (0..3).map(|_| dial_from("127.0.0.10")).collect();
    assert_eq!(server.wait_told(insecure), TlsFailure::TooMany);
    assert_eq!(server.counters[0].tls_failed(TlsFailure::TooMany), 2);
    // Who waits no longer makes room.
    drop(_one);
    assert_eq!(server.wait_told(insecure), TlsFailure::HungUp);
    eventually("all have left", || server.counters[0].connections.get() == 3);
    let mut bob = client(&anonymous(&authority), server.dial(0), NAME);
    say(&mut bob, &message("hello"));
    expect(&mut bob, &message("hello"));
}

/// RFC 5922 §7.4: a client proves who it is; the engine hears it before the first message.
#[test]
fn mutual_tls_tells_who_the_client_is() {
    let (authority, own) = (Authority::new(), Authority::new());
    let identity = own.sign(&[NAME]);
    let tls = Arc::new(offhook_net::TlsConfigs::new(identity.server(Some(&authority)), anonymous(&own)));
    let server = Server::start_secure(&[(Tls, "127.0.0.1:0")], Limits::default(), tls, echo());
    let trunk = authority.sign(&["trunk.example.com"]);
    let mut alice = client(&trunk.client(&own), server.dial(0), NAME);
    say(&mut alice, &message("hello"));
    expect(&mut alice, &message("hello"));
    let (_, certificate) = server.wait_told(|_, told| match told {
        Told::Received(..) => panic!("a message before its sender is known"),
        Told::Certified(id, certificate) => Some((*id, certificate.clone())),
        _ => None,
    });
    assert_eq!(certificate, trunk.chain[0].as_ref());

    let stranger = Authority::new().sign(&["trunk.example.com"]);
    let expired = authority.sign_expired(&["trunk.example.com"]);
    let refused = [
        (anonymous(&own), TlsFailure::NoCertificate),
        (stranger.client(&own), TlsFailure::UnknownAuthority),
        (expired.client(&own), TlsFailure::Expired),
    ];
    for (config, why) in refused {
        let mut client = client(&config, server.dial(0), NAME);
        let _ = client.write_all(&message("hello")).and_then(|()| client.read(&mut [0; 1]).map(drop));
        assert_eq!(server.wait_told(insecure), why);
    }
}

/// RFC 5246 §7.2.2, RFC 5246 §7.4.1.1: a client that asks for another handshake gets an alert and is closed; others live on.
#[test]
fn nobody_negotiates_anew() {
    let Scene { authority, server } = scene(Limits::default(), echo());
    let mut alice = client(&anonymous(&authority), server.dial(0), NAME);
    say(&mut alice, &message("1"));
    expect(&mut alice, &message("1"));
    let mut mallory = client(&renegotiating(&authority), server.dial(0), NAME);
    say(&mut mallory, &message("2"));
    expect(&mut mallory, &message("2"));
    let mut stream = ask_anew(mallory);
    assert_eq!(server.wait_told(insecure), TlsFailure::Renegotiation);
    server.wait_closed(CloseReason::Insecure, 1);
    let mut said = Vec::new();
    stream.read_to_end(&mut said).expect("the end");
    assert_eq!((said[0], &said[1..3]), (21, &[3, 3][..]), "an alert");
    say(&mut alice, &message("3"));
    expect(&mut alice, &message("3"));
}

/// Sends each datagram on by TLS to `remote`, which must prove to be `domain`; the datagram's length is the ticket.
fn dialler(remote: SocketAddr, domain: Option<&'static str>) -> Receive {
    Box::new(move |_, bytes, out: &mut Outbox| {
        let connection = domain.map_or(ConnectionId::NONE, |domain| out.toward(domain));
        out.push(bytes, Flow { transport: Tls, listener: 0, connection, remote }, bytes.len() as u64);
    })
}

fn dial_out(
    domain: Option<&'static str>,
    identity: impl FnOnce(&Authority) -> secure::Identity,
) -> (Scene, TcpStream, secure::Identity) {
    let far = TcpListener::bind("127.0.0.1:0").unwrap();
    let scene = scene(Limits::default(), dialler(far.local_addr().unwrap(), domain));
    let identity = identity(&scene.authority);
    let bob = phone("127.0.0.1");
    bob.send_to(&message("1"), scene.server.address(1)).unwrap();
    bob.send_to(&message("22"), scene.server.address(1)).unwrap();
    let (stream, _) = far.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    (scene, stream, identity)
}

/// RFC 3261 §18.1.1, RFC 5922 §7.3: one connection is opened for both messages, and its name is asked for.
#[test]
fn what_is_sent_before_the_handshake_is_over_leaves_after_it() {
    let (_scene, stream, identity) = dial_out(Some("example.com"), |ca| ca.sign(&["example.com"]));
    let mut far = peer(&identity.server(None), stream);
    expect(&mut far, &message("1"));
    expect(&mut far, &message("22"));
    assert_eq!(far.conn.server_name(), Some("example.com"));
}

/// RFC 5922 §7.3: an address in the place of a name is proved by an address.
#[test]
fn without_a_domain_the_address_must_be_proved() {
    let (_scene, stream, identity) = dial_out(None, |ca| ca.sign(&["127.0.0.1"]));
    let mut far = peer(&identity.server(None), stream);
    expect(&mut far, &message("1"));
}

#[test]
fn who_is_not_who_he_should_be_gets_nothing() {
    type MakeIdentity = fn(&Authority) -> secure::Identity;
    let cases: [(MakeIdentity, TlsFailure); 3] = [
        (|ca| ca.sign(&["example.org"]), TlsFailure::WrongName),
        (|ca| ca.sign_expired(&["example.com"]), TlsFailure::Expired),
        (|_| Authority::new().sign(&["example.com"]), TlsFailure::UnknownAuthority),
    ];
    for (identity, why) in cases {
        let (scene, stream, identity) = dial_out(Some("example.com"), identity);
        let mut far = peer(&identity.server(None), stream);
        assert!(far.read(&mut [0; 1]).is_err());
        let mut tickets = Vec::new();
        let reason = scene.server.wait_told(|_, told| {
            tickets.extend(failed(0, told));
            insecure(0, told)
        });
        assert_eq!(reason, why);
        while tickets.len() < 2 {
            tickets.push(scene.server.wait_told(failed));
        }
        assert_eq!(tickets, [message("1").len() as u64, message("22").len() as u64]);
    }
}

/// RFC 8446 §4.4.2.4: a peer that refuses our certificate does so when our handshake is over, and what we have said by then has
/// failed. Once it has spoken, nothing fails with it.
#[test]
fn who_refuses_our_certificate_has_read_nothing() {
    for speaks in [false, true] {
        let (scene, stream, identity) = dial_out(Some("example.com"), |ca| ca.sign(&["example.com"]));
        let asks_for = if speaks { &scene.authority } else { &Authority::new() };
        let mut far = peer(&identity.server(Some(asks_for)), stream);
        if speaks {
            expect(&mut far, &message("1"));
            secure::say(&mut far, &message("answer"));
            scene.server.wait_told(|_, told| matches!(told, Told::Received(..)).then_some(()));
            far.sock.write_all(b"noise, which no record begins with").unwrap();
            scene.server.wait_told(insecure);
            assert_eq!(scene.server.told.try_iter().filter_map(|(n, told)| failed(n, &told)).count(), 0);
            continue;
        }
        assert!(far.read(&mut [0; 1]).is_err());
        let mut tickets = Vec::new();
        let reason = scene.server.wait_told(|_, told| {
            tickets.extend(failed(0, told));
            insecure(0, told)
        });
        assert_eq!(reason, TlsFailure::OursRefused);
        while tickets.len() < 2 {
            tickets.push(scene.server.wait_told(failed));
        }
        assert_eq!(tickets, [message("1").len() as u64, message("22").len() as u64]);
    }
}

/// A peer that speaks no TLS at all.
#[test]
fn a_plain_peer_gets_nothing() {
    let (scene, mut stream, _) = dial_out(Some("example.com"), |ca| ca.sign(&["example.com"]));
    stream.write_all(b"SIP/2.0 200 OK\r\n\r\n").unwrap();
    assert_eq!(scene.server.wait_told(insecure), TlsFailure::NotTls);
}
