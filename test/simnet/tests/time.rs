//! Time, batches, seeds, and the guards against worlds that never end.

mod toy;

use offhook_net::{Flow, Outbox};
use offhook_simnet::{Endpoint, Link, Node, World};
use offhook_sip::Transport::Udp;
use toy::{Echo, Impatient, SERVER, pair, request};

/// 32 seconds of retransmissions to nobody take no time at all: RFC 3261 §17.1.2.2.
#[test]
fn time_jumps_from_deadline_to_deadline() {
    let mut world = World::new(1);
    let phone = world.add(Node::endpoint("phone", Impatient::default()).listen(Udp, "192.0.2.1:5060"));
    let (begin_ms, flow) = (world.now_ms(), world.flow(phone, Udp, SERVER.parse().unwrap()));
    world.endpoint_mut::<Impatient>(phone).call(begin_ms, flow);
    world.run_until(32_000);
    let sent: Vec<u64> =
        world.endpoint::<Impatient>(phone).sent_at_ms.iter().map(|at_ms| at_ms - begin_ms).collect();
    assert_eq!(sent, [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    assert_eq!(world.elapsed_ms(), 32_000);
    assert!(world.ladder().contains("no such address"), "{}", world.ladder());
}

#[test]
fn a_batch_is_what_arrives_in_one_millisecond_and_is_committed_once() {
    let (mut world, alice, server) = pair(1);
    for n in 1..=3 {
        world.send(alice, Udp, SERVER.parse().unwrap(), &request(n));
    }
    world.run_for(1);
    world.send(alice, Udp, SERVER.parse().unwrap(), &request(4));
    world.run_for(1);
    assert_eq!(
        world.engine::<Echo>(server).log,
        [
            "receive OPTIONS sip:1 SIP/2.0",
            "receive OPTIONS sip:2 SIP/2.0",
            "receive OPTIONS sip:3 SIP/2.0",
            "commit 3",
            "receive OPTIONS sip:4 SIP/2.0",
            "commit 1"
        ]
    );
}

/// What commit takes back is not sent.
#[test]
fn nothing_leaves_before_commit() {
    struct Regrets;
    impl offhook_net::Engine for Regrets {
        fn receive(&mut self, _: u64, from: &Flow, _: &[u8], out: &mut Outbox) {
            out.push(b"SIP/2.0 200 OK\r\n\r\n", *from, 0);
        }
        fn unframeable(&mut self, _: u64, _: &Flow, _: &[u8], _: &mut Outbox) {}
        fn send_failed(&mut self, _: u64, _: u64, _: &mut Outbox) {}
        fn connection_closed(&mut self, _: u64, _: offhook_net::ConnectionId, _: &mut Outbox) {}
        fn tick(&mut self, _: u64, _: &mut Outbox) {}
        fn deadline_ms(&mut self) -> Option<u64> {
            None
        }
        fn commit(&mut self, _: u64, out: &mut Outbox) {
            if !out.is_empty() {
                out.rewrite(0, b"SIP/2.0 500 Disk full\r\n\r\n");
            }
        }
    }
    let (mut world, alice, server) = pair(1);
    world.replace(server, Regrets);
    world.send(alice, Udp, SERVER.parse().unwrap(), &request(1));
    world.run_for(1);
    assert_eq!(world.received(alice), [b"SIP/2.0 500 Disk full\r\n\r\n"]);
}

fn rough_hash(seed: u64) -> u64 {
    let (mut world, alice, server) = pair(seed);
    world.link(alice, server, Link::new().delay_ms(5, 80).loss(100).duplicate(100).reorder(100));
    world.mutate(alice, server, offhook_simnet::mutation::any);
    for n in 0..200 {
        world.send(alice, Udp, SERVER.parse().unwrap(), &request(n));
        world.run_for(3);
    }
    assert!(world.run_until_idle(10_000));
    world.trace_hash()
}

#[test]
fn the_seed_decides_everything() {
    assert_eq!(rough_hash(42), rough_hash(42));
    assert_ne!(rough_hash(42), rough_hash(43));
}

#[test]
fn a_world_at_rest_says_so() {
    let (mut world, alice, _) = pair(1);
    assert!(!world.step());
    world.send(alice, Udp, SERVER.parse().unwrap(), &request(1));
    assert!(world.run_until_idle(1000));
    assert_eq!(world.elapsed_ms(), 0);
}

struct Stuck(u64);

impl Endpoint for Stuck {
    fn receive(&mut self, _: u64, _: &Flow, _: &[u8], _: &mut Outbox) {}

    fn deadline_ms(&mut self) -> Option<u64> {
        Some(self.0)
    }
}

#[test]
#[should_panic(expected = "`clockless` never advances: after 100 ticks at 250 ms its deadline is 50 ms ago")]
fn the_watchdog_names_who_does_not_advance() {
    let mut world = World::new(1);
    world.run_for(250);
    let late_ms = world.now_ms() - 50;
    world.add(Node::endpoint("clockless", Stuck(late_ms)));
    world.run_for(1000);
}

/// Answers answers.
struct PingPong;

impl Endpoint for PingPong {
    fn receive(&mut self, _: u64, from: &Flow, message: &[u8], out: &mut Outbox) {
        out.push(message, *from, 0);
    }
}

#[test]
#[should_panic(expected = "more than 1000 events by 0 ms")]
fn an_endless_loop_is_stopped() {
    let (mut world, alice, server) = pair(1);
    world.replace(server, Echo::default());
    let loud = world.add(Node::endpoint("loud", PingPong).listen(Udp, "192.0.2.99:5060"));
    world.events_max(1000);
    world.send(loud, Udp, SERVER.parse().unwrap(), &request(1));
    world.run_for(1);
    let _ = alice;
}
