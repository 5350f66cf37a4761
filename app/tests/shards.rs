//! One shard, two, and thirty-two: the same calls, though each message of theirs comes from another port, so that the
//! kernel gives it to another shard.

mod server;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use offhook_sip::{Message, Name, NameAddr};
use server::{PATIENCE, Place, Server};

/// Calls of each test: with 32 shards and a new port for each message hardly two land alike.
const CALLS: usize = 8;

/// Longer than T1 (500 ms): what would be sent again, is.
const SILENCE: Duration = Duration::from_millis(700);

fn each_number_of_shards(test: impl Fn(&Server)) {
    for shards in [1, 2, 32] {
        let place = Place::with(&format!(
            "[access]\nauthenticate_register = false\nauthenticate_calls = false\n[engine]\nshards = {shards}\n"
        ));
        test(&Server::start(&place));
    }
}

/// Everything of a call that is cancelled, and the INVITE again, meets in one shard.
/// RFC 3261 §9.2, RFC 3261 §17.2.1, RFC 3261 §17.2.3.
#[test]
fn a_cancelled_call_from_many_ports() {
    each_number_of_shards(|server| {
        let bob = Callee::register(server);
        let calls: Vec<_> = (0..CALLS)
            .map(|n| {
                let call = Caller::new(server, &bob.user, n);
                let invited = call.send("INVITE", "i", "", "");
                let invite = bob.hear("INVITE", None);
                call.send("INVITE", "i", "", "");
                bob.answer(&invite, "180 Ringing");
                hear(&invited, "SIP/2.0 180");
                let cancelled = call.send("CANCEL", "i", "", "");
                hear(&cancelled, "SIP/2.0 200");
                let cancel = bob.hear("CANCEL", Some(&invite));
                bob.answer(&cancel, "200 OK");
                bob.answer(&invite, "487 Request Terminated");
                bob.hear("ACK", Some(&invite));
                let refusal = hear(&invited, "SIP/2.0 487");
                call.send("ACK", "i", &to_of(&refusal), "");
                invited
            })
            .collect();
        std::thread::sleep(SILENCE);
        calls.iter().for_each(|invited| has_heard_nothing(invited, "the ACK has ended the 487"));
        has_heard_nothing(&bob.socket, "the INVITE went out once");
    });
}

/// A whole call, its ACK and BYE included, and a BYE that comes twice.
/// RFC 3261 §13.2.2.4, RFC 3261 §17.2.2.
#[test]
fn a_call_from_many_ports() {
    each_number_of_shards(|server| {
        let bob = Callee::register(server);
        for n in 0..CALLS {
            let call = Caller::new(server, &bob.user, n);
            let invited = call.send("INVITE", "i", "", "");
            let invite = bob.hear("INVITE", None);
            bob.answer(&invite, "200 OK");
            let answer = hear(&invited, "SIP/2.0 200");
            let (to, route) = (to_of(&answer), route_of(&answer));
            call.send("ACK", "a", &to, &route);
            bob.hear("ACK", None);
            let hung_up = call.send("BYE", "b", &to, &route);
            let bye = bob.hear("BYE", None);
            call.send("BYE", "b", &to, &route);
            bob.answer(&bye, "200 OK");
            hear(&hung_up, "SIP/2.0 200");
            let again = call.send("BYE", "b", &to, &route);
            assert_eq!(to_of(&hear(&again, "SIP/2.0 200")), ";tag=callee", "bob's answer is kept for it");
        }
        std::thread::sleep(SILENCE);
        has_heard_nothing(&bob.socket, "each BYE went out once");
    });
}

/// A phone on TCP belongs to the shard of its connection, callers to others. RFC 3261 §18.2.2, RFC 5626 §5.3.
#[test]
fn a_phone_on_tcp_is_called_from_many_ports() {
    each_number_of_shards(|server| {
        let mut stream = TcpStream::connect(server.tcp).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let own = stream.local_addr().unwrap();
        let register = register_text(server.tcp, "TCP", own, "carol");
        stream.write_all(register.as_bytes()).unwrap();
        assert!(read_message(&mut stream).starts_with("SIP/2.0 200"));
        for n in 0..CALLS {
            let call = Caller::new(server, "carol", n);
            let asked = call.send("MESSAGE", "m", "", "");
            let request = read_message(&mut stream);
            assert!(request.starts_with("MESSAGE sip:carol@"), "{request}");
            stream.write_all(response_text(request.as_bytes(), "200 OK", own).as_bytes()).unwrap();
            hear(&asked, "SIP/2.0 200");
        }
    });
}

/// Who calls: each message leaves by a port of its own, and answers come back to it (RFC 3581).
struct Caller {
    server: SocketAddr,
    user: String,
    id: String,
}

impl Caller {
    fn new(server: &Server, user: &str, number: usize) -> Self {
        Self { server: server.udp, user: user.to_owned(), id: format!("call{number}") }
    }

