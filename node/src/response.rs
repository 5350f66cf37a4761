//! Responses from downstream: RFC 3261 §16.7. Which transaction, which of them goes upstream, and the ACK to a refusal.

use offhook_journal::{Event, EventKind};
use offhook_net::{Flow, Outbox};
use offhook_proxy::fork::{Verdict, upstream_status};
use offhook_proxy::{derived, forward};
use offhook_sip::{Essentials, Message, Name, Reply, Splice, Transport, Via, reason_phrase};
use offhook_transaction::{ClientId, ClientVerdict, ServerId, ServerVerdict};

use crate::arrival::Arrival;
use crate::context::Cancel;
use crate::hop;
use crate::relay::Passage;
use crate::settings::Settings;
use crate::switchboard::Switchboard;

/// A final response of one branch: received, or made up because nothing came.
#[derive(Clone, Copy)]
enum Final<'r, 'a> {
    Received(&'r Message<'a>),
    MadeUp(ClientId),
}

impl Switchboard {
    /// Handles a response that came by `from`.
    pub(crate) fn response(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        from: &Flow,
        message: &Message<'_>,
        out: &mut Outbox,
    ) {
        let (Ok(()), Ok(via), Some(status)) = (message.check_response(), message.top_via(), message.status())
        else {
            return;
        };
        let Some(place) = self.cookies.read_branch(via.branch()) else {
            return self.stateless_response(settings, message, &via, out);
        };
        if place.shard != self.shard {
            return out.hand_over(place.shard, *from, message.bytes());
        }
        let method = message.cseq().map(|c| c.method).unwrap_or_default();
        let named = ClientId::from_bits(place.transaction);
        let Some(id) = named.and_then(|id| self.transactions.find_client(id, method)) else { return };
        self.follow_connection(id, from);
        // §16.7 step 3: where no Via is left below ours, the response is for us, as those to our CANCELs are.
        let forwarded = self.transactions.client(id).is_some_and(|record| record.user.server.is_some());
        if forwarded && message.values(Name::Via).nth(1).is_none() {
            return;
        }
        match self.transactions.response(now_ms, id, status) {
            ClientVerdict::Discard => {}
            ClientVerdict::AckAgain => self.send_ack_again(id, out),
            ClientVerdict::PassAndAck => {
                self.send_ack(id, message, out);
                self.branch_said(settings, now_ms, id, status, message, out);
            }
            ClientVerdict::Pass => self.branch_said(settings, now_ms, id, status, message, out),
        }
    }

    /// A peer that answers by another connection has lost the first: what is still to be sent to it goes by the new one.
    fn follow_connection(&mut self, id: ClientId, from: &Flow) {
        let Some(record) = self.transactions.client_mut(id) else { return };
        let flow = &mut record.user.flow;
        let same_peer = flow.transport == from.transport && flow.remote.ip() == from.remote.ip();
        if from.connection.is_some() && flow.connection != from.connection && same_peer {
            *flow = *from;
        }
    }

    /// §17.1.1.3: the ACK to a refusal is ours, hop by hop.
    fn send_ack(&mut self, id: ClientId, response: &Message<'_>, out: &mut Outbox) {
        let Some(record) = self.transactions.client(id) else { return };
        let (Ok(invite), flow) = (Message::parse(record.request()), record.user.flow) else { return };
        let start = out.begin();
        derived::write_ack(&invite, response, out.arena());
        let end = out.begin();
        self.transactions.store_ack(id, out.bytes(start..end));
        out.send(start, flow, 0);
    }

    fn send_ack_again(&mut self, id: ClientId, out: &mut Outbox) {
        if let Some(record) = self.transactions.client(id) {
            out.push(record.ack(), record.user.flow, 0);
        }
    }

    fn branch_said(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        id: ClientId,
        status: u16,
        message: &Message<'_>,
        out: &mut Outbox,
    ) {
        let Some(record) = self.transactions.client_mut(id) else { return };
        let Some(server) = record.user.server else { return };
        if status < 200 {
            return self.provisional(settings, now_ms, (server, id), status, message, out);
        }
        let again = std::mem::replace(&mut record.user.finished, true);
        let Some(upstream) = self.transactions.server_mut(server) else {
            return;
        };
        let fork = &mut upstream.user.fork;
        let verdict = match (again, status) {
            (false, _) => fork.finished(status),
            (true, 200..=299) => fork.another_2xx(),
            (true, _) => return,
        };
        self.carry_out(settings, now_ms, server, status, Final::Received(message), verdict, out);
    }

