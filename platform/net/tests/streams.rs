//! TCP through the loop: framing, keep-alives, which connection is used, and what the engine hears when one ends.

mod server;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use offhook_net::{CloseReason, ConnectionId, Flow, Limits, Outbox};
use offhook_sip::Transport::{Tcp, Udp};
use server::{
    PATIENCE, Receive, Server, Told, echo, eventually, hear, message, phone, read_exactly, read_to_close, say,
};

fn start(receive: Receive) -> Server {
    Server::start(&[(Tcp, "127.0.0.1:0"), (Udp, "127.0.0.1:0")], Limits::default(), receive)
}

fn received(_: usize, told: &Told) -> Option<(Flow, Vec<u8>)> {
    match told {
        Told::Received(flow, bytes) => Some((*flow, bytes.clone())),
        _ => None,
    }
}

fn failed(_: usize, told: &Told) -> Option<u64> {
    match told {
        Told::Failed(ticket) => Some(*ticket),
        _ => None,
    }
}

fn closed(_: usize, told: &Told) -> Option<ConnectionId> {
    match told {
        Told::Closed(id) => Some(*id),
        _ => None,
    }
}

#[test]
fn a_message_may_be_cut_anywhere() {
    let server = start(echo());
    let message = message("hello\r\n\r\nthere");
    let stream = server.dial(0);
    for cut in 1..message.len() {
        say(&stream, &message[..cut]);
        // Not before the first part was read does the second leave.
        let held = || server.counters[0].held_bytes.get();
        eventually("the first part is kept", || held() > 0);
        say(&stream, &message[cut..]);
        read_exactly(&stream, &message);
        eventually("nothing is kept", || held() == 0);
    }
}

#[test]
fn a_message_may_come_byte_by_byte() {
    let server = start(echo());
    for stream in [server.dial(0), server.dial(0)] {
        let message = message("x");
        message.iter().for_each(|byte| say(&stream, &[*byte]));
        read_exactly(&stream, &message);
    }
}

#[test]
fn one_segment_may_carry_many_messages_and_a_half() {
    let server = start(echo());
    let stream = server.dial(0);
    let all: Vec<u8> = (0..200).flat_map(|n| message(format!("message {n}"))).collect();
    let (first, second) = all.split_at(all.len() - 20);
    say(&stream, first);
    read_exactly(&stream, &all[..all.len() - message("message 199").len()]);
    say(&stream, second);
    read_exactly(&stream, &message("message 199"));
    for n in 0..200 {
        assert_eq!(server.wait_told(received).1, message(format!("message {n}")));
    }
}

#[test]
fn long_messages_pass() {
    let server = start(echo());
    let stream = server.dial(0);
    let long = message(vec![b'x'; 65_000]);
    for _ in 0..5 {
        say(&stream, &long);
        read_exactly(&stream, &long);
    }
    eventually("nothing is kept", || server.counters[0].held_bytes.get() == 0);
}

/// RFC 5626 §3.5.1: two CRLFs are answered with one, in whatever pieces they come; one is skipped.
#[test]
fn pings_are_answered() {
    let server = start(echo());
    let stream = server.dial(0);
    say(&stream, b"\r\n\r\n");
    read_exactly(&stream, b"\r\n");
    for half in [b"\r\n", b"\r\n"] {
        let turns = server.counters[0].turns.get();
        say(&stream, half);
        eventually("the half is read", || server.counters[0].turns.get() > turns);
    }
    read_exactly(&stream, b"\r\n");
    let message = message("after a lone CRLF");
    say(&stream, b"\r\n");
    say(&stream, &message);
    read_exactly(&stream, &message);
    say(&stream, b"\r\n\r\n\r\n\r\n\r\n\r\n");
    read_exactly(&stream, b"\r\n\r\n\r\n");
    assert_eq!(server.counters[0].pings.get(), 5);
}

#[test]
fn another_protocol_is_answered_and_closed() {
    let server = start(echo());
    let whole = message("fine");
    let stream = server.dial(0);
    say(&stream, &[&whole[..], b"\x16\x03\x01 hello"].concat());
    assert_eq!(read_to_close(&stream), [&whole[..], b"bad request"].concat());
    let (flow, _) = server.wait_told(received);
    server.wait_told(|_, t| matches!(t, Told::Unframeable(9)).then_some(()));
    assert_eq!(server.wait_told(closed), flow.connection);
    server.wait_closed(CloseReason::Unframeable, 1);
}

