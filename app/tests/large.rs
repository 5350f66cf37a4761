//! Requests that are larger than a path may carry, over real sockets: RFC 3261 §18.1.1. The name server is the test's own.

mod server;

use std::io::Read;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread;

use server::{PATIENCE, Place, Server};

/// More than an Ethernet frame takes. The loopback takes it whole; in fragments it comes in `test/interop/flows/fragments.py`.
const LARGE_BYTES: usize = 1_800;

const OPEN: &str = "[access]\nauthenticate_register = false\nauthenticate_calls = false\n";

/// A registered phone gets a large INVITE by UDP, whole: it has said that it is there. RFC 3261 §18.1.1 ("MUST be able to
/// handle the maximum datagram packet size").
#[test]
fn a_large_invite_is_taken_and_passed_on() {
    let server = Server::start(&Place::with(OPEN));
    let (alice, bob) = (port(), port());
    let own = bob.local_addr().unwrap();
    send(
        &bob,
        server.udp,
        "REGISTER",
        &format!("sip:{}", server.udp),
        &format!("Contact: <sip:bob@{own}>\r\n"),
    );
    assert!(hear(&bob).starts_with("SIP/2.0 200"));
    let subject = format!("Subject: {}\r\n", "x".repeat(LARGE_BYTES));
    send(&alice, server.udp, "INVITE", &format!("sip:bob@{}", server.udp), &subject);
    let invite = hear(&bob);
    assert!(invite.starts_with("INVITE sip:bob@") && invite.contains(&subject), "{invite}");
}

/// A next hop by name is sent a large request by TCP, a small one by UDP; and the large one by UDP too where nobody takes
/// connections. RFC 3261 §18.1.1.
#[test]
fn a_large_request_goes_by_tcp() {
    let names = port();
    let dns = names.local_addr().unwrap();
    thread::spawn(move || answer_names(&names));
    let place = Place::with(&format!("{OPEN}[dns]\nservers = [\"{dns}\"]\nprivate_addresses = true\n"));
    let server = Server::start(&place);
    let alice = port();
    let far = port_at("127.0.0.53:0");
    let at = far.local_addr().unwrap();
    let uri = format!("sip:bob@far.test:{}", at.port());
    let large = format!("Subject: {}\r\n", "x".repeat(LARGE_BYTES));
    send(&alice, server.udp, "OPTIONS", &uri, "");
    assert!(hear(&far).contains("\r\nVia: SIP/2.0/UDP "));
    let taken = TcpListener::bind(at).unwrap();
    send(&alice, server.udp, "MESSAGE", &uri, &large);
    let mut stream = taken.accept().unwrap().0;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = vec![0; LARGE_BYTES];
    stream.read_exact(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.starts_with("MESSAGE ") && text.contains("\r\nVia: SIP/2.0/TCP "), "{text}");
    drop((stream, taken));
    send(&alice, server.udp, "INFO", &uri, &large);
    let text = loop {
        let text = hear(&far);
        if text.starts_with("INFO ") {
            break text;
        }
    };
    assert!(text.contains("\r\nVia: SIP/2.0/UDP ") && text.contains(&large), "{text}");
}

/// `far.test` has an address where nobody else opens connections; of everything else there is nothing.
fn answer_names(socket: &UdpSocket) {
    let mut question = [0; 512];
    while let Ok((len, from)) = socket.recv_from(&mut question) {
        let question = &question[..len];
        // Behind the head: the name, its type and its class.
        let Some(end) = question.iter().skip(12).position(|&c| c == 0).map(|at| 12 + at + 5) else {
            continue;
        };
        let asks_address =
            question[end - 4..end] == [0, 1, 0, 1] && question[12..].starts_with(b"\x03far\x04test\0");
        let mut answer = question[..end].to_vec();
        answer[2..4].copy_from_slice(&[0x84, 0x00]);
        answer[4..12].copy_from_slice(&[0, 1, 0, u8::from(asks_address), 0, 0, 0, 0]);
        if asks_address {
            answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 53]);
        }
        let _ = socket.send_to(&answer, from);
    }
}

fn port() -> UdpSocket {
    port_at("127.0.0.1:0")
}

fn port_at(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn send(socket: &UdpSocket, server: SocketAddr, method: &str, uri: &str, more: &str) {
    let own = socket.local_addr().unwrap();
    let text = format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;branch=z9hG4bK-{method}\r\nMax-Forwards: 70\r\n\
         From: <sip:bob@{server}>;tag=1\r\nTo: <sip:bob@{server}>\r\nCall-ID: {method}.{own}\r\nCSeq: 1 {method}\r\n\
         {more}Content-Length: 0\r\n\r\n"
    );
    socket.send_to(text.as_bytes(), server).unwrap();
}

fn hear(socket: &UdpSocket) -> String {
    let mut bytes = vec![0; 65_536];
    let (len, _) = socket.recv_from(&mut bytes).expect("something comes");
    String::from_utf8_lossy(&bytes[..len]).into_owned()
}
