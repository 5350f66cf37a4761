//! The order in which a loop calls its engine, its clock, and how it ends.

mod server;

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use offhook_net::{ConnectionId, Engine, Flow, Limits, Loop, Outbox, Stopper, Ticket, bind, resolve};
use offhook_sip::Transport::Udp;
use server::{PATIENCE, Server, Told, echo, eventually, hear, phone};

/// Writes down each call; promises in `receive` what it takes back in `commit`.
struct Careful {
    calls: SyncSender<&'static str>,
    deadline_ms: Option<u64>,
    now_ms: u64,
    nowhere: Option<Flow>,
}

impl Careful {
    fn note(&mut self, now_ms: u64, call: &'static str) {
        assert!(now_ms >= self.now_ms, "time stepped back");
        self.now_ms = now_ms;
        self.calls.send(call).unwrap();
    }
}

impl Engine for Careful {
    fn receive(&mut self, now_ms: u64, from: &Flow, _: &[u8], out: &mut Outbox) {
        self.note(now_ms, "receive");
        self.deadline_ms = Some(now_ms + 20);
        let nowhere = Flow { listener: 9, ..*from };
        self.nowhere = Some(nowhere);
        out.push(b"200", *from, 1);
        out.push(b"INVITE", nowhere, 2);
    }

    fn unframeable(&mut self, _: u64, _: &Flow, _: &[u8], _: &mut Outbox) {}

    fn send_failed(&mut self, now_ms: u64, ticket: Ticket, out: &mut Outbox) {
        self.note(now_ms, "failed");
        // The next address, and the next: each fails at once.
        if ticket < 20 {
            out.push(b"INVITE", self.nowhere.unwrap(), ticket + 1);
        }
    }

    fn connection_closed(&mut self, _: u64, _: ConnectionId, _: &mut Outbox) {}

    fn tick(&mut self, now_ms: u64, _: &mut Outbox) {
        assert!(self.deadline_ms.take().unwrap() <= now_ms, "early");
        self.note(now_ms, "tick");
    }

    fn deadline_ms(&mut self) -> Option<u64> {
        self.deadline_ms
    }

    fn commit(&mut self, now_ms: u64, out: &mut Outbox) {
        self.note(now_ms, "commit");
        if out.outgoing().first().is_some_and(|first| first.ticket == 1) {
            out.rewrite(0, b"503 the disk is full");
        }
    }
}

#[test]
fn receive_commit_send_fail_commit_tick_commit() {
    let listeners = resolve(&[(Udp, "127.0.0.1:0".parse().unwrap(), None)]).unwrap();
    let sockets = bind(&listeners, 1).unwrap().remove(0);
    let (note, calls) = sync_channel(100);
    let engine = Careful { calls: note, deadline_ms: None, now_ms: 0, nowhere: None };
    let mut shard = Loop::new(sockets, engine, Limits::default()).unwrap();
    let stopper = Stopper::new().unwrap();
    let stop = stopper.clone();
    let running = thread::spawn(move || shard.run(&stop).unwrap());
    let phone = phone("127.0.0.1");
    phone.send_to(b"INVITE", listeners[0].local).unwrap();
    assert_eq!(hear(&phone), b"503 the disk is full", "what commit made of it");
    let next = || calls.recv_timeout(PATIENCE).unwrap();
    assert_eq!([next(), next()], ["receive", "commit"]);
    // Tickets 2 to 20 fail one after the other, over more rounds than one turn has.
    for ticket in 2..=20 {
        assert_eq!([next(), next()], ["failed", "commit"], "{ticket}");
    }
    assert_eq!([next(), next()], ["tick", "commit"]);
    stopper.stop();
    running.join().unwrap();
}

#[test]
fn a_stopped_loop_can_be_run_again() {
    let mut server = Server::start(&[(Udp, "127.0.0.1:0")], Limits::default(), echo());
    let phone = phone("127.0.0.1");
    phone.send_to(b"before", server.address(0)).unwrap();
    assert_eq!(hear(&phone), b"before");
    let mut loops = server.stop();
    phone.send_to(b"between", server.address(0)).unwrap();
    loops[0].engine_mut().deadline_ms = Some(0);
    server.run_again(loops);
    assert_eq!(hear(&phone), b"between");
    server.wait_told(|_, told| matches!(told, Told::Tick(_)).then_some(()));
}

#[test]
fn a_stopper_that_was_pulled_stops_at_once() {
    let stopper = Stopper::new().unwrap();
    stopper.stop();
    let mut server = Server::start(&[(Udp, "127.0.0.1:0")], Limits::default(), echo());
    let mut shard = server.stop().remove(0);
    shard.run(&stopper).unwrap();
    shard.run(&stopper).unwrap();
}

/// A server that nobody calls sleeps.
#[test]
fn idleness_costs_no_turns() {
    let server = Server::start(&[(Udp, "127.0.0.1:0")], Limits::default(), echo());
    let phone = phone("127.0.0.1");
    for n in 1..=10 {
        phone.send_to(b"x", server.address(0)).unwrap();
        hear(&phone);
        server.wait_told(|_, told| matches!(told, Told::Received(..)).then_some(()));
        let turns = server.counters[0].turns.get();
        eventually("counted", || server.counters[0].datagrams_out.get() == n);
        assert!(turns <= n + 1, "{turns} turns for {n} datagrams");
    }
}
