//! The oracle complains when a copy does not tell its way as RFC 7044 says, and when who has not asked is told: a trace that is
//! right, and the same with one thing wrong at a time.

use offhook_sip::Transport;

use super::proof::{Fault, are_seen, refused_call, rewrite};
use super::{Facts, Follows, Trust, judge};
use crate::sniffer::Step;

/// Before this line it stands.
const NEXT: &str = "X-Note: as it is";

const WAY: &str =
    "History-Info: <sip:bob@a.example>;index=1, <sip:bob@192.0.2.11:5060>;index=1.1;rc=1\r\nX-Note: as it is";

/// Alice has not asked, and bob is told which way her call has come.
fn told_call() -> Vec<Step> {
    let mut steps = refused_call();
    rewrite(&mut steps, 1, 0, NEXT, WAY);
    steps
}

fn complaints(steps: &[Step]) -> Vec<String> {
    let facts = Facts {
        places: vec![(Transport::Udp, "198.51.100.1:5060".parse().expect("an address"))],
        domain: "a.example".to_owned(),
        open: true,
        neighbours: Vec::new(),
        follows: Follows::Off,
        ring_ms: None,
        history: true,
        trust: Trust::default(),
    };
    judge(&facts, steps).0.iter().map(ToString::to_string).collect()
}

/// What is done wrong, and a word of the complaint.
const FAULTS: [(&str, Fault); 8] = [
    ("or none is new", |s| rewrite(s, 1, 0, WAY, NEXT)),
    ("what came has no entry", |s| rewrite(s, 1, 0, "index=1,", "index=2,")),
    ("what came has no entry", |s| rewrite(s, 1, 0, "Info: <sip:bob@a", "Info: <sip:carol@a")),
    ("no entry below what came", |s| rewrite(s, 1, 0, "index=1.1", "index=2.1")),
    ("no entry below what came", |s| {
        rewrite(s, 1, 0, "<sip:bob@192.0.2.11:5060>;index", "<sip:bob@192.0.2.12>;index")
    }),
    ("are in no order", |s| rewrite(s, 1, 0, "index=1.1", "index=1")),
    ("comes of none that is there", |s| rewrite(s, 1, 0, "rc=1", "rc=3")),
    ("RFC 7044 §9.4", |s| {
        rewrite(s, 2, 0, "CSeq", "History-Info: <sip:bob@a.example>;index=1\r\nCSeq");
    }),
];

#[test]
fn nothing_is_said_against_what_is_right() {
    assert_eq!(complaints(&told_call()), [""; 0]);
}

#[test]
fn each_fault_is_seen() {
    are_seen(&FAULTS, told_call, complaints);
}
