//! Several shards on the same addresses: who gets what, and how it reaches the right one.

mod server;

use std::collections::HashSet;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};

use offhook_net::{ConnectionId, Flow, Limits, NetError, bind, resolve};
use offhook_sip::Transport::{self, Tcp, Udp};
use server::{Receive, Server, Told, eventually, hear, message, phone, read_exactly, say};

const BOTH: [(Transport, &str); 2] = [(Tcp, "127.0.0.1:0"), (Udp, "127.0.0.1:0")];

/// Shard 1 answers everything; shard 0 hands over.
fn only_shard_1_answers(shard: usize) -> Receive {
    match shard {
        0 => Box::new(|from, bytes, out| out.hand_over(1, *from, bytes)),
        _ => Box::new(|from, bytes, out| out.push(bytes, *from, 0)),
    }
}

/// From many ports, so that the kernel gives some of them to each shard.
#[test]
fn a_datagram_is_answered_wherever_it_arrives() {
    let server = Server::start_shards(2, &BOTH, Limits::default(), only_shard_1_answers);
    for n in 0..64 {
        let (phone, text) = (phone("127.0.0.1"), format!("datagram {n}"));
        phone.send_to(text.as_bytes(), server.address(1)).unwrap();
        assert_eq!(hear(&phone), text.as_bytes());
    }
    let counters = &server.counters;
    assert!(counters[0].datagrams_in.get() > 0, "the kernel gave shard 0 nothing");
    let handed_over = || counters[0].handed_over.get();
    eventually("all of them were handed over", || handed_over() == counters[0].datagrams_in.get());
    eventually("all are counted", || server.counters[1].datagrams_out.get() == 64);
}

/// A message of a stream goes to shard 1, its answer comes back to the connection's owner.
#[test]
fn a_stream_is_answered_by_another_shard() {
    let server = Server::start_shards(2, &BOTH, Limits::default(), only_shard_1_answers);
    for n in 0..64 {
        let (stream, text) = (server.dial(0), message(format!("message {n}")));
        say(&stream, &text);
        read_exactly(&stream, &text);
    }
    let (there, back) = (&server.counters[0].handed_over, &server.counters[1].handed_over);
    assert!(there.get() > 0, "the kernel gave shard 0 nothing");
    eventually("as many came back", || there.get() == back.get());
}

/// Keeps the flows of connections of shard 0; a datagram to shard 1 sends to each of them.
#[test]
fn a_ticket_comes_home_when_another_shards_connection_is_gone() {
    let flows: Arc<Mutex<HashSet<Flow>>> = Arc::default();
    let server = Server::start_shards(2, &BOTH, Limits::default(), |shard| {
        let flows = flows.clone();
        Box::new(move |from, bytes, out| match (from.transport, shard) {
            (Tcp, 0) => drop(flows.lock().unwrap().insert(*from)),
            (Udp, 1) => flows.lock().unwrap().iter().for_each(|flow| out.push(bytes, *flow, 77)),
            _ => {}
        })
    });
    while flows.lock().unwrap().is_empty() {
        let stream = server.dial(0);
        say(&stream, &message("remember me"));
        server.wait_told(|_, told| matches!(told, Told::Received(..)).then_some(()));
    }
    eventually("all have hung up", || server.counters.iter().all(|c| c.connections.get() == 0));
    loop {
        let phone = phone("127.0.0.1");
        phone.send_to(b"send", server.address(1)).unwrap();
        let received = |told: &Told| matches!(told, Told::Received(Flow { transport: Udp, .. }, _));
        // By the shard that it came to, and not by its counters, which are written later: what it is told then is waited for.
        if server.wait_told(|shard, told| received(told).then_some(shard)) == 1 {
            break;
        }
    }
    let told = server.wait_told(|shard, told| matches!(told, Told::Failed(77)).then_some(shard));
    assert_eq!(told, 1, "the shard that asked hears of it");
}

#[test]
fn a_hand_over_to_nobody_is_counted() {
    let server = Server::start(
        &BOTH,
        Limits::default(),
        Box::new(|from, bytes, out| {
            out.hand_over(7, *from, bytes);
            let foreign = ConnectionId { index: 7 << 24, generation: 1 };
            out.push(bytes, Flow { transport: Tcp, listener: 0, connection: foreign, ..*from }, 3);
        }),
    );
    phone("127.0.0.1").send_to(b"anyone?", server.address(1)).unwrap();
    server.wait_told(|_, told| matches!(told, Told::Failed(3)).then_some(()));
    assert_eq!(server.counters[0].hand_over_lost.get(), 2);
}

