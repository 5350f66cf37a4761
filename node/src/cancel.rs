//! CANCEL and ACK: RFC 3261 §9, §16.10, §17.2.1 and RFC 6026.

use offhook_net::Outbox;
use offhook_proxy::access::Sender;
use offhook_proxy::reason::{self, REASON_BYTES_MAX};
use offhook_proxy::{derived, screen};
use offhook_sip::{Message, Refusal};
use offhook_transaction::{AckVerdict, ClientId, ServerId, ServerKey};

use crate::admit::Admitted;
use crate::arrival::Arrival;
use crate::beyond::Leg;
use crate::context::{Cancel, Downstream};
use crate::failover::Detour;
use crate::relay::Passage;
use crate::session_timer;
use crate::settings::Settings;
use crate::switchboard::Switchboard;
use crate::targets::Targets;
use crate::way::Way;

/// So long after its CANCEL a branch keeps others from their turn, in T1, the "estimate of the round-trip time" (§17.1.1.1): in
/// one of them comes its 487, or the 200 of who was lifted before the CANCEL arrived; in the second one what was lost is there
/// too, repeated after T1. Who has not spoken then is dead, most likely. Without the wait the next phone would ring for a moment
/// whenever somebody lifts at the last one.
const GIVES_WAY_T1S: u32 = 2;

impl Switchboard {
    /// A CANCEL: answered at once, whatever becomes of the INVITE (§9.2, §16.10).
    pub(crate) fn cancel(&mut self, arrival: &Arrival<'_, '_>, key: &ServerKey<'_>, out: &mut Outbox) {
        if let Some(invite) = self.transactions.find_cancelled(key) {
            self.accept(arrival, out);
            let mut reason = Vec::new();
            reason::write(arrival.message, &mut reason);
            return self.caller_gave_up(arrival, invite, reason, out);
        }
        if self.belongs_elsewhere(arrival, key, out) {
            return;
        }
        // §16.10 would have us forward it without state; that is done only where INVITEs go that way too. Anything else
        // would carry a stranger's message to a place of his choice.
        let Ok(screened) = screen(arrival.message, arrival.parts, &arrival.settings.identity, &self.cookies)
        else {
            return self.refuse(arrival, Refusal::new(481), out);
        };
        match self.way_of(arrival, &screened) {
            // What answers it from afar would not find back to a browser (RFC 7118 §5).
            way if way.is_stateless(&screened) && !arrival.from.transport.is_websocket() => {
                self.pass_without_state(arrival, &screened, out);
            }
            _ => self.refuse(arrival, Refusal::new(481), out),
        }
    }

    /// Nobody waits for an answer to this INVITE any more: no new targets, and its phones stop ringing.
    fn caller_gave_up(
        &mut self,
        arrival: &Arrival<'_, '_>,
        invite: ServerId,
        reason: Vec<u8>,
        out: &mut Outbox,
    ) {
        self.with_upstream(invite, |u| u.fork.cancel());
        self.note_cancelled(arrival.now_ms, invite, &reason);
        if self.is_parked(invite) {
            return self.cancel_parked(arrival.settings, arrival.now_ms, invite, out);
        }
        self.cancel_branches(arrival.now_ms, invite, &reason, out);
        self.keep_reason(invite, reason);
    }

    /// Cancels every branch that still works (§16.7 step 10).
    pub(crate) fn cancel_branches(&mut self, now_ms: u64, server: ServerId, reason: &[u8], out: &mut Outbox) {
        let mut next = self.transactions.server(server).and_then(|record| record.user.branches);
        while let Some(id) = next {
            let Some(record) = self.transactions.client(id) else { break };
            next = record.user.next;
            if !record.user.finished && !record.user.cancel.is_sent() {
                self.cancel_branch(now_ms, id, reason, out);
            }
        }
    }

