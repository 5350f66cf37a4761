//! Messages for those who cannot be reached: RFC 3428.

use offhook_journal::EventKind;
use offhook_locate::Nowhere;
use offhook_simnet::NameServer;

use crate::exchange::{OPEN, Observed, scene, scene_with_messages, scene_with_messages_and_names};

/// Bob has no phone. What Alice writes him is kept, and his phone gets it as soon as it registers: from her, with her
/// words, and with the time when it was written. RFC 3428 §7 (202), RFC 3428 §4 (Date).
#[test]
fn a_message_waits_for_a_registration() {
    let mut stage = scene_with_messages(OPEN).user("bob").run(
        "
        alice  -> proxy            MESSAGE bob
            Content-Type: message/cpim
            | From: Alice
            | hello
        alice  <- proxy            202
            To: *;tag=*
            !Contact
        ",
    );
    assert_eq!(stage.exchange().messages(), 1);
    stage.play(
        "
        +1h    bob -> proxy        REGISTER
        bob    <- proxy            200
                  proxy -> bob     MESSAGE sip:bob@{bob}
            From: <sip:alice@example.com>;tag=*
            To: <sip:bob@example.com>
            Content-Type: message/cpim
            Date: *
            Max-Forwards: 70
            | From: Alice
            | hello
                  proxy <- bob     200
        ",
    );
    assert_eq!(stage.exchange().messages(), 0);
    stage.leaves_nothing();
}

/// Three messages arrive in the order in which they were sent, one after the other: RFC 3428 §8 forbids to overlap them.
/// When the phone knew the first already (482), it has it. RFC 3428 §8, RFC 3261 §8.2.2.2.
#[test]
fn messages_keep_their_order() {
    let mut stage = scene_with_messages(OPEN).user("bob").run(
        "
        alice  -> proxy            MESSAGE bob
            | one
        alice  <- proxy            202
        carol  -> proxy            MESSAGE bob #2
            | two
        carol  <- proxy            202 #2
        alice  -> proxy            MESSAGE bob #3
            | three
        alice  <- proxy            202 #3
        bob    -> proxy            REGISTER
        bob    <- proxy            200
                  proxy -> bob     MESSAGE
            | one
        +100ms    proxy <- bob     482
                  proxy -> bob     MESSAGE #2
            | two
        +100ms    proxy <- bob     200 #2
                  proxy -> bob     MESSAGE #3
            | three
                  proxy <- bob     202 #3
        ",
    );
    assert_eq!(stage.exchange().messages(), 0);
    stage.play("+2h");
    stage.leaves_nothing();
}

/// Bob's desk phone does not answer, his mobile does: all his devices get it, one is enough. RFC 3428 §6.
#[test]
fn one_device_is_enough() {
    let stage = scene_with_messages(OPEN).user("bob").run(
        "
        alice  -> proxy            MESSAGE bob
        alice  <- proxy            202
        desk   -> proxy            REGISTER bob
        desk   <- proxy            200
                  proxy -> desk    MESSAGE
        +100ms    proxy <- desk    480
        +20s   mobile -> proxy     REGISTER bob
        mobile <- proxy            200
                  proxy -> mobile  MESSAGE
                  proxy -> desk    MESSAGE
                  proxy <- mobile  200
                  proxy <- desk    480
        ",
    );
    assert_eq!(stage.exchange().messages(), 0);
    stage.leaves_nothing();
}

/// A device that does not want it: the message is gone, and nobody is asked again. RFC 3428 §7 (4xx, 6xx).
#[test]
fn a_refused_message_is_gone() {
    for status in ["415", "603", "404"] {
        let stage = scene_with_messages(OPEN).user("bob").run(&format!(
            "
            alice  -> proxy            MESSAGE bob
            alice  <- proxy            202
            bob    -> proxy            REGISTER
            bob    <- proxy            200
                      proxy -> bob     MESSAGE
                      proxy <- bob     {status}
            +2h
            "
        ));
        assert_eq!(stage.exchange().messages(), 0, "{status}");
        stage.leaves_nothing();
    }
}

/// A phone that is not able to at the moment is asked again after half a minute, then after a minute; however often it
/// registers meanwhile, not within ten seconds of a failure.
#[test]
fn a_failure_is_tried_again_and_a_flood_of_registrations_changes_little() {
    let mut stage = scene_with_messages(OPEN).user("bob").run(
        "
        alice  -> proxy            MESSAGE bob
        alice  <- proxy            202
        bob    -> proxy            REGISTER
        bob    <- proxy            200
                  proxy -> bob     MESSAGE
                  proxy <- bob     503
        +30s      proxy -> bob     MESSAGE
                  proxy <- bob     480
        ",
    );
    for _ in 0..9 {
        stage.play(
            "
            +1s    bob -> proxy        REGISTER
            bob    <- proxy            200
            ",
        );
    }
    stage.play(
        "
        +1s       proxy -> bob     MESSAGE
                  proxy <- bob     200
        ",
    );
    assert_eq!(stage.exchange().messages(), 0);
    stage.leaves_nothing();
}