    /// §16.7 step 2: Timer C begins anew; a CANCEL that waited for this goes out (§9.1).
    fn provisional(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (server, client): (ServerId, ClientId),
        status: u16,
        message: &Message<'_>,
        out: &mut Outbox,
    ) {
        let cancel = self.transactions.client(client).map(|record| record.user.cancel);
        if cancel == Some(Cancel::Wanted) {
            self.cancel_branch(now_ms, client, b"", out);
        } else if status > 100
            && cancel == Some(Cancel::No)
            && message.cseq().is_ok_and(|c| c.method == b"INVITE")
        {
            self.transactions.set_user_timer(now_ms, client, settings.timer_c_ms as u32);
        }
        // Step 3: a 100 goes no further; we send our own.
        let passes = self.transactions.server(server).is_some_and(|s| s.user.fork.provisional().pass);
        if status > 100 && passes {
            self.pass_upstream(now_ms, server, status, message, out);
        }
    }

    /// A branch has failed without a response: `status` stands in for one (§16.7: 408 for silence, 503 for transport).
    pub(crate) fn branch_failed(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        id: ClientId,
        status: u16,
        out: &mut Outbox,
    ) {
        let Some(record) = self.transactions.client_mut(id) else { return };
        let Some(server) = record.user.server else { return };
        if std::mem::replace(&mut record.user.finished, true) {
            return;
        }
        let Some(upstream) = self.transactions.server_mut(server) else { return };
        let verdict = upstream.user.fork.finished(status);
        self.carry_out(settings, now_ms, server, status, Final::MadeUp(id), verdict, out);
    }

    #[expect(clippy::too_many_arguments, reason = "one call site each; a struct would only rename them")]
    fn carry_out(
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
            self.cancel_branches(now_ms, server, b"", out);
        }
        let goes_on = verdict.settle && self.ring_next(settings, now_ms, server, out);
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
    fn pass_upstream(
        &mut self,
        now_ms: u64,
        server: ServerId,
        status: u16,
        message: &Message<'_>,
        out: &mut Outbox,
    ) {
        let start = out.begin();
        let by = self.transport_upstream(server);
        write_without_our_via(message, status, by, &mut self.scratch, out.arena());
        self.respond(now_ms, server, status, start, out);
        if status >= 300 {
            self.note_failed(now_ms, message, status);
        }
    }

    fn transport_upstream(&self, server: ServerId) -> Transport {
        self.transactions.server(server).map_or(Transport::Udp, |record| record.user.reply_to.transport)
    }

