//! Numbers that are looked up before they cost anything: ENUM, RFC 6116.

use offhook_ladder::Ladder;
use offhook_locate::Nowhere;
use offhook_simnet::NameServer;

use crate::exchange::{OPEN, Observed, scene_with_names};

const HOUSE: &str = r#"
    [[trunk]]
    name = "provider"
    targets = [{ to = "sip:192.0.2.50" }]
    [[route]]
    match = { prefix = "00" }
    strip = 2
    prepend = "+"
    enum = "e164.arpa"
    trunk = "provider"
    [[route]]
    match = { prefix = "+" }
    enum = "numbers.house.example"
"#;

fn house() -> Ladder {
    let names = NameServer::new()
        .number("+49301 below e164.arpa", &["sip:nobody@[2001:db8::1]", "sip:bob@far.example;user=phone"])
        .number("+49302 below e164.arpa", &["sip:bob@example.com"])
        .number("+49303 below e164.arpa", &["sip:x@192.0.2.60:5060"])
        .number("+49307 below e164.arpa", &["sip:x@10.0.0.60", "sip:x@far.example;maddr=127.0.0.1"])
        .nowhere("+49304 below e164.arpa", Nowhere::NoSuchName)
        .nowhere("+49305 below e164.arpa", Nowhere::Unanswered)
        .number("+49306 below numbers.house.example", &["sip:y@192.0.2.60"])
        .name("sip:far.example", &["udp 203.0.113.60:5060"])
        .delay_ms(20);
    scene_with_names(&format!("{HOUSE}{OPEN}"), names)
        .address("provider", "192.0.2.50:5060")
        .address("somewhere", "192.0.2.60:5060")
        .address("far", "203.0.113.60:5060")
}

/// Who owns a number cannot send our calls into our own network: the provider gets the call. RFC 6116 §3.4.3.
#[test]
fn a_number_does_not_lead_inside() {
    house()
        .run(
            "
        alice  -> proxy                INVITE sip:0049307@example.com
  +20ms           proxy -> provider    INVITE sip:+49307@192.0.2.50
                  proxy <- provider    486
                  proxy -> provider    ACK
        alice  <- proxy                486
        alice  -> proxy                ACK
    ",
        )
        .leaves_nothing();
}

/// The number has an address: the call goes there, by name, and not to the provider. An address that is of no use to us is
/// passed over. RFC 6116 §3.4.3, RFC 3761 §2.4, RFC 3263 §4.
#[test]
fn a_number_with_an_address() {
    house()
        .run(
            "
        alice  -> proxy                INVITE sip:0049301@example.com
  +40ms           proxy -> far         INVITE sip:bob@far.example;user=phone
                  proxy <- far         200
        alice  <- proxy                200
        alice  -> proxy                ACK
                  proxy -> far         ACK
        alice  -> proxy                BYE
                  proxy -> far         BYE
                  proxy <- far         200
        alice  <- proxy                200
    ",
        )
        .leaves_nothing();
}

/// The number is one of a user of ours, or leads to an address straight away. RFC 6116 §3.4.3.
#[test]
fn a_number_of_the_house() {
    house()
        .run(
            "
        given bob is registered
        alice  -> proxy                MESSAGE sip:0049302@example.com
  +20ms           proxy -> bob         MESSAGE sip:bob@192.0.2.*
                  proxy <- bob         200
        alice  <- proxy                200
        alice  -> proxy                MESSAGE tel:+49-306
  +20ms           proxy -> somewhere   MESSAGE sip:y@192.0.2.60
                  proxy <- somewhere   200
        alice  <- proxy                200
    ",
        )
        .leaves_nothing();
}

/// A number without an address, a name server that does not answer, and what is no number of the world: the rest of the rule
/// counts. RFC 6116 §4.
#[test]
fn the_rest_of_the_rule() {
    for (dialled, delay) in [("0049304", "+20ms"), ("0049305", "+20ms"), ("000", "")] {
        house()
            .run(&format!(
                "
        alice  -> proxy                MESSAGE sip:{dialled}@example.com
  {delay}         proxy -> provider    MESSAGE sip:+*@192.0.2.50
                  proxy <- provider    200
        alice  <- proxy                200
                "
            ))
            .leaves_nothing();
    }
}

/// A rule that only looks up answers 404 where nothing is found. RFC 3261 §21.4.5.
#[test]
fn a_number_that_nobody_has() {
    house()
        .run(
            "
        alice  -> proxy                MESSAGE sip:+49307@example.com
+20ms   alice  <- proxy                404
        alice  -> proxy                MESSAGE sip:+@example.com
        alice  <- proxy                404
    ",
        )
        .leaves_nothing();
}
