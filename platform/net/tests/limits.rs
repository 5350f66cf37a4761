//! What a peer can cost: the slow, the silent, the many. Limits are shrunk to milliseconds.

mod server;

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use offhook_net::{CloseReason, Limits};
use offhook_sip::Transport::Tcp;
use server::{PATIENCE, Receive, Server, Told, echo, eventually, message, read_exactly, read_to_close, say};

fn start(limits: Limits, receive: Receive) -> Server {
    Server::start(&[(Tcp, "127.0.0.1:0")], limits, receive)
}

/// Says the same until the server takes no more; how many bytes it took.
fn flood(mut stream: &TcpStream, bytes: &[u8], most: usize) -> usize {
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut sent = 0;
    while sent < most {
        match stream.write(&bytes[sent % bytes.len()..]) {
            Ok(count) => sent += count,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(e) => panic!("{e}"),
        }
    }
    sent
}

#[test]
fn a_peer_that_never_reads_costs_its_queue_and_no_more() {
    let amplify: Receive = Box::new(|from, _, out| {
        (1..=10).for_each(|n| out.push(&[b'x'; 10_000], *from, n));
    });
    let limits = Limits { write_queue_bytes: 50_000, write_stall_ms: 300, ..Limits::default() };
    let server = start(limits, amplify);
    let stream = server.dial(0);
    // Answers of 40 MB: more than the kernel's buffers and the queue take.
    let requests: Vec<u8> = (0..400).flat_map(|_| message("more")).collect();
    say(&stream, &requests);
    let mut most_held = 0;
    eventually("messages fail", || {
        most_held = most_held.max(server.counters[0].held_bytes.get());
        server.counters[0].sends_failed.get() > 1_000
    });
    assert!(most_held <= 50_000, "{most_held}");
    server.wait_told(|_, t| matches!(t, Told::Failed(_)).then_some(()));
    server.wait_closed(CloseReason::SlowReader, 1);
    assert_eq!(server.counters[0].held_bytes.get(), 0);
    // Other peers never noticed.
    let other = server.dial(0);
    say(&other, &message("hello"));
    read_exactly(&other, &[b'x'; 100_000]);
}

/// Who does not take answers may not ask on. Nothing is lost when he begins to read.
#[test]
fn back_pressure_reaches_the_peer() {
    let server = start(Limits::default(), echo());
    let stream = server.dial(0);
    let message = message(vec![b'x'; 1_000]);
    let most = 1_000 * message.len() * 100;
    let sent = flood(&stream, &message, most);
    assert!(sent < most, "the server took {sent} bytes without an answer being read");
    let counters = server.counters[0].clone();
    assert!(counters.held_bytes.get() <= 256 * 1024 + 128 * 1024, "{}", counters.held_bytes.get());
    let whole = sent / message.len();
    (0..whole).for_each(|_| read_exactly(&stream, &message));
    assert_eq!((counters.sends_failed.get(), counters.stream_messages_in.get()), (0, whole as u64));
}

#[test]
fn who_says_nothing_is_closed() {
    let server = start(Limits { first_message_ms: 50, ..Limits::default() }, echo());
    let silent = server.dial(0);
    assert_eq!(read_to_close(&silent), b"");
    server.wait_closed(CloseReason::Silent, 1);
    // A ping is no message.
    let pinging = server.dial(0);
    say(&pinging, b"\r\n\r\n");
    assert_eq!(read_to_close(&pinging), b"\r\n");
    server.wait_closed(CloseReason::Silent, 2);
}

#[test]
fn a_message_that_takes_too_long_is_the_last() {
    let server = start(Limits { message_ms: 100, ..Limits::default() }, echo());
    let mut stream = server.dial(0);
    let hello = message("hello");
    say(&stream, &hello);
    read_exactly(&stream, &hello);
    // One byte at a time, for ever.
    let deadline = Instant::now() + PATIENCE;
    while stream.write(b"x").is_ok() {
        assert!(Instant::now() < deadline, "still open");
        std::thread::sleep(Duration::from_millis(5));
    }
    server.wait_closed(CloseReason::SlowWriter, 1);
    assert_eq!(server.counters[0].held_bytes.get(), 0);
}

