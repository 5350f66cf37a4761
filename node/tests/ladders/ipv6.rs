//! Calls over IPv6, and between the two worlds: RFC 5118, RFC 3261 §18, RFC 5658.

use offhook_ladder::Ladder;
use offhook_net::Listener;
use offhook_sip::Transport;

use crate::exchange::{OPEN, Observed, scene};

fn both_families() -> Ladder {
    let at = |transport, local: &str| {
        let local: std::net::SocketAddr = local.parse().expect("an address");
        let prefix_bits = if local.is_ipv4() { 24 } else { 64 };
        Listener { transport, local, prefix_bits, advertise: None }
    };
    scene(OPEN)
        .listeners(vec![
            at(Transport::Udp, "[2001:db8::1]:5060"),
            at(Transport::Udp, "198.51.100.1:5060"),
            at(Transport::Tcp, "[2001:db8::1]:5060"),
        ])
        .address("alice", "[2001:db8::a]:5060")
        .address("bob", "[2001:db8::b]:5060")
}

/// Two phones with IPv6 addresses call each other. In Via, `received` has no brackets. RFC 5118 §4.5, RFC 3261 §19.1.1.
#[test]
fn a_call_over_ipv6() {
    both_families()
        .run(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE sip:bob@[2001:db8::b]:5060
            Via: SIP/2.0/UDP [2001:db8::1];rport;branch=*
            Via: SIP/2.0/UDP [2001:db8::a]:5060;branch=*;received=2001:db8::a;rport=5060
            Record-Route: <sip:[2001:db8::1];lr;oh=*>
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
                  proxy <- bob     BYE
        alice  <- proxy            BYE sip:alice@[2001:db8::a]:5060
        alice  -> proxy            200
                  proxy -> bob     200
    ",
        )
        .leaves_nothing();
}

/// A phone with IPv6 calls one with IPv4: both addresses of ours stand in Record-Route, each for its side.
/// RFC 5658 §4, RFC 6157 §3.1.
#[test]
fn from_ipv6_to_ipv4() {
    both_families()
        .run(
            "
        alice  -> proxy            INVITE sip:carol@{carol}
                  proxy -> carol   INVITE
            Via: SIP/2.0/UDP 198.51.100.1;rport;branch=*
            Record-Route: <sip:198.51.100.1;lr;oh=*>
            Record-Route: <sip:[2001:db8::1];lr;oh=*>
                  proxy <- carol   180
        alice  <- proxy            180
        alice  -> proxy            CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> carol   CANCEL
                  proxy <- carol   200 CANCEL
                  proxy <- carol   487 INVITE
                  proxy -> carol   ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
    ",
        )
        .leaves_nothing();
}

/// A phone on TCP over IPv6: its connection is remembered in Record-Route, which has room for the longer address.
/// RFC 3261 §16.6 step 4.
#[test]
fn a_connection_over_ipv6() {
    both_families()
        .run(
            "
        given bob is registered over tcp
        alice  -> proxy/udp        INVITE bob
                  proxy -> bob     INVITE sip:bob@[2001:db8::b]:5060;transport=tcp
            Record-Route: <sip:[2001:db8::1];transport=tcp;lr;oh=*>
            Record-Route: <sip:[2001:db8::1];lr;oh=*>
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        alice  -> proxy            BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
        )
        .leaves_nothing();
}
