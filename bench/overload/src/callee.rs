//! Whoever is called: rings, answers, and takes the BYE. It repeats its 200 until the ACK comes (RFC 3261 §13.3.1.4).

use std::collections::HashMap;

use offhook_net::{Flow, Outbox};
use offhook_sip::{Message, Method, Name};

/// The first interval of repetitions, ms; each is twice the one before.
const T1_MS: u64 = 500;

/// After so many repetitions nobody is there any more.
const REPETITIONS_MAX: u8 = 6;

struct Unconfirmed {
    answer: Vec<u8>,
    to: Flow,
    next_ms: u64,
    repeated: u8,
}

/// All callees.
#[derive(Default)]
pub(crate) struct Callee {
    unconfirmed: HashMap<u64, Unconfirmed>,
    next_look_ms: u64,
}

impl Callee {
    /// Takes a request for the call with this number.
    pub(crate) fn request(
        &mut self,
        now_ms: u64,
        from: &Flow,
        number: u64,
        message: &Message<'_>,
        out: &mut Outbox,
    ) {
        match message.method() {
            Some(Method::Invite) => {
                out.push(&answer(message, "180 Ringing"), *from, 0);
                let answer = answer(message, "200 OK");
                out.push(&answer, *from, 0);
                let next_ms = now_ms + T1_MS;
                self.unconfirmed.insert(number, Unconfirmed { answer, to: *from, next_ms, repeated: 0 });
            }
            Some(Method::Ack) => {
                self.unconfirmed.remove(&number);
            }
            _ => out.push(&answer(message, "200 OK"), *from, 0),
        }
    }

    /// Repeats what is not confirmed. Looking ten times a second is often enough.
    pub(crate) fn tick(&mut self, now_ms: u64, out: &mut Outbox) {
        if now_ms < self.next_look_ms {
            return;
        }
        self.next_look_ms = now_ms + T1_MS / 5;
        self.unconfirmed.retain(|_, call| {
            if now_ms >= call.next_ms {
                out.push(&call.answer, call.to, 0);
                call.repeated += 1;
                call.next_ms = now_ms + (T1_MS << call.repeated);
            }
            call.repeated < REPETITIONS_MAX
        });
    }
}

fn answer(request: &Message<'_>, status: &str) -> Vec<u8> {
    let mut text = format!("SIP/2.0 {status}\r\n").into_bytes();
    for name in [Name::Via, Name::RecordRoute, Name::From, Name::CallId, Name::CSeq] {
        for line in request.lines_of(name) {
            text.extend_from_slice(&request.bytes()[line.whole()]);
        }
    }
    text.extend_from_slice(b"To: ");
    text.extend_from_slice(request.value(Name::To).unwrap_or_default());
    if request.to().is_ok_and(|to| to.tag().is_none()) {
        text.extend_from_slice(b";tag=callee");
    }
    text.extend_from_slice(b"\r\nContact: <sip:svc@127.0.0.1:6201>\r\nContent-Length: 0\r\n\r\n");
    text
}
