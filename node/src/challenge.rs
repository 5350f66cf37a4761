//! Challenges of trunks that we have credentials for: the request goes once more, with an answer (RFC 3261 §22.2, §22.3).
//!
//! ```text
//!   branch ──401, 407 of the trunk's realm──► the same request, a new branch, the next number, credentials ──► …
//!                 ├── of a foreign realm, or from another address ──► to the caller, as any answer
//!                 └── the same nonce again, or no `stale` ──► the trunk refuses us: 403 to the caller
//! ```
//! The credentials of a trunk are shown to its own addresses alone, and for its own realm. What is repeated is the copy that
//! was challenged: nothing of the request is looked at again.

use std::net::SocketAddr;

use offhook_digest::{Challenge, Credentials, Login, Request, answer, best};
use offhook_journal::Event;
use offhook_net::{Flow, Outbox};
use offhook_proxy::record_route::token_of_retry;
use offhook_proxy::{Place, renumber};
use offhook_sip::{Message, Method, Name, NameAddr, Splice};
use offhook_transaction::{ClientId, ClientVerdict, ServerId};

use crate::beyond::Leg;
use crate::context::{Cancel, Downstream};
use crate::settings::Settings;
use crate::switchboard::Switchboard;

/// A request that was challenged, and what it is answered with.
struct Retry<'r> {
    /// The copy that was sent.
    copy: &'r Message<'r>,
    /// The header that takes the credentials.
    header: Name,
    /// The credentials.
    credentials: String,
    /// The realm they are for.
    realm: &'r [u8],
    leg: Leg,
}

impl Switchboard {
    /// Repeats a challenged request with credentials. `false`: it is not for us to answer, was answered before, or there is
    /// no room.
    pub(crate) fn answer_challenge(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (id, from): (ClientId, &Flow),
        message: &Message<'_>,
        out: &mut Outbox,
    ) -> bool {
        let Some(record) = self.transactions.client(id) else { return false };
        let (leg, flow, server) = (record.user.leg, record.user.flow, record.user.server);
        if record.user.finished || record.state().is_answered() || record.user.cancel != Cancel::No {
            return false;
        }
        let bytes = record.request().to_vec();
        let (Some(server), Ok(copy)) = (server, Message::parse(&bytes)) else { return false };
        if !self.transactions.server(server).is_some_and(|upstream| upstream.user.fork.may_go_on()) {
            return false;
        }
        let Some(retry) = self.retry(settings, now_ms, (leg, &flow, from), (&copy, message)) else {
            return false;
        };
        let Some(new) = self.open_retry(now_ms, (server, id), retry.leg) else { return false };
        if self.transactions.response(now_ms, id, message.status().unwrap_or(401))
            == ClientVerdict::PassAndAck
        {
            self.send_ack(id, message, out);
        }
        self.send_retry(settings, now_ms, (server, id, new), &retry, out);
        true
    }

