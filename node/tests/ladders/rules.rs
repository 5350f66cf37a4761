//! Rules of the configuration (`[[route]]`, `[[trunk]]`): numbers that leave the house and come in, RFC 3261 §16.5.

use offhook_cdr::Outcome;
use offhook_ladder::Ladder;

use crate::exchange::{OPEN, Observed, scene};

const HOUSE: &str = r#"
    timezone = "UTC"
    [[trunk]]
    name = "provider"
    targets = [{ to = "sip:192.0.2.50" }]
    peers = ["192.0.2.50"]
    [[trunk]]
    name = "row"
    targets = [{ to = "sip:192.0.2.51:5060" }]
    domain = "row.example"
    [[route]]
    match = { prefix = "+49900" }
    refuse = 403
    [[route]]
    match = { prefix = "00" }
    trunk = "provider"
    strip = 2
    prepend = "+"
    [[route]]
    match = { prefix = "8" }
    trunk = "row"
    [[route]]
    match = { number = "100" }
    users = true
    user = "bob"
    [[route]]
    match = { from_trunk = "provider", prefix = "+4930123" }
    users = true
    strip = 8
    [[route]]
    match = { from_trunk = "provider", number = "+4930999" }
    trunk = "row"
    [[route]]
    match = { domain = "old.example" }
    redirect = "sip:example.com"
    [[route]]
    match = { number = "*" }
    redirect = "sip:bob@elsewhere.example"
"#;

fn house(configuration: &str) -> Ladder {
    scene(&format!("{HOUSE}{configuration}"))
        .address("provider", "192.0.2.50:5060")
        .address("row", "192.0.2.51:5060")
}

/// However a number is spelled, its rule takes it: nobody gets past a refusal by an escaped digit or a hyphen. RFC 3261
/// §19.1.4, §19.1.6.
#[test]
fn no_spelling_gets_past_a_rule() {
    house(OPEN)
        .run(
            "
        alice  -> proxy                INVITE sip:+49%3900123@example.com
        alice  <- proxy                403
        alice  -> proxy                ACK
        alice  -> proxy                INVITE sip:+49-900-123@example.com;user=phone #2
        alice  <- proxy                403 #2
        alice  -> proxy                ACK #2
        alice  -> proxy                INVITE sip:%30049-30%31234@example.com #3
                  proxy -> provider    INVITE sip:+49301234@192.0.2.50 #3
                  proxy <- provider    486 #3
                  proxy -> provider    ACK #3
        alice  <- proxy                486 #3
        alice  -> proxy                ACK #3
    ",
        )
        .leaves_nothing();
}

/// What could end a line or a text in the switch behind a trunk is no number. RFC 3261 §21.4.1.
#[test]
fn control_characters_stay_here() {
    for number in ["00%00", "00%0D%0a1", "00%7F1"] {
        house(OPEN)
            .run(&format!(
                "
        alice  -> proxy                INVITE sip:{number}@example.com
        alice  <- proxy                400
        alice  -> proxy                ACK
    "
            ))
            .leaves_nothing();
    }
}

/// A dialled number leaves by the trunk in the form the provider wants; the answers and the rest of the call pass as ever.
/// RFC 3261 §16.5, RFC 3261 §16.6 step 2.
#[test]
fn a_call_to_the_world() {
    let stage = house(OPEN).run(
        "
        alice  -> proxy                INVITE sip:0049301234@example.com
                  proxy -> provider    INVITE sip:+49301234@192.0.2.50
            To: <sip:0049301234@example.com>
                  proxy <- provider    180
        alice  <- proxy                180
                  proxy <- provider    200
        alice  <- proxy                200
        alice  -> proxy                ACK
                  proxy -> provider    ACK
                  proxy <- provider    BYE
        alice  <- proxy                BYE
        alice  -> proxy                200
                  proxy -> provider    200
    ",
    );
    let records = stage.records();
    let [record] = &records[..] else { panic!("{records:#?}") };
    assert_eq!((&*record.trunk, record.outcome), ("provider", Outcome::Answered));
    stage.leaves_nothing();
}

/// A trunk with a domain gets it in the Request-URI; a telephone number becomes a SIP URI. RFC 3261 §19.1.6.
#[test]
fn a_telephone_number() {
    house(OPEN)
        .run(
            "
        alice  -> proxy                MESSAGE tel:8-00-1
                  proxy -> row         MESSAGE sip:8001@row.example;user=phone
                  proxy <- row         200
        alice  <- proxy                200
    ",
        )
        .leaves_nothing();
}

/// A telephone number that no rule takes is a scheme we cannot route. RFC 3261 §16.3 step 2.
#[test]
fn a_telephone_number_that_leads_nowhere() {
    house(OPEN)
        .run(
            "
        alice  -> proxy                MESSAGE tel:+15551234
        alice  <- proxy                416
    ",
        )
        .leaves_nothing();
}

/// Our users prove who they are before a call costs money; strangers cannot call out at all. RFC 3261 §16.3 step 6.
#[test]
fn trunks_are_for_our_users() {
    house("")
        .run(
            "
        alice  -> proxy                MESSAGE sip:0049301234@example.com
        alice  <- proxy                407
        alice  -> proxy                MESSAGE sip:0049301234@example.com (auth)
                  proxy -> provider    MESSAGE sip:+49301234@192.0.2.50
            !Proxy-Authorization
                  proxy <- provider    200
        alice  <- proxy                200
        trudy  -> proxy                MESSAGE sip:0049301234@example.com
            From: <sip:trudy@elsewhere.example>;tag=t
        trudy  <- proxy                407
    ",
        )
        .leaves_nothing();
}

