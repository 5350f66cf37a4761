//! Phones behind address translators: they are answered where they speak, called where they registered from, and found
//! again inside a dialog. Their Contact stays as they wrote it. RFC 3581, RFC 3261 §18.2.

use offhook_ladder::Ladder;
use offhook_simnet::{Nat, NatKind};

use crate::exchange::{OPEN, Observed, ladder, open_ladder, scene};

const KINDS: [NatKind; 4] =
    [NatKind::FullCone, NatKind::RestrictedCone, NatKind::PortRestrictedCone, NatKind::Symmetric];

fn behind(phones: &[&str], kind: NatKind) -> Ladder {
    scene(OPEN).behind_nat(phones, Nat::new(kind, "203.0.113.7"))
}

/// The answer goes to the address and the port that the request came from, and says which these are.
/// RFC 3581 §4, RFC 3261 §18.2.1, RFC 3261 §18.2.2.
#[test]
fn rport() {
    behind(&["bob"], NatKind::Symmetric)
        .run(
            "
        bob    -> proxy            REGISTER
        bob    <- proxy            200
            Via: SIP/2.0/UDP {bob};branch=*;received=203.0.113.7;rport=20000
            Contact: <sip:bob@{bob}>;expires=3600
    ",
        )
        .leaves_nothing();
}

/// A phone that does not ask for rport is answered at the port of its Via. RFC 3261 §18.2.2.
#[test]
fn without_rport() {
    open_ladder(
        "
        alice  -> proxy            OPTIONS proxy
            Via: SIP/2.0/UDP {alice.host}:5060;branch=z9hG4bK-1
        alice  <- proxy            200
            Via: SIP/2.0/UDP {alice.host}:5060;branch=z9hG4bK-1
        alice  -> proxy            OPTIONS proxy
            Via: SIP/2.0/UDP host.example.org:5060;branch=z9hG4bK-2
        alice  <- proxy            200
            Via: SIP/2.0/UDP host.example.org:5060;branch=z9hG4bK-2;received={alice.host}
        // To port 5070 of her address, where nobody listens.
        alice  -> proxy            OPTIONS proxy
            Via: SIP/2.0/UDP {alice.host}:5070;branch=z9hG4bK-3
        +1s
    ",
    )
    .leaves_nothing();
}

/// A received or rport that the sender has written himself is not believed. RFC 3261 §18.2.1, RFC 3581 §4.
#[test]
fn a_received_of_the_senders_own() {
    open_ladder(
        "
        alice  -> proxy            OPTIONS proxy
            Via: SIP/2.0/UDP {alice};branch=z9hG4bK-1;received=192.0.2.99;rport=99
        alice  <- proxy            200
            Via: SIP/2.0/UDP {alice};branch=z9hG4bK-1;received={alice.host};rport=5060
        alice  -> proxy            OPTIONS proxy
            Via: SIP/2.0/UDP {alice};branch=z9hG4bK-2;maddr=192.0.2.99;ttl=1
        alice  <- proxy            200
            Via: SIP/2.0/UDP {alice};branch=z9hG4bK-2;maddr=192.0.2.99;ttl=1
    ",
    )
    .leaves_nothing();
}

/// A phone behind a translator of any kind is called, and hangs up. The Request-URI is the Contact as it was written.
/// RFC 3261 §16.6 step 7, RFC 3261 §16.12.
#[test]
fn the_callee_behind_a_translator_hangs_up() {
    for kind in KINDS {
        behind(&["bob"], kind)
            .run(
                "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE sip:bob@{bob}
            Record-Route: <sip:{proxy.host};lr;oh=*>
                  proxy <- bob     180
        alice  <- proxy            180
                  proxy <- bob     200
        alice  <- proxy            200
            Contact: <sip:bob@{bob}>
        alice  -> proxy            ACK
                  proxy -> bob     ACK sip:bob@{bob}
        +5s       proxy <- bob     BYE
        alice  <- proxy            BYE sip:alice@{alice}
        alice  -> proxy            200
                  proxy -> bob     200
    ",
            )
            .leaves_nothing();
    }
}