/// RFC 9112 §9.6 tells why: who still speaks when he is answered reads the answer, not a reset. But not for ever.
#[test]
fn another_protocol_that_goes_on_is_answered_too() {
    let server = start(echo());
    let mut stream = server.dial(0);
    say(&stream, &[&b"\x16\x03\x01 hello"[..], &vec![b'x'; 1 << 20]].concat());
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"bad request");
    server.wait_closed(CloseReason::Unframeable, 1);
    eventually("who never ends is closed", || stream.write(&[b'x'; 1 << 16]).is_err());
}

#[test]
fn the_engine_hears_of_a_peer_that_hangs_up() {
    let server = start(echo());
    for reason in [CloseReason::Peer, CloseReason::Reset] {
        let stream = server.dial(0);
        say(&stream, &message("hello"));
        let (flow, _) = server.wait_told(received);
        read_exactly(&stream, &message("hello"));
        if reason == CloseReason::Reset {
            socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        }
        drop(stream);
        assert_eq!(server.wait_told(closed), flow.connection);
        server.wait_closed(reason, 1);
    }
    assert_eq!(server.counters[0].connections.get(), 0);
}

/// Sends what a datagram says to an address that the test's TCP server has: `ticket` and text.
fn sends_to(remote: SocketAddr) -> Receive {
    Box::new(move |from, text, out: &mut Outbox| {
        if from.transport == Udp {
            let flow = Flow { transport: Tcp, listener: 0, connection: ConnectionId::NONE, remote };
            out.push(text, flow, 1);
            out.push(text, flow, 2);
        }
    })
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// RFC 3261 §18.1.1: one connection serves every message to an address, those of the first batch included.
#[test]
fn a_connection_is_opened_once_and_used_again() {
    let bob = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = start(sends_to(bob.local_addr().unwrap()));
    let phone = phone("127.0.0.1");
    phone.send_to(b"one", server.address(1)).unwrap();
    let stream = accept(&bob);
    assert_eq!(
        stream.peer_addr().unwrap().ip(),
        server.address(0).ip(),
        "it comes from the listener's address"
    );
    read_exactly(&stream, b"oneone");
    phone.send_to(b"two", server.address(1)).unwrap();
    read_exactly(&stream, b"twotwo");
    assert_eq!((server.counters[0].connected.get(), server.counters[0].connections.get()), (1, 1));
    // When it is gone, the next message opens another.
    drop(stream);
    server.wait_told(closed);
    phone.send_to(b"three", server.address(1)).unwrap();
    read_exactly(&accept(&bob), b"threethree");
}

/// What arrives on a connection that we opened comes from it.
#[test]
fn an_opened_connection_is_read_too() {
    let bob = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = start(sends_to(bob.local_addr().unwrap()));
    phone("127.0.0.1").send_to(b"one", server.address(1)).unwrap();
    let stream = accept(&bob);
    server.wait_told(received);
    say(&stream, &message("answer"));
    let (flow, bytes) = server.wait_told(received);
    assert_eq!((flow.remote, bytes), (bob.local_addr().unwrap(), message("answer")));
    assert!(flow.connection.is_some());
}

/// RFC 3261 §18.2.2, §18.1.1: a connection that the peer opened leads to it as well.
#[test]
fn an_accepted_connection_leads_to_its_peer() {
    let to_its_source: Receive =
        Box::new(|from, bytes, out| out.push(bytes, Flow { connection: ConnectionId::NONE, ..*from }, 1));
    let server = start(to_its_source);
    let stream = server.dial(0);
    say(&stream, &message("hello"));
    read_exactly(&stream, &message("hello"));
    assert_eq!(server.counters[0].connected.get(), 0);
}

#[test]
fn the_name_of_a_closed_connection_reaches_nobody() {
    let mut first = None;
    let to_the_first: Receive =
        Box::new(move |from, bytes, out| out.push(bytes, *first.get_or_insert(*from), 5));
    let server = start(to_the_first);
    let old = server.dial(0);
    say(&old, &message("first"));
    read_exactly(&old, &message("first"));
    drop(old);
    server.wait_told(closed);
    let new = server.dial(0);
    say(&new, &message("second"));
    assert_eq!(server.wait_told(failed), 5);
}

#[test]
fn a_refused_connection_fails_each_message() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = start(sends_to(free));
    phone("127.0.0.1").send_to(b"one", server.address(1)).unwrap();
    assert_eq!([server.wait_told(failed), server.wait_told(failed)], [1, 2]);
    eventually("none is left", || server.counters[0].connections.get() == 0);
}

