//! Names of single devices: RFC 5627.

use offhook_ladder::Stage;

use crate::exchange::{OPEN, Observed, header_of, ladder, open_ladder, scene, scene_on_disk};

/// Two devices of bob's that say who they are and take GRUUs.
const TWO_DEVICES: &str = "
        desk   -> proxy            REGISTER bob
            Supported: gruu
            Contact: <sip:bob@{desk}>;+sip.instance=\"<urn:uuid:d1>\"
        desk   <- proxy            200
            Contact: <sip:bob@{desk}>;*;pub-gruu=\"sip:bob@example.com;gr=urn:uuid:d1\";temp-gruu=\"sip:tgruu.*@example.com;gr\";*
            !Require
        mobile -> proxy            REGISTER bob
            Supported: gruu
            Contact: <sip:bob@{mobile}>;+sip.instance=\"<urn:uuid:m1>\"
        mobile <- proxy            200
            Contact: *gr=urn:uuid:d1\"*
            Contact: *gr=urn:uuid:m1\"*
";

/// The temporary GRUU that this phone was last told for itself.
fn temporary(stage: &Stage, phone: &str, instance: &str) -> String {
    let entries = stage.world().trace().iter().rev().filter(|entry| entry.to == Some(stage.phone(phone)));
    let texts =
        entries.filter_map(|entry| entry.message()).map(|text| String::from_utf8_lossy(text).into_owned());
    let contact = |text: String| {
        let lines: Vec<_> = text.lines().filter(|line| line.contains(instance)).map(str::to_owned).collect();
        lines.into_iter().find(|line| header_of(&format!("{line}\n"), "Contact").is_some())
    };
    let line =
        entries_first(texts, contact).unwrap_or_else(|| panic!("{phone} was told nothing about {instance}"));
    let (_, rest) = line.split_once("temp-gruu=\"").expect("a temporary GRUU");
    rest.split('"').next().unwrap_or_default().to_owned()
}

fn entries_first(
    texts: impl Iterator<Item = String>,
    find: impl Fn(String) -> Option<String>,
) -> Option<String> {
    texts.into_iter().find_map(find)
}

/// A GRUU rings one device, its AOR all. The Request-URI becomes the Contact. RFC 5627 §6.1, RFC 5627 §9.
#[test]
fn a_gruu_leads_to_its_device() {
    let mut stage = open_ladder(TWO_DEVICES);
    let temp = temporary(&stage, "desk", "urn:uuid:d1");
    for gruu in ["sip:bob@example.com;gr=urn:uuid:d1", temp.as_str()] {
        stage.play(&format!(
            "
        alice  -> proxy            MESSAGE {gruu}
                  proxy -> desk    MESSAGE sip:bob@{{desk}}
                  proxy <- desk    200
        alice  <- proxy            200
        "
        ));
    }
    stage.leaves_nothing();
}

/// A device that comes back at another address, with another Call-ID: the binding that it left behind keeps none of its temporary
/// names good. RFC 5627 §5.1.
#[test]
fn a_temporary_name_ends_with_its_registration() {
    let mut stage = open_ladder(
        "
        desk   -> proxy            REGISTER bob
            Supported: gruu
            Contact: <sip:bob@192.0.2.70>;+sip.instance=\"<urn:uuid:d1>\"
            Call-ID: before
        desk   <- proxy            200
        ",
    );
    let old = temporary(&stage, "desk", "urn:uuid:d1");
    stage.play(
        "
        +1s    desk -> proxy       REGISTER bob #2
            Supported: gruu
            Contact: <sip:bob@{desk}>;+sip.instance=\"<urn:uuid:d1>\"
            Call-ID: after
        desk   <- proxy            200 #2
        ",
    );
    let new = temporary(&stage, "desk", "urn:uuid:d1");
    stage.play(&format!(
        "
        alice  -> proxy            OPTIONS {old}
        alice  <- proxy            404
        alice  -> proxy            OPTIONS {new} #2
                  proxy -> desk    OPTIONS sip:bob@{{desk}} #2
                  proxy <- desk    200 #2
        alice  <- proxy            200 #2
        "
    ));
}