/// The same, and the caller hangs up: the BYE finds its way into the private network. RFC 3261 §16.12.
#[test]
fn the_caller_of_a_phone_behind_a_translator_hangs_up() {
    for kind in KINDS {
        behind(&["bob"], kind)
            .run(
                "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        +5s    alice -> proxy      BYE
                  proxy -> bob     BYE sip:bob@{bob}
                  proxy <- bob     200
        alice  <- proxy            200
    ",
            )
            .leaves_nothing();
    }
}

/// The caller sits behind a translator: the callee's BYE finds him by the flow that Record-Route remembers.
/// RFC 3261 §16.6 step 4.
#[test]
fn the_caller_behind_a_translator() {
    for kind in KINDS {
        behind(&["alice"], kind)
            .run(
                "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
            Record-Route: <sip:{proxy.host};lr;oh=*>
            Contact: <sip:alice@{alice}>
            Via: *
            Via: SIP/2.0/UDP {alice};branch=*;received=203.0.113.7;rport=20000
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        +5s       proxy <- bob     BYE
        alice  <- proxy            BYE sip:alice@{alice}
        alice  -> proxy            200
                  proxy -> bob     200
    ",
            )
            .leaves_nothing();
    }
}

/// Both sit behind translators, each behind its own, with the same private network. Nothing but the exchange connects
/// them. RFC 3261 §16.6 step 4.
#[test]
fn both_behind_translators() {
    scene(OPEN)
        .behind_nat(&["alice"], Nat::new(NatKind::Symmetric, "203.0.113.7"))
        .behind_nat(&["bob"], Nat::new(NatKind::PortRestrictedCone, "203.0.113.8"))
        .run(
            "
        given alice is registered
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE sip:bob@{bob}
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
                  proxy <- bob     INVITE
        alice  <- proxy            INVITE sip:alice@{alice}
        alice  -> proxy            200
                  proxy -> bob     200
                  proxy <- bob     ACK
        alice  <- proxy            ACK
        alice  -> proxy            BYE
                  proxy -> bob     BYE sip:bob@{bob}
                  proxy <- bob     200
        alice  <- proxy            200
    ",
        )
        .leaves_nothing();
}

/// Two phones in the same office, behind the same translator, without hairpin: the exchange carries what they say.
#[test]
fn neighbours_behind_one_translator() {
    scene(OPEN)
        .behind_nat(&["alice", "bob"], Nat::new(NatKind::Symmetric, "203.0.113.7").without_hairpin())
        .run(
            "
        given alice is registered
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
                  proxy <- bob     BYE
        alice  <- proxy            BYE
        alice  -> proxy            200
                  proxy -> bob     200
    ",
        )
        .leaves_nothing();
}

/// Keep-alives hold the hole in the translator open; the server answers none of them over UDP, and takes no notice.
/// RFC 5626 §4.4, RFC 5626 §3.5.1.
#[test]
fn keep_alives() {
    behind(&["bob"], NatKind::Symmetric)
        .run(
            "
        given bob is registered
        +25s   bob -> proxy        \"\\r\\n\\r\\n\"
        +25s   bob -> proxy        \"\\r\\n\\r\\n\"
        +25s   bob -> proxy        \"\\0\\0\"
        +25s   alice -> proxy      MESSAGE bob
                  proxy -> bob     MESSAGE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
        )
        .leaves_nothing();
}

/// The translator has forgotten the phone: calls get lost on the way, until it registers again from its new port.
/// RFC 3261 §10.2.4.
#[test]
fn the_translator_forgets() {
    let mut stage = behind(&["bob"], NatKind::Symmetric).run("given bob is registered");
    stage.play(
        "
        +40s   alice -> proxy      INVITE bob
        +200ms alice <- proxy      100
        @72s   alice <- proxy      408
        alice  -> proxy            ACK
        bob    -> proxy            REGISTER
        bob    <- proxy            200
            Via: *;received=203.0.113.7;rport=20001
            Contact: <sip:bob@{bob}>;expires=3600
        alice  -> proxy            MESSAGE bob
                  proxy -> bob     MESSAGE
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    );
    stage.leaves_nothing();
}

