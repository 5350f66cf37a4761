//! Two exchanges, one behind the other: RFC 3665 §3.2 and its kin.
//!
//! ```text
//!   alice ──udp──► exchange of example.com ──udp──► exchange of biloxi.example ──tcp──► bob
//!                  198.51.100.1                     198.51.100.2
//! ```
//! Both live in the one node that a ladder calls `proxy`; what passes between them is not written in the ladder.

use std::sync::Arc;

use offhook_ladder::{Ladder, Site, Stage};
use offhook_net::{ConnectionId, Engine, Flow, Listener, Outbox, Ticket};
use offhook_sip::Transport;

use crate::exchange::{Exchange, OPEN, Plan, parse};

/// The second exchange.
const BILOXI: &str = "198.51.100.2:5060";

/// Bob is called by a user of another domain: two Record-Routes of bob's exchange, because it changes the transport, and
/// one of alice's. RFC 3665 §3.2, RFC 3261 §16.12.1.1.
#[test]
fn a_call_through_two_proxies() {
    for who in ["alice", "bob"] {
        let mut stage = trapezoid("");
        let bye = match who {
            "alice" => {
                "
        +1min  alice -> proxy      BYE
                  proxy -> bob     BYE sip:bob@{bob};transport=tcp
            Max-Forwards: 68
            !Route
                  proxy <- bob     200
        alice  <- proxy            200
        "
            }
            _ => {
                "
        +1min     proxy <- bob     BYE
        alice  <- proxy            BYE sip:alice@{alice}
            Max-Forwards: 68
            !Route
        alice  -> proxy            200
                  proxy -> bob     200
        "
            }
        };
        stage.play(&format!(
            "
        alice  -> proxy            INVITE sip:bob@biloxi.example
                  proxy -> bob     INVITE sip:bob@{{bob}};transport=tcp
            Max-Forwards: 68
            Via: SIP/2.0/TCP 198.51.100.2;branch=*
            Via: SIP/2.0/UDP 198.51.100.1;*;received=198.51.100.1;rport=5060
            Via: SIP/2.0/UDP {{alice}};*
            Record-Route: <sip:198.51.100.2;transport=tcp;lr;oh=*>
            Record-Route: <sip:198.51.100.2;lr;oh=*>
            Record-Route: <sip:198.51.100.1;lr;oh=*>
                  proxy <- bob     180
        alice  <- proxy            180
                  proxy <- bob     200
        alice  <- proxy            200
            Via: SIP/2.0/UDP {{alice}};*
        alice  -> proxy            ACK
                  proxy -> bob     ACK sip:bob@{{bob}};transport=tcp
            !Route
        {bye}"
        ));
        leaves_nothing(stage);
    }
}

/// Alice's exchange asks for her password, bob's does not know her and asks for none. RFC 3665 §3.3, RFC 3261 §22.3.
#[test]
fn the_first_proxy_asks_for_credentials() {
    let mut stage = pair("", |site| {
        let route = format!("[[route]]\nmatch = {{ domain = \"biloxi.example\" }}\nto = \"sip:{BILOXI}\"\n");
        Plan::new(&parse(&route), site, 1)
    });
    stage.play(
        "
        alice  -> proxy            INVITE sip:bob@biloxi.example
        alice  <- proxy            407
            Proxy-Authenticate: *realm=\"example.com\"*
        alice  -> proxy            ACK
        alice  -> proxy            INVITE sip:bob@biloxi.example (auth)
                  proxy -> bob     INVITE
            !Proxy-Authorization
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
            !Proxy-Authorization
                  proxy <- bob     BYE
        alice  <- proxy            BYE
        alice  -> proxy            200
                  proxy -> bob     200
    ",
    );
    leaves_nothing(stage);
}

/// A re-INVITE takes the same way. RFC 3665 §3.7.
#[test]
fn a_re_invite_through_two_proxies() {
    let mut stage = trapezoid("");
    stage.play(
        "
        alice  -> proxy            INVITE sip:bob@biloxi.example
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
                  proxy <- bob     INVITE
        alice  <- proxy            INVITE sip:alice@{alice}
            !Record-Route
        alice  -> proxy            200
                  proxy -> bob     200
                  proxy <- bob     ACK
        alice  <- proxy            ACK
        alice  -> proxy            BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    );
    leaves_nothing(stage);
}

