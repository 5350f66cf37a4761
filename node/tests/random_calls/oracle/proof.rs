//! The oracle complains when it must: a trace that is right, and the same with one thing wrong at a time.

use offhook_net::{ConnectionId, Flow};
use offhook_sip::Transport;

use super::{Facts, Follows, Trust, judge};
use crate::sniffer::{Cause, Sent, Step};

pub(super) const ALICE: &str = "192.0.2.10:5060";
const BOB: &str = "192.0.2.11:5060";

/// A refused call, with all that each message must have.
pub(super) fn refused_call() -> Vec<Step> {
    let alice_via = "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-a1;rport";
    let mended = "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-a1;received=192.0.2.10;rport=5060";
    let ours = "Via: SIP/2.0/UDP 198.51.100.1:5060;rport;branch=z9hG4bK-p1";
    let ends = "From: <sip:alice@a.example>;tag=1\r\nTo: <sip:bob@a.example>";
    let call = |method: &str| format!("Call-ID: c1\r\nCSeq: 1 {method}");
    let request = |method: &str, uri: &str, vias: &str, hops: u32, route: &str, tag: &str, body: &str| {
        format!(
            "{method} {uri} SIP/2.0\r\n{vias}\r\n{route}Max-Forwards: {hops}\r\n{ends}{tag}\r\n{}\r\nX-Note: as it is\r\n\r\n{body}",
            call(method)
        )
    };
    let response = |status: &str, vias: &str| {
        format!("SIP/2.0 {status}\r\n{vias}\r\n{ends};tag=2\r\n{}\r\n\r\n", call("INVITE"))
    };
    let route = "Record-Route: <sip:198.51.100.1:5060;lr;oh=1>\r\n";
    let contact = "sip:bob@192.0.2.11:5060";
    let registered = "Via: SIP/2.0/UDP 192.0.2.11:5060;branch=z9hG4bK-b1;received=192.0.2.11;rport=5060\r\n\
        From: <sip:bob@a.example>;tag=3\r\nTo: <sip:bob@a.example>;tag=4\r\nCall-ID: r1\r\nCSeq: 1 REGISTER\r\n\r\n";
    let register = "REGISTER sip:a.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.11:5060;branch=z9hG4bK-b1;rport\r\n\
        From: <sip:bob@a.example>;tag=3\r\nTo: <sip:bob@a.example>\r\nCall-ID: r1\r\nCSeq: 1 REGISTER\r\n\
        Contact: <sip:bob@192.0.2.11:5060>;q=1.0\r\n\r\n";
    let both = format!("{ours}\r\n{mended}");
    let invite = request("INVITE", "sip:bob@a.example", alice_via, 70, "", "", "v=0");
    let copy = request("INVITE", contact, &both, 69, route, "", "v=0");
    let ack = request("ACK", "sip:bob@a.example", alice_via, 70, "", ";tag=2", "");
    let own_ack = request("ACK", contact, ours, 70, "", ";tag=2", "");
    vec![
        told(0, (BOB, register), &[(BOB, &format!("SIP/2.0 200 OK\r\n{registered}"))]),
        told(1_000, (ALICE, &invite), &[(BOB, &copy)]),
        told(1_010, (BOB, &response("180 Ringing", &both)), &[(ALICE, &response("180 Ringing", mended))]),
        told(1_500, (ALICE, &invite), &[(ALICE, &response("180 Ringing", mended))]),
        told(
            2_000,
            (BOB, &response("486 Busy", &both)),
            &[(BOB, &own_ack), (ALICE, &response("486 Busy", mended))],
        ),
        time(2_500, &[(ALICE, &response("486 Busy", mended))], (1, 1)),
        told(2_510, (ALICE, &ack), &[]),
        time(7_000, &[], (1, 1)),
        time(8_000, &[], (0, 1)),
        time(35_000, &[], (0, 0)),
    ]
}

pub(super) fn flow(remote: &str) -> Flow {
    let remote = remote.parse().expect("an address");
    Flow { transport: Transport::Udp, listener: 0, connection: ConnectionId::NONE, remote }
}

fn step(at_ms: u64, cause: Cause, sent: &[(&str, &str)], held: (usize, usize)) -> Step {
    let one = |(to, text): &(&str, &str)| Sent { flow: flow(to), ticket: 0, bytes: text.as_bytes().to_vec() };
    Step { at_ms, life: 1, shard: 0, cause, sent: sent.iter().map(one).collect(), held }
}

pub(super) fn told(at_ms: u64, (from, text): (&str, &str), sent: &[(&str, &str)]) -> Step {
    step(at_ms, Cause::Message(flow(from), text.as_bytes().to_vec()), sent, (0, 0))
}

pub(super) fn time(at_ms: u64, sent: &[(&str, &str)], held: (usize, usize)) -> Step {
    step(at_ms, Cause::Time, sent, held)
}