/// A device that goes back to an earlier Call-ID does not bring the names of that time back, nor does a start after a crash.
/// RFC 5627 §5.1.
#[test]
fn a_temporary_name_that_is_void_stays_so() {
    let register = |call_id: &str, number: u8| {
        format!(
            "
        +1s    desk -> proxy       REGISTER bob #{number}
            Supported: gruu
            Contact: <sip:bob@{{desk}}>;+sip.instance=\"<urn:uuid:d1>\"
            Call-ID: {call_id}
        desk   <- proxy            200 #{number}
        "
        )
    };
    let mut stage = scene_on_disk(OPEN).run(&register("first", 1));
    let first = temporary(&stage, "desk", "urn:uuid:d1");
    stage.play(&register("second", 2));
    let second = temporary(&stage, "desk", "urn:uuid:d1");
    stage.play(&register("first", 1));
    let third = temporary(&stage, "desk", "urn:uuid:d1");
    for round in [10, 20] {
        for (number, void) in [&first, &second].into_iter().enumerate() {
            let number = round + number;
            stage.play(&format!(
                "
        alice  -> proxy            OPTIONS {void} #{number}
        alice  <- proxy            404 #{number}
        "
            ));
        }
        stage.play(&format!(
            "
        alice  -> proxy            OPTIONS {third} #{round}5
                  proxy -> desk    OPTIONS sip:bob@{{desk}} #{round}5
                  proxy <- desk    200 #{round}5
        alice  <- proxy            200 #{round}5
        "
        ));
        stage.kill_and_restart();
    }
}

/// Who puts its GRUU into its Contact, as Linphone does, gets the requests of the dialog, from either side, by public and
/// temporary names. RFC 5627 §4.4, RFC 5627 §6.1, RFC 5627 §6.2.
#[test]
fn both_sides_have_gruus_as_contacts() {
    let mut stage = ladder(
        "
        alice  -> proxy            REGISTER
        alice  <- proxy            401
        alice  -> proxy            REGISTER (auth)
            Supported: gruu
            Contact: <sip:alice@{alice}>;+sip.instance=\"<urn:uuid:a1>\"
        alice  <- proxy            200
        bob    -> proxy            REGISTER
        bob    <- proxy            401
        bob    -> proxy            REGISTER (auth)
            Supported: gruu
            Contact: <sip:bob@{bob}>;+sip.instance=\"<urn:uuid:b1>\"
        bob    <- proxy            200
    ",
    );
    let temp = temporary(&stage, "bob", "urn:uuid:b1");
    for (number, bobs) in ["sip:bob@example.com;gr=urn:uuid:b1", temp.as_str()].into_iter().enumerate() {
        stage.play(&format!(
            "
        alice  -> proxy            INVITE bob #{number}
            Contact: <sip:alice@example.com;gr=urn:uuid:a1>
        alice  <- proxy            407 #{number}
        alice  -> proxy            ACK #{number}
        alice  -> proxy            INVITE bob #{number} (auth)
            Contact: <sip:alice@example.com;gr=urn:uuid:a1>
                  proxy -> bob     INVITE #{number}
            Contact: <sip:alice@example.com;gr=urn:uuid:a1>
                  proxy <- bob     200 #{number}
            Contact: <{bobs}>
        alice  <- proxy            200 #{number}
        alice  -> proxy            ACK #{number}
                  proxy -> bob     ACK sip:bob@{{bob}} #{number}
            !Route
        alice  -> proxy            INFO #{number}
                  proxy -> bob     INFO sip:bob@{{bob}} #{number}
                  proxy <- bob     200 #{number}
        alice  <- proxy            200 #{number}
                  proxy <- bob     BYE #{number}
        alice  <- proxy            BYE sip:alice@{{alice}} #{number}
        alice  -> proxy            200 #{number}
                  proxy -> bob     200 #{number}
        "
        ));
    }
    stage.leaves_nothing();
}

/// A phone that subscribes with its GRUU is notified; also on a connection, and after it has come back by another.
/// RFC 5627 §4.4, RFC 5627 §6.1.
#[test]
fn a_subscriber_on_a_connection() {
    open_ladder(
        "
        given bob is registered
        alice  -> proxy/tcp        REGISTER
            Supported: gruu
            Contact: <sip:alice@{alice};transport=tcp>;+sip.instance=\"<urn:uuid:a1>\"
        alice  <- proxy            200
        alice  -> proxy/tcp        SUBSCRIBE bob
            Contact: <sip:alice@example.com;gr=urn:uuid:a1>
            Event: presence
                  proxy -> bob     SUBSCRIBE
                  proxy <- bob     200
        alice  <- proxy            200
                  proxy <- bob     NOTIFY
        alice  <- proxy            NOTIFY sip:alice@{alice};transport=tcp
        alice  -> proxy            200
                  proxy -> bob     200
        alice  -> proxy            close
        alice  -> proxy/tcp        REGISTER
            Supported: gruu
            Contact: <sip:alice@{alice};transport=tcp>;+sip.instance=\"<urn:uuid:a1>\"
        alice  <- proxy            200
                  proxy <- bob     NOTIFY
        alice  <- proxy            NOTIFY sip:alice@{alice};transport=tcp
        alice  -> proxy            200
                  proxy -> bob     200
    ",
    )
    .leaves_nothing();
}

