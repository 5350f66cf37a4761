//! TLS as a transport, and `sips`: RFC 3261 §26.2, RFC 5630. Cryptography is tested where the sockets are; here a TLS
//! connection is a stream of that name.

use offhook_ladder::{Ladder, Stage};
use offhook_net::Listener;
use offhook_simnet::{Nat, NatKind};
use offhook_sip::Transport;

use crate::exchange::{OPEN, Observed, scene};

/// UDP and TLS, each at its own port.
pub(crate) fn with_tls(scene: Ladder) -> Ladder {
    let listener = |transport: Transport| Listener {
        transport,
        local: ([198, 51, 100, 1], transport.default_port()).into(),
        prefix_bits: 24,
        advertise: None,
    };
    scene.listeners(vec![listener(Transport::Udp), listener(Transport::Tls)])
}

fn secure_scene(configuration: &str) -> Ladder {
    with_tls(scene(configuration))
}

fn play(text: &str) -> Stage {
    secure_scene(OPEN).run(text)
}

/// Both phones on TLS: everything goes over the connections they have opened. RFC 3261 §18.2.2, §26.2.1.
#[test]
fn a_call_over_tls() {
    secure_scene("")
        .run(
            "
        given alice is registered over tls
        given bob is registered over tls
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob (auth)
                  proxy -> bob     INVITE sip:bob@{bob};transport=tls
            Via: SIP/2.0/TLS {proxy.host};branch=*
            Record-Route: <sip:{proxy.host};transport=tls;lr;oh=*>
                  proxy <- bob     180
        alice  <- proxy            180
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        +1min     proxy <- bob     BYE
        alice  <- proxy            BYE sip:alice@{alice};transport=tls
        alice  -> proxy            200
                  proxy -> bob     200
    ",
        )
        .leaves_nothing();
}

/// From TLS to UDP: two Record-Routes, so that each side keeps to its transport. RFC 3261 §16.6 step 4, RFC 5658 §4.
#[test]
fn from_tls_to_udp() {
    play(
        "
        given alice is registered over tls
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
            Via: SIP/2.0/UDP {proxy.host};*
            Via: SIP/2.0/TLS {alice};*
            Record-Route: <sip:{proxy.host};lr;oh=*>
            Record-Route: <sip:{proxy.host};transport=tls;lr;oh=*>
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
            !Route
                  proxy <- bob     BYE
        alice  <- proxy            BYE sip:alice@{alice};transport=tls
            !Route
        alice  -> proxy            200
                  proxy -> bob     200
    ",
    )
    .leaves_nothing();
}

