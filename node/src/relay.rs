//! Forwarding: rights, target set, transactions, copies (RFC 3261 §16.3 step 6, §16.5, §16.6).

use offhook_config::Recursion;
use offhook_journal::{Event, EventKind};
use offhook_net::{Flow, Outbox};
use offhook_proxy::access::Sender;
use offhook_proxy::fork::Fork;
use offhook_proxy::forward::{self, Branch, Forward};
use offhook_proxy::history;
use offhook_proxy::redirect::Additions;
use offhook_proxy::session_timer::Demand;
use offhook_proxy::{ANY_SHARD, Place, Screened};
use offhook_sip::limits::{HEADER_LINES_MAX, MESSAGE_BYTES_MAX};
use offhook_sip::{Hint, Line, Message, Method, Name, Refusal, Transport};
use offhook_transaction::{OpenError, ServerId, ServerKey};

use crate::admit::Admitted;
use crate::arrival::Arrival;
use crate::beyond;
use crate::breadth::breadth;
use crate::context::{Cancel, Downstream, Rest, Upstream};
use crate::copies::arrived_at;
use crate::edge;
use crate::fate::Fate;
use crate::history::history_at;
use crate::in_path;
use crate::preference;
use crate::refused::{FULL_RETRY_AFTER_S, is_lasting};
use crate::session_timer;
use crate::settings::Settings;
use crate::switchboard::Switchboard;
use crate::targets::{Target, Targets};
use crate::trust;
use crate::way::{self, Way};

/// A 100 goes out if nothing better has by then: RFC 3261 §17.2.1 lets us wait this long.
pub(crate) const TRYING_AFTER_MS: u32 = 200;

/// What a copy may have more than the request, bytes: a Request-URI, our Via, two Record-Routes and a Path, each with a
/// token (half of it, with room to spare); History-Info, a statement of who calls, and our credentials for a trunk.
const COPY_ROOM_BYTES: usize = 4096;

/// The lines of the same: one each of Via, Path, Route, Max-Breadth, Session-Expires, Min-SE, Require, credentials; two of
/// Record-Route and of who calls; three of History-Info. One more for what comes next.
const COPY_ROOM_LINES: usize = 16;

/// A request on its way through us, with all that was found out about it.
#[derive(Clone, Copy)]
pub(crate) struct Passage<'p, 'm, 'a> {
    pub arrival: &'p Arrival<'m, 'a>,
    pub screened: &'p Screened<'m, 'a>,
    /// The credentials that were meant for us.
    pub spent: Option<&'m Line>,
    /// What was found out about who sent it.
    pub sender: Sender,
    /// Where it wants to go.
    pub way: &'p Way<'m, 'a>,
    /// The session timer that its copies ask for.
    pub demand: Option<Demand>,
}

impl Switchboard {
    /// Forwards a request that belongs to no transaction yet.
    pub(crate) fn relay<'m, 'a>(
        &mut self,
        arrival: &Arrival<'m, 'a>,
        screened: &Screened<'m, 'a>,
        way: &Way<'m, 'a>,
        key: &ServerKey<'_>,
        out: &mut Outbox,
    ) {
        if arrival.parts.max_forwards == Some(0) {
            return self.end_of_hops(arrival, screened.method, out);
        }
        if leaves_no_room(arrival.message) {
            return self.refuse(arrival, Refusal::new(513), out);
        }
        let Some(Admitted { spent, sender, again }) = self.admit(arrival, screened, way, out) else { return };
        let demand = session_timer::demand(arrival, screened);
        let passage = Passage { arrival, screened, spent, sender, way, demand: demand.unwrap_or_default() };
        if edge::lacks_path(&passage) {
            return self.refuse(arrival, Refusal::new(421).with(Hint::Require("path")), out);
        }
        if arrival.message.seconds(Name::MaxBreadth) == Ok(Some(0)) {
            return self.refuse(arrival, Refusal::new(440), out);
        }
        let checked = demand.and_then(|_| trust::check_privacy(&passage));
        if let Err(refusal) = checked.and_then(|()| self.check_own_gruu(&passage)) {
            return self.refuse(arrival, refusal, out);
        }
        // The answer to what came by WebSocket finds no way back by its Via: that needs a transaction.
        let is_stateless = way.is_stateless(screened) && !arrival.from.transport.is_websocket();
        let mut targets = std::mem::take(&mut self.targets);
        targets.clear();
        match self.fate_of(&passage, again, &mut targets, out) {
            Fate::Refused(refusal) => {
                let is_lasting = !is_stateless && is_lasting(&passage, &targets, (&refusal, again));
                self.refuse_let_in(&passage, is_lasting.then_some(key), (refusal, &targets), out);
            }
            Fate::Redirected(contacts) => {
                let refusal = Refusal::new(302).with(Hint::Contact(&contacts));
                self.refuse_let_in(&passage, (!is_stateless).then_some(key), (refusal, &targets), out);
            }
            Fate::AskedAgain => self.challenge_again(arrival, out),
            Fate::Kept => self.keep_absent(&passage, key, out),
            Fate::Forwarded if is_stateless => self.forward_stateless(&passage, &mut targets, out),
            Fate::Forwarded => self.forward_stateful(&passage, key, &mut targets, out),
        }
        self.targets = targets;
    }

    /// §16.3 step 3: no hop is left, and it has not arrived.
    fn end_of_hops(&mut self, arrival: &Arrival<'_, '_>, method: Method, out: &mut Outbox) {
        match method {
            Method::Options => self.introduce(arrival, out),
            _ => self.refuse(arrival, Refusal::new(483), out),
        }
    }

