//! The oracle complains when somebody is told who calls who must not be, or is not told who must: a trace that is right, and
//! the same with one thing wrong at a time.

use offhook_sip::Transport;

use super::proof::{ALICE, Fault, are_seen, response_to, rewrite, told};
use super::{Facts, Follows, Neighbour, Takes, Toward, Trust, judge};
use crate::sniffer::Step;

const THERE: &str = "203.0.113.201:5060";

/// Alice has proved who she is, says that she is a bank, and wants to be known to few. So does who answers.
fn told_in_confidence() -> Vec<Step> {
    let request = |vias: &str, hops: u32, says: &str| {
        format!(
            "MESSAGE sip:7@far.example SIP/2.0\r\n{vias}Max-Forwards: {hops}\r\nFrom: <sip:alice@a.example>;tag=1\r\n\
             To: <sip:7@far.example>\r\nCall-ID: c1\r\nCSeq: 1 MESSAGE\r\nPrivacy: id\r\n{says}\r\n"
        )
    };
    let came = "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-a1;rport\r\n";
    let mended = "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-a1;received=192.0.2.10;rport=5060\r\n";
    let ours = "Via: SIP/2.0/UDP 198.51.100.1:5060;rport;branch=z9hG4bK-p1\r\n";
    let proof = "Proxy-Authorization: Digest username=\"alice\", realm=\"a.example\"\r\n";
    let lies = format!("{proof}P-Asserted-Identity: <sip:bank@b>\r\nP-Preferred-Identity: <sip:bank@b>\r\n");
    let copy = request(&format!("{ours}{mended}"), 69, "P-Asserted-Identity: <sip:alice@a.example>\r\n");
    let answer =
        response_to(&copy, "200 OK").replace("To: <sip:7@far.example>", "To: <sip:7@far.example>;tag=2");
    let relayed = answer.replace(ours, "").replace("P-Asserted-Identity: <sip:alice@a.example>\r\n", "");
    vec![
        told(0, (ALICE, &request(came, 70, &lies)), &[(THERE, &copy)]),
        told(50, (THERE, &answer), &[(ALICE, &relayed)]),
    ]
}

fn complaints(steps: &[Step]) -> Vec<String> {
    let places = vec![(Transport::Udp, "198.51.100.1:5060".parse().expect("an address"))];
    let there = THERE.parse().expect("an address");
    let neighbour = Neighbour {
        takes: Takes::Domain("far.example".to_owned()),
        toward: Toward::Row(vec![(0, (Transport::Udp, there))]),
        places: vec![there],
        stateless: false,
        has_login: false,
        group: None,
        trunk: "",
        route: "far",
    };
    let (domain, follows) = ("a.example".to_owned(), Follows::Off);
    let trust = Trust { confided: vec![there.ip()], ..Trust::default() };
    let facts = Facts {
        places,
        domain,
        open: true,
        neighbours: vec![neighbour],
        follows,
        ring_ms: None,
        history: false,
        trust,
    };
    judge(&facts, steps).0.iter().map(ToString::to_string).collect()
}

/// What is done wrong, and a word of the complaint.
const FAULTS: [(&str, Fault); 4] = [
    ("is told", |s| rewrite(s, 0, 0, "P-Asserted-Identity: <sip:alice@a.example>\r\n", "")),
    ("is told", |s| rewrite(s, 0, 0, "Identity: <sip:alice@a.example>", "Identity: <sip:bank@b>")),
    ("prefers", |s| rewrite(s, 0, 0, "P-Asserted", "P-Preferred-Identity: <sip:bank@b>\r\nP-Asserted")),
    ("who answers", |s| rewrite(s, 1, 0, "Privacy", "P-Asserted-Identity: <sip:alice@a.example>\r\nPrivacy")),
];

#[test]
fn nothing_is_said_against_what_is_right() {
    assert_eq!(complaints(&told_in_confidence()), [""; 0]);
}

#[test]
fn each_fault_is_seen() {
    are_seen(&FAULTS, told_in_confidence, complaints);
}
