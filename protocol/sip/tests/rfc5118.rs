//! The IPv6 torture messages of RFC 5118: what the RFC says of each, and what we see.
//!
//! Its appendix A has them with bare line feeds and with Content-Lengths that fit neither line end. Here every line
//! ends with CRLF and Content-Length is that of the body; all else is as there.

mod fixture;

use std::net::IpAddr;

use fixture::{check, check_and};
use offhook_sip::{Message, Name, Via};

fn host_and_port(message: &Message<'_>) -> (Option<IpAddr>, Option<u16>) {
    let address = message.request_uri().expect("a URI").address.expect("an address");
    (address.host.ip(), address.port)
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().expect("an address"))
}

/// RFC 5118 §4.1
#[test]
fn ipv6_good() {
    check_and("rfc5118/ipv6-good", |message| assert_eq!(host_and_port(message), (ip("2001:db8::10"), None)));
}

/// RFC 5118 §4.2
#[test]
fn ipv6_bad() {
    check("rfc5118/ipv6-bad");
}

/// RFC 5118 §4.3
#[test]
fn port_ambiguous() {
    check_and("rfc5118/port-ambiguous", |message| {
        assert_eq!(host_and_port(message), (ip("2001:db8::10:5070"), None));
    });
}

/// RFC 5118 §4.4
#[test]
fn port_unambiguous() {
    check_and("rfc5118/port-unambiguous", |message| {
        assert_eq!(host_and_port(message), (ip("2001:db8::10"), Some(5070)));
    });
}

/// RFC 5118 §4.5
#[test]
fn via_received_with_delimiters_or_without() {
    let received = |message: &Message<'_>| {
        message.top_via().expect("a Via").params().value(b"received").map(<[u8]>::to_vec)
    };
    check_and("rfc5118/via-received-param-with-delim", |message| {
        assert_eq!(received(message).as_deref(), Some(&b"[2001:db8::9:255]"[..]));
    });
    check_and("rfc5118/via-received-param-no-delim", |message| {
        assert_eq!(received(message).as_deref(), Some(&b"2001:db8::9:255"[..]));
    });
}

/// RFC 5118 §4.6
#[test]
fn ipv6_in_sdp() {
    check("rfc5118/ipv6-in-sdp");
}

/// RFC 5118 §4.7
#[test]
fn mult_ip_in_header() {
    check_and("rfc5118/mult-ip-in-header", |message| {
        let vias = message.values(Name::Via).map(|via| Via::parse(via).expect("a Via"));
        let found: Vec<_> = vias.map(|via| (via.sent_by.host.ip(), via.port())).collect();
        assert_eq!(
            found,
            [(ip("2001:db8::9:1"), 6050), (ip("192.0.2.1"), 5060), (ip("2001:db8::9:255"), 5060)]
        );
    });
}

/// RFC 5118 §4.8
#[test]
fn mult_ip_in_sdp() {
    check("rfc5118/mult-ip-in-sdp");
}

/// RFC 5118 §4.9
#[test]
fn ipv4_mapped_ipv6() {
    check_and("rfc5118/ipv4-mapped-ipv6", |message| {
        let via = message.top_via().expect("a Via");
        assert_eq!((via.sent_by.host.ip(), via.port()), (ip("::ffff:192.0.2.10"), 19823));
    });
}

/// RFC 5118 §4.10
#[test]
fn ipv6_bug_in_the_grammar() {
    for name in ["ipv6-bug-abnf-3-colons", "ipv6-correct-abnf-2-colons"] {
        check_and(&format!("rfc5118/{name}"), |message| {
            assert_eq!(host_and_port(message).0, ip("2001:db8::192.0.2.1"), "{name}");
        });
    }
}

#[test]
fn none_is_forgotten() {
    let source = include_str!("rfc5118.rs");
    let names = fixture::names("rfc5118");
    assert_eq!(names.len(), 12);
    for name in names {
        assert!(source.contains(&name), "{name}");
    }
}
