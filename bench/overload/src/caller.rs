//! Whoever calls: INVITE, ACK, and BYE at once; what is not answered is repeated (RFC 3261 §17.1.1.2, §17.1.2.2).

use offhook_net::{ConnectionId, Flow, Outbox};
use offhook_sip::{LossFeedback, Message, Name, NameAddr, Transport};

use crate::PORT;

/// RFC 3261 §17.1.1.1.
const T1_MS: u64 = 500;
const T2_MS: u64 = 4_000;

/// A session description of usual length.
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 101\r\n\
    a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\n";

/// How far a call is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nobody has said anything yet.
    Calling,
    /// Somebody has.
    Proceeding,
    /// The BYE is sent.
    Ending,
    /// Nothing more comes.
    Over,
}

/// One call.
pub(crate) struct Call {
    pub(crate) number: u64,
    pub(crate) began_ms: u64,
    pub(crate) progress: Progress,
    /// When its request is repeated next.
    pub(crate) next_ms: u64,
    interval_ms: u64,
    flow: Flow,
    listens: bool,
    bye: Vec<u8>,
    ack: Vec<u8>,
}

impl Call {
    /// Begins a call from this source to the server.
    pub(crate) fn begin(
        number: u64,
        now_ms: u64,
        (source, server): (u16, std::net::SocketAddr),
        listens: bool,
        out: &mut Outbox,
    ) -> Self {
        let flow = Flow {
            transport: Transport::Udp,
            listener: source,
            connection: ConnectionId::NONE,
            remote: server,
        };
        let call = Self {
            number,
            began_ms: now_ms,
            progress: Progress::Calling,
            next_ms: now_ms + T1_MS,
            interval_ms: T1_MS,
            flow,
            listens,
            bye: Vec::new(),
            ack: Vec::new(),
        };
        call.send_invite(out);
        call
    }

    /// Repeats the open request.
    pub(crate) fn repeat(&mut self, now_ms: u64, out: &mut Outbox) {
        self.interval_ms = match self.progress {
            Progress::Calling => self.interval_ms * 2,
            _ => (self.interval_ms * 2).min(T2_MS),
        };
        self.next_ms = now_ms + self.interval_ms;
        match self.progress {
            Progress::Calling => self.send_invite(out),
            _ => out.push(&self.bye, self.flow, 0),
        }
    }

    /// The 200 to the INVITE: ACK and BYE.
    pub(crate) fn answered(&mut self, now_ms: u64, answer: &Message<'_>, out: &mut Outbox) {
        if self.progress != Progress::Ending && self.progress != Progress::Over {
            self.ack = self.in_dialog("ACK", answer);
            self.bye = self.in_dialog("BYE", answer);
            (self.progress, self.interval_ms, self.next_ms) = (Progress::Ending, T1_MS, now_ms + T1_MS);
            out.push(&self.ack, self.flow, 0);
            return out.push(&self.bye, self.flow, 0);
        }
        out.push(&self.ack, self.flow, 0);
    }

    /// The refusal of the INVITE: its ACK has the branch of the INVITE (RFC 3261 §17.1.1.3).
    pub(crate) fn refused(&mut self, refusal: &Message<'_>, out: &mut Outbox) {
        self.progress = Progress::Over;
        let to = String::from_utf8_lossy(refusal.value(Name::To).unwrap_or_default()).into_owned();
        let text = format!("{}To: {to}\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n", self.head("ACK", "i"));
        out.push(text.as_bytes(), self.flow, 0);
    }

    fn send_invite(&self, out: &mut Outbox) {
        let text = format!(
            "{}To: <sip:svc@overload.test>\r\nCSeq: 1 INVITE\r\nContact: <sip:caller@{}:{PORT}>\r\n\
             Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\nSupported: replaces, timer\r\nUser-Agent: overload\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
            self.head("INVITE", "i"),
            self.host(),
            SDP.len()
        );
        out.push(text.as_bytes(), self.flow, 0);
    }

    fn head(&self, method: &str, branch: &str) -> String {
        let (n, run, host) = (self.number, std::process::id(), self.host());
        let offer = if self.listens { String::from_utf8_lossy(LossFeedback::OFFER) } else { "".into() };
        format!(
            "{method} sip:svc@overload.test SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{PORT};branch=z9hG4bK{run}.{n}{branch}{offer}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:caller@overload.test>;tag=f{n}\r\nCall-ID: {n}@{run}\r\n"
        )
    }

    fn in_dialog(&self, method: &str, answer: &Message<'_>) -> Vec<u8> {
        let text = |name| String::from_utf8_lossy(answer.value(name).unwrap_or_default()).into_owned();
        let contact = NameAddr::parse(answer.value(Name::Contact).unwrap_or_default());
        let target = contact.map_or_else(String::new, |c| String::from_utf8_lossy(c.uri).into_owned());
        let head = self.head(method, if method == "ACK" { "a" } else { "b" });
        let head = head.replacen("sip:svc@overload.test", &target, 1);
        let cseq = if method == "BYE" { 2 } else { 1 };
        format!(
            "{head}Route: {}\r\nTo: {}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n",
            text(Name::RecordRoute),
            text(Name::To)
        )
        .into_bytes()
    }

    fn host(&self) -> String {
        format!("127.0.0.{}", self.flow.listener + 1)
    }
}
