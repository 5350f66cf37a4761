//! Forwarding: rights, target set, transactions, copies (RFC 3261 §16.3 step 6, §16.5, §16.6).

use offhook_config::Recursion;
use offhook_journal::{Event, EventKind};
use offhook_net::{Flow, Outbox};
use offhook_proxy::access::Sender;
use offhook_proxy::flow_token::FlowRoute;
use offhook_proxy::fork::Fork;
use offhook_proxy::forward::{self, Branch, Forward};
use offhook_proxy::history;
use offhook_proxy::record_route::Sides;
use offhook_proxy::redirect::Additions;
use offhook_proxy::{ANY_SHARD, Place, Screened};
use offhook_sip::limits::{HEADER_LINES_MAX, MESSAGE_BYTES_MAX};
use offhook_sip::{Hint, Line, Message, Method, Name, Refusal, Transport};
use offhook_transaction::{ClientId, OpenError, ServerId, ServerKey, ServerVerdict};

use crate::alias;
use crate::arrival::Arrival;
use crate::beyond::{self, Leg};
use crate::breadth::breadth;
use crate::context::{Cancel, Downstream, Rest, Spare, Upstream};
use crate::edge;
use crate::preference;
use crate::records::Role;
use crate::register::is_behind_nat;
use crate::session_timer;
use crate::switchboard::Switchboard;
use crate::targets::{Target, Targets};
use crate::trust;
use crate::way::Way;

/// A 100 goes out if nothing better has by then: RFC 3261 §17.2.1 lets us wait this long.
pub(crate) const TRYING_AFTER_MS: u32 = 200;

/// How long the peer waits when our tables are full.
const FULL_RETRY_AFTER_S: u32 = 5;

/// What a copy may have more than the request: a Request-URI, our Via, two Record-Routes, a Path, a few numbers.
const COPY_ROOM_BYTES: usize = 2048;

/// The lines of the same.
const COPY_ROOM_LINES: usize = 8;

/// A request on its way through us, with all that was found out about it.
#[derive(Clone, Copy)]
pub(crate) struct Passage<'p, 'm, 'a> {
    pub arrival: &'p Arrival<'m, 'a>,
    pub screened: &'p Screened<'m, 'a>,
    /// The credentials that were meant for us.
    pub spent: Option<&'m Line>,
    /// What was found out about who sent it.
    pub sender: Sender,
}

impl Switchboard {
    /// Forwards a request that belongs to no transaction yet.
    pub(crate) fn relay<'m, 'a>(
        &mut self,
        arrival: &Arrival<'m, 'a>,
        screened: &Screened<'m, 'a>,
        way: &Way<'_, 'a>,
        key: &ServerKey<'_>,
        out: &mut Outbox,
    ) {
        if arrival.parts.max_forwards == Some(0) {
            return self.end_of_hops(arrival, screened.method, out);
        }
        if leaves_no_room(arrival.message) {
            return self.refuse(arrival, Refusal::new(513), out);
        }
        let Some(admitted) = self.admit(arrival, screened, way, out) else { return };
        let sender = admitted.sender;
        let passage = Passage { arrival, screened, spent: admitted.spent, sender };
        if edge::lacks_path(&passage) {
            return self.refuse(arrival, Refusal::new(421).with(Hint::Require("path")), out);
        }
        if arrival.message.seconds(Name::MaxBreadth) == Ok(Some(0)) {
            return self.refuse(arrival, Refusal::new(440), out);
        }
        let fit = session_timer::demand(&passage).and_then(|_| trust::check_privacy(&passage, way));
        if let Err(refusal) = fit {
            return self.refuse(arrival, refusal, out);
        }
        let mut targets = std::mem::take(&mut self.targets);
        targets.clear();
        match self.find_targets(&passage, way, sender, &mut targets, out) {
            // A bare 480 is for who has no device; one with a warning is for devices that may not be called so.
            Err(refusal) if refusal != Refusal::new(480) || !self.may_keep(&passage, way) => {
                self.refuse_call(&passage, way, refusal, out);
            }
            _ if admitted.again => self.challenge_again(arrival, out),
            Err(_) => self.keep_absent(&passage, (key, way), out),
            Ok(()) if self.holds_back(arrival, &mut targets) => {
                // RFC 7339 §5.10: without Retry-After, or the peer would leave us alone, not only that next hop.
                let refusal = Refusal::new(503).because("Next hop overloaded");
                self.refuse_call(&passage, way, refusal, out);
            }
            Ok(()) if self.redirects(&passage, (way, sender), &targets, out) => {}
            Ok(()) if way.is_stateless(screened) && !arrival.from.transport.is_websocket() => {
                // The answer to what came by WebSocket finds no way back by its Via: that needs a transaction.
                self.forward_stateless(&passage, &mut targets, out);
            }
            Ok(()) => self.forward_stateful(&passage, (key, way, sender), &mut targets, out),
        }
        self.targets = targets;
    }

