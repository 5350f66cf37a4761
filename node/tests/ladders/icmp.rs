//! ICMP errors about what was sent by UDP: RFC 3261 §18.4, §17.1.4. Nobody waits for a phone that is known to be gone.

use std::net::IpAddr;

use offhook_journal::EventKind;
use offhook_ladder::{Ladder, Stage};
use offhook_net::{Flow, IcmpError};
use offhook_sip::Transport;

use crate::exchange::{OPEN, Observed, open_ladder, scene, scene_of_shards, scene_with_messages};

/// One phone has left its port, the other is busy: the caller hears that at once. RFC 3261 §18.4, RFC 3261 §16.9.
#[test]
fn a_phone_that_is_gone_holds_nobody_up() {
    let stage = open_ladder(
        "
        given desk is registered as bob
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy -> mobile  INVITE
                  proxy <- desk    icmp port unreachable
                  proxy <- mobile  486
                  proxy -> mobile  ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    );
    assert_eq!(stage.exchange().count(EventKind::TargetUnreachable), 1);
    stage.leaves_nothing();
}

/// The only phone: as if it had said 503, which is 500 to the caller. RFC 3261 §18.4, RFC 3261 §17.1.4,
/// RFC 3261 §16.7 step 6.
#[test]
fn the_only_phone_is_gone() {
    for error in
        ["port unreachable", "protocol unreachable", "administratively prohibited", "parameter problem"]
    {
        open_ladder(&format!(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     icmp {error}
        alice  <- proxy            500
        alice  -> proxy            ACK
        alice  -> proxy            OPTIONS bob #2
                  proxy -> bob     OPTIONS #2
                  proxy <- bob     icmp {error}
        alice  <- proxy            500 #2
    "
        ))
        .leaves_nothing();
    }
}

/// The phones of the next preference ring as soon as those before them are gone. RFC 3261 §18.4, RFC 3261 §16.6.
#[test]
fn the_next_phones_ring_at_once() {
    open_ladder(
        "
        desk   -> proxy            REGISTER
            Contact: <sip:bob@{desk}>;q=1
            To: <sip:bob@example.com>
            From: <sip:bob@example.com>;tag=1
        desk   <- proxy            200
        mobile -> proxy            REGISTER
            Contact: <sip:bob@{mobile}>;q=0.5
            To: <sip:bob@example.com>
            From: <sip:bob@example.com>;tag=2
        mobile <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE
                  proxy <- desk    icmp port unreachable
                  proxy -> mobile  INVITE
                  proxy <- mobile  200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> mobile  ACK
    ",
    )
    .leaves_nothing();
}

/// A router that says "host unreachable" may find a way in a moment: the first repetition decides. RFC 3261 §18.4.
#[test]
fn what_a_router_says_is_asked_again() {
    for error in ["host unreachable", "network unreachable"] {
        open_ladder(&format!(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     icmp {error}
        +200ms alice <- proxy      100
        +300ms    proxy -> bob     INVITE (again)
                  proxy <- bob     icmp {error}
        alice  <- proxy            500
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob #2
                  proxy -> bob     INVITE #2
                  proxy <- bob     icmp {error}
        +200ms alice <- proxy      100 #2
        +300ms    proxy -> bob     INVITE #2 (again)
                  proxy <- bob     200 #2
        alice  <- proxy            200 #2
        alice  -> proxy            ACK #2
                  proxy -> bob     ACK #2
    "
        ))
        .leaves_nothing();
    }
}

/// Where it has rung the phone was there, whatever the network says later. RFC 3261 §17.1.1.2.
#[test]
fn a_phone_that_has_rung_was_there() {
    let stage = open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
                  proxy <- bob     icmp port unreachable
        +10s      proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
    ",
    );
    assert_eq!(stage.exchange().count(EventKind::TargetUnreachable), 0);
    stage.leaves_nothing();
}