/// Our question whether somebody lives.
pub(super) fn question(to: &str) -> String {
    format!(
        "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1:5060;rport;branch=z9hG4bK-q{to}\r\n\
         Max-Forwards: 1\r\nFrom: <sip:198.51.100.1:5060>;tag=1\r\nTo: <sip:{to}>\r\nCall-ID: q{to}\r\n\
         CSeq: 1 OPTIONS\r\n\r\n"
    )
}

/// An answer to it.
pub(super) fn response_to(request: &str, status: &str) -> String {
    let (_, headers) = request.split_once("\r\n").expect("a request");
    format!("SIP/2.0 {status}\r\n{headers}")
}

fn complaints(steps: &[Step]) -> Vec<String> {
    let places = vec![(Transport::Udp, "198.51.100.1:5060".parse().expect("an address"))];
    let facts = Facts {
        places,
        domain: "a.example".to_owned(),
        open: true,
        neighbours: Vec::new(),
        follows: Follows::Off,
        ring_ms: None,
        history: false,
        trust: Trust::default(),
    };
    judge(&facts, steps).0.iter().map(ToString::to_string).collect()
}

/// Other bytes in what was sent in a step.
pub(super) fn rewrite(steps: &mut [Step], step: usize, sent: usize, from: &str, to: &str) {
    let bytes = &mut steps[step].sent[sent].bytes;
    let text = String::from_utf8(bytes.clone()).expect("text");
    assert!(text.contains(from), "nothing to change: {text}");
    *bytes = text.replace(from, to).into_bytes();
}

/// One thing done wrong.
pub(super) type Fault = fn(&mut Vec<Step>);

/// What is done wrong, and a word of the complaint.
const FAULTS: [(&str, Fault); 23] = [
    ("was not acknowledged", |s| drop(s[4].sent.remove(0))),
    ("no answer went upstream", |s| drop(s[4].sent.remove(1))),
    ("did not go upstream", |s| s[2].sent.clear()),
    ("of which nothing came", |s| s[1].sent.clear()),
    ("did not get the last response again", |s| s[3].sent.clear()),
    ("Timer G did not repeat", |s| s[5].sent.clear()),
    ("one too many", |s| s[7].sent = s[5].sent.clone()),
    ("provisional response after the final", |s| s[7].sent = s[2].sent.clone()),
    ("goes elsewhere", |s| s[2].sent[0].flow = flow(BOB)),
    ("has never taken part", |s| s[1].sent[0].flow = flow("203.0.113.99:5060")),
    ("Max-Forwards is not one less", |s| rewrite(s, 1, 0, "Max-Forwards: 69", "Max-Forwards: 70")),
    ("the body has changed", |s| rewrite(s, 1, 0, "v=0", "v=1")),
    ("a header has changed", |s| rewrite(s, 1, 0, "X-Note: as", "X-Note: not as")),
    ("Vias below ours have changed", |s| rewrite(s, 1, 0, "received=192.0.2.10", "received=192.0.2.9")),
    ("Record-Route is wrong", |s| rewrite(s, 1, 0, "Record-Route", "X-Route")),
    ("Record-Route is wrong", |s| rewrite(s, 1, 0, "5060;lr", "5060;transport=tcp;lr")),
    ("has changed on its way", |s| rewrite(s, 2, 0, "180 Ringing", "183 Ringing")),
    ("has other Vias", |s| rewrite(s, 2, 0, "branch=z9hG4bK-a1", "branch=z9hG4bK-a1;x=1")),
    ("ACK has the wrong To", |s| {
        rewrite(s, 4, 0, "To: <sip:bob@a.example>;tag=2", "To: <sip:bob@a.example>")
    }),
    ("repeated at the wrong time", |s| s[7].sent = s[1].sent.clone()),
    ("a CANCEL that nothing asked for", |s| {
        s[7].sent = s[4].sent[..1].to_vec();
        rewrite(s, 7, 0, "ACK", "CANCEL");
    }),
    ("keeps 2 server transactions", |s| s[8].held = (2, 1)),
    ("keeps 0 client transactions", |s| s[8].held = (0, 0)),
];

#[test]
fn nothing_is_said_against_what_is_right() {
    assert_eq!(complaints(&refused_call()), [""; 0]);
}

#[test]
fn each_fault_is_seen() {
    are_seen(&FAULTS, refused_call, complaints);
}

/// Each fault, done to steps that are right, makes the oracle say what is wanted.
pub(super) fn are_seen(
    faults: &[(&str, Fault)],
    right: fn() -> Vec<Step>,
    complaints: fn(&[Step]) -> Vec<String>,
) {
    for (wanted, fault) in faults {
        let mut steps = right();
        fault(&mut steps);
        let said = complaints(&steps);
        assert!(said.iter().any(|text| text.contains(wanted)), "nobody said `{wanted}`: {said:#?}");
    }
}

/// The ACK to a refusal ends here, and an INVITE that nobody answers is told of at the end.
#[test]
fn what_never_comes_is_missed() {
    let mut steps = refused_call();
    steps.truncate(4);
    let said = complaints(&steps);
    assert!(said.iter().any(|text| text.contains("never answered")), "{said:#?}");
}
