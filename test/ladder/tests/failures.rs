//! Ladders that must fail, and say why so that a human understands.

mod toy;

use offhook_ladder::{Ladder, Problem};
use toy::{Toy, failing};

const RINGS: &str = "    given bob is registered
    alice  -> proxy            INVITE bob
    alice  <- proxy            100
              proxy -> bob     INVITE
";

#[track_caller]
fn fails(more: &str, line: usize, reason: &str) {
    let failure = failing(&format!("{RINGS}{}", more.trim_start_matches('\n')));
    let text = failure.to_string();
    assert_eq!(failure.line, line, "{text}");
    assert!(failure.problem.to_string().contains(reason), "wanted: {reason}\n{text}");
}

/// The whole text of one failure, as a reader sees it.
#[test]
fn the_picture() {
    let failure = Ladder::new(Toy::lying).check(
        "
        given bob is registered
        alice  -> proxy            OPTIONS bob
                  proxy -> bob     OPTIONS
            Max-Forwards: 69
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            REGISTER
    ",
    );
    let text = failure.err().unwrap().to_string();
    let expected = "\
line 7: message: expected `200`, got `202 OPTIONS`
     expected                               | really happened
     given bob is registered                |
     alice  -> proxy            OPTIONS bob |    0.000 alice -> proxy         OPTIONS sip:bob@example.com
               proxy -> bob     OPTIONS     |    0.000 proxy -> bob           OPTIONS sip:bob@192.0.2.11:5060
         Max-Forwards: 69                   |
               proxy <- bob     200         |    0.000 proxy <- bob           200 OPTIONS
>>>  alice  <- proxy            200         |    0.000 alice <- proxy         202 OPTIONS
     alice  -> proxy            REGISTER    |
the message in question:
     SIP/2.0 202 Accepted
";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.ends_with("seed 1\n"), "{text}");
}

#[test]
fn something_else_came() {
    fails("proxy <- bob 486\n alice <- proxy 487", 6, "message: expected `487`, got `486 INVITE`");
    fails("proxy <- bob 486\n alice <- proxy 486 BYE", 6, "method of CSeq: expected `BYE`, got `INVITE`");
    fails("proxy <- bob 486\n alice <- proxy 486 Go Away", 6, "reason phrase: expected `Go Away`");
    fails("proxy <- bob BYE", 5, "it has no dialog in this call");
}

#[test]
fn a_header_is_not_as_asserted() {
    let with = |quote: &str| format!("proxy <- bob 486\n alice <- proxy 486\n {quote}");
    fails(&with("To: *;tag=carol-*"), 6, "To: expected `*;tag=carol-*`, got `<sip:bob@example.com>;tag=bob-");
    fails(&with("Retry-After: 5"), 6, "Retry-After: expected `5`, got none");
    fails(&with("!Via"), 6, "Via: expected none, got");
    fails(&with("Via: *\n Via: *"), 6, "Via: expected `*`, got none");
    fails(&with("| sorry"), 6, "body: expected `sorry");
}

#[test]
fn nothing_came() {
    fails("proxy -> bob CANCEL", 5, "proxy -> bob CANCEL did not come within 0 ms");
    fails("+100ms alice <- proxy 180", 5, "alice 180 did not come within 100 ms");
}

#[test]
fn more_came_than_was_said() {
    fails("proxy <- bob 180", 0, "wants `proxy -> alice 180 INVITE` here, which came at 0 ms");
    fails("proxy <- bob 180\n alice -> proxy CANCEL", 6, "wants `proxy -> alice 180 INVITE` here");
    fails("+10s", 5, "wants `proxy -> bob INVITE sip:bob@192.0.2.11:5060` here, which came at 500 ms");
}

#[test]
fn time_is_exact() {
    fails("+400ms proxy -> bob INVITE (again)", 5, "did not come within 400 ms");
    fails("+600ms proxy -> bob INVITE (again)", 5, "which came at 500 ms");
    let in_time = format!("{RINGS}+450ms..550ms proxy -> bob INVITE (again)");
    toy::ladder(&in_time);
    fails("+501ms..550ms proxy -> bob INVITE (again)", 5, "came at 500 ms");
}

/// Each pair of nodes has its order, also within one instant.
#[test]
fn the_order_of_a_pair_counts() {
    let more = "proxy <- bob 180\n proxy <- bob 486\n alice <- proxy 486\n alice <- proxy 180";
    fails(more, 7, "expected `486`, got `180 INVITE`");
}

#[test]
fn a_repetition_must_be_one() {
    let more = "proxy <- bob 180\n alice <- proxy 180 (again)";
    fails(more, 6, "expected `the same as before`, got `180 INVITE`");
    fails("proxy <- bob 180 (again)", 5, "it has not sent this before");
}

#[test]
fn calls_are_not_confused() {
    fails("proxy <- bob 486\n alice <- proxy 486 #2", 6, "call: expected `#2`, got `#1`");
    fails("proxy <- bob 486 #2", 5, "it is not in call #2");
}

#[test]
fn phones_refuse_what_sip_forbids() {
    fails("alice -> proxy ACK", 5, "it has received no final response to an INVITE");
    fails("alice -> proxy CANCEL bob", 5, "the target of CANCEL is that of its INVITE");
    fails("alice -> proxy 200", 5, "it has no open request in this call");
    fails("proxy <- bob 200\n alice <- proxy 200\n alice -> bob ACK", 7, "its route set leads to proxy");
    fails("alice -> proxy INVITE bob (auth)", 5, "it has never been challenged");
    fails("carol -> proxy BYE", 5, "it is in no call yet");
    fails("alice -> proxy/ws BYE bob", 5, "proxy has no address for ws");
}

/// A message by another transport than the phone's is not the expected one.
#[test]
fn the_transport_counts() {
    fails("proxy <- bob 486\n alice <- proxy/tcp 486", 6, "transport: expected `tcp`, got `udp`");
}

#[test]
fn a_premise_that_does_not_hold() {
    let mut failure = failing("given bob is registered over sctp");
    assert!(matches!(failure.problem, Problem::Given(_)), "{failure}");
    failure = failing("\n given bob is signed up");
    assert_eq!((failure.line, failure.picture.as_str()), (2, " given bob is signed up"));
}

/// Rules that hold without saying: a response that nobody asked for.
#[test]
fn broken_responses_are_found() {
    let stray =
        r"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\nVia: SIP/2.0/UDP b;received=192.0.2.12;rport=5060\r\n\r\n";
    let failure = failing(&format!("bob -> proxy \"{stray}\"\n alice <- proxy 200"));
    assert!(failure.to_string().contains("alice has sent no request with this top Via"), "{failure}");
}

#[test]
#[should_panic(expected = "line 2: alice cannot send this: it is in no call yet")]
fn run_panics_with_the_picture() {
    Ladder::new(Toy::new).run("\nalice -> proxy BYE");
}
