//! The smallest proxy and registrar that a ladder can be played against: bindings, a stateless forward, one
//! retransmission timer. Lines in, lines out.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use offhook_digest::{Algorithm, Credentials, Ha1, verify};
use offhook_ladder::{Failure, Ladder, Site, Stage, password_of};
use offhook_net::{ConnectionId, Engine, Flow, Listener, Outbox, Ticket};
use offhook_sip::Transport;

/// Plays a ladder against the toy.
pub(crate) fn ladder(text: &str) -> Stage {
    Ladder::new(Toy::new).run(text)
}

/// Plays a ladder that must fail.
pub(crate) fn failing(text: &str) -> Failure {
    match Ladder::new(Toy::new).check(text) {
        Ok(_) => panic!("this ladder should have failed:\n{text}"),
        Err(failure) => failure,
    }
}

/// How the toy behaves.
#[derive(Default)]
pub(crate) struct Toy {
    pub(crate) bindings: BTreeMap<String, Vec<(String, Flow)>>,
    listeners: Vec<Listener>,
    pub(crate) asks_for_passwords: bool,
    pub(crate) says_100: bool,
    /// A fault to be found: 200 becomes 202.
    pub(crate) lies: bool,
    /// Requests to be sent again: when, branch, bytes, where to.
    resend: Vec<(u64, String, Vec<u8>, Flow)>,
}

type Lines = Vec<String>;

impl Toy {
    pub(crate) fn new(site: &Site) -> Self {
        Self { listeners: site.listeners.clone(), says_100: true, ..Self::default() }
    }

    pub(crate) fn with_passwords(site: &Site) -> Self {
        Self { asks_for_passwords: true, ..Self::new(site) }
    }

    pub(crate) fn lying(site: &Site) -> Self {
        Self { lies: true, ..Self::new(site) }
    }

    fn request(&mut self, now_ms: u64, from: &Flow, mut lines: Lines, body: &str, out: &mut Outbox) {
        stamp(&mut lines, from);
        let method = lines[0].split(' ').next().unwrap_or_default().to_owned();
        if self.asks_for_passwords && method != "ACK" && !is_authorized(&lines) {
            let ask = "WWW-Authenticate: Digest realm=\"example.com\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"";
            return answer(&lines, "401 Unauthorized", &[ask.to_owned()], from, out);
        }
        if method == "REGISTER" {
            return self.register(from, &lines, out);
        }
        if value(&lines, "Max-Forwards") == Some("0") {
            return answer(&lines, "483 Too Many Hops", &[], from, out);
        }
        let ours = format!("{}", self.listeners[0].local);
        if let Some(at) = lines.iter().position(|l| l.starts_with("Route:") && l.contains(&ours)) {
            lines.remove(at);
        }
        let uri = lines[0].split(' ').nth(1).unwrap_or_default().to_owned();
        let targets = self.targets(&uri, from);
        if targets.is_empty() && method != "ACK" {
            return answer(&lines, "404 Not Found", &[], from, out);
        }
        if method == "INVITE" && self.says_100 {
            answer(&lines, "100 Trying", &[], from, out);
        }
        for (index, (uri, flow)) in targets.into_iter().enumerate() {
            let (bytes, branch) = self.forwarded(&lines, body, &uri, index, flow.transport);
            if method == "INVITE" && flow.transport == Transport::Udp {
                self.resend.push((now_ms + 500, branch, bytes.clone(), flow));
            }
            out.push(&bytes, flow, 0);
        }
    }

    fn targets(&self, uri: &str, from: &Flow) -> Vec<(String, Flow)> {
        let rest = uri.trim_start_matches("sip:");
        let (user, host) = rest.split_once('@').unwrap_or(("", rest));
        if host == "example.com" {
            return self.bindings.get(user).cloned().unwrap_or_default();
        }
        let mut bound = self.bindings.values().flatten();
        if let Some(bound) = bound.find(|(contact, _)| contact == uri) {
            return vec![bound.clone()];
        }
        let address = host.split(';').next().and_then(|host| host.parse().ok());
        address.map(|remote| (uri.to_owned(), Flow { remote, ..*from })).into_iter().collect()
    }

    fn forwarded(
        &self,
        lines: &Lines,
        body: &str,
        uri: &str,
        index: usize,
        transport: Transport,
    ) -> (Vec<u8>, String) {
        let local = self.listeners[0].local;
        let branch = format!("z9hG4bK-toy-{index}-{}", branch_of(lines));
        let mut copy = lines.clone();
        let method = copy[0].split(' ').next().unwrap_or_default().to_owned();
        copy[0] = format!("{method} {uri} SIP/2.0");
        for line in &mut copy {
            if let Some(hops) = line.strip_prefix("Max-Forwards: ") {
                *line = format!("Max-Forwards: {}", hops.parse().unwrap_or(1) - 1);
            }
        }
        copy.insert(1, format!("Via: SIP/2.0/{} {local};branch={branch}", transport.via_token()));
        if method == "INVITE" {
            copy.insert(2, format!("Record-Route: <sip:{local};lr>"));
        }
        (written(&copy, body), branch)
    }

