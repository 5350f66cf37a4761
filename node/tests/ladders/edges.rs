//! Calls of phones whose edge proxy we are, when the connection of a phone is gone: RFC 5626 §5.3.
//!
//! ```text
//!   bob ──tcp──► proxy ──udp──► home        bob is registered there; his Contact names the port that he dials from
//! ```

use offhook_ladder::{Ladder, Stage};

use crate::exchange::{OPEN, Observed, scene, scene_of_shards, scene_on_disk};
use crate::tls::with_tls;
use crate::websocket::with_websocket;

/// A device that says which it is.
const DEVICE: &str = "<sip:bob@{bob.host}:49152;transport=tcp;ob>;reg-id=1;+sip.instance=\"<urn:uuid:b1>\"";

/// One that does not; its Contact stays the same.
const PLAIN: &str = "<sip:bob@192.168.7.7:5060;transport=tcp>";

/// Where nobody listens.
const IN_CALLS: &str = "Contact: <sip:bob@{bob.host}:49152;transport=tcp>";

/// The REGISTER of `phone` for `user`, as his registrar answers it.
fn register(phone: &str, user: &str, contact: &str, status: &str) -> String {
    // Registrations are no call of home's; others than bob have their own.
    let call = if phone == "bob" { "#2" } else { "#3" };
    format!(
        "
        {phone} -> proxy/tcp       REGISTER {user} {call}
            Route: <sip:{{home}};lr>
            Supported: path, outbound
            Contact: {contact}
                  proxy -> home    REGISTER {call}
                  proxy <- home    {status} {call}
        {phone} <- proxy           {status} {call}
        "
    )
}

/// Bob calls home.
fn call(contact: &str) -> String {
    format!(
        "{}
        bob    -> proxy            INVITE sip:alice@{{home}}
            {IN_CALLS}
                  proxy -> home    INVITE
                  proxy <- home    200
        bob    <- proxy            200
        bob    -> proxy            ACK
                  proxy -> home    ACK
        ",
        register("bob", "bob", contact, "200")
    )
}

/// Home calls bob, by the Path of his registration.
fn called(scene: Ladder, contact: &str) -> Stage {
    let mut stage = scene.run(&register("bob", "bob", contact, "200"));
    let path = crate::outbound::last_received(&stage, "home", "Path");
    stage.play(&format!(
        "
        home   -> proxy            INVITE sip:bob@192.168.7.7:5060;transport=tcp
            Route: {path}
                  proxy -> bob     INVITE
                  proxy <- bob     200
            {IN_CALLS}
        home   <- proxy            200
        home   -> proxy            ACK
                  proxy -> bob     ACK
        "
    ));
    stage
}

/// What home sends inside the call arrives.
const REACHED: &str = "
        home   -> proxy            INFO
                  proxy -> bob     INFO sip:bob@{bob.host}:49152;transport=tcp
            !Route
                  proxy <- bob     200
        home   <- proxy            200
        home   -> proxy            BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        home   <- proxy            200
";

/// It does not, and home is told so at once.
const NOT_REACHED: &str = "
        home   -> proxy            INFO
        home   <- proxy            480
";

/// The edge was killed, or bob's network was away. His device has registered anew, from another port, and is reached in its
/// calls: those that it was called in, and those that it has made. RFC 5626 §5.3.1, RFC 5626 §5.3.2.
#[test]
fn a_phone_that_has_come_back_is_reached_in_its_calls() {
    for contact in [DEVICE, PLAIN] {
        for (has_called, kill) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut stage = match has_called {
                true => scene_on_disk(OPEN).run(&call(contact)),
                false => called(scene_on_disk(OPEN), contact),
            };
            match kill {
                true => stage.kill_and_restart(),
                false => stage.play("bob -> proxy close"),
            }
            stage.play(if kill { "bob <- proxy close" } else { "+1ms" });
            stage.play(NOT_REACHED);
            stage.play(&register("bob", "bob", &contact.replace(":49152", ":49153"), "200"));
            stage.play(REACHED);
            stage.leaves_nothing();
        }
    }
}

/// The shard that the request comes to is not the one of bob's connections. RFC 5626 §5.3.1.
#[test]
fn all_shards_know_who_has_come_back() {
    for has_called in [false, true] {
        let scene = scene_of_shards(OPEN, 4);
        let mut stage = if has_called { scene.run(&call(DEVICE)) } else { called(scene, DEVICE) };
        stage.play("bob -> proxy close");
        stage.play("+1ms");
        stage.play(NOT_REACHED);
        stage.play(&register("bob", "bob", DEVICE, "200"));
        stage.play(REACHED);
        stage.leaves_nothing();
    }
}

