//! The phone as a server: RFC 3261 §8.2, §9.2, §13.3, §17.2, and how people are when it rings.

use offhook_net::{Flow, Outbox};
use offhook_sip::Transport;

use crate::lines;
use crate::phone::{Dialog, Errand, Ill, Phone, T1_MS, T2_MS, TIMEOUT_MS};
use crate::wire::{Message, uri_of};

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) request: Message,
    from: Flow,
    tag: String,
    pub(crate) state: State,
    last: Vec<u8>,
    resent: u32,
    /// When it was answered.
    pub(crate) final_ms: Option<u64>,
    /// A refusal that was repeated for 64·T1, and no ACK came.
    pub(crate) never_acknowledged: bool,
    /// Headers of its answer.
    pub(crate) extra: Vec<(&'static str, String)>,
    /// A CANCEL has come for it, in time or not.
    pub(crate) is_cancelled: bool,
    /// Of an INVITE that was answered.
    pub(crate) dialog: Option<usize>,
}

/// Where its transaction is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// It rings, or is thought about.
    Open,
    /// Nobody will ever say anything.
    Silent,
    /// A 2xx to INVITE that waits for its ACK.
    Accepted,
    /// A refusal of an INVITE that waits for its ACK.
    Refused,
    Over,
}

impl Phone {
    pub(crate) fn request(&mut self, now_ms: u64, from: &Flow, request: &Message, out: &mut Outbox) {
        match request.method() {
            "ACK" => self.acknowledged(request),
            "CANCEL" => self.cancelled(now_ms, from, request, out),
            _ => match self.server_of(request, request.method()) {
                Some(server) => self.request_again(server, out),
                None => self.new_request(now_ms, from, request, out),
            },
        }
    }

    fn server_of(&self, request: &Message, method: &str) -> Option<usize> {
        let same = |s: &Server| s.request.branch() == request.branch() && s.request.method() == method;
        self.servers.iter().position(same)
    }

    fn request_again(&mut self, server: usize, out: &mut Outbox) {
        let server = &self.servers[server];
        // A 2xx to INVITE is repeated by its own timer: RFC 6026 §7.1.
        if server.state != State::Accepted && !server.last.is_empty() {
            out.push(&server.last, server.from, 0);
        }
    }

    fn new_request(&mut self, now_ms: u64, from: &Flow, request: &Message, out: &mut Outbox) {
        if !self.is_meant_by(request) {
            self.complain("a request for somebody else", request);
        }
        let asks = self.line.serves.as_ref().is_some_and(|serves| serves.asks.is_some());
        let proves = |name| !request.value(name).is_empty();
        if !asks && (proves("Proxy-Authorization") || proves("Authorization")) {
            self.complain("credentials that were not meant for me", request);
        }
        let tag = match request.tag("To") {
            "" => self.make_up(),
            tag => tag.to_owned(),
        };
        self.servers.push(Server {
            request: request.clone(),
            from: *from,
            tag,
            state: State::Open,
            last: Vec::new(),
            resent: 0,
            final_ms: None,
            never_acknowledged: false,
            extra: Vec::new(),
            is_cancelled: false,
            dialog: None,
        });
        let index = self.servers.len() - 1;
        let forwards = !self.line.forwards.is_empty() && request.tag("To").is_empty();
        match request.method() {
            "INVITE" | "MESSAGE" if forwards && self.rng.permille(800) => {
                self.say_soon(now_ms, index, 302, out)
            }
            _ if self.is_ill(now_ms, index, out) => {}
            _ if self.asks_for_proof(now_ms, index, out) => {}
            "REGISTER" => self.registers(now_ms, index, out),
            "INVITE" if !request.tag("To").is_empty() => self.asked_again(now_ms, index, request, out),
            "INVITE" => self.ring(now_ms, index),
            "BYE" => {
                let status = self.other_hangs_up(request);
                self.say(now_ms, index, status, out);
            }
            "INFO" | "UPDATE" | "PRACK" => {
                let status = if self.dialog_of(request).is_some() { 200 } else { 481 };
                self.say_soon(now_ms, index, status, out);
            }
            _ => match self.rng.below(10) {
                0 => self.servers[index].state = State::Silent,
                1 => self.say_soon(now_ms, index, 486, out),
                _ => self.say_soon(now_ms, index, 200, out),
            },
        }
    }

