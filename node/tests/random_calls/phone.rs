//! An automatic phone: it registers, calls, rings, answers, is busy, gives up, hangs up, all by chance, and speaks SIP as
//! RFC 3261 says: it repeats what is lost and absorbs what is repeated. What it sees others do wrong it writes down.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use offhook_net::{ConnectionId, Flow, Outbox};
use offhook_simnet::{Endpoint, Node, Rng};
use offhook_sip::Transport;

use crate::asks::Asks;
use crate::callee::Server;
use crate::caller::{Client, What};
use crate::lines;
use crate::wire::{Message, uri_of};

pub(crate) const T1_MS: u64 = 500;
pub(crate) const T2_MS: u64 = 4_000;
/// Timers B, F, H and the like.
pub(crate) const TIMEOUT_MS: u64 = 64 * T1_MS;
/// Behind a translator, this often something must go out.
const KEEP_ALIVE_MS: u64 = 20_000;

/// Who a phone is.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) domain: String,
    pub(crate) password: String,
    pub(crate) address: SocketAddr,
    pub(crate) proxy: SocketAddr,
    pub(crate) transport: Transport,
    /// Preference of its Contact, as in the header.
    pub(crate) q: &'static str,
    /// It answers for everybody in a domain.
    pub(crate) serves: Option<Serves>,
    /// It wants TLS on every hop.
    pub(crate) is_secure: bool,
    /// Where it sends on who calls, as Contacts.
    pub(crate) forwards: Vec<String>,
    /// What it writes about itself, and what of it is to be hidden.
    pub(crate) poses: Vec<(&'static str, String)>,
    /// How long it thinks before it answers anything, at most, ms.
    pub(crate) slow_ms: u64,
}

/// What a server of a far domain is like.
#[derive(Clone, Debug)]
pub(crate) struct Serves {
    pub(crate) domain: String,
    /// When it is not well.
    pub(crate) spells: Vec<Spell>,
    /// Nobody between it and the caller ends its ringing: it does so by itself.
    pub(crate) is_alone: bool,
    /// It wants to know who is there.
    pub(crate) asks: Option<Asks>,
    /// What it says about when to come again, s.
    pub(crate) retry_after_s: Option<u32>,
}

/// A bad spell of a server: when, in Unix time, ms, and what is the matter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spell {
    pub(crate) from_ms: u64,
    pub(crate) until_ms: u64,
    pub(crate) what: Ill,
}

/// How a server treats what begins something while it is not well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ill {
    /// It says 503.
    Busy,
    /// It takes no calls: to those it says 503.
    Full,
    /// It says nothing.
    Silent,
    /// It says 408 to who asks whether it lives.
    Lost,
}

impl Serves {
    /// What is the matter with it now.
    pub(crate) fn ill(&self, now_ms: u64) -> Option<Ill> {
        let is_now = |spell: &&Spell| (spell.from_ms..spell.until_ms).contains(&now_ms);
        self.spells.iter().find(is_now).map(|spell| spell.what)
    }

    /// Whether it ever believes who is there.
    pub(crate) fn takes_proofs(&self) -> bool {
        self.asks.as_ref().is_none_or(|asks| asks.uses_max > 0)
    }
}

/// Something a phone will do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Errand {
    Register,
    KeepAlive,
    Call(String),
    /// MESSAGE or OPTIONS outside of a call.
    Ask(&'static str, String),
    GiveUp(usize),
    HangUp(usize),
    /// INFO, UPDATE, PRACK, MESSAGE or an INVITE in a dialog.
    Tell(usize),
    ResendRequest(usize),
    RequestTimesOut(usize),
    /// The next thing that a ringing phone says.
    Say(usize, u16),
    ResendResponse(usize),
    ResponseTimesOut(usize),
}

/// One side of a call.
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    pub(crate) local_tag: String,
    pub(crate) remote_tag: String,
    pub(crate) local: String,
    pub(crate) remote: String,
    pub(crate) target: String,
    pub(crate) routes: Vec<String>,
    pub(crate) cseq: u32,
    /// It called, or was called.
    pub(crate) is_caller: bool,
    /// The callee has seen the ACK. (The caller has sent it at once.)
    pub(crate) acknowledged: bool,
    /// A BYE came and was answered.
    pub(crate) other_hung_up: bool,
    /// The BYE that was sent.
    pub(crate) bye: Option<usize>,
}

/// A phone.
pub(crate) struct Phone {
    pub(crate) line: Line,
    pub(crate) rng: Rng,
    agenda: BTreeMap<(u64, u64), Errand>,
    planned: u64,
    pub(crate) clients: Vec<Client>,
    pub(crate) servers: Vec<Server>,
    pub(crate) dialogs: Vec<Dialog>,
    pub(crate) registrations: u32,
    made_up: u32,
    /// What others did that they must not.
    pub(crate) complaints: Vec<String>,
}

impl Spell {
    /// It takes nothing new before that.
    pub(crate) fn busy_until(until_ms: u64) -> Self {
        Self { from_ms: 0, until_ms, what: Ill::Busy }
    }
}

