//! What people meet when something is wrong: the exit code, the place, the cause, and what to do.

mod server;

use std::net::UdpSocket;
use std::process::{Output, Stdio};

use server::{Place, Server, shown, text};

#[track_caller]
fn refused(output: &Output, code: i32, said: &[&str]) {
    let words = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{words}");
    for part in said {
        assert!(words.contains(part), "{part:?} is not in {words:?}");
    }
}

#[test]
fn a_wrong_configuration_names_line_and_cause() {
    let place = Place::new();
    let config = place.write("offhook.toml", "domains = [\"example.org\"]\n[log]\nlevl = \"info\"\n");
    for command in [&["serve"][..], &["check"], &["account", "list"], &["bindings"]] {
        let words = format!("{config}:3:1: unknown key \"levl\" in [log]; did you mean \"level\"?");
        refused(&place.run(command), 3, &[&words]);
    }
    assert!(!place.data().exists(), "nothing was made");
    let output = place.run(&["check"]);
    assert!(text(&output.stderr).starts_with(&config), "the place stands first");
}

#[test]
fn a_configuration_that_cannot_be_read_is_named() {
    let place = Place::new();
    std::fs::remove_file(place.config()).unwrap();
    refused(&place.run(&["serve"]), 3, &["cannot read the configuration", "offhook.toml", "No such file"]);
    std::fs::create_dir(place.config()).unwrap();
    refused(&place.run(&["serve"]), 3, &["cannot read the configuration", "offhook.toml", "directory"]);
}

#[test]
fn a_sound_configuration_is_explained() {
    let place = Place::with("[[route]]\nmatch = { domain = \"trunk.example\" }\nto = \"sip:192.0.2.9\"\n");
    let said = place.print(&["check"]);
    for part in [
        "is sound",
        "offhook.internal",
        "udp 127.0.0.1:0",
        "{ domain = \"trunk.example\" } goes to sip:192.0.2.9:5060",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said:?}");
    }
}

#[test]
fn what_is_said_in_vain_is_noted() {
    let place = Place::with(
        "[dns]\ntrust_anchors = \"anchors\"\n\
         [[route]]\nname = \"far\"\nmatch = { prefix = \"1\" }\nto = \"sip:192.0.2.9;transport=tls\"\n\
         [[trunk]]\nname = \"prov\"\npeer_domains = [\"p.example\"]\nregister_as = \"sip:1@p.example\"\n\
         targets = [{ to = \"sips:p.example\" }, { to = \"sip:192.0.2.9\" }, { to = \"sip:p.example\" }]\n",
    );
    let said = place.print(&["check"]);
    let notes: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("  note            ")).collect();
    let has = |parts: &[&str]| notes.iter().any(|note| parts.iter().all(|part| note.contains(part)));
    assert!(has(&["route far", "sip:192.0.2.9:5061;transport=tls", "502"]), "{said}");
    assert!(has(&["trunk prov", "sips:p.example", "transport = \"tls\""]), "{said}");
    assert!(
        has(&["trunk prov", "peer_domains"]) && has(&["register_as"]) && has(&["trust_anchors"]),
        "{said}"
    );
    assert_eq!(notes.len(), 5, "{said}");
}

