//! Both ends of the traffic: builds requests, reads what the shard sends, answers it.

use offhook_cdr::{Spool, SpoolFolder};
use offhook_digest::{Challenge, Login, Request, answer};
use offhook_net::{Engine, Flow, Outbox};
use offhook_node::Shard;
use offhook_sip::{Message, Name, NameAddr};
use tempfile::TempDir;

use crate::counting::Counting;
use crate::exchange::{DOMAIN, PASSWORD, USERS, phone, shard};

/// Session descriptions of this length are usual.
pub(crate) const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 101\r\n\
    a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

const CALLER_PORT: u16 = 6000;
const CALLEE_PORT: u16 = 6001;

/// A route to the callee, without transactions.
const STATELESS_ROUTE: &str = "[[route]]\nmatch = { domain = \"bench.test\" }\n\
    to = \"sip:127.0.0.1:6001;transport=udp\"\nmode = \"stateless\"\n";

/// Virtual milliseconds between jobs: lingering transactions end while the run goes on.
const STEP_MS: u64 = 20;

/// Nobody reads what is noted.
const SPOOL_BYTES_MAX: u64 = 1 << 30;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scenario {
    Options,
    Register,
    RegisterAuth,
    Call,
    Message,
    /// A call by a stateless route (RFC 3261 §16.11).
    Stateless,
    /// A call whose facts are noted for its record.
    Noted,
}

/// Drives a shard through jobs of one kind.
pub(crate) struct Caller {
    shard: Shard,
    out: Outbox,
    scenario: Scenario,
    now_ms: u64,
    number: u32,
    /// Allocations of the shard.
    pub(crate) allocations: u64,
    /// Where facts are noted, if they are.
    _spool: Option<TempDir>,
}

impl Caller {
    pub(crate) fn new(scenario: &str) -> anyhow::Result<Self> {
        let scenario = match scenario {
            "options" => Scenario::Options,
            "register" => Scenario::Register,
            "register-auth" => Scenario::RegisterAuth,
            "call" => Scenario::Call,
            "message" => Scenario::Message,
            "stateless" => Scenario::Stateless,
            "noted" => Scenario::Noted,
            other => anyhow::bail!("no scenario {other}"),
        };
        let folder = (scenario == Scenario::Noted).then(TempDir::new).transpose()?;
        let spool = match &folder {
            Some(folder) => SpoolFolder::open(folder.path(), SPOOL_BYTES_MAX, 1)?.spool(0),
            None => Spool::off(),
        };
        let routes = if scenario == Scenario::Stateless { STATELESS_ROUTE } else { "" };
        let shard = shard(scenario == Scenario::RegisterAuth, routes, spool)?;
        let out = Outbox::new();
        let mut caller = Self {
            shard,
            out,
            scenario,
            now_ms: 1_700_000_000_000,
            number: 0,
            allocations: 0,
            _spool: folder,
        };
        if matches!(scenario, Scenario::Call | Scenario::Noted | Scenario::Message) {
            (0..USERS).for_each(|_| caller.register(""));
        }
        Ok(caller)
    }

    /// One job, from its first request to its last response.
    pub(crate) fn job(&mut self) {
        self.now_ms += STEP_MS;
        let before = Counting::allocations();
        self.shard.tick(self.now_ms, &mut self.out);
        self.allocations += Counting::allocations() - before;
        self.flush();
        match self.scenario {
            Scenario::Options => {
                let text = self.request("OPTIONS", &format!("sip:{DOMAIN}"), "o", "", "");
                self.give(&text, CALLER_PORT);
            }
            Scenario::Register => self.register(""),
            Scenario::RegisterAuth => self.register_with_digest(),
            Scenario::Call | Scenario::Noted | Scenario::Stateless => self.call(),
            Scenario::Message => self.message(),
        }
        self.number += 1;
    }

    fn user(&self) -> u32 {
        self.number % USERS
    }

