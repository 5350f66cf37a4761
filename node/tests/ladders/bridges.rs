//! Calls between any two transports and either family of addresses, one after the other: INVITE to BYE passes, and where
//! the two sides differ both addresses of ours stand in Record-Route. The flows one by one are in `tcp.rs`, `tls.rs`,
//! `websocket.rs` and `ipv6.rs`.

use offhook_ladder::Ladder;
use offhook_net::Listener;
use offhook_sip::Transport::{self, Sctp, Tcp, Tls, Udp, Ws, Wss};

use crate::exchange::{OPEN, Observed, scene};

const V4: &str = "198.51.100.1";
const V6: &str = "[2001:db8::1]";

/// Each with its port, and what a URI of ours says of it.
const TRANSPORTS: [(Transport, u16, &str); 6] = [
    (Udp, 5060, ""),
    (Tcp, 5060, ";transport=tcp"),
    (Tls, 5061, ";transport=tls"),
    (Ws, 8080, ":8080;transport=ws"),
    (Wss, 443, ":443;transport=ws"),
    (Sctp, 5060, ";transport=sctp"),
];

/// One side of a call: how its phone is connected.
#[derive(Clone, Copy, PartialEq)]
struct Side {
    transport: Transport,
    /// What stands behind our address in a URI for this side.
    suffix: &'static str,
    /// Our address.
    ours: &'static str,
}

impl Side {
    fn all() -> impl Iterator<Item = Self> {
        let of = |ours| move |(transport, _, suffix)| Self { transport, suffix, ours };
        [V4, V6].into_iter().flat_map(move |ours| TRANSPORTS.into_iter().map(of(ours)))
    }

    fn name(self) -> String {
        self.transport.name().to_owned()
    }

    fn record_route(self) -> String {
        format!("            Record-Route: <sip:{}{};lr;oh=*>\n", self.ours, self.suffix)
    }

    fn address(self, last: &str) -> String {
        if self.ours == V4 { format!("192.0.2.{last}:5070") } else { format!("[2001:db8::{last}]:5070") }
    }
}

fn house(caller: Side, callee: Side) -> Ladder {
    let at = |ours: &str, transport, port: u16| Listener {
        transport,
        local: format!("{ours}:{port}").parse().expect("an address"),
        prefix_bits: if ours == V4 { 24 } else { 64 },
        advertise: None,
    };
    let of = |ours| TRANSPORTS.map(|(transport, port, _)| at(ours, transport, port));
    let listeners = [V4, V6].into_iter().flat_map(of).collect();
    scene(OPEN)
        .listeners(listeners)
        .address("alice", &caller.address("11"))
        .address("bob", &callee.address("12"))
}

/// RFC 5658 §4, RFC 3261 §16.6 step 4, RFC 3261 §16.12, RFC 3261 §18, RFC 7118 §5, RFC 4168 §5, RFC 6157 §3.1.
#[test]
fn a_call_between_any_two_transports() {
    for caller in Side::all() {
        for callee in Side::all() {
            let routes = match caller == callee {
                true => callee.record_route(),
                false => callee.record_route() + &caller.record_route(),
            };
            let (from, to) = (caller.name(), callee.name());
            house(caller, callee)
                .check(&format!(
                    "
        given alice is registered over {from}
        given bob is registered over {to}
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
{routes}                  proxy <- bob     180
        alice  <- proxy            180
                  proxy <- bob     200
        alice  <- proxy            200
{routes}        alice  -> proxy            ACK
                  proxy -> bob     ACK
        +1min     proxy <- bob     INFO
        alice  <- proxy            INFO
        alice  -> proxy            200
                  proxy -> bob     200
        alice  -> proxy            BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
    "
                ))
                .unwrap_or_else(|failure| panic!("{from} {} to {to} {}: {failure}", caller.ours, callee.ours))
                .leaves_nothing();
        }
    }
}
