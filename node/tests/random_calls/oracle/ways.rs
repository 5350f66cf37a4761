//! Next hops with several places: RFC 3263 §4.
//!
//! ```text
//!   a name ──found──► places by rank ──┐
//!   the targets of a trunk ────────────┴─► the least of those that live, then of those that do not
//!                                             │ 503, no connection, silence: the next one, by a new branch
//!                                             └ nothing left: its answer counts
//! ```
//! What was found is what a shard was told at its door. One branch at a time, no place twice.

use std::net::SocketAddr;

use offhook_locate::{Finding, Nowhere};
use offhook_net::Flow;
use offhook_sip::Transport;

use super::packet::{Packet, param, via_key};
use super::standing::Life;
use super::transactions::{Asking, Cancelling, Serving, TIMEOUT_MS, TIMER_C_MS};
use super::{Client, Facts, Neighbour, Oracle, Server, Toward};
use crate::lines;
use crate::sniffer::Sent;

/// Where something can be sent.
pub(crate) type Hop = (Transport, SocketAddr);

/// What has said nothing for so long is left for the next place, ms.
pub(super) const SILENCE_MS: u64 = 4_000;

/// A request waits for a name for so long, ms.
pub(super) const PATIENCE_MS: u64 = 6_000;

/// A failure to find a name holds for so long, ms.
const FAILED_MS: u64 = 2_000;

/// RFC 3261 §18.1.1: what is larger goes by a stream, bytes; the copy has so many more than what came.
const DATAGRAM_BYTES: usize = 1_300;
const COPY_MORE_BYTES: usize = 200;

/// What a shard was told of a name.
#[derive(Debug)]
pub(super) struct Found {
    until_ms: u64,
    places: Result<Vec<(u32, Hop)>, u16>,
}

/// A place that a request may go to yet. The least is the next one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place {
    pub(super) life: Life,
    pub(super) rank: u32,
    pub(super) hop: Hop,
    /// It has left one request after the other unanswered, and may be passed over (RFC 7339 §5.9).
    pub(super) is_silent: bool,
    /// Perhaps it was.
    pub(super) is_open: bool,
}

/// What a shard knows of the places of a next hop.
pub(super) enum Known {
    Places(Vec<Place>),
    /// It leads nowhere, and this is the answer.
    Nowhere(u16),
    NotYet,
}

/// The answer to a request for a name that leads nowhere: RFC 3261 §21.4.5, §21.5.3, §21.5.5.
fn answer_of(why: Nowhere) -> u16 {
    match why {
        Nowhere::NoSuchName | Nowhere::Ourselves | Nowhere::NotOffered => 404,
        Nowhere::NotAllowed => 403,
        Nowhere::NoTransport => 502,
        Nowhere::Unanswered => 504,
    }
}

