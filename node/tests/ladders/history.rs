//! Which way a request has gone: History-Info, RFC 7044, with the example of the manual's page.

use offhook_ladder::{Ladder, Stage};

use crate::exchange::{OPEN, Observed, open_ladder, scene};

fn house(more: &str) -> Ladder {
    house_with(&format!("{OPEN}{more}"))
}

fn house_with(more: &str) -> Ladder {
    let page = include_str!("../../../docs/history-info.md");
    let example =
        page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    scene(&format!("{example}{more}")).domain("house.example").address("provider", "192.0.2.50:5060")
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
            History-Info: <sip:bob@house.example>;index=1, <sip:third@{{third}}?Reason=SIP%3Bcause%3D480>;index=1.1;rc=1, <sip:desk@{{desk}}>;index=1.2;rc=1
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

/// What was dialled as a number is told as a SIP URI. RFC 7044 §9.1.
#[test]
fn a_telephone_number() {
    at_house(
        "
        alice  -> proxy            MESSAGE tel:00-301
            Supported: histinfo
                  proxy -> provider  MESSAGE sip:+301@192.0.2.50;user=phone
            History-Info: <sip:00301@house.example;user=phone>;index=1, <sip:+301@192.0.2.50;user=phone>;index=1.1;rc=1
                  proxy <- provider  404
        alice  <- proxy            404
            History-Info: <sip:00301@house.example;user=phone>;index=1, <sip:+301@192.0.2.50;user=phone?Reason=SIP%3Bcause%3D404>;index=1.1;rc=1
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
/// came about is not ours to say, but for the phone of who is called then. RFC 7044 §7, RFC 7044 §10.3 (rule 4), RFC 7044 §10.4.
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
            History-Info: <sip:bob@house.example>;index=1, <sip:bob@{bob}?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1, <sip:carol@house.example>;index=1.2, <sip:carol@{carol}>;index=1.3;rc=1.2
                  proxy <- carol   486
                  proxy -> carol   ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// Phones that know nothing of it, one after the other and then none: who asked hears it all in each answer of theirs and in
/// ours. A copy that nobody has said anything to yet is not spoken of. RFC 7044 §9.3, RFC 7044 §9.4, RFC 7044 §10.2.
#[test]
fn answers_of_phones_that_know_nothing_of_it() {
    at_house(&format!(
        "{TWO_PHONES}
        alice  -> proxy            INVITE sip:100@house.example
            Supported: histinfo
                  proxy -> desk    INVITE
        @200ms alice <- proxy      100
            !History-Info
                  proxy <- desk    180
        alice  <- proxy            180
            History-Info: <sip:100@house.example>;index=1, <sip:bob@house.example>;index=1.1;mp=1, <sip:desk@{{desk}}>;index=1.2;rc=1.1
                  proxy <- desk    486
            Reason: Q.850;cause=17
                  proxy -> desk    ACK
                  proxy -> mobile  INVITE
            History-Info: *, <sip:desk@{{desk}}?Reason=SIP%3Bcause%3D486&Reason=Q.850%3Bcause%3D17>;index=1.2;rc=1.1, <sip:mobile@{{mobile}}>;index=1.3;rc=1.1
                  proxy <- mobile  603
                  proxy -> mobile  ACK
        alice  <- proxy            603
            History-Info: *, <sip:desk@{{desk}}?Reason=SIP%3Bcause%3D486&Reason=Q.850%3Bcause%3D17>;index=1.2;rc=1.1, <sip:mobile@{{mobile}}?Reason=SIP%3Bcause%3D603>;index=1.3;rc=1.1
        alice  -> proxy            ACK
        "
    ))
    .leaves_nothing();
}

/// What the server answers itself: nobody is there, nobody has answered in time, it does not know how, it was only asked who
/// it is. RFC 7044 §9.4, RFC 7044 §9.3 (a request that timed out), RFC 7044 §10.2.
#[test]
fn answers_of_our_own() {
    at_house(
        "
        given bob is registered over tcp
        alice  -> proxy/udp        INVITE sip:carol@house.example
            Supported: 100rel, histinfo
        alice  <- proxy            404
            History-Info: <sip:carol@house.example>;index=1
        alice  -> proxy            ACK
        alice  -> proxy            MESSAGE sip:carol@house.example #2
        alice  <- proxy            404 #2
            !History-Info
        alice  -> proxy            OPTIONS proxy #3
            History-Info: <sip:x@far.example>;index=1
            History-Info: <sip:house.example>;index=1.1;mp=1
        alice  <- proxy            200 #3
            History-Info: <sip:x@far.example>;index=1
            History-Info: <sip:house.example>;index=1.1;mp=1
        alice  -> proxy            INVITE sip:bob@house.example #4
            Supported: histinfo
                  proxy -> bob     INVITE #4
        +200ms alice <- proxy      100 #4
            !History-Info
        +31.8s alice <- proxy      408 #4
            History-Info: <sip:bob@house.example>;index=1, <sip:bob@{bob};transport=tcp?Reason=SIP%3Bcause%3D408>;index=1.1;rc=1
        alice  -> proxy            ACK #4
    ",
    )
    .leaves_nothing();
}

/// A registration is answered so, too, and a refusal of what cannot be understood. RFC 7044 §5, RFC 7044 §9.4.
#[test]
fn what_is_for_the_server_itself() {
    at_house(
        "
        bob    -> proxy            REGISTER
            Supported: histinfo
        bob    <- proxy            200
            History-Info: <sip:house.example>;index=1
        alice  -> proxy            MESSAGE bob
            Supported: histinfo
            Proxy-Require: magic
        alice  <- proxy            420
            History-Info: <sip:bob@house.example>;index=1
    ",
    )
    .leaves_nothing();
}

/// Whoever is behind a branch may have sent the request on: the next one is told of it, and who asked. RFC 7044 §9.3 (step 3),
/// RFC 7044 §9.4.
#[test]
fn entries_of_others_come_back() {
    at_house(&format!(
        "{TWO_PHONES}
        alice  -> proxy            MESSAGE sip:bob@house.example
            Supported: histinfo
                  proxy -> desk    MESSAGE
                  proxy <- desk    480
            History-Info: <sip:bob@house.example>;index=1, <sip:desk@{{desk}}>;index=1.1;rc=1, <sip:beside@{{desk}}?Reason=SIP%3Bcause%3D480>;index=1.1.1;rc=1.1
                  proxy -> mobile  MESSAGE
            History-Info: *, <sip:desk@{{desk}}?Reason=SIP%3Bcause%3D480>;index=1.1;rc=1, <sip:beside@{{desk}}?Reason=SIP%3Bcause%3D480>;index=1.1.1;rc=1.1, <sip:mobile@{{mobile}}>;index=1.2;rc=1
                  proxy <- mobile  200
        alice  <- proxy            200
            History-Info: *, <sip:beside@{{desk}}?Reason=SIP%3Bcause%3D480>;index=1.1.1;rc=1.1, <sip:mobile@{{mobile}}>;index=1.2;rc=1
        "
    ))
    .leaves_nothing();
}

/// A redirecting server says how it came to its contacts, and that is what the next one hears; a redirection that leaves by the
/// trunk takes nothing with it that is private. RFC 7044 §10.4, RFC 7044 §8, RFC 7044 §10.1.2.
#[test]
fn a_redirection_that_says_how() {
    let proxy = "[proxy]\nhistory_info = true\nfollow_redirects = \"all\"\n";
    let trunk = "[[trunk]]\nname = \"provider\"\ntargets = [{ to = \"sip:192.0.2.50\" }]\n";
    let rule = "[[route]]\nmatch = { prefix = \"00\" }\ntrunk = \"provider\"\nstrip = 2\nprepend = \"+\"\n";
    scene(&format!("domains = [\"house.example\"]\n{proxy}{trunk}{rule}{OPEN}"))
        .domain("house.example")
        .address("provider", "192.0.2.50:5060")
        .run(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
            Privacy: history
            Supported: histinfo
                  proxy -> bob     INVITE
            Privacy: history
                  proxy <- bob     302
            Contact: <sip:00301@house.example>;mp=1.1
                  proxy -> bob     ACK
                  proxy -> provider INVITE sip:+301@192.0.2.50
            History-Info: <sip:anonymous@anonymous.invalid>;index=1, <sip:anonymous@anonymous.invalid?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1, <sip:anonymous@anonymous.invalid>;index=1.2;mp=1.1, <sip:anonymous@anonymous.invalid>;index=1.3;rc=1.2
            !Privacy
                  proxy <- provider 486
                  proxy -> provider ACK
        alice  <- proxy            486
            History-Info: <sip:bob@house.example>;index=1, <sip:bob@{bob}?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1, <sip:00301@house.example>;index=1.2;mp=1.1, <sip:+301@192.0.2.50?Reason=SIP%3Bcause%3D486>;index=1.3;rc=1.2
        alice  -> proxy            ACK
    ",
        )
        .leaves_nothing();
}

/// Our own redirections: by a rule, and because the caller wants to be told where the phones are. RFC 7044 §8, RFC 7044 §10.4.
#[test]
fn redirections_of_our_own() {
    let rules = "
        [[route]]
        match = { number = \"7\" }
        redirect = \"sip:bob@far.example\"
        [[route]]
        match = { number = \"8\" }
        redirect = \"sip:far.example\"
    ";
    house(rules)
        .run(
            "
        given bob is registered
        alice  -> proxy            INVITE sip:7@house.example
            Supported: histinfo
        alice  <- proxy            302
            Contact: <sip:bob@far.example>;mp=1
            History-Info: <sip:7@house.example>;index=1
        alice  -> proxy            ACK
        alice  -> proxy            MESSAGE sip:8@house.example #2
            History-Info: <sip:8@house.example>;index=1.4
        alice  <- proxy            302 #2
            Contact: <sip:8@far.example>;rc=1.4
            History-Info: <sip:8@house.example>;index=1.4
        alice  -> proxy            MESSAGE sip:8@house.example #3
        alice  <- proxy            302 #3
            Contact: <sip:8@far.example>
            !History-Info
    ",
        )
        .leaves_nothing();
    let page = "domains = [\"house.example\"]\n[proxy]\nhistory_info = true\n[access]\nauthenticate_register = false\n";
    scene(page)
        .domain("house.example")
        .run(
            "
        given bob is registered
        alice  -> proxy            MESSAGE bob
            Request-Disposition: redirect
            Supported: histinfo
        alice  <- proxy            407
            History-Info: <sip:bob@house.example>;index=1
        alice  -> proxy            MESSAGE bob (auth)
            Request-Disposition: redirect
            Supported: histinfo
        alice  <- proxy            302
            Contact: <sip:bob@{bob}>;rc=1
            History-Info: <sip:bob@house.example>;index=1
    ",
        )
        .leaves_nothing();
}

/// Who has no account here does not learn from answers where phones are that did not take his call; nor does anybody beyond our
/// domains where the callee wants that. RFC 7044 §10.1.1, RFC 7044 §10.1.2, RFC 7044 §9.4.
#[test]
fn what_leaves_in_answers() {
    house_with("[access]\nauthenticate_register = false\n")
        .run(&format!(
        "{TWO_PHONES}
        alice  -> proxy            INVITE sip:100@house.example
            From: <sip:eve@far.example>;tag=e
            Supported: histinfo
                  proxy -> desk    INVITE
                  proxy <- desk    486
                  proxy -> desk    ACK
                  proxy -> mobile  INVITE
                  proxy <- mobile  486
            History-Info: <sip:100@house.example>;index=1, <sip:bob@house.example>;index=1.1;mp=1
                  proxy -> mobile  ACK
        alice  <- proxy            486
            History-Info: <sip:100@house.example>;index=1, <sip:anonymous@anonymous.invalid>;index=1.1;mp=1, <sip:anonymous@anonymous.invalid?Reason=SIP%3Bcause%3D486>;index=1.2;rc=1.1, <sip:anonymous@anonymous.invalid?Reason=SIP%3Bcause%3D486>;index=1.3;rc=1.1
        alice  -> proxy            ACK
        provider -> proxy          INVITE sip:bob@house.example #2
            Supported: histinfo
                  proxy -> desk    INVITE #2
                  proxy <- desk    480 #2
                  proxy -> desk    ACK #2
                  proxy -> mobile  INVITE #2
                  proxy <- mobile  486 #2
            Privacy: history
                  proxy -> mobile  ACK #2
        provider <- proxy          486 #2
            History-Info: <sip:anonymous@anonymous.invalid>;index=1, <sip:anonymous@anonymous.invalid?Reason=SIP%3Bcause%3D480>;index=1.1;rc=1, <sip:anonymous@anonymous.invalid?Reason=SIP%3Bcause%3D486>;index=1.2;rc=1
            !Privacy
        provider -> proxy          ACK #2
        "
    ))
    .leaves_nothing();
}
