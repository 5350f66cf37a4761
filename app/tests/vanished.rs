//! Phones that are gone without a word, and machines that say so: nobody waits for Timer B. By real sockets, over IPv4 and
//! IPv6, with as many shards as may hear the error in another one than has sent.

mod server;

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use server::{PATIENCE, Place, Server};

/// With several shards hardly all of them land in one.
const CALLS: usize = 12;

/// Timer B is 32 s. A machine that is busy with something else answers in a fraction of this.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Sends, and gives the first line of the final answer.
fn ask(socket: &UdpSocket, server: SocketAddr, request: &str) -> String {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(request.as_bytes(), server).unwrap();
    loop {
        let mut bytes = [0; 4_096];
        let length = socket.recv(&mut bytes).expect("an answer");
        let answer = String::from_utf8_lossy(&bytes[..length]).into_owned();
        if !answer.starts_with("SIP/2.0 1") {
            return answer.lines().next().unwrap_or_default().to_owned();
        }
    }
}

fn request(method: &str, user: &str, own: SocketAddr, more: &str) -> String {
    let uri = if method == "REGISTER" { String::new() } else { format!("{user}@") };
    format!(
        "{method} sip:{uri}offhook.internal SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-{method}{own}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{user}@offhook.internal>;tag=1\r\nTo: <sip:{user}@offhook.internal>\r\n\
         Call-ID: {method}{own}\r\nCSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

/// The phone registers and is switched off; its machine goes on.
fn registered_and_gone(user: &str, server: SocketAddr) -> SocketAddr {
    // None that the system would give to somebody else as soon as it is free.
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    let phone = (first..32_000).find_map(|port| UdpSocket::bind((server.ip(), port)).ok()).unwrap();
    let own = phone.local_addr().unwrap();
    let contact = format!("Contact: <sip:{user}@{own}>;expires=3600\r\n");
    assert_eq!(ask(&phone, server, &request("REGISTER", user, own, &contact)), "SIP/2.0 200 OK");
    own
}

/// The caller hears it at once, whichever shard his INVITE comes to, and the log says why.
/// RFC 3261 §18.4, RFC 3261 §17.1.4, RFC 3261 §16.9.
#[test]
fn a_phone_that_is_gone_is_not_waited_for() {
    for shards in [1, 4] {
        let place = Place::with(&format!(
            "[[listen]]\ntransport = \"udp\"\naddress = \"[::1]:0\"\n[engine]\nshards = {shards}\n\
             [access]\nauthenticate_register = false\nauthenticate_calls = false\n"
        ));
        let server = Server::start(&place);
        for (user, listener) in [("alice", server.udp), ("bob", server.udp_ipv6())] {
            let gone = registered_and_gone(user, listener);
            // All of them are there until the end: who got the port of another would repeat his INVITE.
            let callers: Vec<_> = (0..CALLS).map(|_| UdpSocket::bind((listener.ip(), 0)).unwrap()).collect();
            for caller in &callers {
                let own = caller.local_addr().unwrap();
                let contact = format!("Contact: <sip:{own}>\r\n");
                let begun = Instant::now();
                let answer = ask(caller, listener, &request("INVITE", user, own, &contact));
                assert!(answer.starts_with("SIP/2.0 500 "), "{answer}");
                assert!(begun.elapsed() < AT_ONCE, "after {:?}", begun.elapsed());
                let told = server.wait_event("target.unreachable");
                assert_eq!(
                    (&told["target"], &told["why"]),
                    (&gone.to_string().into(), &"port unreachable".into())
                );
                assert_eq!(told["to"], format!("sip:{user}@offhook.internal"));
            }
        }
    }
}
