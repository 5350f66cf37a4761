//! Who may do what: RFC 3261 §16.3 step 6, §22, and our default. Our users prove who they are and may call anywhere;
//! strangers may call our users; nobody else is relayed for.

use offhook_digest::{Challenge, Login, Request, answer};
use offhook_journal::EventKind;
use offhook_ladder::{Ladder, Stage, password_of};

use crate::exchange::{Observed, header_of, ladder, scene};

/// A user of ours is challenged before a call goes anywhere, and no state is kept meanwhile. RFC 3261 §16.3 step 6,
/// RFC 3261 §22.3, RFC 3261 §20.27.
#[test]
fn our_users_are_challenged() {
    ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
            Proxy-Authenticate: Digest realm=\"example.com\"*
        alice  -> proxy            ACK
        alice  -> proxy            MESSAGE bob
        alice  <- proxy            407
        alice  -> proxy            OPTIONS sip:carol@192.0.2.99
        alice  <- proxy            407
    ",
    )
    .leaves_nothing();
}

/// With credentials she calls anybody, here a phone of another domain by its address. RFC 3261 §22.3, RFC 3261 §20.28.
#[test]
fn our_users_call_anywhere() {
    ladder(
        "
        alice  -> proxy            MESSAGE sip:carol@{carol}
        alice  <- proxy            407
        alice  -> proxy            MESSAGE sip:carol@{carol} (auth)
                  proxy -> carol   MESSAGE sip:carol@{carol}
            !Proxy-Authorization
                  proxy <- carol   200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// A nonce is good for several requests. RFC 7616 §3.4.
#[test]
fn credentials_are_used_again() {
    ladder(
        "
        given bob is registered
        alice  -> proxy            MESSAGE bob
        alice  <- proxy            407
        alice  -> proxy            MESSAGE bob (auth)
                  proxy -> bob     MESSAGE
                  proxy <- bob     200
        alice  <- proxy            200
        +60s   alice -> proxy      OPTIONS bob (auth)
                  proxy -> bob     OPTIONS
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// A nonce grows old: the phone is given a new one and told that its password was right, so it does not ask its user.
/// RFC 7616 §3.3, RFC 3261 §22.4.
#[test]
fn an_old_nonce_is_stale() {
    ladder(
        "
        given bob is registered
        alice  -> proxy            MESSAGE bob
        alice  <- proxy            407
        +301s  alice -> proxy      MESSAGE bob (auth)
        alice  <- proxy            407
            Proxy-Authenticate: *stale=TRUE*
        alice  -> proxy            MESSAGE bob (auth)
                  proxy -> bob     MESSAGE
                  proxy <- bob     200
        alice  <- proxy            200
        +301s  bob -> proxy        REGISTER (auth)
        bob    <- proxy            401
            WWW-Authenticate: *stale=TRUE*
    ",
    )
    .leaves_nothing();
}

/// A wrong password and an unknown user get the same answer, to the letter. RFC 3261 §26.1, RFC 3261 §22.1.
#[test]
fn nobody_learns_who_has_an_account() {
    let mut stage = ladder(
        "
        given bob is registered
        forgetful -> proxy         MESSAGE bob
        forgetful <- proxy         407
        forgetful -> proxy         MESSAGE bob (auth)
        forgetful <- proxy         407
    ",
    );
    stage.play(
        "
        ghost  -> proxy            MESSAGE bob #2
        ghost  <- proxy            407 #2
        ghost  -> proxy            MESSAGE bob #2 (auth)
        ghost  <- proxy            407 #2
    ",
    );
    assert_eq!(stage.exchange().count(EventKind::AuthFailed), 2);
    let refusal = |name: &str| {
        let received = stage.world().received(stage.phone(name));
        let text = String::from_utf8_lossy(received[received.len() - 1]).into_owned();
        text.lines().filter(|line| !is_personal(line)).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(refusal("forgetful"), refusal("ghost"));
    stage.leaves_nothing();
}

/// Strangers call our users without credentials. RFC 3261 §16.3 step 6.
#[test]
fn strangers_call_our_users() {
    ladder(
        "
        given bob is registered
        trudy  -> proxy            INVITE bob
            From: <sip:trudy@elsewhere.example>;tag=t1
                  proxy -> bob     INVITE
                  proxy <- bob     200
        trudy  <- proxy            200
        trudy  -> proxy            ACK
                  proxy -> bob     ACK
                  proxy <- bob     BYE
        trudy  <- proxy            BYE
        trudy  -> proxy            200
                  proxy -> bob     200
    ",
    )
    .leaves_nothing();
}

/// Strangers get no further than our users: neither by address, nor by a Route that they have made up, nor by one of ours
/// without its seal. RFC 3261 §16.3 step 6, RFC 3261 §26.1.
#[test]
fn strangers_are_not_relayed() {
    for (uri, route) in [
        ("sip:carol@{carol}", ""),
        ("sip:carol@{carol};transport=tcp", ""),
        ("sip:carol@192.0.2.99", ""),
        ("bob", "Route: <sip:{carol};lr>"),
        ("bob", "Route: <sip:{proxy};lr>, <sip:{carol};lr>"),
        ("sip:carol@{carol}", "Route: <sip:{proxy};lr>"),
        ("sip:carol@{carol}", "Route: <sip:{proxy};lr;oh=AQAAAAAAAAAAAAAAAAAAAAA>"),
        ("sip:carol@{carol}", "Route: <sip:{proxy};lr;oh=AP8AAADEE8AAAguJvJhcVgZmVncmVncmVncmVn>"),
        ("sip:{proxy};lr;oh=AAAAAAAAAAAAAAAAAAAAAAA", "Route: <sip:carol@{carol}>"),
        ("sip:carol@{carol};maddr={proxy.host}", ""),
    ] {
        for method in ["INVITE", "MESSAGE", "BYE", "OPTIONS", "TELEPORT"] {
            ladder(&format!(
                "
        given carol is registered
        trudy  -> proxy            {method} {uri}
            From: <sip:trudy@elsewhere.example>;tag=t1
            {route}
        trudy  <- proxy            407
            "
            ));
        }
    }
}

/// A stranger does not learn who has an account here. RFC 3261 §26.1.
#[test]
fn strangers_learn_nothing() {
    let mut stage = ladder("given alice is registered");
    for user in ["nobody", "bob"] {
        stage.play(&format!(
            "
        trudy  -> proxy            INVITE {user}
            From: <sip:trudy@elsewhere.example>;tag=t1
        trudy  <- proxy            480
        trudy  -> proxy            ACK
        "
        ));
    }
    stage.leaves_nothing();
}

/// The administrator does not want strangers: then they are asked who they are, like everybody. RFC 3261 §16.3 step 6.
#[test]
fn strangers_are_switched_off() {
    let closed = || scene("[access]\nstrangers_may_call_users = false\n");
    closed()
        .run(
            "
        given bob is registered
        trudy  -> proxy            INVITE bob
            From: <sip:trudy@elsewhere.example>;tag=t1
        trudy  <- proxy            407
        trudy  -> proxy            ACK
        trudy  -> proxy            ACK (again)
        +1s
    ",
        )
        .leaves_nothing();
    // Whoever has an account here may call under another address: the account answers for it.
    closed()
        .run(
            "
        given bob is registered
        alice  -> proxy            MESSAGE bob
            From: <sip:alice@elsewhere.example>;tag=t1
        alice  <- proxy            407
        alice  -> proxy            MESSAGE bob (auth)
                  proxy -> bob     MESSAGE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
        )
        .leaves_nothing();
}

/// Credentials of one user do not let him call in the name of another. RFC 3261 §22.1.
#[test]
fn credentials_for_another_user() {
    ladder(
        "
        given bob is registered
        mallory -> proxy           INVITE bob
            From: <sip:alice@example.com>;tag=m1
        mallory <- proxy           407
        mallory -> proxy           ACK
        mallory -> proxy           INVITE bob (auth)
        mallory <- proxy           403 From is not your account
        mallory -> proxy           ACK
        given alice is registered
    ",
    )
    .leaves_nothing();
}

/// A request inside a dialog needs the seal of that dialog; what only looks like one is challenged, from our users and
/// from strangers. RFC 3261 §16.6 step 4, RFC 3261 §22.3.
#[test]
fn a_dialog_without_seal() {
    let mut stage = sealed_call();
    let bob = "sip:bob@{bob}";
    for from in ["<sip:alice@example.com>;tag=alice-9", "<sip:trudy@elsewhere.example>;tag=t9"] {
        stage.play(&format!(
            "
        mallory -> proxy           BYE {bob} #2
            From: {from}
            To: <sip:bob@example.com>;tag=bob-9
        mallory <- proxy           407 #2
        mallory -> proxy           BYE {bob} #2
            From: {from}
            To: <sip:bob@example.com>;tag=bob-9
            Route: <sip:{{proxy}};lr>
        mallory <- proxy           407 #2
        "
        ));
    }
    stage.leaves_nothing();
}

/// The sealed Route of one call is worth nothing in another. RFC 3261 §16.6 step 4.
#[test]
fn the_seal_of_another_dialog() {
    let mut stage = sealed_call();
    let received = stage.world().received(stage.phone("bob"));
    let invite =
        received.iter().map(|bytes| String::from_utf8_lossy(bytes)).find(|t| t.starts_with("INVITE"));
    let ours = header_of(&invite.expect("an INVITE"), "Record-Route").expect("a Record-Route");
    stage.play(&format!(
        "
        mallory -> proxy           MESSAGE sip:carol@192.0.2.99 #2
            Route: {ours}
        mallory <- proxy           407 #2
        mallory -> proxy           MESSAGE sip:carol@192.0.2.99 #2
            Route: {ours}
            Call-ID: {call_id}
        mallory <- proxy           407
        ",
        call_id = stage.last_header("alice", "Call-ID"),
    ));
    stage.leaves_nothing();
}

/// With the seal nobody asks, whoever sends: BYE, re-INVITE, MESSAGE pass. RFC 3261 §16.6 step 4.
#[test]
fn a_sealed_dialog_is_not_asked() {
    let mut stage = sealed_call();
    stage.play(
        "
        +1h    alice -> proxy      MESSAGE
                  proxy -> bob     MESSAGE
                  proxy <- bob     200
        alice  <- proxy            200
                  proxy <- bob     INVITE
        alice  <- proxy            INVITE
        alice  -> proxy            200
                  proxy -> bob     200
                  proxy <- bob     ACK
        alice  <- proxy            ACK
        alice  -> proxy            BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    );
    stage.leaves_nothing();
}

/// Credentials that answer a nonce given to somebody else, one made up, or one from another exchange are not believed,
/// though the password is right: a new nonce is given. RFC 7616 §5.10, RFC 3261 §22.4.
#[test]
fn a_nonce_belongs_to_its_source() {
    let mut stage = ladder(
        "
        given bob is registered
        alice  -> proxy            MESSAGE bob
        alice  <- proxy            407
    ",
    );
    let challenge = last_challenge(&stage, "alice");
    let mine = credentials(&challenge, "alice", ("MESSAGE", "sip:bob@example.com"), 1);
    let nonce = quoted(&mine, "nonce");
    let changed = mine.replace(&nonce, &format!("{}A", &nonce[..nonce.len() - 1]));
    for (phone, value) in [("carol", &mine), ("alice", &changed), ("alice", &mine.replace(&nonce, "7"))] {
        stage.play(&format!(
            "
        {phone}  -> proxy            MESSAGE bob #2
            From: <sip:alice@example.com>;tag=a2
            Proxy-Authorization: {value}
        {phone}  <- proxy            407 #2
            Proxy-Authenticate: *nonce=*stale=TRUE*
            "
        ));
    }
    assert_eq!(stage.exchange().count(EventKind::AuthFailed), 3);
    stage.leaves_nothing();
}

/// Credentials that were made for another target or another method open nothing. RFC 7616 §3.4.6, RFC 8760 §2.6.
#[test]
fn credentials_for_another_request() {
    let mut stage = ladder(
        "
        given bob is registered
        given carol is registered
        alice  -> proxy            MESSAGE bob
        alice  <- proxy            407
    ",
    );
    let challenge = last_challenge(&stage, "alice");
    for (method, uri) in [("MESSAGE", "sip:carol@example.com"), ("INVITE", "sip:bob@example.com")] {
        let value = credentials(&challenge, "alice", (method, uri), 1);
        stage.play(&format!(
            "
        alice  -> proxy            MESSAGE bob #2
            Proxy-Authorization: {value}
        alice  <- proxy            407 #2
            "
        ));
    }
    // The same target in another form is the same, and some phones name only the server.
    for (call, uri) in [(3, "sip:bob@EXAMPLE.com:5060"), (4, "sip:example.com")] {
        let value = credentials(&challenge, "alice", ("MESSAGE", uri), call);
        stage.play(&format!(
            "
        alice  -> proxy            MESSAGE bob #{call}
            Proxy-Authorization: {value}
                  proxy -> bob     MESSAGE #{call}
                  proxy <- bob     200 #{call}
        alice  <- proxy            200 #{call}
            "
        ));
    }
    stage.leaves_nothing();
}

/// Credentials for another proxy stand before ours: each phone that is tried, early or late, gets those and not ours.
/// RFC 3261 §22.3, RFC 3261 §16.6.
#[test]
fn credentials_for_another_proxy_pass() {
    let mut stage = ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
        bob    -> proxy            REGISTER
            Contact: <sip:first@{bob}>;q=0.9
            Contact: <sip:second@{bob}>;q=0.5
            Contact: <sip:bob@{bob}>;expires=0
        bob    <- proxy            401
        bob    -> proxy            REGISTER (auth)
        bob    <- proxy            200
    ",
    );
    let ours = credentials(&last_challenge(&stage, "alice"), "alice", ("INVITE", "sip:bob@example.com"), 1);
    let theirs = "Digest username=\"alice\", realm=\"far.example\", nonce=\"7\", uri=\"sip:bob@example.com\", response=\"00\"";
    stage.play(&format!(
        "
        alice  -> proxy            INVITE bob #2
            Proxy-Authorization: {theirs}
            Proxy-Authorization: {ours}
                  proxy -> bob     INVITE sip:first@* #2
            Proxy-Authorization: {theirs}
                  proxy <- bob     486 #2
                  proxy -> bob     ACK #2
                  proxy -> bob     INVITE sip:second@* #2
            Proxy-Authorization: {theirs}
                  proxy <- bob     486 #2
                  proxy -> bob     ACK #2
        alice  <- proxy            486 #2
        alice  -> proxy            ACK #2
    "
    ));
    for bytes in stage.world().received(stage.phone("bob")) {
        assert!(
            !String::from_utf8_lossy(bytes)
                .contains("Authorization: Digest username=\"alice\", realm=\"example.com\"")
        );
    }
    stage.leaves_nothing();
}

/// Nonsense in Proxy-Authorization is no credential, and no harm. RFC 3261 §22.3.
#[test]
fn nonsense_credentials() {
    for value in
        ["Digest", "Basic YWxpY2U6YQ==", "Digest username=\"alice", ",,,", "Digest realm=\"example.com\""]
    {
        ladder(&format!(
            "
        given bob is registered
        alice  -> proxy            MESSAGE bob
            Proxy-Authorization: {value}
        alice  <- proxy            407
        "
        ))
        .leaves_nothing();
    }
}

/// Stronger algorithms, where the administrator knows that all phones can: the first one offered is taken.
/// RFC 8760 §2.3, RFC 8760 §2.4.
#[test]
fn stronger_algorithms() {
    let strong = "[digest]\nalgorithms = [\"SHA-512-256\", \"SHA-256\", \"MD5\"]\n";
    scene(strong)
        .run(
            "
        given bob is registered
        alice  -> proxy            MESSAGE bob
        alice  <- proxy            407
            Proxy-Authenticate: *algorithm=SHA-512-256*
            Proxy-Authenticate: *algorithm=SHA-256*
            Proxy-Authenticate: *algorithm=MD5*
        alice  -> proxy            MESSAGE bob (auth)
                  proxy -> bob     MESSAGE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
        )
        .leaves_nothing();
}

/// A trunk that is open to strangers, and one that is not. RFC 3261 §16.3 step 6.
#[test]
fn open_and_closed_trunks() {
    let trunk = |open: bool| -> Ladder {
        let to = "to = \"sip:192.0.2.50:5060\"";
        scene(&format!("[[route]]\nmatch = {{ domain = \"pstn.example\" }}\n{to}\nopen = {open}\n"))
            .address("trunk", "192.0.2.50:5060")
    };
    trunk(true)
        .run(
            "
        trudy  -> proxy            INVITE sip:1234@pstn.example
            From: <sip:trudy@elsewhere.example>;tag=t1
                  proxy -> trunk   INVITE sip:1234@pstn.example
                  proxy <- trunk   486
                  proxy -> trunk   ACK
        trudy  <- proxy            486
        trudy  -> proxy            ACK
    ",
        )
        .leaves_nothing();
    trunk(false)
        .run(
            "
        given bob is registered
        trudy  -> proxy            INVITE sip:1234@pstn.example
            From: <sip:trudy@elsewhere.example>;tag=t1
        trudy  <- proxy            407
        trudy  -> proxy            ACK
        bob    -> proxy            INVITE sip:1234@pstn.example
        bob    <- proxy            407
        bob    -> proxy            ACK
        bob    -> proxy            INVITE sip:1234@pstn.example (auth)
        trunk  <- proxy            INVITE sip:1234@pstn.example
            !Proxy-Authorization
        trunk  -> proxy            200
        bob    <- proxy            200
        bob    -> proxy            ACK
        trunk  <- proxy            ACK
        trunk  -> proxy            BYE
        bob    <- proxy            BYE
        bob    -> proxy            200
        trunk  <- proxy            200
    ",
        )
        .leaves_nothing();
}

/// A refusal is never larger than a few times the request that caused it: strangers cannot use us to flood others with
/// forged source addresses. RFC 3261 §26.1.1.
#[test]
fn no_amplification() {
    let mut stage = ladder("given bob is registered");
    for request in ["INVITE bob", "OPTIONS proxy", "INVITE sip:carol@192.0.2.99", "MESSAGE nobody"] {
        stage.play(&format!(
            "
        trudy  -> proxy            {request}
            Max-Forwards: 0
            From: <sip:trudy@elsewhere.example>;tag=t1
        trudy  <- proxy            {}
        ",
            if request.starts_with("OPTIONS") { 200 } else { 483 }
        ));
        let entries = stage.world().trace();
        let bytes = |from_end: usize| entries[entries.len() - from_end].message().map_or(0, <[u8]>::len);
        let (asked, answered) = (bytes(2), bytes(1));
        assert!(answered < asked * 2, "{request}: {asked} bytes asked, {answered} answered");
    }
}

/// A call between alice and bob, set up with credentials.
fn sealed_call() -> Stage {
    ladder(
        "
        given alice is registered
        given bob is registered
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob (auth)
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
    ",
    )
}

/// The first challenge in the last message to a phone.
fn last_challenge(stage: &Stage, phone: &str) -> String {
    let received = stage.world().received(stage.phone(phone));
    let text = String::from_utf8_lossy(received[received.len() - 1]).into_owned();
    header_of(&text, "Proxy-Authenticate").expect("a challenge")
}

/// What this user answers to it, with the right password, when it uses it for the `count`th time.
pub(crate) fn credentials(challenge: &str, user: &str, (method, uri): (&str, &str), count: u32) -> String {
    let challenge = Challenge::parse(challenge.as_bytes()).expect("a challenge of ours");
    let password = password_of(user);
    let login = Login { username: user, password: &password };
    answer(&challenge, login, Request { method, uri, body: b"" }, "c0ffee", count)
}

/// A parameter in quotes.
pub(crate) fn quoted(value: &str, name: &str) -> String {
    let from = value.find(&format!("{name}=\"")).expect("the parameter") + name.len() + 2;
    value[from..].split('"').next().unwrap_or_default().to_owned()
}

/// Lines that differ from phone to phone, and nonces, which differ each time.
fn is_personal(line: &str) -> bool {
    ["Via:", "From:", "To:", "Call-ID:", "Proxy-Authenticate:"].iter().any(|name| line.starts_with(name))
}
