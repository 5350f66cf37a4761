//! Calls over TCP, and between TCP and UDP: RFC 3261 §18, RFC 5658, RFC 5626.

use offhook_simnet::{Nat, NatKind};
use offhook_sip::Transport;

use crate::exchange::{OPEN, Observed, ladder, open_ladder, scene, scene_on_disk};

/// Both phones on TCP: everything goes over the connections they have opened. RFC 3261 §18.2.2, RFC 5626 §5.3.
#[test]
fn a_call_over_tcp() {
    ladder(
        "
        given alice is registered over tcp
        given bob is registered over tcp
        alice  -> proxy            INVITE bob
        alice  <- proxy            407
        alice  -> proxy            ACK
        alice  -> proxy            INVITE bob (auth)
                  proxy -> bob     INVITE sip:bob@{bob};transport=tcp
            Via: SIP/2.0/TCP {proxy.host};branch=*
            Record-Route: <sip:{proxy.host};transport=tcp;lr;oh=*>
                  proxy <- bob     180
        alice  <- proxy            180
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        +1min     proxy <- bob     BYE
        alice  <- proxy            BYE sip:alice@{alice};transport=tcp
        alice  -> proxy            200
                  proxy -> bob     200
    ",
    )
    .leaves_nothing();
}

/// From TCP to UDP: two Record-Routes, so that each side keeps to its transport, in both directions. RFC 5658 §4.
#[test]
fn from_tcp_to_udp() {
    for who_hangs_up in ["alice", "bob"] {
        let bye = match who_hangs_up {
            "alice" => {
                "
        alice  -> proxy            BYE
                  proxy -> bob     BYE sip:bob@{bob}
            !Route
                  proxy <- bob     200
        alice  <- proxy            200
        "
            }
            _ => {
                "
                  proxy <- bob     BYE
        alice  <- proxy            BYE sip:alice@{alice};transport=tcp
            !Route
        alice  -> proxy            200
                  proxy -> bob     200
        "
            }
        };
        open_ladder(&format!(
            "
        given alice is registered over tcp
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
            Via: SIP/2.0/UDP {{proxy.host}};*
            Via: SIP/2.0/TCP {{alice}};*
            Record-Route: <sip:{{proxy.host}};lr;oh=*>
            Record-Route: <sip:{{proxy.host}};transport=tcp;lr;oh=*>
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
            !Route
        {bye}"
        ))
        .leaves_nothing();
    }
}

/// From UDP to TCP, the same. RFC 5658 §4.
#[test]
fn from_udp_to_tcp() {
    for who_hangs_up in ["alice", "bob"] {
        let bye = match who_hangs_up {
            "alice" => {
                "
        alice  -> proxy            BYE
                  proxy -> bob     BYE sip:bob@{bob};transport=tcp
                  proxy <- bob     200
        alice  <- proxy            200
        "
            }
            _ => {
                "
                  proxy <- bob     BYE
        alice  <- proxy            BYE sip:alice@{alice}
        alice  -> proxy            200
                  proxy -> bob     200
        "
            }
        };
        open_ladder(&format!(
            "
        given bob is registered over tcp
        alice  -> proxy/udp        INVITE bob
                  proxy -> bob     INVITE
            Record-Route: <sip:{{proxy.host}};transport=tcp;lr;oh=*>
            Record-Route: <sip:{{proxy.host}};lr;oh=*>
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        {bye}"
        ))
        .leaves_nothing();
    }
}

