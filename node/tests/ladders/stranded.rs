//! Answers whose connection is gone: RFC 3261 §18.2.2, RFC 3263 §5.

use offhook_locate::Nowhere;
use offhook_simnet::{NameServer, Nat, NatKind};

use crate::exchange::{OPEN, Observed, open_ladder, scene, scene_with_names};

/// The caller's connection breaks while it rings: the answer is sent where his Via says, by a new one; so is every repetition.
/// RFC 3263 §5, RFC 3261 §18.2.2.
#[test]
fn the_answer_goes_by_a_new_connection() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy/tcp        INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        alice  -> proxy            close
                  proxy <- bob     183
        alice  <- proxy            183
        +3s       proxy <- bob     200
        alice  <- proxy            200
        +500ms    proxy <- bob     200 (again)
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

/// A refusal, and the answer to a MESSAGE. RFC 3263 §5.
#[test]
fn any_answer_finds_its_way() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy/tcp        INVITE bob
                  proxy -> bob     INVITE
        alice  -> proxy            close
                  proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
        alice  -> proxy            MESSAGE bob #2
                  proxy -> bob     MESSAGE #2
        alice  -> proxy            close
                  proxy <- bob     200 #2
        alice  <- proxy            200 #2
    ",
    )
    .leaves_nothing();
}

/// A caller behind a NAT cannot be reached anew, and what his Via says may be somebody else's: nothing is sent there. Nor to
/// an address that he has made up. The answer is dropped, and the phones are left in peace. RFC 3263 §5, RFC 3261 §16.9, §26.1.
#[test]
fn no_answer_goes_to_a_third_party() {
    scene(OPEN)
        .behind_nat(&["alice"], Nat::new(NatKind::PortRestrictedCone, "203.0.113.7"))
        .run(
            "
        given bob is registered
        alice  -> proxy/tcp        INVITE bob
                  proxy -> bob     INVITE
        alice  -> proxy            close
                  proxy <- bob     486
                  proxy -> bob     ACK
    ",
        )
        .leaves_nothing();
    open_ladder(
        "
        given bob is registered
        alice  -> proxy/tcp        INVITE bob
            Via: SIP/2.0/TCP {victim};branch=z9hG4bK-x
                  proxy -> bob     INVITE
        alice  -> proxy            close
                  proxy <- bob     486
                  proxy -> bob     ACK
        +30s   victim -> proxy     OPTIONS proxy
        victim <- proxy            200
    ",
    );
}

/// The proxy before us is known by a name only: the answer goes where that leads, as soon as the name server has said so. A
/// name that leads nowhere, into our own network, or to nobody who would
/// tell, does not help. RFC 3263 §5.
#[test]
fn a_name_leads_back() {
    let call = |then: &str| {
        format!(
            "
        given bob is registered
        edge   -> proxy/tcp        INVITE bob
            Via: SIP/2.0/TCP edge.example.net;branch=z9hG4bK-e
                  proxy -> bob     INVITE
        edge   -> proxy            close
                  proxy <- bob     486
                  proxy -> bob     ACK
        {then}
        "
        )
    };
    let name = "sip:edge.example.net;transport=tcp";
    let there = NameServer::new().name(name, &["tcp 203.0.113.1:5060"]).delay_ms(900);
    scene_with_names(OPEN, there)
        .address("edge", "203.0.113.1:5060")
        .run(&call("+900ms edge <- proxy       486\n        edge   -> proxy            ACK"))
        .leaves_nothing();
    let mut silent = NameServer::new();
    silent.set_dead(true);
    for names in [
        NameServer::new().nowhere(name, Nowhere::NoSuchName),
        NameServer::new().name(name, &["tcp 127.0.0.1:5060"]),
        silent,
    ] {
        scene_with_names(OPEN, names).address("edge", "203.0.113.1:5060").run(&call("")).leaves_nothing();
    }
}

/// The name leads to several proxies: where nobody takes the connection, "the next entry on the list is tried". RFC 3263 §5.
#[test]
fn the_next_place_of_a_name() {
    let name = "sip:edge.example.net;transport=tcp";
    let places = ["tcp 203.0.113.1:5098", "tcp 203.0.113.1:5099", "tcp 203.0.113.1:5060"];
    scene_with_names(OPEN, NameServer::new().name(name, &places))
        .address("edge", "203.0.113.1:5060")
        .run(
            "
        given bob is registered
        edge   -> proxy/tcp        INVITE bob
            Via: SIP/2.0/TCP edge.example.net;branch=z9hG4bK-e
                  proxy -> bob     INVITE
        edge   -> proxy            close
                  proxy <- bob     486
                  proxy -> bob     ACK
        edge   <- proxy/tcp        486
        edge   -> proxy            ACK
        ",
        )
        .leaves_nothing();
}
