//! Streams: opened on demand, in order, and all the ways in which they end.

mod toy;

use offhook_simnet::{Link, World};
use offhook_sip::Transport::Tcp;
use toy::{ALICE, Echo, SERVER, log, pair, request};

fn server_sends(world: &mut World, server: offhook_simnet::NodeId, to: &str, ticket: u64) {
    let flow = world.flow(server, Tcp, to.parse().unwrap());
    world.act::<Echo, _>(server, |_, _, out| out.push(&request(ticket as u32), flow, ticket));
}

#[test]
fn one_stream_carries_many_messages_in_order_both_ways() {
    let (mut world, alice, server) = pair(3);
    world.link(alice, server, Link::new().delay_ms(5, 60).loss(100).reorder(500).duplicate(500));
    for n in 0..50 {
        world.send(alice, Tcp, SERVER.parse().unwrap(), &request(n));
        world.run_for(2);
    }
    assert!(world.run_until_idle(60_000));
    let expected: Vec<String> = (0..50).map(|n| format!("receive OPTIONS sip:{n} SIP/2.0")).collect();
    assert_eq!(log(&world, server), expected);
    assert_eq!(world.received(alice).len(), 50, "answers come back on the same stream");
    assert_eq!(world.connections(server).len(), 1);
}

#[test]
fn messages_are_framed_however_they_are_cut() {
    let (mut world, alice, server) = pair(1);
    let both = [request(1), request(2)].concat();
    world.send(alice, Tcp, SERVER.parse().unwrap(), &both[..10]);
    world.send(alice, Tcp, SERVER.parse().unwrap(), &both[10..80]);
    world.send(alice, Tcp, SERVER.parse().unwrap(), &both[80..]);
    world.run_for(1);
    assert_eq!(log(&world, server), ["receive OPTIONS sip:1 SIP/2.0", "receive OPTIONS sip:2 SIP/2.0"]);
}

/// RFC 5626 §3.5.1: the server's loop answers, its engine never hears of it.
#[test]
fn a_ping_is_answered_by_the_loop() {
    let (mut world, alice, server) = pair(1);
    world.send(alice, Tcp, SERVER.parse().unwrap(), b"\r\n\r\n");
    world.run_for(1);
    assert_eq!(world.received(alice), [b"\r\n"]);
    assert!(log(&world, server).is_empty());
}

#[test]
fn garbage_is_answered_and_the_stream_closed() {
    let (mut world, alice, server) = pair(1);
    world.send(alice, Tcp, SERVER.parse().unwrap(), b"OPTIONS sip:x SIP/2.0\r\nTo: y\r\n\r\n");
    world.run_for(1);
    assert_eq!(log(&world, server), ["unframeable", "closed"]);
    assert!(world.received(alice)[0].starts_with(b"SIP/2.0 400"));
    assert!(world.connections(alice).is_empty());
}

#[test]
fn a_refused_stream_fails_what_waited_for_it() {
    let (mut world, _, server) = pair(1);
    server_sends(&mut world, server, "192.0.2.11:9", 1);
    server_sends(&mut world, server, "192.0.2.11:9", 2);
    world.run_for(1);
    assert_eq!(log(&world, server), ["send failed 1", "send failed 2"]);
    server_sends(&mut world, server, "203.0.113.99:5060", 3);
    world.run_for(4_999);
    assert_eq!(log(&world, server).len(), 2, "nobody answers, so it waits");
    world.run_for(1);
    assert_eq!(log(&world, server)[2], "send failed 3");
}

#[test]
fn a_crash_resets_streams_and_old_names_reach_nobody() {
    let (mut world, alice, server) = pair(1);
    world.send(alice, Tcp, SERVER.parse().unwrap(), &request(1));
    world.run_for(1);
    let (old, _) = world.connections(server)[0];
    world.crash(alice);
    world.run_for(1);
    assert_eq!(log(&world, server), ["receive OPTIONS sip:1 SIP/2.0", "closed"]);
    let flow = offhook_net::Flow { connection: old, ..world.flow(server, Tcp, ALICE.parse().unwrap()) };
    world.act::<Echo, _>(server, |_, _, out| out.push(&request(2), flow, 9));
    world.run_for(1);
    assert_eq!(log(&world, server)[2], "send failed 9");
}

#[test]
fn a_cut_holds_a_stream_and_healing_lets_it_go_on() {
    let (mut world, alice, server) = pair(1);
    let to = SERVER.parse().unwrap();
    world.send(alice, Tcp, to, &request(1));
    world.run_for(1);
    world.cut(alice, server);
    world.send(alice, Tcp, to, &request(2));
    world.send(alice, Tcp, to, &request(3));
    world.run_for(20_000);
    assert_eq!(log(&world, server).len(), 1);
    assert_eq!(world.travelling(), 2);
    world.heal(alice, server);
    world.run_for(1);
    let [_, second, third] = log(&world, server)[..] else { panic!("{:?}", log(&world, server)) };
    assert_eq!((second, third), ("receive OPTIONS sip:2 SIP/2.0", "receive OPTIONS sip:3 SIP/2.0"));
}

#[test]
fn a_sender_gives_up_in_the_end() {
    let (mut world, alice, server) = pair(1);
    world.send(alice, Tcp, SERVER.parse().unwrap(), &request(1));
    world.run_for(1);
    let (connection, remote) = world.connections(server)[0];
    world.cut(alice, server);
    let flow = offhook_net::Flow { connection, ..world.flow(server, Tcp, remote) };
    world.act::<Echo, _>(server, |_, _, out| out.push(&request(2), flow, 9));
    world.run_for(29_999);
    assert_eq!(log(&world, server).len(), 1);
    world.run_for(1);
    assert_eq!(log(&world, server)[1], "closed");
}

#[test]
fn a_peer_that_does_not_read_fills_its_window() {
    let (mut world, alice, server) = pair(1);
    world.stop_reading(alice);
    let flow = world.flow(server, Tcp, ALICE.parse().unwrap());
    let big =
        [b"MESSAGE sip:x SIP/2.0\r\nContent-Length: 60000\r\n\r\n".to_vec(), vec![b'a'; 60_000]].concat();
    for ticket in 1..=6 {
        world.act::<Echo, _>(server, |_, _, out| out.push(&big, flow, ticket));
        world.run_for(1);
    }
    assert_eq!(log(&world, server), ["send failed 5", "send failed 6"]);
    world.read_again(alice);
    world.run_for(1);
    assert_eq!(world.received(alice).len(), 4);
}

#[test]
fn closing_and_resetting_tell_both_sides() {
    let (mut world, alice, server) = pair(1);
    world.link(alice, server, Link::new().delay_ms(40, 40));
    world.send(alice, Tcp, SERVER.parse().unwrap(), &request(1));
    world.run_for(200);
    let (connection, _) = world.connections(alice)[0];
    world.send(alice, Tcp, SERVER.parse().unwrap(), &request(2));
    world.close(alice, connection);
    world.run_for(200);
    let expected = ["receive OPTIONS sip:2 SIP/2.0", "closed", "send failed 7"];
    assert_eq!(log(&world, server)[1..], expected, "its answer finds nobody");
    world.send(alice, Tcp, SERVER.parse().unwrap(), &request(3));
    world.run_for(200);
    world.reset_streams(server, alice);
    world.run_for(200);
    assert_eq!(log(&world, server)[4..], ["receive OPTIONS sip:3 SIP/2.0", "closed"]);
    assert!(world.connections(alice).is_empty());
}
