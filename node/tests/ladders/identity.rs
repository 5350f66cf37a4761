//! Who calls, and who may know: RFC 3323, RFC 3325, RFC 5876, with the example of the manual's page.

use offhook_ladder::{Ladder, Stage};
use offhook_simnet::NameServer;

use crate::exchange::{Observed, scene, scene_with_aliases, scene_with_names};

/// The example of the manual's page.
fn page() -> String {
    let page = include_str!("../../../docs/identity.md");
    page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example").to_owned()
}

fn house(more: &str) -> Ladder {
    scene(&format!("{}{more}", page()))
        .domain("house.example")
        .address("provider", "192.0.2.50:5060")
        .address("cheap", "192.0.2.51:5060")
}

fn at_house(text: &str) -> Stage {
    house("").run(text)
}

/// A user who has proved who he is: the provider is told, with the account's name, whatever the phone says.
/// RFC 3325 §5, RFC 3325 §6.
#[test]
fn a_user_calls_out() {
    at_house(
        "
        alice  -> proxy                INVITE sip:0049301234@house.example
        alice  <- proxy                407
        alice  -> proxy                ACK
        alice  -> proxy                INVITE sip:0049301234@house.example (auth)
            P-Asserted-Identity: \"The Bank\" <sip:bank@house.example>
            P-Preferred-Identity: <sip:bank@house.example>
            Remote-Party-ID: \"The Bank\" <sip:bank@house.example>;party=calling
                  proxy -> provider    INVITE sip:+49301234@192.0.2.50
            P-Asserted-Identity: <sip:alice@house.example>
            !P-Preferred-Identity
            !Remote-Party-ID
                  proxy <- provider    486
                  proxy -> provider    ACK
            !P-Asserted-Identity
        alice  <- proxy                486
        alice  -> proxy                ACK
    ",
    )
    .leaves_nothing();
}

/// An account has another name, its number: who prefers to be known by it is. What is somebody else's, or nobody's, is no hint.
/// RFC 3325 §6, RFC 3325 §9.2.
#[test]
fn a_user_prefers_another_of_his_names() {
    const NAMES: [(&str, &str, &str); 5] = [
        ("+4930779", "house.example", "alice"),
        ("+4930780", "house.example", "bob"),
        ("4930777", "house.example", "alice"),
        ("4930778", "house.example", "bob"),
        ("bob", "house.example", "alice"),
    ];
    for (preferred, asserted) in [
        ("\"Alice\" <sip:4930777@house.example;user=phone>", "4930777"),
        ("<sip:x@house.example>, <sip:4930777@HOUSE.example>", "4930777"),
        ("<sip:4930778@house.example>", "alice"),
        ("<sip:bob@house.example>", "alice"),
        ("<sip:4930777@elsewhere.example>", "alice"),
        ("<tel:+4930777>", "alice"),
        ("<tel:+4930779>", "+4930779"),
        ("<sip:alice@house.example>, <tel:+4930779>", "+4930779"),
        ("<tel:+4930780>", "alice"),
        ("nobody", "alice"),
    ] {
        scene_with_aliases(&page(), &NAMES)
            .domain("house.example")
            .address("provider", "192.0.2.50:5060")
            .user("bob")
            .run(&format!(
                "
        alice  -> proxy                MESSAGE sip:0049301234@house.example
            P-Preferred-Identity: {preferred}
        alice  <- proxy                407
        alice  -> proxy                MESSAGE sip:0049301234@house.example (auth)
            P-Preferred-Identity: {preferred}
                  proxy -> provider    MESSAGE
            P-Asserted-Identity: <sip:{asserted}@house.example>
            !P-Preferred-Identity
                  proxy <- provider    200
        alice  <- proxy                200
        "
            ))
            .leaves_nothing();
    }
}

/// A caller who wants to stay unknown: the provider is told, the other trunk and a phone are not. RFC 3325 §7.
#[test]
fn a_call_without_a_name() {
    for (number, to, identity) in [
        ("0049301234", "provider", "P-Asserted-Identity: <sip:alice@house.example>"),
        ("0149301234", "cheap", "!P-Asserted-Identity"),
        ("bob", "bob", "!P-Asserted-Identity"),
    ] {
        house("[identity]\nassert_everywhere = true\n")
            .run(&format!(
                "
        given bob is registered
        alice  -> proxy                MESSAGE sip:{number}@house.example
            From: \"Anonymous\" <sip:anonymous@house.example>;tag=a
            Privacy: id
        alice  <- proxy                407
        alice  -> proxy                MESSAGE sip:{number}@house.example (auth)
            From: \"Anonymous\" <sip:alice@house.example>;tag=a
            Privacy: id
                  proxy -> {to}        MESSAGE
            {identity}
            Privacy: id
                  proxy <- {to}        200
        alice  <- proxy                200
        "
            ))
            .leaves_nothing();
    }
}

