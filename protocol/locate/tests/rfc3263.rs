//! RFC 3263: which questions are asked, and where their answers lead.

mod zone;

use offhook_locate::{Abilities, Next, Nowhere};
use offhook_sip::Transport::{Sctp, Tcp, Tls, Udp};
use zone::{Zone, abilities, look, look_for, places, said};

/// The zone of RFC 3263 §4.1, with addresses.
const EXAMPLE: &str = r#"
    example.com NAPTR 50 50 "s" "SIPS+D2T" "" _sips._tcp.example.com.
    example.com NAPTR 90 50 "s" "SIP+D2T" "" _sip._tcp.example.com
    example.com NAPTR 100 50 "s" "SIP+D2U" "" _sip._udp.example.com.
    _sips._tcp.example.com SRV 0 1 5061 server1.example.com
    _sip._tcp.example.com SRV 0 1 5060 server1.example.com
    _sip._tcp.example.com SRV 1 2 5060 server2.example.com
    _sip._udp.example.com SRV 0 1 5060 server2.example.com
    server1.example.com A 192.0.2.1
    server2.example.com A 192.0.2.2
    example.com A 192.0.2.80
"#;

/// RFC 3263 §4.1: the domain's preference decides among the transports that both have; what comes below it is tried when
/// all above have failed.
#[test]
fn naptr_says_which_transport() {
    let zone = Zone::new(EXAMPLE);
    let udp_tcp = abilities(&[Udp, Tcp]);
    let (next, asked) = look(&zone, "sip:user@example.com", &udp_tcp);
    assert_eq!(said(next), "tcp 192.0.2.1:5060, tcp 192.0.2.2:5060, udp 192.0.2.2:5060");
    assert_eq!(asked[..3], ["NAPTR example.com", "SRV _sip._tcp.example.com", "SRV _sip._udp.example.com"]);
    let with_tls = places(&zone, "sip:user@example.com", &abilities(&[Udp, Tcp, Tls]));
    assert!(with_tls.starts_with("tls 192.0.2.1:5061, tcp"), "{with_tls}");
}

/// RFC 3263 §4.1: for `sips` every service but SIPS is discarded.
#[test]
fn sips_goes_by_tls_alone() {
    let zone = Zone::new(EXAMPLE);
    assert_eq!(places(&zone, "sips:user@example.com", &abilities(&[Udp, Tcp, Tls])), "tls 192.0.2.1:5061");
    assert_eq!(places(&zone, "sips:user@example.com", &abilities(&[Udp, Tcp])), "NoTransport");
    let (_, asked) = look(&Zone::default(), "sips:user@example.net", &abilities(&[Udp, Tcp, Tls]));
    let questions = ["NAPTR example.net", "SRV _sips._tcp.example.net", "AAAA example.net", "A example.net"];
    assert_eq!(asked, questions);
}

/// RFC 3263 §4.1: without NAPTR, SRV is asked for each transport that we have.
#[test]
fn without_naptr_srv_says_which_transport() {
    let zone = Zone::new("_sip._tcp.example.net SRV 0 0 5070 a.example.net\n a.example.net A 192.0.2.3");
    let (next, asked) = look(&zone, "sip:example.net", &abilities(&[Udp, Tcp, Tls, Sctp]));
    assert_eq!(said(next), "tcp 192.0.2.3:5070");
    let asked_srv: Vec<&str> = asked.iter().filter_map(|q| q.strip_prefix("SRV ")).collect();
    let names =
        ["_sip._udp", "_sip._tcp", "_sips._tcp", "_sip._sctp"].map(|name| format!("{name}.example.net"));
    assert_eq!(asked_srv, names);
}

/// RFC 3263 §4.1, §4.2: without SRV too, the address of the domain; UDP, or TLS for `sips`, at its usual port.
#[test]
fn without_srv_the_address_of_the_domain() {
    let zone = Zone::new("example.net A 192.0.2.4");
    let all = abilities(&[Udp, Tcp, Tls]);
    assert_eq!(places(&zone, "sip:example.net", &all), "udp 192.0.2.4:5060");
    assert_eq!(places(&zone, "sips:example.net", &all), "tls 192.0.2.4:5061");
    assert_eq!(places(&zone, "sip:example.net", &abilities(&[Tcp])), "tcp 192.0.2.4:5060");
    assert_eq!(places(&zone, "sip:example.net;transport=tcp", &all), "tcp 192.0.2.4:5060");
}

/// RFC 3263 §4.2: with a port neither NAPTR nor SRV is asked.
#[test]
fn a_port_needs_addresses_only() {
    let zone = Zone::new(EXAMPLE);
    let (next, asked) = look(&zone, "sip:user@example.com:5080", &abilities(&[Udp, Tcp]));
    assert_eq!(said(next), "udp 192.0.2.80:5080");
    assert_eq!(asked, ["AAAA example.com", "A example.com"]);
}

/// RFC 3263 §4.1, §4.2: with a transport NAPTR is not asked; TLS stands under `_sips._tcp`.
#[test]
fn a_transport_needs_srv_only() {
    let zone = Zone::new(EXAMPLE);
    let (next, asked) = look(&zone, "sip:user@example.com;transport=udp", &abilities(&[Udp, Tcp]));
    assert_eq!(said(next), "udp 192.0.2.2:5060");
    assert_eq!(asked[0], "SRV _sip._udp.example.com");
    let (next, asked) = look(&zone, "sip:user@example.com;transport=tls", &abilities(&[Udp, Tls]));
    assert_eq!(
        (said(next).as_str(), asked[0].as_str()),
        ("tls 192.0.2.1:5061", "SRV _sips._tcp.example.com")
    );
    assert_eq!(places(&zone, "sip:example.com;transport=sctp", &abilities(&[Udp])), "NoTransport");
}

