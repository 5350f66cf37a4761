//! Registrations of ours at trunks: RFC 3261 §10.2 as a client, with digest. One shard does it for all.
//!
//! ```text
//!   due ──REGISTER──► target ──401, 407──► with credentials ──200──► in, until it is due again
//!                       │ silence, 5xx: the next target; after the last one a wait (`Enrolment`)
//!                       │ 3xx: the target that it names
//!   stop ──REGISTER, expires=0──► where we are in
//! ```
//! Our Contact has a token. A request from an address of the trunk to a URI with that token comes from this trunk, so that
//! two accounts at one provider are told apart. The token is the same after a restart, and so is the Contact: a
//! registration of the process before is replaced.

mod moved;

use std::net::SocketAddr;

use offhook_digest::{best, next_nonce};
use offhook_journal::Event;
use offhook_locate::{Reach, Wanted};
use offhook_net::{ConnectionId, Flow, Outbox};
use offhook_proxy::Place;
use offhook_route::{Enrolment, Registers, Setback, Target, Toward, Trunk};
use offhook_sip::{Message, Name, Uri};
use offhook_transaction::{ClientId, ClientVerdict};

use crate::beyond::{Errand, Leg, number};
use crate::challenge::unanswered;
use crate::context::Downstream;
use crate::hop;
use crate::names::Known;
use crate::proof::Proof;
use crate::servers::hop_of;
use crate::settings::Settings;
use crate::standing::RegistrationStanding;
use crate::switchboard::Switchboard;

/// The shard that registers.
const SHARD: u8 = 0;

/// The parameter of our Contact that holds the token.
const TOKEN: &[u8] = b"ot";

/// How soon a name that is not known yet is looked at again, ms.
const NAME_AGAIN_MS: u64 = 1_000;

/// Challenges answered in one attempt: one for each kind of door, and one for a nonce that was too old.
const CHALLENGES_MAX: u8 = 3;

/// Longest Service-Route that is kept, bytes: it travels in every request.
const SERVICE_ROUTE_BYTES_MAX: usize = 1_024;

/// All registrations of ours.
#[derive(Default, Debug)]
pub(crate) struct Enrolments {
    list: Vec<Enrolled>,
}

/// One of them.
#[derive(Debug)]
struct Enrolled {
    /// The index of its trunk.
    trunk: usize,
    when: Enrolment,
    call_id: String,
    cseq: u32,
    /// The targets of this attempt that were not asked yet, the next one last.
    targets: Vec<(Flow, Option<String>)>,
    /// Where it was sent last.
    at: Option<(Flow, Option<String>)>,
    under_way: bool,
    challenges: u8,
    /// How often it was sent to another target in this attempt.
    redirections: u8,
    proof: Option<Proof>,
    /// Whether the REGISTER under way had the answer to a challenge of this attempt.
    answered: bool,
    /// The server stops, and this attempt takes the registration back.
    leaves: bool,
    /// Why the last attempt failed, if it did, and when.
    failure: Option<(String, u64)>,
}

impl Enrolments {
    /// The registrations that a polite stop waits for.
    pub(crate) fn open(&self, now_ms: u64) -> u64 {
        self.list.iter().filter(|one| one.under_way || one.when.is_in(now_ms)).count() as u64
    }

    /// How they stand, each with the index of its trunk.
    pub(crate) fn standings(&self, settings: &Settings, now_ms: u64) -> Vec<(usize, RegistrationStanding)> {
        let standing = |one: &Enrolled| {
            let registers = settings.routing.trunk(one.trunk)?.registers.as_ref()?;
            let registration = RegistrationStanding {
                aor: registers.aor.clone(),
                until_ms: one.when.is_in(now_ms).then(|| one.when.until_ms()),
                target: one.at.as_ref().map(|(flow, _)| flow.remote),
                next_ms: Some(one.when.due_ms()).filter(|due_ms| *due_ms < u64::MAX),
                failure: one.failure.clone(),
            };
            Some((one.trunk, registration))
        };
        self.list.iter().filter_map(standing).collect()
    }

    fn of(&mut self, leg: Leg) -> Option<&mut Enrolled> {
        let trunk = leg.trunk_index()?;
        self.list.iter_mut().find(|one| one.trunk == trunk)
    }
}

