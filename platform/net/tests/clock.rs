//! The loop tells its engine how the machine's clock is set, and goes on telling.

mod server;

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use offhook_net::{ConnectionId, Engine, Flow, Limits, Loop, Outbox, Stopper, Ticket, bind, resolve};
use offhook_sip::Transport::Udp;
use server::PATIENCE;

/// How far the clock may be set while the test runs, ms.
const SET_MS_MAX: u64 = 10_000;

struct Listening {
    told: SyncSender<i64>,
    now_ms: u64,
}

impl Engine for Listening {
    fn receive(&mut self, _: u64, _: &Flow, _: &[u8], _: &mut Outbox) {}

    fn unframeable(&mut self, _: u64, _: &Flow, _: &[u8], _: &mut Outbox) {}

    fn send_failed(&mut self, _: u64, _: Ticket, _: &mut Outbox) {}

    fn connection_closed(&mut self, _: u64, _: ConnectionId, _: &mut Outbox) {}

    fn note_clock(&mut self, ahead_ms: i64) {
        self.told.send(ahead_ms).unwrap();
    }

    fn tick(&mut self, now_ms: u64, _: &mut Outbox) {
        self.now_ms = now_ms;
    }

    fn deadline_ms(&mut self) -> Option<u64> {
        Some(self.now_ms + 100)
    }

    fn commit(&mut self, _: u64, _: &mut Outbox) {}
}

#[test]
fn how_the_clock_is_set_is_told_again() {
    let listeners = resolve(&[(Udp, "127.0.0.1:0".parse().unwrap(), None)]).unwrap();
    let sockets = bind(&listeners, 1).unwrap().remove(0);
    let (told, heard) = sync_channel(100);
    let mut shard = Loop::new(sockets, Listening { told, now_ms: 0 }, Limits::default()).unwrap();
    let stopper = Stopper::new().unwrap();
    let stop = stopper.clone();
    let running = thread::spawn(move || shard.run(&stop).unwrap());
    for _ in 0..2 {
        let ahead_ms = heard.recv_timeout(PATIENCE).unwrap();
        assert!(ahead_ms.unsigned_abs() < SET_MS_MAX, "{ahead_ms}");
    }
    stopper.stop();
    running.join().unwrap();
}
