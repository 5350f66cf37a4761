//! The oracle complains when a redirection is not followed, or followed to where it must not be: a trace that is right, and
//! the same with one thing wrong at a time.

use offhook_sip::Transport;

use super::proof::{ALICE, Fault, are_seen, flow, rewrite, told};
use super::{Facts, Follows, Trust, judge};
use crate::sniffer::{Cause, Step};

const BOB: &str = "192.0.2.11:5060";
const CAROL: &str = "192.0.2.12:5060";

/// Bob is forwarded to carol and to a place that is not followed; carol does not want to talk, and the caller is told of the
/// other place.
fn forwarded() -> Vec<Step> {
    let ours = |branch: &str| format!("Via: SIP/2.0/UDP 198.51.100.1:5060;rport;branch=z9hG4bK-{branch}\r\n");
    let mended = "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-a1;received=192.0.2.10;rport=5060\r\n";
    let invite = |uri: &str, vias: &str, hops: u32| {
        format!("INVITE {uri} SIP/2.0\r\n{vias}Max-Forwards: {hops}\r\n{}\r\n", ends("bob", "INVITE"))
    };
    let copy = |branch: &str, user: &str, address: &str| {
        let route = "Record-Route: <sip:198.51.100.1:5060;lr>\r\n";
        let vias = format!("{route}{}{mended}", ours(branch));
        invite(&format!("sip:{user}@{address}"), &vias, 69)
    };
    let tagged = |text: String| text.replace("bob@a.example>", "bob@a.example>;tag=2");
    let says = |branch: &str, status: &str, contacts: &str| {
        let head = format!("SIP/2.0 {status}\r\n{}{mended}", ours(branch));
        tagged(format!("{head}{}{contacts}\r\n", ends("bob", "INVITE")))
    };
    let ack = |branch: &str, uri: &str| {
        let head = format!("ACK {uri} SIP/2.0\r\n{}Max-Forwards: 70\r\n", ours(branch));
        tagged(format!("{head}{}\r\n", ends("bob", "INVITE").replace("1 INVITE", "1 ACK")))
    };
    let came = "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-a1;rport\r\n";
    let elsewhere = "Contact: <sip:x@203.0.113.9>;q=0.5\r\n";
    let both = format!("Contact: <sip:carol@a.example>\r\n{elsewhere}");
    let refusal = says("p1", "302 Moved", elsewhere).replace(&ours("p1"), "");
    vec![
        register(0, "bob", BOB),
        register(0, "carol", CAROL),
        told(1_000, (ALICE, &invite("sip:bob@a.example", came, 70)), &[(BOB, &copy("p1", "bob", BOB))]),
        told(
            1_050,
            (BOB, &says("p1", "302 Moved", &both)),
            &[(BOB, &ack("p1", &format!("sip:bob@{BOB}"))), (CAROL, &copy("p2", "carol", CAROL))],
        ),
        told(
            1_100,
            (CAROL, &says("p2", "486 Busy", "")),
            &[(CAROL, &ack("p2", &format!("sip:carol@{CAROL}"))), (ALICE, &refusal)],
        ),
        told(1_110, (ALICE, &ack("p1", "sip:bob@a.example").replace(&ours("p1"), came)), &[]),
    ]
}

fn ends(user: &str, method: &str) -> String {
    format!(
        "From: <sip:alice@a.example>;tag=1\r\nTo: <sip:{user}@a.example>\r\nCall-ID: {method}\r\nCSeq: 1 {method}\r\n"
    )
}

fn register(at_ms: u64, user: &str, address: &str) -> Step {
    let via = format!("Via: SIP/2.0/UDP {address};branch=z9hG4bK-{user}");
    let ends = ends(user, "REGISTER");
    let request = format!(
        "REGISTER sip:a.example SIP/2.0\r\n{via};rport\r\n{ends}Contact: <sip:{user}@{address}>\r\n\r\n"
    );
    let (ip, _) = address.split_once(':').expect("a port");
    let tagged = ends.replace(".example>\r\nCall-ID", ".example>;tag=2\r\nCall-ID");
    let answer = format!("SIP/2.0 200 OK\r\n{via};received={ip};rport=5060\r\n{tagged}\r\n");
    told(at_ms, (address, &request), &[(address, &answer)])
}

fn complaints(steps: &[Step]) -> Vec<String> {
    let places = vec![(Transport::Udp, "198.51.100.1:5060".parse().expect("an address"))];
    let domain = "a.example".to_owned();
    let facts = Facts {
        places,
        domain,
        open: true,
        neighbours: Vec::new(),
        follows: Follows::Own,
        ring_ms: None,
        history: false,
        trust: Trust::default(),
    };
    judge(&facts, steps).0.iter().map(ToString::to_string).collect()
}

/// What is done wrong, and a word of the complaint.
const FAULTS: [(&str, Fault); 6] = [
    ("was not followed", |s| drop(s[3].sent.remove(1))),
    ("is called twice", |s| {
        let again = s[3].sent[1].clone();
        s[3].sent.push(again);
        rewrite(s, 3, 2, "z9hG4bK-p2", "z9hG4bK-p3");
    }),
    ("became sip:x@203.0.113.9", |s| rewrite(s, 3, 1, "sip:carol@192.0.2.12:5060", "sip:x@203.0.113.9")),
    ("became sip:carol", |s| s[3].sent[1].flow = flow(BOB)),
    ("or has changed", |s| rewrite(s, 4, 1, "Contact: <sip:x@203.0.113.9>;q=0.5\r\n", "")),
    ("or has changed", |s| rewrite(s, 4, 1, "Contact:", "Contact: <sip:carol@a.example>\r\nContact:")),
];

#[test]
fn nothing_is_said_against_what_is_right() {
    assert_eq!(complaints(&forwarded()), [""; 0]);
}

#[test]
fn each_fault_is_seen() {
    are_seen(&FAULTS, forwarded, complaints);
}

/// RFC 3261 §16.5: who was named before is not added again, not even by a phone that he has since then.
#[test]
fn who_is_named_again_has_the_phones_of_before() {
    let mut steps = forwarded();
    if let Cause::Message(_, busy) = &mut steps[4].cause {
        let text = String::from_utf8(busy.clone()).expect("text");
        let text = text
            .replace("486 Busy", "302 Moved")
            .replace("\r\n\r\n", "\r\nContact: <sip:carol@a.example>\r\n\r\n");
        *busy = text.into_bytes();
    }
    steps.insert(4, register(1_080, "carol", "192.0.2.13:5060"));
    assert_eq!(complaints(&steps), [""; 0]);
}

/// Where it is the caller's to go on, nobody does so for him.
#[test]
fn what_is_not_to_be_followed_is_not() {
    let places = vec![(Transport::Udp, "198.51.100.1:5060".parse().expect("an address"))];
    let domain = "a.example".to_owned();
    let facts = Facts {
        places,
        domain,
        open: true,
        neighbours: Vec::new(),
        follows: Follows::Off,
        ring_ms: None,
        history: false,
        trust: Trust::default(),
    };
    let said: Vec<String> = judge(&facts, &forwarded()).0.iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|text| text.contains("became sip:carol")), "{said:#?}");
}