/// The translator has given the phone another port in the middle of a call: what is sent to it in the call goes where it has
/// registered since, whoever of the two has called. RFC 3261 §16.12, RFC 3581 §4.
#[test]
fn the_translator_forgets_within_a_call() {
    let mut stage = behind(&["bob"], NatKind::Symmetric).run(
        "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        +40s   bob -> proxy        REGISTER
        bob    <- proxy            200
            Via: *;received=203.0.113.7;rport=20001
        alice  -> proxy            INFO
                  proxy -> bob     INFO sip:bob@{bob}
                  proxy <- bob     200
        alice  <- proxy            200
        +40s   bob -> proxy        REGISTER
        bob    <- proxy            200
            Via: *;received=203.0.113.7;rport=20002
        alice  -> proxy            BYE
                  proxy -> bob     BYE sip:bob@{bob}
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    );
    stage.play("+40s");
    stage.leaves_nothing();
}

/// The same of who has called. RFC 3261 §16.12.
#[test]
fn the_translator_forgets_the_caller() {
    behind(&["alice"], NatKind::Symmetric)
        .run(
            "
        given alice is registered
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        +40s   alice -> proxy      REGISTER
        alice  <- proxy            200
            Via: *;received=203.0.113.7;rport=20001
                  proxy <- bob     BYE
        alice  <- proxy            BYE sip:alice@{alice}
        alice  -> proxy            200
                  proxy -> bob     200
    ",
        )
        .leaves_nothing();
}

/// Another user who registers in between, by whatever way and with whatever Contact, draws nothing to himself.
/// RFC 3261 §10.3 step 7.
#[test]
fn nobody_else_is_taken_for_who_has_moved() {
    let mut stage = behind(&["bob", "carol"], NatKind::Symmetric).run(
        "
        given bob is registered
        given carol is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        +20s   carol -> proxy      REGISTER
            Contact: <sip:bob@{bob}>
        carol  <- proxy            200
        alice  -> proxy            BYE
                  proxy -> bob     BYE sip:bob@{bob}
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    );
    stage.play("+40s");
    stage.leaves_nothing();
}

/// A phone with an address of its own goes behind a translator in the middle of a call: it registers and tells the other side of
/// its new Contact, which is nobody's there. What is sent to it goes where it has registered. RFC 3261 §12.2.1.2.
#[test]
fn a_phone_goes_behind_a_translator() {
    let mut stage = behind(&["bob"], NatKind::FullCone).run(
        "
        bob    -> proxy            REGISTER
            Contact: <sip:bob@203.0.113.7:20000>
        bob    <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE sip:bob@203.0.113.7:20000
                  proxy <- bob     200
            Contact: <sip:bob@203.0.113.7:20000>
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        bob    -> proxy            REGISTER
        bob    <- proxy            200
                  proxy <- bob     UPDATE
        alice  <- proxy            UPDATE
            Contact: <sip:bob@{bob}>
        alice  -> proxy            200
                  proxy -> bob     200
        alice  -> proxy            BYE
                  proxy -> bob     BYE sip:bob@{bob}
                  proxy <- bob     200
        alice  <- proxy            200
    ",
    );
    stage.play("+40s");
    stage.leaves_nothing();
}

/// Two phones of bob's in two houses have the same private address, and so take turns at one binding. A call stays with the one
/// that has answered it. RFC 3261 §10.3 step 7, RFC 3261 §16.12.
#[test]
fn the_same_address_in_another_house() {
    let of = |address| Nat::new(NatKind::PortRestrictedCone, address);
    scene(OPEN)
        .user("bob")
        .behind_nat(&["desk"], of("203.0.113.7"))
        .behind_nat(&["desk2"], of("203.0.113.8"))
        .run(
            "
        desk   -> proxy            REGISTER bob
            Contact: <sip:bob@192.168.1.20>
        desk   <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> desk    INVITE sip:bob@192.168.1.20
                  proxy <- desk    200
            Contact: <sip:bob@192.168.1.20>
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> desk    ACK
        desk2  -> proxy            REGISTER bob
            Contact: <sip:bob@192.168.1.20>
        desk2  <- proxy            200
        alice  -> proxy            BYE
                  proxy -> desk    BYE sip:bob@192.168.1.20
                  proxy <- desk    200
        alice  <- proxy            200
    ",
        )
        .leaves_nothing();
}