/// Bob's phone is registered and silent. Alice hears 202 before her own patience ends; what the phone says after that
/// counts no more. It gets the message when it registers again. RFC 3428 §7, RFC 4320 §4.1.
#[test]
fn a_silent_phone_is_no_phone() {
    let mut stage = scene_with_messages(OPEN).run(
        "
        given bob is registered
        alice  -> proxy            MESSAGE bob
                  proxy -> bob     MESSAGE
        +500ms    proxy -> bob     MESSAGE (again)
        +1s       proxy -> bob     MESSAGE (again)
        +2s       proxy -> bob     MESSAGE (again)
        alice  <- proxy            100
        +3500ms alice <- proxy     202
        +1s       proxy <- bob     200
        +1s    alice -> proxy      MESSAGE bob (again)
        alice  <- proxy            202
        ",
    );
    assert_eq!(stage.exchange().messages(), 1);
    stage.play(
        "
        bob    -> proxy            REGISTER
        bob    <- proxy            200
                  proxy -> bob     MESSAGE
                  proxy <- bob     200
        ",
    );
    stage.leaves_nothing();
}

/// The phone says itself that it is away, or its proxy lost it: as good as none. One that is busy is there, and the sender
/// hears it. RFC 3428 §7.
#[test]
fn phones_that_are_away() {
    for (status, told, waiting) in
        [("480", "202", 1), ("503", "202", 1), ("486", "486", 0), ("415", "415", 0)]
    {
        let stage = scene_with_messages(OPEN).run(&format!(
            "
            given bob is registered
            alice  -> proxy            MESSAGE bob
                      proxy -> bob     MESSAGE
                      proxy <- bob     {status}
            alice  <- proxy            {told}
            "
        ));
        assert_eq!(stage.exchange().messages(), waiting, "{status}");
    }
}

/// Of two devices one is away and one has it. RFC 3428 §6.
#[test]
fn what_one_device_has_is_not_kept() {
    let stage = scene_with_messages(OPEN).run(
        "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            MESSAGE bob
                  proxy -> desk    MESSAGE
                  proxy -> mobile  MESSAGE
                  proxy <- desk    480
        +100ms    proxy <- mobile  200
        alice  <- proxy            200
        ",
    );
    assert_eq!(stage.exchange().messages(), 0);
    stage.leaves_nothing();
}

/// Who may leave a message: a user who has proved it. A stranger may not, whoever he says he is, and neither makes any
/// state. Nobody may for a user that is not there. RFC 3261 §22.3, RFC 3428 §11.
#[test]
fn only_known_senders_leave_messages() {
    let stage = scene_with_messages("").user("bob").run(
        "
        alice  -> proxy            MESSAGE bob
        alice  <- proxy            407
        trudy  -> proxy            MESSAGE bob #2
            From: <sip:trudy@elsewhere.example>;tag=t1
        trudy  <- proxy            480 #2
        alice  -> proxy            MESSAGE bob (auth)
        alice  <- proxy            202
        alice  -> proxy            MESSAGE nobody #3 (auth)
        alice  <- proxy            404 #3
        ",
    );
    assert_eq!(stage.exchange().messages(), 1);
}

/// Nobody was there for a message, and somebody is when its repetition comes, or a copy that was long on its way. Its sender
/// was told so once and is told so again: it is not delivered behind his back. A stranger's leaves no state, and is.
/// RFC 3261 §8.2.7, RFC 3261 §17.2.2.
#[test]
fn a_refused_message_stays_refused() {
    let mut stage = scene("").user("bob").run(
        "
        alice  -> proxy            MESSAGE bob
        alice  <- proxy            407
        alice  -> proxy            MESSAGE bob (auth)
        alice  <- proxy            480
        trudy  -> proxy            MESSAGE bob #2
            From: <sip:trudy@elsewhere.example>;tag=t1
        trudy  <- proxy            480 #2
        given bob is registered
        +500ms alice -> proxy      MESSAGE bob (again)
        alice  <- proxy            480 (again)
        trudy  -> proxy            MESSAGE bob #2 (again)
                  proxy -> bob     MESSAGE #2
                  proxy <- bob     200 #2
        trudy  <- proxy            200 #2
    ",
    );
    assert_eq!(stage.exchange().count(EventKind::RequestRefused), 2, "each refusal once");
    stage.play("+32s");
    stage.leaves_nothing();
}

