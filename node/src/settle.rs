//! Which answer goes upstream, and how it is sent: RFC 3261 §16.7 steps 3 to 10. [`offhook_proxy::fork`] decides; here it
//! is carried out.

use offhook_journal::{Event, EventKind};
use offhook_net::Outbox;
use offhook_proxy::asserted::Statement;
use offhook_proxy::fork::{Verdict, upstream_status};
use offhook_proxy::session_timer;
use offhook_sip::{Message, Name, Reply, Splice, Transport, reason_phrase};
use offhook_transaction::{ClientId, ServerId, ServerVerdict};

use crate::beyond::Leg;
use crate::context::{Rest, Upstream};
use crate::records::words_of;
use crate::relay::Passage;
use crate::servers::hop_of;
use crate::settings::Settings;
use crate::switchboard::Switchboard;
use crate::targets::Targets;

/// A final response of one branch: received, or made up because nothing came.
#[derive(Clone, Copy)]
pub(crate) enum Final<'r, 'a> {
    Received(&'r Message<'a>),
    MadeUp(ClientId),
}

/// How a response goes to who asked.
#[derive(Clone, Copy)]
pub(crate) struct Upward {
    /// By this transport.
    pub by: Transport,
    /// With this session timer where the callee has none, see [`Upstream`].
    pub session_s: u32,
    /// What it says about who sends it.
    pub statement: Option<Statement<'static>>,
    /// Without a word of which way the request has gone (RFC 7044 §9.4).
    pub hides_history: bool,
}

impl Upward {
    /// As it is.
    pub(crate) const fn by(transport: Transport) -> Self {
        Self { by: transport, session_s: 0, statement: None, hides_history: false }
    }
}

impl Switchboard {
    #[expect(clippy::too_many_arguments, reason = "one call site each; a struct would only rename them")]
    pub(crate) fn carry_out(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        server: ServerId,
        status: u16,
        answer: Final<'_, '_>,
        verdict: Verdict,
        out: &mut Outbox,
    ) {
        if let (true, Final::Received(message)) = (verdict.pass, answer) {
            self.pass_upstream(now_ms, server, status, message, out);
        }
        if verdict.cancel_rest {
            let reason = self.why_in_vain(server);
            self.cancel_branches(now_ms, server, reason, out);
        }
        let goes_on = verdict.settle && self.ring_next(settings, now_ms, server, out);
        if verdict.settle && !goes_on && self.keeps_instead(settings, now_ms, server, out) {
            return;
        }
        // The one and only answer needs no copy: it goes up as it is.
        if verdict.settle && !goes_on && verdict.keep {
            self.forget_best(server);
            return self.settle_with(now_ms, server, status, answer, out);
        }
        if verdict.keep {
            self.keep_best(server, status, answer);
        } else if let Final::Received(message) = answer {
            self.keep_challenges(server, message);
        }
        if verdict.settle && !goes_on {
            self.settle_with_best(now_ms, server, out);
        }
    }

    /// §16.7 steps 3, 8 and 9: our Via goes, the rest stays.
    pub(crate) fn pass_upstream(
        &mut self,
        now_ms: u64,
        server: ServerId,
        status: u16,
        message: &Message<'_>,
        out: &mut Outbox,
    ) {
        let start = out.begin();
        let by = self.upward(server, message);
        write_without_our_via(message, status, by, &mut self.scratch, out.arena());
        self.respond(now_ms, server, status, start, out);
        if (200..300).contains(&status) {
            self.note_registrant(server);
        }
        if status >= 200 {
            self.note_final(now_ms, server, (status, false), message);
        }
        if status >= 300 {
            self.note_failed(now_ms, message, status);
        }
    }