    fn request(&self, method: &str, uri: &str, branch: &str, more: &str, body: &str) -> String {
        let (n, user) = (self.number, self.user());
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{CALLER_PORT};branch=z9hG4bK{n}{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:u{user}@{DOMAIN}>;tag=f{n}\r\nTo: <{uri}>\r\nCall-ID: {n}@bench\r\n\
             CSeq: 1 {method}\r\nContact: <sip:u{user}@127.0.0.1:{CALLER_PORT}>\r\nUser-Agent: bench\r\n\
             Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\nSupported: replaces, timer\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn register(&mut self, authorization: &str) {
        let (n, user) = (self.number, self.user());
        let text = format!(
            "REGISTER sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{CALLEE_PORT};branch=z9hG4bK{n}r{};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:u{user}@{DOMAIN}>;tag=f{n}\r\nTo: <sip:u{user}@{DOMAIN}>\r\n\
             Call-ID: r{user}@bench\r\nCSeq: {} REGISTER\r\nContact: <sip:u{user}@127.0.0.1:{CALLEE_PORT}>;expires=3600\r\n\
             User-Agent: bench\r\n{authorization}Content-Length: 0\r\n\r\n",
            authorization.len(),
            n + 1
        );
        self.give(&text, CALLEE_PORT);
        if matches!(self.scenario, Scenario::Call | Scenario::Noted | Scenario::Message) {
            self.number += 1;
        }
    }

    fn register_with_digest(&mut self) {
        self.register("");
        let refusal = self.last_sent();
        let message = Message::parse(&refusal).expect("a 401");
        let last = message.lines_of(Name::WwwAuthenticate).last().expect("a challenge");
        let value = message.line_value(last);
        let challenge = Challenge::parse(value).expect("a challenge of ours");
        let login = Login { username: &format!("u{}", self.user()), password: PASSWORD };
        let uri = format!("sip:{DOMAIN}");
        let request = Request { method: "REGISTER", uri: &uri, body: b"" };
        let credentials = answer(&challenge, login, request, "c0ffee", 1);
        self.register(&format!("Authorization: {credentials}\r\n"));
        assert!(self.last_sent().starts_with(b"SIP/2.0 200"), "registered");
    }

    fn call(&mut self) {
        let uri = format!("sip:u{}@{DOMAIN}", self.user());
        let invite = self.request("INVITE", &uri, "i", "Content-Type: application/sdp\r\n", SDP);
        self.give(&invite, CALLER_PORT);
        let forwarded = self.last_sent();
        self.respond(&forwarded, "180 Ringing", "");
        self.respond(&forwarded, "200 OK", SDP);
        let answer = self.last_sent();
        let ack = self.in_dialog("ACK", &answer, "a");
        self.give(&ack, CALLER_PORT);
        let bye = self.in_dialog("BYE", &answer, "b");
        self.give(&bye, CALLER_PORT);
        let forwarded = self.last_sent();
        self.respond(&forwarded, "200 OK", "");
        assert!(self.last_sent().starts_with(b"SIP/2.0 200"), "hung up");
    }

    fn message(&mut self) {
        let uri = format!("sip:u{}@{DOMAIN}", self.user());
        let text = self.request("MESSAGE", &uri, "m", "Content-Type: text/plain\r\n", "hello");
        self.give(&text, CALLER_PORT);
        let forwarded = self.last_sent();
        self.respond(&forwarded, "200 OK", "");
    }

    fn in_dialog(&self, method: &str, answer: &[u8], branch: &str) -> String {
        let answer = Message::parse(answer).expect("an answer");
        let text = |name| String::from_utf8_lossy(answer.value(name).unwrap_or_default()).into_owned();
        let contact = NameAddr::parse(answer.value(Name::Contact).unwrap_or_default()).expect("a contact");
        let cseq = if method == "BYE" { 2 } else { 1 };
        format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{CALLER_PORT};branch=z9hG4bK{}{branch};rport\r\n\
             Route: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n",
            String::from_utf8_lossy(contact.uri),
            self.number,
            text(Name::RecordRoute),
            text(Name::From),
            text(Name::To),
            text(Name::CallId)
        )
    }

    fn respond(&mut self, request: &[u8], status: &str, body: &str) {
        self.give(&response_text(request, status, CALLEE_PORT, body), CALLEE_PORT);
    }

    fn give(&mut self, text: &str, port: u16) {
        self.flush();
        let from: Flow = phone(port);
        let before = Counting::allocations();
        self.shard.receive(self.now_ms, &from, text.as_bytes(), &mut self.out);
        self.shard.commit(self.now_ms, &mut self.out);
        self.allocations += Counting::allocations() - before;
    }

    fn last_sent(&self) -> Vec<u8> {
        let last = self.out.outgoing().last().expect("the shard sends something");
        self.out.bytes(last.bytes.clone()).to_vec()
    }

    fn flush(&mut self) {
        self.out.clear();
    }
}

/// What a callee answers.
pub(crate) fn response_text(request: &[u8], status: &str, port: u16, body: &str) -> String {
    let request = Message::parse(request).expect("a request");
    let mut text = format!("SIP/2.0 {status}\r\n");
    for name in [Name::Via, Name::RecordRoute, Name::From, Name::CallId, Name::CSeq] {
        for line in request.lines_of(name) {
            text.push_str(&String::from_utf8_lossy(&request.bytes()[line.whole()]));
        }
    }
    let to = String::from_utf8_lossy(request.value(Name::To).unwrap_or_default()).into_owned();
    let tag = if to.contains("tag=") { "" } else { ";tag=callee" };
    text.push_str(&format!(
        "To: {to}{tag}\r\nContact: <sip:u0@127.0.0.1:{port}>\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    text
}