    /// Refuses what was let in and leads nowhere: a call has its record all the same.
    pub(crate) fn refuse_call(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        way: &Way<'_, '_>,
        refusal: Refusal<'_>,
        out: &mut Outbox,
    ) {
        if self.role_of(passage.screened) == Role::Call {
            self.note_begun(passage, way, None, refusal.status());
        }
        self.refuse(passage.arrival, refusal, out);
    }

    /// §16.3 step 3: no hop is left, and it has not arrived.
    fn end_of_hops(&mut self, arrival: &Arrival<'_, '_>, method: Method, out: &mut Outbox) {
        match method {
            Method::Options => self.accept(arrival, out),
            _ => self.refuse(arrival, Refusal::new(483), out),
        }
    }

    fn forward_stateful(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        (key, way, sender): (&ServerKey<'_>, &Way<'_, '_>, Sender),
        targets: &mut Targets,
        out: &mut Outbox,
    ) {
        let arrival = passage.arrival;
        let names = targets.take_names();
        if !names.is_empty() && !self.parked.has_room() {
            return self.refuse_full(arrival, OpenError::ServersFull, out);
        }
        let Some(id) = self.open_upstream(passage, key, way, out) else { return };
        if !names.is_empty() {
            return self.park(arrival, id, sender, names, 1);
        }
        let is_alone = targets.list().len() < 2 && !targets.has_spares() && !targets.have_addresses();
        // Where a redirection may be followed the copy would do, were it not told more than the request said.
        let settings = arrival.settings;
        if !is_alone || settings.tells && settings.recursion != Recursion::Off {
            self.with_upstream(id, |u| u.rest = Some(Box::new(Rest::of(arrival))));
        }
        if self.may_keep(passage, way) {
            self.hold_request(arrival, id);
        }
        self.ring_first(passage, id, targets, out);
    }

    /// Opens the server transaction of a request that goes on.
    pub(crate) fn open_upstream(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        key: &ServerKey<'_>,
        way: &Way<'_, '_>,
        out: &mut Outbox,
    ) -> Option<ServerId> {
        let arrival = passage.arrival;
        let invite = passage.screened.method == Method::Invite;
        let role = self.role_of(passage.screened);
        let mut fork = Fork::new(invite);
        if invite && preference::leaves_rest(arrival, way) {
            fork.leave_rest();
        }
        let upstream = Upstream {
            reply_to: arrival.reply_to,
            fork,
            answered: false,
            tells_load: arrival.tells_load(),
            session_s: session_timer::remembered_s(passage),
            hides_history: arrival.settings.history_info && !history::is_wanted(arrival.message),
            role,
            reason: None,
            branches: None,
            rest: None,
            sender: passage.sender,
        };
        let reliable = arrival.from.transport.is_reliable();
        let id = match self.transactions.open_server(arrival.now_ms, key, invite, reliable, upstream) {
            Ok(id) => id,
            Err(error) => {
                self.refuse_full(arrival, error, out);
                return None;
            }
        };
        if let Some(lookup) = self.whereabouts.lookup(&self.hash_key, key) {
            self.whereabouts.note(arrival.now_ms, &lookup, self.shard);
        }
        self.at_work += 1;
        self.note_opened(passage, (way, role), id);
        let slow_ms = self.transactions.timing().non_invite_trying_after_ms();
        self.transactions.set_user_timer(arrival.now_ms, id, if invite { TRYING_AFTER_MS } else { slow_ms });
        Some(id)
    }

    /// Sends the first copies.
    pub(crate) fn ring_first(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        id: ServerId,
        targets: &mut Targets,
        out: &mut Outbox,
    ) {
        self.ring(passage, id, targets, out);
        if self.transactions.server(id).is_some_and(|record| record.user.branches.is_none()) {
            // Not one copy could be sent: there is no branch whose failure would be the answer.
            self.answer_from_arrival(
                passage.arrival,
                id,
                Refusal::new(503).with(Hint::RetryAfter(FULL_RETRY_AFTER_S)),
                out,
            );
        }
    }

    /// Sends a copy to each of the most preferred targets, all at once; the others wait for their turn.
    pub(crate) fn ring(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        id: ServerId,
        targets: &mut Targets,
        out: &mut Outbox,
    ) {
        let (group, breadth) = breadth(passage, targets.first_group());
        let settings = passage.arrival.settings;
        let ring_ms = match targets.list().len() > group {
            true => targets.ring_ms().unwrap_or(settings.ring_ms),
            false => 0,
        };
        let ring_ms = if u64::from(ring_ms) < settings.timer_c_ms { ring_ms } else { 0 };
        self.with_rest(id, |rest| rest.ring_ms = ring_ms);
        for target in targets.list().iter().take(group) {
            self.forward_to(passage, id, target, targets, breadth, out);
        }
        targets.drop_first(group);
        if !targets.list().is_empty() || targets.has_spares() {
            let waiting = targets.clone();
            self.with_rest(id, |rest| rest.targets = waiting);
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
        let end = out.begin();
        let verdict = self.transactions.respond(arrival.now_ms, id, refusal.status(), out.bytes(start..end));
        if verdict == ServerVerdict::Send {
            self.at_work = self.at_work.saturating_sub(1);
            self.with_upstream(id, |u| u.answered = true);
            self.note_final(arrival.now_ms, id, (refusal.status(), true), arrival.message);
            out.send(start, arrival.reply_to, 0);
        }
    }

    pub(crate) fn forward_to(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        server: ServerId,
        target: &Target,
        texts: &Targets,
        max_breadth: Option<u32>,
        out: &mut Outbox,
    ) {
        let Passage { arrival, screened, .. } = *passage;
        let Some(local) = arrival.settings.identity.local(target.flow.listener) else { return };
        let invite = screened.method == Method::Invite;
        let Some(upstream) = self.transactions.server(server) else { return };
        let dialled = proving(target, texts, out);
        let flow = self.reusing(dialled, out);
        let leg = beyond::leg(passage, target);
        let (record_route, arrived_at) = (record_route(passage, target, leg), arrived_at(passage, target));
        let path = texts.text(&target.path);
        let added = Additions {
            record_routes: record_route.map_or(0, |_| 1 + u8::from(arrived_at.is_some())),
            routes: Additions::routes_of(path),
            to_registered: target.registered,
        };
        let downstream = Downstream {
            server: Some(server),
            flow,
            next: upstream.user.branches,
            finished: false,
            cancel: Cancel::No,
            device: target.device,
            heard: false,
            leg,
            added,
        };
        let told = self.told(passage, Some(server), target, texts);
        let extras = told.as_ref().map(|told| told.extras(passage));
        let reliable = target.flow.transport.is_reliable();
        let Ok(client) = self.transactions.open_client(arrival.now_ms, invite, reliable, downstream) else {
            return;
        };
        let start = out.begin();
        let copy = Forward {
            parts: arrival.parts,
            routed: &screened.routed,
            target: target.uri.as_ref().map(|uri| texts.text(uri)),
            path,
            local,
            mended_via: arrival.mended_via,
            branch: Branch::Stateful(Place { shard: self.shard, transaction: client.to_bits() }),
            loop_mark: screened.loop_mark(&self.cookies),
            record_route,
            arrived_at,
            path_entry: edge::path_entry(passage),
            max_breadth,
            spent_credentials: passage.spent,
            offers_overload_control: self.neighbours.knows(target.flow.remote),
            offers_reuse: alias::is_offered(&dialled),
            extras: extras.as_ref(),
            renumber: self.renumber(passage, leg),
        };
        forward::write(arrival.message, &self.cookies, &copy, &mut self.scratch, out.arena());
        let end = out.begin();
        self.transactions.set_request(client, out.bytes(start..end));
        out.send(start, flow, client.to_bits());
        self.limit_branch(passage, (server, client), (target, texts, max_breadth));
        self.link_branch(server, client, told);
        self.note_routed(passage, target, texts);
    }

    /// How long a branch may take: until its next address is tried, its turn is over, or Timer C (§16.6 step 11).
    fn limit_branch(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        (server, client): (ServerId, ClientId),
        (target, texts, max_breadth): (&Target, &Targets, Option<u32>),
    ) {
        let (arrival, invite) = (passage.arrival, passage.screened.method == Method::Invite);
        if let Some(rest) = texts.with_addresses(target) {
            let spare = Spare { branch: client, target: rest, max_breadth };
            self.with_rest(server, |rest| rest.spares.push(spare));
            self.transactions.set_user_timer(arrival.now_ms, client, arrival.settings.failover_after_ms);
        } else if invite {
            let patience_ms = self.ring_ms(server).unwrap_or(arrival.settings.timer_c_ms as u32);
            self.transactions.set_user_timer(arrival.now_ms, client, patience_ms);
        }
    }

    fn note_routed(&mut self, passage: &Passage<'_, '_, '_>, target: &Target, texts: &Targets) {
        if passage.screened.method != Method::Invite {
            return;
        }
        self.count_call(passage, target);
        if !self.journal.logs(EventKind::CallRouted) {
            return self.journal.count(EventKind::CallRouted);
        }
        let (message, parts) = (passage.arrival.message, passage.arrival.parts);
        let uri = target.uri.as_ref().map_or(message.request_uri_text(), |uri| texts.text(uri));
        let event =
            Event::CallRouted { from: parts.from.uri, to: parts.to.uri, target: uri, call_id: parts.call_id };
        self.journal.note(passage.arrival.now_ms, &event);
    }

    /// Forwards without a transaction: an ACK to a 2xx (§16.11 is what remains for it), or a stateless route.
    pub(crate) fn forward_stateless(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        targets: &mut Targets,
        out: &mut Outbox,
    ) {
        let Passage { arrival, screened, .. } = *passage;
        let names = targets.take_names();
        if !names.is_empty() {
            return self.park_loose(arrival, names);
        }
        let Some(target) = targets.list().first() else { return };
        let Some(local) = arrival.settings.identity.local(target.flow.listener) else { return };
        let leg = beyond::leg(passage, target);
        let dialled = proving(target, targets, out);
        let told = self.told(passage, None, target, targets);
        let extras = told.as_ref().map(|told| told.extras(passage));
        let start = out.begin();
        let copy = Forward {
            parts: arrival.parts,
            routed: &screened.routed,
            target: target.uri.as_ref().map(|uri| targets.text(uri)),
            path: targets.text(&target.path),
            local,
            mended_via: arrival.mended_via,
            // A connection belongs to its shard; a datagram leaves by any.
            branch: Branch::Stateless(match arrival.from.transport.is_reliable() {
                true => self.shard,
                false => ANY_SHARD,
            }),
            loop_mark: screened.loop_mark(&self.cookies),
            record_route: record_route(passage, target, leg).map(|sides| Sides { stateless: true, ..sides }),
            arrived_at: arrived_at(passage, target),
            path_entry: edge::path_entry(passage),
            max_breadth: None,
            spent_credentials: passage.spent,
            offers_overload_control: self.neighbours.knows(target.flow.remote),
            offers_reuse: alias::is_offered(&dialled),
            extras: extras.as_ref(),
            renumber: self.renumber(passage, leg),
        };
        forward::write(arrival.message, &self.cookies, &copy, &mut self.scratch, out.arena());
        out.send(start, self.reusing(dialled, out), 0);
    }

    fn refuse_full(&mut self, arrival: &Arrival<'_, '_>, error: OpenError, out: &mut Outbox) {
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

    /// How long a branch of this request may ring, if others wait for their turn; else Timer C counts.
    pub(crate) fn ring_ms(&self, id: ServerId) -> Option<u32> {
        let rest = self.transactions.server(id)?.user.rest.as_ref()?;
        Some(rest.ring_ms).filter(|ms| *ms > 0)
    }

    pub(crate) fn with_upstream(&mut self, id: ServerId, change: impl FnOnce(&mut Upstream)) {
        if let Some(record) = self.transactions.server_mut(id) {
            change(&mut record.user);
        }
    }

    pub(crate) fn with_rest(&mut self, id: ServerId, change: impl FnOnce(&mut Rest)) {
        self.with_upstream(id, |u| {
            if let Some(rest) = &mut u.rest {
                change(rest);
            }
        });
    }
}

/// Whether a copy could grow beyond what we can read ourselves, as we must for its ACK and its CANCEL.
fn leaves_no_room(message: &Message<'_>) -> bool {
    message.whole().len() > MESSAGE_BYTES_MAX - COPY_ROOM_BYTES
        || message.lines().len() > HEADER_LINES_MAX - COPY_ROOM_LINES
}

/// Whether to stay in the path (§16.6 step 4: only what makes a dialog needs it), and which flows to remember.
fn record_route(passage: &Passage<'_, '_, '_>, target: &Target, leg: Leg) -> Option<Sides> {
    let Passage { arrival, screened, .. } = *passage;
    let begins_dialog = screened.method.makes_dialog() && arrival.parts.to_tag.is_empty();
    // RFC 7118 Appendix B.2: a browser is reached by us alone. RFC 5626 §5.3.1: so is a phone behind a flow token.
    let by_websocket = arrival.from.transport.is_websocket() || target.flow.transport.is_websocket();
    let must = leg.renumbered || by_websocket || matches!(screened.routed.flow, Some(FlowRoute::To(_)));
    if !(arrival.settings.record_route || must) || !begins_dialog {
        return None;
    }
    // Only a phone that speaks to us directly can be reached over the flow it came by.
    let pinned = arrival.from.transport.is_reliable() || is_behind_nat(arrival);
    Some(Sides {
        caller: (arrival.parts.is_first_hop && pinned).then_some(arrival.from),
        callee: target.pinned.then_some(target.flow),
        trunks: beyond::trunks(passage, leg),
        stateless: false,
    })
}

/// The path of a target; by TLS with the name that the peer must prove to have (RFC 5922 §4).
fn proving(target: &Target, texts: &Targets, out: &mut Outbox) -> Flow {
    let mut flow = target.flow;
    if flow.transport == Transport::Tls
        && !flow.connection.is_some()
        && let Ok(name) = std::str::from_utf8(texts.text(&target.name))
        && !name.is_empty()
    {
        flow.connection = out.toward(name);
    }
    flow
}

fn arrived_at<'m>(passage: &Passage<'_, 'm, '_>, target: &Target) -> Option<&'m offhook_proxy::Local> {
    let from = passage.arrival.from;
    let settings: &'m crate::Settings = passage.arrival.settings;
    (from.listener != target.flow.listener).then(|| settings.identity.local(from.listener)).flatten()
}
