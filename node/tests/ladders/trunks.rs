//! Trunks that ask for credentials: RFC 3261 §22.2 and §22.3, RFC 7616, RFC 8760. The proxy answers, the caller never knows.

use offhook_digest::{Credentials, Ha1, verify};
use offhook_journal::EventKind;
use offhook_ladder::{Ladder, Stage};

use crate::exchange::{OPEN, Observed, header_of, scene};

const PROVIDER: &str = r#"
    [[trunk]]
    name = "provider"
    targets = [{ to = "sip:192.0.2.50" }]
    domain = "provider.example"
    peers = ["192.0.2.50"]
    user = "4930123"
    password = "correct horse"
    [[route]]
    match = { prefix = "00" }
    trunk = "provider"
    strip = 2
    prepend = "+"
"#;

/// What the provider asks.
const ASKS: &str =
    r#"WWW-Authenticate: Digest realm="provider.example", nonce="n1", qop="auth", algorithm=SHA-256"#;

fn house(configuration: &str) -> Ladder {
    scene(&format!("{PROVIDER}{configuration}"))
        .address("provider", "192.0.2.50:5060")
        .address("elsewhere", "192.0.2.60:5060")
}

/// Whether the last request to the provider carries the right answer to a challenge.
fn is_proved(stage: &Stage, header: &str, nonce: &str) -> bool {
    let provider = stage.phone("provider");
    let received = stage.world().trace().iter().rev().filter(|entry| entry.to == Some(provider));
    let texts = received.filter_map(|entry| entry.message()).map(String::from_utf8_lossy);
    let Some(text) = texts.into_iter().find(|text| header_of(text, header).is_some()) else { return false };
    let value = header_of(&text, header).expect("it is there");
    let credentials = Credentials::parse(value.as_bytes()).expect("credentials");
    let (method, uri) =
        text.split_once(" SIP/2.0").and_then(|(line, _)| line.split_once(' ')).expect("a request");
    let ha1 = Ha1::from_password(credentials.algorithm, b"4930123", b"provider.example", b"correct horse");
    credentials.nonce == nonce.as_bytes()
        && credentials.uri == uri.as_bytes()
        && credentials.nc == Some(1)
        && verify(&credentials, &ha1, method.as_bytes(), b"")
}

/// The INVITE goes once more with an answer, on a new branch and with a higher number; the rest of the call is numbered to
/// fit, and the caller notices nothing. RFC 3261 §22.2, RFC 3261 §22.3, RFC 3261 §8.1.3.5, RFC 3261 §13.2.2.4.
#[test]
fn a_call_with_credentials() {
    let stage = house(OPEN).run(&format!(
        "
        alice  -> proxy                INVITE sip:0049301234@example.com
                  proxy -> provider    INVITE sip:+49301234@provider.example
            CSeq: 4 INVITE
            !Authorization
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    ACK
            CSeq: 4 ACK
                  proxy -> provider    INVITE sip:+49301234@provider.example
            CSeq: 5 INVITE
            Authorization: Digest username=\"4930123\", realm=\"provider.example\", nonce=\"n1\", *
                  proxy <- provider    180
        alice  <- proxy                180
            CSeq: 1 INVITE
                  proxy <- provider    200
        alice  <- proxy                200
        alice  -> proxy                ACK
                  proxy -> provider    ACK
            CSeq: 5 ACK
            !Authorization
        alice  -> proxy                INFO
                  proxy -> provider    INFO
            CSeq: 8 INFO
                  proxy <- provider    200
        alice  <- proxy                200
        alice  -> proxy                BYE
                  proxy -> provider    BYE
            CSeq: 12 BYE
                  proxy <- provider    200
        alice  <- proxy                200
    "
    ));
    assert!(is_proved(&stage, "Authorization", "n1"));
    let records = stage.records();
    let told: Vec<_> =
        records.iter().map(|r| (&*r.trunk, r.answer_ms.is_some(), r.end_ms.is_some())).collect();
    assert_eq!(told, [("provider", true, true)]);
    stage.leaves_nothing();
}