/// The CANCEL has the branch of its INVITE, and so has the ACK to a refusal: an error about these is none of the INVITE. The
/// CANCEL is not repeated. RFC 3261 §9.1, RFC 3261 §17.1.1.3, RFC 3261 §17.1.4.
#[test]
fn an_error_about_the_cancel_or_the_ack() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        alice  -> proxy            CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL
                  proxy <- bob     icmp port unreachable
        +10s      proxy <- bob     487 INVITE
                  proxy -> bob     ACK
        alice  <- proxy            487
                  proxy <- bob     icmp port unreachable
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

const PAIR: &str = r#"
    [[trunk]]
    name = "pair"
    targets = [{ to = "sip:192.0.2.52" }, { to = "sip:192.0.2.53", priority = 1 }]
    domain = "pair.example"
    [[route]]
    match = { prefix = "7" }
    trunk = "pair"
"#;

fn pair(ladder: Ladder) -> Ladder {
    ladder.address("first", "192.0.2.52:5060").address("second", "192.0.2.53:5060")
}

/// The next target at once, whatever the error; later calls go there from the start, until the first is back.
/// RFC 3263 §4.3, RFC 3261 §18.4.
#[test]
fn a_trunk_whose_first_target_is_gone() {
    for error in IcmpError::ALL.map(IcmpError::name) {
        let stage = pair(scene(&format!("{PAIR}{OPEN}"))).run(&format!(
            "
        alice  -> proxy                INVITE sip:71@example.com
                  proxy -> first       INVITE
                  proxy <- first       icmp {error}
                  proxy -> second      INVITE
                  proxy <- second      200
        alice  <- proxy                200
        alice  -> proxy                ACK
                  proxy -> second      ACK
        alice  -> proxy                MESSAGE sip:72@example.com #2
                  proxy -> second      MESSAGE #2
                  proxy <- second      200 #2
        alice  <- proxy                200 #2
  +10s            proxy -> first       OPTIONS
                  proxy <- first       icmp port unreachable
  +10s            proxy -> first       OPTIONS
                  proxy <- first       200
        alice  -> proxy                MESSAGE sip:73@example.com #3
                  proxy -> first       MESSAGE #3
                  proxy <- first       200 #3
        alice  <- proxy                200 #3
    "
        ));
        let count = |kind| stage.exchange().count(kind);
        assert_eq!((count(EventKind::TargetDead), count(EventKind::TargetAlive)), (1, 1));
        stage.leaves_nothing();
    }
}

/// A target that is asked whether it lives is found dead at once. RFC 3261 §18.4.
#[test]
fn the_dead_are_found_at_once() {
    let checked = PAIR.replace("domain =", "health_check_s = 30\n    domain =");
    pair(scene(&format!("{checked}{OPEN}"))).run(
        "
                  proxy -> first       OPTIONS
                  proxy -> second      OPTIONS
                  proxy <- first       icmp port unreachable
                  proxy <- second      200
        alice  -> proxy                MESSAGE sip:71@example.com
                  proxy -> second      MESSAGE
                  proxy <- second      200
        alice  <- proxy                200
    ",
    );
}

