//! Bad input from outside, as an operator meets it: each kind has its answer, and its line in the log. The details stand
//! in `platform/net/tests` and `node/tests/ladders`; here it is the program, and what it writes.

mod server;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use server::{PATIENCE, Place, Server};

const OPEN: &str = "[access]\nauthenticate_register = false\nauthenticate_calls = false\n";

/// Entries of a header that somebody plays with.
const MANY: usize = 1_000;

/// Handshakes of one source that are let in, and some more (`Limits::handshakes_per_source_max`).
const FLOOD: usize = 256 + 10;

/// A client with the certificate of this file, or without one; it believes the server's.
fn client(server: &Path, own: Option<(&Certificate, &KeyPair)>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(server).unwrap()).unwrap();
    let builder = ClientConfig::builder().with_root_certificates(roots);
    Arc::new(match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            builder.with_client_auth_cert(vec![certificate.der().clone()], key).unwrap()
        }
    })
}

fn dial(tls: SocketAddr, config: &Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
    let stream = TcpStream::connect(tls).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), stream)
}

/// What an INVITE for 100 is answered, if it is.
fn call(stream: &mut (impl Read + Write)) -> Option<String> {
    let invite = request("INVITE", "TLS", "sip:100@example.org", "");
    stream.write_all(invite.as_bytes()).ok()?;
    let mut answer = vec![0; 65_536];
    let length = stream.read(&mut answer).ok().filter(|length| *length > 0)?;
    Some(String::from_utf8_lossy(&answer[..length]).lines().next()?.to_owned())
}

fn request(method: &str, transport: &str, uri: &str, more: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:9;rport;branch=z9hG4bK-{method}{}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:bob@example.org>;tag=1\r\nTo: <sip:bob@offhook.internal>\r\nCall-ID: {}.{}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:bob@127.0.0.1:9>\r\n{more}Content-Length: 0\r\n\r\n",
        more.len(),
        method,
        more.len()
    )
}

/// Asks by UDP; the first line of the answer.
fn ask(server: &Server, request: &str) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(request.as_bytes(), server.udp).unwrap();
    let mut answer = vec![0; 65_536];
    let length = socket.recv(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer[..length]).lines().next().unwrap_or_default().to_owned()
}

/// The server lives: somebody else is answered by UDP.
fn lives(server: &Server) {
    let answer = ask(server, &request("OPTIONS", "UDP", &format!("sip:{}", server.udp), ""));
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
}

struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, name: &str, last_year: i32) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(last_year, 1, 1);
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

