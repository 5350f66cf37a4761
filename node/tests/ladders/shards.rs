//! An exchange of several shards: each phone keeps to one of them, and what belongs together meets in one.

use offhook_net::Listener;
use offhook_sip::Transport;

use crate::exchange::{OPEN, Observed, scene_of_shards};

/// Whole calls between phones of different shards: the response finds the shard of its transaction by our branch.
/// RFC 3261 §17.1.3.
#[test]
fn responses_find_their_shard() {
    // With this many phones, at least two do not share a shard.
    for callee in ["bob", "carol", "dave", "erin"] {
        scene_of_shards(OPEN, 4)
            .run(&format!(
                "
        given bob is registered
        given carol is registered
        given dave is registered
        given erin is registered
        alice  -> proxy            INVITE {callee}
                  proxy -> {callee}     INVITE
                  proxy <- {callee}     180
        alice  <- proxy            180
                  proxy <- {callee}     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> {callee}     ACK
                  proxy <- {callee}     BYE
        alice  <- proxy            BYE
        alice  -> proxy            200
                  proxy -> {callee}     200
        "
            ))
            .leaves_nothing();
    }
}

/// A phone on TCP belongs to one shard, its caller to another: the connection is used all the same.
/// RFC 3261 §18.2.2.
#[test]
fn a_connection_of_another_shard() {
    for callee in ["bob", "carol", "dave", "erin"] {
        scene_of_shards(OPEN, 4)
            .run(&format!(
                "
        given bob is registered over tcp
        given carol is registered over tcp
        given dave is registered over tcp
        given erin is registered over tcp
        alice  -> proxy/udp        INVITE {callee}
                  proxy -> {callee}     INVITE
                  proxy <- {callee}     180
        alice  <- proxy            180
        alice  -> proxy            CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> {callee}     CANCEL
                  proxy <- {callee}     200 CANCEL
                  proxy <- {callee}     487 INVITE
                  proxy -> {callee}     ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
        "
            ))
            .leaves_nothing();
    }
}

/// A page was closed, and its shard is another than the caller's: the browser is not called all the same, and a phone with
/// its flow neither. RFC 7118 §5, RFC 5626 §7.
#[test]
fn all_shards_know_that_a_connection_is_gone() {
    let listener = |transport, port| Listener {
        transport,
        local: std::net::SocketAddr::from(([198, 51, 100, 1], port)),
        prefix_bits: 24,
        advertise: None,
    };
    for caller in ["alice", "carol", "dave", "erin", "frank"] {
        scene_of_shards(OPEN, 4)
            .listeners(vec![
                listener(Transport::Udp, 5060),
                listener(Transport::Tcp, 5060),
                listener(Transport::Ws, 8080),
            ])
            .run(&format!(
                "
        given bob is registered over ws
        gina   -> proxy/tcp        REGISTER
            Supported: outbound, path
            Contact: <sip:gina@{{gina}};transport=tcp>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"
        gina   <- proxy            200
        bob    -> proxy            close
        gina   -> proxy            close
        {caller}  -> proxy/udp        INVITE bob
        {caller}  <- proxy            480
        {caller}  -> proxy            ACK
        {caller}  -> proxy/udp        INVITE gina #2
        {caller}  <- proxy            480 #2
        {caller}  -> proxy            ACK #2
        "
            ))
            .leaves_nothing();
    }
}

/// A nonce of one shard is believed by all, and a seal too. RFC 3261 §22.3, RFC 3261 §16.6 step 4.
#[test]
fn shards_share_their_keys() {
    scene_of_shards("", 4)
        .run(
            "
        given alice is registered
        given bob is registered
        given carol is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob (auth)
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        bob    -> proxy            BYE
        alice  <- proxy            BYE
        alice  -> proxy            200
        bob    <- proxy            200
    ",
        )
        .leaves_nothing();
}

/// Phones of one user in different shards: one rings, all stop. RFC 3261 §16.7 step 10.
#[test]
fn a_fork_across_shards() {
    scene_of_shards(OPEN, 4)
        .run(
            "
        given desk is registered as bob
        given mobile is registered as bob over tcp
        given home is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy -> home    INVITE
                  proxy <- desk    180
        alice  <- proxy            180
                  proxy <- mobile  486
                  proxy -> mobile  ACK
                  proxy <- home    180
        alice  <- proxy            180
        +90s      proxy <- home    200
        alice  <- proxy            200
                  proxy -> desk    CANCEL
                  proxy <- desk    200 CANCEL
                  proxy <- desk    487 INVITE
                  proxy -> desk    ACK
        alice  -> proxy            ACK (with home)
                  proxy -> home    ACK
        alice  -> proxy            BYE (with home)
                  proxy -> home    BYE
                  proxy <- home    200
        alice  <- proxy            200
    ",
        )
        .leaves_nothing();
}

/// A caller on TCP through a stateless route, and the answer arrives in another shard than the one that has his connection:
/// the branch says which it is. RFC 3261 §16.11, RFC 3261 §18.2.2.
#[test]
fn a_stateless_answer_finds_the_connection() {
    let route =
        "[[route]]\nmatch = { domain = \"b.example\" }\nto = \"sip:192.0.2.50:5060\"\nmode = \"stateless\"\n";
    for shards in [1, 2, 3, 5] {
        scene_of_shards(&format!("{OPEN}{route}"), shards)
            .address("gateway", "192.0.2.50:5060")
            .run(
                "
        given alice is registered over tcp
        alice  -> proxy/tcp        INVITE sip:anybody@b.example
                  proxy -> gateway INVITE sip:anybody@b.example
                  proxy <- gateway 180
        alice  <- proxy            180
                  proxy <- gateway 486
        alice  <- proxy            486
        alice  -> proxy            ACK
                  proxy -> gateway ACK
        ",
            )
            .leaves_nothing();
    }
}
