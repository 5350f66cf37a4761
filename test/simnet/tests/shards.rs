//! Several engines behind one address.

mod toy;

use offhook_net::{ConnectionId, Engine, Flow, Outbox};
use offhook_simnet::{Node, World};
use offhook_sip::Transport::Udp;
use toy::SERVER;

/// Remembers whom it heard, and gives away what is not for it.
#[derive(Default)]
struct Forwarder {
    heard_ports: Vec<u16>,
}

impl Engine for Forwarder {
    fn receive(&mut self, _: u64, from: &Flow, message: &[u8], out: &mut Outbox) {
        self.heard_ports.push(from.remote.port());
        match message.strip_prefix(b"for 1: ") {
            Some(rest) => out.hand_over(1, *from, rest),
            None => out.push(b"done", *from, 0),
        }
    }

    fn unframeable(&mut self, _: u64, _: &Flow, _: &[u8], _: &mut Outbox) {}

    fn send_failed(&mut self, _: u64, _: u64, _: &mut Outbox) {}

    fn connection_closed(&mut self, _: u64, _: ConnectionId, _: &mut Outbox) {}

    fn tick(&mut self, _: u64, _: &mut Outbox) {}

    fn deadline_ms(&mut self) -> Option<u64> {
        None
    }

    fn commit(&mut self, _: u64, _: &mut Outbox) {}
}

/// Each peer keeps its shard, and a shard can give a message to another, which answers by the flow it came by.
#[test]
fn shards_share_one_address() {
    let mut world = World::new(1);
    let shards = [Forwarder::default(), Forwarder::default()];
    let server = world.add(Node::shards("server", shards).listen(Udp, SERVER));
    let phone =
        (5000..5040).fold(Node::mute("phone"), |node, port| node.listen(Udp, &format!("192.0.2.1:{port}")));
    let phone = world.add(phone);
    for listener in 0..40 {
        let flow = Flow { listener, ..world.flow(phone, Udp, SERVER.parse().unwrap()) };
        world.send_by(phone, flow, b"for 1: x");
        world.send_by(phone, flow, b"for 1: y");
    }
    world.run_for(1);
    assert_eq!(world.received(phone), [b"done"; 80]);
    let first = &world.shard::<Forwarder>(server, 0).heard_ports;
    assert!((20..60).contains(&first.len()), "shard 0 received {} of 80", first.len());
    assert!(
        first.iter().all(|port| first.iter().filter(|p| *p == port).count() == 2),
        "a peer keeps its shard"
    );
    assert!(world.shard::<Forwarder>(server, 1).heard_ports.len() >= 80);
}