#[test]
fn an_address_that_somebody_has_is_named() {
    for shards in [1, 3] {
        let somebody = UdpSocket::bind("127.0.0.1:0").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = [(Udp, somebody.local_addr().unwrap()), (Tcp, listener.local_addr().unwrap())];
        for (transport, local) in taken {
            let listeners = resolve(&[(transport, local, None)]).unwrap();
            let error = bind(&listeners, shards).unwrap_err();
            assert!(matches!(error, NetError::AddressInUse { local: l, .. } if l == local), "{error}");
            let text = error.to_string();
            let start = format!("{} {local} is in use by another program", transport.via_token());
            assert!(text.starts_with(&start), "{text}");
        }
    }
}

/// The kernel would let two programs of one user share an address; we do not.
#[test]
fn a_second_copy_does_not_steal_half_of_the_calls() {
    let server = Server::start_shards(2, &BOTH, Limits::default(), only_shard_1_answers);
    for shards in [1, 2] {
        let error = bind(&server.listeners, shards).unwrap_err();
        assert!(matches!(error, NetError::AddressInUse { .. }), "{error}");
    }
}

#[test]
fn other_mistakes_say_what_they_are() {
    let listeners = resolve(&[(Udp, "203.0.113.5:5060".parse().unwrap(), None)]).unwrap();
    let error = bind(&listeners, 1).unwrap_err();
    assert!(matches!(error, NetError::AddressNotHere { .. }), "{error}");
    assert!(matches!(bind(&listeners, 0), Err(NetError::ShardCount(0))));
    assert!(matches!(bind(&listeners, 257), Err(NetError::ShardCount(257))));
}

#[test]
fn a_restart_need_not_wait_for_old_connections() {
    let mut server = Server::start(&BOTH, Limits::default(), only_shard_1_answers(1));
    let stream = server.dial(0);
    say(&stream, &message("hello"));
    read_exactly(&stream, &message("hello"));
    // Closed from our side first: the kernel keeps the pair of addresses for a minute.
    drop(server.stop());
    drop(stream);
    bind(&server.listeners, 1).unwrap();
}

#[test]
fn a_wildcard_listens_on_every_address() {
    let wildcards = ["0.0.0.0:0", "[::]:0"].map(|w| (Udp, w.parse().unwrap(), Some("pbx.example".into())));
    let listeners = resolve(&wildcards).unwrap();
    let v4: Vec<_> = listeners.iter().filter(|l| l.local.is_ipv4()).collect();
    let loopback = v4.iter().find(|l| l.local.ip().is_loopback()).unwrap();
    assert_eq!((loopback.prefix_bits, loopback.advertise.as_deref()), (8, Some("pbx.example")));
    assert!(loopback.local.port() != 0 && v4.iter().all(|l| l.local.port() == loopback.local.port()));
    assert!(listeners.iter().all(|l| !l.local.ip().is_unspecified()));
    assert_eq!(bind(&listeners, 2).unwrap().len(), 2);
}

#[test]
fn an_address_written_and_spread_counts_as_written() {
    let written = (Tcp, "127.0.0.1:5999".parse().unwrap(), Some("inside.example".into()));
    let wildcard = (Tcp, "0.0.0.0:5999".parse().unwrap(), None);
    for asked in [[written.clone(), wildcard.clone()], [wildcard.clone(), written.clone()]] {
        let listeners = resolve(&asked).unwrap();
        let loopback: Vec<_> = listeners.iter().filter(|l| l.local.ip().is_loopback()).collect();
        assert_eq!(loopback.len(), 1);
        assert_eq!(loopback[0].advertise.as_deref(), Some("inside.example"));
    }
}

#[test]
fn every_shard_accepts() {
    let server = Server::start_shards(2, &BOTH, Limits::default(), |_| Box::new(|_, _, _| {}));
    let streams: Vec<TcpStream> = (0..64).map(|_| server.dial(0)).collect();
    let accepted = || server.counters.iter().map(|c| c.accepted.get()).collect::<Vec<_>>();
    eventually("all are in", || accepted().iter().sum::<u64>() == streams.len() as u64);
    assert!(accepted().iter().all(|&n| n > 0), "{:?}", accepted());
}