/// An anonymous From is nobody's: the credentials say who it is. RFC 3323 §4.1.1.3, RFC 3325 §5.
#[test]
fn an_anonymous_from() {
    at_house(
        "
        alice  -> proxy                MESSAGE sip:0049301234@house.example
            From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a
            Privacy: id
        alice  <- proxy                407
        alice  -> proxy                MESSAGE sip:0049301234@house.example (auth)
            From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a
            Privacy: id
                  proxy -> provider    MESSAGE
            From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a
            P-Asserted-Identity: <sip:alice@house.example>
                  proxy <- provider    200
        alice  <- proxy                200
    ",
    )
    .leaves_nothing();
}

/// Untrusted trunks, phones and strangers are told nothing and believed nothing, unless everybody is told. RFC 3325 §5.
#[test]
fn nobody_else_is_told_or_believed() {
    for (key, shown) in
        [("false", "!P-Asserted-Identity"), ("true", "P-Asserted-Identity: <sip:alice@house.example>")]
    {
        house(&format!("[identity]\nassert_everywhere = {key}\n"))
            .run(&format!(
                "
        given bob is registered
        alice  -> proxy                MESSAGE sip:0149301234@house.example
        alice  <- proxy                407
        alice  -> proxy                MESSAGE sip:0149301234@house.example (auth)
                  proxy -> cheap       MESSAGE
            {shown}
                  proxy <- cheap       200
        alice  <- proxy                200
        alice  -> proxy                MESSAGE bob (auth)
                  proxy -> bob         MESSAGE
            {shown}
                  proxy <- bob         200
        alice  <- proxy                200
        cheap  -> proxy                MESSAGE sip:+4930123bob@house.example
            From: <sip:+1555@cheap.example>;tag=t
            P-Asserted-Identity: <tel:+1555>
            Remote-Party-ID: <sip:bank@house.example>;party=calling
                  proxy -> bob         MESSAGE
            !P-Asserted-Identity
            !Remote-Party-ID
                  proxy <- bob         200
        cheap  <- proxy                200
        trudy  -> proxy                MESSAGE bob
            From: <sip:trudy@elsewhere.example>;tag=u
            P-Asserted-Identity: <sip:alice@house.example>
                  proxy -> bob         MESSAGE
            !P-Asserted-Identity
                  proxy <- bob         200
        trudy  <- proxy                200
        "
            ))
            .leaves_nothing();
    }
}

/// What the provider asserts is shown to the phone, two values at most, and not if its caller wishes privacy; `none` wishes
/// none. RFC 3325 §5, RFC 3325 §7, RFC 5876 §4.2, RFC 5876 §4.5.
#[test]
fn a_trusted_neighbour_is_believed() {
    for (privacy, shown, party) in [
        (
            "Subject: none",
            "P-Asserted-Identity: <sip:+1555@provider.example>",
            "Remote-Party-ID: <sip:+1555@*",
        ),
        (
            "Privacy: none",
            "P-Asserted-Identity: <sip:+1555@provider.example>",
            "Remote-Party-ID: <sip:+1555@*",
        ),
        ("Privacy: id", "!P-Asserted-Identity", "!Remote-Party-ID"),
        ("Privacy: user;header", "!P-Asserted-Identity", "!Remote-Party-ID"),
    ] {
        at_house(&format!(
            "
        given bob is registered
        provider -> proxy              MESSAGE sip:+4930123bob@house.example
            From: <sip:anonymous@anonymous.invalid>;tag=t
            P-Asserted-Identity: <sip:+1555@provider.example>
            P-Asserted-Identity: <tel:+1555>
            P-Asserted-Identity: <sip:third@provider.example>, <mailto:x@y>
            Remote-Party-ID: <sip:+1555@provider.example>;party=calling
            {privacy}
                    proxy -> bob       MESSAGE
            {shown}
            {party}
            {privacy}
                    proxy <- bob       200
        provider <- proxy              200
        "
        ))
        .leaves_nothing();
    }
}

/// Remote-Party-ID says itself whether it is for everybody.
#[test]
fn a_private_remote_party() {
    for (level, shown) in
        [("full", "!Remote-Party-ID"), ("name", "!Remote-Party-ID"), ("off", "Remote-Party-ID: *privacy=off")]
    {
        at_house(&format!(
            "
        given bob is registered
        provider -> proxy              MESSAGE sip:+4930123bob@house.example
            From: <sip:anonymous@anonymous.invalid>;tag=t
            Remote-Party-ID: <sip:+1555@provider.example>;party=calling;privacy={level}
                    proxy -> bob       MESSAGE
            {shown}
                    proxy <- bob       200
        provider <- proxy              200
        "
        ))
        .leaves_nothing();
    }
}

