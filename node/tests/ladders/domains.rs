//! Several domains with settings of their own, and other names of accounts. RFC 3261 §10.3, §16.5.

use crate::exchange::{OPEN, Observed, scene, scene_with_aliases};

/// `school.example` is also known as `old.example`, keeps registrations short, and wants no calls from outside.
const DOMAINS: &str = "
    domains = [\"example.com\"]
    [[domain]]
    name = \"school.example\"
    aliases = [\"old.example\"]
    expires_min_s = 10
    expires_default_s = 300
    expires_max_s = 600
    bindings_per_aor_max = 1
    strangers_may_call_users = false
";

fn domains(more: &str) -> String {
    format!("{DOMAINS}{more}")
}

/// Each domain has its own limits of registrations. RFC 3261 §10.3 step 7.
#[test]
fn registrations_are_as_long_as_their_domain_says() {
    for (domain, asked_s, granted) in [
        ("example.com", "7200", "expires=7200"),
        ("school.example", "7200", "expires=600"),
        ("old.example", "20", "expires=20"),
    ] {
        scene(&domains(OPEN)).run(&format!(
            "
            bob    -> proxy            REGISTER
                From: <sip:bob@{domain}>;tag=b1
                To: <sip:bob@{domain}>
                Expires: {asked_s}
            bob    <- proxy            200
                Contact: *;{granted}
            "
        ));
    }
    scene(&domains(OPEN)).run(
        "
        bob    -> proxy            REGISTER
            Expires: 20
        bob    <- proxy            423
            Min-Expires: 60
        ",
    );
}

/// One more device than the domain allows. RFC 3261 §10.3.
#[test]
fn a_domain_may_allow_one_phone_alone() {
    scene(&domains(OPEN)).run(
        "
        desk   -> proxy            REGISTER
            To: <sip:bob@school.example>
        desk   <- proxy            200
        mobile -> proxy            REGISTER
            To: <sip:bob@school.example>
        mobile <- proxy            403
        ",
    );
}

/// The same user name in two domains is two users: who calls one does not reach the other. RFC 3261 §10.3 step 5.
#[test]
fn users_of_one_name_are_strangers_to_each_other() {
    scene(&domains(OPEN))
        .run(
            "
            bob    -> proxy            REGISTER
                To: <sip:bob@school.example>
            bob    <- proxy            200
            alice  -> proxy            OPTIONS sip:bob@example.com
            alice  <- proxy            480
            alice  -> proxy            OPTIONS sip:bob@school.example #2
                      proxy -> bob     OPTIONS sip:bob@{bob} #2
                      proxy <- bob     200 #2
            alice  <- proxy            200 #2
            alice  -> proxy            OPTIONS sip:bob@OLD.example #3
                      proxy -> bob     OPTIONS sip:bob@{bob} #3
                      proxy <- bob     200 #3
            alice  <- proxy            200 #3
            ",
        )
        .leaves_nothing();
}

/// A password of one domain opens no door of another, though the account there has the same name: each domain is the realm
/// of its own accounts. RFC 3261 §22.1.
#[test]
fn a_password_is_good_in_its_domain() {
    scene(DOMAINS)
        .run(
            "
            alice  -> proxy            REGISTER
                To: <sip:alice@school.example>
            alice  <- proxy            401
                WWW-Authenticate: Digest realm=\"school.example\"*
            alice  -> proxy            REGISTER (auth)
                To: <sip:alice@school.example>
            alice  <- proxy            401
                !Contact
            alice  -> proxy            OPTIONS sip:alice@school.example #2
                From: <sip:alice@school.example>;tag=a2
            alice  <- proxy            407 #2
                Proxy-Authenticate: Digest realm=\"school.example\"*
            ",
        )
        .leaves_nothing();
}

/// Strangers reach the users of one domain and not those of the other; users of the other domain do. RFC 3261 §16.3 step 6.
#[test]
fn a_domain_may_keep_strangers_out() {
    scene(DOMAINS)
        .user("bob")
        .run(
            "
            trudy  -> proxy            OPTIONS sip:bob@example.com
                From: <sip:trudy@elsewhere.example>;tag=t1
            trudy  <- proxy            480
            trudy  -> proxy            OPTIONS sip:bob@school.example #2
                From: <sip:trudy@elsewhere.example>;tag=t2
            trudy  <- proxy            407 #2
            trudy  -> proxy            OPTIONS sip:bob@old.example #3
                From: <sip:trudy@elsewhere.example>;tag=t3
            trudy  <- proxy            407 #3
            alice  -> proxy            OPTIONS sip:bob@school.example #4
            alice  <- proxy            407 #4
            alice  -> proxy            OPTIONS sip:bob@school.example #4 (auth)
            alice  <- proxy            480 #4
            ",
        )
        .leaves_nothing();
}

/// The manual's school: a short number is one of its users, and strangers may not call those; nor may they be kept out of
/// another domain by what holds for the first. RFC 3261 §16.3 step 6.
#[test]
fn a_short_number_opens_no_door() {
    let rules = "
        [[route]]
        match = { domain = \"school.example\", number = \"11\" }
        users = true
        user = \"bob\"
        [[route]]
        match = { number = \"12\" }
        users = true
        user = \"bob\"
    ";
    let calls = |open: u16, closed: u16| {
        format!(
            "
            trudy  -> proxy            OPTIONS sip:11@school.example
                From: <sip:trudy@elsewhere.example>;tag=t1
            trudy  <- proxy            {closed}
            trudy  -> proxy            OPTIONS sip:12@old.example #2
                From: <sip:trudy@elsewhere.example>;tag=t2
            trudy  <- proxy            {closed} #2
            trudy  -> proxy            OPTIONS sip:12@example.com #3
                From: <sip:trudy@elsewhere.example>;tag=t3
            trudy  <- proxy            {open} #3
            "
        )
    };
    scene(&domains(rules)).user("bob").run(&calls(480, 407)).leaves_nothing();
    let other = DOMAINS.replace("strangers_may_call_users = false", "strangers_may_call_users = true");
    let closed = "[access]\nstrangers_may_call_users = false\n";
    scene(&format!("{other}{closed}{rules}")).user("bob").run(&calls(407, 480)).leaves_nothing();
}

/// A short number of one domain, by a rule: it holds under every name of the domain, and in no other. RFC 3261 §16.5.
#[test]
fn a_short_number_belongs_to_a_domain() {
    let rule =
        "[[route]]\nmatch = { domain = \"school.example\", number = \"11\" }\nusers = true\nuser = \"bob\"\n";
    scene(&domains(&format!("{rule}{OPEN}")))
        .run(
            "
            bob    -> proxy            REGISTER
                To: <sip:bob@school.example>
            bob    <- proxy            200
            alice  -> proxy            OPTIONS sip:11@school.example
                      proxy -> bob     OPTIONS sip:bob@{bob}
                      proxy <- bob     200
            alice  <- proxy            200
            alice  -> proxy            OPTIONS sip:11@old.example #2
                      proxy -> bob     OPTIONS sip:bob@{bob} #2
                      proxy <- bob     200 #2
            alice  <- proxy            200 #2
            alice  -> proxy            OPTIONS sip:11@example.com #3
            alice  <- proxy            404 #3
            ",
        )
        .leaves_nothing();
}

/// An account is called by its numbers, in its own domain; an account of that name comes first. RFC 3261 §16.5.
#[test]
fn an_account_has_several_numbers() {
    let aliases = &[
        ("17", "example.com", "bob"),
        ("+49-30-123456", "example.com", "bob"),
        ("alice", "example.com", "bob"),
    ];
    scene_with_aliases(&domains(OPEN), aliases)
        .run(
            "
            given bob is registered
            given alice is registered
            carol  -> proxy            OPTIONS 17
                      proxy -> bob     OPTIONS sip:bob@{bob}
                      proxy <- bob     200
            carol  <- proxy            200
            carol  -> proxy            OPTIONS sip:+4930123456@example.com #2
                      proxy -> bob     OPTIONS #2
                      proxy <- bob     200 #2
            carol  <- proxy            200 #2
            carol  -> proxy            OPTIONS sip:+49(30)12-34-56@example.com;user=phone #5
                      proxy -> bob     OPTIONS #5
                      proxy <- bob     200 #5
            carol  <- proxy            200 #5
            carol  -> proxy            OPTIONS sip:17@school.example #3
            carol  <- proxy            404 #3
            carol  -> proxy            OPTIONS alice #4
                      proxy -> alice   OPTIONS #4
                      proxy <- alice   200 #4
            carol  <- proxy            200 #4
            ",
        )
        .leaves_nothing();
}

/// Nobody registers by another name of an account: its phones have its own. RFC 3261 §10.3 step 4.
#[test]
fn a_number_is_called_and_does_not_register() {
    scene_with_aliases(DOMAINS, &[("17", "example.com", "bob")])
        .run(
            "
            bob    -> proxy            REGISTER
                To: <sip:17@example.com>
            bob    <- proxy            401
            bob    -> proxy            REGISTER (auth)
                To: <sip:17@example.com>
            bob    <- proxy            403
            ",
        )
        .leaves_nothing();
}

/// Who has an account there is from there, whatever he writes into From: a lock on a domain is one. RFC 3261 §22.3, §16.5.
#[test]
fn no_from_gets_past_a_rule_for_a_domain() {
    const LOCKED: &str = "
        [[domain]]
        name = \"example.com\"
        aliases = [\"alt.example\"]
        [[domain]]
        name = \"school.example\"
        [[trunk]]
        name = \"provider\"
        targets = [{ to = \"sip:192.0.2.50\" }]
        [[route]]
        match = { from_domain = \"example.com\", prefix = \"0\" }
        refuse = 403
        [[route]]
        match = { prefix = \"0\" }
        trunk = \"provider\"
    ";
    for from in ["alice@example.com", "alice@alt.example", "alice@{proxy.host}"] {
        scene(LOCKED).run(&format!(
            "
            alice  -> proxy            INVITE sip:0123@example.com
                From: <sip:{from}>;tag=a1
            alice  <- proxy            403
            alice  -> proxy            ACK
            "
        ));
    }
    for from in ["sip:anonymous@anonymous.invalid", "sip:alice@far.example", "tel:+1"] {
        for to in ["sip:0123@example.com", "tel:0123", "sip:0123@{proxy.host}"] {
            scene(LOCKED)
                .run(&format!(
                    "
                    alice  -> proxy            INVITE {to}
                        From: <{from}>;tag=a1
                    alice  <- proxy            407
                    alice  -> proxy            ACK
                    alice  -> proxy            INVITE {to} (auth)
                    alice  <- proxy            403
                    alice  -> proxy            ACK
                    "
                ))
                .leaves_nothing();
        }
    }
}

/// Who says no name is asked for the credentials of the domain that he calls, for it is likely to be his. RFC 3261 §22.3.
#[test]
fn a_caller_without_a_name_is_asked_in_the_realm_that_he_calls() {
    for (domain, realm) in [("school.example", "school.example"), ("old.example", "school.example")] {
        scene(&domains(""))
            .run(&format!(
                "
                alice  -> proxy            INVITE sip:0123@{domain}
                    From: <sip:anonymous@anonymous.invalid>;tag=a1
                alice  <- proxy            407
                    Proxy-Authenticate: *realm=\"{realm}\"*
                alice  -> proxy            ACK
                "
            ))
            .leaves_nothing();
    }
}

/// Two domains, of which the second may not dial 0; the rule is written with its other name.
const LOCK: &str = "
    [[trunk]]
    name = \"row\"
    targets = [{ to = \"sip:192.0.2.51\" }]
    [[route]]
    match = { from_domain = \"old.example\", prefix = \"0\" }
    refuse = 403
    [[route]]
    match = { prefix = \"0\" }
    trunk = \"row\"
";

/// Whoever may not dial 0 may not do so in another name: the account counts, not From. RFC 3261 §26.1.2, §22.3.
#[test]
fn a_lock_asks_for_the_account() {
    let locked = || scene(&domains(LOCK)).address("row", "192.0.2.51:5060").domain("school.example");
    for from in ["alice@school.example", "alice@OLD.example"] {
        locked()
            .run(&format!(
                "
                alice  -> proxy            MESSAGE sip:0123@school.example
                    From: <sip:{from}>;tag=a1
                alice  <- proxy            403
                "
            ))
            .leaves_nothing();
    }
    for from in ["sip:anonymous@anonymous.invalid", "sip:alice@far.example", "tel:+1"] {
        locked()
            .run(&format!(
                "
                alice  -> proxy            MESSAGE sip:0123@school.example
                    From: <{from}>;tag=a1
                alice  <- proxy            407
                    Proxy-Authenticate: Digest realm=\"school.example\"*
                alice  -> proxy            MESSAGE sip:0123@school.example (auth)
                    From: <{from}>;tag=a1
                alice  <- proxy            403
                alice  -> proxy            MESSAGE tel:0123 #2 (auth)
                    From: <{from}>;tag=a2
                alice  <- proxy            403 #2
                alice  -> proxy            MESSAGE sip:0123@school.example #3 (auth)
                    From: <{from}>;tag=a3
                    Route: <sip:192.0.2.51;lr>
                alice  <- proxy            403 #3
                alice  -> proxy            MESSAGE sip:0123@school.example;maddr=192.0.2.51 #4 (auth)
                    From: <{from}>;tag=a4
                alice  <- proxy            403 #4
                "
            ))
            .leaves_nothing();
    }
}

/// A user of the other domain, who hides his name, passes: he is asked for the password of the domain that he calls.
/// RFC 3323 §4.1.1.3, RFC 3261 §22.3.
#[test]
fn users_of_every_domain_may_hide_their_names() {
    let open = LOCK.replace("old.example", "example.com");
    for (rules, domain) in [(LOCK, "example.com"), (&open, "school.example")] {
        scene(&domains(rules))
            .address("row", "192.0.2.51:5060")
            .domain(domain)
            .run(&format!(
                "
                alice  -> proxy            MESSAGE sip:0123@{domain}
                    From: <sip:anonymous@anonymous.invalid>;tag=a1
                alice  <- proxy            407
                    Proxy-Authenticate: Digest realm=\"{domain}\"*
                alice  -> proxy            MESSAGE sip:0123@{domain} (auth)
                    From: <sip:anonymous@anonymous.invalid>;tag=a1
                          proxy -> row     MESSAGE
                          proxy <- row     200
                alice  <- proxy            200
                "
            ))
            .leaves_nothing();
    }
}

/// A rule for those of one domain opens to nobody who only pretends to have an account there. RFC 3261 §22.3.
#[test]
fn a_wrong_password_is_of_no_domain() {
    let rule = "[[route]]\nmatch = { from_domain = \"example.com\", number = \"1\" }\nusers = true\nuser = \"bob\"\n";
    scene(&domains(&format!("{rule}{LOCK}")))
        .run(
            "
            given bob is registered
            forgetful -> proxy         OPTIONS sip:0123@example.com
                From: <sip:x@far.example>;tag=t1
            forgetful <- proxy         407
            forgetful -> proxy         OPTIONS sip:1@example.com #2 (auth)
                From: <sip:x@far.example>;tag=t2
            forgetful <- proxy         407 #2
            trudy  -> proxy            OPTIONS sip:1@example.com #3
                From: <sip:x@far.example>;tag=t3
                Proxy-Authorization: Digest username=\"bob\", realm=\"example.com\", nonce=\"7\", uri=\"sip:1@example.com\", response=\"00000000000000000000000000000000\"
            trudy  <- proxy            407 #3
            ",
        )
        .leaves_nothing();
}

/// The manual's factory, as printed: its users call each other, and by no name, number or way of their own anybody else.
/// RFC 3261 §16.3 step 6, §16.5.
#[test]
fn the_factory_of_the_manual() {
    let page = include_str!("../../../docs/domains.md");
    let printed = page.split("```toml\n").nth(1).and_then(|text| text.split("```").next()).expect("a block");
    let out = LOCK.rsplit("[[route]]").next().expect("a rule");
    let trunk = LOCK.split("[[route]]").next().expect("a trunk");
    scene(&format!("{printed}{trunk}[[route]]{out}"))
        .address("row", "192.0.2.51:5060")
        .domain("factory.example")
        .run(
            "
            given bob is registered
            alice  -> proxy            OPTIONS sip:factory.example
            alice  <- proxy            200
            alice  -> proxy            OPTIONS bob #2
            alice  <- proxy            407 #2
            alice  -> proxy            OPTIONS bob #2 (auth)
                      proxy -> bob     OPTIONS #2
                      proxy <- bob     200 #2
            alice  <- proxy            200 #2
            alice  -> proxy            OPTIONS sip:0123@factory.example #3 (auth)
            alice  <- proxy            404 #3
            alice  -> proxy            OPTIONS sip:0123@school.example #4 (auth)
            alice  <- proxy            403 #4
            alice  -> proxy            OPTIONS tel:0123 #5 (auth)
                From: <sip:x@far.example>;tag=a5
            alice  <- proxy            403 #5
            alice  -> proxy            OPTIONS sip:0123@192.0.2.51 #6 (auth)
                From: <sip:x@far.example>;tag=a6
            alice  <- proxy            403 #6
            alice  -> proxy            OPTIONS sip:0123@factory.example #7 (auth)
                From: <sip:x@far.example>;tag=a7
                Route: <sip:192.0.2.51;lr>
            alice  <- proxy            403 #7
            ",
        )
        .leaves_nothing();
}
