//! Callers and a callee over UDP, as many at a time as a test likes: calls that are answered and hung up, and calls that
//! are refused. They send again what nobody answered, as phones do.

// Each test file uses its part.
#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use offhook_sip::{Message, Method, Name, NameAddr};

use crate::server::PATIENCE;

/// What the caller was told in the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Busy,
    Over,
}

/// When something that nobody answered is sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(300);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Inviting,
    Talking,
    HangingUp,
}

struct Call {
    stage: Stage,
    /// What waits for an answer.
    request: Vec<u8>,
    sent: Instant,
}

/// All of them.
pub struct Calls {
    server: SocketAddr,
    /// Where it was before: answers from then may still wait to be read, and name it so.
    earlier: Vec<SocketAddr>,
    caller: UdpSocket,
    callee: UdpSocket,
    made: usize,
    open: BTreeMap<String, Call>,
    fates: BTreeMap<String, Fate>,
    name: String,
}

impl Calls {
    /// The callee registers as bob.
    pub fn new(server: SocketAddr) -> Self {
        let socket = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        let (caller, callee) = (socket(), socket());
        let name = caller.local_addr().unwrap().port().to_string();
        let calls = Self {
            server,
            earlier: vec![],
            caller,
            callee,
            made: 0,
            open: BTreeMap::new(),
            fates: BTreeMap::new(),
            name,
        };
        calls.register();
        calls
    }

    /// The server has started again, perhaps at another port.
    pub fn moved_to(&mut self, server: SocketAddr) {
        self.earlier.push(std::mem::replace(&mut self.server, server));
        let mut open = std::mem::take(&mut self.open);
        for call in open.values_mut() {
            // What is sent again goes to the new place; so do requests whose Route names an old one.
            call.request = self.led_here(String::from_utf8(call.request.clone()).unwrap()).into_bytes();
        }
        self.open = open;
    }

    /// The text with the server's place of today for each of before.
    fn led_here(&self, text: String) -> String {
        let here = self.server.to_string();
        self.earlier.iter().fold(text, |text, earlier| text.replace(&earlier.to_string(), &here))
    }

    /// What became of each call that is over, by Call-ID.
    pub fn fates(&self) -> &BTreeMap<String, Fate> {
        &self.fates
    }

    /// Makes so many calls, every second of which is busy, and talks.
    pub fn make(&mut self, calls: usize) {
        (0..calls).for_each(|_| self.invite());
        self.work(|calls| calls.open.values().all(|call| call.stage == Stage::Talking));
    }

    /// Makes and ends calls, so many at a time, until this many have been made; then all are in the middle of something.
    pub fn make_until(&mut self, at_a_time: usize, calls: usize) {
        let last = self.made + calls;
        while self.made < last {
            self.work(|calls| calls.open.len() < at_a_time || calls.may_hang_up());
            self.hang_up(2);
            while self.open.len() < at_a_time && self.made < last {
                self.invite();
            }
        }
    }

    /// Ends all calls.
    pub fn finish(&mut self) {
        self.work(|calls| calls.open.values().all(|call| call.stage != Stage::Inviting));
        self.hang_up(1);
        self.work(|calls| calls.open.is_empty());
    }

    fn may_hang_up(&self) -> bool {
        self.open.values().filter(|call| call.stage == Stage::Talking).count() > 3
    }

    /// Hangs up each of so many calls.
    fn hang_up(&mut self, of: usize) {
        let talking = self.open.values_mut().filter(|call| call.stage == Stage::Talking);
        for (index, call) in talking.enumerate() {
            if index.is_multiple_of(of) {
                call.stage = Stage::HangingUp;
                call.sent = Instant::now();
                self.caller.send_to(&call.request, self.server).unwrap();
            }
        }
    }

    fn work(&mut self, until: impl Fn(&Self) -> bool) {
        // A machine with much else to do is slow, but something is heard all the time.
        let (begun, mut last_heard) = (Instant::now(), Instant::now());
        while !until(self) {
            let heard = self.callee_answers() + self.caller_hears();
            if heard == 0 {
                std::thread::sleep(Duration::from_millis(1));
                self.send_again();
            } else {
                last_heard = Instant::now();
            }
            let hangs = last_heard.elapsed() > PATIENCE || begun.elapsed() > PATIENCE * 4;
            assert!(!hangs, "{} calls hang: {:?}", self.open.len(), self.stages());
        }
    }

    fn stages(&self) -> Vec<(&str, Stage)> {
        self.open.iter().map(|(call_id, call)| (call_id.as_str(), call.stage)).collect()
    }

    fn send_again(&mut self) {
        for call in self.open.values_mut() {
            if call.stage != Stage::Talking && call.sent.elapsed() > AGAIN_AFTER {
                call.sent = Instant::now();
                self.caller.send_to(&call.request, self.server).unwrap();
            }
        }
    }