/// From UDP to TLS, the same. RFC 3261 §16.6 step 4, RFC 5658 §4.
#[test]
fn from_udp_to_tls() {
    play(
        "
        given alice is registered
        given bob is registered over tls
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE sip:bob@{bob};transport=tls
            Via: SIP/2.0/TLS {proxy.host};*
            Via: SIP/2.0/UDP {alice};*
            Record-Route: <sip:{proxy.host};transport=tls;lr;oh=*>
            Record-Route: <sip:{proxy.host};lr;oh=*>
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        alice  -> proxy            BYE
                  proxy -> bob     BYE sip:bob@{bob};transport=tls
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// A call for a sips URI: TLS on both hops, and a Record-Route that keeps it so. RFC 3261 §16.6 step 4, §26.2.2.
#[test]
fn a_call_for_a_sips_uri() {
    play(
        "
        bob/tls -> proxy           REGISTER sips:bob@example.com
            Contact: <sips:bob@{bob}>
        bob    <- proxy            200
        alice/tls -> proxy         INVITE sips:bob@example.com
            Contact: <sips:alice@{alice}>
                  proxy -> bob     INVITE sips:bob@{bob}
            Via: SIP/2.0/TLS {proxy.host};*
            Record-Route: <sips:{proxy.host};lr;oh=*>
                  proxy <- bob     200
            Contact: <sips:bob@{bob}>
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
                  proxy <- bob     BYE
        alice  <- proxy            BYE sips:alice@{alice}
        alice  -> proxy            200
                  proxy -> bob     200
    ",
    )
    .leaves_nothing();
}

/// A request for a sips URI reaches no phone with a sip Contact, be its connection secure or not, and its sender learns
/// why. RFC 5630 §5.3, RFC 3261 §26.2.2.
#[test]
fn sips_is_never_downgraded() {
    for transport in ["tls", "udp"] {
        play(&format!(
            "
        given bob is registered over {transport}
        alice/tls -> proxy         INVITE sips:bob@example.com
        alice  <- proxy            480
            Warning: 380 * \"SIPS Not Allowed\"
        alice  -> proxy            ACK
    "
        ))
        .leaves_nothing();
    }
}

/// A sips Contact gets requests for a sip URI too: by TLS, with the scheme of the request. RFC 5630 §5.3.
#[test]
fn a_sips_contact_is_called_by_sip_over_tls() {
    play(
        "
        bob/tls -> proxy           REGISTER sips:bob@example.com
            Contact: <sips:bob@{bob}>
        bob    <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE sip:bob@{bob}
            Via: SIP/2.0/TLS {proxy.host};*
                  proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// Who registers a sips Contact over UDP is dialled by TLS. RFC 5630 §5.3.
#[test]
fn a_sips_contact_registered_over_udp_is_dialled_by_tls() {
    play(
        "
        bob    -> proxy            REGISTER sips:bob@example.com
            Contact: <sips:bob@{bob}>
        bob    <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> bob/tls INVITE sip:bob@{bob}
            Via: SIP/2.0/TLS {proxy.host};*
                  proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// Behind a NAT it cannot be dialled, and the way by which it came is not secure: nobody calls it in clear text. RFC 5630
/// §5.3.
#[test]
fn a_sips_contact_behind_nat_is_not_called_in_clear() {
    secure_scene(OPEN)
        .behind_nat(&["bob"], Nat::new(NatKind::FullCone, "203.0.113.7"))
        .run(
            "
        bob    -> proxy            REGISTER sips:bob@example.com
            Contact: <sips:bob@{bob}>
        bob    <- proxy            200
        alice  -> proxy            INVITE bob
        alice  <- proxy            480
            Warning: 381 * \"SIPS Required\"
        alice  -> proxy            ACK
    ",
        )
        .leaves_nothing();
}

/// "A registrar MUST accept a binding to a SIPS Contact header field only if all the appropriate URIs are of the SIPS scheme":
/// over TLS too. It may be taken away by whatever URI. RFC 5630 §5.2.
#[test]
fn a_sips_contact_is_registered_at_a_sips_uri() {
    play(
        "
        bob/tls -> proxy           REGISTER
            Contact: <sips:bob@{bob}>
        bob    <- proxy            400 Contact is sips, other URIs are not
        bob    -> proxy            REGISTER sips:bob@example.com
            Contact: <sips:bob@{bob}>, <sip:bob@192.0.2.77>
        bob    <- proxy            400 Contact is sips, other URIs are not
        bob    -> proxy            REGISTER sips:bob@example.com
            Contact: <sips:bob@{bob}>
        bob    <- proxy            200
            Contact: <sips:bob@{bob}>;expires=3600
        bob    -> proxy            REGISTER
            Contact: <sips:bob@{bob}>;expires=0
        bob    <- proxy            200
            !Contact
    ",
    )
    .leaves_nothing();
}

/// A route that is not secure takes no request for a sips URI. RFC 3261 §26.2.2.
#[test]
fn a_plain_route_takes_no_sips() {
    let route = "[[route]]\nmatch = { domain = \"far.example\" }\nopen = true\nto = \"sip:198.51.100.77\"\n";
    secure_scene(&format!("{OPEN}{route}"))
        .run(
            "
        alice/tls -> proxy         INVITE sips:bob@far.example
        alice  <- proxy            480
            Warning: 380 * \"SIPS Not Allowed\"
        alice  -> proxy            ACK
    ",
        )
        .leaves_nothing();
}