/// There is no room for one more transaction: then it is refused without. RFC 3261 §8.2.7.
#[test]
fn a_refusal_without_room_leaves_no_state() {
    let full = format!("[limits]\ntransactions_max = 1\n{OPEN}");
    scene(&full).user("bob").run(
        "
        alice  -> proxy            MESSAGE bob
        alice  <- proxy            480
        carol  -> proxy            MESSAGE bob #2
        carol  <- proxy            480 #2
        given bob is registered
        +500ms alice -> proxy      MESSAGE bob (again)
        alice  <- proxy            480 (again)
    ",
    );
}

/// What expires before anybody registers is not delivered; what must not wait at all is refused. RFC 3428 §7.
#[test]
fn messages_expire() {
    let mut stage = scene_with_messages(OPEN).user("bob").run(
        "
        alice  -> proxy            MESSAGE bob
            Expires: 0
        alice  <- proxy            480
        alice  -> proxy            MESSAGE bob #2
            Expires: 60
        alice  <- proxy            202 #2
        +59s
        ",
    );
    assert_eq!(stage.exchange().messages(), 1);
    stage.play(
        "
        +1s    bob -> proxy        REGISTER
        bob    <- proxy            200
        +60s
        ",
    );
    assert_eq!(stage.exchange().messages(), 0);
    stage.leaves_nothing();
}

/// One account takes so many, one message may be so long. RFC 3428 §8.
#[test]
fn there_is_an_end_of_it() {
    let keys =
        format!("{OPEN}[messages]\nper_account_max = 2\nper_sender_max = 3\nmessage_bytes_max = 1300\n");
    let long = "x".repeat(1_300);
    let stage = scene_with_messages(&keys).user("bob").user("carol").run(&format!(
        "
        alice  -> proxy            MESSAGE bob
        alice  <- proxy            202
        alice  -> proxy            MESSAGE carol #2
            | {long}
        alice  <- proxy            413 #2
        alice  -> proxy            MESSAGE bob #3
        alice  <- proxy            202 #3
        alice  -> proxy            MESSAGE bob #4
        alice  <- proxy            480 #4
        alice  -> proxy            MESSAGE carol #5
        alice  <- proxy            202 #5
        alice  -> proxy            MESSAGE carol #6
        alice  <- proxy            403 #6
        "
    ));
    assert_eq!(stage.exchange().messages(), 3);
    stage.leaves_nothing();
}

/// The exchange is killed: what was acknowledged is there, and reaches the phone that had registered before without
/// another registration. A sender who has not heard the 202 sends again, and it is kept once. RFC 3428 §7.
#[test]
fn messages_outlive_the_exchange() {
    let mut stage = scene_with_messages(OPEN).run(
        "
        given bob is registered
        alice  -> proxy            MESSAGE bob
                  proxy -> bob     MESSAGE
                  proxy <- bob     480
        alice  <-x proxy           202
        ",
    );
    stage.kill_and_restart();
    stage.play(
        "
        +500ms alice -> proxy      MESSAGE bob (again)
                  proxy -> bob     MESSAGE
                  proxy <- bob     480
        alice  <- proxy            202
        ",
    );
    assert_eq!(stage.exchange().messages(), 1);
    stage.play(
        "
        +1500ms   proxy -> bob     MESSAGE
                  proxy <- bob     200
        ",
    );
    assert_eq!(stage.exchange().messages(), 0);
    stage.kill_and_restart();
    stage.play("+1min");
    stage.leaves_nothing();
}

/// With `from_registered_flows` a MESSAGE over the flow of the sender's own device needs no credentials; from another port,
/// in another user's name, or with another method it does. RFC 3261 §22.1.
#[test]
fn registered_flows_need_no_credentials() {
    let keys = "[messages]\nfrom_registered_flows = true\n";
    for transport in ["udp", "tcp"] {
        scene_with_messages(keys)
            .run(&format!(
                "
                given alice is registered over {transport}
                given bob is registered
                alice  -> proxy/{transport} MESSAGE bob
                          proxy -> bob     MESSAGE
                          proxy <- bob     200
                alice  <- proxy            200
                mallory -> proxy/{transport} MESSAGE bob #2
                    From: <sip:alice@example.com>;tag=m1
                mallory <- proxy           407 #2
                alice  -> proxy            MESSAGE bob #3
                    From: <sip:bob@example.com>;tag=m2
                alice  <- proxy            407 #3
                alice  -> proxy            OPTIONS bob #4
                alice  <- proxy            407 #4
                "
            ))
            .leaves_nothing();
    }
}

/// Messages for a `sips` URI wait for a device that is reached by TLS. RFC 5630 §5.3.
#[test]
fn a_secure_message_does_not_go_in_the_clear() {
    let stage = scene_with_messages(OPEN).user("bob").run(
        "
        alice  -> proxy            MESSAGE sips:bob@example.com
        alice  <- proxy            202
        bob    -> proxy            REGISTER
        bob    <- proxy            200
        +1min
        ",
    );
    assert_eq!(stage.exchange().messages(), 1);
    stage.leaves_nothing();
}