impl Phone {
    pub(crate) fn new(line: Line, seed: u64) -> Self {
        Self {
            line,
            rng: Rng::new(seed),
            agenda: BTreeMap::new(),
            planned: 0,
            clients: Vec::new(),
            servers: Vec::new(),
            dialogs: Vec::new(),
            registrations: 0,
            made_up: 0,
            complaints: Vec::new(),
        }
    }

    /// A node in the world that is reached by UDP and TCP.
    pub(crate) fn into_node(self) -> Node {
        let (name, address) = (self.line.name.clone(), self.line.address.to_string());
        let node = Node::endpoint(&name, self);
        lines::PLAIN.into_iter().fold(node, |node, transport| node.listen(transport, &address))
    }

    pub(crate) fn plan(&mut self, at_ms: u64, errand: Errand) {
        self.planned += 1;
        self.agenda.insert((at_ms, self.planned), errand);
    }

    /// A word that nobody else uses.
    pub(crate) fn make_up(&mut self) -> String {
        self.made_up += 1;
        format!("{}-{}", self.line.name, self.made_up)
    }

    /// Its Contact for who has called, or is called, by this URI: RFC 3261 §8.1.1.8, §12.1.1.
    pub(crate) fn contact(&self, uri: &str) -> String {
        let scheme = if lines::is_sips(uri) { "sips" } else { "sip" };
        let transport = match self.line.transport {
            Transport::Tls if lines::is_sips(uri) => String::new(),
            transport => lines::uri_param(transport),
        };
        format!("<{scheme}:{}@{}{transport}>", self.line.name, self.host())
    }

    /// The Contact that it registers.
    pub(crate) fn own_contact(&self) -> String {
        self.contact(if self.line.is_secure { "sips:" } else { "sip:" })
    }

    /// What it says of itself: RFC 7118 §5, a browser does not know its address.
    fn host(&self) -> String {
        match self.line.transport.is_websocket() {
            true => format!("{}.invalid", self.line.name),
            false => self.line.address.to_string(),
        }
    }

    pub(crate) fn aor(&self) -> String {
        format!("sip:{}@{}", self.line.user, self.line.domain)
    }

    pub(crate) fn new_via(&mut self, transport: Transport) -> String {
        let branch = self.make_up();
        let rport = if transport.is_websocket() { "" } else { ";rport" };
        let (token, host) = (lines::token(transport), self.host());
        format!("SIP/2.0/{token} {host};branch=z9hG4bK-{branch}{rport}")
    }

    /// Where a request goes: to the exchange that the phone belongs to. A server of a far domain belongs to none, and goes by
    /// the route (RFC 3261 §12.2.1.1); so does a phone that another exchange has called, because it was sent on there.
    pub(crate) fn way(&self, first_route: Option<&str>) -> (Transport, SocketAddr) {
        let own = (self.line.transport, self.line.proxy);
        let by_route = first_route.and_then(|route| lines::place_of(uri_of(route)));
        let is_foreign = |place: &(_, SocketAddr)| self.line.serves.is_some() || place.1.ip() != own.1.ip();
        by_route.filter(is_foreign).unwrap_or(own)
    }

    /// Sends a request on its way.
    pub(crate) fn send(&self, request: &Message, out: &mut Outbox) {
        let way = self.way(request.values("Route").first().map(String::as_str));
        self.send_bytes(way, &request.write(), out);
    }

    fn send_bytes(&self, (transport, remote): (Transport, SocketAddr), bytes: &[u8], out: &mut Outbox) {
        let plain = lines::PLAIN.iter().position(|plain| *plain == transport);
        let listener = plain.unwrap_or(lines::PLAIN.len()) as u16;
        out.push(bytes, Flow { transport, listener, connection: ConnectionId::NONE, remote }, 0);
    }

    pub(crate) fn complain(&mut self, about: &str, message: &Message) {
        let text = String::from_utf8_lossy(&message.write()).into_owned();
        self.complaints.push(format!("{}: {about}\n{text}", self.line.name));
    }

    /// A request in a dialog: RFC 3261 §12.2.1.1.
    pub(crate) fn in_dialog(&mut self, dialog: usize, method: &str) -> Message {
        let (transport, _) = self.way(self.dialogs[dialog].routes.first().map(String::as_str));
        let via = self.new_via(transport);
        let contact = self.contact(&self.dialogs[dialog].target);
        let dialog = &mut self.dialogs[dialog];
        dialog.cseq += 1;
        let mut message = Message::request(method, &dialog.target);
        message.add("Via", via);
        message.add("Max-Forwards", "70");
        dialog.routes.iter().for_each(|route| message.add("Route", route.clone()));
        message.add("From", dialog.local.clone());
        message.add("To", dialog.remote.clone());
        message.add("Call-ID", dialog.call_id.clone());
        message.add("CSeq", format!("{} {method}", dialog.cseq));
        message.add("Contact", contact);
        message
    }

    /// The dialog that a request of the other side belongs to.
    pub(crate) fn dialog_of(&self, request: &Message) -> Option<usize> {
        let (local, remote) = (request.tag("To"), request.tag("From"));
        let call_id = request.value("Call-ID");
        let same = |d: &Dialog| d.call_id == call_id && d.local_tag == local && d.remote_tag == remote;
        self.dialogs.iter().position(same)
    }