impl Switchboard {
    /// Begins what is due.
    pub(crate) fn enrol(&mut self, settings: &Settings, now_ms: u64, out: &mut Outbox) {
        if self.shard != SHARD || !settings.routing.has_registrations() {
            return;
        }
        if self.enrolments.list.is_empty() {
            self.enrolments.list = self.first_enrolments(settings, now_ms);
        }
        let stops = self.drain.is_asked();
        for index in 0..self.enrolments.list.len() {
            let Some(one) = self.enrolments.list.get_mut(index) else { return };
            if one.under_way {
                continue;
            }
            if stops && one.when.is_in(now_ms) {
                one.leaves = true;
                (one.challenges, one.redirections) = (0, 0);
                one.targets.clear();
                one.targets.extend(one.at.take());
                self.register_at_next(settings, now_ms, index, out);
            } else if !stops && one.when.is_due(now_ms) {
                self.begin_enrolment(settings, now_ms, index, out);
            }
        }
    }

    fn first_enrolments(&self, settings: &Settings, now_ms: u64) -> Vec<Enrolled> {
        let trunks = settings.routing.trunks().iter().enumerate();
        let registering = trunks.filter_map(|(index, trunk)| Some((index, trunk, trunk.registers.as_ref()?)));
        let one = |(trunk, named, what): (usize, &Trunk, &Registers)| {
            // RFC 3261 §10.2: one Call-ID for all registrations of a process.
            let call_id = self.cookies.tag(named.name.as_bytes(), &now_ms.to_le_bytes());
            Enrolled {
                trunk,
                when: Enrolment::new(now_ms, what.expires_s),
                call_id: String::from_utf8_lossy(&call_id).into_owned(),
                cseq: 0,
                targets: Vec::new(),
                at: None,
                under_way: false,
                challenges: 0,
                redirections: 0,
                proof: None,
                answered: false,
                leaves: false,
                failure: None,
            }
        };
        registering.map(one).collect()
    }

    /// A new attempt: every target once, the one where we are in first.
    fn begin_enrolment(&mut self, settings: &Settings, now_ms: u64, index: usize, out: &mut Outbox) {
        let Some(one) = self.enrolments.list.get(index) else { return };
        let at = one.at.clone().filter(|_| one.when.is_in(now_ms));
        let Some(trunk) = settings.routing.trunk(one.trunk) else { return };
        let (mut targets, waits) = self.registrars(settings, now_ms, trunk, |_| true);
        if let Some(place) =
            targets.iter().position(|(flow, _)| at.as_ref().is_some_and(|(at, _)| at.remote == flow.remote))
        {
            let known = targets.remove(place);
            targets.insert(0, known);
        }
        targets.sort_by_key(|(flow, _)| self.health.is_dead(hop_of(flow)));
        targets.reverse();
        let Some(one) = self.enrolments.list.get_mut(index) else { return };
        (one.challenges, one.redirections) = (0, 0);
        one.targets = targets;
        if one.targets.is_empty() && waits {
            return one.when.postpone(now_ms, NAME_AGAIN_MS);
        }
        self.register_at_next(settings, now_ms, index, out);
    }

    /// Those targets of a trunk that are wanted, in the order of their priority, each with what it must prove by TLS; and
    /// whether the name of any is not known yet.
    fn registrars(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        trunk: &Trunk,
        is_wanted: impl Fn(&Target) -> bool,
    ) -> (Vec<(Flow, Option<String>)>, bool) {
        let mut targets: Vec<_> = trunk.targets.iter().filter(|target| is_wanted(target)).collect();
        targets.sort_by_key(|target| target.priority);
        let (mut found, mut waits) = (Vec::new(), false);
        for target in targets {
            let flow_to = |transport, address: SocketAddr| {
                hop::to_address(transport, address, &settings.listeners, u16::MAX)
            };
            match &target.toward {
                Toward::Address(hop) => {
                    let flow = flow_to(hop.transport, hop.address);
                    found.extend(flow.map(|flow| (flow, target.proves.clone())));
                }
                Toward::Name(wanted) => match self.names.look(now_ms, wanted) {
                    Known::NotYet => waits = true,
                    Known::Nowhere(_) => {}
                    Known::Found(located) => {
                        let proves = proves(target.proves.as_deref(), wanted);
                        let hops = located.order(u64::from(self.cookies.loop_mark(&[trunk.name.as_bytes()])));
                        let good = hops.iter().filter(|hop| Reach::Private.take(hop.address.ip()).is_some());
                        let flows = good.filter_map(|hop| flow_to(hop.transport, hop.address));
                        found.extend(flows.map(|flow| (flow, Some(proves.clone()))));
                    }
                },
            }
        }
        (found, waits)
    }