/// A trunk comes by TLS and must prove who it is. Who shows no certificate, one that is over or one that nobody we trust
/// has signed gets no connection; who proves another name has one, and the rights of a stranger. RFC 5922 §7.4,
/// RFC 3261 §26.3.1.
#[test]
fn certificates_that_prove_nothing() {
    let place = Place::new();
    let authority = Authority::new("trunks");
    let ca = place.write("trunks-ca.pem", authority.certificate.pem());
    place.configure(&format!(
        "[[listen]]\ntransport = \"tls\"\naddress = \"127.0.0.1:0\"\n\
         [tls]\nclient_ca = {ca:?}\nclient_required = true\n\
         [[trunk]]\nname = \"provider\"\ntargets = [{{ to = \"sip:127.0.0.1:9\" }}]\npeer_domains = [\"trunk.example\"]\n\
         [[route]]\nmatch = {{ from_trunk = \"provider\" }}\nrefuse = 410\n"
    ));
    let server = Server::start(&place);
    let own = place.data().join("tls/certificate.pem");
    let of = |(certificate, key): (Certificate, KeyPair)| client(&own, Some((&certificate, &key)));

    let refused = [
        (client(&own, None), "the peer showed no certificate"),
        (of(authority.sign("trunk.example", 2001)), "has expired"),
        (of(Authority::new("others").sign("trunk.example", 2100)), "no trusted authority"),
    ];
    for (config, why) in refused {
        assert_eq!(call(&mut dial(server.tls(), &config)), None, "{why}");
        let failed = server.wait_event("tls.failed");
        assert!(failed["why"].as_str().unwrap().contains(why), "{failed}");
        assert!(failed["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{failed}");
    }

    let mut trunk = dial(server.tls(), &of(authority.sign("trunk.example", 2100)));
    assert_eq!(call(&mut trunk).as_deref(), Some("SIP/2.0 410 Gone"), "the trunk's rule");
    assert_eq!(server.wait_event("tls.proved")["domains"], "trunk.example");
    let mut other = dial(server.tls(), &of(authority.sign("other.example", 2100)));
    let answer = call(&mut other).unwrap();
    assert!(answer.starts_with("SIP/2.0 407 "), "{answer}");
    assert_eq!(server.wait_event("tls.proved")["domains"], "other.example");
    assert_eq!(server.wait_event("auth.challenged")["method"], "INVITE");
    lives(&server);
}

/// Whoever opens handshakes and does not go on gets no more than its share of them; who had a connection keeps it.
#[test]
fn a_flood_of_handshakes() {
    let place =
        Place::with("[[listen]]\ntransport = \"tls\"\naddress = \"127.0.0.1:0\"\n[engine]\nshards = 1\n");
    let server = Server::start(&place);
    let config = client(&place.data().join("tls/certificate.pem"), None);
    let mut alice = dial(server.tls(), &config);
    assert!(call(&mut alice).is_some());

    let flood: Vec<TcpStream> = (0..FLOOD).map(|_| TcpStream::connect(server.tls()).unwrap()).collect();
    let failed = server.wait_event("tls.failed");
    assert_eq!(failed["why"], "too many handshakes at once");
    alice.write_all(b"\r\n\r\n").unwrap();
    alice.read_exact(&mut [0; 2]).expect("a pong");
    lives(&server);
    drop(flood);
    assert_eq!(server.wait_event("tls.failed")["level"], "warn");
    server::within(PATIENCE, "there is room again", || call(&mut dial(server.tls(), &config)).is_some());
}

const OPENING: &str = "GET / HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Frames that break the rules of RFC 6455 end their WebSocket with a Close that says why: §5.1 (mask), §5.2 (opcode,
/// reserved bits), §5.4 (fragments), §7.4.1 (too long, not UTF-8). RFC 7118 §5.
#[test]
fn frames_that_break_the_rules() {
    let server = Server::start(&Place::with("[[listen]]\ntransport = \"ws\"\naddress = \"127.0.0.1:0\"\n"));
    // First byte, length, mask; then the payload. The mask is 0, so payloads stay readable.
    let cases: [(&[u8], u16, &str); 7] = [
        (b"\x81\x05hello", 1002, "frame without mask"),
        (b"\x82\xff\0\0\0\0\0\x10\0\0\0\0\0\0", 1009, "message too long"),
        (b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1002, "malformed length"),
        (b"\xf3\xa9\x17\x00\x42\x81\x81\x81", 1002, "reserved bit set"),
        (b"\x83\x80\0\0\0\0", 1002, "unknown opcode"),
        (b"\x80\x80\0\0\0\0", 1002, "continuation of nothing"),
        (b"\x81\x82\0\0\0\0\xff\xfe", 1007, "text is not UTF-8"),
    ];
    for (frame, code, why) in cases {
        let mut stream = TcpStream::connect(server.listener("ws")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(OPENING.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 101");
        stream.write_all(frame).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("the end");
        let close = rest.windows(4).position(|four| four[0] == 0x88 && four[2..4] == code.to_be_bytes());
        let close = close.unwrap_or_else(|| panic!("{why}: {rest:?}"));
        assert_eq!(&rest[close + 4..], why.as_bytes());
        let failed = server.wait_event("websocket.failed");
        assert_eq!(failed["why"], format!("closed with {code}: {why}"));
    }
    let mut stream = TcpStream::connect(server.listener("ws")).unwrap();
    stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00 garbage\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(server.wait_event("websocket.failed")["why"].as_str().unwrap().contains("answered 400"));
    lives(&server);
}

/// Beyond its connections a source gets none, and the log says which bound that was.
#[test]
fn more_connections_than_one_source_may_have() {
    let place = Place::with("[limits]\nconnections_per_source_max = 3\n[engine]\nshards = 1\n");
    let server = Server::start(&place);
    let _three: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(server.tcp).unwrap()).collect();
    let mut fourth = TcpStream::connect(server.tcp).unwrap();
    fourth.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(!fourth.read(&mut [0; 1]).is_ok_and(|length| length > 0));
    let reached = server.wait_event("limit.reached");
    assert_eq!(
        (&reached["which"], &reached["limit"]),
        (&"connections_per_source_max".into(), &Value::from(3))
    );
    assert!(reached["source"].as_str().unwrap().starts_with("127.0.0.1:"), "{reached}");
    lives(&server);
}

/// A name server of a stranger sends us into our own network, to nobody and to everybody: nothing is sent there, and both the
/// records and the request have a line.
#[test]
fn a_name_server_that_lies() {
    let names = UdpSocket::bind("127.0.0.1:0").unwrap();
    let dns = names.local_addr().unwrap();
    thread::spawn(move || lie(&names));
    let server = Server::start(&Place::with(&format!("{OPEN}[dns]\nservers = [\"{dns}\"]\n")));
    let answer = ask(&server, &request("MESSAGE", "UDP", "sip:bob@lies.test", ""));
    assert!(answer.starts_with("SIP/2.0 403 "), "{answer}");
    let [strange, unresolved] = server.wait_events(["name.strange", "name.unresolved"]);
    assert_eq!(strange["dropped"], 2, "everybody and nobody");
    assert!(strange["name"].as_str().unwrap().contains("lies.test"), "{strange}");
    assert_eq!(unresolved["status"], 403, "the others may not be reached: {unresolved}");
    lives(&server);
}

/// Ourselves, a private network, everybody, nobody.
const LIES: [[u8; 4]; 4] = [[127, 0, 0, 1], [10, 0, 0, 9], [224, 0, 0, 1], [0, 0, 0, 0]];

/// Every name has these addresses, and nothing else.
fn lie(socket: &UdpSocket) {
    let mut question = [0; 512];
    while let Ok((len, from)) = socket.recv_from(&mut question) {
        let question = &question[..len];
        // Behind the head: the name, its type and its class.
        let Some(end) = question.iter().skip(12).position(|&c| c == 0).map(|at| 12 + at + 5) else {
            continue;
        };
        let lies = if question[end - 4..end] == [0, 1, 0, 1] { &LIES[..] } else { &[] };
        let mut answer = question[..end].to_vec();
        answer[2..4].copy_from_slice(&[0x84, 0x00]);
        answer[4..12].copy_from_slice(&[0, 1, 0, lies.len() as u8, 0, 0, 0, 0]);
        for address in lies {
            answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            answer.extend_from_slice(address);
        }
        // Whoever asked may be gone.
        let _ = socket.send_to(&answer, from);
    }
}

/// A Path, a Record-Route and a Route of a thousand entries, in one line and in a thousand; a Route that names us again and
/// again. RFC 3261 §16.4, §21.4.1, RFC 3327 §5.3, RFC 5393.
#[test]
fn headers_without_end() {
    let place = Place::with(OPEN);
    let server = Server::start(&place);
    let register = format!("sip:{}", server.udp);
    let own = format!("<sip:{};lr>", server.udp);
    let line =
        |name: &str, value: &str, count: usize| format!("{name}: {}\r\n", vec![value; count].join(","));
    let lines = |name: &str, value: &str| format!("{name}: {value}\r\n").repeat(MANY);
    let far = "<sip:192.0.2.9;lr>";
    let supported = "Supported: path\r\n";
    let cases = [
        ("REGISTER", &register, format!("{supported}{}", line("Path", far, MANY)), "register.refused"),
        ("REGISTER", &register, format!("{supported}{}", lines("Path", far)), "request.malformed"),
        ("OPTIONS", &register, line("Route", &own, MANY), "request.refused"),
        ("OPTIONS", &register, line("Route", &own, 9), "request.refused"),
        ("OPTIONS", &register, lines("Route", &own), "request.malformed"),
    ];
    for (method, uri, more, event) in cases {
        let answer = ask(&server, &request(method, "UDP", uri, &more));
        let shown = &more[..60];
        assert!(answer.starts_with("SIP/2.0 400 "), "{method} {shown}: {answer}");
        assert_eq!(server.wait_event(event)["status"], 400, "{method} {shown}");
    }
    let answer = ask(&server, &request("OPTIONS", "UDP", &register, &line("Route", &own, 2)));
    assert_eq!(answer, "SIP/2.0 200 OK", "where two transports meet there are two");
}
