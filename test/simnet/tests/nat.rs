//! Translators, end to end.

mod toy;

use offhook_simnet::{Fate, Loss, Nat, NatKind, Node, NodeId, Realm, World};
use offhook_sip::Transport::{Tcp, Udp};
use toy::{Echo, SERVER, log, request};

const PRIVATE: &str = "192.168.1.10:5060";

fn behind_nat(nat: Nat) -> (World, NodeId, NodeId, Realm) {
    let mut world = World::new(1);
    let server = Node::engine("server", Echo::default()).listen(Udp, SERVER).listen(Tcp, SERVER);
    let server = world.add(server);
    let realm = world.add_nat(nat);
    let phone = Node::mute("phone").listen(Udp, PRIVATE).listen(Tcp, PRIVATE).behind(realm);
    let phone = world.add(phone);
    (world, phone, server, realm)
}

fn arrived_from(world: &World, index: usize) -> String {
    match world.trace()[index].fate {
        Fate::Arrived { by, .. } => by.remote.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_server_sees_the_outside_address_and_its_answer_comes_back() {
    let (mut world, phone, server, _) = behind_nat(Nat::new(NatKind::Symmetric, "203.0.113.7"));
    world.send(phone, Udp, SERVER.parse().unwrap(), &request(1));
    world.run_for(1);
    assert_eq!(arrived_from(&world, 0), "203.0.113.7:20000");
    assert_eq!(world.received(phone).len(), 1);
    assert_eq!(log(&world, server).len(), 1);
}

/// The private address means nothing outside, and a mapping ends after its silence.
#[test]
fn a_phone_is_reached_only_through_a_living_mapping() {
    let nat = Nat::new(NatKind::PortRestrictedCone, "203.0.113.7").udp_timeout_ms(30_000);
    let (mut world, phone, server, realm) = behind_nat(nat);
    world.send(server, Udp, PRIVATE.parse().unwrap(), &request(1));
    assert_eq!(world.trace()[0].fate, Fate::Lost(Loss::NoRoute));
    world.send(phone, Udp, SERVER.parse().unwrap(), &request(2));
    let ring = |world: &mut World| {
        let before = world.received(phone).len();
        world.send(server, Udp, "203.0.113.7:20000".parse().unwrap(), &request(3));
        world.run_for(0);
        world.received(phone).len() > before
    };
    world.run_for(30_000);
    assert!(ring(&mut world), "the mapping lives for 30 s");
    world.run_for(1);
    assert!(!ring(&mut world), "then not");
    assert_eq!(world.trace().last().unwrap().fate, Fate::Lost(Loss::Nat));
    world.send(phone, Udp, SERVER.parse().unwrap(), &request(4));
    world.restart_nat(realm);
    assert!(!ring(&mut world));
}

#[test]
fn a_stream_passes_and_is_forgotten() {
    let nat = Nat::new(NatKind::FullCone, "203.0.113.7").stream_timeout_ms(60_000);
    let (mut world, phone, server, _) = behind_nat(nat);
    world.send(phone, Tcp, SERVER.parse().unwrap(), &request(1));
    world.run_for(60_000);
    let (connection, remote) = world.connections(server)[0];
    let flow = offhook_net::Flow { connection, ..world.flow(server, Tcp, remote) };
    world.send_by(server, flow, &request(2));
    world.run_for(1);
    assert_eq!(world.received(phone).len(), 2, "the answer and the request");
    world.run_for(60_001);
    world.send_by(server, flow, &request(3));
    world.run_for(29_999);
    assert_eq!((world.received(phone).len(), log(&world, server).len()), (2, 1), "it vanishes silently");
    world.run_for(1);
    assert_eq!(log(&world, server)[1], "closed");
    assert_eq!(world.connections(phone).len(), 1, "the phone does not know yet");
    world.send(phone, Tcp, SERVER.parse().unwrap(), &request(4));
    world.run_for(1);
    assert!(world.connections(phone).is_empty(), "its own sending is reset");
}

#[test]
fn nobody_can_open_a_stream_inwards() {
    let (mut world, _, server, _) = behind_nat(Nat::new(NatKind::FullCone, "203.0.113.7"));
    let flow = world.flow(server, Tcp, "203.0.113.7:5060".parse().unwrap());
    world.act::<Echo, _>(server, |_, _, out| out.push(&request(1), flow, 8));
    assert!(world.run_until_idle(60_000));
    assert_eq!(log(&world, server), ["send failed 8"]);
}

/// Two phones behind one box reach each other by the outside address only if it turns their packets round.
#[test]
fn hairpins() {
    for (nat, arrives) in [
        (Nat::new(NatKind::FullCone, "203.0.113.7"), true),
        (Nat::new(NatKind::FullCone, "203.0.113.7").without_hairpin(), false),
    ] {
        let (mut world, phone, _, realm) = behind_nat(nat);
        let other = world.add(Node::mute("other").listen(Udp, "192.168.1.11:5060").behind(realm));
        world.send(phone, Udp, SERVER.parse().unwrap(), &request(1));
        world.send(other, Udp, "203.0.113.7:20000".parse().unwrap(), &request(2));
        world.run_for(1);
        assert_eq!(world.received(phone).contains(&request(2).as_slice()), arrives);
        world.send(other, Udp, PRIVATE.parse().unwrap(), &request(3));
        world.run_for(1);
        assert!(world.received(phone).contains(&request(3).as_slice()), "the inside address always works");
    }
}

#[test]
fn boxes_stand_behind_boxes() {
    let mut world = World::new(1);
    let server = world.add(Node::engine("server", Echo::default()).listen(Udp, SERVER));
    let carrier = world.add_nat(Nat::new(NatKind::RestrictedCone, "203.0.113.7"));
    let home = world.add_nat(Nat::new(NatKind::RestrictedCone, "100.64.0.5").behind(carrier));
    let phone = world.add(Node::mute("phone").listen(Udp, PRIVATE).behind(home));
    world.send(phone, Udp, SERVER.parse().unwrap(), &request(1));
    world.run_for(1);
    assert_eq!(arrived_from(&world, 0), "203.0.113.7:20000");
    assert_eq!((world.received(phone).len(), log(&world, server).len()), (1, 1));
}