/// The challenge and the password pass a translator too. RFC 3665 §2.1.
#[test]
fn a_call_with_passwords() {
    scene("")
        .behind_nat(&["alice"], Nat::new(NatKind::Symmetric, "203.0.113.7"))
        .run(
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
                  proxy <- bob     BYE
        alice  <- proxy            BYE
        alice  -> proxy            200
                  proxy -> bob     200
    ",
        )
        .leaves_nothing();
}

/// A phone behind a translator gives up. RFC 3261 §9.1.
#[test]
fn a_cancel_from_behind_a_translator() {
    behind(&["alice", "bob"], NatKind::Symmetric)
        .run(
            "
        given bob is registered
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy <- bob     180
        alice  <- proxy            180
        alice  -> proxy            CANCEL
        alice  <- proxy            200 CANCEL
                  proxy -> bob     CANCEL sip:bob@{bob}
                  proxy <- bob     200 CANCEL
                  proxy <- bob     487 INVITE
                  proxy -> bob     ACK
        alice  <- proxy            487 INVITE
        alice  -> proxy            ACK
    ",
        )
        .leaves_nothing();
}

/// The flow in a Record-Route value is sealed: bent to another address it gives no rights. RFC 3261 §16.6 step 4.
#[test]
fn a_bent_flow_leads_nowhere() {
    let mut stage = scene("").behind_nat(&["bob"], Nat::new(NatKind::Symmetric, "203.0.113.7")).run(
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
    );
    let route = stage.last_header("alice", "Route");
    let (head, token) = route.split_once(";oh=").expect("our value");
    let (last, other) = if token.contains('x') { ('x', "y") } else { ('A', "B") };
    let bent = format!("{head};oh={}", token.replacen(last, other, 1));
    assert_ne!(route, bent, "a letter of the token is another");
    stage.play(&format!(
        "
        alice  -> proxy            BYE
            Route: {bent}
        alice  <- proxy            407
        "
    ));
    stage.leaves_nothing();
}

/// A phone that does not know its own address is called where it registers from. RFC 3261 §10.2.1.
#[test]
fn a_contact_that_is_no_address() {
    open_ladder(
        "
        bob    -> proxy            REGISTER
            Contact: <sip:bob@0.0.0.0>
        bob    <- proxy            200
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE sip:bob@0.0.0.0
                  proxy <- bob     603
                  proxy -> bob     ACK
        alice  <- proxy            603
        alice  -> proxy            ACK
    ",
    )
    .leaves_nothing();
}

/// Somebody on the internet registers a phone that only we could reach, or our own machine: in vain. RFC 3261 §10.3 step 7.
#[test]
fn nobody_leads_us_into_our_own_network() {
    for inside in ["10.0.0.9", "127.0.0.9", "[::1]", "0.0.0.0"] {
        open_ladder(&format!(
            "
        bob    -> proxy            REGISTER
            Contact: <sip:bob@{{bob}}>
            Contact: <sip:bob@{inside}>
        bob    <- proxy            403
    "
        ))
        .leaves_nothing();
    }
}

/// The Contact of a phone without a translator is believed, though it names another port or another machine: where Via
/// is true, nothing on the way changes addresses. RFC 3261 §10.2.1, RFC 3261 §16.5.
#[test]
fn a_contact_on_another_machine() {
    open_ladder(
        "
        secretary -> proxy         REGISTER bob
            Contact: <sip:bob@{bob}>
        secretary <- proxy         200
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE sip:bob@{bob}
                  proxy <- bob     200
            Contact: <sip:bob@{bob}>
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

/// A trunk calls from one machine and wants to be spoken to at another: its Contact is followed. RFC 3261 §12.2.1.1.
#[test]
fn a_trunk_with_its_contact_elsewhere() {
    ladder(
        "
        given bob is registered
        trunk  -> proxy            INVITE bob
            From: <sip:+15551234@carrier.example>;tag=t1
            Contact: <sip:media@{media}>
                  proxy -> bob     INVITE
                  proxy <- bob     200
        trunk  <- proxy            200
        trunk  -> proxy            ACK
                  proxy -> bob     ACK
                  proxy <- bob     BYE
        media  <- proxy            BYE sip:media@{media}
        media  -> proxy            200
                  proxy -> bob     200
    ",
    )
    .leaves_nothing();
}