    fn register(&self) {
        let own = self.callee.local_addr().unwrap();
        let request = format!(
            "REGISTER sip:offhook.internal SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-r{own}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:bob@offhook.internal>;tag=r\r\nTo: <sip:bob@offhook.internal>\r\n\
             Call-ID: r{own}\r\nCSeq: 1 REGISTER\r\nContact: <sip:bob@{own}>;expires=3600\r\nContent-Length: 0\r\n\r\n"
        );
        let (begun, mut bytes) = (Instant::now(), [0; 4_096]);
        self.callee.send_to(request.as_bytes(), self.server).unwrap();
        while self.callee.recv(&mut bytes).is_err() {
            assert!(begun.elapsed() < PATIENCE, "the server is silent");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(bytes.starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(&bytes));
    }

    fn invite(&mut self) {
        let (number, own, name) = (self.made, self.caller.local_addr().unwrap(), &self.name);
        self.made += 1;
        let call_id = format!("{name}-{number}");
        let request = format!(
            "INVITE sip:bob@offhook.internal SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-i{call_id}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:alice@offhook.internal>;tag=a{number}\r\nTo: <sip:bob@offhook.internal>\r\n\
             Call-ID: {call_id}\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@{own}>\r\nContent-Length: 0\r\n\r\n"
        );
        self.caller.send_to(request.as_bytes(), self.server).unwrap();
        let call = Call { stage: Stage::Inviting, request: request.into_bytes(), sent: Instant::now() };
        self.open.insert(call_id, call);
    }

    fn callee_answers(&self) -> usize {
        let mut heard = 0;
        while let Some(bytes) = receive(&self.callee) {
            heard += 1;
            let Ok(request) = Message::parse(&bytes) else { continue };
            let call_id = String::from_utf8_lossy(request.call_id().unwrap()).into_owned();
            let number: usize = call_id.rsplit('-').next().unwrap().parse().unwrap_or(0);
            let status = match request.method() {
                Some(Method::Invite) if number % 2 == 1 => "486 Busy Here",
                Some(Method::Invite) => {
                    self.respond(&request, "180 Ringing");
                    "200 OK"
                }
                Some(Method::Bye) => "200 OK",
                _ => continue,
            };
            self.respond(&request, status);
        }
        heard
    }

    fn respond(&self, request: &Message<'_>, status: &str) {
        let mut text = format!("SIP/2.0 {status}\r\n").into_bytes();
        for name in [Name::Via, Name::RecordRoute, Name::From, Name::CallId, Name::CSeq] {
            for line in request.lines_of(name) {
                text.extend_from_slice(&request.bytes()[line.whole()]);
            }
        }
        let to = String::from_utf8_lossy(request.value(Name::To).unwrap()).into_owned();
        let tag = if to.contains("tag=") { "" } else { ";tag=b" };
        let own = self.callee.local_addr().unwrap();
        let rest = format!("To: {to}{tag}\r\nContact: <sip:bob@{own}>\r\nContent-Length: 0\r\n\r\n");
        text.extend_from_slice(rest.as_bytes());
        self.callee.send_to(&text, self.server).unwrap();
    }

    fn caller_hears(&mut self) -> usize {
        let mut heard = 0;
        while let Some(bytes) = receive(&self.caller) {
            heard += 1;
            let Ok(response) = Message::parse(&bytes) else { continue };
            let (Some(status), Ok(cseq)) = (response.status(), response.cseq()) else { continue };
            if status < 200 {
                continue;
            }
            let call_id = String::from_utf8_lossy(response.call_id().unwrap()).into_owned();
            match (cseq.method, status) {
                (b"INVITE", 200) => self.answered(&call_id, &response),
                (b"INVITE", _) => self.refused(&call_id, status, &response),
                (b"BYE", 200) if self.open.remove(&call_id).is_some() => {
                    self.fates.insert(call_id, Fate::Over);
                }
                _ => {}
            }
        }
        heard
    }

    fn answered(&mut self, call_id: &str, response: &Message<'_>) {
        let ack = self.in_dialog("ACK", 1, response);
        self.caller.send_to(&ack, self.server).unwrap();
        let bye = self.in_dialog("BYE", 2, response);
        if let Some(call) = self.open.get_mut(call_id).filter(|call| call.stage == Stage::Inviting) {
            (call.stage, call.request) = (Stage::Talking, bye);
        }
    }

    fn refused(&mut self, call_id: &str, status: u16, response: &Message<'_>) {
        let number = call_id.rsplit('-').next().unwrap();
        let text = |name| String::from_utf8_lossy(response.value(name).unwrap()).into_owned();
        let (own, to) = (self.caller.local_addr().unwrap(), text(Name::To));
        let ack = format!(
            "ACK sip:bob@offhook.internal SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-i{call_id}\r\nMax-Forwards: 70\r\n\
             From: <sip:alice@offhook.internal>;tag=a{number}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: 1 ACK\r\n\
             Content-Length: 0\r\n\r\n"
        );
        self.caller.send_to(ack.as_bytes(), self.server).unwrap();
        assert_eq!(status, 486, "{}", String::from_utf8_lossy(response.bytes()));
        if self.open.remove(call_id).is_some() {
            self.fates.insert(call_id.to_owned(), Fate::Busy);
        }
    }

    fn in_dialog(&self, method: &str, cseq: u32, response: &Message<'_>) -> Vec<u8> {
        let text = |name| String::from_utf8_lossy(response.value(name).unwrap_or_default()).into_owned();
        let contact = NameAddr::parse(response.value(Name::Contact).unwrap()).unwrap();
        let (own, call_id) = (self.caller.local_addr().unwrap(), text(Name::CallId));
        let request = format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-{method}{call_id}\r\nRoute: {}\r\n\
             Max-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Content-Length: 0\r\n\r\n",
            String::from_utf8_lossy(contact.uri),
            text(Name::RecordRoute),
            text(Name::From),
            text(Name::To),
        );
        self.led_here(request).into_bytes()
    }
}

fn receive(socket: &UdpSocket) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 65_536];
    match socket.recv(&mut bytes) {
        Ok(length) => {
            bytes.truncate(length);
            Some(bytes)
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    }
}
