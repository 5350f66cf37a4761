//! UDP through the loop: RFC 3261 §18.

mod server;

use std::collections::BTreeSet;

use offhook_net::{Flow, Limits};
use offhook_sip::Transport::{Tcp, Udp};
use server::{Server, Told, echo, eventually, hear, phone};

#[test]
fn a_hundred_datagrams_come_back() {
    for ip in ["127.0.0.1", "::1"] {
        let listen = if ip == "::1" { "[::1]:0" } else { "127.0.0.1:0" };
        let server = Server::start(&[(Udp, listen)], Limits::default(), echo());
        let phone = phone(ip);
        let texts: BTreeSet<Vec<u8>> = (0..100).map(|n| format!("datagram {n}").into_bytes()).collect();
        for text in &texts {
            phone.send_to(text, server.address(0)).unwrap();
        }
        let heard: BTreeSet<Vec<u8>> = (0..100).map(|_| hear(&phone)).collect();
        assert_eq!(heard, texts);
        let counters = &server.counters[0];
        eventually("all counted", || counters.datagrams_out.get() == 100);
        assert_eq!((counters.datagrams_in.get(), counters.datagrams_lost.get()), (100, 0));
    }
}

#[test]
fn the_longest_datagram_passes_whole() {
    let server = Server::start(&[(Udp, "127.0.0.1:0")], Limits::default(), echo());
    let phone = phone("127.0.0.1");
    let longest: Vec<u8> = (0..65_507).map(|n| (n % 251) as u8).collect();
    phone.send_to(&longest, server.address(0)).unwrap();
    assert!(hear(&phone) == longest);
}

#[test]
fn garbage_and_emptiness_reach_the_engine_as_they_are() {
    let server = Server::start(&[(Udp, "127.0.0.1:0")], Limits::default(), echo());
    let phone = phone("127.0.0.1");
    for text in [&b""[..], b"\0", b"\r\n\r\n", b"\xff\xfe\x80 SIP/2.0", b"INVITE sip:bob SIP/2.0\r\nVia"] {
        phone.send_to(text, server.address(0)).unwrap();
        assert_eq!(hear(&phone), text);
    }
}

#[test]
fn each_listener_answers_from_its_own_address() {
    let listen = [(Udp, "127.0.0.1:0"), (Udp, "127.0.0.2:0"), (Udp, "[::1]:0")];
    let server = Server::start(&listen, Limits::default(), echo());
    for (listener, ip) in ["127.0.0.1", "127.0.0.1", "::1"].into_iter().enumerate() {
        let phone = phone(ip);
        phone.connect(server.address(listener)).unwrap();
        phone.send(b"who are you?").unwrap();
        assert_eq!(hear(&phone), b"who are you?", "a connected socket hears only whom it called");
        let told = server.wait_told(|_, told| match told {
            Told::Received(flow, _) => Some(*flow),
            _ => None,
        });
        assert_eq!((usize::from(told.listener), told.remote), (listener, phone.local_addr().unwrap()));
    }
}

#[test]
fn a_datagram_that_cannot_leave_fails_alone() {
    let listen = [(Udp, "127.0.0.1:0"), (Tcp, "127.0.0.1:0")];
    let receive = |from: &Flow, _: &[u8], out: &mut offhook_net::Outbox| {
        out.push(b"first", *from, 1);
        out.push(&vec![0; 65_508], *from, 2);
        out.push(b"second", *from, 3);
        out.push(b"wrong family", Flow { remote: "[::1]:5060".parse().unwrap(), ..*from }, 4);
        out.push(b"no such listener", Flow { listener: 9, ..*from }, 5);
        out.push(b"not a UDP listener", Flow { listener: 1, ..*from }, 6);
        out.push(b"nobody asks", Flow { listener: 9, ..*from }, 0);
        out.push(b"third", *from, 7);
    };
    let server = Server::start(&listen, Limits::default(), Box::new(receive));
    let phone = phone("127.0.0.1");
    phone.send_to(b"go", server.address(0)).unwrap();
    assert_eq!([hear(&phone), hear(&phone), hear(&phone)], [&b"first"[..], b"second", b"third"]);
    let mut failed: Vec<u64> = (0..4).map(|_| server.wait_told(ticket)).collect();
    failed.sort_unstable();
    assert_eq!(failed, [2, 4, 5, 6]);
    assert_eq!(server.counters[0].sends_failed.get(), 5);
}

fn ticket(_: usize, told: &Told) -> Option<u64> {
    match told {
        Told::Failed(ticket) => Some(*ticket),
        _ => None,
    }
}