/// What is asserted about a callee: the provider's word passes, to a phone not if it is private; a phone's does not.
/// RFC 3325 §5, RFC 5876 §5.
#[test]
fn who_answers() {
    for (privacy, shown) in
        [("", "P-Asserted-Identity: <tel:+1555>"), ("Privacy: id", "!P-Asserted-Identity")]
    {
        at_house(&format!(
            "
        given bob is registered
        alice  -> proxy                MESSAGE sip:0049301234@house.example
        alice  <- proxy                407
        alice  -> proxy                MESSAGE sip:0049301234@house.example (auth)
                  proxy -> provider    MESSAGE
                  proxy <- provider    200
            P-Asserted-Identity: <tel:+1555>
            {privacy}
        alice  <- proxy                200
            {shown}
        provider -> proxy              MESSAGE sip:+4930123bob@house.example
            From: <sip:+1555@provider.example>;tag=t
                    proxy -> bob       MESSAGE
                    proxy <- bob       200
            P-Asserted-Identity: <sip:bank@house.example>
        provider <- proxy              200
            !P-Asserted-Identity
        "
        ))
        .leaves_nothing();
    }
}

/// Refusals of several phones are kept for a while before one goes up: it says no more for that. RFC 3325 §5.
#[test]
fn a_refusal_that_waits_asserts_nothing() {
    at_house(
        "
        given desk is registered as bob
        given mobile is registered as bob
        trudy  -> proxy                INVITE bob
            From: <sip:trudy@elsewhere.example>;tag=u
                  proxy -> desk        INVITE
                  proxy -> mobile      INVITE
                  proxy <- desk        486
            P-Asserted-Identity: <sip:bank@house.example>
                  proxy -> desk        ACK
                  proxy <- mobile      480
                  proxy -> mobile      ACK
        trudy  <- proxy                486
            !P-Asserted-Identity
        trudy  -> proxy                ACK
    ",
    )
    .leaves_nothing();
}

/// Inside a call nobody proves anything: nothing is asserted, and what a phone asserts is taken away. Credentials that come
/// along prove nothing there. RFC 3325 §5, RFC 5876 §3.3.
#[test]
fn inside_a_call() {
    at_house(
        "
        alice  -> proxy                INVITE sip:0049301234@house.example
        alice  <- proxy                407
        alice  -> proxy                ACK
        alice  -> proxy                INVITE sip:0049301234@house.example (auth)
                  proxy -> provider    INVITE
            P-Asserted-Identity: <sip:alice@house.example>
                  proxy <- provider    200
        alice  <- proxy                200
        alice  -> proxy                ACK
            P-Asserted-Identity: <sip:bank@house.example>
                  proxy -> provider    ACK
            !P-Asserted-Identity
        alice  -> proxy                UPDATE
            P-Asserted-Identity: <sip:bank@house.example>
            Proxy-Authorization: Digest username=\"bank\", realm=\"house.example\", nonce=\"x\", uri=\"sip:x\", response=\"0\"
                  proxy -> provider    UPDATE
            !P-Asserted-Identity
            !Proxy-Authorization
                  proxy <- provider    200
        alice  <- proxy                200
                  proxy <- provider    UPDATE
            P-Asserted-Identity: <tel:+1556>
        alice  <- proxy                UPDATE
            P-Asserted-Identity: <tel:+1556>
        alice  -> proxy                200
                  proxy -> provider    200
        alice  -> proxy                BYE
                  proxy -> provider    BYE
                  proxy <- provider    200
        alice  <- proxy                200
    ",
    )
    .leaves_nothing();
}

/// What a proxy cannot hide and what must be hidden or not called at all: refused in words. Without `critical`, or where a
/// trusted neighbour may grant it, the wish goes on. RFC 3323 §4.2, RFC 3323 §5.
#[test]
fn critical_privacy() {
    at_house(
        "
        given bob is registered
        trudy  -> proxy                INVITE bob
            From: <sip:anonymous@anonymous.invalid>;tag=u
            Privacy: header;session;critical
        trudy  <- proxy                500 Privacy failure*
        trudy  -> proxy                ACK
        trudy  -> proxy                MESSAGE bob
            From: <sip:anonymous@anonymous.invalid>;tag=v
            Privacy: header;session
                  proxy -> bob         MESSAGE
            Privacy: header;session
                  proxy <- bob         200
        trudy  <- proxy                200
        trudy  -> proxy                MESSAGE bob
            From: <sip:anonymous@anonymous.invalid>;tag=w
            Privacy: id;critical
                  proxy -> bob         MESSAGE
            Privacy: id;critical
                  proxy <- bob         200
        trudy  <- proxy                200
        alice  -> proxy                MESSAGE sip:0049301234@house.example
        alice  <- proxy                407
        alice  -> proxy                MESSAGE sip:0049301234@house.example (auth)
            Privacy: header;critical
                  proxy -> provider    MESSAGE
            Privacy: header;critical
                  proxy <- provider    200
        alice  <- proxy                200
    ",
    )
    .leaves_nothing();
}