    /// A server that is not well treats what begins something so. Whether it is.
    fn is_ill(&mut self, now_ms: u64, index: usize, out: &mut Outbox) -> bool {
        let ill = self.line.serves.as_ref().and_then(|serves| serves.ill(now_ms));
        let request = &self.servers[index].request;
        let Some(ill) = ill.filter(|_| request.tag("To").is_empty()) else { return false };
        let is_call = request.method() == "INVITE";
        match ill {
            Ill::Silent => self.servers[index].state = State::Silent,
            Ill::Lost if self.asks_whether_i_live(&self.servers[index].request) => {
                self.say(now_ms, index, 408, out)
            }
            Ill::Full if is_call => self.say(now_ms, index, 503, out),
            Ill::Busy => self.say(now_ms, index, 503, out),
            Ill::Full | Ill::Lost => return false,
        }
        true
    }

    fn asks_whether_i_live(&self, request: &Message) -> bool {
        request.method() == "OPTIONS" && request.uri() == format!("sip:{}", self.line.address)
    }

    /// Whether a request is for this phone: by its Contact, or because it serves the domain. Whether a server lives is asked
    /// by its address.
    fn is_meant_by(&self, request: &Message) -> bool {
        let contact = self.own_contact();
        let own = lines::bare(uri_of(&contact)).split(';').next().unwrap_or_default();
        // Who is called by `sip` may be reached so by TLS as well, and nobody the other way round (RFC 5630 §5.3).
        let is_right = !lines::is_sips(request.uri()) || self.line.is_secure;
        let served = self.line.serves.as_ref().is_some_and(|serves| {
            let (_, host) = request.uri().rsplit_once('@').unwrap_or_default();
            let is_asked = self.asks_whether_i_live(request);
            let is_registered = request.uri().strip_prefix("sip:") == Some(&serves.domain);
            (host == serves.domain && request.tag("To").is_empty()) || is_asked || is_registered
        });
        (lines::bare(request.uri()).starts_with(own) && is_right) || served
    }

    /// Slow phones think for a while.
    fn say_soon(&mut self, now_ms: u64, index: usize, status: u16, out: &mut Outbox) {
        match self.rng.below(self.line.slow_ms + 1) {
            0 => self.say(now_ms, index, status, out),
            after_ms => self.plan(now_ms + after_ms, Errand::Say(index, status)),
        }
    }

    /// An INVITE in a call: RFC 3261 §14.2.
    fn asked_again(&mut self, now_ms: u64, index: usize, request: &Message, out: &mut Outbox) {
        let dialog = self.dialog_of(request).map(|dialog| &self.dialogs[dialog]);
        let goes_on = dialog.is_some_and(|dialog| !dialog.other_hung_up && dialog.bye.is_none());
        let status = match (goes_on, self.rng.below(4)) {
            (false, _) => 481,
            (true, 0) => 488,
            (true, _) => 200,
        };
        self.say_soon(now_ms, index, status, out);
    }

    fn other_hangs_up(&mut self, request: &Message) -> u16 {
        let Some(dialog) = self.dialog_of(request) else { return 481 };
        self.dialogs[dialog].other_hung_up = true;
        200
    }

    /// How people are.
    fn ring(&mut self, now_ms: u64, index: usize) {
        let soon_ms = now_ms + self.rng.between(0, 400);
        let later_ms = soon_ms + self.rng.between(100, 20_000);
        let says: &[(u64, u16)] = match self.rng.below(20) {
            0 => {
                self.servers[index].state = State::Silent;
                &[]
            }
            1 => &[(soon_ms, 486)],
            2 => &[(soon_ms, 603)],
            3 => &[(soon_ms, 302)],
            4 => &[(soon_ms, 100), (later_ms, 503)],
            5..=6 if self.line.serves.as_ref().is_none_or(|serves| !serves.is_alone) => &[(soon_ms, 180)],
            7 => &[(soon_ms, 200)],
            // Those who ring together lift together.
            9 | 10 => &[(now_ms + 1_000, 200)],
            8 => &[(soon_ms, 183), (later_ms, 180), (later_ms + 3_000, 480)],
            _ => &[(soon_ms, 180), (later_ms, 200)],
        };
        let says = says.to_vec();
        says.into_iter().for_each(|(at_ms, status)| self.plan(at_ms, Errand::Say(index, status)));
    }