/// A reliable provisional answer to the repeated INVITE: PRACK names the INVITE by the number that the provider knows.
/// RFC 3262 §7.2.
#[test]
fn a_reliable_ringing() {
    house(OPEN)
        .run(&format!(
            "
        alice  -> proxy                INVITE sip:0049301234@example.com
                  proxy -> provider    INVITE
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    ACK
                  proxy -> provider    INVITE
            CSeq: 5 INVITE
                  proxy <- provider    183
            Require: 100rel
            RSeq: 17
        alice  <- proxy                183
            RSeq: 17
        alice  -> proxy                PRACK
            RAck: 17 1 INVITE
                  proxy -> provider    PRACK
            CSeq: 8 PRACK
            RAck: 17 5 INVITE
                  proxy <- provider    200 PRACK
        alice  <- proxy                200 PRACK
                  proxy <- provider    200 INVITE
        alice  <- proxy                200 INVITE
        alice  -> proxy                ACK
                  proxy -> provider    ACK
            CSeq: 5 ACK
        alice  -> proxy                BYE
                  proxy -> provider    BYE
                  proxy <- provider    200
        alice  <- proxy                200
            "
        ))
        .leaves_nothing();
}

/// After a kill the rest of the call is numbered as before: all that is to be known travels in its messages.
/// RFC 3261 §12.2.1.1.
#[test]
fn the_exchange_is_killed_during_a_call() {
    let text = format!("{PROVIDER}{OPEN}");
    let mut stage =
        crate::exchange::scene_on_disk(&text).address("provider", "192.0.2.50:5060").run(&format!(
            "
        alice  -> proxy                INVITE sip:0049301234@example.com
                  proxy -> provider    INVITE
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    ACK
                  proxy -> provider    INVITE
                  proxy <- provider    200
        alice  <- proxy                200
    "
        ));
    stage.kill_and_restart();
    stage.play(&format!(
        "
        alice  -> proxy                ACK
                  proxy -> provider    ACK
            CSeq: 5 ACK
        alice  -> proxy                BYE
                  proxy -> provider    BYE
            CSeq: 8 BYE
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    BYE
            CSeq: 9 BYE
                  proxy <- provider    200
        alice  <- proxy                200
            CSeq: 2 BYE
    "
    ));
    stage.leaves_nothing();
}

/// Within a call requests are challenged too. The ACK to a repeated INVITE has its number, though nothing but the trunk's
/// mark is in the route. RFC 3261 §22.2, RFC 3261 §14.1.
#[test]
fn a_challenge_within_a_call() {
    let stage = house(OPEN).run(&format!(
        "
        alice  -> proxy                INVITE sip:0049301234@example.com
                  proxy -> provider    INVITE
            CSeq: 4 INVITE
                  proxy <- provider    200
        alice  <- proxy                200
        alice  -> proxy                ACK
                  proxy -> provider    ACK
            CSeq: 4 ACK
        alice  -> proxy                INVITE
                  proxy -> provider    INVITE
            CSeq: 8 INVITE
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    ACK
            CSeq: 8 ACK
                  proxy -> provider    INVITE
            CSeq: 9 INVITE
                  proxy <- provider    200
        alice  <- proxy                200
        alice  -> proxy                ACK
                  proxy -> provider    ACK
            CSeq: 9 ACK
        alice  -> proxy                BYE
                  proxy -> provider    BYE
            CSeq: 12 BYE
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    BYE
            CSeq: 13 BYE
                  proxy <- provider    200
        alice  <- proxy                200
            CSeq: 3 BYE
    "
    ));
    assert!(is_proved(&stage, "Authorization", "n1"));
    stage.leaves_nothing();
}

/// What the phone of a user sends in a call that the provider began is challenged like any other.
#[test]
fn a_call_that_the_provider_began() {
    house(OPEN)
        .run(&format!(
            "
        given bob is registered
        provider -> proxy              INVITE sip:bob@example.com
            From: <sip:+1555@provider.example>;tag=t
                    proxy -> bob       INVITE
                    proxy <- bob       200
        provider <- proxy              200
        provider -> proxy              ACK
                    proxy -> bob       ACK
                    bob -> proxy       BYE
            CSeq: 7 BYE
        provider <- proxy              BYE
            CSeq: 28 BYE
        provider -> proxy              401
            {ASKS}
        provider <- proxy              BYE
            CSeq: 29 BYE
        provider -> proxy              200
                    bob <- proxy       200
            CSeq: 7 BYE
    "
        ))
        .leaves_nothing();
}