/// Whoever insists on a proxy that knows privacy gets what there is, and a refusal for the rest. RFC 3323 §4.3.
#[test]
fn privacy_required() {
    at_house(
        "
        given bob is registered
        trudy  -> proxy                MESSAGE bob
            From: <sip:anonymous@anonymous.invalid>;tag=u
            Proxy-Require: privacy
            Privacy: id
                  proxy -> bob         MESSAGE
                  proxy <- bob         200
        trudy  <- proxy                200
        trudy  -> proxy                MESSAGE bob
            From: <sip:anonymous@anonymous.invalid>;tag=v
            Proxy-Require: privacy
            Privacy: header
        trudy  <- proxy                420
            Unsupported: privacy
        trudy  -> proxy                MESSAGE bob
            From: <sip:anonymous@anonymous.invalid>;tag=w
            Proxy-Require: privacy, other
            Privacy: id
        trudy  <- proxy                420
            Unsupported: other
    ",
    )
    .leaves_nothing();
}

/// A stateless route lets nothing more pass, in either direction. RFC 3325 §5, RFC 3261 §16.11.
#[test]
fn a_stateless_route() {
    let route =
        "[[route]]\nmatch = { number = \"7\" }\nto = \"sip:192.0.2.52\"\nmode = \"stateless\"\nopen = true\n";
    house(route).address("gate", "192.0.2.52:5060").run(
        "
        trudy  -> proxy                MESSAGE sip:7@house.example
            From: <sip:trudy@elsewhere.example>;tag=u
            P-Asserted-Identity: <sip:alice@house.example>
                  proxy -> gate        MESSAGE
            !P-Asserted-Identity
                  proxy <- gate        200
            P-Asserted-Identity: <sip:bank@house.example>
        trudy  <- proxy                200
            !P-Asserted-Identity
    ",
    );
}

/// One address of two trunks: the rule says which is meant, and only the trusted one is told. RFC 3325 §5.
#[test]
fn an_address_of_two_trunks() {
    let house = "domains = [\"house.example\"]\n\
        [[trunk]]\nname = \"paid\"\ntargets = [{ to = \"sip:192.0.2.51\" }]\npeers = [\"192.0.2.48/29\"]\ntrusted = true\n\
        [[trunk]]\nname = \"test\"\ntargets = [{ to = \"sip:192.0.2.50\" }]\n\
        [[route]]\nmatch = { prefix = \"0\" }\ntrunk = \"paid\"\n\
        [[route]]\nmatch = { prefix = \"1\" }\ntrunk = \"test\"\n";
    scene(house)
        .domain("house.example")
        .address("test", "192.0.2.50:5060")
        .address("paid", "192.0.2.51:5060")
        .run(
            "
        alice  -> proxy                MESSAGE sip:1@house.example
        alice  <- proxy                407
        alice  -> proxy                MESSAGE sip:1@house.example (auth)
            Privacy: id
                  proxy -> test        MESSAGE
            !P-Asserted-Identity
                  proxy <- test        200
        alice  <- proxy                200
        alice  -> proxy                MESSAGE sip:0@house.example (auth)
            Privacy: id
                  proxy -> paid        MESSAGE
            P-Asserted-Identity: <sip:alice@house.example>
                  proxy <- paid        200
        alice  <- proxy                200
    ",
        )
        .leaves_nothing();
}

/// A trusted trunk that is a name: it is told as well, whichever of its servers is asked. RFC 3325 §5.
#[test]
fn a_trusted_name() {
    let house = "domains = [\"house.example\"]\n\
        [[trunk]]\nname = \"provider\"\ntargets = [{ to = \"sip:sip.provider.example\" }]\ntrusted = true\n\
        [[route]]\nmatch = { prefix = \"0\" }\ntrunk = \"provider\"\n";
    let names =
        NameServer::new().name("sip:sip.provider.example", &["udp 192.0.2.50:5060", "udp 192.0.2.51:5060"]);
    scene_with_names(house, names)
        .domain("house.example")
        .address("first", "192.0.2.50:5060")
        .address("second", "192.0.2.51:5060")
        .run(
            "
        +1s
        alice  -> proxy                MESSAGE sip:0301@house.example
        alice  <- proxy                407
        alice  -> proxy                MESSAGE sip:0301@house.example (auth)
                  proxy -> first       MESSAGE
            P-Asserted-Identity: <sip:alice@house.example>
                  proxy <- first       503
                  proxy -> second      MESSAGE
            P-Asserted-Identity: <sip:alice@house.example>
                  proxy <- second      200
        alice  <- proxy                200
    ",
        );
}
