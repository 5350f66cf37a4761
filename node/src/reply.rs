//! Answers that leave no state behind: RFC 3261 §8.2.7 and §16.3.

use offhook_net::Outbox;
use offhook_registrar::required_extensions;
use offhook_sip::{Essentials, Method, Refusal, Reply};

use crate::arrival::Arrival;
use crate::switchboard::Switchboard;

/// What we do at our own address, and what passes through.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, MESSAGE, SUBSCRIBE, NOTIFY, PUBLISH, REFER, INFO, UPDATE, PRACK";

/// What we take at our own address, where nobody is called.
pub(crate) const ALLOW_HERE: &str = "OPTIONS, REGISTER";

/// Below this, what we say to OPTIONS of our own accord could make the answer twice as long as the question, bytes.
const TERSE_BELOW_BYTES: usize = 400;

impl Switchboard {
    /// Refuses a request. An ACK has no answer (§17.1.1.3).
    pub(crate) fn refuse(&mut self, arrival: &Arrival<'_, '_>, refusal: Refusal<'_>, out: &mut Outbox) {
        if arrival.message.method() == Some(Method::Ack) {
            return;
        }
        self.note_refused(arrival, &refusal);
        if !self.may_answer(arrival.settings, arrival.now_ms, &arrival.from) {
            return;
        }
        let tag = self.stateless_tag(arrival.parts);
        let start = out.begin();
        refusal.write(arrival.message, &tag, arrival.answer_via, out.arena());
        self.send_answer(arrival, start, out);
    }

    /// Answers OPTIONS that asks about us (§11.2), if we understand what we must for it (§8.2.2.3).
    pub(crate) fn introduce(&mut self, arrival: &Arrival<'_, '_>, out: &mut Outbox) {
        match required_extensions(arrival.message) {
            Ok(()) => self.accept(arrival, out),
            Err(refusal) => self.refuse(arrival, refusal, out),
        }
    }

    /// 200 to OPTIONS that asks about us, and to CANCEL.
    pub(crate) fn accept(&mut self, arrival: &Arrival<'_, '_>, out: &mut Outbox) {
        if !self.may_answer(arrival.settings, arrival.now_ms, &arrival.from) {
            return;
        }
        let tag = self.stateless_tag(arrival.parts);
        let start = out.begin();
        let arena = out.arena();
        Reply::new(arrival.message, 200).to_tag(&tag).top_via(arrival.answer_via).write_head(arena);
        // A short question of a stranger has a short answer.
        let is_terse = arrival.message.whole().len() < TERSE_BELOW_BYTES
            && self.is_stranger(arrival.settings, arrival.now_ms, &arrival.from);
        if arrival.message.method() == Some(Method::Options) && !is_terse {
            arena.extend_from_slice(b"Allow: ");
            arena.extend_from_slice(ALLOW.as_bytes());
            arena.extend_from_slice(b"\r\nAccept: */*\r\nSupported: path, outbound, gruu\r\n");
        }
        Reply::write_end(arena);
        self.send_answer(arrival, start, out);
    }

    /// Whether the tag of To is one of those.
    pub(crate) fn is_stateless_tag(&self, parts: &Essentials<'_>) -> bool {
        self.cookies.is_tag(parts.to_tag, parts.call_id, parts.from_tag)
    }

    /// The To tag of such answers: the same for each retransmission, and known again in an ACK.
    pub(crate) fn stateless_tag(&self, parts: &Essentials<'_>) -> [u8; 18] {
        self.cookies.tag(parts.call_id, parts.from_tag)
    }
}