/// The connection of a phone breaks, but it still listens where its Contact says: it is dialled, and rings.
/// RFC 3261 §18.1.1.
#[test]
fn a_lost_connection_is_dialled_again() {
    open_ladder(
        "
        given bob is registered over tcp
        bob    -> proxy            close
        alice  -> proxy/udp        INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        alice  -> proxy            BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}

/// Two phones, one of them with a dead connection: the copy that is sent again is its own. RFC 3261 §18.1.1,
/// RFC 3261 §16.6 step 8.
#[test]
fn what_is_dialled_again_is_the_copy_of_this_phone() {
    for method in ["INVITE", "MESSAGE"] {
        open_ladder(&format!(
            "
        given desk is registered as bob over tcp
        given mobile is registered as bob over tcp
        desk   -> proxy            close
        alice  -> proxy/udp        {method} bob
                  proxy -> mobile  {method} sip:mobile@{{mobile}};transport=tcp
                  proxy -> desk    {method} sip:desk@{{desk}};transport=tcp
        "
        ));
    }
}

/// The connection of a phone behind a NAT breaks: nobody else can be dialled, so calls fail at once instead of ringing
/// nowhere, until it registers again. RFC 3261 §16.9, RFC 5626 §5.3.
#[test]
fn a_lost_connection_and_a_new_one() {
    scene(OPEN)
        .behind_nat(&["bob"], Nat::new(NatKind::PortRestrictedCone, "203.0.113.7"))
        .run(
            "
        given bob is registered over tcp
        bob    -> proxy            close
        alice  -> proxy/udp        INVITE bob
        alice  <- proxy            500
        alice  -> proxy            ACK
        bob    -> proxy            REGISTER
        bob    <- proxy            200
            Contact: <sip:bob@{bob};transport=tcp>;expires=3600
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
        )
        .leaves_nothing();
}

/// The connection breaks while the phone rings. The call goes on; when the caller gives up, the CANCEL goes by a new
/// connection. This phone sends its 487 to nowhere, and 64·T1 later the call is over. RFC 3261 §18.1.1, RFC 3261 §9.1,
/// RFC 3261 §18.4.
#[test]
fn the_connection_breaks_while_it_rings() {
    open_ladder(
        "
        given bob is registered over tcp
        alice  -> proxy/udp        INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        bob    -> proxy            close
        +20s   alice -> proxy      CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL
                  proxy <- bob     200
        +32s   alice <- proxy      408 INVITE
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// The same behind a NAT, where no new connection can be made: the phone may come back, so the call goes on; no CANCEL can
/// be sent, and 64·T1 later the call is over. RFC 3261 §16.9, RFC 3261 §9.1.
#[test]
fn the_connection_of_a_phone_behind_nat_breaks_while_it_rings() {
    scene(OPEN)
        .behind_nat(&["bob"], Nat::new(NatKind::PortRestrictedCone, "203.0.113.7"))
        .run(
            "
        given bob is registered over tcp
        alice  -> proxy/udp        INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        bob    -> proxy            close
        +20s   alice -> proxy      CANCEL
        alice  <- proxy            200 CANCEL
        +32s   alice <- proxy      408 INVITE
        alice  -> proxy            ACK
    ",
        )
        .leaves_nothing();
}

/// Two messages and a half in one segment: the stream is cut by Content-Length, and the rest is waited for.
/// RFC 3261 §18.3, RFC 3261 §7.5.
#[test]
fn messages_in_a_stream() {
    let mut stage = open_ladder("given bob is registered over tcp");
    let options = |branch: u8| {
        format!(
            "OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.11;branch=z9hG4bK-{branch}\r\n\
             From: <sip:a@b>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\
             Content-Length: 2\r\n\r\nhi"
        )
    };
    let bytes = [options(1), options(2), options(3)].concat();
    let (first, rest) = bytes.split_at(bytes.len() - 40);
    let (bob, proxy) = (stage.phone("bob"), "198.51.100.1:5060".parse().expect("an address"));
    for (part, answers) in [(first, 2), (rest, 3)] {
        stage.world_mut().send(bob, Transport::Tcp, proxy, part.as_bytes());
        stage.world_mut().run_for(10);
        let received = stage.world().received(bob);
        let count =
            received.iter().filter(|bytes| String::from_utf8_lossy(bytes).contains("1 OPTIONS")).count();
        assert_eq!(count, answers);
    }
}

/// The exchange is killed and comes back. The phone that connects first gets the name of a connection that another phone
/// had before, and must not get its calls: that one is dialled at its Contact. RFC 5626 §5.3.
#[test]
fn connections_of_the_exchange_before() {
    let mut stage = scene_on_disk(OPEN).run("given bob is registered over tcp");
    stage.kill_and_restart();
    stage.play(
        "
        bob    <- proxy            close
        given mallory is registered over tcp
        alice  -> proxy/udp        INVITE bob
                  proxy -> bob     INVITE sip:bob@*
                  proxy <- bob     486
                  proxy -> bob     ACK
        alice  <- proxy            486
        alice  -> proxy            ACK
    ",
    );
    stage.leaves_nothing();
}

/// The same with a phone behind a translator: its Contact is an address of its own network, and perhaps somebody else's in
/// ours. Nobody is called. RFC 3261 §16.9.
#[test]
fn a_private_contact_is_not_dialled() {
    let nat = Nat::new(NatKind::Symmetric, "203.0.113.7");
    let mut stage =
        scene_on_disk(OPEN).behind_nat(&["bob"], nat).address("stranger", "192.168.1.11:5060").run(
            "
        given bob is registered over tcp
        stranger -> proxy/tcp      OPTIONS proxy
        stranger <- proxy          200
        stranger -> proxy          close
        ",
        );
    stage.kill_and_restart();
    stage.play(
        "
        bob    <- proxy            close
        alice  -> proxy/udp        INVITE bob
        +200ms alice <- proxy      100
        @5s    alice <- proxy      500
        alice  -> proxy            ACK
    ",
    );
    stage.leaves_nothing();
}

/// A phone whose Contact says the port of its connection has a new one with each connection. In its calls, which know the old
/// one, it is reached as the device that it says it is, after a restart of ours too. RFC 3261 §16.12, RFC 5626 §6.
#[test]
fn a_device_that_comes_back_with_another_contact() {
    for (kill, flow) in [(false, ""), (true, ""), (false, ";reg-id=1"), (true, ";reg-id=1")] {
        let contact = |port| {
            format!(
                "Contact: <sip:bob@{{bob.host}}:{port};transport=tcp>;+sip.instance=\"<urn:uuid:b1>\"{flow}"
            )
        };
        let mut stage = scene_on_disk(OPEN).run(&format!(
            "
        bob    -> proxy/tcp        REGISTER bob
            Supported: path, outbound
            {}
        bob    <- proxy            200
        alice  -> proxy/udp        INVITE bob
                  proxy -> bob     INVITE sip:bob@{{bob.host}}:40001;transport=tcp
                  proxy <- bob     200
            Contact: <sip:bob@{{bob.host}}:40001;transport=tcp>
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        ",
            contact(40_001)
        ));
        match kill {
            true => stage.kill_and_restart(),
            false => stage.play("bob -> proxy close"),
        }
        stage.play(if kill { "bob <- proxy close" } else { "+1ms" });
        stage.play(&format!(
            "
        bob    -> proxy/tcp        REGISTER bob
            Supported: path, outbound
            {}
        bob    <- proxy            200
        alice  -> proxy/udp        BYE
                  proxy -> bob     BYE sip:bob@{{bob.host}}:40001;transport=tcp
                  proxy <- bob     200
        alice  <- proxy            200
        ",
            contact(40_002)
        ));
        stage.leaves_nothing();
    }
}

/// Keep-alives on a stream are answered. RFC 5626 §3.5.1.
#[test]
fn keep_alives() {
    open_ladder(
        "
        given bob is registered over tcp
        +60s   bob -> proxy        \"\\r\\n\\r\\n\"
        bob    <- proxy            \"\\r\\n\"
    ",
    )
    .leaves_nothing();
}

/// A MESSAGE to a phone on TCP is sent once; no answer, no repetition, and after 32 s nothing is left. RFC 3261 §17.1.2.2.
#[test]
fn nothing_is_repeated_on_a_stream() {
    open_ladder(
        "
        given bob is registered over tcp
        alice  -> proxy/tcp        MESSAGE bob
                  proxy -> bob     MESSAGE
        +3.5s  alice <- proxy      100
        +60s
    ",
    )
    .leaves_nothing();
}

/// The phone on TCP stops reading: what does not fit is tried by one connection more, and then it is a failure of the
/// transport, which the caller hears of. RFC 3261 §16.9.
#[test]
fn a_phone_that_stops_reading() {
    let mut stage = open_ladder(
        "given bob is registered over tcp\n alice -> proxy/udp OPTIONS proxy\n alice <- proxy 200",
    );
    let bob = stage.phone("bob");
    stage.world_mut().stop_reading(bob);
    let body = "x".repeat(60_000);
    for call in 2..6 {
        stage.play(&format!("alice -> proxy MESSAGE bob #{call}\n | {body}"));
    }
    for call in 6..10 {
        stage.play(&format!("alice -> proxy MESSAGE bob #{call}\n | {body}"));
    }
    stage.play(&format!("alice -> proxy MESSAGE bob #10\n | {body}\n alice <- proxy 500 #10"));
}

/// In a call, the connection of a phone behind a translator breaks. Its Contact may be somebody else's address in our
/// network: that one gets nothing, and the other side is told. RFC 3261 §16.9, RFC 3261 §16.12.
#[test]
fn in_a_call_a_private_contact_is_not_dialled() {
    let nat = Nat::new(NatKind::Symmetric, "203.0.113.7");
    let mut stage = scene(OPEN).behind_nat(&["bob"], nat).address("stranger", "192.168.1.11:5060").run(
        "
        given bob is registered over tcp
        alice  -> proxy/udp        INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        bob    -> proxy            close
        stranger -> proxy/tcp      OPTIONS proxy
        stranger <- proxy          200
        alice  -> proxy/udp        INFO
        alice  <- proxy            480
        alice  -> proxy            BYE
        alice  <- proxy            480
        ",
    );
    stage.play("+1s");
    stage.leaves_nothing();
}

/// The same when the exchange was killed in between: it knows no connection any more, and dials no private Contact either.
/// RFC 3261 §16.9, RFC 3261 §16.12.
#[test]
fn in_a_call_of_the_process_before_a_private_contact_is_not_dialled() {
    let nat = Nat::new(NatKind::Symmetric, "203.0.113.7");
    let scene = scene_on_disk(OPEN).behind_nat(&["bob"], nat).address("stranger", "192.168.1.11:5060");
    let mut stage = scene.run(
        "
        given bob is registered over tcp
        alice  -> proxy/udp        INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        stranger -> proxy/tcp      OPTIONS proxy
        stranger <- proxy          200
        stranger -> proxy          close
        ",
    );
    stage.kill_and_restart();
    stage.play(
        "
        bob    <- proxy            close
        alice  -> proxy/udp        BYE
        alice  <- proxy            480
        ",
    );
    stage.leaves_nothing();
}

/// A phone on TCP says its refusal twice in one breath: the first is acknowledged, and to the second nothing is sent, not even
/// nothing. RFC 3261 §17.1.1.2, RFC 3261 §17.1.1.3.
#[test]
fn a_refusal_twice_in_one_batch() {
    let mut stage = open_ladder(
        "
        given bob is registered over tcp
        alice  -> proxy/udp        INVITE bob
                  proxy -> bob     INVITE
        ",
    );
    let (bob, proxy) = (stage.phone("bob"), "198.51.100.1:5060".parse().expect("an address"));
    let invite = String::from_utf8_lossy(stage.world().received(bob).last().expect("an INVITE")).into_owned();
    let copied = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
    let lines = invite.lines().filter(|line| copied.iter().any(|name| line.starts_with(name)));
    let lines: String = lines.map(|line| format!("{line}\r\n")).collect();
    let busy = format!("SIP/2.0 486 Busy Here\r\n{lines}Content-Length: 0\r\n\r\n");
    stage.world_mut().send(bob, Transport::Tcp, proxy, busy.repeat(2).as_bytes());
    stage.world_mut().run_for(300);
    let trace = stage.world().trace().iter().filter_map(offhook_simnet::Entry::message);
    let (acks, empty) = trace.fold((0, 0), |(acks, empty), bytes| {
        (acks + usize::from(bytes.starts_with(b"ACK ")), empty + usize::from(bytes.is_empty()))
    });
    assert_eq!((acks, empty), (1, 0), "{}", stage.world().ladder());
}