/// Nothing waits behind them: what may travel by any transport is delivered meanwhile. RFC 5630 §5.3, RFC 3428 §7.
#[test]
fn a_secure_message_holds_up_nobody() {
    let stage = scene_with_messages(OPEN).user("bob").run(
        "
        alice  -> proxy            MESSAGE sips:bob@example.com
        alice  <- proxy            202
        carol  -> proxy            MESSAGE bob
            | one
        carol  <- proxy            202
        carol  -> proxy            MESSAGE bob #2
            | two
        carol  <- proxy            202 #2
        bob    -> proxy            REGISTER
        bob    <- proxy            200
                  proxy -> bob     MESSAGE
            | one
                  proxy <- bob     200
                  proxy -> bob     MESSAGE #2
            | two
                  proxy <- bob     200 #2
        +1min
        ",
    );
    assert_eq!(stage.exchange().messages(), 1);
    stage.leaves_nothing();
}

/// To a user whom a rule leads to, by number: it waits for that user. RFC 3428 §7.
#[test]
fn a_number_has_a_mailbox_too() {
    let keys = format!("{OPEN}[[route]]\nmatch.number = \"17\"\nusers = true\nuser = \"bob\"\n");
    scene_with_messages(&keys)
        .user("bob")
        .run(
            "
            alice  -> proxy            MESSAGE 17
            alice  <- proxy            202
            bob    -> proxy            REGISTER
            bob    <- proxy            200
                      proxy -> bob     MESSAGE sip:bob@{bob}
                      proxy <- bob     200
            ",
        )
        .leaves_nothing();
}

/// A neighbour's messages are the neighbour's, whatever credentials for us it lets pass: nobody has looked at them. RFC 3428
/// §8.
#[test]
fn a_neighbour_leaves_messages_in_its_own_name() {
    let keys = "
        [messages]
        per_sender_max = 2
        [[trunk]]
        name = \"provider\"
        targets = [{ to = \"sip:192.0.2.50\" }]
        peers = [\"192.0.2.50\"]
    ";
    let mut ladder = String::new();
    for (n, status) in [(1, 202), (2, 202), (3, 403)] {
        ladder += &format!(
            "
            provider -> proxy          MESSAGE bob #{n}
                From: <sip:{n}@elsewhere.example>;tag=p{n}
                Proxy-Authorization: Digest username=\"{n}\", realm=\"example.com\", nonce=\"x\", uri=\"sip:bob@example.com\", response=\"00000000000000000000000000000000\"
            provider <- proxy          {status} #{n}
            "
        );
    }
    let scene = scene_with_messages(keys).user("bob").address("provider", "192.0.2.50:5060");
    assert_eq!(scene.run(&ladder).exchange().messages(), 2);
}

/// Numbers of ours are looked up in public first.
const LOOKED_UP: &str =
    "[[route]]\nmatch.prefix = \"00\"\nenum = \"e164.arpa\"\nusers = true\nstrip = 2\nprepend = \"+\"\n";

/// The number was looked up first: what waited for that is kept like any other. RFC 3428 §7, RFC 6116 §3.4.3.
#[test]
fn a_number_that_was_looked_up_has_a_mailbox() {
    let names = NameServer::new().nowhere("+4917 below e164.arpa", Nowhere::NoSuchName).delay_ms(40);
    scene_with_messages_and_names(&format!("{OPEN}{LOOKED_UP}"), names)
        .user("+4917")
        .run(
            "
            alice  -> proxy            MESSAGE sip:004917@example.com
            +40ms alice <- proxy       202
            alice  -> proxy            MESSAGE sip:004917@example.com #2
            alice  <- proxy            202 #2
            given home is registered as +4917
                      proxy -> home    MESSAGE sip:home@{home}
                      proxy <- home    200
                      proxy -> home    MESSAGE sip:home@{home} #2
                      proxy <- home    200 #2
            ",
        )
        .leaves_nothing();
}

/// So is what waited for that and then found a phone that is away. RFC 3428 §7.
#[test]
fn a_phone_behind_a_number_that_was_looked_up() {
    let names = NameServer::new().nowhere("+4917 below e164.arpa", Nowhere::NoSuchName).delay_ms(40);
    scene_with_messages_and_names(&format!("{OPEN}{LOOKED_UP}"), names).run(
        "
            given home is registered as +4917
            alice  -> proxy            MESSAGE sip:004917@example.com
            +40ms     proxy -> home    MESSAGE sip:home@{home}
                      proxy <- home    480
            alice  <- proxy            202
            ",
    );
}