    fn upward(&self, server: ServerId, message: &Message<'_>) -> Upward {
        self.transactions.server(server).map_or(Upward::by(Transport::Udp), |record| {
            let Upstream { reply_to, session_s, hides_history, .. } = record.user;
            let by = |board: &Self| board.answered_by(message);
            let statement = self.statement_back(message, by, reply_to.remote.ip());
            Upward { by: reply_to.transport, session_s, statement, hides_history }
        })
    }

    /// Sends what was written from `start` on as the answer of the server transaction.
    pub(crate) fn respond(
        &mut self,
        now_ms: u64,
        server: ServerId,
        status: u16,
        start: usize,
        out: &mut Outbox,
    ) {
        self.tell_way(server, start, out);
        self.stamp_load(now_ms, server, start, out);
        let end = out.begin();
        let verdict = self.transactions.respond(now_ms, server, status, out.bytes(start..end));
        match self.transactions.server_mut(server) {
            Some(record) if verdict == ServerVerdict::Send => {
                let reply_to = record.user.reply_to;
                if status >= 200 && !std::mem::replace(&mut record.user.answered, true) {
                    record.user.fork.settled(status);
                    self.at_work = self.at_work.saturating_sub(1);
                    self.transactions.stop_user_timer(server);
                }
                // A browser is reached by the connection that it has opened, and by no other (RFC 7118 Appendix B.2).
                if self.closed.has(self.shard, reply_to.connection)
                    && !reply_to.transport.is_websocket()
                    && self.strand(now_ms, out.bytes(start..end), reply_to)
                {
                    return;
                }
                out.send(start, reply_to, 0);
            }
            _ => {}
        }
    }

    fn settle_with(
        &mut self,
        now_ms: u64,
        server: ServerId,
        status: u16,
        answer: Final<'_, '_>,
        out: &mut Outbox,
    ) {
        match answer {
            Final::Received(message) => {
                self.pass_upstream(now_ms, server, upstream_status(status), message, out);
            }
            Final::MadeUp(client) => self.settle_made_up(now_ms, server, client, status, out),
        }
    }

    /// An answer of our own, built from the copy that the branch was sent.
    fn settle_made_up(
        &mut self,
        now_ms: u64,
        server: ServerId,
        client: ClientId,
        status: u16,
        out: &mut Outbox,
    ) {
        let mut draft = std::mem::take(&mut self.draft);
        let leg = self.copy_request(client, &mut draft);
        match Message::parse(&draft) {
            // RFC 4320 §4.2: a 408 to anything but INVITE comes too late for everyone.
            Ok(message) if status != 408 || message.method() == Some(offhook_sip::Method::Invite) => {
                let start = out.begin();
                let status = upstream_status(status);
                self.write_own((&message, leg), status, out.arena());
                self.respond(now_ms, server, status, start, out);
                self.note_final(now_ms, server, (status, true), &message);
                self.note_failed(now_ms, &message, status);
            }
            Ok(message) => {
                self.note_final(now_ms, server, (status, true), &message);
                self.give_up(now_ms, server);
            }
            Err(_) => self.give_up(now_ms, server),
        }
        self.draft = draft;
    }

    /// Nobody will answer this request any more, and nobody waits.
    pub(crate) fn give_up(&mut self, now_ms: u64, server: ServerId) {
        self.transactions.abandon_server(now_ms, server);
    }

    fn copy_request(&self, client: ClientId, draft: &mut Vec<u8>) -> Leg {
        draft.clear();
        let Some(record) = self.transactions.client(client) else { return Leg::default() };
        draft.extend_from_slice(record.request());
        record.user.leg
    }

    /// A copy of the request that is still kept, and its leg: a branch that has been refused has let its own go.
    pub(crate) fn any_copy(&self, server: ServerId) -> (&[u8], Leg) {
        let Some(record) = self.transactions.server(server) else { return (b"", Leg::default()) };
        let mut next = record.user.branches;
        while let Some(branch) = next.and_then(|id| self.transactions.client(id)) {
            if !branch.request().is_empty() {
                return (branch.request(), branch.user.leg);
            }
            next = branch.user.next;
        }
        (record.request(), Leg::default())
    }