#[test]
fn what_leads_back_to_us_is_noted() {
    let listen = "[[listen]]\ntransport = \"udp\"\naddress = \"127.0.0.1:5999\"\n";
    let place = Place::new();
    let config = format!(
        "data_dir = {:?}\ndomains = [\"a.example\"]\n{listen}\
         [websocket]\norigins = [\"https://a.example\"]\n[tls]\nserver_ca = \"/nowhere/ca.pem\"\n\
         [[trunk]]\nname = \"self\"\ntargets = [{{ to = \"sip:127.0.0.1:5999\" }}, {{ to = \"sip:192.0.2.9\" }}]\n\
         [[route]]\nname = \"round\"\nmatch = {{ domain = \"a.example\" }}\nredirect = \"sip:A.example\"\n\
         [[route]]\nname = \"on\"\nmatch = {{ prefix = \"1\", domain = \"a.example\" }}\nredirect = \"sip:a.example\"\n\
         [[route]]\nname = \"short\"\nmatch = {{ number = \"11\" }}\nusers = true\nstrip = 3\n\
         [[route]]\nname = \"long\"\nmatch = {{ prefix = \"112\" }}\nusers = true\nstrip = 3\n",
        place.data()
    );
    place.write("offhook.toml", config);
    let said = place.print(&["check"]);
    let notes: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("  note            ")).collect();
    let has = |parts: &[&str]| notes.iter().any(|note| parts.iter().all(|part| note.contains(part)));
    assert!(has(&["trunk self", "sip:127.0.0.1:5999", "is this server"]), "{said}");
    assert!(has(&["route round", "comes back"]) && has(&["route short", "strip = 3"]), "{said}");
    assert!(has(&["[websocket]", "\"ws\" or \"wss\""]) && has(&["[tls]", "\"tls\" or \"wss\""]), "{said}");
    assert_eq!(notes.len(), 5, "{said}");
}

#[test]
fn certificates_that_cannot_be_used_are_named_by_their_keys() {
    let place = Place::with("");
    let empty = place.write("empty.pem", "");
    let listen = "[[listen]]\ntransport = \"tls\"\naddress = \"127.0.0.1:0\"\n";
    let tls = format!(
        "[tls]\ncertificate = \"/nowhere/cert.pem\"\nkey = {empty:?}\nclient_ca = {empty:?}\n\
         [[tls.domain]]\nname = \"a.example\"\ncertificate = \"/nowhere/a.pem\"\nkey = \"/nowhere/a.key\"\n"
    );
    place.write("offhook.toml", format!("data_dir = {:?}\n{listen}{tls}", place.data()));
    let all = [
        "\"certificate\" in [tls]: cannot read /nowhere/cert.pem",
        "\"key\" in [tls]",
        "\"client_ca\" in [tls]",
        "holds no certificate in PEM form",
        "\"certificate\" in [[tls.domain]] of a.example: cannot read /nowhere/a.pem",
        "\"key\" in [[tls.domain]] of a.example: cannot read /nowhere/a.key",
    ];
    refused(&place.run(&["check"]), 3, &all);
    let output = place.run(&["serve"]);
    refused(&output, 3, &["in [tls]: "]);
    assert_eq!(text(&output.stdout), "", "no accounts were made");
}

#[test]
fn an_address_in_use_is_named() {
    let place = Place::new();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    place.write("offhook.toml", format!("[[listen]]\ntransport = \"udp\"\naddress = \"{address}\"\n"));
    let said = [format!("UDP {address} is in use"), "[[listen]]".to_owned()];
    let output = place.run(&["serve"]);
    refused(&output, 4, &[&said[0], &said[1]]);
    assert_eq!(text(&output.stdout), "", "no accounts were made, and no passwords shown that are lost now");
    drop(taken);
    place.print(&["account", "add", "carol"]);
    assert_eq!(place.print(&["account", "list", "--json"]).lines().count(), 1);
}

#[test]
fn trust_anchors_that_cannot_be_read_are_named() {
    let place = Place::with("[dns]\ndnssec = true\ntrust_anchors = \"/nowhere/anchors\"\n");
    let said = ["cannot use the trust anchors in /nowhere/anchors", "No such file"];
    refused(&place.run(&["resolve", "example.org"]), 3, &said);
    refused(&place.run(&["check"]), 3, &said);
    let output = place.run(&["serve"]);
    refused(&output, 3, &said);
    assert_eq!(text(&output.stdout), "", "no accounts were made");
}

#[test]
fn a_data_directory_has_one_server() {
    let place = Place::new();
    let _server = Server::start(&place);
    refused(&place.run(&["serve"]), 5, &["another server uses this data folder", "--data"]);
}