    fn run(&mut self, now_ms: u64, errand: Errand, out: &mut Outbox) {
        match errand {
            Errand::Register => self.register(now_ms, out),
            Errand::KeepAlive => {
                self.send_bytes(self.way(None), b"\r\n\r\n", out);
                self.plan(now_ms + KEEP_ALIVE_MS, Errand::KeepAlive);
            }
            Errand::Call(target) => self.call(now_ms, &target, out),
            Errand::Ask(method, target) => self.ask(now_ms, method, &target, out),
            Errand::GiveUp(client) => self.give_up(now_ms, client, out),
            // Who was called may say nothing before the ACK: RFC 3261 §15.
            Errand::HangUp(dialog) | Errand::Tell(dialog) if self.waits_for_ack(dialog) => {
                self.plan(now_ms + T1_MS, errand);
            }
            Errand::HangUp(dialog) => self.hang_up(now_ms, dialog, out),
            Errand::Tell(dialog) => {
                if !self.dialogs[dialog].other_hung_up && self.dialogs[dialog].bye.is_none() {
                    self.tell(now_ms, dialog, out);
                }
            }
            Errand::ResendRequest(client) => self.resend_request(now_ms, client, out),
            Errand::RequestTimesOut(client) => self.request_times_out(client),
            Errand::Say(server, status) => self.say(now_ms, server, status, out),
            Errand::ResendResponse(server) => self.resend_response(now_ms, server, out),
            Errand::ResponseTimesOut(server) => self.response_times_out(now_ms, server, out),
        }
    }

    /// Something inside of a call.
    fn tell(&mut self, now_ms: u64, dialog: usize, out: &mut Outbox) {
        let methods = ["INFO", "UPDATE", "PRACK", "INVITE", "MESSAGE"];
        let method = methods[self.rng.below(methods.len() as u64) as usize];
        let mut request = self.in_dialog(dialog, method);
        self.pose(&mut request);
        let what = if method == "INVITE" { What::Invite } else { What::Other };
        self.start(now_ms, request, what, out);
    }

    fn waits_for_ack(&self, dialog: usize) -> bool {
        let dialog = &self.dialogs[dialog];
        !dialog.acknowledged && !dialog.other_hung_up && dialog.bye.is_none()
    }

    /// Ends a call, unless it is over.
    pub(crate) fn hang_up(&mut self, now_ms: u64, dialog: usize, out: &mut Outbox) {
        if self.dialogs[dialog].bye.is_some() || self.dialogs[dialog].other_hung_up {
            return;
        }
        let bye = self.in_dialog(dialog, "BYE");
        let client = self.start(now_ms, bye, What::Bye, out);
        self.dialogs[dialog].bye = Some(client);
    }

    /// Remembers a new call and plans how it ends.
    pub(crate) fn begin_dialog(&mut self, now_ms: u64, dialog: Dialog) -> usize {
        let index = self.dialogs.len();
        let (first, always) = (dialog.routes.first().cloned(), dialog.is_caller);
        // RFC 3261 §12.1.2, RFC 5658 §4: it begins where the phone's own requests go, by its own transport.
        let own = self.way(first.as_deref());
        if first.is_some_and(|route| !lines::is_at(uri_of(&route), own)) {
            self.complaints.push(format!("{}: the route set begins elsewhere: {dialog:?}", self.line.name));
        }
        self.dialogs.push(dialog);
        if always || self.rng.permille(500) {
            let after_ms = self.rng.between(0, 60_000);
            self.plan(now_ms + after_ms, Errand::HangUp(index));
        }
        if self.rng.permille(300) {
            let after_ms = self.rng.between(0, 20_000);
            self.plan(now_ms + after_ms, Errand::Tell(index));
        }
        index
    }
}

impl Endpoint for Phone {
    fn receive(&mut self, now_ms: u64, from: &Flow, bytes: &[u8], out: &mut Outbox) {
        let Some(message) = Message::read(bytes) else {
            if bytes.iter().any(|b| !b"\r\n".contains(b)) {
                self.complaints.push(format!("{}: this is no message: {bytes:?}", self.line.name));
            }
            return;
        };
        match message.status() {
            0 => self.request(now_ms, from, &message, out),
            status => self.response(now_ms, status, &message, out),
        }
    }

    /// RFC 5626 §4.5: who can only be reached by what he has dialled dials again.
    fn connection_closed(&mut self, now_ms: u64, _connection: ConnectionId, _out: &mut Outbox) {
        if !lines::PLAIN.contains(&self.line.transport) {
            let after_ms = self.rng.between(100, 3_000);
            self.plan(now_ms + after_ms, Errand::Register);
        }
    }

    fn tick(&mut self, now_ms: u64, out: &mut Outbox) {
        while let Some(entry) = self.agenda.first_entry() {
            if entry.key().0 > now_ms {
                break;
            }
            let errand = entry.remove();
            self.run(now_ms, errand, out);
        }
    }

    fn deadline_ms(&mut self) -> Option<u64> {
        self.agenda.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }
}
