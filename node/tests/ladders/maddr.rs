//! `maddr`: RFC 3261 §16.4, §16.5, §18.1.1.

use crate::exchange::{Observed, ladder, open_ladder};

/// A Request-URI with our own address in `maddr` means what it would mean without it. RFC 3261 §16.4.
#[test]
fn our_own_maddr_is_stripped() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE sip:bob@example.com;maddr={proxy.host}
                  proxy -> bob     INVITE sip:bob@{bob}
                  proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
        alice  -> proxy            INVITE sip:bob@{bob};maddr={proxy.host};user=ip #2
                  proxy -> bob     INVITE sip:bob@192.0.2.11;user=ip #2
                  proxy <- bob     486 #2
                  proxy -> bob     ACK #2
        alice  <- proxy            486 #2
        alice  -> proxy            ACK #2
    ",
    )
    .leaves_nothing();
}

/// Another address in `maddr` is the only target, whoever the host belongs to; the Request-URI stays as it is. It takes the
/// rights to go there. RFC 3261 §16.5, RFC 3263 §4.
#[test]
fn another_maddr_is_the_only_target() {
    open_ladder(
        "
        given bob is registered
        given carol is registered
        alice  -> proxy            INVITE sip:bob@example.com;maddr={carol.host}
                  proxy -> carol   INVITE sip:bob@example.com;maddr={carol.host}
                  proxy <- carol   486
                  proxy -> carol   ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
    ladder(
        "
        given bob is registered
        given carol is registered
        trudy  -> proxy            INVITE sip:bob@example.com;maddr={carol.host}
            From: <sip:trudy@elsewhere.example>;tag=t1
        trudy  <- proxy            407
        trudy  -> proxy            ACK
    ",
    );
}

/// Nothing is sent to a group, with whatever `ttl`; and an answer goes where its request came from, not to the `maddr` of a
/// Via: that would let anyone point our answers at others. RFC 3261 §18.1.1, RFC 3261 §18.2.2.
#[test]
fn groups_are_told_no() {
    open_ladder(
        "
        alice  -> proxy            INVITE sip:bob@far.example;maddr=224.0.1.75;ttl=15
        alice  <- proxy            502 Nothing is sent to multicast groups
        alice  -> proxy            ACK
        alice  -> proxy            OPTIONS proxy #2
            Via: SIP/2.0/UDP {alice};branch=z9hG4bK-m;maddr=224.0.1.75;ttl=16
        alice  <- proxy            200 #2
    ",
    )
    .leaves_nothing();
}
