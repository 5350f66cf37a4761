//! Responses from downstream: RFC 3261 §16.7. Which transaction, which of them goes upstream, and the ACK to a refusal.

use offhook_journal::Event;
use offhook_net::{Flow, Outbox};
use offhook_proxy::{ANY_SHARD, derived, forward};
use offhook_sip::{Message, ResponseParts, Via};
use offhook_transaction::{ClientId, ClientState, ClientVerdict, ServerId};

use crate::beyond::Leg;
use crate::context::Cancel;
use crate::failover::{Detour, Lost};
use crate::hop;
use crate::settings::Settings;
use crate::settle::{Final, Upward, write_without_our_via};
use crate::switchboard::Switchboard;

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
        let Some(status) = message.status() else { return };
        let ResponseParts { via, below, cseq } = match message.response_parts() {
            Ok(parts) => parts,
            Err(fault) => {
                let event = Event::ResponseMalformed { source: from.remote, reason: &fault.to_string() };
                return self.journal.note(now_ms, &event);
            }
        };
        let Some(place) = self.cookies.read_branch(via.branch()) else {
            return self.stateless_response(settings, now_ms, from, message, (&via, below), out);
        };
        if place.shard != self.shard {
            return out.hand_over(place.shard, *from, message.bytes());
        }
        let named = ClientId::from_bits(place.transaction);
        let Some(id) = named.and_then(|id| self.transactions.find_client(id, cseq.method)) else { return };
        self.follow_connection(id, from);
        self.heed(now_ms, from, &via);
        self.note_alive(now_ms, id, status);
        // §16.7 step 3: where no Via is left below ours, the response is for us, as those to our CANCELs are.
        let forwarded = self.transactions.client(id).is_some_and(|record| record.user.server.is_some());
        if forwarded && below.is_none() {
            return self.refused_astray(settings, now_ms, (id, status), message, out);
        }
        if self.transactions.client(id).is_some_and(|record| record.user.leg != Leg::default()) {
            return self.trunk_said(settings, now_ms, (id, from), message, out);
        }
        self.take_response(settings, now_ms, id, status, message, out);
    }

    /// Hands a response to its transaction, and what is new to whoever waits for it.
    pub(crate) fn take_response(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        id: ClientId,
        status: u16,
        message: &Message<'_>,
        out: &mut Outbox,
    ) {
        if (300..=302).contains(&status) {
            self.keep_for_redirection(settings, id, (status, message));
        }
        match self.transactions.response(now_ms, id, status) {
            ClientVerdict::Discard => {}
            ClientVerdict::AckAgain => self.send_ack_again(id, out),
            ClientVerdict::PassAndAck => {
                self.send_ack(id, message, out);
                self.branch_said(settings, now_ms, id, status, message, out);
                self.end_early_dialogs(now_ms, id, status, out);
            }
            ClientVerdict::Pass => self.branch_said(settings, now_ms, id, status, message, out),
        }
    }

    /// A peer that answers by another connection has lost the first: what is still to be sent to it goes by the new one. The
    /// address stays the one that was asked: where it calls us from, nobody may listen.
    fn follow_connection(&mut self, id: ClientId, from: &Flow) {
        let Some(record) = self.transactions.client_mut(id) else { return };
        let flow = &mut record.user.flow;
        let same_peer = flow.transport == from.transport && flow.remote.ip() == from.remote.ip();
        if from.connection.is_some() && flow.connection != from.connection && same_peer {
            (flow.connection, flow.listener) = (from.connection, from.listener);
        }
    }

    /// §17.1.1.3: the ACK to a refusal is ours, hop by hop.
    pub(crate) fn send_ack(&mut self, id: ClientId, response: &Message<'_>, out: &mut Outbox) {
        let Some(record) = self.transactions.client(id) else { return };
        let (Ok(invite), flow) = (Message::parse(record.request()), record.user.flow) else { return };
        let start = out.begin();
        derived::write_ack(&invite, response, out.arena());
        let end = out.begin();
        self.transactions.store_ack(id, out.bytes(start..end));
        out.send(start, flow, 0);
    }

    pub(crate) fn send_ack_again(&mut self, id: ClientId, out: &mut Outbox) {
        // Over a stream none is kept: what was sent there has arrived.
        if let Some(record) = self.transactions.client(id).filter(|record| !record.ack().is_empty()) {
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
        let Some(server) = self.hear(id) else { return self.delivery_said(id, status) };
        if settings.history_info && status > 100 {
            self.note_outcome(settings, (server, id), (status, Some(message)));
        }
        if status < 200 {
            return self.provisional(settings, now_ms, (server, id), status, message, out);
        }
        let Some(record) = self.transactions.client_mut(id) else { return };
        let again = std::mem::replace(&mut record.user.finished, true);
        let (flow, trunk) = (record.user.flow, record.user.trunk);
        if status >= 400
            && !again
            && self.goes_on(settings, now_ms, (server, id), Detour::after(status, message), out)
        {
            return;
        }
        if (300..=302).contains(&status)
            && !again
            && self.recurse(settings, now_ms, (server, id), (status, message), out)
        {
            return;
        }
        let Some(upstream) = self.transactions.server_mut(server) else {
            return;
        };
        let fork = &mut upstream.user.fork;
        let verdict = match (again, status) {
            (false, _) => fork.finished(status),
            (true, 200..=299) => fork.another_2xx(),
            (true, _) => return,
        };
        if status < 300 && verdict.pass {
            self.note_trunk(settings, now_ms, (server, trunk));
            self.note_answered(now_ms, server, flow, message);
        }
        self.carry_out(settings, now_ms, server, status, Final::Received(message), verdict, out);
    }

    /// A branch has said something. Gives the request that it is a branch of.
    pub(crate) fn hear(&mut self, id: ClientId) -> Option<ServerId> {
        let record = self.transactions.client_mut(id)?;
        let server = record.user.server?;
        let woke = !std::mem::replace(&mut record.user.heard, true) && record.user.finished;
        if woke {
            self.take_back(server, id);
        }
        Some(server)
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
        let state = self.transactions.client(client).map(|record| (record.user.cancel, record.user.in_turn));
        let (cancel, in_turn) = state.unzip();
        if cancel == Some(Cancel::Wanted) {
            self.cancel_at_last(now_ms, (server, client), out);
        } else if cancel == Some(Cancel::No)
            && message.cseq().is_ok_and(|c| c.method == b"INVITE")
            && let has_spare = self.has_spare(server, client)
            && (status > 100 || has_spare)
        {
            match (in_turn, has_spare) {
                // Its time runs already: ringing does not make it longer (RFC 3261 §16.6, last paragraph).
                (Some(true), _) => {}
                (_, true) => self.let_ring(settings, now_ms, (server, client), 0),
                _ => self.transactions.set_user_timer(now_ms, client, settings.timer_c_ms as u32),
            }
        }
        // Step 3: a 100 goes no further; we send our own.
        let passes = self.transactions.server(server).is_some_and(|s| s.user.fork.provisional().pass);
        if status > 100 && passes {
            self.note_rang(now_ms, server);
            self.note_early_dialog(server, client, message);
            self.pass_upstream(now_ms, server, status, message, out);
        }
    }

    /// A branch has failed without a response: a status stands in for one (§16.7: 408 for silence, 503 for transport).
    pub(crate) fn branch_failed(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        id: ClientId,
        lost: Lost,
        out: &mut Outbox,
    ) {
        let Some(record) = self.transactions.client(id) else { return };
        if record.user.server.is_none() {
            return self.errand_failed(settings, now_ms, id, lost, out);
        }
        let is_invite = matches!(record.state(), ClientState::Invite(_));
        let (flow, heard, to_phone) = (record.user.flow, record.user.heard, record.user.to_phone);
        if !heard && !record.user.finished {
            self.note_unanswered(now_ms, &flow, lost);
        }
        let status = match lost {
            // RFC 3261 §21.4.18, RFC 5057 §5.1: nothing is wrong with us, and who asks need not ask again.
            Lost::NoConnection if to_phone => 480,
            lost => lost.status(),
        };
        let detour = Detour::unanswered(lost, heard, is_invite);
        self.branch_over(settings, now_ms, (id, status), detour, out);
        self.end_early_dialogs(now_ms, id, status, out);
    }

    /// A branch is over, and there is no response that could be passed on: it goes on elsewhere, or what goes upstream is made up.
    pub(crate) fn branch_over(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (id, status): (ClientId, u16),
        detour: Detour<'_>,
        out: &mut Outbox,
    ) {
        let Some(record) = self.transactions.client_mut(id) else { return };
        let Some(server) = record.user.server else { return };
        if std::mem::replace(&mut record.user.finished, true) {
            return;
        }
        if settings.history_info {
            self.note_outcome(settings, (server, id), (status, None));
        }
        if self.goes_on(settings, now_ms, (server, id), detour, out) {
            return;
        }
        let Some(upstream) = self.transactions.server_mut(server) else { return };
        let verdict = upstream.user.fork.finished(status);
        self.carry_out(settings, now_ms, server, status, Final::MadeUp(id), verdict, out);
    }

    /// §16.11: a response to what we forwarded without state finds its way by the Via below ours.
    fn stateless_response(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        from: &Flow,
        message: &Message<'_>,
        (top, below): (&Via<'_>, Option<&[u8]>),
        out: &mut Outbox,
    ) {
        let Some(below) = below.and_then(|value| Via::parse(value).ok()) else { return };
        // Only where the branch proves that this very request passed through us; or anyone could send through us.
        let identity = forward::stateless_identity(message, &below);
        let Some(shard) = self.cookies.read_stateless_branch(top.branch(), &identity) else { return };
        if shard != self.shard && shard != ANY_SHARD {
            return out.hand_over(shard, *from, message.bytes());
        }
        self.heed(now_ms, from, top);
        let Some(flow) = flow_to(&below, settings) else { return };
        let start = out.begin();
        let status = message.status().unwrap_or(500);
        let statement = self.statement_back(message, |_| Some(from.remote.ip()), flow.remote.ip());
        let upward = Upward { statement, ..Upward::by(flow.transport) };
        write_without_our_via(message, status, upward, &mut self.scratch, out.arena());
        out.send(start, flow, 0);
    }
}

/// Where a response with this topmost Via goes: RFC 3261 §18.2.2, RFC 3581 §4.
fn flow_to(via: &Via<'_>, settings: &Settings) -> Option<Flow> {
    let host = match via.received() {
        Some(text) => offhook_sip::Host::parse(text).or_else(|| bare_ipv6(text))?,
        None => via.sent_by.host,
    };
    let ip = host.ip()?;
    let rport = via.rport().and_then(|p| std::str::from_utf8(p).ok()?.parse().ok());
    let remote = std::net::SocketAddr::new(ip, rport.unwrap_or(via.port()));
    hop::to_address(via.transport()?, remote, &settings.listeners, u16::MAX)
}

/// `received` holds IPv6 addresses with and without brackets in the wild (RFC 5118 §4.5).
fn bare_ipv6(text: &[u8]) -> Option<offhook_sip::Host<'_>> {
    let ip: std::net::Ipv6Addr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(offhook_sip::Host::Ip(ip.into()))
}
