//! `offhook ping` against the program itself, and against nobody.

mod server;

use std::net::{TcpListener, UdpSocket};

use server::{Place, Server, text};

#[test]
fn a_running_server_answers_by_both_transports() {
    let place = Place::new();
    let server = Server::start(&place);
    for (uri, way) in [
        (format!("sip:{}", server.udp), format!("to udp {}", server.udp)),
        (format!("sip:{};transport=tcp", server.tcp), format!("to tcp {}", server.tcp)),
    ] {
        let said = place.print(&["ping", &uri]);
        assert!(said.lines().next().unwrap().contains(&way), "{said}");
        assert!(said.contains("\nSIP/2.0 200 OK  ") && said.contains("\n  Allow: INVITE, "), "{said}");
    }
}

#[test]
fn several_questions_are_summed_up() {
    let place = Place::new();
    let server = Server::start(&place);
    let said = place.print(&["ping", "--count", "2", &format!("sip:{};transport=tcp", server.tcp)]);
    assert_eq!(said.matches("SIP/2.0 200 OK").count(), 2, "{said}");
    assert!(said.lines().last().unwrap().starts_with("2 asked, 2 answered; least "), "{said}");
}

#[test]
fn any_answer_is_a_sign_of_life() {
    let place = Place::new();
    let server = Server::start(&place);
    let said = place.print(&["ping", &format!("sip:nobody@{}", server.udp)]);
    assert!(said.contains("\nSIP/2.0 4"), "{said}");
}

#[test]
fn nobody_there_is_exit_code_4() {
    let place = Place::new();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (uri, words) in [
        (format!("sip:{silent}"), "no answer within 1 s"),
        (format!("sip:{refusing};transport=tcp"), "no connection"),
    ] {
        let output = place.run(&["ping", "--timeout", "1", &uri]);
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        assert!(text(&output.stdout).contains(words), "{output:?}");
        assert!(text(&output.stderr).contains("does not answer"), "{output:?}");
    }
    let output = place.run(&["ping", "sip:nobody.invalid"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(text(&output.stderr).contains("cannot find nobody.invalid"), "{output:?}");
}
