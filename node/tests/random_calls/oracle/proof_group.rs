//! The oracle complains when targets that share requests are not asked whether they live, when who is dead is called, and when
//! a key changes its mind: a trace that is right, and the same with one thing wrong at a time.

use offhook_sip::Transport;

use super::proof::{ALICE, Fault, are_seen, flow, question, response_to, time, told};
use super::{Facts, Follows, Group, Key, Neighbour, Takes, Toward, Trust, judge};
use crate::sniffer::Step;

const FIRST: &str = "198.18.1.1:5060";
const SECOND: &str = "198.18.2.2:5060";

/// Alice asks the row three times: the second time who would take it is dead, and the third time he lives again.
fn a_target_dies_and_comes_back() -> Vec<Step> {
    let via = |n: u32| format!("SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-a{n}");
    let ask = |n: u32, vias: &str, hops: u32| {
        format!(
            "MESSAGE sip:7@row.example SIP/2.0\r\n{vias}Max-Forwards: {hops}\r\nFrom: <sip:alice@a.example>;tag=1\r\n\
             To: <sip:7@row.example>\r\nCall-ID: c{n}\r\nCSeq: 1 MESSAGE\r\n\r\n"
        )
    };
    let below = |n: u32| format!("Via: {};rport\r\n", via(n));
    let both = |n: u32| {
        let ours = format!("Via: SIP/2.0/UDP 198.51.100.1:5060;rport;branch=z9hG4bK-p{n}\r\n");
        format!("{ours}Via: {};received=192.0.2.10;rport=5060\r\n", via(n))
    };
    let asked = |at_ms, n: u32, to| {
        let (request, copy) = (ask(n, &below(n), 70), ask(n, &both(n), 69));
        let answer =
            response_to(&copy, "200 OK").replace("To: <sip:7@row.example>", "To: <sip:7@row.example>;tag=2");
        let (_, rest) =
            answer.split_once("Via: ").and_then(|(_, rest)| rest.split_once("\r\n")).expect("two Vias");
        let relayed = format!("SIP/2.0 200 OK\r\n{rest}");
        [
            told(at_ms, (ALICE, &request), &[(to, &copy)]),
            told(at_ms + 20, (to, &answer), &[(ALICE, &relayed)]),
        ]
    };
    let says = |at_ms, who, status| told(at_ms, (who, &response_to(&question(who), status)), &[]);
    let again = question(FIRST).replace("z9hG4bK-q", "z9hG4bK-again");
    let mut steps = vec![time(0, &[(FIRST, &question(FIRST)), (SECOND, &question(SECOND))], (0, 2))];
    steps.push(says(20, FIRST, "200 OK"));
    steps.push(says(20, SECOND, "404 Nobody"));
    steps.extend(asked(1_000, 1, FIRST));
    let next = [FIRST, SECOND].map(|to| question(to).replace("z9hG4bK-q", "z9hG4bK-n"));
    steps.push(time(30_000, &[(FIRST, &next[0]), (SECOND, &next[1])], (1, 2)));
    steps.push(told(30_010, (FIRST, &response_to(&next[0], "503 Busy")), &[]));
    steps.push(told(30_010, (SECOND, &response_to(&next[1], "200 OK")), &[]));
    steps.extend(asked(31_000, 2, SECOND));
    steps.push(time(31_500, &[], (2, 3)));
    steps.push(time(40_500, &[(FIRST, &again)], (1, 1)));
    steps.push(told(40_600, (FIRST, &response_to(&again, "200 OK")), &[]));
    steps.push(time(41_700, &[], (1, 1)));
    steps.extend(asked(42_000, 3, FIRST));
    steps
}

fn complaints(steps: &[Step]) -> Vec<String> {
    let places = vec![(Transport::Udp, "198.51.100.1:5060".parse().expect("an address"))];
    let row = [FIRST, SECOND].map(|text| (Transport::Udp, text.parse().expect("an address")));
    let weights = row.iter().map(|hop| (*hop, 1)).collect();
    let neighbour = Neighbour {
        takes: Takes::Domain("row.example".to_owned()),
        toward: Toward::Row(row.iter().map(|hop| (0, *hop)).collect()),
        places: row.iter().map(|(_, address)| *address).collect(),
        stateless: false,
        has_login: false,
        group: Some(Group { key: Key::Aor, weights, check_ms: 30_000 }),
        trunk: "row",
        route: "row",
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
const FAULTS: [(&str, Fault); 5] = [
    ("whether it lives", |s| drop(s[5].sent.remove(0))),
    ("whether it lives again", |s| s[11].sent.clear()),
    ("is not the best of", |s| s[8].sent[0].flow = flow(FIRST)),
    ("and once it did not", |s| s[14].sent[0].flow = flow(SECOND)),
    ("a request that nobody sent", |s| s[4].sent = s[11].sent.clone()),
];

#[test]
fn nothing_is_said_against_what_is_right() {
    assert_eq!(complaints(&a_target_dies_and_comes_back()), [""; 0]);
}

#[test]
fn each_fault_is_seen() {
    are_seen(&FAULTS, a_target_dies_and_comes_back, complaints);
}
