//! Answers that lie, fail, or are far too long.

mod zone;

use offhook_locate::limits::{HOPS_MAX, SERVERS_MAX};
use offhook_locate::{Next, Nowhere, Reach};
use offhook_sip::Transport::{Tcp, Udp};
use zone::{Zone, abilities, look, places};

const UDP: &str = "sip:e.example;transport=udp";

/// RFC 2782: the root as target says that the service is not there; then the address of the domain is not tried.
#[test]
fn a_root_target_ends_the_search() {
    let zone = Zone::new("_sip._udp.e.example SRV 0 0 0 .\n e.example A 192.0.2.1");
    assert_eq!(places(&zone, UDP, &abilities(&[Udp])), "NotOffered");
}

/// RFC 3263 §4.1: one transport not offered says nothing about another.
#[test]
fn another_transport_may_be_offered() {
    let zone = Zone::new(
        "_sip._udp.e.example SRV 0 0 0 .
         _sip._tcp.e.example SRV 0 0 5060 a.e.example
         a.e.example A 192.0.2.1",
    );
    assert_eq!(places(&zone, "sip:e.example", &abilities(&[Udp, Tcp])), "tcp 192.0.2.1:5060");
}

#[test]
fn port_0_is_no_port() {
    let zone = Zone::new(
        "_sip._udp.e.example SRV 0 0 0 a.e.example
         _sip._udp.e.example SRV 1 0 5060 b.e.example
         b.e.example A 192.0.2.2",
    );
    assert_eq!(places(&zone, UDP, &abilities(&[Udp])), "udp 192.0.2.2:5060");
}

/// Whoever owns a name shall not reach into our network through us.
#[test]
fn inner_addresses_from_outer_names_are_refused() {
    let zone = Zone::new(
        "e.example A 10.0.0.1
         e.example A 127.0.0.1
         e.example AAAA ::ffff:192.168.0.1
         f.example A 169.254.169.254
         f.example A 192.0.2.1",
    );
    let mut strict = abilities(&[Udp]);
    strict.reach = Reach::Public;
    assert_eq!(places(&zone, "sip:e.example:5060", &strict), "NotAllowed");
    assert_eq!(places(&zone, "sip:f.example:5060", &strict), "udp 192.0.2.1:5060");
}

#[test]
fn five_hundred_records_cost_no_more_than_sixteen() {
    let mut zone = Zone::default();
    for n in 0..500 {
        zone.add(&format!("_sip._udp.e.example SRV {} 1 5060 s{n}.e.example", 500 - n));
        for host in 0..40 {
            zone.add(&format!("s{n}.e.example A 192.0.{}.{host}", n % 250));
        }
    }
    let (next, asked) = look(&zone, UDP, &abilities(&[Udp]));
    assert_eq!(asked.len(), 1 + 2 * SERVERS_MAX);
    assert!(asked.iter().any(|q| q == "A s499.e.example"), "the best priorities are kept");
    let Next::Found(located) = next else { panic!("nothing found") };
    assert_eq!(located.order(1).len(), HOPS_MAX);
}

/// A failure to ask is not the answer that there is nothing.
#[test]
fn silence_is_told_from_absence() {
    let both = abilities(&[Udp]);
    for (zone, said) in [
        ("_sip._udp.e.example SRV !\n e.example A 192.0.2.1", "Unanswered"),
        ("e.example A !", "Unanswered"),
        ("e.example A !\n e.example AAAA 2001:db8::1", "udp [2001:db8::1]:5060"),
        ("x.example A 192.0.2.1", "NoSuchName"),
    ] {
        assert_eq!(places(&Zone::new(zone), UDP, &both), said, "{zone}");
    }
}

/// Some name servers fail on NAPTR because they do not know it.
#[test]
fn naptr_may_fail() {
    let zone =
        Zone::new("e.example NAPTR !\n _sip._udp.e.example SRV 0 0 5070 e.example\n e.example A 192.0.2.1");
    assert_eq!(places(&zone, "sip:e.example", &abilities(&[Udp])), "udp 192.0.2.1:5070");
}

/// Records that are no services of SIP, and names that are none.
#[test]
fn strange_naptrs_are_passed_over() {
    let zone = Zone::new(
        r#"e.example NAPTR 1 1 "a" "SIP+D2U" "" x.example
           e.example NAPTR 1 1 "s" "SIP+D2U" "!.*!x!" x.example
           e.example NAPTR 1 1 "s" "http" "" x.example
           e.example NAPTR 1 1 "s" "SIP+D2U" "" .
           e.example NAPTR 2 1 "S" "sip+d2t" "" _sip._tcp.f.example
           _sip._tcp.f.example SRV 0 0 5060 f.example
           f.example A 192.0.2.6"#,
    );
    assert_eq!(places(&zone, "sip:e.example", &abilities(&[Udp, Tcp])), "tcp 192.0.2.6:5060");
}

#[test]
fn a_failure_is_not_believed_for_long() {
    let (next, _) = look(&Zone::new("e.example A !"), "sip:e.example:5060", &abilities(&[Udp]));
    assert!(matches!(next, Next::Nowhere { why: Nowhere::Unanswered, ttl_s: 0 }));
}