/// A call from the provider finds the user by the number, without credentials; it does not get out again, unless a rule
/// says so for this very peer.
#[test]
fn a_call_from_the_world() {
    house("[access]\nstrangers_may_call_users = false\n")
        .run(
            "
        given bob is registered
        provider -> proxy              MESSAGE sip:+4930123bob@example.com
            From: <sip:+1555@provider.example>;tag=t
                    proxy -> bob       MESSAGE sip:bob@192.0.2.*
                    proxy <- bob       200
        provider <- proxy              200
        provider -> proxy              MESSAGE sip:0049301234@example.com
            From: <sip:+1555@provider.example>;tag=u
        provider <- proxy              403
        provider -> proxy              MESSAGE sip:+4930999@example.com
            From: <sip:+1555@provider.example>;tag=v
                    proxy -> row       MESSAGE sip:+4930999@row.example
                    proxy <- row       200
        provider <- proxy              200
    ",
        )
        .leaves_nothing();
}

/// A trunk of two targets: the second is asked when the first has failed, and as long as the first is dead it is passed over.
/// RFC 3263 §4.3.
#[test]
fn the_reserve_of_a_trunk() {
    let row = r#"
        [[trunk]]
        name = "pair"
        targets = [{ to = "sip:192.0.2.52" }, { to = "sip:192.0.2.53", priority = 1 }]
        domain = "pair.example"
        [[route]]
        match = { prefix = "7" }
        trunk = "pair"
    "#;
    scene(&format!("{row}{OPEN}"))
        .address("first", "192.0.2.52:5060")
        .address("second", "192.0.2.53:5060")
        .run(
            "
        alice  -> proxy                INVITE sip:71@example.com
                  proxy -> first       INVITE sip:71@pair.example
                  proxy <- first       503
                  proxy -> first       ACK
                  proxy -> second      INVITE sip:71@pair.example
                  proxy <- second      486
                  proxy -> second      ACK
        alice  <- proxy                486
        alice  -> proxy                ACK
        alice  -> proxy                MESSAGE sip:72@example.com
                  proxy -> second      MESSAGE sip:72@pair.example
                  proxy <- second      200
        alice  <- proxy                200
    ",
        );
}

/// An alias rings the phones of its user.
#[test]
fn a_short_number() {
    house(OPEN)
        .run(
            "
        given bob is registered
        alice  -> proxy                MESSAGE sip:100@example.com
                  proxy -> bob         MESSAGE sip:bob@192.0.2.*
                  proxy <- bob         200
        alice  <- proxy                200
    ",
        )
        .leaves_nothing();
}

/// A barred number is refused before anybody is asked who he is.
#[test]
fn a_barred_number() {
    house("")
        .run(
            "
        alice  -> proxy                INVITE sip:+4990012345@example.com
        alice  <- proxy                403
        alice  -> proxy                ACK
    ",
        )
        .leaves_nothing();
}

/// A domain that moved away, and a number that is answered elsewhere: the caller is told where to go, and no state is kept.
/// RFC 3261 §8.3, RFC 3261 §21.3.3.
#[test]
fn redirections() {
    house(OPEN)
        .run(
            "
        alice  -> proxy                INVITE sip:bob@old.example
        alice  <- proxy                302
            Contact: <sip:bob@example.com>
        alice  -> proxy                ACK
        alice  -> proxy                MESSAGE sip:*@example.com
        alice  <- proxy                302
            Contact: <sip:bob@elsewhere.example>
    ",
        )
        .leaves_nothing();
}

/// Inside a dialog the Request-URI is a Contact, even one that looks like a number a rule would take. RFC 3261 §12.2.1.1.
#[test]
fn rules_keep_their_hands_off_dialogs() {
    house(OPEN)
        .run(
            "
        alice  -> proxy                INVITE sip:0049301234@example.com
                  proxy -> provider    INVITE sip:+49301234@192.0.2.50
                  proxy <- provider    200
            Contact: <sip:0099@192.0.2.50>
        alice  <- proxy                200
        alice  -> proxy                ACK
                  proxy -> provider    ACK sip:0099@192.0.2.50
        alice  -> proxy                BYE
                  proxy -> provider    BYE sip:0099@192.0.2.50
                  proxy <- provider    200
        alice  <- proxy                200
    ",
        )
        .leaves_nothing();
}

/// A row of registrars, each with its share of the users of one domain: a user's phones register where his calls go, however
/// his name is written. Of the two here, alice belongs to the first and mike to the second. RFC 3261 §10.2.
#[test]
fn users_are_spread_over_registrars() {
    let row = r#"
        domains = ["balancer.example"]
        [[trunk]]
        name = "registrars"
        targets = [{ to = "sip:192.0.2.50" }, { to = "sip:192.0.2.51" }]
        spread = "aor"
        domain = "school.example"
        [[route]]
        match = { domain = "school.example" }
        trunk = "registrars"
        open = true
    "#;
    scene(&format!("{row}{OPEN}"))
        .domain("school.example")
        .address("first", "192.0.2.50:5060")
        .address("second", "192.0.2.51:5060")
        .run(
            "
        alice  -> proxy                REGISTER alice
                  proxy -> first        REGISTER sip:school.example
                  proxy <- first        200
        alice  <- proxy                200
        mike   -> proxy                REGISTER mike
            To: <sip:m%69ke@School.example>
                  proxy -> second       REGISTER sip:school.example
                  proxy <- second       200
        mike   <- proxy                200
        mike   -> proxy                OPTIONS alice #2
                  proxy -> first        OPTIONS #2
                  proxy <- first        200 #2
        mike   <- proxy                200 #2
        alice  -> proxy                OPTIONS mike #2
                  proxy -> second       OPTIONS #2
                  proxy <- second       200 #2
        alice  <- proxy                200 #2
    ",
        )
        .leaves_nothing();
}
