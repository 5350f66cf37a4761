//! The smallest servers and phones that show what the world does.
#![allow(dead_code, reason = "each test file uses some of them")]

use offhook_net::{ConnectionId, Engine, Flow, Outbox, Ticket};
use offhook_simnet::{Endpoint, Node, NodeId, World};
use offhook_sip::Transport;

pub(crate) const SERVER: &str = "198.51.100.1:5060";
pub(crate) const ALICE: &str = "192.0.2.11:5060";

/// A request that frames on a stream; `n` tells requests apart.
pub(crate) fn request(n: u32) -> Vec<u8> {
    format!("OPTIONS sip:{n} SIP/2.0\r\nCSeq: {n} OPTIONS\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

/// Keeps nothing, answers everything by the flow it came by. Counts what the loop does to it.
#[derive(Default)]
pub(crate) struct Echo {
    pub(crate) log: Vec<String>,
}

impl Engine for Echo {
    fn receive(&mut self, _now_ms: u64, from: &Flow, message: &[u8], out: &mut Outbox) {
        self.log.push(format!("receive {}", first_line(message)));
        out.push(&answer(message), *from, 7);
    }

    fn unframeable(&mut self, _now_ms: u64, from: &Flow, _head: &[u8], out: &mut Outbox) {
        self.log.push("unframeable".to_owned());
        out.push(b"SIP/2.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n", *from, 0);
    }

    fn send_failed(&mut self, _now_ms: u64, ticket: Ticket, _out: &mut Outbox) {
        self.log.push(format!("send failed {ticket}"));
    }

    fn connection_closed(&mut self, _now_ms: u64, _connection: ConnectionId, _out: &mut Outbox) {
        self.log.push("closed".to_owned());
    }

    fn tick(&mut self, _now_ms: u64, _out: &mut Outbox) {}

    fn deadline_ms(&mut self) -> Option<u64> {
        None
    }

    fn commit(&mut self, _now_ms: u64, out: &mut Outbox) {
        self.log.push(format!("commit {}", out.outgoing().len()));
    }
}

/// Sends one request again and again until an answer comes, twice as late each time: Timer E without its cap.
#[derive(Default)]
pub(crate) struct Impatient {
    flow: Option<Flow>,
    next_ms: Option<u64>,
    interval_ms: u64,
    pub(crate) sent_at_ms: Vec<u64>,
    pub(crate) answers: u32,
}

impl Impatient {
    pub(crate) fn call(&mut self, now_ms: u64, flow: Flow) {
        (self.flow, self.next_ms, self.interval_ms) = (Some(flow), Some(now_ms), 500);
    }
}

impl Endpoint for Impatient {
    fn receive(&mut self, _now_ms: u64, _from: &Flow, _message: &[u8], _out: &mut Outbox) {
        (self.answers, self.next_ms) = (self.answers + 1, None);
    }

    fn tick(&mut self, now_ms: u64, out: &mut Outbox) {
        self.sent_at_ms.push(now_ms);
        out.push(&request(1), self.flow.unwrap(), 0);
        self.next_ms = Some(now_ms + self.interval_ms);
        self.interval_ms *= 2;
    }

    fn deadline_ms(&mut self) -> Option<u64> {
        self.next_ms
    }
}

/// Alice, who is mute, and a server that echoes.
pub(crate) fn pair(seed: u64) -> (World, NodeId, NodeId) {
    let mut world = World::new(seed);
    let server = Node::engine("server", Echo::default());
    let server = world.add(server.listen(Transport::Udp, SERVER).listen(Transport::Tcp, SERVER));
    let alice = Node::mute("alice").listen(Transport::Udp, ALICE).listen(Transport::Tcp, ALICE);
    let alice = world.add(alice);
    (world, alice, server)
}

pub(crate) fn log(world: &World, server: NodeId) -> Vec<&str> {
    world.engine::<Echo>(server).log.iter().map(String::as_str).filter(|l| !l.starts_with("commit")).collect()
}

pub(crate) fn first_line(message: &[u8]) -> String {
    String::from_utf8_lossy(message).lines().next().unwrap_or_default().to_owned()
}

fn answer(message: &[u8]) -> Vec<u8> {
    let cseq = String::from_utf8_lossy(message);
    let cseq = cseq.lines().find(|l| l.starts_with("CSeq")).unwrap_or("CSeq: 0 NONE");
    format!("SIP/2.0 200 OK\r\n{cseq}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}