/// Any request to the trunk is answered for, not INVITE alone; 407 asks for another header. The body stays.
/// RFC 3261 §22.3.
#[test]
fn a_message_to_a_proxy_that_asks() {
    let stage = house(OPEN).run(
        "
        alice  -> proxy                OPTIONS sip:0049301234@example.com
                  proxy -> provider    OPTIONS
                  proxy <- provider    407
            Proxy-Authenticate: Digest realm=\"provider.example\", nonce=\"n2\", qop=\"auth\"
                  proxy -> provider    OPTIONS
            CSeq: 5 OPTIONS
            !Authorization
                  proxy <- provider    200
        alice  <- proxy                200
            CSeq: 1 OPTIONS
    ",
    );
    assert!(is_proved(&stage, "Proxy-Authorization", "n2"));
    stage.leaves_nothing();
}

/// Of several algorithms the strongest is taken. RFC 8760 §2.4.
#[test]
fn the_strongest_algorithm() {
    house(OPEN)
        .run(
            "
        alice  -> proxy                OPTIONS sip:0049301234@example.com
                  proxy -> provider    OPTIONS
                  proxy <- provider    401
            WWW-Authenticate: Digest realm=\"provider.example\", nonce=\"n1\", qop=\"auth\", algorithm=MD5
            WWW-Authenticate: Digest realm=\"provider.example\", nonce=\"n2\", qop=\"auth\", algorithm=SHA-256
            WWW-Authenticate: Digest realm=\"provider.example\", nonce=\"n3\", qop=\"auth\", algorithm=SHA3-9
                  proxy -> provider    OPTIONS
            Authorization: *algorithm=SHA-256, qop=auth, nc=00000001*
                  proxy <- provider    200
        alice  <- proxy                200
    ",
        )
        .leaves_nothing();
}

/// An answer whose nonce was too old is given anew. RFC 7616 §3.3.
#[test]
fn a_stale_nonce() {
    let stage = house(OPEN).run(&format!(
        "
        alice  -> proxy                OPTIONS sip:0049301234@example.com
                  proxy -> provider    OPTIONS
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    OPTIONS
            CSeq: 5 OPTIONS
                  proxy <- provider    401
            WWW-Authenticate: Digest realm=\"provider.example\", nonce=\"n9\", qop=\"auth\", stale=TRUE
                  proxy -> provider    OPTIONS
            CSeq: 6 OPTIONS
                  proxy <- provider    200
        alice  <- proxy                200
    "
    ));
    assert!(is_proved(&stage, "Authorization", "n9"));
    stage.leaves_nothing();
}

/// A password that the provider does not take: no loop, the caller hears 403 and is not asked for what he cannot know.
/// RFC 3261 §22.2, RFC 7616 §3.3.
#[test]
fn a_wrong_password() {
    for asks_again in [
        ASKS,
        "WWW-Authenticate: Digest realm=\"provider.example\", nonce=\"n2\", qop=\"auth\"",
        "WWW-Authenticate: Digest realm=\"provider.example\", nonce=\"n1\", qop=\"auth\", stale=true",
    ] {
        let stage = house(OPEN).run(&format!(
            "
        alice  -> proxy                INVITE sip:0049301234@example.com
                  proxy -> provider    INVITE
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    ACK
                  proxy -> provider    INVITE
                  proxy <- provider    401
            {asks_again}
                  proxy -> provider    ACK
        alice  <- proxy                403
            CSeq: 1 INVITE
            !WWW-Authenticate
        alice  -> proxy                ACK
    "
        ));
        assert_eq!(stage.exchange().count(EventKind::TrunkRefused), 1);
        stage.leaves_nothing();
    }
}

/// A challenge of another realm is none of ours: the caller may know the answer. RFC 3261 §22.1, RFC 3261 §22.3.
#[test]
fn a_foreign_realm_passes() {
    let stage = house(OPEN).run(
        "
        alice  -> proxy                OPTIONS sip:0049301234@example.com
                  proxy -> provider    OPTIONS
                  proxy <- provider    401
            WWW-Authenticate: Digest realm=\"other.example\", nonce=\"n1\", qop=\"auth\"
        alice  <- proxy                401
            WWW-Authenticate: *other.example*
    ",
    );
    assert_eq!(stage.exchange().count(EventKind::TrunkForeign), 1);
    stage.leaves_nothing();
}

