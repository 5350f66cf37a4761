//! Which way a request has gone: History-Info, RFC 7044, with the example of the manual's page.

use offhook_ladder::{Ladder, Stage};

use crate::exchange::{OPEN, Observed, open_ladder, scene};

fn house(more: &str) -> Ladder {
    let page = include_str!("../../../docs/history-info.md");
    let example =
        page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    scene(&format!("{example}{OPEN}{more}")).domain("house.example").address("provider", "192.0.2.50:5060")
}

fn at_house(text: &str) -> Stage {
    house("").run(text)
}

/// Bob's desk phone, then his mobile.
const TWO_PHONES: &str = "
        desk   -> proxy            REGISTER
            From: <sip:bob@house.example>;tag=1
            To: <sip:bob@house.example>
            Contact: <sip:desk@{desk}>;q=0.9
        desk   <- proxy            200
        mobile -> proxy            REGISTER
            From: <sip:bob@house.example>;tag=2
            To: <sip:bob@house.example>
            Contact: <sip:mobile@{mobile}>;q=0.1
        mobile <- proxy            200
";

/// A number that is somebody, a phone that is busy, and the next one that hears of it. RFC 7044 §5.1, RFC 7044 §7,
/// RFC 7044 §9.2, RFC 7044 §9.3, RFC 7044 §10.2, RFC 7044 §10.3, RFC 7044 §10.4.
#[test]
fn the_example_of_the_manual() {
    at_house(&format!(
        "{TWO_PHONES}
        alice  -> proxy            INVITE sip:100@house.example
                  proxy -> desk    INVITE
            History-Info: <sip:100@house.example>;index=1, <sip:bob@house.example>;index=1.1;mp=1, <sip:desk@{{desk}}>;index=1.2;rc=1.1
                  proxy <- desk    486
            History-Info: <sip:100@house.example>;index=1
                  proxy -> desk    ACK
            !History-Info
                  proxy -> mobile  INVITE
            History-Info: <sip:100@house.example>;index=1, <sip:bob@house.example>;index=1.1;mp=1, <sip:desk@{{desk}}?Reason=SIP%3Bcause%3D486>;index=1.2;rc=1.1, <sip:mobile@{{mobile}}>;index=1.3;rc=1.1
                  proxy <- mobile  180
            History-Info: <sip:100@house.example>;index=1
        alice  <- proxy            180
            !History-Info
                  proxy <- mobile  486
                  proxy -> mobile  ACK
        alice  <- proxy            486
            !History-Info
        alice  -> proxy            ACK
        "
    ))
    .leaves_nothing();
}

/// Each phone hears of the one before it, and a caller who wants to know hears what the last one says. RFC 7044 §10.3 (rule
/// 5), RFC 7044 §10.2, RFC 7044 §9.4.
#[test]
fn phones_one_after_the_other() {
    at_house(&format!(
        "
        given third is registered as bob
        {TWO_PHONES}
        alice  -> proxy            MESSAGE bob
            Supported: histinfo
                  proxy -> third   MESSAGE
            History-Info: <sip:bob@house.example>;index=1, <sip:third@{{third}}>;index=1.1;rc=1
                  proxy <- third   480
                  proxy -> desk    MESSAGE
            History-Info: *, <sip:third@{{third}}?Reason=SIP%3Bcause%3D480>;index=1.1;rc=1, <sip:desk@{{desk}}>;index=1.2;rc=1
                  proxy <- desk    200
            History-Info: <sip:bob@house.example>;index=1, <sip:desk@{{desk}}>;index=1.2;rc=1
        alice  <- proxy            200
            History-Info: <sip:bob@house.example>;index=1, <sip:desk@{{desk}}>;index=1.2;rc=1
        "
    ))
    .leaves_nothing();
}

