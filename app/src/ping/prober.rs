//! Asks with OPTIONS (RFC 3261 §11), one after another, each in a non-INVITE client transaction (§17.1.2).
//!
//! ```text
//!   tick ──► OPTIONS ──► T1, 2·T1, … over datagrams: the same again ──► final response ──► Answered
//!    ▲                                                              └─► timeout ────────► Silent
//!    └── a second after the last began ◄────────────────────────────────────────────────┘
//! ```
//! An [`Engine`]: no sockets, no clock; it is told the time and says what happened to a [`Witness`].

use offhook_net::{ConnectionId, Engine, Flow, Outbox, Ticket};
use offhook_sip::Message;
use offhook_transaction::{Actions, ClientInput, Dispatch, NonInviteClient, Set, Tell, Timing};

use super::inquiry::Inquiry;

/// From the beginning of one question to that of the next, milliseconds.
const INTERVAL_MS: u64 = 1_000;

/// What happened.
#[derive(Debug)]
pub enum Report<'m> {
    /// A question was sent for the first time.
    Asked,
    /// Its final response came, after it had been sent again so many times.
    Answered {
        /// Retransmissions.
        resent: u32,
        /// The response.
        response: &'m Message<'m>,
    },
    /// There was none in time.
    Silent,
    /// There is no connection, or it broke.
    Disconnected,
    /// No question is left.
    Finished,
}

/// Who hears what happens.
pub trait Witness {
    /// Something happened.
    fn hear(&mut self, report: Report<'_>);
}

/// The engine.
pub struct Prober<W> {
    inquiry: Inquiry,
    timing: Timing,
    witness: W,
    /// How many questions have begun.
    begun: u32,
    /// When the next begins; none does when there is no more.
    next_ms: Option<u64>,
    question: Option<Question>,
}

/// The question that waits for its answer.
struct Question {
    machine: NonInviteClient,
    request: Vec<u8>,
    branch: String,
    /// Timer E.
    resend_ms: Option<u64>,
    resent: u32,
    /// Timer F, or the caller's patience.
    end_ms: u64,
    began_ms: u64,
}

impl<W: Witness> Prober<W> {
    /// Begins to ask as soon as it is driven.
    pub fn new(inquiry: Inquiry, timing: Timing, witness: W) -> Self {
        Self { inquiry, timing, witness, begun: 0, next_ms: Some(0), question: None }
    }

    /// The witness, when all is over.
    pub fn into_witness(self) -> W {
        self.witness
    }

    fn begin(&mut self, now_ms: u64, out: &mut Outbox) {
        self.begun += 1;
        self.next_ms = None;
        let reliable = self.inquiry.flow.transport.is_reliable();
        let (machine, actions) = NonInviteClient::start(reliable, &self.timing);
        let timer_f_ms = u64::from(self.timing.timeout_ms());
        let branch = self.inquiry.branch(self.begun);
        let mut question = Question {
            machine,
            request: self.inquiry.request(&branch, self.begun),
            branch,
            resend_ms: None,
            resent: 0,
            end_ms: now_ms + timer_f_ms.min(self.inquiry.timeout_ms),
            began_ms: now_ms,
        };
        question.set_timer_e(now_ms, actions.resend);
        out.push(&question.request, self.inquiry.flow, u64::from(self.begun));
        self.question = Some(question);
        self.witness.hear(Report::Asked);
    }

    /// Gives one input to the transaction and does what it asks for. `response` is the message of such an input.
    fn step(&mut self, now_ms: u64, input: ClientInput, response: Option<&Message<'_>>, out: &mut Outbox) {
        let reliable = self.inquiry.flow.transport.is_reliable();
        let Some(question) = &mut self.question else { return };
        let Actions { dispatch, tell, resend, .. } = question.machine.on(input, reliable, &self.timing);
        if dispatch == Dispatch::Request {
            question.resent += 1;
            out.push(&question.request, self.inquiry.flow, u64::from(self.begun));
        }
        question.set_timer_e(now_ms, resend);
        let resent = question.resent;
        match (tell, response) {
            (Tell::Message, Some(response)) if response.status().is_some_and(|status| status >= 200) => {
                self.end(now_ms, Report::Answered { resent, response });
            }
            (Tell::TimedOut, _) => self.end(now_ms, Report::Silent),
            (Tell::TransportFailed, _) => self.end(now_ms, Report::Disconnected),
            // A provisional response: the final one is still to come.
            (Tell::Message | Tell::Nothing, _) => {}
        }
    }

    fn end(&mut self, now_ms: u64, report: Report<'_>) {
        let began_ms = self.question.take().map_or(now_ms, |question| question.began_ms);
        self.witness.hear(report);
        if self.begun < self.inquiry.count {
            self.next_ms = Some(now_ms.max(began_ms + INTERVAL_MS));
        } else {
            self.witness.hear(Report::Finished);
        }
    }

