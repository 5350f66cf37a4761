//! An engine that is too slow hears how long datagrams wait for it, and when they do not any more.

mod server;

use std::net::IpAddr;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use offhook_net::{ConnectionId, Engine, Flow, Limits, Loop, Outbox, Stopper, Ticket, bind, resolve};
use offhook_sip::Transport::Udp;
use server::{PATIENCE, phone};

/// How long it thinks about each datagram.
const THINKS: Duration = Duration::from_millis(1);

struct Slow {
    waits: SyncSender<u32>,
}

impl Engine for Slow {
    fn receive(&mut self, _: u64, _: &Flow, _: &[u8], _: &mut Outbox) {
        thread::sleep(THINKS);
    }

    fn unframeable(&mut self, _: u64, _: &Flow, _: &[u8], _: &mut Outbox) {}

    fn send_failed(&mut self, _: u64, _: Ticket, _: &mut Outbox) {}

    fn connection_closed(&mut self, _: u64, _: ConnectionId, _: &mut Outbox) {}

    fn note_wait(&mut self, waited_ms: u32) {
        self.waits.send(waited_ms).unwrap();
    }

    fn tick(&mut self, _: u64, _: &mut Outbox) {}

    fn deadline_ms(&mut self) -> Option<u64> {
        None
    }

    fn commit(&mut self, _: u64, _: &mut Outbox) {}
}

/// What it is told when two hundred datagrams lie there before it looks at the first.
fn told(ip: &str) -> Vec<u32> {
    let listeners = resolve(&[(Udp, (ip.parse::<IpAddr>().unwrap(), 0).into(), None)]).unwrap();
    let sockets = bind(&listeners, 1).unwrap().remove(0);
    let phone = phone(ip);
    (0..200).for_each(|_| assert!(phone.send_to(b"OPTIONS", listeners[0].local).is_ok()));
    let (waits, heard) = sync_channel(1_000);
    let mut shard = Loop::new(sockets, Slow { waits }, Limits::default()).unwrap();
    let stopper = Stopper::new().unwrap();
    let stop = stopper.clone();
    let running = thread::spawn(move || shard.run(&stop).unwrap());
    let mut told = Vec::new();
    while told.last() != Some(&0) {
        told.push(heard.recv_timeout(PATIENCE).unwrap());
    }
    stopper.stop();
    running.join().unwrap();
    assert!(heard.try_recv().is_err(), "nothing else was told");
    told
}

#[test]
fn who_is_slow_hears_how_long_datagrams_wait() {
    // The kernel begins with its stamps a moment after the first socket has asked for them.
    let first = bind(&resolve(&[(Udp, "127.0.0.1:0".parse().unwrap(), None)]).unwrap(), 1).unwrap();
    thread::sleep(100 * THINKS);
    for ip in ["127.0.0.1", "::1"] {
        let told = told(ip);
        // Six full batches, the first of which may have waited for less than a millisecond, and one word that nothing waits.
        assert!((6..=7).contains(&told.len()), "{told:?}");
        assert!(told[4] > 100, "the last ones have waited for others: {told:?}");
    }
    drop(first);
}
