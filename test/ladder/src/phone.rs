//! What a phone remembers: its calls, and in each what it sent, what it received, and the dialogs that arose.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use offhook_net::Flow;
use offhook_simnet::NodeId;
use offhook_sip::Transport;

use crate::message::Message;
use crate::notation::What;

pub(crate) struct Phone {
    pub(crate) name: String,
    /// Whose phone it is: the user of its From, and its login.
    pub(crate) user: String,
    pub(crate) domain: String,
    pub(crate) node: NodeId,
    pub(crate) address: SocketAddr,
    /// What it sends by, until a line names another.
    pub(crate) transport: Transport,
    pub(crate) calls: Vec<Call>,
    /// The Call-ID of each numbered call of the ladder.
    pub(crate) current: BTreeMap<u32, String>,
    /// The last challenge it met: header of the answer, value.
    pub(crate) challenge: Option<(&'static str, String)>,
    pub(crate) nonce_counts: BTreeMap<String, u32>,
    /// Tags, branches and Call-IDs that it has made up.
    made_up: u32,
}

/// Everything with one Call-ID.
pub(crate) struct Call {
    pub(crate) call_id: String,
    pub(crate) local_tag: String,
    pub(crate) local_cseq: u32,
    pub(crate) sent: Vec<Sent>,
    pub(crate) received: Vec<Received>,
    pub(crate) dialogs: Vec<Dialog>,
}

pub(crate) struct Sent {
    pub(crate) message: Message,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct Received {
    pub(crate) message: Message,
    pub(crate) by: Flow,
    /// A request that has had its final response, or wants none.
    pub(crate) answered: bool,
}

/// RFC 3261 §12: what one of two peers knows of the other.
pub(crate) struct Dialog {
    pub(crate) remote_tag: String,
    /// From and To of what is sent in it.
    pub(crate) local: String,
    pub(crate) remote: String,
    pub(crate) target: String,
    pub(crate) routes: Vec<String>,
    /// A 2xx was sent or received: the route set stays as it is.
    pub(crate) confirmed: bool,
}

impl Phone {
    pub(crate) fn new(name: &str, domain: &str, node: NodeId, address: SocketAddr) -> Self {
        Self {
            name: name.to_owned(),
            user: name.to_owned(),
            domain: domain.to_owned(),
            node,
            address,
            transport: Transport::Udp,
            calls: Vec::new(),
            current: BTreeMap::new(),
            challenge: None,
            nonce_counts: BTreeMap::new(),
            made_up: 0,
        }
    }

    /// A word that nobody else uses and that names its maker: `alice-3`.
    pub(crate) fn make_up(&mut self) -> String {
        self.made_up += 1;
        format!("{}-{}", self.name, self.made_up)
    }

    /// A new Via value of its own: RFC 3261 §18.1.1, RFC 3581.
    pub(crate) fn new_via(&mut self) -> String {
        let (branch, transport) = (self.make_up(), self.transport.via_token());
        match self.transport {
            Transport::Ws | Transport::Wss => {
                format!("SIP/2.0/{transport} {}.invalid;branch=z9hG4bK-{branch}", self.name)
            }
            _ => format!("SIP/2.0/{transport} {};branch=z9hG4bK-{branch};rport", self.address),
        }
    }

    pub(crate) fn contact(&self) -> String {
        match self.transport {
            Transport::Udp => format!("<sip:{}@{}>", self.name, self.address),
            // A browser does not know its address: RFC 7118 §5, and Appendix B.
            Transport::Ws | Transport::Wss => format!("<sip:{0}@{0}.invalid;transport=ws>", self.name),
            other => format!("<sip:{}@{};transport={}>", self.name, self.address, other.name()),
        }
    }

    pub(crate) fn aor(&self) -> String {
        format!("sip:{}@{}", self.user, self.domain)
    }