    /// Whether a response is the one that is waited for: RFC 3261 §17.1.3.
    fn is_ours(&self, response: &Message<'_>) -> bool {
        let Some(question) = &self.question else { return false };
        response.status().is_some()
            && response.check_response().is_ok()
            && response.top_via().is_ok_and(|via| via.branch() == question.branch.as_bytes())
            && response.cseq().is_ok_and(|cseq| cseq.method == b"OPTIONS" && cseq.number == self.begun)
    }
}

impl<W: Witness> Engine for Prober<W> {
    fn receive(&mut self, now_ms: u64, _from: &Flow, message: &[u8], out: &mut Outbox) {
        let Ok(response) = Message::parse(message) else { return };
        if self.is_ours(&response)
            && let Some(status) = response.status()
        {
            self.step(now_ms, ClientInput::Response(status), Some(&response), out);
        }
    }

    fn unframeable(&mut self, _now_ms: u64, _from: &Flow, _head: &[u8], _out: &mut Outbox) {
        // The connection closes after this, and that ends the question.
    }

    fn send_failed(&mut self, now_ms: u64, ticket: Ticket, out: &mut Outbox) {
        if ticket == u64::from(self.begun) {
            self.step(now_ms, ClientInput::TransportFailed, None, out);
        }
    }

    fn connection_closed(&mut self, now_ms: u64, _connection: ConnectionId, out: &mut Outbox) {
        // The answer would have come by it. (Nobody but the server has reason to connect to us.)
        self.step(now_ms, ClientInput::TransportFailed, None, out);
    }

    fn tick(&mut self, now_ms: u64, out: &mut Outbox) {
        let due = |at_ms: Option<u64>| at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        if due(self.next_ms) {
            self.begin(now_ms, out);
        }
        let Some(Question { resend_ms, end_ms, .. }) = self.question else { return };
        if end_ms <= now_ms {
            self.step(now_ms, ClientInput::EndTimer, None, out);
        } else if due(resend_ms) {
            self.step(now_ms, ClientInput::ResendTimer, None, out);
        }
    }

    fn deadline_ms(&mut self) -> Option<u64> {
        match &self.question {
            Some(question) => {
                Some(question.resend_ms.map_or(question.end_ms, |e_ms| e_ms.min(question.end_ms)))
            }
            None => self.next_ms,
        }
    }