/// RFC 3261 §26.2.2: `sips` with a transport means TLS over it.
#[test]
fn a_transport_of_sips_lies_below_tls() {
    let zone = Zone::new(EXAMPLE);
    let tls = abilities(&[Udp, Tls]);
    assert_eq!(places(&zone, "sips:example.com;transport=tcp", &tls), "tls 192.0.2.1:5061");
    assert_eq!(places(&zone, "sips:example.com;transport=udp", &tls), "NoTransport");
}

/// RFC 3263 §4: `maddr` takes the place of the host.
#[test]
fn maddr_is_the_target() {
    let (_, asked) =
        look(&Zone::default(), "sip:a@example.com:5060;maddr=proxy.example.com", &abilities(&[Udp]));
    assert_eq!(asked, ["AAAA proxy.example.com", "A proxy.example.com"]);
}

/// RFC 3263 §5: a response is sent by the transport of its Via; without a port SRV says which.
#[test]
fn responses_follow_their_via() {
    let zone = Zone::new("_sip._tcp.example.net SRV 0 0 5070 a.example.net\n a.example.net A 192.0.2.3");
    let both = abilities(&[Udp, Tcp]);
    let without_port = offhook_locate::Wanted::of_via(Tcp, b"example.net", None).expect("a name");
    let (next, asked) = look_for(&zone, without_port, &both);
    assert_eq!((said(next).as_str(), asked[0].as_str()), ("tcp 192.0.2.3:5070", "SRV _sip._tcp.example.net"));
    let with_port = offhook_locate::Wanted::of_via(Tcp, b"a.example.net", Some(5082)).expect("a name");
    let (next, asked) = look_for(&zone, with_port, &both);
    assert_eq!((said(next).as_str(), asked.len()), ("tcp 192.0.2.3:5082", 2));
    assert_eq!(offhook_locate::Wanted::of_via(Tcp, b"192.0.2.1", None), None);
}

/// RFC 2782: priorities as they are, whatever order the records come in.
#[test]
fn priorities_are_kept() {
    let zone = Zone::new(
        "_sip._udp.e.example SRV 20 0 5060 c.e.example
         _sip._udp.e.example SRV 10 0 5060 b.e.example
         _sip._udp.e.example SRV 5 0 5060 a.e.example
         a.e.example A 192.0.2.1
         b.e.example A 192.0.2.2
         c.e.example A 192.0.2.3",
    );
    let found = places(&zone, "sip:e.example;transport=udp", &abilities(&[Udp]));
    assert_eq!(found, "udp 192.0.2.1:5060, udp 192.0.2.2:5060, udp 192.0.2.3:5060");
}

/// RFC 7984 §3.1, §4: both families are asked for and tried, IPv6 first.
#[test]
fn both_families_take_turns() {
    let zone = Zone::new(
        "e.example A 192.0.2.1
         e.example A 192.0.2.2
         e.example AAAA 2001:db8::1",
    );
    let mut both = abilities(&[Udp]);
    let found = places(&zone, "sip:e.example:5060", &both);
    assert_eq!(found, "udp [2001:db8::1]:5060, udp 192.0.2.1:5060, udp 192.0.2.2:5060");
    both.ipv6 = false;
    let (next, asked) = look(&zone, "sip:e.example:5060", &both);
    assert_eq!(said(next), "udp 192.0.2.1:5060, udp 192.0.2.2:5060");
    assert_eq!(asked, ["A e.example"]);
}

/// RFC 3261 §21.5.3: a name with addresses of the other family alone is no name that is not there.
#[test]
fn the_other_family_alone() {
    let zone = Zone::new("six.example AAAA 2001:db8::1\nfour.example A 192.0.2.1\nlost.example AAAA !");
    let (v4, v6) = ((true, false), (false, true));
    for (name, (ipv4, ipv6), why) in [
        ("six", v4, Nowhere::NoTransport),
        ("four", v6, Nowhere::NoTransport),
        ("lost", v4, Nowhere::NoSuchName),
        ("none", v4, Nowhere::NoSuchName),
    ] {
        let ours = Abilities { ipv4, ipv6, ..abilities(&[Udp]) };
        let (next, _) = look(&zone, &format!("sip:{name}.example:5070"), &ours);
        assert!(matches!(next, Next::Nowhere { why: said, .. } if said == why), "{name}: {next:?}");
    }
}

/// RFC 3263 §4.4: a proxy without state sends every retransmission to the same server.
#[test]
fn equal_entropy_gives_equal_order() {
    let mut zone = Zone::default();
    for n in 1..=9 {
        zone.add(&format!("_sip._udp.e.example SRV 0 10 5060 s{n}.e.example"));
        zone.add(&format!("s{n}.e.example A 192.0.2.{n}"));
    }
    let (next, _) = look(&zone, "sip:e.example;transport=udp", &abilities(&[Udp]));
    let offhook_locate::Next::Found(located) = next else { panic!("nothing found") };
    assert_eq!(located.order(7), located.order(7));
    let firsts: std::collections::BTreeSet<_> = (0..100).map(|n| located.order(n)[0].address).collect();
    assert_eq!(firsts.len(), 9, "every server gets its share");
}

/// RFC 5922 §4: a certificate is made out to the name that was asked for, not to what SRV named.
#[test]
fn the_name_for_certificates_is_the_first_one() {
    let (next, _) = look(&Zone::new(EXAMPLE), "sips:user@Example.COM", &abilities(&[Tls]));
    let offhook_locate::Next::Found(located) = next else { panic!("nothing found") };
    assert_eq!(located.host.as_str(), "example.com");
    assert_eq!(located.ttl_s, 60, "the shortest of all answers, that there is no AAAA among them");
}
