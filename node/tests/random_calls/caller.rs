//! The phone as a client: RFC 3261 §8.1, §9.1, §13.2, §17.1.

use offhook_digest::{Challenge, Login, Request, answer};
use offhook_net::Outbox;
use offhook_sip::Transport;

use crate::phone::{Dialog, Errand, Phone, T1_MS, T2_MS, TIMEOUT_MS};
use crate::wire::{Message, uri_of};

/// A request that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) request: Message,
    pub(crate) what: What,
    pub(crate) state: State,
    resent: u32,
    /// Final answers: status and To tag, each once.
    pub(crate) finals: Vec<(u16, String)>,
    /// When the first one came.
    pub(crate) final_ms: Option<u64>,
    /// The caller does not want it any more.
    pub(crate) given_up: bool,
    cancelled: bool,
    ack: Option<Message>,
}

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    Invite,
    Cancel,
    Bye,
    Register,
    Other,
}

/// Where its transaction is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Calling,
    Proceeding,
    Answered,
    TimedOut,
}

impl Phone {
    pub(crate) fn register(&mut self, now_ms: u64, out: &mut Outbox) {
        self.registrations += 1;
        let (aor, via) = (self.aor(), self.new_via(self.line.transport));
        let mut message = Message::request("REGISTER", &format!("sip:{}", self.line.domain));
        message.add("Via", via);
        message.add("Max-Forwards", "70");
        message.add("From", format!("<{aor}>;tag=reg-{}", self.line.name));
        message.add("To", format!("<{aor}>"));
        message.add("Call-ID", format!("registration-of-{}", self.line.name));
        message.add("CSeq", format!("{} REGISTER", self.registrations));
        message.add("Contact", format!("{};q={}", self.own_contact(), self.line.q));
        message.add("Expires", "7200");
        self.start(now_ms, message, What::Register, out);
    }

    pub(crate) fn call(&mut self, now_ms: u64, target: &str, out: &mut Outbox) {
        let invite = self.begin("INVITE", target);
        let client = self.start(now_ms, invite, What::Invite, out);
        if self.rng.permille(250) {
            let after_ms = self.rng.between(0, 15_000);
            self.plan(now_ms + after_ms, Errand::GiveUp(client));
        }
    }

    pub(crate) fn ask(&mut self, now_ms: u64, method: &str, target: &str, out: &mut Outbox) {
        let message = self.begin(method, target);
        self.start(now_ms, message, What::Other, out);
    }

    /// Some say who they are.
    pub(crate) fn pose(&mut self, message: &mut Message) {
        if !self.line.poses.is_empty() && self.rng.permille(700) {
            self.line.poses.iter().for_each(|(name, value)| message.add(name, value.clone()));
        }
    }

    fn begin(&mut self, method: &str, target: &str) -> Message {
        let (via, tag, call_id) = (self.new_via(self.line.transport), self.make_up(), self.make_up());
        let mut message = Message::request(method, target);
        message.add("Via", via);
        message.add("Max-Forwards", "70");
        message.add("From", format!("<{}>;tag={tag}", self.aor()));
        message.add("To", format!("<{target}>"));
        message.add("Call-ID", call_id);
        message.add("CSeq", format!("1 {method}"));
        message.add("Contact", self.contact(target));
        self.pose(&mut message);
        // Nobody on the way knows these, and nobody may touch them.
        message.add("X-Made-Up", "as it stands,  with  blanks;and=more");
        message.add("Subject", format!("number {}", self.clients.len()));
        message.body = "v=0\r\nas it stands\r\n".repeat(self.rng.below(4) as usize);
        message
    }