impl<'a> Oracle<'a> {
    /// The neighbour that a request outside of dialogs goes to.
    pub(super) fn neighbour_of(&self, request: &Packet<'a>) -> Option<&'a Neighbour> {
        let begins = param(request.value("To"), "tag").is_empty();
        self.neighbour_by_host(request).filter(|_| begins)
    }

    fn neighbour_by_host(&self, request: &Packet<'a>) -> Option<&'a Neighbour> {
        let facts: &'a Facts = self.facts;
        facts.neighbour_of(request.uri())
    }

    /// A request of which nothing came may wait for the name of its next hop.
    pub(super) fn begins_to_wait(&mut self, fresh: usize) -> bool {
        let server = &self.servers[fresh];
        let neighbour = self.neighbour_of(&server.request).filter(|_| server.state == Serving::Fresh);
        let Some(neighbour) = neighbour else { return false };
        let stateless = neighbour.stateless && !server.from.transport.is_websocket();
        let waits = matches!(self.known(server.shard, &neighbour.toward), Known::NotYet);
        let same = |other: &Server<'_>| {
            let (one, two) = (&server.request, &other.request);
            other.shard == server.shard
                && one.method == two.method
                && via_key(one.via()) == via_key(two.via())
        };
        // A repetition waits no longer than what it repeats.
        let others = self.serving.iter().filter(|other| **other != fresh).map(|&other| &self.servers[other]);
        let until_ms = others.filter(|other| same(other)).filter_map(|other| other.waits_until_ms).max();
        let server = &mut self.servers[fresh];
        if waits {
            server.waits_until_ms = Some(until_ms.unwrap_or(self.now_ms + PATIENCE_MS));
        }
        if waits && !stateless {
            server.opens(self.now_ms);
        }
        waits
    }

    /// Whether this is the answer to a request whose next hop is a name that leads nowhere.
    pub(super) fn name_leads_nowhere(&self, server: usize, status: u16) -> bool {
        let Server { request, shard, from, .. } = &self.servers[server];
        let Some(neighbour) = self.neighbour_of(request) else { return false };
        let stateless = neighbour.stateless && !from.transport.is_websocket();
        let Known::Nowhere(known) = self.known(*shard, &neighbour.toward) else { return false };
        known == status && !stateless
    }

    /// Whether somebody who is known, or proves by our seal to belong to a dialog, is told that nobody is there, which may be
    /// otherwise in a moment: RFC 3261 §8.2.7.
    pub(super) fn is_lasting(&self, server: usize, status: u16) -> bool {
        let Server { request, from, .. } = &self.servers[server];
        let begins = param(request.value("To"), "tag").is_empty();
        let has_proof = !request.value("Proxy-Authorization").is_empty();
        let trunks = self.facts.neighbours.iter().filter(|neighbour| neighbour.has_login);
        let mut peers = trunks.flat_map(|trunk| &trunk.places);
        let is_known = self.facts.open || has_proof || peers.any(|peer| peer.ip() == from.remote.ip());
        // A way that is not safe enough is none.
        let is_nobody = self.neighbour_of(request).is_none() || lines::is_sips(request.uri());
        let is_sealed = is_sealed(request) && !self.stateless_calls.contains(request.value("Call-ID"));
        (is_sealed || begins && is_known && is_nobody) && matches!(status, 404 | 480)
    }

    /// Whether nothing could be sent to a phone on a connection, in its call: who asked is told that it is away (RFC 3261
    /// §21.4.18).
    pub(super) fn is_away(&self, server: usize, status: u16) -> bool {
        let Server { request, finals, branches, .. } = &self.servers[server];
        let is_lost = |(status, packet): &(u16, Option<Packet<'_>>)| *status == 503 && packet.is_none();
        let is_last_hop = |client: &usize| {
            let Client { request, flow, .. } = &self.clients[*client];
            flow.transport.is_reliable() && request.value("Route").is_empty()
        };
        status == 480 && is_sealed(request) && finals.iter().all(is_lost) && branches.iter().all(is_last_hop)
    }

    /// An ACK may wait for the name of its next hop too.
    pub(super) fn ack_begins_to_wait(&mut self, shard: u8) {
        let Some((ack, from)) = self.turn.ack_on.take() else { return };
        let toward = self.neighbour_by_host(&ack).map(|neighbour| &neighbour.toward);
        match toward {
            Some(toward) if matches!(self.known(shard, toward), Known::NotYet) => {
                self.acks.push((self.now_ms + PATIENCE_MS, shard, ack, from));
            }
            _ => self.turn.ack_on = Some((ack, from)),
        }
    }

    /// An ACK that goes on, now that the name is known.
    pub(super) fn ack_that_waited(&mut self, shard: u8, sent: &Packet<'a>) -> Option<(Packet<'a>, Flow)> {
        let below = sent.values("Via").nth(1).unwrap_or_default();
        let is_it = |(until_ms, of, ack, _): &(u64, u8, Packet<'a>, Flow)| {
            *until_ms >= self.now_ms && *of == shard && via_key(ack.via()) == via_key(below)
        };
        let at = self.acks.iter().position(is_it)?;
        let (_, _, ack, from) = self.acks.remove(at);
        Some((ack, from))
    }

    /// The place of a copy that is meant for this URI, if it goes to a neighbour: the next one of those that a branch had left,
    /// or the first one. Gives back those that are left for it.
    pub(super) fn place_is_right(
        &mut self,
        shard: u8,
        (server, meant, left): (usize, &str, Option<usize>),
        sent: &Sent,
    ) -> Vec<Place> {
        let request = self.servers[server].request.clone();
        let hop = (sent.flow.transport, sent.flow.remote);
        let facts = self.facts;
        let begins = param(request.value("To"), "tag").is_empty();
        let Some(neighbour) = facts.neighbour_of(meant).filter(|_| begins) else { return Vec::new() };
        let source = self.servers[server].from.remote.ip().to_string();
        if let Some(branch) = left {
            let mut places = std::mem::take(&mut self.clients[branch].places);
            self.look_at_silence(shard, &mut places);
            self.is_spread(neighbour, (&request, source), (hop, &places));
            pass_over_silent(&mut places, hop);
            self.next_place(hop, &mut places);
            return places;
        }
        // Who waited for his turn has places as they were when he was named.
        let waited = meant != request.uri() && !self.turn.moved.contains(&server);
        match self.known(shard, &neighbour.toward) {
            Known::Places(places) if waited => {
                let left = places.into_iter().filter(|place| place.hop != hop);
                left.map(|place| Place { life: Life::Unsure, ..place }).collect()
            }
            Known::Nowhere(_) | Known::NotYet if waited => Vec::new(),
            Known::Places(places) if matches!(neighbour.toward, Toward::Name(_)) => {
                self.first_place((&request, hop), places)
            }
            Known::Places(mut places) => {
                self.is_spread(neighbour, (&request, source), (hop, &places));
                pass_over_silent(&mut places, hop);
                self.next_place(hop, &mut places);
                places
            }
            Known::Nowhere(_) | Known::NotYet => {
                self.expect(
                    false,
                    "RFC 3263 §4",
                    format!("{} goes to {hop:?}, a place unknown", sent.flow.remote),
                );
                Vec::new()
            }
        }
    }

    /// A search has come back: who waited for it goes on, or is answered.
    pub(super) fn located(&mut self, shard: u8, finding: &Finding) {
        let now_ms = self.now_ms;
        let places = finding.found.as_ref().map_err(|why| answer_of(*why)).map(|located| {
            let of = |server: &offhook_locate::Server| {
                let (rank, port, transport) = (server.rank, server.port, server.transport);
                let hop = move |ip: &std::net::IpAddr| (rank, (transport, SocketAddr::new(*ip, port)));
                server.addresses.iter().map(hop).collect::<Vec<_>>()
            };
            located.servers.iter().flat_map(of).collect()
        });
        let for_ms = match finding.found {
            Err(Nowhere::Unanswered) => FAILED_MS,
            _ => u64::from(finding.ttl_s.max(1)) * 1000,
        };
        let name = finding.wanted.to_string();
        self.found.insert((shard, name.clone()), Found { until_ms: now_ms + for_ms, places });
        let waiting = self.waiting_for(shard, &name);
        waiting.iter().for_each(|&server| self.servers[server].waits_until_ms = None);
        for server in waiting {
            if !self.is_last_copy(shard, server) {
                continue;
            }
            match self.known(shard, &Toward::Name(name.clone())) {
                Known::Places(_) => self.turn.woken.push(server),
                Known::Nowhere(status) => self.turn.answers.push((server, status)),
                Known::NotYet => {}
            }
        }
    }

    /// Requests that wait for a name.
    fn waiting_for(&self, shard: u8, name: &str) -> Vec<usize> {
        let waits = |&i: &usize| {
            let server = &self.servers[i];
            let toward = self.neighbour_of(&server.request).map(|n| &n.toward);
            server.shard == shard
                && server.waits_until_ms.is_some()
                && matches!(toward, Some(Toward::Name(wanted)) if wanted == name)
        };
        self.serving.iter().copied().filter(waits).collect()
    }

    /// Of the copies of a request that has no transaction, the last one stands for all.
    fn is_last_copy(&self, shard: u8, server: usize) -> bool {
        let s = &self.servers[server];
        s.is_kept() || self.find_server(shard, s.request.via(), s.request.method) == Some(server)
    }

    /// What a shard knows of the places of a next hop.
    pub(super) fn known(&self, shard: u8, toward: &Toward) -> Known {
        let ranked = match toward {
            Toward::Row(row) => row.clone(),
            Toward::Name(name) => match self.found.get(&(shard, name.clone())) {
                Some(found) if self.now_ms < found.until_ms => match &found.places {
                    Ok(places) => places.clone(),
                    Err(status) => return Known::Nowhere(*status),
                },
                _ => return Known::NotYet,
            },
        };
        let is_own = |hop: &Hop| self.facts.places.contains(hop);
        let others: Vec<_> = ranked.into_iter().filter(|(_, hop)| !is_own(hop)).collect();
        let has = |transport| self.facts.places.iter().any(|(ours, _)| *ours == transport);
        let reached: Vec<_> = others.iter().filter(|(_, (transport, _))| has(*transport)).collect();
        if others.is_empty() {
            return Known::Nowhere(answer_of(Nowhere::NoSuchName));
        }
        if reached.is_empty() {
            return Known::Nowhere(answer_of(Nowhere::NoTransport));
        }
        let place = |&(rank, hop): &(u32, Hop)| {
            let (life, is_silent) = (self.life_of(shard, hop), self.is_silent(shard, hop));
            Place { life, rank, hop, is_silent, is_open: false }
        };
        Known::Places(reached.into_iter().map(place).collect())
    }

    /// The first copy of a request goes to a next hop: to the least of its places; what is too large for a datagram by a
    /// stream, to the same place (§18.1.1). Gives back what is left.
    pub(super) fn first_place(
        &mut self,
        (request, hop): (&Packet<'a>, Hop),
        mut places: Vec<Place>,
    ) -> Vec<Place> {
        let is_large = request.bytes.len() + COPY_MORE_BYTES > DATAGRAM_BYTES;
        let by_udp = (Transport::Udp, hop.1);
        if is_large && hop.0 == Transport::Tcp && !places.iter().any(|place| place.hop == hop) {
            let right = is_least(&places, by_udp);
            self.expect(right, "RFC 3263 §4.2", format!("{hop:?} is not the best of {places:?}"));
            return places;
        }
        self.expect(!is_large || hop != by_udp, "§18.1.1", "too large for a datagram");
        self.next_place(hop, &mut places);
        places
    }

    /// The next copy goes to the least of the places that are left.
    pub(super) fn next_place(&mut self, hop: Hop, places: &mut Vec<Place>) {
        let right = is_least(places, hop);
        self.expect(right, "RFC 3263 §4.2, §4.3", format!("{hop:?} is not the best of {places:?}"));
        places.retain(|place| place.hop != hop);
    }

    /// Whether a branch could go to another place.
    pub(super) fn has_other_place(&self, client: usize) -> bool {
        self.clients[client].server.is_some() && !self.clients[client].places.is_empty()
    }

    /// Which of the places get no requests just now.
    fn look_at_silence(&self, shard: u8, places: &mut [Place]) {
        places.iter_mut().for_each(|place| place.is_silent = self.is_silent(shard, place.hop));
    }

    /// Where a branch has only places left that get no requests just now, or were perhaps passed over, what it does tells.
    pub(super) fn settle_places(&mut self, client: usize) {
        let mut places = std::mem::take(&mut self.clients[client].places);
        self.look_at_silence(self.clients[client].shard, &mut places);
        self.clients[client].places = places;
        let c = &self.clients[client];
        let is_new = |packet: &Packet<'_>| {
            let branch = via_key(packet.via()).0;
            packet.value("Call-ID") == c.request.value("Call-ID")
                && !self.by_branch.contains_key(&(branch, packet.method))
        };
        let sent = self.steps[self.index].sent.iter();
        let new = sent.filter(|sent| Packet::read(&sent.bytes).is_some_and(|packet| is_new(&packet)));
        let taken: Vec<Hop> = new.map(|sent| (sent.flow.transport, sent.flow.remote)).collect();
        let is_taken = |place: &Place| taken.contains(&place.hop);
        let may_be_none = c.places.iter().all(|place| place.is_open || place.is_silent);
        if c.places.is_empty()
            || !may_be_none
            || c.places.iter().any(is_taken)
            || self.is_given_up_now(client)
        {
            return;
        }
        let c = &mut self.clients[client];
        c.places.clear();
        if c.state == Asking::Calling {
            let patience_ms = c.ends_ms.map(|ends_ms| ends_ms - TIMEOUT_MS + TIMER_C_MS);
            c.patience_ms = patience_ms.filter(|_| c.request.is_invite());
        }
    }

    /// Nobody waits for a silent branch any more, so it goes nowhere; but it had somewhere to go if it is given up now.
    fn is_given_up_now(&self, client: usize) -> bool {
        let c = &self.clients[client];
        let Some(server) = c.server.map(|server| &self.servers[server]) else { return false };
        let answers = |packet: Packet<'_>| {
            packet.status >= 200
                && packet.method == server.request.method
                && via_key(packet.via()) == via_key(server.request.via())
        };
        let unwanted = c.cancel != Cancelling::No || server.over;
        let mut sent = self.steps[self.index].sent.iter();
        unwanted && sent.any(|sent| Packet::read(&sent.bytes).is_some_and(answers))
    }

    /// A branch has failed at its place: the request goes to the next one, if anybody still waits for it. `false`: this is
    /// its end.
    pub(super) fn goes_on(&mut self, client: usize, retry_after_s: Option<u64>) -> bool {
        let left: Vec<bool> = self.clients[client].places.iter().map(|place| place.is_open).collect();
        self.settle_places(client);
        if !self.has_other_place(client) {
            self.had_no_detour(client, &left, retry_after_s);
            return false;
        }
        let Some(server) = self.clients[client].server else { return false };
        // With the transaction of its request goes what is known of its places.
        if self.servers[server].lives_at(self.now_ms) {
            self.note_dead(client, retry_after_s);
        }
        let s = &self.servers[server];
        let waits = s.state == Serving::Proceeding && !s.over && s.lives_at(self.now_ms);
        let goes = waits && self.clients[client].cancel == Cancelling::No;
        if goes {
            self.turn.next.push(client);
        } else {
            self.clients[client].places.clear();
        }
        goes
    }

    /// A branch has failed where all others are left alone: it had somewhere to go, or perhaps it had (`left`), and is taken for
    /// dead then.
    fn had_no_detour(&mut self, client: usize, left: &[bool], retry_after_s: Option<u64>) {
        let c = &self.clients[client];
        let (shard, hop) = (c.shard, c.hop());
        let is_known = c.server.is_some_and(|server| self.servers[server].lives_at(self.now_ms));
        if left.is_empty() || !is_known {
            return self.fails_alone(client, retry_after_s);
        }
        match left.iter().all(|is_open| *is_open) {
            true => self.is_perhaps_dead(shard, hop),
            false => self.note_dead(client, retry_after_s),
        }
    }

    /// A branch has had its time. If it has said nothing, the request goes on; it is not given up itself: an INVITE that is
    /// answered yet is cancelled. Whether that was all.
    pub(super) fn time_is_over(&mut self, client: usize) -> bool {
        let is_gone = |server: usize| !self.servers[server].lives_at(self.now_ms);
        if self.clients[client].server.is_some_and(is_gone) {
            // Nobody remembers where else it could go, and nobody waits for it.
            self.was_silent(client);
            self.clients[client].finished = true;
            self.ends_now(client);
            return true;
        }
        let c = &mut self.clients[client];
        let (invite, is_silent) = (c.request.is_invite(), c.state == Asking::Calling);
        if !is_silent {
            // Nobody else is to be tried while somebody rings.
            c.patience_ms = c.patience_ms.filter(|_| invite);
            c.places.clear();
            return !invite;
        }
        (c.patience_ms, c.finished, c.is_left) = (None, true, true);
        self.note_unanswered(client);
        let goes = self.goes_on(client, None);
        if goes && invite {
            self.clients[client].cancel = Cancelling::Wanted;
        }
        if !goes {
            self.finished(client, 408, None);
        }
        true
    }

    /// What was left has said something: while nobody is answered it is a branch like any other.
    pub(super) fn take_back(&mut self, client: usize) {
        let waits = |server: usize| {
            let s = &self.servers[server];
            s.state == Serving::Proceeding && s.lives_at(self.now_ms)
        };
        let c = &self.clients[client];
        if c.is_left && c.server.is_some_and(waits) {
            let c = &mut self.clients[client];
            (c.is_left, c.finished, c.is_back) = (false, false, true);
        }
    }
}

/// The places before this one that get no more requests were passed over, and those beside it perhaps.
fn pass_over_silent(places: &mut Vec<Place>, hop: Hop) {
    let key = |place: &Place| (place.life != Life::Alive, place.rank);
    let Some(taken) = places.iter().find(|place| place.hop == hop).map(key) else { return };
    let is_left_alone = |place: &Place| place.hop != hop && place.is_silent;
    places.retain(|place| !is_left_alone(place) || key(place) >= taken);
    for place in places.iter_mut().filter(|place| is_left_alone(place)) {
        place.is_open = key(place) == taken || place.life == Life::Unsure;
    }
}

/// Whether none of the places comes before this one for sure.
fn is_least(places: &[Place], hop: Hop) -> bool {
    let Some(place) = places.iter().find(|place| place.hop == hop) else { return false };
    let is_before = |other: &Place, key: (bool, u32)| (other.life != Life::Alive, other.rank) < key;
    // What was perhaps passed over before need not come first.
    let others = || places.iter().filter(|other| !other.is_silent && !other.is_open);
    let fits = |is_dead: bool| !others().any(|other| is_before(other, (is_dead, place.rank)));
    (place.life != Life::Dead && fits(false)) || (place.life != Life::Alive && fits(true))
}

/// Whether it proves by our seal to belong to a dialog.
fn is_sealed(request: &Packet<'_>) -> bool {
    let is_seal = |route: &str| route.contains(";oh=");
    !param(request.value("To"), "tag").is_empty() && request.values("Route").next().is_some_and(is_seal)
}