    fn commit(&mut self, _now_ms: u64, _out: &mut Outbox) {}
}

impl Question {
    fn set_timer_e(&mut self, now_ms: u64, set: Set) {
        match set {
            Set::Keep => {}
            Set::Stop => self.resend_ms = None,
            Set::After(delay_ms) | Set::Linger(delay_ms) => {
                self.resend_ms = Some(now_ms + u64::from(delay_ms))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_sip::{Reply, Transport};

    #[derive(Default)]
    struct Heard(Vec<String>);

    impl Witness for Heard {
        fn hear(&mut self, report: Report<'_>) {
            self.0.push(match report {
                Report::Answered { resent, response } => {
                    format!("answered {} after {resent}", response.status().unwrap())
                }
                other => format!("{other:?}").to_lowercase(),
            });
        }
    }

    /// A prober, the time, and what it has sent with the times.
    struct Lab {
        prober: Prober<Heard>,
        now_ms: u64,
        sent: Vec<(u64, Vec<u8>)>,
    }

    const START_MS: u64 = 1_000_000;

    impl Lab {
        fn new(transport: Transport, count: u32) -> Self {
            let remote = "192.0.2.1:5060".parse().unwrap();
            let flow = Flow { transport, listener: 0, connection: ConnectionId::NONE, remote };
            let local = "192.0.2.9:40000".parse().unwrap();
            let uri = "sip:192.0.2.1".to_owned();
            let inquiry = Inquiry { uri, flow, local, count, timeout_ms: 4_000, entropy: 7 };
            let prober = Prober::new(inquiry, Timing::default(), Heard::default());
            let mut lab = Self { prober, now_ms: START_MS, sent: Vec::new() };
            lab.call(|prober, now_ms, out| prober.tick(now_ms, out));
            lab
        }

        fn call(&mut self, what: impl FnOnce(&mut Prober<Heard>, u64, &mut Outbox)) {
            let mut out = Outbox::new();
            what(&mut self.prober, self.now_ms, &mut out);
            for message in out.outgoing() {
                self.sent.push((self.now_ms - START_MS, out.bytes(message.bytes.clone()).to_vec()));
            }
        }

        /// Jumps from deadline to deadline until that moment.
        fn run_until(&mut self, at_ms: u64) {
            while let Some(due_ms) = self.prober.deadline_ms().filter(|due_ms| *due_ms <= START_MS + at_ms) {
                self.now_ms = due_ms.max(self.now_ms);
                self.call(|prober, now_ms, out| prober.tick(now_ms, out));
            }
            self.now_ms = START_MS + at_ms;
        }

        /// Answers the last request that was sent.
        fn answer(&mut self, status: u16) {
            let request = self.sent.last().unwrap().1.clone();
            let mut response = Vec::new();
            Reply::new(&Message::parse(&request).unwrap(), status).to_tag(b"t").write(&mut response);
            self.receive(&response);
        }

        fn receive(&mut self, message: &[u8]) {
            let from = self.prober.inquiry.flow;
            self.call(|prober, now_ms, out| prober.receive(now_ms, &from, message, out));
        }

        fn sent_at_ms(&self) -> Vec<u64> {
            self.sent.iter().map(|(at_ms, _)| *at_ms).collect()
        }

        fn heard(&self) -> Vec<&str> {
            self.prober.witness.0.iter().map(String::as_str).collect()
        }
    }

    /// RFC 3261 §11.1, §8.1.1: what every request has.
    #[test]
    fn the_request_is_sound() {
        let lab = Lab::new(Transport::Tcp, 1);
        let message = Message::parse(&lab.sent[0].1).unwrap();
        message.check_request().unwrap();
        assert_eq!(message.request_uri_text(), b"sip:192.0.2.1");
        assert!(message.top_via().unwrap().has_magic_cookie());
        assert_eq!(message.fault(), None);
    }

    /// RFC 3261 §17.1.2.2: Timer E begins with T1 and doubles; our patience ends before Timer F.
    #[test]
    fn silence_is_asked_again_and_again() {
        let mut lab = Lab::new(Transport::Udp, 1);
        lab.run_until(60_000);
        assert_eq!(lab.sent_at_ms(), [0, 500, 1_500, 3_500]);
        assert!(lab.sent.iter().all(|(_, bytes)| *bytes == lab.sent[0].1), "each time the same bytes");
        assert_eq!(lab.heard(), ["asked", "silent", "finished"]);
        assert_eq!(lab.prober.deadline_ms(), None);
    }

    /// RFC 3261 §17.1.2.2: no Timer E over a reliable transport.
    #[test]
    fn streams_are_asked_once() {
        let mut lab = Lab::new(Transport::Tcp, 1);
        lab.run_until(60_000);
        assert_eq!(lab.sent_at_ms(), [0]);
        assert_eq!(lab.heard(), ["asked", "silent", "finished"]);
    }

    #[test]
    fn any_final_response_is_an_answer() {
        for status in [200, 302, 404, 483, 503, 603] {
            let mut lab = Lab::new(Transport::Udp, 1);
            lab.run_until(700);
            lab.answer(status);
            lab.run_until(60_000);
            assert_eq!(lab.heard(), ["asked", &format!("answered {status} after 1"), "finished"]);
            assert_eq!(lab.sent_at_ms(), [0, 500], "it is not asked again");
        }
    }

    /// RFC 3261 §17.1.2.2: a provisional response sets Timer E to T2, and the final one is waited for.
    #[test]
    fn a_provisional_response_is_no_answer() {
        let mut lab = Lab::new(Transport::Udp, 1);
        lab.run_until(100);
        lab.answer(100);
        lab.run_until(60_000);
        assert_eq!(lab.sent_at_ms(), [0, 500]);
        assert_eq!(lab.heard(), ["asked", "silent", "finished"]);
    }

    #[test]
    fn questions_begin_a_second_apart() {
        let mut lab = Lab::new(Transport::Udp, 3);
        for begin_ms in [0, 1_000, 2_000] {
            lab.run_until(begin_ms + 10);
            lab.answer(200);
        }
        lab.run_until(60_000);
        assert_eq!(lab.sent_at_ms(), [0, 1_000, 2_000]);
        assert_eq!(lab.heard().iter().filter(|heard| **heard == "answered 200 after 0").count(), 3);
        assert_eq!(lab.heard().last(), Some(&"finished"));
    }

    /// RFC 3261 §17.1.3: branch and method say whose answer it is; an answer to the question before is none to this.
    #[test]
    fn answers_to_others_are_no_answers() {
        let mut lab = Lab::new(Transport::Udp, 2);
        lab.run_until(4_500);
        let late = lab.sent[0].1.clone();
        let mut response = Vec::new();
        Reply::new(&Message::parse(&late).unwrap(), 200).to_tag(b"t").write(&mut response);
        lab.receive(&response);
        lab.receive(b"\r\n\r\n");
        lab.receive(b"garbage");
        assert_eq!(lab.heard(), ["asked", "silent", "asked"]);
    }

    #[test]
    fn a_connection_that_fails_or_closes_ends_the_question_once() {
        let mut lab = Lab::new(Transport::Tcp, 1);
        lab.call(|prober, now_ms, out| prober.send_failed(now_ms, 1, out));
        lab.call(|prober, now_ms, out| prober.connection_closed(now_ms, ConnectionId::NONE, out));
        assert_eq!(lab.heard(), ["asked", "disconnected", "finished"]);
    }
}