    fn register(&mut self, from: &Flow, lines: &Lines, out: &mut Outbox) {
        let to = value(lines, "To").unwrap_or_default();
        let user = to.split(['@', ':']).nth(1).unwrap_or_default().to_owned();
        let contact = value(lines, "Contact").unwrap_or_default();
        let uri = contact.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let bound = self.bindings.entry(user).or_default();
        bound.retain(|(known, _)| *known != uri);
        if value(lines, "Expires") != Some("0") {
            bound.push((uri, *from));
        }
        let contacts = bound.iter().map(|(uri, _)| format!("Contact: <{uri}>;expires=3600"));
        answer(lines, "200 OK", &contacts.collect::<Vec<_>>(), from, out);
    }

    fn response(&mut self, mut lines: Lines, body: &str, from: &Flow, out: &mut Outbox) {
        let branch = branch_of(&lines);
        self.resend.retain(|(_, waiting, ..)| *waiting != branch);
        if lines[0].starts_with("SIP/2.0 100") {
            return;
        }
        lines.remove(1);
        if self.lies {
            lines[0] = lines[0].replace("200 OK", "202 Accepted");
        }
        let Some(via) = value(&lines, "Via") else { return };
        let part = |name: &str| via.split(';').find_map(|p| p.strip_prefix(name)).unwrap_or_default();
        let address = format!("{}:{}", part("received="), part("rport="));
        let Ok(remote) = address.parse::<SocketAddr>() else { return };
        let transport = if via.contains("/TCP") { Transport::Tcp } else { Transport::Udp };
        let listener = self.listeners.iter().position(|l| l.transport == transport).unwrap_or(0) as u16;
        let flow = Flow { transport, listener, remote, connection: ConnectionId::NONE };
        let _ = from;
        out.push(&written(&lines, body), flow, 0);
    }
}

impl Engine for Toy {
    fn receive(&mut self, now_ms: u64, from: &Flow, message: &[u8], out: &mut Outbox) {
        let text = String::from_utf8_lossy(message).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return };
        let lines: Lines = head.split("\r\n").map(str::to_owned).collect();
        if lines[0].starts_with("SIP/2.0") {
            self.response(lines, body, from, out);
        } else if lines[0].ends_with("SIP/2.0") {
            self.request(now_ms, from, lines, body, out);
        }
    }

    fn unframeable(&mut self, _: u64, _: &Flow, _: &[u8], _: &mut Outbox) {}

    fn send_failed(&mut self, _: u64, _: Ticket, _: &mut Outbox) {}

    fn connection_closed(&mut self, _: u64, closed: ConnectionId, _: &mut Outbox) {
        for bound in self.bindings.values_mut() {
            bound.retain(|(_, flow)| flow.connection != closed);
        }
    }

    fn tick(&mut self, now_ms: u64, out: &mut Outbox) {
        for (due_ms, _, bytes, flow) in &mut self.resend {
            if *due_ms <= now_ms {
                out.push(bytes, *flow, 0);
                *due_ms = now_ms + 1000;
            }
        }
    }

    fn deadline_ms(&mut self) -> Option<u64> {
        self.resend.iter().map(|(due_ms, ..)| *due_ms).min()
    }

    fn commit(&mut self, _: u64, _: &mut Outbox) {}
}

/// RFC 3581: where the answer goes stands in the Via.
fn stamp(lines: &mut Lines, from: &Flow) {
    if let Some(via) = lines.iter_mut().find(|line| line.starts_with("Via:")) {
        let (ip, port) = (from.remote.ip(), from.remote.port());
        *via = via.replace(";rport", &format!(";rport={port};received={ip}"));
    }
}

fn answer(lines: &Lines, status: &str, more: &[String], from: &Flow, out: &mut Outbox) {
    let mut answer = vec![format!("SIP/2.0 {status}")];
    for line in lines {
        let copied = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name));
        let tag = if line.starts_with("To:") && !line.contains("tag=") { ";tag=toy" } else { "" };
        answer.extend(copied.then(|| format!("{line}{tag}")));
    }
    answer.extend(more.iter().cloned());
    answer.push("Content-Length: 0".to_owned());
    out.push(&written(&answer, ""), *from, 0);
}

fn is_authorized(lines: &Lines) -> bool {
    let Some(value) = value(lines, "Authorization") else { return false };
    let Ok(credentials) = Credentials::parse(value.as_bytes()) else { return false };
    let user = std::str::from_utf8(credentials.username).unwrap_or_default();
    let password = password_of(user);
    let ha1 =
        Ha1::from_password(Algorithm::Sha256, credentials.username, b"example.com", password.as_bytes());
    let method = lines[0].split(' ').next().unwrap_or_default();
    verify(&credentials, &ha1, method.as_bytes(), b"")
}

fn value<'a>(lines: &'a Lines, name: &str) -> Option<&'a str> {
    lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn branch_of(lines: &Lines) -> String {
    let via = value(lines, "Via").unwrap_or_default();
    via.split(';').find_map(|part| part.strip_prefix("branch=")).unwrap_or_default().to_owned()
}

fn written(lines: &Lines, body: &str) -> Vec<u8> {
    format!("{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes()
}
