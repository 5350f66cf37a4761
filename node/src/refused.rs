//! Requests that were let in and lead nowhere: RFC 3261 §16.5, §8.2.7, §17.2.
//!
//! ```text
//!   480 to who is known ──► a transaction: his repetition, or a copy that was long on its way, hears 480 again,
//!                           though a phone has registered meanwhile
//!   480 to a stranger   ──► no state; so too where there is no room for more, and where we have too much to do
//! ```

use offhook_journal::Event;
use offhook_net::Outbox;
use offhook_proxy::access::Sender;
use offhook_sip::{Hint, Message, Refusal};
use offhook_transaction::{OpenError, ServerId, ServerKey, ServerVerdict};

use crate::arrival::Arrival;
use crate::relay::Passage;
use crate::switchboard::Switchboard;
use crate::targets::Targets;

/// How long the peer waits when our tables are full.
pub(crate) const FULL_RETRY_AFTER_S: u32 = 5;

/// Whether a repetition of a request must hear the same, whatever has become possible by then. `used_before`: its credentials
/// were, so who sent them may have overheard them, and makes no state. In a dialog our seal says who asks; the phone whose flow
/// is gone may come back.
pub(crate) fn is_lasting(
    passage: &Passage<'_, '_, '_>,
    targets: &Targets,
    (refusal, used_before): (&Refusal<'_>, bool),
) -> bool {
    let is_sealed = passage.screened.routed.in_dialog.is_some();
    let begins = passage.screened.parts.to_tag.is_empty();
    let is_known = is_sealed || begins && matches!(passage.sender, Sender::Proved | Sender::Peer);
    // Where there is too much to do, nothing is done that need not be.
    let is_overload = refusal.status() == 503;
    targets.name_leads_nowhere() || is_known && !used_before && !is_overload
}

impl Switchboard {
    /// Refuses what leads nowhere; a call has its record all the same. With a key it is by a transaction: without one, identical
    /// requests "would always result in the same response" (§8.2.7), and this one may lead somewhere in a moment. Where there is
    /// no room for a transaction it is refused without.
    pub(crate) fn refuse_let_in(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        lasting: Option<&ServerKey<'_>>,
        (refusal, targets): (Refusal<'_>, &Targets),
        out: &mut Outbox,
    ) {
        match lasting.map(|key| self.open_server(passage, key)) {
            Some(Ok(id)) => {
                self.note_opened(passage, id, targets);
                self.note_refused(passage.arrival, &refusal);
                self.answer_from_arrival(passage.arrival, id, refusal, out);
            }
            Some(Err(_)) | None => {
                self.note_turned_away(passage, refusal.status());
                self.refuse(passage.arrival, refusal, out);
            }
        }
    }

    /// Answers through the transaction while the request is still at hand.
    pub(crate) fn answer_from_arrival(
        &mut self,
        arrival: &Arrival<'_, '_>,
        id: ServerId,
        refusal: Refusal<'_>,
        out: &mut Outbox,
    ) {
        let tag = self.stateless_tag(arrival.parts);
        let start = out.begin();
        refusal.write(arrival.message, &tag, arrival.answer_via, out.arena());
        self.tell_way(id, start, out);
        let end = out.begin();
        let verdict = self.transactions.respond(arrival.now_ms, id, refusal.status(), out.bytes(start..end));
        if verdict == ServerVerdict::Send {
            self.at_work = self.at_work.saturating_sub(1);
            self.with_upstream(id, |u| u.answered = true);
            // In the words that the caller is told.
            let answer = out.bytes(start..end);
            let told = Message::parse(answer);
            let told = told.as_ref().unwrap_or(arrival.message);
            self.note_final(arrival.now_ms, id, (refusal.status(), true), told);
            self.note_failed(arrival.now_ms, told, refusal.status());
            out.send(start, arrival.reply_to, 0);
        }
    }

    /// Refuses what there is no room for.
    pub(crate) fn refuse_full(&mut self, arrival: &Arrival<'_, '_>, error: OpenError, out: &mut Outbox) {
        let refusal = match error {
            OpenError::AlreadyOpen(_) => return,
            OpenError::KeyTooLong => Refusal::new(400).because("Branch too long"),
            _ => {
                let limit = arrival.settings.transactions_max as u64;
                let event =
                    Event::LimitReached { which: "transactions", limit, source: Some(arrival.from.remote) };
                self.journal.note(arrival.now_ms, &event);
                Refusal::new(503).with(Hint::RetryAfter(FULL_RETRY_AFTER_S))
            }
        };
        self.refuse(arrival, refusal, out);
    }

    /// Tells the journal.
    pub(crate) fn note_refused(&mut self, arrival: &Arrival<'_, '_>, refusal: &Refusal<'_>) {
        let event = Event::RequestRefused {
            method: arrival.message.method_text(),
            source: arrival.from.remote,
            status: refusal.status(),
            reason: &refusal.reason(),
            call_id: arrival.parts.call_id,
        };
        self.journal.note(arrival.now_ms, &event);
    }
}