/// A full accept queue swallows connection attempts without a word, as a firewall does.
#[test]
fn a_connection_into_a_black_hole_fails_in_time() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let hole = socket.local_addr().unwrap().as_socket().unwrap();
    let _fills_the_queue = TcpStream::connect(hole).unwrap();
    let limits = Limits { connect_timeout_ms: 50, ..Limits::default() };
    let listen = [(Tcp, "127.0.0.1:0"), (Udp, "127.0.0.1:0")];
    let server = Server::start(&listen, limits, sends_to(hole));
    phone("127.0.0.1").send_to(b"one", server.address(1)).unwrap();
    assert_eq!([server.wait_told(failed), server.wait_told(failed)], [1, 2]);
    server.wait_closed(CloseReason::ConnectTimeout, 1);
}

#[test]
fn streams_work_over_ipv6() {
    let bob = TcpListener::bind("[::1]:0").unwrap();
    let listen = [(Tcp, "[::1]:0"), (Udp, "[::1]:0")];
    let server = Server::start(&listen, Limits::default(), sends_to(bob.local_addr().unwrap()));
    let phone = phone("::1");
    phone.send_to(b"one", server.address(1)).unwrap();
    read_exactly(&accept(&bob), b"oneone");
    let stream = server.dial(0);
    say(&stream, &message("to you"));
    server.wait_told(received);
    assert_eq!(server.wait_told(received).1, message("to you"));
}

/// More than one system call takes, fewer than a phone's buffer holds.
const MANY: usize = 150;

/// What a batch has for one connection and for datagrams leaves in the order in which it was said.
#[test]
fn order_is_kept_per_peer() {
    let many: Receive = Box::new(|from, _, out| {
        (0..MANY).for_each(|n| out.push(format!("{n},").as_bytes(), *from, 0));
    });
    let server = start(many);
    let expected: String = (0..MANY).map(|n| format!("{n},")).collect();
    let stream = server.dial(0);
    say(&stream, &message(""));
    read_exactly(&stream, expected.as_bytes());
    let phone = phone("127.0.0.1");
    phone.send_to(b"x", server.address(1)).unwrap();
    let heard: Vec<u8> = (0..MANY).flat_map(|_| hear(&phone)).collect();
    assert_eq!(String::from_utf8(heard).unwrap(), expected);
}

/// Whoever is barred loses the connections that he has, with what waits for him, and gets no new ones; others notice nothing.
#[test]
fn whom_the_engine_bars_is_closed() {
    let server = Server::start(&[(Tcp, "127.0.0.1:0"), (Tcp, "[::1]:0")], Limits::default(), echo());
    let (stream, other) = (server.dial(0), server.dial(1));
    for stream in [&stream, &other] {
        say(stream, &message("hello"));
        read_exactly(stream, &message("hello"));
    }
    *server.barred.lock().unwrap() = (Some("127.0.0.1".parse().unwrap()), true);
    // The loop looks when it turns.
    say(&other, &message("turn"));
    read_exactly(&other, &message("turn"));
    assert_eq!(read_to_close(&stream), b"");
    server.wait_told(closed);
    server.wait_closed(CloseReason::Barred, 1);
    assert_eq!(read_to_close(&server.dial(0)), b"");
    server.wait_closed(CloseReason::Barred, 2);
    assert_eq!(server.counters[0].accepted.get(), 2);
    say(&other, &message("still here"));
    read_exactly(&other, &message("still here"));
}