    /// What a challenge is answered with.
    fn retry<'r>(
        &mut self,
        settings: &'r Settings,
        now_ms: u64,
        (leg, flow, from): (Leg, &Flow, &Flow),
        (copy, message): (&'r Message<'r>, &Message<'_>),
    ) -> Option<Retry<'r>> {
        let trunk = settings.routing.trunk(leg.trunk_index()?)?;
        let login = trunk.login.as_ref()?;
        let realm = login.realm.as_bytes();
        let (asks, header) = match message.status()? {
            401 => (Name::WwwAuthenticate, Name::Authorization),
            _ => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
        };
        let challenges = message.lines_of(asks).map(|line| message.line_value(line));
        let Some(challenge) = best(challenges, realm) else {
            let (event, _) = unanswered((&trunk.name, flow.remote), message, asks);
            self.journal.note(now_ms, &event);
            return None;
        };
        // In a dialog it is the other side that says where requests go.
        let is_at = |ip| self.trunk_is_at(trunk, ip);
        let is_there = is_at(flow.remote.ip()) && is_at(from.remote.ip());
        let refused = leg.tries > 0 && is_refused(copy, header, &challenge);
        if !is_there || leg.tries >= renumber::TRY_MAX || refused {
            if leg.tries > 0 {
                let (name, user) = (&*trunk.name, login.user.as_bytes());
                let event = Event::TrunkRefused { trunk: name, user, realm, target: flow.remote };
                self.journal.note(now_ms, &event);
            }
            return None;
        }
        let cnonce = self.cookies.tag(challenge.nonce, copy.top_via().ok()?.branch());
        let login = Login { username: &login.user, password: login.password.reveal() };
        let request = Request {
            method: std::str::from_utf8(copy.method_text()).ok()?,
            uri: std::str::from_utf8(copy.request_uri_text()).ok()?,
            body: copy.body(),
        };
        let credentials = answer(&challenge, login, request, std::str::from_utf8(&cnonce).ok()?, 1);
        Some(Retry { copy, header, credentials, realm, leg: Leg { tries: leg.tries + 1, ..leg } })
    }

    fn send_retry(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (server, old, new): (ServerId, ClientId, ClientId),
        retry: &Retry<'_>,
        out: &mut Outbox,
    ) {
        let Some(flow) = self.transactions.client(new).map(|record| record.user.flow) else { return };
        let start = out.begin();
        self.write_retry(new, retry, out.arena());
        let end = out.begin();
        self.transactions.set_request(new, out.bytes(start..end));
        out.send(start, flow, new.to_bits());
        if matches!(retry.copy.method(), Some(Method::Invite | Method::Refer)) {
            self.note_repeated(now_ms, retry);
        }
        self.take_over(settings, now_ms, (server, old, new), retry.copy.method() == Some(Method::Invite));
    }

    fn open_retry(&mut self, now_ms: u64, (server, old): (ServerId, ClientId), leg: Leg) -> Option<ClientId> {
        let next = self.transactions.server(server)?.user.branches;
        let record = self.transactions.client(old)?;
        let (invite, reliable) =
            (matches!(record.state(), offhook_transaction::ClientState::Invite(_)), record.is_reliable());
        let Downstream { flow, device, to_phone, trunk, added, .. } = record.user;
        let downstream = Downstream {
            server: Some(server),
            flow,
            next,
            finished: false,
            cancel: Cancel::No,
            device,
            heard: false,
            in_turn: false,
            to_phone,
            trunk,
            leg,
            added,
        };
        self.transactions.open_client(now_ms, invite, reliable, downstream).ok()
    }

    /// The copy with another branch, another number and credentials. The Record-Route of ours tells which try it was.
    fn write_retry(&mut self, new: ClientId, retry: &Retry<'_>, out: &mut Vec<u8>) {
        let Retry { copy, header, credentials, realm, leg } = retry;
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut splice = Splice::new(copy, &mut scratch);
        if let Ok(via) = copy.top_via() {
            let mark = offhook_proxy::CookieKey::mark_of(via.branch()).unwrap_or(0);
            let place = Place { shard: self.shard, transaction: new.to_bits() };
            splice.replace(copy.range_of(via.branch()), |out| self.cookies.write_branch(place, mark, out));
        }
        if let (true, Ok(cseq)) = (leg.renumbered, copy.cseq()) {
            let number = renumber::outward(renumber::inward(cseq.number), leg.tries);
            splice.set(Name::CSeq, |out| renumber::write_cseq(number, cseq.method, out));
            self.reseal(&mut splice, copy, leg.tries);
        }
        credentials_for(copy, *header, realm).for_each(|line| splice.remove(line));
        splice.push_back(*header, |out| out.extend_from_slice(credentials.as_bytes()));
        splice.write_to(out);
        self.scratch = scratch;
    }

    fn reseal(&self, splice: &mut Splice<'_, '_>, copy: &Message<'_>, tries: u8) {
        let Some(value) = copy.values(Name::RecordRoute).next().and_then(NameAddr::parse) else { return };
        let (Ok(uri), Ok(call_id)) = (value.parsed_uri(), copy.call_id()) else { return };
        let tag = copy.from().ok().and_then(|from| from.tag()).unwrap_or_default();
        let Some(old) = uri.params().value(b"oh") else { return };
        if let Some(token) = token_of_retry(&self.cookies, &uri, (call_id, tag), tries) {
            splice.replace(copy.range_of(old), |out| out.extend_from_slice(&token));
        }
    }

    /// An INVITE or a REFER in a dialog: its ACK, or who asks for its subscription, must know which try it was.
    fn note_repeated(&mut self, now_ms: u64, retry: &Retry<'_>) {
        let (copy, leg) = (retry.copy, retry.leg);
        let (Ok(call_id), Ok(cseq), Ok(from)) = (copy.call_id(), copy.cseq(), copy.from()) else { return };
        let in_dialog = copy.to().is_ok_and(|to| to.tag().is_some());
        if leg.renumbered && in_dialog {
            let invite = (call_id, from.tag().unwrap_or_default(), renumber::inward(cseq.number));
            // As long as it may ring, and then be acknowledged.
            let for_ms = u64::from(self.transactions.timing().timeout_ms()) * 8;
            self.repeated.note(now_ms, for_ms, invite, leg.tries);
        }
    }
}

