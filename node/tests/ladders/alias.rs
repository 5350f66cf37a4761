//! Connections used in both directions: RFC 5923. TLS is a stream of that name here; who proves what is the test's word.

use offhook_ladder::Ladder;
use offhook_net::Listener;
use offhook_simnet::{NameServer, Nat, NatKind};
use offhook_sip::Transport;

use crate::exchange::{OPEN, Observed, scene_with_names, scene_with_proof};

/// Where the neighbour's translator stands: nobody can dial through it.
const EDGE: &str = "203.0.113.7";

fn names() -> NameServer {
    let place = "tls 203.0.113.7:5061";
    ["sip:edge.example.net;transport=tls", "sip:other.example.net;transport=tls"]
        .into_iter()
        .fold(NameServer::new(), |names, name| names.name(name, &[place]))
}

fn listening(scene: Ladder) -> Ladder {
    let listener = |transport: Transport| Listener {
        transport,
        local: ([198, 51, 100, 1], transport.default_port()).into(),
        prefix_bits: 24,
        advertise: None,
    };
    let listeners = [Transport::Udp, Transport::Tcp, Transport::Tls].map(listener);
    let nat = Nat::new(NatKind::PortRestrictedCone, EDGE);
    scene.listeners(listeners.to_vec()).behind_nat(&["edge"], nat)
}

/// The neighbour offers its connection: the call to it comes by that, although nobody could dial it; its answers, the ACK
/// and the BYE too. RFC 5923 §5, §8.2.
#[test]
fn a_call_comes_by_the_neighbours_connection() {
    listening(scene_with_proof(OPEN, names(), (EDGE, "edge.example.net")))
        .run(
            "
        edge   -> proxy/tls        OPTIONS proxy
            Via: SIP/2.0/TLS edge.example.net;branch=z9hG4bK-e;alias
        edge   <- proxy            200
        alice  -> proxy/udp        INVITE sip:bob@edge.example.net;transport=tls #2
                  proxy -> edge    INVITE sip:bob@edge.example.net;transport=tls #2
            Via: SIP/2.0/TLS 198.51.100.1;branch=*;alias
                  proxy <- edge    486 #2
                  proxy -> edge    ACK #2
        alice  <- proxy            486 #2
        alice  -> proxy            ACK #2
    ",
        )
        .leaves_nothing();
}

/// It is not used for another domain at the same address, nor where the certificate proves another name than the Via says,
/// nor when the peer has not offered it, nor after it has closed: then the neighbour is dialled, and nobody
/// answers.
/// RFC 5923 §8.2, §9.2, §9.3.
#[test]
fn connections_that_are_not_reused() {
    for (proved, via, target, close) in [
        ("edge.example.net", "edge.example.net;branch=z9hG4bK-e;alias", "other", false),
        ("else.example.net", "edge.example.net;branch=z9hG4bK-e;alias", "edge", false),
        ("edge.example.net", "edge.example.net;branch=z9hG4bK-e", "edge", false),
        ("edge.example.net", "edge.example.net:5071;branch=z9hG4bK-e;alias", "edge", false),
        ("edge.example.net", "192.0.2.99;branch=z9hG4bK-e;alias", "edge", false),
        ("edge.example.net", "edge.example.net;branch=z9hG4bK-e;alias", "edge", true),
    ] {
        let closes = if close { "edge   -> proxy            close" } else { "" };
        listening(scene_with_proof(OPEN, names(), (EDGE, proved)))
            .run(&format!(
                "
        edge   -> proxy/tls        OPTIONS proxy
            Via: SIP/2.0/TLS {via}
        edge   <- proxy            200
        {closes}
        alice  -> proxy/udp        INVITE sip:bob@{target}.example.net;transport=tls #2
        +200ms alice <- proxy      100 #2
        @5s    alice <- proxy      500 #2
        alice  -> proxy            ACK #2
    "
            ))
            .leaves_nothing();
    }
}

/// By TCP nothing is offered and nothing is taken: anybody could say that he is the neighbour. RFC 5923 §9.3.
#[test]
fn nothing_is_reused_by_tcp() {
    let names = NameServer::new().name("sip:edge.example.net;transport=tcp", &["tcp 203.0.113.7:5060"]);
    listening(scene_with_names(OPEN, names))
        .run(
            "
        edge   -> proxy/tcp        OPTIONS proxy
            Via: SIP/2.0/TCP edge.example.net;branch=z9hG4bK-e;alias
        edge   <- proxy            200
        alice  -> proxy/udp        INVITE sip:bob@edge.example.net;transport=tcp #2
        +200ms alice <- proxy      100 #2
        @5s    alice <- proxy      500 #2
        alice  -> proxy            ACK #2
    ",
        )
        .leaves_nothing();
}
