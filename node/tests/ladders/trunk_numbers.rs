//! What the far side of a trunk with login has been sent has other numbers in CSeq: nobody on the near side sees them, and
//! every call is told from the others. RFC 3261 §22.3.

use offhook_ladder::Ladder;
use offhook_simnet::NameServer;

use crate::exchange::{OPEN, Observed, scene, scene_with_names};

const ASKS: &str = r#"WWW-Authenticate: Digest realm="provider.example", nonce="n1", qop="auth""#;

/// A trunk with login at these targets, and the route of our users to it.
fn provider(name: &str, targets: &str, more: &str) -> String {
    format!(
        "[[trunk]]
        name = \"{name}\"
        targets = [{targets}]
        domain = \"provider.example\"
        user = \"4930123\"
        password = \"correct horse\"
        {more}
        [[route]]
        match = {{ prefix = \"00\" }}
        trunk = \"{name}\"
        "
    )
}

fn house(targets: &str, more: &str) -> Ladder {
    scene(&format!("{}{OPEN}", provider("provider", targets, more)))
        .address("provider", "192.0.2.50:5060")
        .address("second", "192.0.2.51:5060")
}

/// The provider is silent: 100 and 408 are ours, and have the number of the caller, in the first request and in the call.
/// RFC 3261 §8.2.6.2, RFC 3261 §16.7.
#[test]
fn answers_instead_of_a_silent_provider() {
    let silence = "
        +200ms alice <- proxy          100 INVITE
            CSeq: NUMBER INVITE
        +300ms    proxy x-> provider   INVITE (again)
        +1s       proxy x-> provider   INVITE (again)
        +2s       proxy x-> provider   INVITE (again)
        +4s       proxy x-> provider   INVITE (again)
        +8s       proxy x-> provider   INVITE (again)
        +16s      proxy x-> provider   INVITE (again)
        +500ms alice <- proxy          408 INVITE
            CSeq: NUMBER INVITE
        alice  -> proxy                ACK
    ";
    house("{ to = \"sip:192.0.2.50\" }", "")
        .run(&format!(
            "
        alice  -> proxy                INVITE sip:0049@example.com
                  proxy x-> provider   INVITE
            CSeq: 4 INVITE
            {}
        +10s      proxy -> provider    OPTIONS sip:192.0.2.50:5060
                  proxy <- provider    200",
            silence.replace("NUMBER", "1")
        ))
        .leaves_nothing();
    house("{ to = \"sip:192.0.2.50\" }", "")
        .run(&format!(
            "
        alice  -> proxy                INVITE sip:0049@example.com
                  proxy -> provider    INVITE
                  proxy <- provider    200
        alice  <- proxy                200
        alice  -> proxy                ACK
                  proxy -> provider    ACK
        alice  -> proxy                INVITE
                  proxy x-> provider   INVITE
            CSeq: 8 INVITE
            {}
        alice  -> proxy                BYE
                  proxy x-> provider   BYE
            CSeq: 12 BYE
        +500ms    proxy x-> provider   BYE (again)
        +1s       proxy x-> provider   BYE (again)
        +2s       proxy -> provider    BYE (again)
        alice  <- proxy                100
            CSeq: 3 BYE
                  proxy <- provider    200
        alice  <- proxy                200
            CSeq: 3 BYE
        ",
            silence.replace("NUMBER", "2")
        ))
        .leaves_nothing();
}

/// The provider cannot be reached, or says so: 500, with the caller's number. RFC 3261 §16.9, RFC 3261 §8.2.6.2.
#[test]
fn the_provider_takes_no_connection() {
    house("{ to = \"sip:192.0.2.50:9999;transport=tcp\" }", "")
        .run(
            "
        provider -> proxy              OPTIONS proxy #2
        provider <- proxy              200 #2
        alice  -> proxy                INVITE sip:0049@example.com
        alice  <- proxy                500
            CSeq: 1 INVITE
        alice  -> proxy                ACK
    ",
        )
        .leaves_nothing();
}

/// An answer that waits for those of other phones, and is ours. RFC 3261 §16.7 step 6.
#[test]
fn the_first_machine_rings_and_fails() {
    house("{ to = \"sip:192.0.2.50\" }, { to = \"sip:192.0.2.51\", priority = 1 }", "").run(
        "
        alice  -> proxy                INVITE sip:0049@example.com
            Supported: 199
                  proxy -> provider    INVITE
                  proxy <- provider    183
            To: <sip:0049@example.com>;tag=first
        alice  <- proxy                183
                  proxy <- provider    503
            To: <sip:0049@example.com>;tag=first
                  proxy -> provider    ACK
                  proxy -> second      INVITE
        alice  <- proxy                199 INVITE
            CSeq: 1 INVITE
                  proxy <- second      486
                  proxy -> second      ACK
        alice  <- proxy                486
            CSeq: 1 INVITE
        alice  -> proxy                ACK
    ",
    );
}

/// Who answers a call of the provider numbers his own requests as he likes, below 2^31. What has no place above stays as it
/// is. RFC 3261 §12.2.1.1, RFC 3261 §8.1.1.5.
#[test]
fn a_callee_with_large_numbers() {
    for (number, far) in
        [("536870911", "2147483644"), ("890000000", "890000000"), ("2147483647", "2147483647")]
    {
        house("{ to = \"sip:192.0.2.50\" }", "")
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
            CSeq: {number} BYE
        provider <- proxy              BYE
            CSeq: {far} BYE
        provider -> proxy              200
                    bob <- proxy       200
            CSeq: {number} BYE
    "
            ))
            .leaves_nothing();
    }
}