/// Nobody answers; alice gives up, and each hop cancels the next one. RFC 3665 §3.8, RFC 3261 §16.10.
#[test]
fn no_answer_behind_two_proxies() {
    let mut stage = trapezoid("");
    stage.play(
        "
        alice  -> proxy            INVITE sip:bob@biloxi.example
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        +9s    alice -> proxy      CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL
                  proxy <- bob     200 CANCEL
                  proxy <- bob     487 INVITE
                  proxy -> bob     ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
    ",
    );
    leaves_nothing(stage);
}

/// Busy, hop by hop. RFC 3665 §3.9.
#[test]
fn busy_behind_two_proxies() {
    let mut stage = trapezoid("");
    stage.play(
        "
        alice  -> proxy            INVITE sip:bob@biloxi.example
                  proxy -> bob     INVITE
                  proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    );
    leaves_nothing(stage);
}

/// The phone is silent: bob's exchange gives up first and says so. RFC 3665 §3.10, RFC 3261 §16.8.
#[test]
fn silence_behind_two_proxies() {
    let mut stage = trapezoid("");
    stage.play(
        "
        alice  -> proxy            INVITE sip:bob@biloxi.example
                  proxy -> bob     INVITE
        +200ms alice <- proxy      100
        @32s   alice <- proxy      408
        alice  -> proxy            ACK
    ",
    );
    leaves_nothing(stage);
}

/// Not now. RFC 3665 §3.11.
#[test]
fn unavailable_behind_two_proxies() {
    let mut stage = trapezoid("");
    stage.play(
        "
        alice  -> proxy            INVITE sip:bob@biloxi.example
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        +3s       proxy <- bob     480
                  proxy -> bob     ACK
        alice  <- proxy            480
        alice  -> proxy            ACK
        alice  -> proxy            INVITE sip:carol@biloxi.example
        alice  <- proxy            404
        alice  -> proxy            ACK
    ",
    );
    leaves_nothing(stage);
}

/// Each sends to the other what it does not know: the loop is noticed when the request comes back the first time.
/// RFC 5393 §4.2, RFC 3261 §16.3 step 4.
#[test]
fn a_loop_of_two() {
    let mut stage =
        trapezoid("[[route]]\nmatch = { domain = \"loop.example\" }\nto = \"sip:198.51.100.1:5060\"\n");
    stage.play(
        "
        alice  -> proxy            INVITE sip:bob@loop.example
        alice  <- proxy            482
        alice  -> proxy            ACK
        alice  -> proxy            OPTIONS sip:bob@loop.example
        alice  <- proxy            482
    ",
    );
    let between =
        stage.world().trace().iter().filter(|entry| entry.wire.1 == BILOXI.parse().expect("an address"));
    let sent = between.filter(|entry| entry.first_line().contains("loop.example"));
    assert_eq!(sent.count(), 3, "INVITE, its ACK and OPTIONS pass once each");
    leaves_nothing(stage);
}

/// The second exchange does not answer: the first one repeats, gives up and says so. RFC 3665 §3.4, RFC 3261 §16.8.
#[test]
fn the_second_proxy_is_away() {
    let mut stage = pair("", |site| {
        let away = "[[route]]\nmatch = { domain = \"away.example\" }\nto = \"sip:198.51.100.77:5060\"\n";
        Plan::new(&parse(&format!("{OPEN}{away}")), site, 1)
    });
    stage.play(
        "
        alice  -> proxy            INVITE sip:bob@away.example
        +200ms alice <- proxy      100
        @32s   alice <- proxy      408
        alice  -> proxy            ACK
        alice  -> proxy            MESSAGE sip:bob@away.example
        +3.5s  alice <- proxy      100
    ",
    );
    leaves_nothing(stage);
}

/// Both exchanges, nobody challenged, bob registered; `more` is configuration of bob's.
fn trapezoid(more: &str) -> Stage {
    pair(more, |site| {
        let route =
            |domain| format!("[[route]]\nmatch = {{ domain = \"{domain}\" }}\nto = \"sip:{BILOXI}\"\n");
        let routes = [route("biloxi.example"), route("loop.example")].concat();
        Plan::new(&parse(&format!("{OPEN}{routes}")), site, 1)
    })
}