    fn send(&self, method: &str, branch: &str, to_tag: &str, route: &str) -> UdpSocket {
        let (user, server, id) = (&self.user, self.server, &self.id);
        let cseq = if method == "BYE" { 2 } else { 1 };
        let text = format!(
            "{method} sip:{user}@{server} SIP/2.0\r\n\
             Via: SIP/2.0/UDP alice.invalid;rport;branch=z9hG4bK{id}{branch}\r\n\
             {route}Max-Forwards: 70\r\n\
             From: <sip:alice@{server}>;tag=1\r\n\
             To: <sip:{user}@{server}>{to_tag}\r\n\
             Call-ID: {id}\r\n\
             CSeq: {cseq} {method}\r\n\
             Contact: <sip:alice@alice.invalid>\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let socket = port();
        socket.send_to(text.as_bytes(), server).unwrap();
        socket
    }
}

/// Who is called: hears at the port that was registered, answers from others.
struct Callee {
    server: SocketAddr,
    user: String,
    socket: UdpSocket,
}

impl Callee {
    fn register(server: &Server) -> Self {
        let socket = port();
        let bob = Self { server: server.udp, user: "bob".to_owned(), socket };
        let text = register_text(bob.server, "UDP", bob.contact(), &bob.user);
        bob.socket.send_to(text.as_bytes(), bob.server).unwrap();
        hear(&bob.socket, "SIP/2.0 200");
        bob
    }

    fn contact(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// The next request that is not the repetition of one before; `of`: it belongs to this one's transaction.
    fn hear(&self, method: &str, of: Option<&[u8]>) -> Vec<u8> {
        loop {
            let bytes = hear(&self.socket, "");
            if of.is_some_and(|of| of == bytes) {
                continue;
            }
            let message = Message::parse(&bytes).unwrap();
            assert_eq!(String::from_utf8_lossy(message.method_text()), method);
            if let Some(of) = of {
                assert_eq!(branch(&bytes), branch(of), "{method} of another transaction");
            }
            return bytes;
        }
    }

    fn answer(&self, request: &[u8], status: &str) {
        let text = response_text(request, status, self.contact());
        port().send_to(text.as_bytes(), self.server).unwrap();
    }
}

fn register_text(server: SocketAddr, transport: &str, own: SocketAddr, user: &str) -> String {
    format!(
        "REGISTER sip:{server} SIP/2.0\r\n\
         Via: SIP/2.0/{transport} {own};rport;branch=z9hG4bKr{user}\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:{user}@{server}>;tag=1\r\n\
         To: <sip:{user}@{server}>\r\n\
         Call-ID: r{user}\r\n\
         CSeq: 1 REGISTER\r\n\
         Contact: <sip:{user}@{own};transport={transport}>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

fn response_text(request: &[u8], status: &str, contact: SocketAddr) -> String {
    let request = Message::parse(request).unwrap();
    let mut text = format!("SIP/2.0 {status}\r\n");
    for name in [Name::Via, Name::RecordRoute, Name::From, Name::CallId, Name::CSeq] {
        for line in request.lines_of(name) {
            text.push_str(&String::from_utf8_lossy(&request.bytes()[line.whole()]));
        }
    }
    let to = String::from_utf8_lossy(request.value(Name::To).unwrap()).into_owned();
    let tag = if to.contains("tag=") { "" } else { ";tag=callee" };
    text.push_str(&format!("To: {to}{tag}\r\nContact: <sip:bob@{contact}>\r\nContent-Length: 0\r\n\r\n"));
    text
}

fn port() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The next message, which begins like this. A provisional answer of the server's own may come before it.
#[track_caller]
fn hear(socket: &UdpSocket, start: &str) -> Vec<u8> {
    loop {
        let mut bytes = vec![0; 65_536];
        let length = socket.recv(&mut bytes).unwrap_or_else(|e| panic!("no {start:?}: {e}"));
        bytes.truncate(length);
        if !bytes.starts_with(b"SIP/2.0 100") {
            assert!(bytes.starts_with(start.as_bytes()), "no {start:?}: {}", String::from_utf8_lossy(&bytes));
            return bytes;
        }
    }
}

#[track_caller]
fn has_heard_nothing(socket: &UdpSocket, why: &str) {
    socket.set_nonblocking(true).unwrap();
    let mut bytes = [0; 2_000];
    match socket.recv(&mut bytes) {
        Ok(length) => panic!("{why}, but: {}", String::from_utf8_lossy(&bytes[..length])),
        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
    }
}

fn read_message(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a message from the server");
        bytes.extend(byte);
    }
    server::text(&bytes)
}

fn branch(message: &[u8]) -> Vec<u8> {
    Message::parse(message).unwrap().top_via().unwrap().branch().to_vec()
}

fn to_of(response: &[u8]) -> String {
    let response = Message::parse(response).unwrap();
    let to = NameAddr::parse(response.value(Name::To).unwrap()).unwrap();
    format!(";tag={}", server::text(to.tag().unwrap()))
}

/// The server's Record-Route as a Route. The call's Request-URI stays the user: his binding leads to him all the same.
fn route_of(response: &[u8]) -> String {
    let response = Message::parse(response).unwrap();
    format!("Route: {}\r\n", server::text(response.value(Name::RecordRoute).unwrap()))
}