/// The other way of a phone is tried at once, even where a router may find one in a moment. RFC 5626 §7, RFC 3261 §18.4.
#[test]
fn a_flow_that_is_gone() {
    open_ladder(
        "
        desk   -> proxy            REGISTER bob
            Supported: path, outbound
            Contact: <sip:bob@{desk};ob>;reg-id=1;+sip.instance=\"<urn:uuid:d1>\"
        desk   <- proxy            200
        +1s desk2 -> proxy         REGISTER bob
            Supported: path, outbound
            Contact: <sip:bob@{desk2};ob>;reg-id=2;+sip.instance=\"<urn:uuid:d1>\"
        desk2  <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> desk2   INVITE
                  proxy <- desk2   icmp host unreachable
                  proxy -> desk    INVITE
                  proxy <- desk    486
                  proxy -> desk    ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// A message for a phone that is gone is kept at once, and delivered when it is back. RFC 3428 §7, RFC 3261 §18.4.
#[test]
fn a_message_for_a_phone_that_is_gone_is_kept() {
    let mut stage = scene_with_messages(OPEN).run(
        "
        given bob is registered
        alice  -> proxy            MESSAGE bob
                  proxy -> bob     MESSAGE
                  proxy <- bob     icmp port unreachable
        alice  <- proxy            202
    ",
    );
    assert_eq!(stage.exchange().messages(), 1);
    stage.play(
        "
        +30s      proxy -> bob     MESSAGE
                  proxy <- bob     icmp port unreachable
    ",
    );
    assert_eq!(stage.exchange().messages(), 1, "it is still gone");
    stage.play(
        "
        +10s   bob -> proxy        REGISTER
        bob    <- proxy            200
                  proxy -> bob     MESSAGE
                  proxy <- bob     200
    ",
    );
    assert_eq!(stage.exchange().messages(), 0);
    stage.leaves_nothing();
}

/// A registrar of a trunk that is gone is left for the next at once. RFC 3261 §18.4, RFC 3261 §10.2.7.
#[test]
fn a_registration_goes_to_the_next_target() {
    let registers = PAIR.replace(
        "domain =",
        "user = \"4930123\"\n    password = \"correct horse\"\n    register = true\n    domain =",
    );
    let stage = pair(scene(&format!("{registers}{OPEN}"))).run(
        "
                  proxy -> first       REGISTER
                  proxy <- first       icmp port unreachable
                  proxy -> second      REGISTER
                  proxy <- second      200
    ",
    );
    let count = |kind| stage.exchange().count(kind);
    assert_eq!((count(EventKind::TargetDead), count(EventKind::TrunkRegistered)), (1, 1));
}

/// The phone's shard hears the error, the caller's has sent: it is handed over. RFC 3261 §18.4.
#[test]
fn an_error_finds_its_shard() {
    for callee in ["bob", "carol", "dave", "erin"] {
        scene_of_shards(OPEN, 4)
            .run(&format!(
                "
        given bob is registered
        given carol is registered
        given dave is registered
        given erin is registered
        alice  -> proxy            INVITE {callee}
                  proxy -> {callee}     INVITE
                  proxy <- {callee}     icmp port unreachable
        alice  <- proxy            500
        alice  -> proxy            ACK
        "
            ))
            .leaves_nothing();
    }
}

/// What was last sent to bob, and by which flow.
fn sent_to_bob(stage: &Stage) -> (String, Flow) {
    let (proxy, bob) = (stage.proxy(), stage.phone("bob"));
    let sent = stage.world().trace().iter().rev().find(|entry| entry.to == Some(bob)).expect("it was sent");
    let text = String::from_utf8_lossy(sent.message().expect("a message")).into_owned();
    (text, stage.world().flow(proxy, Transport::Udp, sent.wire.1))
}

/// Somebody sends errors and does not know what we have sent, or has it from somebody else: nothing ends.
/// RFC 3261 §18.4.
#[test]
fn what_others_make_up_ends_nothing() {
    let mut stage = open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
    ",
    );
    let (proxy, (invite, bob)) = (stage.proxy(), sent_to_bob(&stage));
    let at =
        |port, ip: &str| Flow { remote: (ip.parse::<IpAddr>().expect("an address"), port).into(), ..bob };
    let proof_at = invite.find("branch=").expect("a branch") + 40;
    let other = if invite[proof_at..].starts_with('0') { "1" } else { "0" };
    let forged = [
        (bob, [&invite[..proof_at], other, &invite[proof_at + 1..]].concat()),
        (bob, invite[..proof_at].to_owned()),
        (bob, invite.replacen("INVITE", "CANCEL", 1)),
        (bob, invite.replacen("INVITE", "ACK", 1)),
        (bob, invite.replacen("INVITE", "INVIT", 1)),
        (bob, invite.replacen("INVITE", "INVITED", 1)),
        (bob, invite.replacen("SIP/2.0", "HTTP/1.1", 1)),
        (bob, String::new()),
        (at(5061, "192.0.2.11"), invite.clone()),
        (at(5060, "192.0.2.99"), invite.clone()),
        (Flow { transport: Transport::Tcp, ..at(5060, "192.0.2.98") }, invite.clone()),
    ];
    for (to, quoted) in forged {
        stage.world_mut().forge_icmp(proxy, to, IcmpError::Port, quoted.into_bytes());
    }
    stage.play(
        "
        +200ms alice <- proxy      100
                  proxy <- bob     180
        alice  <- proxy            180
    ",
    );
    stage.world_mut().forge_icmp(proxy, bob, IcmpError::Port, invite.into_bytes());
    stage.play(
        "
        +1s       proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
    ",
    );
    assert_eq!(stage.exchange().count(EventKind::TargetUnreachable), 0);
    stage.leaves_nothing();
}

/// An error about a response ends nothing either: a refusal goes again until it is acknowledged, and a call that was taken
/// stays one. RFC 6026 §8.8: the server transaction "MUST remain in the current state".
#[test]
fn an_error_about_a_response() {
    for error in ["port unreachable", "host unreachable"] {
        let stage = open_ladder(&format!(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486
        alice  -> proxy            icmp {error}
        +500ms alice <- proxy      486 (again)
        alice  -> proxy            icmp {error}
        +200ms alice -> proxy      INVITE bob (again)
        alice  <- proxy            486 (again)
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob #2
                  proxy -> bob     INVITE #2
                  proxy <- bob     180 #2
        alice  <- proxy            180 #2
        alice  -> proxy            icmp {error}
                  proxy <- bob     200 #2
        alice  <- proxy            200 #2
        alice  -> proxy            icmp {error}
        +500ms    proxy <- bob     200 #2 (again)
        alice  <- proxy            200 #2 (again)
        alice  -> proxy            ACK #2
                  proxy -> bob     ACK #2
    "
        ));
        assert_eq!(stage.exchange().count(EventKind::TargetUnreachable), 0);
        stage.leaves_nothing();
    }
}

/// Nor does an error about another method, whatever the branch. RFC 3261 §18.4, RFC 3261 §17.1.3.
#[test]
fn an_error_about_another_method() {
    let mut stage = open_ladder(
        "
        given bob is registered
        alice  -> proxy            OPTIONS bob
                  proxy -> bob     OPTIONS
    ",
    );
    let (proxy, (options, bob)) = (stage.proxy(), sent_to_bob(&stage));
    for method in ["MESSAGE", "INVITE", "ACK", "CANCEL", "OPTION", "OPTIONSS"] {
        let quoted = options.replacen("OPTIONS", method, 1).into_bytes();
        stage.world_mut().forge_icmp(proxy, bob, IcmpError::Port, quoted);
    }
    stage.play(
        "
        +100ms    proxy <- bob     200
        alice  <- proxy            200
    ",
    );
    stage.leaves_nothing();
}

/// A host quotes what it has room for: the branch is enough. RFC 3261 §18.4.
#[test]
fn a_quote_that_is_cut_off_behind_the_branch() {
    let mut stage = open_ladder(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
    ",
    );
    let (proxy, (invite, bob)) = (stage.proxy(), sent_to_bob(&stage));
    let branch_ends = invite.match_indices("\r\nVia:").nth(1).expect("alice's Via is below").0;
    stage.world_mut().forge_icmp(proxy, bob, IcmpError::Port, invite[..branch_ends].into());
    stage.play(
        "
        alice  <- proxy            500
        alice  -> proxy            ACK
    ",
    );
    stage.leaves_nothing();
}