/// Who pings is alive, and so is who talks without being answered.
#[test]
fn idleness_ends_a_connection_and_anything_else_keeps_it() {
    let answer_hello: Receive = Box::new(|from, bytes, out| {
        if bytes == message("hello") {
            out.push(bytes, *from, 0);
        }
    });
    let server = start(Limits { idle_ms: 400, ..Limits::default() }, answer_hello);
    let [quiet, pinging, talking] = [server.dial(0), server.dial(0), server.dial(0)];
    for stream in [&quiet, &pinging, &talking] {
        say(stream, &message("hello"));
        read_exactly(stream, &message("hello"));
    }
    while server.counters[0].closed(CloseReason::Idle) == 0 {
        say(&pinging, b"\r\n\r\n");
        read_exactly(&pinging, b"\r\n");
        say(&talking, &message("I talk to myself"));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(read_to_close(&quiet), b"");
    for stream in [&pinging, &talking] {
        say(stream, &message("hello"));
        read_exactly(stream, &message("hello"));
    }
    assert_eq!(server.counters[0].connections.get(), 2);
}

fn no_room(_: usize, told: &Told) -> Option<(&'static str, usize)> {
    match told {
        Told::NoRoom(which, limit) => Some((*which, *limit)),
        _ => None,
    }
}

#[test]
fn one_source_gets_its_share_and_no_more() {
    let server = start(Limits { connections_per_source_max: 3, ..Limits::default() }, echo());
    let mut taken: Vec<TcpStream> = (0..3).map(|_| server.dial(0)).collect();
    eventually("three are in", || server.counters[0].connections.get() == 3);
    assert_eq!(read_to_close(&server.dial(0)), b"");
    server.wait_closed(CloseReason::TooMany, 1);
    assert_eq!(server.wait_told(no_room), ("connections_per_source_max", 3));
    // Another source is welcome.
    let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    other.bind(&"127.0.0.2:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    other.connect(&server.address(0).into()).unwrap();
    eventually("four are in", || server.counters[0].connections.get() == 4);
    // And so is the first again, when one of its connections has ended.
    taken.pop();
    eventually("one has gone", || server.counters[0].connections.get() == 3);
    let stream = server.dial(0);
    say(&stream, &message("hello"));
    read_exactly(&stream, &message("hello"));
}

#[test]
fn a_full_shard_takes_none() {
    let server = start(Limits { connections_max: 2, ..Limits::default() }, echo());
    let _taken = [server.dial(0), server.dial(0)];
    eventually("two are in", || server.counters[0].connections.get() == 2);
    assert_eq!(read_to_close(&server.dial(0)), b"");
    server.wait_closed(CloseReason::TooMany, 1);
    assert_eq!(server.wait_told(no_room), ("connections_max", 2));
}

#[test]
fn all_together_hold_no_more_than_the_shard_allows() {
    let server = start(Limits { held_bytes_max: 10_000, ..Limits::default() }, echo());
    let beginning = &message(vec![b'x'; 10_000])[..3_000];
    let streams: Vec<TcpStream> = (0..3).map(|_| server.dial(0)).collect();
    streams.iter().for_each(|stream| say(stream, beginning));
    eventually("three beginnings are kept", || server.counters[0].held_bytes.get() >= 9_000);
    let fourth = server.dial(0);
    say(&fourth, beginning);
    assert_eq!(read_to_close(&fourth), b"");
    server.wait_closed(CloseReason::OutOfMemory, 1);
    assert_eq!(server.wait_told(no_room), ("held_bytes_max", 10_000));
    assert_eq!(server.counters[0].connections.get(), 3);
}

#[test]
fn a_message_longer_than_the_queue_fails_at_once() {
    let long: Receive = Box::new(|from, _, out| {
        out.push(&[b'x'; 2_000], *from, 1);
        out.push(b"short", *from, 2);
    });
    let server = start(Limits { write_queue_bytes: 1_000, ..Limits::default() }, long);
    let stream = server.dial(0);
    say(&stream, &message("hello"));
    read_exactly(&stream, b"short");
    server.wait_told(|_, t| matches!(t, Told::Failed(1)).then_some(()));
}