    /// Sends what was written from `start` on as the answer of the server transaction.
    fn respond(&mut self, now_ms: u64, server: ServerId, status: u16, start: usize, out: &mut Outbox) {
        let end = out.begin();
        let verdict = self.transactions.respond(now_ms, server, status, out.bytes(start..end));
        match self.transactions.server_mut(server) {
            Some(record) if verdict == ServerVerdict::Send => {
                let reply_to = record.user.reply_to;
                if status >= 200 && !std::mem::replace(&mut record.user.answered, true) {
                    record.user.fork.settled();
                    self.at_work = self.at_work.saturating_sub(1);
                    self.transactions.stop_user_timer(server);
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
        self.copy_request(client, &mut draft);
        match Message::parse(&draft) {
            // RFC 4320 §4.2: a 408 to anything but INVITE comes too late for everyone.
            Ok(message) if status != 408 || message.method() == Some(offhook_sip::Method::Invite) => {
                let start = out.begin();
                let status = upstream_status(status);
                self.write_own(&message, status, out.arena());
                self.respond(now_ms, server, status, start, out);
                self.note_failed(now_ms, &message, status);
            }
            _ => self.give_up(now_ms, server),
        }
        self.draft = draft;
    }

    /// Nobody will answer this request any more, and nobody waits.
    fn give_up(&mut self, now_ms: u64, server: ServerId) {
        self.transactions.abandon_server(now_ms, server);
    }

    fn copy_request(&self, client: ClientId, draft: &mut Vec<u8>) {
        draft.clear();
        let sent = self.transactions.client(client).map_or(&b""[..], |record| record.request());
        draft.extend_from_slice(sent);
    }

    /// A copy of the request that is still kept: a branch that has been refused has let its own go.
    pub(crate) fn any_copy(&self, server: ServerId) -> &[u8] {
        let Some(record) = self.transactions.server(server) else { return b"" };
        let mut next = record.user.branches;
        while let Some(branch) = next.and_then(|id| self.transactions.client(id)) {
            if !branch.request().is_empty() {
                return branch.request();
            }
            next = branch.user.next;
        }
        record.request()
    }

    /// Writes a response of ours to a request we forwarded; `copy` is what we forwarded.
    pub(crate) fn write_own(&self, copy: &Message<'_>, status: u16, out: &mut Vec<u8>) {
        let from_tag = copy.from().ok().and_then(|f| f.tag()).unwrap_or_default();
        let tag = self.cookies.tag(copy.call_id().unwrap_or_default(), from_tag);
        let reply = Reply::new(copy, status).behind_our_via();
        if status == 100 { reply.write(out) } else { reply.to_tag(&tag).write(out) }
    }

    /// Keeps the best answer while other branches are open (§16.7 step 6).
    fn keep_best(&mut self, server: ServerId, status: u16, answer: Final<'_, '_>) {
        let mut best = Vec::new();
        match answer {
            Final::Received(message) => {
                let by = self.transport_upstream(server);
                write_without_our_via(message, upstream_status(status), by, &mut self.scratch, &mut best);
            }
            Final::MadeUp(client) => {
                let mut draft = std::mem::take(&mut self.draft);
                self.copy_request(client, &mut draft);
                if let Ok(message) = Message::parse(&draft) {
                    self.write_own(&message, upstream_status(status), &mut best);
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
        self.note_failed(now_ms, &message, status);
    }

    /// Tries the targets whose turn it is. `false`: there are none, or nobody waits for them any more.
    fn ring_next(&mut self, settings: &Settings, now_ms: u64, server: ServerId, out: &mut Outbox) -> bool {
        let Some(record) = self.transactions.server_mut(server) else { return false };
        if !record.user.fork.may_go_on() {
            return false;
        }
        let Some(rest) = record.user.rest.as_mut().filter(|rest| !rest.targets.list().is_empty()) else {
            return false;
        };
        let mut targets = std::mem::take(&mut rest.targets);
        let request = rest.request.clone();
        let (from, spent) = (rest.from, rest.spent_credentials);
        let Ok(message) = Message::parse(&request) else { return false };
        let mut via = Vec::new();
        let Ok(parts) = Essentials::of(&message) else { return false };
        let arrival = Arrival::new(settings, now_ms, from, (&message, parts), &mut via);
        let Ok(screened) = offhook_proxy::screen(&message, parts, &settings.identity, &self.cookies) else {
            return false;
        };
        let spent = spent.then(|| message.line(Name::ProxyAuthorization)).flatten();
        let open_before = self.transactions.server(server).map_or(0, |s| s.user.fork.open());
        self.ring(&Passage { arrival: &arrival, screened: &screened, spent }, server, &mut targets, out);
        self.transactions.server(server).is_some_and(|s| s.user.fork.open() > open_before)
    }

    /// §16.11: a response to what we forwarded without state finds its way by the Via below ours.
    fn stateless_response(
        &mut self,
        settings: &Settings,
        message: &Message<'_>,
        top: &Via<'_>,
        out: &mut Outbox,
    ) {
        let Some(below) = message.values(Name::Via).nth(1).and_then(|v| Via::parse(v).ok()) else { return };
        // Only where the branch proves that this very request passed through us; or anyone could send through us.
        let identity = forward::stateless_identity(message, &below);
        if !self.cookies.is_stateless_branch(top.branch(), &identity) {
            return;
        }
        let Some(flow) = flow_to(&below, settings) else { return };
        let start = out.begin();
        let status = message.status().unwrap_or(500);
        write_without_our_via(message, status, flow.transport, &mut self.scratch, out.arena());
        out.send(start, flow, 0);
    }

    fn note_failed(&mut self, now_ms: u64, message: &Message<'_>, status: u16) {
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
            reason: reason_phrase(status).as_bytes(),
            call_id: message.call_id().unwrap_or_default(),
        };
        self.journal.note(now_ms, &event);
    }
}

/// The response without the top Via, which is ours, and with another status where `status` says so.
fn write_without_our_via(
    message: &Message<'_>,
    status: u16,
    by: Transport,
    scratch: &mut offhook_sip::Scratch,
    out: &mut Vec<u8>,
) {
    let mut splice = Splice::new(message, scratch);
    // RFC 3261 §18.3, §20.14: a stream needs the length that a datagram could do without.
    if by.is_reliable() && !message.has(Name::ContentLength) {
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

/// Where a response with this topmost Via goes: RFC 3261 §18.2.2, RFC 3581 §4.
fn flow_to(via: &Via<'_>, settings: &Settings) -> Option<Flow> {
    let params = via.params();
    let text = params.value(b"received").unwrap_or(via.sent_by.host_text);
    let ip = offhook_sip::Host::parse(text).or_else(|| bare_ipv6(text))?.ip()?;
    let rport = params.value(b"rport").and_then(|p| std::str::from_utf8(p).ok()?.parse().ok());
    let remote = std::net::SocketAddr::new(ip, rport.unwrap_or(via.port()));
    hop::to_address(via.transport()?, remote, &settings.listeners, u16::MAX)
}

/// `received` holds IPv6 addresses with and without brackets in the wild (RFC 5118 §4.5).
fn bare_ipv6(text: &[u8]) -> Option<offhook_sip::Host<'_>> {
    let ip: std::net::Ipv6Addr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(offhook_sip::Host::Ip(ip.into()))
}
