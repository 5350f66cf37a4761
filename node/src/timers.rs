//! What the passage of time asks for: RFC 3261 §16.8, §17, RFC 4320.

use offhook_net::Outbox;
use offhook_proxy::reason;
use offhook_sip::{Message, Name, NameAddr};
use offhook_transaction::{ClientId, ClientState, Due, InviteClient, ServerId, ServerVerdict, TransactionId};

use crate::context::{Cancel, Upstream};
use crate::failover::Lost;
use crate::hop;
use crate::settings::Settings;
use crate::switchboard::Switchboard;

impl Switchboard {
    /// Carries out every timer that is due.
    pub(crate) fn tick(&mut self, settings: &Settings, now_ms: u64, out: &mut Outbox) {
        self.lose_patience(settings, now_ms, out);
        while let Some(due) = self.transactions.next_due(now_ms) {
            match due {
                Due::ResendRequest(id) => {
                    if let Some(record) = self.transactions.client(id) {
                        out.push(record.request(), record.user.flow, id.to_bits());
                    }
                }
                Due::ResendResponse(id) => {
                    let reply_to = self.transactions.server(id).map(|record| record.user.reply_to);
                    // Whoever forges an INVITE must not have the refusal sent to his victim again and again.
                    if reply_to.is_some_and(|to| self.may_answer(settings, now_ms, &to))
                        && let Some(record) = self.transactions.server(id)
                    {
                        out.push(record.response(), record.user.reply_to, 0);
                    }
                }
                Due::ClientTimedOut(id) => self.branch_failed(settings, now_ms, id, Lost::Silent, out),
                Due::UserTimer(TransactionId::Client(id)) => self.timer_c(settings, now_ms, id, out),
                Due::UserTimer(TransactionId::Server(id)) => self.say_trying(settings, now_ms, id, out),
                Due::ClientEnded(id, branch) => self.unlink_branch(id, &branch),
                Due::ServerEnded(_, upstream) if upstream.fork.leaves_rest() => {
                    self.end_rest(now_ms, &upstream, out);
                }
                // Nothing was said, nor will be: RFC 4320 §4.2.
                Due::ServerEnded(_, upstream) if !upstream.answered => {
                    self.at_work = self.at_work.saturating_sub(1);
                }
                // No ACK came for a refusal: nobody is left to tell.
                Due::ServerTimedOut(_) | Due::ServerEnded(..) => {}
            }
        }
    }

    /// A request could not leave by the connection it was meant for, because that is gone. RFC 3261 §18.1.1 and RFC 5923:
    /// it is sent by a new one to the address in its Request-URI or Route, once. `false`: there is no such way.
    pub(crate) fn dial_again(&mut self, settings: &Settings, id: ClientId, out: &mut Outbox) -> bool {
        let Some(record) = self.transactions.client(id) else { return false };
        if !record.user.flow.connection.is_some() {
            return false;
        }
        let request = record.request();
        let Ok(message) = Message::parse(request) else { return false };
        let listener = record.user.flow.listener;
        let next = message.values(Name::Route).next().and_then(NameAddr::parse);
        let uri = next.map_or_else(|| message.request_uri(), |route| route.parsed_uri());
        let Some(flow) = uri.ok().and_then(|uri| hop::to_uri(&uri, &settings.listeners, listener).ok())
        else {
            return false;
        };
        // A phone behind a NAT is not where its Contact says; somebody else may be.
        if flow.remote.ip() != record.user.flow.remote.ip() {
            return false;
        }
        // The Via says by which transport and address it travels; another one would make it a lie.
        if flow.listener != listener {
            return false;
        }
        out.push(request, flow, id.to_bits());
        if let Some(record) = self.transactions.client_mut(id) {
            record.user.flow = flow;
        }
        true
    }

    /// §16.8: a branch that has rung for too long is cancelled; one that never spoke, or stays silent after its CANCEL
    /// (§9.1), counts as 408.
    pub(crate) fn timer_c(&mut self, settings: &Settings, now_ms: u64, id: ClientId, out: &mut Outbox) {
        let Some(record) = self.transactions.client(id) else { return };
        // Answered meanwhile: what follows is for Timers D and M (RFC 6026 §7.2), however long the branch has rung.
        if record.state().is_answered() {
            return;
        }
        if let Some(server) = record.user.server.filter(|server| self.has_spare(*server, id)) {
            return self.failover_due(settings, now_ms, (server, id), out);
        }
        if record.user.cancel == Cancel::SentForOthers {
            return self.gives_way(settings, now_ms, id, out);
        }
        let has_rung = record.state() == ClientState::Invite(InviteClient::Proceeding);
        if has_rung && record.user.cancel == Cancel::No {
            return self.cancel_branch(now_ms, id, reason::of_cancel(408), out);
        }
        let others_wait = record.user.server.is_some_and(|server| self.ring_ms(server).is_some());
        let cancelled = record.user.cancel;
        self.branch_failed(settings, now_ms, id, Lost::Silent, out);
        if others_wait && !cancelled.is_sent() {
            // Its turn is over, and Timer B may not be: should it wake up yet, it is cancelled (§9.1).
            return self.want_cancel(id);
        }
        self.transactions.abandon_client(now_ms, id);
    }

    fn want_cancel(&mut self, id: ClientId) {
        if let Some(record) = self.transactions.client_mut(id) {
            record.user.cancel = Cancel::Wanted;
        }
    }

    /// Branches that went on after an answer (RFC 3841 §9.1 `no-cancel`) end with the request's transaction: later answers
    /// would find nobody (RFC 6026 §7.2).
    fn end_rest(&mut self, now_ms: u64, upstream: &Upstream, out: &mut Outbox) {
        if !upstream.answered {
            self.at_work = self.at_work.saturating_sub(1);
        }
        let mut next = upstream.branches;
        while let Some((id, record)) = next.and_then(|id| Some((id, self.transactions.client(id)?))) {
            next = record.user.next;
            if !record.user.finished {
                self.cancel_branch(now_ms, id, b"", out);
            }
        }
    }

    /// §17.2.1, RFC 4320 §4.1: the caller stops sending its request again when it hears that somebody works on it.
    fn say_trying(&mut self, settings: &Settings, now_ms: u64, id: ServerId, out: &mut Outbox) {
        let Some(record) = self.transactions.server(id) else { return };
        if record.status() != 0 {
            if !record.request().is_empty() {
                self.keep_unanswered(settings, now_ms, id, out);
            }
            return;
        }
        if !record.request().is_empty() {
            let again_ms = self.transactions.timing().non_invite_trying_after_ms();
            self.transactions.set_user_timer(now_ms, id, again_ms);
        }
        if self.is_parked(id) {
            return self.say_trying_parked(settings, now_ms, id, out);
        }
        let Some(record) = self.transactions.server(id) else { return };
        let reply_to = record.user.reply_to;
        let (copy, leg) = self.any_copy(id);
        let Ok(copy) = Message::parse(copy) else { return };
        let start = out.begin();
        self.write_own((&copy, leg), 100, out.arena());
        self.stamp_load(now_ms, id, start, out);
        let end = out.begin();
        if self.transactions.respond(now_ms, id, 100, out.bytes(start..end)) == ServerVerdict::Send {
            out.send(start, reply_to, 0);
        }
    }
}