/// The realm that we answer on this leg.
pub(crate) fn own_realm(settings: &Settings, leg: Leg) -> Option<&[u8]> {
    let trunk = leg.trunk_index().and_then(|index| settings.routing.trunk(index))?;
    trunk.login.as_ref().map(|login| login.realm.as_bytes())
}

/// Takes from a copy what it has for its trunk alone: the number, and our credentials, which nobody else may see.
pub(crate) fn undo(splice: &mut Splice<'_, '_>, copy: &Message<'_>, (leg, settings): (Leg, &Settings)) {
    if let (Some(number), Ok(cseq)) = (leg.cseq_before(copy), copy.cseq()) {
        splice.set(Name::CSeq, |out| renumber::write_cseq(number, cseq.method, out));
    }
    if let Some(realm) = own_realm(settings, leg).filter(|_| leg.tries > 0) {
        for header in [Name::Authorization, Name::ProxyAuthorization] {
            credentials_for(copy, header, realm).for_each(|line| splice.remove(line));
        }
    }
}

/// The lines of a copy with credentials for this realm.
fn credentials_for<'c>(
    copy: &'c Message<'_>,
    header: Name,
    realm: &'c [u8],
) -> impl Iterator<Item = std::ops::Range<usize>> + 'c {
    let fits = move |line: &&offhook_sip::Line| {
        Credentials::parse(copy.line_value(line)).is_ok_and(|c| c.realm.eq_ignore_ascii_case(realm))
    };
    copy.lines_of(header).filter(fits).map(offhook_sip::Line::whole)
}

/// Whether the copy had our answer to such a challenge already, and another one would be no better: RFC 7616 §3.3 (`stale`).
fn is_refused(copy: &Message<'_>, header: Name, challenge: &Challenge<'_>) -> bool {
    copy.lines_of(header).any(|line| {
        Credentials::parse(copy.line_value(line)).is_ok_and(|said| {
            let same_realm = said.realm.eq_ignore_ascii_case(challenge.realm);
            same_realm && (!challenge.stale || said.nonce == challenge.nonce)
        })
    })
}

/// What a trunk asks for has no answer of ours. The administrator must know why: the event for the journal, and in short.
pub(crate) fn unanswered<'e>(
    (trunk, target): (&'e str, SocketAddr),
    message: &'e Message<'e>,
    asks: Name,
) -> (Event<'e>, &'static str) {
    let first = message.lines_of(asks).next().map(|line| message.line_value(line));
    match first.and_then(|value| Challenge::parse(value).ok()) {
        Some(Challenge { realm, .. }) => {
            (Event::TrunkForeign { trunk, realm, target }, "it asks for credentials of another realm")
        }
        None => (
            Event::TrunkUnanswerable { trunk, target },
            "it asks for credentials in a way that is not known here",
        ),
    }
}