/// Behind our answer somebody else asks: the caller hears of him alone.
#[test]
fn a_foreign_realm_behind_ours() {
    house(OPEN)
        .run(&format!(
            "
        alice  -> proxy                OPTIONS sip:0049301234@example.com
                  proxy -> provider    OPTIONS
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    OPTIONS
                  proxy <- provider    401
            {ASKS}
            WWW-Authenticate: Digest realm=\"other.example\", nonce=\"n1\", qop=\"auth\"
        alice  <- proxy                401
            WWW-Authenticate: *other.example*
    "
        ))
        .leaves_nothing();
}

/// In a dialog the other side says where requests go. It does not get the credentials anywhere but to the trunk's own
/// addresses. RFC 3261 §22.1.
#[test]
fn another_host_gets_no_credentials() {
    house(OPEN)
        .run(&format!(
            "
        alice  -> proxy                INVITE sip:0049301234@example.com
                  proxy -> provider    INVITE
                  proxy <- provider    200
            Contact: <sip:trap@{{elsewhere}}>
        alice  <- proxy                200
        alice  -> proxy                ACK (outbound)
                  proxy -> elsewhere   ACK
        alice  -> proxy                BYE (outbound)
                  proxy -> elsewhere   BYE
                  proxy <- elsewhere   401
            {ASKS}
        alice  <- proxy                401
    "
        ))
        .leaves_nothing();
}

/// The caller gives up while the request goes once more: the new branch is cancelled. RFC 3261 §9.1, RFC 3261 §16.10.
#[test]
fn a_caller_who_gives_up() {
    house(OPEN)
        .run(&format!(
            "
        alice  -> proxy                INVITE sip:0049301234@example.com
                  proxy -> provider    INVITE
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    ACK
                  proxy -> provider    INVITE
                  proxy <- provider    180
        alice  <- proxy                180
        alice  -> proxy                CANCEL
        alice  <- proxy                200 CANCEL
                  proxy -> provider    CANCEL
            CSeq: 5 CANCEL
                  proxy <- provider    200 CANCEL
                  proxy <- provider    487 INVITE
                  proxy -> provider    ACK
            CSeq: 5 ACK
        alice  <- proxy                487
        alice  -> proxy                ACK
    "
        ))
        .leaves_nothing();
}

/// Nobody waits for it any more: a challenge that comes then is the end. RFC 3261 §16.10.
#[test]
fn a_challenge_after_the_caller_gave_up() {
    house(OPEN)
        .run(&format!(
            "
        alice  -> proxy                INVITE sip:0049301234@example.com
                  proxy -> provider    INVITE
        alice  -> proxy                CANCEL
        alice  <- proxy                200 CANCEL
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    ACK
        alice  <- proxy                401
        alice  -> proxy                ACK
    "
        ))
        .leaves_nothing();
}

/// The first machine answers the right password with 503: the second is asked, and it asks for credentials as well.
/// RFC 3263 §4.3.
#[test]
fn the_reserve_asks_too() {
    let row = r#"
        [[trunk]]
        name = "pair"
        targets = [{ to = "sip:192.0.2.52" }, { to = "sip:192.0.2.53", priority = 1 }]
        domain = "provider.example"
        user = "4930123"
        password = "correct horse"
        [[route]]
        match = { prefix = "7" }
        trunk = "pair"
    "#;
    scene(&format!("{row}{OPEN}"))
        .address("first", "192.0.2.52:5060")
        .address("second", "192.0.2.53:5060")
        .run(&format!(
            "
        alice  -> proxy                INVITE sip:71@example.com
                  proxy -> first       INVITE
                  proxy <- first       401
            {ASKS}
                  proxy -> first       ACK
                  proxy -> first       INVITE
                  proxy <- first       503
                  proxy -> first       ACK
                  proxy -> second      INVITE
            !Authorization
                  proxy <- second      401
            {ASKS}
                  proxy -> second      ACK
                  proxy -> second      INVITE
            Authorization: *
                  proxy <- second      486
                  proxy -> second      ACK
        alice  <- proxy                486
        alice  -> proxy                ACK
    "
        ));
}
