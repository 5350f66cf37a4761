//! The oracle complains when a request for `sips` takes a hop that is not safe, and when nobody is told why it takes none: a
//! trace that is right, and the same with one thing wrong at a time.

use offhook_sip::Transport;

use super::proof::{ALICE, Fault, are_seen, response_to, rewrite, told};
use super::{Facts, Follows, Trust, judge};
use crate::sniffer::{Sent, Step};

const BOB: &str = "192.0.2.11:5060";

/// Bob has a phone that is reached by UDP.
fn refused_for_safety() -> Vec<Step> {
    let register = "REGISTER sip:a.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.11:5060;branch=z9hG4bK-b1;rport\r\n\
        From: <sip:bob@a.example>;tag=3\r\nTo: <sip:bob@a.example>\r\nCall-ID: r1\r\nCSeq: 1 REGISTER\r\n\
        Contact: <sip:bob@192.0.2.11:5060>\r\n\r\n";
    let message = "MESSAGE sips:bob@a.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-a1;rport\r\n\
        Max-Forwards: 70\r\nFrom: <sip:alice@a.example>;tag=1\r\nTo: <sips:bob@a.example>\r\nCall-ID: c1\r\n\
        CSeq: 1 MESSAGE\r\n\r\n";
    let answer = |request: &str, status: &str, (to, ip): (&str, &str), more: &str| {
        let tagged = response_to(request, status).replace(&format!("To: {to}"), &format!("To: {to};tag=2"));
        let mended = tagged.replace(";rport", &format!(";received={ip};rport=5060"));
        mended.replace("\r\n\r\n", &format!("\r\n{more}\r\n"))
    };
    let bound = answer(register, "200 OK", ("<sip:bob@a.example>", "192.0.2.11"), "");
    let why = "Warning: 380 offhook \"SIPS Not Allowed\"\r\n";
    let refused = answer(message, "480 Unavailable", ("<sips:bob@a.example>", "192.0.2.10"), why);
    vec![told(0, (BOB, register), &[(BOB, &bound)]), told(100, (ALICE, message), &[(ALICE, &refused)])]
}

fn complaints(steps: &[Step]) -> Vec<String> {
    let places = vec![(Transport::Udp, "198.51.100.1:5060".parse().expect("an address"))];
    let (domain, neighbours) = ("a.example".to_owned(), Vec::new());
    let facts = Facts {
        places,
        domain,
        open: true,
        neighbours,
        follows: Follows::Off,
        ring_ms: None,
        history: false,
        trust: Trust::default(),
    };
    judge(&facts, steps).0.iter().map(ToString::to_string).collect()
}

/// All the same it is sent to bob.
fn sent_all_the_same() -> Vec<Sent> {
    let copy = "MESSAGE sip:bob@192.0.2.11:5060 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 198.51.100.1:5060;rport;branch=z9hG4bK-p1\r\n\
        Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-a1;received=192.0.2.10;rport=5060\r\n\
        Max-Forwards: 69\r\nFrom: <sip:alice@a.example>;tag=1\r\nTo: <sips:bob@a.example>\r\nCall-ID: c1\r\n\
        CSeq: 1 MESSAGE\r\n\r\n";
    told(100, (ALICE, ""), &[(BOB, copy)]).sent
}

/// What is done wrong, and a word of the complaint.
const FAULTS: [(&str, Fault); 3] = [
    ("a hop is not safe enough", |s| s[1].sent = sent_all_the_same()),
    ("and somebody is there: false", |s| rewrite(s, 1, 0, "Warning", "X-Warning")),
    ("and somebody is there: false", |s| rewrite(s, 1, 0, "480 Unavailable", "404 Not Found")),
];

#[test]
fn nothing_is_said_against_what_is_right() {
    assert_eq!(complaints(&refused_for_safety()), [""; 0]);
}

#[test]
fn each_fault_is_seen() {
    are_seen(&FAULTS, refused_for_safety, complaints);
}