    /// Keeps why the caller gave up, if a branch is to hear it later (RFC 3326 §2).
    fn keep_reason(&mut self, server: ServerId, reason: Vec<u8>) {
        let waits = |board: &Self| {
            let mut next = board.transactions.server(server).and_then(|record| record.user.branches);
            while let Some(record) = next.and_then(|id| board.transactions.client(id)) {
                if record.user.cancel == Cancel::Wanted {
                    return true;
                }
                next = record.user.next;
            }
            false
        };
        if (1..=REASON_BYTES_MAX).contains(&reason.len()) && waits(self) {
            self.with_upstream(server, |upstream| upstream.reason = Some(reason.into()));
        }
    }

    /// Cancels a branch that has said its first word, which its CANCEL waited for.
    pub(crate) fn cancel_at_last(
        &mut self,
        now_ms: u64,
        (server, branch): (ServerId, ClientId),
        out: &mut Outbox,
    ) {
        let kept = self.transactions.server(server).and_then(|record| record.user.reason.clone());
        let reason = kept.as_deref().unwrap_or_else(|| self.why_in_vain(server));
        self.cancel_branch(now_ms, branch, reason, out);
    }

    /// Why the branches of a request that still work do so in vain (RFC 3326).
    pub(crate) fn why_in_vain(&self, server: ServerId) -> &'static [u8] {
        let Some(record) = self.transactions.server(server) else { return b"" };
        let decided = record.user.fork.best().filter(|status| *status >= 600);
        reason::of_cancel(decided.unwrap_or(record.status()))
    }

    /// Cancels one branch, or notes that it is to be cancelled as soon as it may be (§9.1).
    pub(crate) fn cancel_branch(&mut self, now_ms: u64, id: ClientId, reason: &[u8], out: &mut Outbox) {
        let Some(record) = self.transactions.client(id) else { return };
        let (flow, server) = (record.user.flow, record.user.server);
        let own = Downstream::errand(flow, Leg::default());
        let Ok(cancel) = self.transactions.open_cancel(now_ms, id, own) else {
            if let Some(record) = self.transactions.client_mut(id) {
                record.user.cancel = Cancel::Wanted;
            }
            return;
        };
        let Some(record) = self.transactions.client(id) else { return };
        let start = out.begin();
        if let Ok(invite) = Message::parse(record.request()) {
            derived::write_cancel(&invite, reason, out.arena());
        }
        let end = out.begin();
        self.transactions.set_request(cancel, out.bytes(start..end));
        out.send(start, flow, cancel.to_bits());
        self.await_end(now_ms, (server, id));
    }

    /// §9.1: a branch that stays silent for 64·T1 after its CANCEL is given up. Others do not wait that long for their turn.
    fn await_end(&mut self, now_ms: u64, (server, id): (Option<ServerId>, ClientId)) {
        let is_awaited = server.is_some_and(|server| self.others_wait(server));
        let timing = self.transactions.timing();
        let (cancel, patience_ms) = match is_awaited {
            true => (Cancel::SentForOthers, GIVES_WAY_T1S * timing.t1_ms),
            false => (Cancel::Sent, timing.timeout_ms()),
        };
        if let Some(record) = self.transactions.client_mut(id) {
            record.user.cancel = cancel;
        }
        self.transactions.set_user_timer(now_ms, id, patience_ms);
    }

    /// Whether targets wait for their turn, and somebody for them.
    fn others_wait(&self, server: ServerId) -> bool {
        let upstream = self.transactions.server(server).map(|record| &record.user);
        upstream.is_some_and(|upstream| {
            let rest = upstream.rest.as_ref();
            upstream.fork.may_go_on() && rest.is_some_and(|rest| !rest.targets.list().is_empty())
        })
    }

    /// What was cancelled so that others have their turn has had the time for its last word: they have it now. Nothing else ends
    /// for it, for it may have been lifted all the same: its 2xx goes to the caller whenever it comes, and then the
    /// others are cancelled (§16.7 steps 5 and 10).
    pub(crate) fn gives_way(&mut self, settings: &Settings, now_ms: u64, id: ClientId, out: &mut Outbox) {
        let timing = self.transactions.timing();
        let left_ms = timing.timeout_ms().saturating_sub(GIVES_WAY_T1S * timing.t1_ms);
        let Some(record) = self.transactions.client_mut(id) else { return };
        record.user.cancel = Cancel::Sent;
        let server = record.user.server;
        self.transactions.set_user_timer(now_ms, id, left_ms);
        if server.is_some_and(|server| self.others_wait(server)) {
            self.branch_over(settings, now_ms, (id, 408), Detour::none(), out);
        }
    }

    /// An ACK: it ends at the transaction that sent the refusal, or at the tag of an answer we keep no state of; the one
    /// to a 2xx goes on to the callee.
    pub(crate) fn ack(&mut self, arrival: &Arrival<'_, '_>, key: &ServerKey<'_>, out: &mut Outbox) {
        let to_tag = arrival.parts.to_tag;
        let has_tag = |response: &[u8]| {
            Message::parse(response).is_ok_and(|r| r.to().is_ok_and(|to| to.tag() == Some(to_tag)))
        };
        if let Some(id) = self.transactions.find_acknowledged(key, has_tag)
            && self.transactions.ack(arrival.now_ms, id) == AckVerdict::Absorb
        {
            return self.acknowledged(arrival, id, out);
        }
        // First of all: what ended without state and what a transaction of another shard refused have the same tag of ours.
        if self.belongs_elsewhere(arrival, key, out) || self.is_stateless_tag(arrival.parts) {
            return;
        }
        if let Ok(screened) =
            screen(arrival.message, arrival.parts, &arrival.settings.identity, &self.cookies)
        {
            self.pass_without_state(arrival, &screened, out);
        }
    }

    /// An ACK that ends at its transaction. If that has not answered, its caller has had a refusal of ours without state,
    /// for an earlier copy of the INVITE, which came when nobody was registered or there was too much to do: he has left
    /// (§17.1.1.2), and what this copy makes ring rings in vain. §8.2.7 would have such a refusal be the same for every copy,
    /// which only memory could promise.
    fn acknowledged(&mut self, arrival: &Arrival<'_, '_>, invite: ServerId, out: &mut Outbox) {
        let is_answered = self.transactions.server(invite).is_none_or(|record| record.state().is_answered());
        if is_answered {
            self.note_heard(arrival.now_ms, invite);
        } else if arrival.parts.to_tag == self.stateless_tag(arrival.parts)
            && self.number_of(invite) == Some(arrival.parts.cseq.number)
        {
            self.caller_gave_up(arrival, invite, Vec::new(), out);
        }
    }

    /// The number of a request that has not been answered, as its sender wrote it. Some answer a challenge with the branch of
    /// the first try, and their ACK to the challenge may come late.
    fn number_of(&self, server: ServerId) -> Option<u32> {
        let rest = self.transactions.server(server)?.user.rest.as_ref();
        let (copy, leg) = match rest.filter(|rest| !rest.request.is_empty()) {
            Some(rest) => (&*rest.request, Leg::default()),
            None => self.any_copy(server),
        };
        let copy = Message::parse(copy).ok()?;
        leg.cseq_before(&copy).or_else(|| copy.cseq().ok().map(|cseq| cseq.number))
    }

    /// Forwards a request that has no answer, or none that we wait for.
    fn pass_without_state<'a>(
        &mut self,
        arrival: &Arrival<'_, 'a>,
        screened: &offhook_proxy::Screened<'_, 'a>,
        out: &mut Outbox,
    ) {
        let way = self.way_of(arrival, screened);
        let admitted = match way {
            // §22.1: neither can be challenged, and without state we cannot know that their INVITE was let through. They
            // go to a place of our choice, where they mean nothing unless it was.
            Way::Rule(rule, _) if rule.stateless => Some(Admitted::by(Sender::Stranger, arrival)),
            _ => self.admit(arrival, screened, &way, out),
        };
        let Some(Admitted { spent, sender, .. }) = admitted else { return };
        let demand = session_timer::demand(arrival, screened).unwrap_or_default();
        let passage = Passage { arrival, screened, spent, sender, way: &way, demand };
        let mut targets: Targets = std::mem::take(&mut self.targets);
        targets.clear();
        if self.find_targets(&passage, &way, sender, &mut targets, out).is_ok() {
            self.forward_stateless(&passage, &mut targets, out);
        }
        self.targets = targets;
    }
}
