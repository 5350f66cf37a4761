//! What links do to datagrams.

mod toy;

use offhook_simnet::{Fate, Link, Loss, mutation};
use offhook_sip::Transport::Udp;
use toy::{ALICE, SERVER, first_line, log, pair, request};

fn send_many(link: Link, count: u32) -> (offhook_simnet::World, Vec<String>) {
    let (mut world, alice, server) = pair(9);
    world.one_way_link(alice, server, link);
    for n in 0..count {
        world.send(alice, Udp, SERVER.parse().unwrap(), &request(n));
        world.run_for(1);
    }
    world.run_until_idle(100_000);
    let received = log(&world, server).iter().map(|line| (*line).to_owned()).collect();
    (world, received)
}

#[test]
fn a_perfect_link_takes_no_time() {
    let (world, received) = send_many(Link::new(), 3);
    assert_eq!(received.len(), 3);
    assert!(
        world.trace().iter().all(|e| matches!(e.fate, Fate::Arrived { at_ms, .. } if at_ms == e.sent_ms))
    );
}

#[test]
fn loss_and_duplicates_come_as_often_as_asked() {
    let (world, received) = send_many(Link::new().loss(200), 1000);
    assert!((750..850).contains(&received.len()), "{} of 1000 at 20 % loss", received.len());
    let lost = world.trace().iter().filter(|e| e.fate == Fate::Lost(Loss::Dice)).count();
    assert_eq!(received.len() + lost, 1000);
    let (_, received) = send_many(Link::new().duplicate(300), 1000);
    assert!((1250..1350).contains(&received.len()), "{} of 1000 at 30 % duplicates", received.len());
}

fn is_in_order(received: &[String]) -> bool {
    let number =
        |line: &String| line.split(['p', ' ']).filter_map(|w| w.trim_matches(':').parse::<u32>().ok()).next();
    received.iter().filter_map(number).is_sorted()
}

#[test]
fn jitter_alone_keeps_the_order() {
    let (world, received) = send_many(Link::new().delay_ms(10, 50), 300);
    assert!(is_in_order(&received));
    let delays = world.trace().iter().filter_map(|e| match e.fate {
        Fate::Arrived { at_ms, .. } if e.message().is_some_and(|m| m.starts_with(b"OPTIONS")) => {
            Some(at_ms - e.sent_ms)
        }
        _ => None,
    });
    assert!(delays.clone().all(|delay_ms| (10..=50).contains(&delay_ms)));
    assert!(delays.max() > Some(40));
}

#[test]
fn reordering_lets_some_be_overtaken() {
    let (_, received) = send_many(Link::new().delay_ms(10, 10).reorder(100), 300);
    assert_eq!(received.len(), 300);
    assert!(!is_in_order(&received), "{received:?}");
}

#[test]
fn a_cut_link_carries_nothing_until_it_is_healed() {
    let (mut world, alice, server) = pair(1);
    let to = SERVER.parse().unwrap();
    world.cut(alice, server);
    world.send(alice, Udp, to, &request(1));
    world.heal(alice, server);
    world.send(alice, Udp, to, &request(2));
    world.run_for(1);
    assert_eq!(log(&world, server), ["receive OPTIONS sip:2 SIP/2.0"]);
    world.cut_one_way(server, alice);
    world.send(alice, Udp, to, &request(3));
    world.run_for(1);
    assert_eq!(log(&world, server).len(), 2, "requests still pass");
    assert_eq!(world.received(alice).len(), 1, "answers do not");
    assert_eq!(world.trace().last().unwrap().fate, Fate::Lost(Loss::Cut));
}

#[test]
fn what_cannot_arrive_says_why() {
    let (mut world, alice, server) = pair(1);
    world.send(alice, Udp, "198.51.100.1:9".parse().unwrap(), &request(1));
    world.send(alice, Udp, "203.0.113.99:5060".parse().unwrap(), &request(2));
    world.send(alice, Udp, SERVER.parse().unwrap(), &vec![b'a'; 70_000]);
    world.lose(alice, Udp, SERVER.parse().unwrap(), &request(3));
    world.crash(server);
    world.send(alice, Udp, SERVER.parse().unwrap(), &request(4));
    world.run_for(1);
    let fates: Vec<Fate> = world.trace().iter().map(|e| e.fate).collect();
    let whys = [Loss::NobodyListens, Loss::NoRoute, Loss::TooBig, Loss::Scripted, Loss::Down];
    assert_eq!(fates, whys.map(Fate::Lost));
}

/// A server that asked hears that its datagram was too long to leave.
#[test]
fn too_long_a_datagram_fails_its_ticket() {
    let (mut world, alice, server) = pair(1);
    let flow = world.flow(server, Udp, ALICE.parse().unwrap());
    world.act::<toy::Echo, _>(server, |_, _, out| out.push(&vec![b'a'; 70_000], flow, 5));
    world.run_for(1);
    assert_eq!(log(&world, server), ["send failed 5"]);
    assert!(world.received(alice).is_empty());
}

#[test]
fn a_tampered_link_shows_the_tampered_bytes() {
    let (mut world, alice, server) = pair(1);
    world.mutate(alice, server, |_, bytes| bytes.splice(..7, *b"PUBLISH").for_each(drop));
    world.send(alice, Udp, SERVER.parse().unwrap(), &request(1));
    world.run_for(1);
    assert_eq!(log(&world, server), ["receive PUBLISH sip:1 SIP/2.0"]);
    assert_eq!(world.trace()[0].first_line(), "PUBLISH sip:1 SIP/2.0");
    world.mutate(alice, server, mutation::truncate);
    world.send(alice, Udp, SERVER.parse().unwrap(), &request(1));
    world.run_for(1);
    assert!(first_line(world.received(server)[1]).len() <= "OPTIONS sip:1 SIP/2.0".len());
}