/// What is there is continued; what is missing counts; a trunk gets the number in its own form. RFC 7044 §9.1,
/// RFC 7044 §10.3 (rules 1 and 6).
#[test]
fn entries_of_others() {
    at_house(
        "
        alice  -> proxy            MESSAGE sip:00301@house.example
            History-Info: <sip:9@far.example>;index=1;foo=bar
            History-Info: <sip:00301@house.example>;index=1.4;rc=1
                  proxy -> provider  MESSAGE sip:+301@192.0.2.50
            History-Info: <sip:9@far.example>;index=1;foo=bar
            History-Info: <sip:00301@house.example>;index=1.4;rc=1
            History-Info: <sip:+301@192.0.2.50>;index=1.4.1;rc=1.4
                  proxy <- provider  404
        alice  <- proxy            404
        alice  -> proxy            MESSAGE sip:00301@house.example
            History-Info: <sip:9@far.example>;index=1
                  proxy -> provider  MESSAGE sip:+301@192.0.2.50
            History-Info: <sip:9@far.example>;index=1
            History-Info: <sip:00301@house.example>;index=1.0, <sip:+301@192.0.2.50>;index=1.0.1;rc=1.0
                  proxy <- provider  404
        alice  <- proxy            404
    ",
    )
    .leaves_nothing();
}

/// Who wants the way kept private is not shown outside; inside the house the wish goes on. RFC 7044 §10.1.2.
#[test]
fn privacy() {
    at_house(
        "
        given bob is registered
        alice  -> proxy            MESSAGE sip:00301@house.example
            History-Info: <sip:9@far.example>;index=1, <sip:00301@house.example>;index=1.1
            Privacy: id;history
                  proxy -> provider  MESSAGE sip:+301@192.0.2.50
            History-Info: <sip:9@far.example>;index=1, <sip:anonymous@anonymous.invalid>;index=1.1
            History-Info: <sip:anonymous@anonymous.invalid>;index=1.1.1;rc=1.1
            Privacy: id
                  proxy <- provider  404
        alice  <- proxy            404
        alice  -> proxy            MESSAGE bob
            Privacy: history
                  proxy -> bob     MESSAGE
            History-Info: <sip:bob@house.example>;index=1, *
            Privacy: history
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Inside a call there is no history, and a stateless route tells one. RFC 7044 §5.
#[test]
fn dialogs_and_stateless_routes() {
    let route =
        "[[route]]\nmatch = { number = \"7\" }\nto = \"sip:192.0.2.50\"\nmode = \"stateless\"\nopen = true\n";
    house(route).run(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
            History-Info: *
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
            !History-Info
        alice  -> proxy            INVITE
                  proxy -> bob     INVITE
            !History-Info
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        alice  -> proxy            BYE
                  proxy -> bob     BYE
            !History-Info
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            MESSAGE sip:7@house.example #2
                  proxy -> provider  MESSAGE #2
            History-Info: <sip:7@house.example>;index=1, <sip:7@house.example>;index=1.1;np=1
                  proxy <- provider  200 #2
        alice  <- proxy            200 #2
    ",
    );
}

/// Off: what others write passes, in both directions, and nothing is added. RFC 7044 §9.
#[test]
fn off_changes_nothing() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            MESSAGE bob
            History-Info: <sip:9@far.example>;index=1
                  proxy -> bob     MESSAGE
            History-Info: <sip:9@far.example>;index=1
                  proxy <- bob     200
            History-Info: <sip:9@far.example>;index=1
        alice  <- proxy            200
            History-Info: <sip:9@far.example>;index=1
        alice  -> proxy            MESSAGE bob
                  proxy -> bob     MESSAGE
            !History-Info
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// A phone that sends the caller on, and a redirection that is followed for him: the next phone hears of it once. How it
/// came about is not ours to say. RFC 7044 §10.3 (rule 4), RFC 7044 §10.4.
#[test]
fn a_redirection_that_is_followed() {
    at_house(
        "
        given bob is registered
        given carol is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
            History-Info: <sip:bob@house.example>;index=1, <sip:bob@{bob}>;index=1.1;rc=1
                  proxy <- bob     302
            Contact: <sip:carol@house.example>
                  proxy -> bob     ACK
                  proxy -> carol   INVITE sip:carol@{carol}
            History-Info: <sip:bob@house.example>;index=1, <sip:bob@{bob}?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1, <sip:carol@{carol}>;index=1.2
                  proxy <- carol   486
                  proxy -> carol   ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}
