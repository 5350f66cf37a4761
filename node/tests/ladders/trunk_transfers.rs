//! Calls that a trunk sends elsewhere, by a redirection or by a transfer, while it knows the caller's requests by other
//! numbers. RFC 3261 §22.3, RFC 3515 §2.4.6.

use offhook_ladder::Ladder;

use crate::exchange::{OPEN, Observed, scene};

const PROVIDER: &str = r#"
    [[trunk]]
    name = "provider"
    targets = [{ to = "sip:192.0.2.50" }]
    domain = "provider.example"
    user = "4930123"
    password = "correct horse"
    [[route]]
    match = { prefix = "00" }
    trunk = "provider"
"#;

const ASKS: &str = r#"WWW-Authenticate: Digest realm="provider.example", nonce="n1", qop="auth""#;

fn house() -> Ladder {
    scene(&format!("{PROVIDER}{OPEN}")).address("provider", "192.0.2.50:5060")
}

/// A redirection by the provider that leads to nobody whom we know is passed on. RFC 3261 §16.7 step 4.
#[test]
fn a_redirection_is_passed_on() {
    house()
        .run(&format!(
            "
        alice  -> proxy                INVITE sip:0049301@example.com
                  proxy -> provider    INVITE
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    ACK
                  proxy -> provider    INVITE
            CSeq: 5 INVITE
                  proxy <- provider    302
            Contact: <sip:carol@elsewhere.example>
                  proxy -> provider    ACK
            CSeq: 5 ACK
        alice  <- proxy                302
            CSeq: 1 INVITE
            Contact: <sip:carol@elsewhere.example>
        alice  -> proxy                ACK
    "
        ))
        .leaves_nothing();
}

/// A provider sends a call to one of our own users: the server goes there for the caller, as for any other next hop. Bob sees
/// the request as alice wrote it, without the number that the provider knows and without our credentials, whether they were
/// asked for or not. RFC 3261 §16.7 step 4, RFC 3261 §22.3.
#[test]
fn a_redirection_to_one_of_us_is_followed() {
    let challenge = format!(
        "
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    ACK
                  proxy -> provider    INVITE
            CSeq: 5 INVITE
            Authorization: Digest *
        "
    );
    for asked in ["", &challenge] {
        house()
            .run(&format!(
                "
        given bob is registered
        alice  -> proxy                INVITE sip:0049301@example.com
                  proxy -> provider    INVITE
            CSeq: 4 INVITE
            {asked}
                  proxy <- provider    302
            Contact: <sip:bob@example.com>
                  proxy -> provider    ACK
                  proxy -> bob         INVITE sip:bob@{{bob}}
            CSeq: 1 INVITE
            !Authorization
            !Proxy-Authorization
                  proxy <- bob         180
        alice  <- proxy                180
            CSeq: 1 INVITE
                  proxy <- bob         200
        alice  <- proxy                200
        alice  -> proxy                ACK
                  proxy -> bob         ACK
            CSeq: 1 ACK
        alice  -> proxy                BYE
                  proxy -> bob         BYE
            CSeq: 2 BYE
                  proxy <- bob         200
        alice  <- proxy                200
    "
            ))
            .leaves_nothing();
    }
}

/// He sends it to a number that costs something: the caller is told, for a provider must not choose what others pay for.
/// RFC 3261 §16.7 step 4.
#[test]
fn a_redirection_to_a_number_is_passed_on() {
    house()
        .run(
            "
        alice  -> proxy                INVITE sip:0049301@example.com
                  proxy -> provider    INVITE
                  proxy <- provider    302
            Contact: <sip:0088216@example.com>
                  proxy -> provider    ACK
        alice  <- proxy                302
            CSeq: 1 INVITE
            Contact: <sip:0088216@example.com>
        alice  -> proxy                ACK
    ",
        )
        .leaves_nothing();
}

/// A REFER within a call, repeated with credentials: what the provider tells of it names it by the number that alice gave
/// it, and what she asks about it by the one that the provider knows. RFC 3515 §2.4.6.
#[test]
fn a_refer_is_known_by_its_number_on_either_side() {
    house()
        .run(&format!(
            "
        alice  -> proxy                INVITE sip:0049301@example.com
                  proxy -> provider    INVITE
                  proxy <- provider    200
        alice  <- proxy                200
        alice  -> proxy                ACK
                  proxy -> provider    ACK
        alice  -> proxy                REFER
            CSeq: 2 REFER
            Refer-To: <sip:0049302@example.com>
                  proxy -> provider    REFER
            CSeq: 8 REFER
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    REFER
            CSeq: 9 REFER
                  proxy <- provider    202
        alice  <- proxy                202
            CSeq: 2 REFER
                  provider -> proxy    NOTIFY
            Event: refer;id=9
            Subscription-State: active;expires=60
        alice  <- proxy                NOTIFY
            Event: refer;id=2
        alice  -> proxy                200
                  provider <- proxy    200
        alice  -> proxy                SUBSCRIBE
            Event: refer;id=2
            Expires: 0
                  proxy -> provider    SUBSCRIBE
            Event: refer;id=9
                  proxy <- provider    200
        alice  <- proxy                200
        alice  -> proxy                BYE
                  proxy -> provider    BYE
                  proxy <- provider    200
        alice  <- proxy                200
    "
        ))
        .leaves_nothing();
}

/// The other way round: the provider's own numbers are nobody's business to change. RFC 3515 §2.4.6.
#[test]
fn a_refer_of_the_provider_keeps_its_number() {
    house()
        .run(
            "
        alice  -> proxy                INVITE sip:0049301@example.com
                  proxy -> provider    INVITE
                  proxy <- provider    200
        alice  <- proxy                200
        alice  -> proxy                ACK
                  proxy -> provider    ACK
                  provider -> proxy    REFER
            CSeq: 7 REFER
            Refer-To: <sip:0049302@example.com>
        alice  <- proxy                REFER
            CSeq: 7 REFER
        alice  -> proxy                202
                  provider <- proxy    202
        alice  -> proxy                NOTIFY
            Event: refer;id=7
            Subscription-State: terminated;reason=noresource
                  proxy -> provider    NOTIFY
            Event: refer;id=7
                  proxy <- provider    200
        alice  <- proxy                200
        alice  -> proxy                BYE
                  proxy -> provider    BYE
                  proxy <- provider    200
        alice  <- proxy                200
    ",
        )
        .leaves_nothing();
}