/// Of two ways of one device one is gone: its calls go on by the other, with nothing registered anew. RFC 5626 §4.2.1, RFC 5626 §5.3.
#[test]
fn the_other_flow_of_a_device() {
    let mut stage = scene(OPEN).run(&call(DEVICE));
    stage.play(&register("desk", "bob", &DEVICE.replace("reg-id=1", "reg-id=2"), "200"));
    stage.play(
        "
        bob    -> proxy            close
        +1ms   home -> proxy       INFO
                  proxy -> desk    INFO
        ",
    );
}

/// The same by TLS, and from a browser, whose page has a name that nobody could dial. RFC 5626 §5.3, RFC 7118 §5.
#[test]
fn by_whatever_connection() {
    for (transport, contact) in
        [("tls", "<sip:bob@{bob.host}:49152;transport=tls>"), ("ws", "<sip:bob@page.invalid;transport=ws>")]
    {
        let register =
            register("bob", "bob", contact, "200").replace("proxy/tcp", &format!("proxy/{transport}"));
        let scene = match transport {
            "ws" => with_websocket(scene_on_disk(OPEN)),
            _ => with_tls(scene_on_disk(OPEN)),
        };
        let mut stage = scene.run(&register);
        stage.play(&format!(
            "
        bob    -> proxy            INVITE sip:alice@{{home}}
            Contact: {contact}
                  proxy -> home    INVITE
                  proxy <- home    200
        bob    <- proxy            200
        bob    -> proxy            ACK
                  proxy -> home    ACK
            "
        ));
        stage.kill_and_restart();
        stage.play("bob <- proxy close");
        stage.play(NOT_REACHED);
        stage.play(&register);
        stage.play(
            "
        home   -> proxy            BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        home   <- proxy            200
            ",
        );
        stage.leaves_nothing();
    }
}

/// His calls are for him alone: nobody else gets them by saying that he is the same device, nor who only asks for it, nor bob's other
/// phone, nor he himself when he has taken his registration back. RFC 5626 §5.3.1.
#[test]
fn nobody_else_is_taken_for_him() {
    let other = DEVICE.replace("b1", "b2");
    let leaves = format!("{DEVICE};expires=0");
    for (phone, user, contact, status) in [
        ("mallory", "mallory", DEVICE, "200"),
        ("mallory", "bob", DEVICE, "403"),
        ("desk", "bob", &*other, "200"),
        ("bob", "bob", &*leaves, "200"),
    ] {
        let mut stage = called(scene(OPEN), DEVICE);
        stage.play("bob -> proxy close");
        stage.play("+1ms");
        stage.play(&register(phone, user, contact, status));
        stage.play(NOT_REACHED);
    }
}

/// Another registrar knows another bob, if the same edge stands in front of both. RFC 5626 §5.3.1.
#[test]
fn a_user_of_another_registrar_is_somebody_else() {
    let mut stage = called(scene(OPEN), DEVICE);
    stage.play(&format!(
        "
        bob    -> proxy            close
        +1ms   mallory -> proxy/tcp REGISTER bob #3
            Route: <sip:{{rogue}};lr>
            Supported: path, outbound
            Contact: {DEVICE}
                  proxy -> rogue   REGISTER #3
                  proxy <- rogue   200 #3
        mallory <- proxy           200 #3
        {NOT_REACHED}"
    ));
}

/// A phone with two accounts on one connection: its call is found by the account that it is of. RFC 5626 §5.3.2.
#[test]
fn a_phone_with_two_accounts() {
    let second = DEVICE.replace("sip:bob@", "sip:bill@");
    let mut stage = scene(OPEN).run(&register("bob", "bill", &second, "200"));
    stage.play(&call(DEVICE));
    stage.play("bob -> proxy close");
    stage.play("+1ms");
    stage.play(&register("mallory", "bill", &second, "200"));
    stage.play(NOT_REACHED);
    stage.play(&register("bob", "bob", DEVICE, "200"));
    stage.play(REACHED);
    stage.leaves_nothing();
}

/// Nobody comes back: whoever hangs up is told so at once, and the record of the call has its end. RFC 3261 §15.1.1,
/// RFC 3261 §21.4.18.
#[test]
fn a_phone_that_stays_away() {
    let mut stage = called(scene_on_disk(OPEN), DEVICE);
    stage.kill_and_restart();
    stage.play(
        "
        bob    <- proxy            close
        +5s    home -> proxy       BYE
        home   <- proxy            480
        ",
    );
    let durations: Vec<_> = stage.records().iter().map(|record| record.duration_ms()).collect();
    assert_eq!(durations, [Some(5_000)]);
    stage.leaves_nothing();
}