    /// Answers, unless that was done before.
    pub(crate) fn say(&mut self, now_ms: u64, index: usize, status: u16, out: &mut Outbox) {
        if self.servers[index].state != State::Open {
            return;
        }
        let contact = self.contact(self.servers[index].request.uri());
        let server = &mut self.servers[index];
        let mut response = Message::response(&server.request, status);
        if status > 100 && server.request.tag("To").is_empty() {
            response.replace("To", format!("{};tag={}", server.request.value("To"), server.tag));
        }
        let invite = server.request.method() == "INVITE";
        if invite && (101..300).contains(&status) {
            response.copy(&server.request, "Record-Route");
        }
        match status {
            300..400 if !self.line.forwards.is_empty() => {
                self.line.forwards.iter().for_each(|value| response.add("Contact", value.clone()));
            }
            _ if invite && status != 100 => response.add("Contact", contact),
            _ => {}
        }
        let retry_after_s = self.line.serves.as_ref().and_then(|serves| serves.retry_after_s);
        if let Some(retry_after_s) = retry_after_s.filter(|_| status == 503) {
            response.add("Retry-After", retry_after_s.to_string());
        }
        if let (true, 101..) = (invite, status) {
            self.line.poses.iter().for_each(|(name, value)| response.add(name, value.clone()));
            // RFC 7044 §9.4: who knows which way it came says so.
            if self.line.poses.iter().any(|(name, _)| *name == "Supported") {
                response.copy(&server.request, "History-Info");
            }
        }
        server.extra.drain(..).for_each(|(name, value)| response.add(name, value));
        server.last = response.write();
        out.push(&server.last, server.from, 0);
        if status < 200 {
            return;
        }
        server.final_ms = Some(now_ms);
        server.state = match (invite, status) {
            (true, ..300) => State::Accepted,
            (true, _) => State::Refused,
            _ => State::Over,
        };
        if invite {
            let stream = server.from.transport != Transport::Udp;
            if status < 300 || !stream {
                self.plan(now_ms + T1_MS, Errand::ResendResponse(index));
            }
            self.plan(now_ms + TIMEOUT_MS, Errand::ResponseTimesOut(index));
        }
        if invite && status < 300 {
            self.accept(now_ms, index, &response);
        }
    }

    fn accept(&mut self, now_ms: u64, index: usize, response: &Message) {
        let request = self.servers[index].request.clone();
        if let Some(known) = self.dialog_of(&request) {
            self.servers[index].dialog = Some(known);
            return;
        }
        let dialog = Dialog {
            call_id: request.value("Call-ID").to_owned(),
            local_tag: response.tag("To").to_owned(),
            remote_tag: request.tag("From").to_owned(),
            local: response.value("To").to_owned(),
            remote: request.value("From").to_owned(),
            target: uri_of(request.value("Contact")).to_owned(),
            routes: request.values("Record-Route"),
            cseq: 0,
            is_caller: false,
            acknowledged: false,
            other_hung_up: false,
            bye: None,
        };
        let dialog = self.begin_dialog(now_ms, dialog);
        self.servers[index].dialog = Some(dialog);
    }

    /// Timer G; a 2xx is repeated in the same rhythm over any transport (§13.3.1.4).
    pub(crate) fn resend_response(&mut self, now_ms: u64, index: usize, out: &mut Outbox) {
        let server = &mut self.servers[index];
        if !matches!(server.state, State::Accepted | State::Refused) {
            return;
        }
        server.resent += 1;
        let after_ms = (T1_MS << server.resent).min(T2_MS);
        out.push(&server.last, server.from, 0);
        self.plan(now_ms + after_ms, Errand::ResendResponse(index));
    }

    /// Timer H, or a 2xx without ACK: then the call is ended with a BYE (§13.3.1.4).
    pub(crate) fn response_times_out(&mut self, now_ms: u64, index: usize, out: &mut Outbox) {
        let server = &mut self.servers[index];
        let (state, dialog) = (server.state, server.dialog);
        server.never_acknowledged = state == State::Refused;
        server.state = State::Over;
        if let (State::Accepted, Some(dialog)) = (state, dialog) {
            self.hang_up(now_ms, dialog, out);
        }
    }

    fn acknowledged(&mut self, ack: &Message) {
        if let Some(server) = self.server_of(ack, "INVITE") {
            if self.servers[server].state == State::Refused {
                self.servers[server].state = State::Over;
            }
            return;
        }
        let Some(dialog) = self.dialog_of(ack) else {
            return self.complain("an ACK of no call of mine", ack);
        };
        self.dialogs[dialog].acknowledged = true;
        let (number, accepted) = (ack.cseq(), State::Accepted);
        let its =
            |s: &&mut Server| s.dialog == Some(dialog) && s.state == accepted && s.request.cseq() == number;
        self.servers.iter_mut().filter(its).for_each(|server| server.state = State::Over);
    }

    fn cancelled(&mut self, now_ms: u64, from: &Flow, cancel: &Message, out: &mut Outbox) {
        let invite = self.server_of(cancel, "INVITE");
        let mut response = Message::response(cancel, if invite.is_some() { 200 } else { 481 });
        response.replace("To", format!("{};tag=cancelled", cancel.value("To")));
        out.push(&response.write(), *from, 0);
        if let Some(invite) = invite {
            self.servers[invite].is_cancelled = true;
            self.say(now_ms, invite, 487, out);
        }
    }
}