    fn forward_stateful(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        key: &ServerKey<'_>,
        targets: &mut Targets,
        out: &mut Outbox,
    ) {
        let arrival = passage.arrival;
        let names = targets.take_names();
        if !names.is_empty() && !self.parked.has_room() {
            return self.refuse_full(arrival, OpenError::ServersFull, out);
        }
        let Some(id) = self.open_upstream(passage, key, out) else { return };
        self.note_opened(passage, id, targets);
        if !arrival.settings.record_route && in_path::sees_the_end(passage, targets) {
            self.with_upstream(id, |upstream| upstream.stays = true);
        }
        if !names.is_empty() {
            return self.park(arrival, id, names, 1);
        }
        let is_alone = targets.list().len() < 2 && !targets.has_spares() && !targets.have_addresses();
        // Where a redirection may be followed (outside of dialogs) the copy would do, were it not told more than the request.
        let settings = arrival.settings;
        let may_be_redirected = settings.recursion != Recursion::Off && arrival.parts.to_tag.is_empty();
        if !is_alone || settings.tells && may_be_redirected {
            self.with_upstream(id, |u| u.rest = Some(Box::new(Rest::of(arrival))));
        }
        self.ring_first(passage, id, targets, out);
    }

    /// Opens the server transaction of a request that goes on.
    pub(crate) fn open_upstream(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        key: &ServerKey<'_>,
        out: &mut Outbox,
    ) -> Option<ServerId> {
        let arrival = passage.arrival;
        let id = match self.open_server(passage, key) {
            Ok(id) => id,
            Err(error) => {
                self.refuse_full(arrival, error, out);
                return None;
            }
        };
        let invite = passage.screened.method == Method::Invite;
        let slow_ms = self.transactions.timing().non_invite_trying_after_ms();
        self.transactions.set_user_timer(arrival.now_ms, id, if invite { TRYING_AFTER_MS } else { slow_ms });
        Some(id)
    }

    /// Opens a server transaction, and no more.
    pub(crate) fn open_server(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        key: &ServerKey<'_>,
    ) -> Result<ServerId, OpenError> {
        let arrival = passage.arrival;
        if passage.sender == Sender::Stranger && self.has_no_room_for_strangers(arrival.settings) {
            return Err(OpenError::ServersFull);
        }
        let invite = passage.screened.method == Method::Invite;
        let role = self.role_of(passage.screened);
        let mut fork = Fork::new(invite);
        if invite && preference::leaves_rest(arrival, passage.way) {
            fork.leave_rest();
        }
        let upstream = Upstream {
            reply_to: arrival.reply_to,
            fork,
            answered: false,
            tells_load: arrival.tells_load(),
            session_s: passage.demand.and_then(|demand| demand.remembered_s()).unwrap_or(0),
            hides_history: arrival.settings.history_info && !history::is_wanted(arrival.message),
            history: history_at(arrival, passage.screened.routed.uri.text).map(Box::new),
            stays: false,
            role,
            reason: None,
            branches: None,
            rest: None,
            sender: passage.sender,
            trunk: 0,
            registrant: self.registrant(passage),
        };
        let reliable = arrival.from.transport.is_reliable();
        let id = self.transactions.open_server(arrival.now_ms, key, invite, reliable, upstream)?;
        if let Some(lookup) = self.whereabouts.lookup(&self.hash_key, key) {
            self.whereabouts.note(arrival.now_ms, &lookup, self.shard);
        }
        self.at_work += 1;
        Ok(id)
    }

    /// Sends the first copies. What may be kept, should they lead nowhere, is held meanwhile.
    pub(crate) fn ring_first(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        id: ServerId,
        targets: &mut Targets,
        out: &mut Outbox,
    ) {
        if self.may_keep(passage) {
            self.hold_request(passage.arrival, id);
        }
        if passage.arrival.settings.recursion != Recursion::Off {
            self.with_rest(id, |rest| rest.redirected.note_called(targets));
        }
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
        let record_route = self.record_route(passage, target, leg, upstream.user.stays);
        let has_two = arrived_at(passage, target).is_some();
        let path = texts.text(&target.path);
        let added = Additions {
            record_routes: record_route.map_or(0, |_| 1 + u8::from(has_two)),
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
            in_turn: false,
            to_phone: way::is_to_phone(screened),
            trunk: target.trunk,
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
        let branch = Branch::Stateful(Place { shard: self.shard, transaction: client.to_bits() });
        let copy = Forward {
            record_route,
            max_breadth,
            extras: extras.as_ref(),
            ..self.copy_for(passage, (target, texts), (local, &dialled), (branch, leg))
        };
        forward::write(arrival.message, &self.cookies, &copy, &mut self.scratch, out.arena());
        let end = out.begin();
        self.transactions.set_request(client, out.bytes(start..end));
        out.send(start, flow, client.to_bits());
        self.limit_branch(passage, (server, client), (target, texts, max_breadth), invite);
        self.link_branch(server, client, told);
        self.note_routed(passage, target, texts);
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
        let arrival = passage.arrival;
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
        // A connection belongs to its shard; a datagram leaves by any.
        let branch = Branch::Stateless(match arrival.from.transport.is_reliable() {
            true => self.shard,
            false => ANY_SHARD,
        });
        let copy = Forward {
            record_route: self.record_route(passage, target, leg, false).map(in_path::without_state),
            extras: extras.as_ref(),
            ..self.copy_for(passage, (target, targets), (local, &dialled), (branch, leg))
        };
        forward::write(arrival.message, &self.cookies, &copy, &mut self.scratch, out.arena());
        out.send(start, self.reusing(dialled, out), 0);
    }

    /// The last quarter of the transactions is for who proves who he is, for peers and for calls that are open.
    fn has_no_room_for_strangers(&self, settings: &Settings) -> bool {
        let open = self.transactions.servers_len().max(self.transactions.clients_len());
        open >= settings.transactions_max - settings.transactions_max / 4
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