    /// Opens a transaction: RFC 3261 §17.1.1.2, §17.1.2.2.
    pub(crate) fn start(&mut self, now_ms: u64, request: Message, what: What, out: &mut Outbox) -> usize {
        let index = self.clients.len();
        self.send(&request, out);
        let (transport, _) = self.way(request.values("Route").first().map(String::as_str));
        self.clients.push(Client {
            request,
            what,
            state: State::Calling,
            resent: 0,
            finals: Vec::new(),
            final_ms: None,
            given_up: false,
            cancelled: false,
            ack: None,
        });
        if transport == Transport::Udp {
            self.plan(now_ms + T1_MS, Errand::ResendRequest(index));
        }
        self.plan(now_ms + TIMEOUT_MS, Errand::RequestTimesOut(index));
        index
    }

    pub(crate) fn resend_request(&mut self, now_ms: u64, index: usize, out: &mut Outbox) {
        let client = &mut self.clients[index];
        let waits = match client.state {
            State::Calling => true,
            State::Proceeding => client.what != What::Invite,
            State::Answered | State::TimedOut => false,
        };
        if !waits {
            return;
        }
        client.resent += 1;
        let doubled_ms = T1_MS << client.resent;
        let after_ms = match (client.what, client.state) {
            (What::Invite, _) => doubled_ms,
            (_, State::Proceeding) => T2_MS,
            _ => doubled_ms.min(T2_MS),
        };
        let request = client.request.clone();
        self.send(&request, out);
        self.plan(now_ms + after_ms, Errand::ResendRequest(index));
    }

    pub(crate) fn request_times_out(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let waits = client.state == State::Calling
            || (client.state == State::Proceeding && client.what != What::Invite);
        if waits {
            client.state = State::TimedOut;
        }
    }

    /// A CANCEL may only follow a provisional response: RFC 3261 §9.1.
    pub(crate) fn give_up(&mut self, now_ms: u64, index: usize, out: &mut Outbox) {
        let client = &mut self.clients[index];
        client.given_up = true;
        if client.state != State::Proceeding || client.cancelled {
            return;
        }
        client.cancelled = true;
        let invite = client.request.clone();
        let mut cancel = hop_by_hop("CANCEL", &invite);
        cancel.copy(&invite, "To");
        self.start(now_ms, cancel, What::Cancel, out);
    }

    pub(crate) fn response(&mut self, now_ms: u64, status: u16, response: &Message, out: &mut Outbox) {
        let ours =
            |c: &Client| c.request.branch() == response.branch() && c.request.method() == response.method();
        let Some(index) = self.clients.iter().position(ours) else {
            return self.complain("an answer to nothing that was asked", response);
        };
        if response.values("Via").len() != 1 {
            self.complain("an answer with Vias of others", response);
        }
        let client = &mut self.clients[index];
        if status < 200 {
            if client.state == State::Calling {
                client.state = State::Proceeding;
            }
            if client.given_up {
                self.give_up(now_ms, index, out);
            }
            return;
        }
        let seen = (status, response.tag("To").to_owned());
        let again = client.finals.contains(&seen);
        if !again {
            client.finals.push(seen);
            client.final_ms.get_or_insert(now_ms);
        }
        let too_late = client.state == State::TimedOut;
        client.state = if too_late { State::TimedOut } else { State::Answered };
        match client.what {
            What::Invite if status < 300 => self.answered(now_ms, index, response, out),
            What::Invite => self.refused(now_ms, index, status, response, again, out),
            _ if !again => self.done(now_ms, index, status, response, out),
            _ => {}
        }
    }

