//! Death, rebirth, and what a failure shows.

mod toy;

use offhook_simnet::{Fate, Link, Loss};
use offhook_sip::Transport::{Tcp, Udp};
use toy::{Echo, SERVER, log, pair, request};

#[test]
fn what_is_on_its_way_to_a_dying_node_is_lost() {
    let (mut world, alice, server) = pair(1);
    world.link(alice, server, Link::new().delay_ms(20, 20));
    world.send(alice, Udp, SERVER.parse().unwrap(), &request(1));
    world.run_for(10);
    world.replace(server, Echo::default());
    world.send(alice, Udp, SERVER.parse().unwrap(), &request(2));
    assert!(world.run_until_idle(1000));
    assert_eq!(world.trace()[0].fate, Fate::Lost(Loss::Down));
    assert_eq!(log(&world, server), ["receive OPTIONS sip:2 SIP/2.0"], "a new life begins empty");
}

#[test]
fn a_dead_node_refuses_streams_and_a_new_one_accepts_them() {
    let (mut world, alice, server) = pair(1);
    world.crash(server);
    world.send(alice, Tcp, SERVER.parse().unwrap(), &request(1));
    world.run_for(1);
    assert!(world.connections(alice).is_empty());
    world.replace(server, Echo::default());
    world.send(alice, Tcp, SERVER.parse().unwrap(), &request(2));
    world.run_for(1);
    assert_eq!(log(&world, server), ["receive OPTIONS sip:2 SIP/2.0"]);
}

#[test]
fn the_ladder_shows_what_happened() {
    let (mut world, alice, server) = pair(1);
    world.link(alice, server, Link::new().delay_ms(20, 20));
    world.send(alice, Udp, SERVER.parse().unwrap(), &request(1));
    world.run_for(1500);
    world.cut(alice, server);
    world.send(alice, Udp, SERVER.parse().unwrap(), &request(2));
    world.send(alice, Udp, "203.0.113.9:5060".parse().unwrap(), b"\r\n\r\n");
    let expected = "
    seconds server                 alice
      0.000    |<-- OPTIONS sip:1 ---|  +20 ms
      0.020    |---- 200 OPTIONS --->|  +20 ms
      1.500    |x-- OPTIONS sip:2 ---|  cut
      1.500    |                     |  (keep-alive, 4 bytes), to 203.0.113.9:5060, no such address
";
    assert_eq!(format!("\n{}", world.ladder()), expected);
}

/// Reads the capture back by hand: magic, and IP packets one after the other to the very end.
#[test]
fn the_capture_is_a_pcap_of_ip_packets() {
    let (mut world, alice, _) = pair(1);
    world.send(alice, Udp, SERVER.parse().unwrap(), &request(1));
    world.send(alice, Tcp, SERVER.parse().unwrap(), &request(2));
    world.run_for(1);
    let file = world.pcap();
    let word = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!((word(0), word(20)), (0xA1B2_C3D4, 101));
    let (mut at, mut protocols) = (24, Vec::new());
    while at < file.len() {
        assert_eq!(word(at), 1_767_225_600);
        let packet = &file[at + 16..at + 16 + word(at + 8)];
        assert_eq!(usize::from(u16::from_be_bytes([packet[2], packet[3]])), packet.len());
        protocols.push(packet[9]);
        at += 16 + packet.len();
    }
    protocols.sort_unstable();
    assert_eq!(protocols, [6, 6, 6, 6, 6, 17, 17], "three of the handshake, two segments, two datagrams");
}