fn pair(more: &str, first: impl FnOnce(&Site) -> Plan + 'static) -> Stage {
    let listener = |transport, local: &str| {
        let local = local.parse().expect("an address");
        Listener { transport, local, prefix_bits: 24, advertise: None }
    };
    let more = more.to_owned();
    let ladder = Ladder::new(move |site| {
        let (ours, theirs) = (site.listeners[..1].to_vec(), site.listeners[1..].to_vec());
        let first = first(&Site { listeners: ours, ..site.clone() });
        // Phones of the scene send their REGISTER to example.com; the second exchange takes it as its own.
        let domains = "domains = [\"biloxi.example\", \"example.com\"]\n";
        let second = Site { listeners: theirs, ..site.clone() };
        let second = Plan::new(&parse(&format!("{domains}{OPEN}{more}")), &second, 1);
        Pair { exchanges: [Arc::new(first).shard(0), Arc::new(second).shard(0)] }
    });
    let listeners =
        [(Transport::Udp, "198.51.100.1:5060"), (Transport::Tcp, BILOXI), (Transport::Udp, BILOXI)];
    let ladder = ladder.listeners(listeners.map(|(transport, at)| listener(transport, at)).to_vec());
    ladder.run(
        "
        alice  -> proxy            OPTIONS sip:198.51.100.1
        alice  <- proxy            200
        bob    -> proxy/tcp        REGISTER sip:bob@biloxi.example
        bob    <- proxy            200
    ",
    )
}

fn leaves_nothing(mut stage: Stage) {
    stage.play("+80s");
    let pair: &Pair = stage.world().engine(stage.proxy());
    assert!(pair.exchanges.iter().all(Exchange::is_empty), "something is left");
}

/// Two exchanges in one node. The first has the first listener, the second the others.
struct Pair {
    exchanges: [Exchange; 2],
}

/// Marks tickets of the second exchange.
const SECOND: Ticket = 1 << 63;

impl Pair {
    /// Lets one of the two do something, and puts what it wants sent into the box of the node.
    fn with(&mut self, which: usize, out: &mut Outbox, step: impl FnOnce(&mut Exchange, &mut Outbox)) {
        let mut own = Outbox::new();
        step(&mut self.exchanges[which], &mut own);
        for outgoing in own.outgoing() {
            let flow = Flow { listener: outgoing.flow.listener + which as u16, ..outgoing.flow };
            let mark = if which == 1 && outgoing.ticket != 0 { SECOND } else { 0 };
            out.push(own.bytes(outgoing.bytes.clone()), flow, outgoing.ticket | mark);
        }
    }
}

impl Engine for Pair {
    fn receive(&mut self, now_ms: u64, from: &Flow, message: &[u8], out: &mut Outbox) {
        let which = usize::from(from.listener > 0);
        let from = Flow { listener: from.listener - which as u16, ..*from };
        self.with(which, out, |exchange, out| exchange.receive(now_ms, &from, message, out));
    }

    fn unframeable(&mut self, now_ms: u64, from: &Flow, head: &[u8], out: &mut Outbox) {
        self.receive(now_ms, from, head, out);
    }

    fn send_failed(&mut self, now_ms: u64, ticket: Ticket, out: &mut Outbox) {
        let which = usize::from(ticket & SECOND != 0);
        self.with(which, out, |exchange, out| exchange.send_failed(now_ms, ticket & !SECOND, out));
    }

    fn connection_closed(&mut self, now_ms: u64, connection: ConnectionId, out: &mut Outbox) {
        self.with(1, out, |exchange, out| exchange.connection_closed(now_ms, connection, out));
    }

    fn tick(&mut self, now_ms: u64, out: &mut Outbox) {
        for which in 0..2 {
            if self.exchanges[which].deadline_ms().is_some_and(|at_ms| at_ms <= now_ms) {
                self.with(which, out, |exchange, out| exchange.tick(now_ms, out));
            }
        }
    }

    fn deadline_ms(&mut self) -> Option<u64> {
        self.exchanges.iter_mut().filter_map(Exchange::deadline_ms).min()
    }

    fn commit(&mut self, now_ms: u64, out: &mut Outbox) {
        for which in 0..2 {
            self.with(which, out, |exchange, out| exchange.commit(now_ms, out));
        }
    }
}