/// A device that is gone is 480, a name that was never given is 404; so are temporary names of an earlier registration.
/// RFC 5627 §6.1, RFC 5627 §5.1, RFC 5627 §5.3.
#[test]
fn devices_that_are_gone_and_names_that_never_were() {
    let mut stage = scene(OPEN).user("bob").run(&format!("given alice is registered\n{TWO_DEVICES}"));
    let temp = temporary(&stage, "desk", "urn:uuid:d1");
    let forged = temp.replacen("tgruu.", "tgruu.A", 1);
    let refused = |stage: &mut Stage, gruu: &str, status: u16| {
        stage.play(&format!(
            "
        alice  -> proxy            OPTIONS {gruu}
        alice  <- proxy            {status}
        "
        ));
    };
    refused(&mut stage, "sip:bob@example.com;gr=urn:uuid:other", 480);
    refused(&mut stage, "sip:nobody@example.com;gr=urn:uuid:d1", 404);
    refused(&mut stage, &forged, 404);
    stage.play(
        "
        desk   -> proxy            REGISTER bob
            Call-ID: another
            Supported: gruu
            Contact: <sip:bob@{desk}>;+sip.instance=\"<urn:uuid:d1>\"
        desk   <- proxy            200
    ",
    );
    refused(&mut stage, &temp, 404);
    stage.play(
        "
        desk   -> proxy            REGISTER bob
            Call-ID: another
            CSeq: 99 REGISTER
            Contact: <sip:bob@{desk}>;expires=0
        desk   <- proxy            200
    ",
    );
    refused(&mut stage, "sip:bob@example.com;gr=urn:uuid:d1", 480);
    stage.leaves_nothing();
}

/// A GRUU as a Contact of its own registration would lead in a circle. RFC 5627 §5.1.
#[test]
fn a_gruu_is_no_contact_to_register() {
    open_ladder(
        "
        bob    -> proxy            REGISTER
            Contact: <sip:bob@example.com;gr=urn:uuid:b1>;+sip.instance=\"<urn:uuid:b1>\"
        bob    <- proxy            403
    ",
    )
    .leaves_nothing();
}

/// Who begins a call and names bob's device as his own would have bob's phone called in his place: 403. His own device is his, by
/// whichever of his names. RFC 5627 §6.2.
#[test]
fn the_gruu_of_somebody_else_is_no_contact() {
    for (method, contact, is_refused) in [
        ("INVITE", "<sip:bob@example.com;gr=urn:uuid:d1>", true),
        ("SUBSCRIBE", "\"Alice\" <sip:bob@example.com;transport=tcp;GR=urn:uuid:d1>", true),
        ("INVITE", "<sip:alice@example.com;gr=urn:uuid:a1>", false),
        ("INVITE", "<sip:bob@elsewhere.example;gr=urn:uuid:d1>", false),
        ("INVITE", "<sip:alice@192.0.2.99;group=bob>", false),
        ("MESSAGE", "<sip:bob@example.com;gr=urn:uuid:d1>", false),
    ] {
        let mut stage = scene("").user("bob").run(&format!(
            "
        given bob is registered
        alice  -> proxy            {method} bob
        alice  <- proxy            407
        "
        ));
        if method == "INVITE" {
            stage.play("alice -> proxy ACK");
        }
        let acknowledged = if method == "INVITE" { "proxy -> bob ACK" } else { "" };
        let goes_on = format!(
            "
                  proxy -> bob     {method}
                  proxy <- bob     603
                  {acknowledged}
        alice  <- proxy            603"
        );
        let goes_on = if is_refused { "alice  <- proxy            403" } else { &goes_on };
        stage.play(&format!(
            "
        alice  -> proxy            {method} bob (auth)
            Contact: {contact}
        {goes_on}
        "
        ));
    }
}

/// Behind an edge proxy: inside a dialog the rest of the route leads there, the Path is left out, and the device is written
/// into the Request-URI. RFC 5627 §6.1.
#[test]
fn inside_a_dialog_the_path_is_left_out() {
    open_ladder(
        "
        edge   -> proxy            REGISTER bob
            Supported: path, gruu
            Path: <sip:{edge};lr>
            Contact: <sip:bob@192.0.2.99>;+sip.instance=\"<urn:uuid:b1>\"
        edge   <- proxy            200
        alice  -> proxy            OPTIONS sip:bob@example.com;gr=urn:uuid:b1
                  proxy -> edge    OPTIONS sip:bob@192.0.2.99
            Route: <sip:{edge};lr>
                  proxy <- edge    200
        alice  <- proxy            200
        alice  -> proxy            INFO sip:bob@example.com;gr=urn:uuid:b1
            Route: <sip:{proxy};lr>, <sip:inside@{edge};lr>
            To: <sip:bob@example.com>;tag=b
                  proxy -> edge    INFO sip:bob@192.0.2.99
            Route: <sip:inside@{edge};lr>
                  proxy <- edge    200
        alice  <- proxy            200
    ",
    )
    .leaves_nothing();
}
