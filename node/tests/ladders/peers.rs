//! Peers that are known by their TLS client certificate: RFC 5922 §7.3.

use offhook_net::Listener;
use offhook_sip::Transport;

use crate::exchange::{Observed, scene_with_certificate};

const HOUSE: &str = r#"
    [access]
    strangers_may_call_users = false
    [[trunk]]
    name = "other"
    targets = [{ to = "sip:192.0.2.70" }]
    peers = ["192.0.2.60"]
    [[trunk]]
    name = "provider"
    targets = [{ to = "sip:192.0.2.51" }]
    peer_domains = ["sip.provider.example"]
    [[route]]
    match = { from_trunk = "other", number = "4930123" }
    refuse = 480
    [[route]]
    match = { from_trunk = "provider", number = "4930123" }
    users = true
    user = "bob"
"#;

fn house(domain: &str) -> offhook_ladder::Ladder {
    let certificate = rcgen::generate_simple_self_signed([domain.to_owned()]).expect("a certificate").cert;
    let listener = |transport: Transport| Listener {
        transport,
        local: ([198, 51, 100, 1], transport.default_port()).into(),
        prefix_bits: 24,
        advertise: None,
    };
    scene_with_certificate(HOUSE, [192, 0, 2, 60].into(), certificate.der().to_vec())
        .listeners(vec![listener(Transport::Udp), listener(Transport::Tls)])
        .address("provider", "192.0.2.60:5061")
}

/// Who has proved to be the provider needs no credentials, and what he has proved counts for more than his address.
/// RFC 5922 §7.3.
#[test]
fn a_peer_by_certificate() {
    house("sip.provider.example")
        .run(
            "
        given bob is registered
        provider -> proxy/tls          MESSAGE sip:4930123@example.com
            From: <sip:+1555@provider.example>;tag=t
                    proxy -> bob       MESSAGE sip:bob@192.0.2.*
                    proxy <- bob       200
        provider <- proxy              200
    ",
        )
        .leaves_nothing();
}

/// A certificate of somebody else is worth nothing: here what the address says is left. By UDP there is none at all.
#[test]
fn a_certificate_of_somebody_else() {
    house("sip.stranger.example")
        .run(
            "
        given bob is registered
        provider -> proxy/tls          MESSAGE sip:4930123@example.com
            From: <sip:+1555@provider.example>;tag=t
        provider <- proxy              480
    ",
        )
        .leaves_nothing();
}