    fn register_at_next(&mut self, settings: &Settings, now_ms: u64, index: usize, out: &mut Outbox) {
        let Some(one) = self.enrolments.list.get_mut(index) else { return };
        match one.targets.pop() {
            Some(at) => {
                one.at = Some(at);
                one.answered = false;
                self.send_register(settings, now_ms, index, out);
            }
            None => {
                self.enrolment_failed(settings, now_ms, index, (Setback::Failed, None), "no target answers")
            }
        }
    }

    fn send_register(&mut self, settings: &Settings, now_ms: u64, index: usize, out: &mut Outbox) {
        let Some(one) = self.enrolments.list.get_mut(index) else { return };
        let (Some(trunk), Some((flow, proves))) = (settings.routing.trunk(one.trunk), one.at.clone()) else {
            return;
        };
        let mut flow = Flow { connection: ConnectionId::NONE, ..flow };
        if let Some(domain) = proves.filter(|_| flow.transport.is_secure()) {
            flow.connection = out.toward(&domain);
        }
        let leg = Leg { trunk: number(one.trunk), errand: Errand::Register, ..Leg::default() };
        let downstream = Downstream::errand(flow, leg);
        let reliable = flow.transport.is_reliable();
        let Ok(client) = self.transactions.open_client(now_ms, false, reliable, downstream) else {
            return one.when.postpone(now_ms, NAME_AGAIN_MS);
        };
        one.under_way = true;
        one.cseq += 1;
        let start = out.begin();
        self.write_register(settings, (index, trunk, client), &flow, out.arena());
        let end = out.begin();
        self.transactions.set_request(client, out.bytes(start..end));
        out.send(start, flow, client.to_bits());
    }

    fn write_register(
        &mut self,
        settings: &Settings,
        (index, trunk, client): (usize, &Trunk, ClientId),
        flow: &Flow,
        out: &mut Vec<u8>,
    ) {
        let Some(local) = settings.identity.local(flow.listener) else { return };
        let (Some(one), Some(what)) = (self.enrolments.list.get_mut(index), &trunk.registers) else { return };
        let expires_s = if one.leaves { 0 } else { one.when.asks_s() };
        let rport = if flow.transport.is_reliable() { "" } else { ";rport" };
        let token = self.cookies.tag(TOKEN, trunk.name.as_bytes());
        let token = String::from_utf8_lossy(&token);
        let Registers { aor, user, registrar, .. } = what;
        let (via, us, call_id) = (flow.transport.via_token(), &local.sent_by, &one.call_id);
        let transport = flow.transport.uri_name();
        let head = format!("REGISTER {registrar} SIP/2.0\r\nVia: SIP/2.0/{via} {us}{rport};branch=");
        out.extend_from_slice(head.as_bytes());
        self.cookies.write_branch(Place { shard: self.shard, transaction: client.to_bits() }, 0, out);
        let rest = format!(
            "\r\nMax-Forwards: 70\r\nFrom: <{aor}>;tag={call_id}\r\nTo: <{aor}>\r\nCall-ID: {call_id}@{us}\r\n\
             CSeq: {cseq} REGISTER\r\nContact: <sip:{user}@{us};transport={transport};ot={token}>;expires={expires_s}\r\n\
             Expires: {expires_s}\r\nAllow: {allow}\r\n",
            cseq = one.cseq,
            allow = crate::reply::ALLOW,
        );
        out.extend_from_slice(rest.as_bytes());
        if let (Some(proof), Some(login)) = (&mut one.proof, &trunk.login) {
            proof.count += 1;
            let cnonce = self.cookies.tag(&proof.nonce, &proof.count.to_le_bytes());
            let line = proof.line(registrar, login, &cnonce);
            out.extend_from_slice(line.as_bytes());
        }
        out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    }