    /// Writes a response of ours to a request we forwarded; `copy` is what we forwarded, on this leg.
    pub(crate) fn write_own(&self, (copy, leg): (&Message<'_>, Leg), status: u16, out: &mut Vec<u8>) {
        let from_tag = copy.from().ok().and_then(|f| f.tag()).unwrap_or_default();
        let tag = self.cookies.tag(copy.call_id().unwrap_or_default(), from_tag);
        let reply = Reply::new(copy, status).behind_our_via().cseq(leg.cseq_before(copy));
        if status == 100 { reply.write(out) } else { reply.to_tag(&tag).write(out) }
    }

    /// Keeps the best answer while other branches are open (§16.7 step 6).
    fn keep_best(&mut self, server: ServerId, status: u16, answer: Final<'_, '_>) {
        let mut best = Vec::new();
        match answer {
            Final::Received(message) => {
                let by = self.upward(server, message);
                write_without_our_via(message, upstream_status(status), by, &mut self.scratch, &mut best);
            }
            Final::MadeUp(client) => {
                let mut draft = std::mem::take(&mut self.draft);
                let leg = self.copy_request(client, &mut draft);
                if let Ok(message) = Message::parse(&draft) {
                    self.write_own((&message, leg), upstream_status(status), &mut best);
                }
                self.draft = draft;
            }
        }
        self.with_rest(server, |rest| {
            let before = std::mem::replace(&mut rest.best, best);
            if let Ok(message) = Message::parse(&before) {
                copy_challenges(&message, &mut rest.challenges);
            }
        });
    }

    fn keep_challenges(&mut self, server: ServerId, message: &Message<'_>) {
        if matches!(message.status(), Some(401 | 407)) {
            self.with_rest(server, |rest| copy_challenges(message, &mut rest.challenges));
        }
    }

    fn forget_best(&mut self, server: ServerId) {
        self.with_rest(server, |rest| rest.best.clear());
    }

    /// Sends the best of all answers; to a 401 or 407 come the challenges of the other branches (§16.7 step 7).
    fn settle_with_best(&mut self, now_ms: u64, server: ServerId, out: &mut Outbox) {
        let mut kept = (Vec::new(), Vec::new());
        self.with_rest(server, |rest| {
            kept = (std::mem::take(&mut rest.best), std::mem::take(&mut rest.challenges));
        });
        let (best, challenges) = kept;
        let Ok(message) = Message::parse(&best) else {
            // Nothing to say: every branch of a request that is no INVITE stayed silent.
            return self.give_up(now_ms, server);
        };
        let status = message.status().unwrap_or(500);
        let start = out.begin();
        let mut splice = Splice::new(&message, &mut self.scratch);
        if matches!(status, 401 | 407) {
            splice.insert(message.headers_end(), |out| out.extend_from_slice(&challenges));
        }
        splice.write_to(out.arena());
        self.respond(now_ms, server, status, start, out);
        self.note_final(now_ms, server, (status, false), &message);
        self.note_failed(now_ms, &message, status);
    }

    /// Tries the targets whose turn it is. `false`: there are none, or nobody waits for them any more.
    fn ring_next(&mut self, settings: &Settings, now_ms: u64, server: ServerId, out: &mut Outbox) -> bool {
        let waits = |rest: &Rest| !rest.targets.list().is_empty();
        self.take_up(settings, now_ms, server, waits, |node, passage, targets| {
            node.put_dead_last(targets);
            node.ring(passage, server, targets, out);
        })
    }

    /// Who has died while others rang is tried after those who live (RFC 3263 §4.3).
    fn put_dead_last(&self, targets: &mut Targets) {
        if !self.health.is_empty() {
            targets.put_last(|flow| self.health.is_dead(hop_of(flow)));
        }
    }

    /// A way to a device has failed: another one is tried, if it has one (RFC 5626 §7).
    pub(crate) fn try_other_flow(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (server, device): (ServerId, u32),
        out: &mut Outbox,
    ) -> bool {
        let has_spare = |rest: &Rest| rest.targets.has_spare(device);
        let is_tried = self.take_up(settings, now_ms, server, has_spare, |node, passage, targets| {
            if let Some(target) = targets.take_spare(device) {
                node.forward_to(passage, server, &target, targets, None, out);
            }
            let left = std::mem::take(targets);
            node.with_rest(server, |rest| rest.targets = left);
        });
        if is_tried {
            self.with_upstream(server, |upstream| upstream.fork.branch_replaced());
        }
        is_tried
    }

    /// Takes up a request again that waits beside its transaction. Says whether another branch is open then.
    fn take_up(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        server: ServerId,
        has_more: impl Fn(&Rest) -> bool,
        step: impl FnOnce(&mut Self, &Passage<'_, '_, '_>, &mut Targets),
    ) -> bool {
        let Some(record) = self.transactions.server_mut(server) else { return false };
        if !record.user.fork.may_go_on() {
            return false;
        }
        let Some(rest) = record.user.rest.as_mut().filter(|rest| has_more(rest)) else { return false };
        let mut targets = std::mem::take(&mut rest.targets);
        let open_before = record.user.fork.open();
        self.replay(settings, now_ms, server, |node, passage| step(node, passage, &mut targets));
        self.transactions.server(server).is_some_and(|s| s.user.fork.open() > open_before)
    }

    /// The journal learns of a call that was not answered with success, whoever refused it.
    pub(crate) fn note_failed(&mut self, now_ms: u64, message: &Message<'_>, status: u16) {
        if message.cseq().is_ok_and(|c| c.method != b"INVITE") {
            return;
        }
        if !self.journal.logs(EventKind::CallFailed) {
            return self.journal.count(EventKind::CallFailed);
        }
        let event = Event::CallFailed {
            from: message.from().map(|f| f.uri).unwrap_or_default(),
            to: message.to().map(|t| t.uri).unwrap_or_default(),
            status,
            reason: words_of(message, status),
            call_id: message.call_id().unwrap_or_default(),
        };
        self.journal.note(now_ms, &event);
    }
}

/// The response without the top Via, which is ours, and with another status where `status` says so.
pub(crate) fn write_without_our_via(
    message: &Message<'_>,
    status: u16,
    upward: Upward,
    scratch: &mut offhook_sip::Scratch,
    out: &mut Vec<u8>,
) {
    let mut splice = Splice::new(message, scratch);
    // RFC 3261 §18.3, §20.14: a stream needs the length that a datagram could do without.
    if upward.by.is_reliable() && !message.has(Name::ContentLength) {
        splice.push_back(Name::ContentLength, |out| {
            out.extend_from_slice(message.body().len().to_string().as_bytes());
        });
    }
    if message.status() != Some(status) {
        let line_end = message.lines().first().map_or(0, |l| l.whole().start);
        splice.replace(0..line_end, |out| {
            out.extend_from_slice(format!("SIP/2.0 {status} {}\r\n", reason_phrase(status)).as_bytes());
        });
    }
    if upward.session_s != 0 && session_timer::is_missing(message) {
        session_timer::answer(&mut splice, message, upward.session_s);
    }
    if let Some(statement) = &upward.statement {
        statement.edit(&mut splice, message);
    }
    if upward.hides_history {
        splice.remove_all(Name::HistoryInfo);
    }
    splice.pop_values(Name::Via, 1);
    splice.write_to(out);
}

fn copy_challenges(message: &Message<'_>, out: &mut Vec<u8>) {
    for name in [Name::WwwAuthenticate, Name::ProxyAuthenticate] {
        for line in message.lines_of(name) {
            out.extend_from_slice(&message.bytes()[line.whole()]);
        }
    }
}
