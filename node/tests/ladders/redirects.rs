//! Redirections that are followed for the caller: RFC 3261 §16.7 step 4.

use crate::exchange::{OPEN, Observed, ladder, open_ladder, scene};

/// Bob has set forwarding on his phone: the call goes on to carol, and alice hears nothing of it.
/// RFC 3261 §16.7 step 4, §21.3.3.
#[test]
fn a_forwarded_call() {
    open_ladder(
        "
        given bob is registered
        given carol is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     302
            Contact: <sip:carol@example.com>
                  proxy -> bob     ACK
                  proxy -> carol   INVITE sip:carol@{carol}
            Max-Forwards: 69
            Via: *;branch=z9hG4bKoh*
            Via: *;branch=z9hG4bK-alice*
            Record-Route: <sip:198.51.100.1;lr;oh=*
                  proxy <- carol   180
        alice  <- proxy            180
        +3s       proxy <- carol   200
        alice  <- proxy            200
            Contact: <sip:carol@*
        alice  -> proxy            ACK
                  proxy -> carol   ACK
        carol  -> proxy            BYE
                  alice <- proxy   BYE
                  alice -> proxy   200
        carol  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// A stranger's call is forwarded as well, for he could call carol himself; but not to a number that is paid for, nor out
/// of the house: there the redirection is passed on, and he may try. RFC 3261 §16.7 step 4, §22.
#[test]
fn a_redirection_opens_no_doors() {
    let trunk = "
        [access]
        authenticate_register = false

        [proxy]
        follow_redirects = \"all\"

        [[route]]
        match = { prefix = \"00\" }
        to = \"sip:192.0.2.99\"
    ";
    for contact in ["sip:0049301@example.com", "tel:0049301", "sip:dave@192.0.2.98", "sip:x@198.51.100.1:9"] {
        scene(trunk)
            .run(&format!(
                "
        given bob is registered
        eve    -> proxy            INVITE bob
            From: <sip:eve@elsewhere.example>;tag=1
                  proxy -> bob     INVITE
                  proxy <- bob     302
            Contact: <{contact}>
                  proxy -> bob     ACK
        eve    <- proxy            302
            Contact: <{contact}>
        eve    -> proxy            ACK
    "
            ))
            .leaves_nothing();
    }
    scene(trunk)
        .run(
            "
        given bob is registered
        given carol is registered
        eve    -> proxy            INVITE bob
            From: <sip:eve@elsewhere.example>;tag=1
                  proxy -> bob     INVITE
                  proxy <- bob     301
            Contact: <sip:carol@example.com>
                  proxy -> bob     ACK
                  proxy -> carol   INVITE
                  proxy <- carol   486
                  proxy -> carol   ACK
        eve    <- proxy            486
        eve    -> proxy            ACK
    ",
        )
        .leaves_nothing();
}

/// A user of ours who has shown who he is goes where he could have called, by the rule for that number; and with `all`
/// to other houses too. RFC 3261 §16.7 step 4.
#[test]
fn our_users_are_forwarded_to_the_trunk() {
    let rules = "
        [access]
        authenticate_register = false

        [[route]]
        match = { prefix = \"00\" }
        to = \"sip:192.0.2.99\"
        strip = 2
        prepend = \"+\"
    ";
    let call = |contact: &str, then: &str| {
        format!(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob (auth)
                  proxy -> bob     INVITE
            !Proxy-Authorization
                  proxy <- bob     302
            Contact: <{contact}>
                  proxy -> bob     ACK
{then}
        alice  -> proxy            ACK
    "
        )
    };
    let by_trunk = "
                  proxy -> trunk   INVITE sip:+49301@*
            !Proxy-Authorization
                  proxy <- trunk   486
                  proxy -> trunk   ACK
        alice  <- proxy            486";
    for contact in ["sip:0049301@example.com", "tel:00-49-301"] {
        scene(rules).address("trunk", "192.0.2.99:5060").run(&call(contact, by_trunk)).leaves_nothing();
    }
    let to_dave = "
                  proxy -> dave    INVITE sip:dave@192.0.2.98
                  proxy <- dave    486
                  proxy -> dave    ACK
        alice  <- proxy            486";
    let passed_on = "
        alice  <- proxy            302
            Contact: <sip:dave@192.0.2.98>";
    for (whom, then) in [("all", to_dave), ("own", passed_on), ("off", passed_on)] {
        scene(&format!("[proxy]\nfollow_redirects = \"{whom}\"\n{rules}"))
            .address("dave", "192.0.2.98:5060")
            .run(&call("sip:dave@192.0.2.98", then))
            .leaves_nothing();
    }
}

/// Who is called outside sends our users to our users, and not to numbers that are paid for here: the caller is told, and may
/// call there if he likes. RFC 3261 §16.7 step 4, §26.1.
#[test]
fn a_stranger_spends_nobodys_money() {
    let rules = format!("{OPEN}\n[[route]]\nmatch = {{ prefix = \"0900\" }}\nto = \"sip:192.0.2.99\"\n");
    scene(&rules)
        .address("far", "203.0.113.1:5060")
        .run(
            "
        given carol is registered
        alice  -> proxy            INVITE sip:dave@203.0.113.1
                  proxy -> far     INVITE
                  proxy <- far     302
            Contact: <sip:0900666@example.com>
                  proxy -> far     ACK
        alice  <- proxy            302
            Contact: <sip:0900666@example.com>
        alice  -> proxy            ACK
        alice  -> proxy            INVITE sip:dave@203.0.113.1 #2
                  proxy -> far     INVITE #2
                  proxy <- far     302 #2
            Contact: <sip:carol@example.com>
                  proxy -> far     ACK #2
                  proxy -> carol   INVITE #2
                  proxy <- carol   486 #2
                  proxy -> carol   ACK #2
        alice  <- proxy            486 #2
        alice  -> proxy            ACK #2
    ",
        )
        .leaves_nothing();
}

/// A domain that strangers do not reach is not reached through a phone of another one. RFC 3261 §16.7 step 4, §22.
#[test]
fn a_closed_domain_stays_closed() {
    let domains = "
        domains = [\"example.com\"]
        [[domain]]
        name = \"school.example\"
        strangers_may_call_users = false
        [access]
        authenticate_register = false
    ";
    scene(domains)
        .run(
            "
        given bob is registered
        carol  -> proxy            REGISTER
            To: <sip:carol@school.example>
            From: <sip:carol@school.example>;tag=c
        carol  <- proxy            200
        eve    -> proxy            INVITE bob
            From: <sip:eve@elsewhere.example>;tag=1
                  proxy -> bob     INVITE
                  proxy <- bob     302
            Contact: <sip:carol@school.example>
                  proxy -> bob     ACK
        eve    <- proxy            302
            Contact: <sip:carol@school.example>
        eve    -> proxy            ACK
    ",
        )
        .leaves_nothing();
}

/// A rule for our users that looks the number up first may lead anywhere: who is called outside sends nobody there.
/// RFC 3261 §16.7 step 4, RFC 6116 §3.4.3.
#[test]
fn a_stranger_has_no_number_looked_up() {
    let rules =
        "[[route]]\nmatch.prefix = \"00\"\nenum = \"e164.arpa\"\nusers = true\nstrip = 2\nprepend = \"+\"\n";
    let names = offhook_simnet::NameServer::new()
        .number("+49301 below e164.arpa", &["sip:x@192.0.2.60:5060"])
        .delay_ms(1);
    crate::exchange::scene_with_names(&format!("{OPEN}{rules}"), names)
        .address("far", "203.0.113.1:5060")
        .address("somewhere", "192.0.2.60:5060")
        .run(
            "
        alice  -> proxy            MESSAGE sip:0049301@example.com
  +1ms            proxy -> somewhere MESSAGE
                  proxy <- somewhere 200
        alice  <- proxy            200
        alice  -> proxy            INVITE sip:dave@203.0.113.1 #2
                  proxy -> far     INVITE #2
                  proxy <- far     302 #2
            Contact: <sip:0049301@example.com>
                  proxy -> far     ACK #2
        alice  <- proxy            302 #2
            Contact: <sip:0049301@example.com>
        alice  -> proxy            ACK #2
    ",
        )
        .leaves_nothing();
}

/// Several contacts: by q, those of one q together; what cannot be followed stays in the answer, which is the best when all
/// others have refused. RFC 3261 §16.7 step 4 and 6, §16.6.
#[test]
fn several_contacts() {
    open_ladder(
        "
        given bob is registered
        given carol is registered
        given dora is registered
        given emil is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     300
            Contact: <sip:emil@example.com>;q=0.2, <sip:carol@example.com>;q=0.7
            Contact: <sip:dora@example.com>;q=0.7, <sip:far@192.0.2.77>;q=0.9
                  proxy -> bob     ACK
                  proxy -> carol   INVITE
                  proxy -> dora    INVITE
                  proxy <- carol   180
        alice  <- proxy            180
                  proxy <- dora    486
                  proxy -> dora    ACK
        @25s      proxy -> carol   CANCEL
                  proxy <- carol   200 CANCEL
                  proxy <- carol   487 INVITE
                  proxy -> carol   ACK
                  proxy -> emil    INVITE
                  proxy <- emil    404
                  proxy -> emil    ACK
        alice  <- proxy            300
            Contact: <sip:far@192.0.2.77>;q=0.9
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// A machine of the provider dies while another phone rings: the number that comes after it is called by the one that lives.
/// RFC 3263 §4.3.
#[test]
fn a_server_that_has_died_meanwhile() {
    const RULES: &str = r#"
        [[trunk]]
        name = "provider"
        targets = [{ to = "sip:192.0.2.50" }, { to = "sip:192.0.2.51", priority = 1 }]
        [[route]]
        match = { prefix = "0" }
        trunk = "provider"
    "#;
    let house = scene(&format!("{RULES}{OPEN}"))
        .address("first", "192.0.2.50:5060")
        .address("second", "192.0.2.51:5060");
    house.run(
        "
        given bob is registered
        given carol is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     302
            Contact: <sip:carol@example.com>;q=0.7, <sip:0123@example.com>;q=0.2
                  proxy -> bob     ACK
                  proxy -> carol   INVITE
                  proxy <- carol   180
        alice  <- proxy            180
        dave   -> proxy            MESSAGE sip:0124@example.com
                  proxy -> first   MESSAGE
                  proxy <- first   503
                  proxy -> second  MESSAGE
                  proxy <- second  200
        dave   <- proxy            200
                  proxy <- carol   486
                  proxy -> carol   ACK
                  proxy -> second  INVITE sip:0123@*
                  proxy <- second  486
                  proxy -> second  ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    );
}

/// One of bob's phones is forwarded: the others ring on, and who waits for his turn has it afterwards.
/// RFC 3261 §16.7 step 4, §16.6.
#[test]
fn one_phone_of_three_is_forwarded() {
    open_ladder(
        "
        given carol is registered
        desk   -> proxy            REGISTER bob
            Contact: <sip:desk@{desk}>
        desk   <- proxy            200
        mobile -> proxy            REGISTER bob
            Contact: <sip:mobile@{mobile}>
        mobile <- proxy            200
        home   -> proxy            REGISTER bob
            Contact: <sip:home@{home}>;q=0.5
        home   <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy <- desk    180
        alice  <- proxy            180
                  proxy <- mobile  302
            Contact: <sip:carol@example.com>
                  proxy -> mobile  ACK
                  proxy -> carol   INVITE
                  proxy <- carol   486
                  proxy -> carol   ACK
                  proxy <- desk    480
                  proxy -> desk    ACK
                  proxy -> home    INVITE
                  proxy <- home    200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> home    ACK
        alice  -> proxy            BYE
                  proxy -> home    BYE
                  proxy <- home    200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Bob sends on to carol, carol to bob: nobody is called twice. RFC 3261 §16.5 ("MUST NOT add additional"), §16.3 step 4.
#[test]
fn a_circle_of_forwarding() {
    open_ladder(
        "
        given bob is registered
        given carol is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     302
            Contact: <sip:carol@example.com>
                  proxy -> bob     ACK
                  proxy -> carol   INVITE
                  proxy <- carol   302
            Contact: <sip:bob@example.com>
                  proxy -> carol   ACK
        alice  <- proxy            302
            Contact: <sip:bob@example.com>
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob #2
                  proxy -> bob     INVITE #2
                  proxy <- bob     302 #2
            Contact: <sip:bob@example.com>, <sip:bob@{bob}>
                  proxy -> bob     ACK #2
        alice  <- proxy            302 #2
        alice  -> proxy            ACK #2
    ",
    )
    .leaves_nothing();
}

/// Two of bob's phones forward to carol: she is called once, and what she says is the answer; the second redirection is
/// none. Nor is a contact that stands there twice. RFC 3261 §16.7 step 4, RFC 3261 §16.7 step 6.
#[test]
fn two_phones_forward_to_one_place() {
    open_ladder(
        "
        given carol is registered
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy <- desk    302
            Contact: <sip:carol@example.com>, <sip:carol@example.com>
                  proxy -> desk    ACK
                  proxy -> carol   INVITE
                  proxy <- mobile  302
            Contact: <sip:carol@example.com>
                  proxy -> mobile  ACK
                  proxy <- carol   486
                  proxy -> carol   ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob #2
                  proxy -> desk    INVITE #2
                  proxy -> mobile  INVITE #2
                  proxy <- desk    302 #2
            Contact: <sip:carol@example.com>
                  proxy -> desk    ACK #2
                  proxy -> carol   INVITE #2
                  proxy <- carol   486 #2
                  proxy -> carol   ACK #2
                  proxy <- mobile  302 #2
            Contact: <sip:carol@example.com>
                  proxy -> mobile  ACK #2
        alice  <- proxy            486 #2
        alice  -> proxy            ACK #2
    ",
    )
    .leaves_nothing();
}

/// Bob's desk sends on to bob: his mobile rings already, or has refused, and is not called again, nor is his home, whose turn comes
/// anyway. RFC 3261 §16.5 ("MUST NOT be added"), §16.7 step 4.
#[test]
fn a_phone_forwards_to_its_user() {
    for refuses_first in [false, true] {
        let refusal = "
                  proxy <- mobile  480
                  proxy -> mobile  ACK";
        let (before, after) = if refuses_first { (refusal, "") } else { ("", refusal) };
        open_ladder(&format!(
            "
        given desk is registered as bob
        given mobile is registered as bob
        home   -> proxy            REGISTER bob
            Contact: <sip:home@{{home}}>;q=0.5
        home   <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  {before}
                  proxy <- desk    302
            Contact: <sip:bob@example.com>
                  proxy -> desk    ACK
                  {after}
                  proxy -> home    INVITE
                  proxy <- home    486
                  proxy -> home    ACK
        alice  <- proxy            302
        alice  -> proxy            ACK
    "
        ))
        .leaves_nothing();
    }
}

/// No branch can be opened for it: the caller is told where to call. RFC 3261 §16.7 step 4.
#[test]
fn there_is_no_room_to_follow() {
    scene(&format!("{OPEN}[limits]\ntransactions_max = 1\n"))
        .run(
            "
        given bob is registered
        given carol is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     302
            Contact: <sip:carol@example.com>
                  proxy -> bob     ACK
        alice  <- proxy            302
            Contact: <sip:carol@example.com>
        alice  -> proxy            ACK
    ",
        )
        .leaves_nothing();
}

/// Of the phones that a redirection led to one rings and refuses: the caller is told that this dialog is over. RFC 6228 §6.
#[test]
fn an_early_dialog_behind_a_redirection() {
    open_ladder(
        "
        given bob is registered
        given carol is registered
        given dora is registered
        alice  -> proxy            INVITE bob
            Supported: 199
                  proxy -> bob     INVITE
                  proxy <- bob     302
            Contact: <sip:carol@example.com>, <sip:dora@example.com>
                  proxy -> bob     ACK
                  proxy -> carol   INVITE
                  proxy -> dora    INVITE
                  proxy <- carol   180
            To: <sip:bob@example.com>;tag=carol
        alice  <- proxy            180
                  proxy <- carol   486
            To: <sip:bob@example.com>;tag=carol
                  proxy -> carol   ACK
        alice  <- proxy            199 INVITE
            To: <sip:bob@example.com>;tag=carol
                  proxy <- dora    486
                  proxy -> dora    ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// A chain ends after five: the sixth redirection is the caller's. RFC 3261 §16.7 step 4, §21.4.20.
#[test]
fn a_chain_of_forwarding() {
    let users = ["u1", "u2", "u3", "u4", "u5", "u6", "u7"];
    let given: String = users.iter().map(|user| format!("given {user} is registered\n")).collect();
    let hop = |pair: &[&str]| {
        format!(
            "
                  proxy -> {0}      INVITE
                  proxy <- {0}      302
            Contact: <sip:{1}@example.com>
                  proxy -> {0}      ACK",
            pair[0], pair[1]
        )
    };
    let hops: String = users.windows(2).map(hop).collect();
    open_ladder(&format!(
        "{given}
        alice  -> proxy            INVITE u1
        {hops}
        alice  <- proxy            302
            Contact: <sip:u7@example.com>
        alice  -> proxy            ACK
    "
    ))
    .leaves_nothing();
}

/// `sips` stays `sips`; 305 and 380 are for the caller; `no-recurse` too. A CANCEL ends all. RFC 3261 §16.7 step 4, §21.3.4,
/// §21.3.5, §16.10; RFC 3841 §9.1.
#[test]
fn redirections_that_are_not_followed() {
    for (status, request, contact) in [
        (305, "Subject: x", "sip:carol@example.com"),
        (380, "Subject: x", "sip:carol@example.com"),
        (302, "Request-Disposition: no-recurse", "sip:carol@example.com"),
        (302, "Subject: x", "mailto:carol@example.com"),
        (302, "Subject: x", "sip:nobody@example.com"),
        (302, "Subject: x", "sip:example.com"),
        (302, "Subject: x", "sips:carol@example.com"),
    ] {
        open_ladder(&format!(
            "
        given bob is registered
        given carol is registered
        alice  -> proxy            INVITE bob
            {request}
                  proxy -> bob     INVITE
                  proxy <- bob     {status}
            Contact: <{contact}>
                  proxy -> bob     ACK
        alice  <- proxy            {status}
            Contact: <{contact}>
        alice  -> proxy            ACK
    "
        ))
        .leaves_nothing();
    }
    open_ladder(
        "
        given bob is registered
        given carol is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        alice  -> proxy            CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL
                  proxy <- bob     200 CANCEL
                  proxy <- bob     302 INVITE
            Contact: <sip:carol@example.com>
                  proxy -> bob     ACK
        alice  <- proxy            302 INVITE
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// A MESSAGE is forwarded like a call, and over the connection of the phone that it is forwarded to.
/// RFC 3261 §16.7 step 4, RFC 3428 §6.
#[test]
fn a_forwarded_message() {
    open_ladder(
        "
        given bob is registered over tcp
        given carol is registered over tcp
        alice  -> proxy            MESSAGE bob
            | Are you there?
                  proxy -> bob     MESSAGE
                  proxy <- bob     302
            Contact: <sip:carol@example.com>
                  proxy -> carol   MESSAGE
            | Are you there?
                  proxy <- carol   200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Everybody has to show who he is, and a redirection changes nothing about it. RFC 3261 §22.3.
#[test]
fn credentials_are_not_carried_to_where_it_leads() {
    ladder(
        "
        given bob is registered
        given carol is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob (auth)
                  proxy -> bob     INVITE
                  proxy <- bob     302
            Contact: <sip:carol@example.com>
                  proxy -> bob     ACK
                  proxy -> carol   INVITE
            !Proxy-Authorization
                  proxy <- carol   603
                  proxy -> carol   ACK
        alice  <- proxy            603
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// With the administrator's word no redirection is followed. RFC 3261 §16.7 step 4 ("MAY").
#[test]
fn nothing_is_followed_where_nobody_wants_it() {
    scene(&format!("{OPEN}\n[proxy]\nfollow_redirects = \"off\"\n"))
        .run(
            "
        given bob is registered
        given carol is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     302
            Contact: <sip:carol@example.com>
                  proxy -> bob     ACK
        alice  <- proxy            302
        alice  -> proxy            ACK
    ",
        )
        .leaves_nothing();
}

/// A Contact of our domain that `maddr` leads out of it is none of our users. RFC 3261 §16.5.
#[test]
fn an_maddr_leads_nobody_out_of_the_house() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            MESSAGE bob
                  proxy -> bob     MESSAGE
                  proxy <- bob     302
            Contact: <sip:carol@example.com:9;maddr=192.0.2.99>
        alice  <- proxy            302
    ",
    )
    .leaves_nothing();
}
