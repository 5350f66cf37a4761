//! Trunks of which one machine leaves request after request unanswered: RFC 7339 §5.9, RFC 3263 §4.3.

use offhook_ladder::Stage;

use crate::exchange::{OPEN, scene};

const TWO: &str = r#"
    [[trunk]]
    name = "pstn"
    targets = [
        { to = "sip:192.0.2.50:5060;transport=tcp" },
        { to = "sip:192.0.2.51:5060;transport=tcp", priority = 1 },
    ]
    [[route]]
    match = { domain = "pstn.example" }
    trunk = "pstn"
"#;

/// The first machine has left three calls unanswered, and the second has too much to do: the fourth does not wait for the
/// first once more.
fn silent_and_busy() -> Stage {
    let house = scene(&format!("{OPEN}{TWO}"));
    house.address("first", "192.0.2.50:5060").address("second", "192.0.2.51:5060").run(
        "
        alice  -> proxy            INVITE sip:1@pstn.example #1
                  proxy -> first/tcp INVITE #1
        alice  -> proxy            INVITE sip:2@pstn.example #2
                  proxy -> first   INVITE #2
        alice  -> proxy            INVITE sip:3@pstn.example #3
                  proxy -> first   INVITE #3
        @200ms alice <- proxy      100 #1
        @200ms alice <- proxy      100 #2
        @200ms alice <- proxy      100 #3
        @4s       proxy -> second/tcp INVITE #1
                  proxy -> second  INVITE #2
                  proxy -> second  INVITE #3
                  proxy <- second  486 #1
                  proxy -> second  ACK #1
        alice  <- proxy            486 #1
        alice  -> proxy            ACK #1
                  proxy <- second  486 #2
                  proxy -> second  ACK #2
        alice  <- proxy            486 #2
        alice  -> proxy            ACK #2
                  proxy <- second  486 #3
                  proxy -> second  ACK #3
        alice  <- proxy            486 #3
        alice  -> proxy            ACK #3
        alice  -> proxy            INVITE sip:4@pstn.example #4
                  proxy -> second  INVITE #4
                  proxy <- second  503 #4
            Retry-After: 120
                  proxy -> second  ACK #4
        alice  <- proxy            500 #4
        alice  -> proxy            ACK #4
    ",
    )
}

/// The next call does not wait for the machine that is silent, and is not refused because of it: the other one may have time
/// again. RFC 7339 §5.9, RFC 3263 §4.3.
#[test]
fn the_other_machine_is_tried() {
    silent_and_busy().play(
        "
        alice  -> proxy            INVITE sip:5@pstn.example #5
                  proxy -> second  INVITE #5
                  proxy <- second  200 #5
        alice  <- proxy            200 #5
        alice  -> proxy            ACK #5
                  proxy -> second  ACK #5
    ",
    );
}

/// Where the one that is asked first says nothing, and the other one is left alone, the first is waited for: nobody is refused
/// early because there is no detour. RFC 7339 §5.9, RFC 3261 §16.7.
#[test]
fn where_the_others_are_silent_the_first_has_its_time() {
    let house = scene(&format!("{OPEN}{TWO}"));
    house.address("first", "192.0.2.50:5060").address("second", "192.0.2.51:5060").run(
        "
        alice  -> proxy            INVITE sip:1@pstn.example #1
                  proxy -> first/tcp INVITE #1
        alice  -> proxy            INVITE sip:2@pstn.example #2
                  proxy -> first   INVITE #2
        alice  -> proxy            INVITE sip:3@pstn.example #3
                  proxy -> first   INVITE #3
                  proxy <- first   503 #1
                  proxy -> first   ACK #1
                  proxy -> second/tcp INVITE #1
                  proxy <- first   503 #2
                  proxy -> first   ACK #2
                  proxy -> second  INVITE #2
                  proxy <- first   503 #3
                  proxy -> first   ACK #3
                  proxy -> second  INVITE #3
        @200ms alice <- proxy      100 #1
        @200ms alice <- proxy      100 #2
        @200ms alice <- proxy      100 #3
        @10s      proxy -> first   OPTIONS
                  proxy <- first   200
        @32s   alice <- proxy      408 #1
        alice  <- proxy            408 #2
        alice  <- proxy            408 #3
        alice  -> proxy            ACK #1
        alice  -> proxy            ACK #2
        alice  -> proxy            ACK #3
        @33s   alice -> proxy      INVITE sip:4@pstn.example #4
                  proxy -> first   INVITE #4
        +200ms alice <- proxy      100 #4
        @39s      proxy <- first   180 #4
        alice  <- proxy            180 #4
                  proxy <- first   200 #4
        alice  <- proxy            200 #4
        alice  -> proxy            ACK #4
                  proxy -> first   ACK #4
    ",
    );
}

/// A call that a phone sends on to a trunk that is left alone does not wait there either: the caller is told the number. RFC 7339
/// §5.9, RFC 3261 §16.7 step 4.
#[test]
fn nobody_is_redirected_to_who_is_silent() {
    let trunk = r#"
        [proxy]
        follow_redirects = "all"
        [[trunk]]
        name = "pstn"
        targets = [{ to = "sip:192.0.2.50:5060;transport=tcp" }]
        [[route]]
        match = { domain = "pstn.example" }
        trunk = "pstn"
    "#;
    scene(&format!("{OPEN}{trunk}")).address("first", "192.0.2.50:5060").run(
        "
        given bob is registered
        alice  -> proxy            INVITE sip:1@pstn.example #1
                  proxy -> first/tcp INVITE #1
        alice  -> proxy            INVITE sip:2@pstn.example #2
                  proxy -> first   INVITE #2
        alice  -> proxy            INVITE sip:3@pstn.example #3
                  proxy -> first   INVITE #3
        @200ms alice <- proxy      100 #1
        @200ms alice <- proxy      100 #2
        @200ms alice <- proxy      100 #3
        @32s   alice <- proxy      408 #1
        alice  <- proxy            408 #2
        alice  <- proxy            408 #3
        alice  -> proxy            ACK #1
        alice  -> proxy            ACK #2
        alice  -> proxy            ACK #3
        alice  -> proxy            INVITE bob #4
                  proxy -> bob     INVITE #4
                  proxy <- bob     302 #4
            Contact: <sip:4@pstn.example>
                  proxy -> bob     ACK #4
        alice  <- proxy            302 #4
            Contact: <sip:4@pstn.example>
        alice  -> proxy            ACK #4
    ",
    );
}