    /// The answer to a REGISTER of ours.
    pub(crate) fn registrar_said(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (id, leg): (ClientId, Leg),
        message: &Message<'_>,
        out: &mut Outbox,
    ) {
        let status = message.status().unwrap_or(500);
        if self.transactions.response(now_ms, id, status) != ClientVerdict::Pass || status < 200 {
            return;
        }
        let index = self.enrolments.list.iter().position(|one| Some(one.trunk) == leg.trunk_index());
        let (Some(index), Some(one)) = (index, self.enrolments.of(leg)) else { return };
        one.under_way = false;
        let retry_after_s = message.seconds(Name::RetryAfter).ok().flatten();
        let told = format!("{status} {}", offhook_sip::reason_phrase(status));
        match status {
            200..=299 => self.enrolled(settings, now_ms, index, message),
            300..=302 => self.registrar_moved(settings, now_ms, index, (message, &told), out),
            401 | 407 => self.prove_to_registrar(settings, now_ms, index, message, out),
            423 => {
                let least_s = message.seconds(Name::MinExpires).ok().flatten().unwrap_or(0);
                if one.when.too_brief(least_s) {
                    return self.send_register(settings, now_ms, index, out);
                }
                self.enrolment_failed(settings, now_ms, index, (Setback::Refused, retry_after_s), &told);
            }
            408 | 480 | 500..=599 if !one.targets.is_empty() => {
                self.register_at_next(settings, now_ms, index, out);
            }
            408 | 480 | 500..=599 => {
                self.enrolment_failed(settings, now_ms, index, (Setback::Failed, retry_after_s), &told);
            }
            _ => self.enrolment_failed(settings, now_ms, index, (Setback::Refused, retry_after_s), &told),
        }
    }

    /// A REGISTER of ours was not answered, or could not be sent.
    pub(crate) fn registrar_silent(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (id, leg): (ClientId, Leg),
        why: &'static str,
        out: &mut Outbox,
    ) {
        let index = self.enrolments.list.iter().position(|one| Some(one.trunk) == leg.trunk_index());
        let (Some(index), Some(record)) = (index, self.transactions.client(id)) else { return };
        let hop = hop_of(&record.user.flow);
        self.take_for_dead(now_ms, hop, None, why);
        if let Some(one) = self.enrolments.list.get_mut(index).filter(|one| one.under_way) {
            one.under_way = false;
            self.register_at_next(settings, now_ms, index, out);
        }
    }

    /// RFC 3261 §10.2.4: how long it was granted stands beside our Contact.
    fn enrolled(&mut self, settings: &Settings, now_ms: u64, index: usize, message: &Message<'_>) {
        let Some(one) = self.enrolments.list.get_mut(index) else { return };
        let Some(trunk) = settings.routing.trunk(one.trunk) else { return };
        let aor = trunk.registers.as_ref().map_or("", |what| &what.aor);
        if one.leaves {
            one.when.left();
            let event = Event::TrunkLeft { trunk: &trunk.name, aor };
            return self.journal.note(now_ms, &event);
        }
        let token = self.cookies.tag(TOKEN, trunk.name.as_bytes());
        // More than was asked for is granted by nobody, and by a slip not for ever (§10.3 step 7).
        let asked_s = one.when.asks_s();
        let granted_s = granted_s(message, &token).map_or(asked_s, |granted_s| granted_s.min(asked_s));
        if granted_s == 0 {
            let why = "it has granted no time";
            return self.enrolment_failed(settings, now_ms, index, (Setback::Refused, None), why);
        }
        let dice = self.cookies.loop_mark(&[trunk.name.as_bytes(), &now_ms.to_le_bytes()]);
        let mut route = Vec::new();
        for value in message.values(Name::ServiceRoute) {
            route.extend_from_slice(if route.is_empty() { b"" } else { b", " });
            route.extend_from_slice(value);
        }
        route.truncate(if route.len() > SERVICE_ROUTE_BYTES_MAX { 0 } else { route.len() });
        settings.service_routes.keep(one.trunk, route);
        let next = message.lines_of(Name::AuthenticationInfo).map(|line| message.line_value(line));
        let next = next.filter_map(|value| next_nonce(value).ok().flatten()).next();
        let is_asked = |proof: &&mut Proof| proof.header == Name::Authorization;
        if let (Some(nonce), Some(proof)) = (next, one.proof.as_mut().filter(is_asked)) {
            proof.renew(nonce);
        }
        let news = one.when.accepted(now_ms, granted_s, dice);
        one.failure = None;
        if let (true, Some((flow, _))) = (news, &one.at) {
            let (trunk, target) = (&*trunk.name, flow.remote);
            self.journal.note(now_ms, &Event::TrunkRegistered { trunk, aor, target, expires_s: granted_s });
        }
    }

