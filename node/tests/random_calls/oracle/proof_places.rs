//! The oracle complains when a next hop with two places is not used as RFC 3263 §4.3 says, and when a trunk's credentials are
//! shown to somebody else: a trace that is right, and the same with one thing wrong at a time.

use offhook_sip::Transport;

use super::proof::{ALICE, Fault, are_seen, flow, question, response_to, rewrite, time, told};
use super::{Facts, Follows, Neighbour, Takes, Toward, Trust, judge};
use crate::sniffer::Step;

const FIRST: &str = "203.0.113.201:5060";
const SECOND: &str = "203.0.113.202:5060";

/// The first server says 503, the second is busy.
fn failed_over() -> Vec<Step> {
    let via = "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-a1;rport";
    let mended = "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-a1;received=192.0.2.10;rport=5060";
    let ours = |branch: &str| format!("Via: SIP/2.0/UDP 198.51.100.1:5060;rport;branch=z9hG4bK-{branch}");
    let route = "Record-Route: <sip:198.51.100.1:5060;lr;oh=1>\r\n";
    let request = |method: &str, vias: &str, hops: u32, route: &str, tag: &str| {
        format!(
            "{method} sip:bob@far.example SIP/2.0\r\n{vias}\r\n{route}Max-Forwards: {hops}\r\n\
             From: <sip:alice@a.example>;tag=1\r\nTo: <sip:bob@far.example>{tag}\r\nCall-ID: c1\r\n\
             CSeq: 1 {method}\r\n\r\n"
        )
    };
    let response = |status: &str, vias: &str| {
        format!(
            "SIP/2.0 {status}\r\n{vias}\r\nFrom: <sip:alice@a.example>;tag=1\r\n\
             To: <sip:bob@far.example>;tag=2\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n\r\n"
        )
    };
    let both = |branch: &str| format!("{}\r\n{mended}", ours(branch));
    let copy = |branch: &str| request("INVITE", &both(branch), 69, route, "");
    let own_ack = |branch: &str| request("ACK", &ours(branch), 70, "", ";tag=2");
    vec![
        told(0, (ALICE, &request("INVITE", via, 70, "", "")), &[(FIRST, &copy("p1"))]),
        told(
            100,
            (FIRST, &response("503 Busy", &both("p1"))),
            &[(FIRST, &own_ack("p1")), (SECOND, &copy("p2"))],
        ),
        told(
            150,
            (SECOND, &response("486 Busy", &both("p2"))),
            &[(SECOND, &own_ack("p2")), (ALICE, &response("486 Busy", mended))],
        ),
        told(160, (ALICE, &request("ACK", via, 70, "", ";tag=2")), &[]),
        time(1_000, &[], (1, 2)),
        time(10_500, &[(FIRST, &question(FIRST))], (0, 3)),
        told(10_600, (FIRST, &response_to(&question(FIRST), "200 OK")), &[]),
        time(50_000, &[], (0, 0)),
    ]
}

fn complaints(steps: &[Step]) -> Vec<String> {
    let places = vec![(Transport::Udp, "198.51.100.1:5060".parse().expect("an address"))];
    let far = [FIRST, SECOND].map(|text| text.parse().expect("an address"));
    let row = far.iter().enumerate().map(|(rank, address)| (rank as u32, (Transport::Udp, *address)));
    let neighbour = Neighbour {
        takes: Takes::Domain("far.example".to_owned()),
        toward: Toward::Row(row.collect()),
        places: far.to_vec(),
        stateless: false,
        has_login: false,
        group: None,
        trunk: "",
        route: "far",
    };
    let facts = Facts {
        places,
        domain: "a.example".to_owned(),
        open: true,
        neighbours: vec![neighbour],
        follows: Follows::Off,
        ring_ms: None,
        history: false,
        trust: Trust::default(),
    };
    judge(&facts, steps).0.iter().map(ToString::to_string).collect()
}

/// What is done wrong, and a word of the complaint.
const FAULTS: [(&str, Fault); 8] = [
    ("the next place was not tried", |s| drop(s[1].sent.remove(1))),
    ("is not the best of", |s| s[0].sent[0].flow = flow(SECOND)),
    ("is not the best of", |s| s[1].sent[1].flow = flow(FIRST)),
    ("nobody asks", |s| s[5].sent.clear()),
    ("a request that nobody sent", |s| s[4].sent = s[5].sent.clone()),
    ("a copy that nothing asked for", |s| {
        let second = s[1].sent.remove(1);
        s[4].sent.push(second);
    }),
    ("is not number 1", |s| rewrite(s, 0, 0, "CSeq: 1 INVITE", "CSeq: 4 INVITE")),
    ("is shown the credentials", |s| {
        rewrite(s, 0, 0, "Call-ID", "Authorization: Digest username=\"4930123\"\r\nCall-ID");
    }),
];

#[test]
fn nothing_is_said_against_what_is_right() {
    assert_eq!(complaints(&failed_over()), [""; 0]);
}

#[test]
fn each_fault_is_seen() {
    are_seen(&FAULTS, failed_over, complaints);
}