    /// A 2xx: a new dialog, or the ACK again (§13.2.2.4).
    fn answered(&mut self, now_ms: u64, index: usize, response: &Message, out: &mut Outbox) {
        let client = &self.clients[index];
        let (remote_tag, local_tag) = (response.tag("To").to_owned(), response.tag("From").to_owned());
        let call_id = response.value("Call-ID").to_owned();
        let same = |d: &Dialog| d.call_id == call_id && d.remote_tag == remote_tag;
        let known = self.dialogs.iter().position(same);
        let alone = client.finals.iter().filter(|(status, _)| *status < 300).count() == 1;
        // Given up, or another phone was faster: the call is not wanted.
        let unwanted = client.given_up || client.state == State::TimedOut || !alone;
        let dialog = known.unwrap_or_else(|| {
            let mut routes = response.values("Record-Route");
            routes.reverse();
            let dialog = Dialog {
                call_id,
                local_tag,
                remote_tag,
                local: response.value("From").to_owned(),
                remote: response.value("To").to_owned(),
                target: uri_of(response.value("Contact")).to_owned(),
                routes,
                cseq: response.cseq(),
                is_caller: true,
                acknowledged: true,
                other_hung_up: false,
                bye: None,
            };
            self.begin_dialog(now_ms, dialog)
        });
        let mut ack = self.in_dialog(dialog, "ACK");
        self.dialogs[dialog].cseq -= 1;
        ack.replace("CSeq", format!("{} ACK", response.cseq()));
        self.send(&ack, out);
        if unwanted && known.is_none() {
            self.hang_up(now_ms, dialog, out);
        }
    }

    /// Any other final answer: its ACK is part of the transaction (§17.1.1.3).
    fn refused(
        &mut self,
        now_ms: u64,
        index: usize,
        status: u16,
        response: &Message,
        again: bool,
        out: &mut Outbox,
    ) {
        if again && let Some(ack) = self.clients[index].ack.clone() {
            return self.send(&ack, out);
        }
        let invite = self.clients[index].request.clone();
        let mut ack = hop_by_hop("ACK", &invite);
        ack.copy(response, "To");
        self.send(&ack, out);
        self.clients[index].ack = Some(ack);
        self.done(now_ms, index, status, response, out);
    }

    fn done(&mut self, now_ms: u64, index: usize, status: u16, response: &Message, out: &mut Outbox) {
        if matches!(status, 401 | 407) && !self.clients[index].given_up {
            self.try_with_password(now_ms, index, status, response, out);
        }
    }

    /// RFC 3261 §22.2: the same request with the next CSeq, as a new transaction.
    fn try_with_password(
        &mut self,
        now_ms: u64,
        index: usize,
        status: u16,
        response: &Message,
        out: &mut Outbox,
    ) {
        let (asked, header) = match status {
            401 => ("WWW-Authenticate", "Authorization"),
            _ => ("Proxy-Authenticate", "Proxy-Authorization"),
        };
        let (mut request, what) = (self.clients[index].request.clone(), self.clients[index].what);
        let realm = format!("realm=\"{}\"", self.line.domain);
        if !request.value(header).is_empty() || !response.value(asked).contains(&realm) {
            return;
        }
        let cseq = request.cseq() + 1;
        self.registrations = self.registrations.max(if what == What::Register { cseq } else { 0 });
        let (method, via) = (request.method().to_owned(), self.new_via(self.line.transport));
        request.replace("Via", via);
        request.replace("CSeq", format!("{cseq} {method}"));
        let challenge = response.value(asked).to_owned();
        let Ok(challenge) = Challenge::parse(challenge.as_bytes()) else {
            return self.complain("a challenge that cannot be read", response);
        };
        let login = Login { username: &self.line.user, password: &self.line.password };
        let asks = Request { method: &method, uri: request.uri(), body: b"" };
        let credentials = answer(&challenge, login, asks, "c0ffee", 1);
        request.add(header, credentials);
        let next = self.start(now_ms, request, what, out);
        if what == What::Invite && self.rng.permille(250) {
            let after_ms = self.rng.between(0, 15_000);
            self.plan(now_ms + after_ms, Errand::GiveUp(next));
        }
    }
}

/// ACK to a refusal, and CANCEL: the branch of the INVITE, and its way.
fn hop_by_hop(method: &str, invite: &Message) -> Message {
    let mut message = Message::request(method, invite.uri());
    message.copy(invite, "Via");
    message.add("Max-Forwards", "70");
    ["Route", "From", "Call-ID"].iter().for_each(|name| message.copy(invite, name));
    message.add("CSeq", format!("{} {method}", invite.cseq()));
    message
}