    /// Begins a call with this Call-ID.
    pub(crate) fn begin_call(&mut self, call_id: String) -> usize {
        let local_tag = self.make_up();
        let (sent, received, dialogs) = (Vec::new(), Vec::new(), Vec::new());
        self.calls.push(Call { call_id, local_tag, local_cseq: 0, sent, received, dialogs });
        self.calls.len() - 1
    }

    pub(crate) fn call_by_id(&self, call_id: &str) -> Option<usize> {
        self.calls.iter().position(|call| call.call_id == call_id)
    }

    /// The numbered call of the ladder, as far as this phone is in it.
    pub(crate) fn call_by_number(&self, number: u32) -> Result<usize, String> {
        let call_id = self.current.get(&number);
        call_id.and_then(|call_id| self.call_by_id(call_id)).ok_or_else(|| match number {
            1 => "it is in no call yet".to_owned(),
            number => format!("it is not in call #{number}"),
        })
    }

    /// Its registration is one long call of its own: RFC 3261 §10.2.4.
    pub(crate) fn registration_id(&self) -> String {
        format!("registration-of-{}", self.name)
    }

    /// The bytes of the last such request or response that it has sent, and the flow of the request that a response
    /// answered.
    pub(crate) fn sent_before(&self, number: u32, what: &What) -> Option<(Vec<u8>, Option<Flow>)> {
        let (method, status) = match what {
            What::Request { method, .. } => (Some(method), None),
            What::Response { method, status, .. } => (method.as_ref(), Some(*status)),
            What::Raw(_) | What::Close | What::Icmp(_) => return None,
        };
        let call = match (method.map(String::as_str), status) {
            (Some("REGISTER"), None) => self.call_by_id(&self.registration_id())?,
            _ => self.call_by_number(number).ok()?,
        };
        let is_it = |m: &Message| m.status() == status && method.is_none_or(|method| method == m.method());
        let call = &self.calls[call];
        let sent = call.sent.iter().rev().find(|sent| is_it(&sent.message))?;
        let branch = sent.message.branch();
        let asked =
            call.received.iter().find(|r| r.message.status().is_none() && r.message.branch() == branch);
        Some((sent.bytes.clone(), asked.filter(|_| status.is_some()).map(|asked| asked.by)))
    }

    /// The request of its own that a response belongs to.
    pub(crate) fn sent_request(&self, branch: &str, method: &str) -> Option<&Message> {
        let sent = self.calls.iter().flat_map(|call| &call.sent).map(|sent| &sent.message);
        sent.rev().find(|m| m.status().is_none() && m.method() == method && m.branch() == Some(branch))
    }
}

impl Call {
    /// The last request of this method that was sent.
    pub(crate) fn last_request(&self, method: &str) -> Option<&Message> {
        let messages = self.sent.iter().rev().map(|sent| &sent.message);
        messages.into_iter().find(|m| m.status().is_none() && m.method() == method)
    }

    /// The last response to a request of this method.
    pub(crate) fn last_response(&self, method: &str, with: Option<&str>) -> Option<&Message> {
        let messages = self.received.iter().rev().map(|received| &received.message);
        messages.into_iter().find(|m| {
            m.status().is_some()
                && m.method() == method
                && with.is_none_or(|phone| is_tag_of(phone, m.tag("To")))
        })
    }

    /// The dialog with this phone, or the latest one.
    pub(crate) fn dialog(&self, with: Option<&str>) -> Result<&Dialog, String> {
        let mut latest_first = self.dialogs.iter().rev();
        let found =
            latest_first.find(|d| with.is_none_or(|phone| is_tag_of(phone, Some(d.remote_tag.as_str()))));
        found.ok_or_else(|| match with {
            Some(phone) => format!("it has no dialog with {phone}"),
            None => "it has no dialog in this call (name a target, if it shall begin one)".to_owned(),
        })
    }
}

/// Tags say which phone made them up: see [`Phone::make_up`].
fn is_tag_of(phone: &str, tag: Option<&str>) -> bool {
    tag.and_then(|tag| tag.rsplit_once('-')).is_some_and(|(maker, _)| maker == phone)
}