/// A caller whose first number has no place above keeps it to the end. RFC 3261 §8.1.1.5.
#[test]
fn a_caller_with_large_numbers() {
    house("{ to = \"sip:192.0.2.50\" }", "")
        .run(
            "
        alice  -> proxy                INVITE sip:0049@example.com
            CSeq: 2147483640 INVITE
                  proxy -> provider    INVITE
            CSeq: 2147483640 INVITE
                  proxy <- provider    200
        alice  <- proxy                200
        alice  -> proxy                ACK
            CSeq: 2147483640 ACK
                  proxy -> provider    ACK
            CSeq: 2147483640 ACK
        alice  -> proxy                BYE
            CSeq: 2147483641 BYE
                  proxy -> provider    BYE
            CSeq: 2147483641 BYE
                  proxy <- provider    200
        alice  <- proxy                200
    ",
        )
        .leaves_nothing();
}

/// A call of the provider that leaves us on a route without transactions: nobody would map an answer back, so what the
/// callee sends keeps its number, and a challenge is his. RFC 3261 §16.11.
#[test]
fn without_transactions() {
    let route = "[[route]]
        match = { from_trunk = \"provider\", prefix = \"7\" }
        to = \"sip:192.0.2.70\"
        mode = \"stateless\"
        ";
    house("{ to = \"sip:192.0.2.50\" }", &format!("peers = [\"192.0.2.50\"]\n{route}"))
        .address("gateway", "192.0.2.70:5060")
        .run(&format!(
            "
        provider -> proxy              INVITE sip:71@example.com
            From: <sip:+1555@provider.example>;tag=t
                  proxy -> gateway     INVITE
                  proxy <- gateway     200
        provider <- proxy              200
        provider -> proxy              ACK
                  proxy -> gateway     ACK
                  gateway -> proxy     BYE
            CSeq: 7 BYE
        provider <- proxy              BYE
            CSeq: 7 BYE
        provider -> proxy              401
            {ASKS}
                  gateway <- proxy     401
            CSeq: 7 BYE
    "
        ))
        .leaves_nothing();
}

/// Two accounts at one provider: a call to the Contact of the second is the second's, and what the callee sends in it is
/// answered for with the second's password. RFC 3261 §10.2.1, RFC 3261 §22.3.
#[test]
fn two_accounts_at_one_provider() {
    let second = provider("second account", "{ to = \"sip:192.0.2.50\" }", "register = true")
        .replace("4930123", "4940999")
        .replace("\"00\"", "\"11\"");
    let row = "[[route]]
        match = { from_trunk = \"second account\", number = \"4940999\" }
        users = true
        user = \"bob\"
        ";
    let first = provider("provider", "{ to = \"sip:192.0.2.50\" }", "");
    let mut stage = scene(&format!("{first}{second}{row}{OPEN}")).address("provider", "192.0.2.50:5060").run(
        "
                  proxy -> provider    REGISTER sip:provider.example
                  proxy <- provider    200
    ",
    );
    let uri = crate::enrolment::contact_uri(&stage);
    stage.play(&format!(
        "
        given bob is registered
        provider -> proxy              INVITE {uri}
            From: <sip:+1555@provider.example>;tag=t
                    proxy -> bob       INVITE sip:bob@192.0.2.*
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
            Authorization: Digest username=\"4940999\", *
        provider -> proxy              200
                    bob <- proxy       200
            CSeq: 7 BYE
    "
    ));
}

/// A trunk whose targets are names, and which says nothing of peers: its calls are known by the Contact that we registered,
/// or by the addresses behind the names. RFC 3263 §4, RFC 3261 §22.3.
#[test]
fn a_provider_by_name() {
    let names = NameServer::new().name("sip:sip.provider.example", &["udp 192.0.2.50:5060"]);
    let row = "[[route]]
        match = { from_trunk = \"provider\", number = \"4930123\" }
        users = true
        user = \"bob\"
        ";
    let text = provider("provider", "{ to = \"sip:sip.provider.example\" }", "register = true");
    let mut stage =
        scene_with_names(&format!("{text}{row}{OPEN}"), names).address("provider", "192.0.2.50:5060").run(
            "
+1ms..2s          proxy -> provider    REGISTER sip:provider.example
                  proxy <- provider    200
    ",
        );
    let uri = crate::enrolment::contact_uri(&stage);
    stage.play(&format!(
        "
        given bob is registered
        provider -> proxy              INVITE {uri}
            From: <sip:+1555@provider.example>;tag=t
                    proxy -> bob       INVITE sip:bob@192.0.2.*
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
    ));
}

/// There is no room to answer the challenge: it goes to the caller, whose request has an end. RFC 3261 §22.3.
#[test]
fn there_is_no_room_for_an_answer() {
    house("{ to = \"sip:192.0.2.50\" }", "[limits]\ntransactions_max = 1")
        .run(&format!(
            "
        alice  -> proxy                INVITE sip:0049@example.com
                  proxy -> provider    INVITE
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    ACK
        alice  <- proxy                401 INVITE
            CSeq: 1 INVITE
        alice  -> proxy                ACK
    "
        ))
        .leaves_nothing();
}

/// Bob is forwarded to his number outside, and then to carol: the number rings as long as its turn is, challenged or not.
/// RFC 3261 §16.6, RFC 3261 §16.7 step 4.
#[test]
fn a_challenge_makes_no_turn_longer() {
    house("{ to = \"sip:192.0.2.50\" }", "")
        .run(&format!(
            "
        given bob is registered
        given carol is registered
        alice  -> proxy                INVITE bob
                  proxy -> bob         INVITE
                  proxy <- bob         302
            Contact: <sip:0049@example.com>;q=0.9, <sip:carol@example.com>;q=0.5
                  proxy -> bob         ACK
                  proxy -> provider    INVITE
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    ACK
                  proxy -> provider    INVITE
            CSeq: 5 INVITE
                  proxy <- provider    180
        alice  <- proxy                180
        @25s      proxy -> provider    CANCEL
                  proxy <- provider    200 CANCEL
                  proxy <- provider    487 INVITE
                  proxy -> provider    ACK
                  proxy -> carol       INVITE
                  proxy <- carol       486
                  proxy -> carol       ACK
        alice  <- proxy                486
        alice  -> proxy                ACK
    "
        ))
        .leaves_nothing();
}

/// A phone that begins with a number that has no place keeps its numbers, and its challenges are answered all the same: that of
/// the BYE, too. RFC 3261 §8.1.1.5, RFC 3261 §22.3.
#[test]
fn numbers_without_a_place() {
    house("{ to = \"sip:192.0.2.50\" }", "")
        .run(&format!(
            "
        alice  -> proxy                INVITE sip:0049@example.com
            CSeq: 536870912 INVITE
                  proxy -> provider    INVITE
            CSeq: 536870912 INVITE
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    ACK
                  proxy -> provider    INVITE
            CSeq: 536870912 INVITE
            Authorization: *
                  proxy <- provider    200
        alice  <- proxy                200
        alice  -> proxy                ACK
            CSeq: 536870912 ACK
                  proxy -> provider    ACK
            CSeq: 536870912 ACK
        alice  -> proxy                BYE
            CSeq: 536870913 BYE
                  proxy -> provider    BYE
                  proxy <- provider    401
            {ASKS}
                  proxy -> provider    BYE
            CSeq: 536870913 BYE
            Authorization: *
                  proxy <- provider    200
        alice  <- proxy                200
    "
        ))
        .leaves_nothing();
}