    fn prove_to_registrar(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        index: usize,
        message: &Message<'_>,
        out: &mut Outbox,
    ) {
        let Some(one) = self.enrolments.list.get_mut(index) else { return };
        let Some(trunk) = settings.routing.trunk(one.trunk) else { return };
        let (Some(login), Some((flow, _))) = (&trunk.login, &one.at) else { return };
        let (asks, header) = match message.status() {
            Some(401) => (Name::WwwAuthenticate, Name::Authorization),
            _ => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
        };
        let (name, target) = (&*trunk.name, flow.remote);
        let realm = login.realm.as_bytes();
        let challenges = message.lines_of(asks).map(|line| message.line_value(line));
        let Some(challenge) = best(challenges, realm) else {
            let (event, why) = unanswered((name, target), message, asks);
            self.journal.note(now_ms, &event);
            return self.enrolment_failed(settings, now_ms, index, (Setback::Refused, None), why);
        };
        let again =
            one.proof.as_ref().is_some_and(|proof| proof.header == header && proof.nonce == challenge.nonce);
        let refused = one.answered && (again || !challenge.stale);
        if refused || one.challenges >= CHALLENGES_MAX {
            let event = Event::TrunkRefused { trunk: name, user: login.user.as_bytes(), realm, target };
            self.journal.note(now_ms, &event);
            one.proof = None;
            let why = "it does not take the password";
            return self.enrolment_failed(settings, now_ms, index, (Setback::Refused, None), why);
        }
        one.challenges += 1;
        one.answered = true;
        one.proof = Some(Proof::of(&challenge, header));
        self.send_register(settings, now_ms, index, out);
    }

    fn enrolment_failed(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        index: usize,
        (how, retry_after_s): (Setback, Option<u32>),
        why: &str,
    ) {
        let Some(one) = self.enrolments.list.get_mut(index) else { return };
        let Some(trunk) = settings.routing.trunk(one.trunk) else { return };
        let dice = self.cookies.loop_mark(&[trunk.name.as_bytes(), &now_ms.to_le_bytes()]);
        let retry_s = one.when.failed(now_ms, how, retry_after_s, dice);
        one.failure = Some((why.to_owned(), now_ms));
        if one.leaves {
            one.when.left();
        }
        let aor = trunk.registers.as_ref().map_or("", |what| &what.aor);
        let event = Event::TrunkUnregistered { trunk: &trunk.name, aor, why, retry_s };
        self.journal.note(now_ms, &event);
    }

    /// The trunk that a request comes from, where more than its address says so: a certificate (RFC 5922 §7.3), or the
    /// token of our Contact and an address of the trunk.
    pub(crate) fn known_trunk(&self, settings: &Settings, from: &Flow, uri: &Uri<'_>) -> Option<usize> {
        let routing = &settings.routing;
        if !routing.has_proofs() {
            return None;
        }
        let domains = self.certified.domains(from.connection);
        if let Some(trunk) = routing.proved_by(domains) {
            return Some(trunk);
        }
        let token = uri.params().value(TOKEN)?;
        // The token last: it costs a hash.
        let is_meant = |trunk: &Trunk| {
            trunk.registers.is_some()
                && self.trunk_is_at(trunk, from.remote.ip())
                && token == self.cookies.tag(TOKEN, trunk.name.as_bytes())
        };
        routing.trunks().iter().position(is_meant)
    }
}

/// By TLS: what a target must prove to be, if the configuration says nothing else.
fn proves(written: Option<&str>, wanted: &Wanted) -> String {
    written.unwrap_or(wanted.host.as_str()).to_owned()
}

fn granted_s(message: &Message<'_>, token: &[u8]) -> Option<u32> {
    let said = message.contacts().filter_map(Result::ok).find_map(|contact| {
        let offhook_sip::Contact::Address { name_addr, expires_s, .. } = contact else { return None };
        let uri = name_addr.parsed_uri().ok()?;
        (uri.params().value(TOKEN) == Some(token)).then_some(expires_s).flatten()
    });
    said.or_else(|| message.seconds(Name::Expires).ok().flatten())
}