#[test]
fn a_data_directory_that_cannot_be_is_named() {
    let place = Place::new();
    std::fs::write(place.data(), "a file").unwrap();
    let data = shown(&place.data());
    refused(&place.run(&["serve"]), 5, &[&data, "is a file", "a directory is needed"]);
    refused(&place.run(&["account", "add", "carol"]), 5, &[&data]);
    refused(&place.run(&["bindings"]), 5, &[&data]);
}

#[test]
fn looking_into_nothing_makes_nothing() {
    let place = Place::new();
    for command in [&["account", "list"][..], &["account", "remove", "carol"], &["bindings"]] {
        refused(&place.run(command), 5, &["there is no Offhook data in", "--data"]);
    }
    assert!(!place.data().exists());
}

#[test]
fn accounts_that_cannot_be_changed_are_named() {
    let place = Place::new();
    place.print(&["account", "add", "carol"]);
    let carol = "carol@offhook.internal";
    refused(&place.run(&["account", "add", "carol"]), 1, &[carol, "exists already", "account password"]);
    refused(&place.run(&["account", "remove", "dave"]), 1, &["dave@offhook.internal", "account list"]);
    refused(&place.run(&["account", "password", "dave"]), 1, &["dave@offhook.internal", "account list"]);
    refused(&place.run(&["account", "add", "carol", "--password-stdin"]), 1, &["1 to 128 bytes"]);
}

#[test]
fn impossible_names_are_wrong_usage() {
    let place = Place::new();
    refused(&place.run(&["account", "add", "@example.org"]), 2, &["alice@example.org"]);
    refused(&place.run(&["account", "add", "al ice@example.org"]), 2, &["' ' cannot be part of a user"]);
    refused(&place.run(&["account", "add", "alice@exa mple"]), 2, &["\"exa mple\" is neither a host name"]);
    refused(&place.run(&["frobnicate"]), 2, &["unrecognized subcommand", "--help"]);
}

#[test]
fn an_alias_that_is_an_account_is_called_so() {
    let place = Place::new();
    place.print(&["account", "add", "alice"]);
    refused(&place.run(&["account", "alias", "alice", "alice"]), 1, &["is an account", "account list"]);
}

#[test]
fn a_wrong_line_of_an_import_is_named_and_nothing_imported() {
    let place = Place::new();
    for (rows, cause) in [
        ("a,example.org,secret\nb,example.org\n", ":2: 2 fields"),
        ("a,example.org,secret\n\nb,example.org,\n", ":3: neither a password nor a ha1"),
        ("a,example.org,secret\na,EXAMPLE.org,secret\n", ":2: a@example.org exists already"),
        ("a,example.org,secret\nb,exa mple,secret\n", ":2: \"exa mple\" is neither a host name"),
        ("a,example.org,secret,xyz\n", ":1: ha1 is not"),
    ] {
        let file = place.write("rows.csv", rows);
        refused(&place.run(&["account", "import", &file]), 1, &[&file, cause, "nothing was imported"]);
    }
    assert_eq!(place.print(&["account", "list", "--json"]), "");
    let nowhere = shown(&place.path("nowhere.csv"));
    refused(&place.run(&["account", "import", &nowhere]), 1, &["cannot read", &nowhere]);
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let place = Place::new();
    place.print(&["account", "add", "carol"]);
    for command in [&["account", "list"][..], &["check"], &["bindings"], &["--help"]] {
        let mut child = place.command(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{command:?}");
    }
}

#[test]
fn a_password_that_could_not_be_shown_is_an_error() {
    let place = Place::new();
    let mut child = place.command(&["account", "add", "carol"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    refused(&child.wait_with_output().unwrap(), 1, &["could not be shown", "account password"]);
}

#[test]
fn the_exit_codes_are_in_the_help() {
    let help = Place::new().print(&["--help"]);
    for code in ["0  done", "1  failed", "2  wrong usage", "3  the config", "4  the network", "5  the data"] {
        assert!(help.contains(code), "{help}");
    }
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
}
