//! A new request: which of the things we can do with it, in the order of RFC 3261 §16.3 to §16.5.

use offhook_journal::{Event, EventKind};
use offhook_net::{Flow, Outbox};
use offhook_proxy::{Screened, screen};
use offhook_route::{Rule, Then};
use offhook_sip::{Hint, Malformed, Message, Method, Name, Refusal, Transport};
use offhook_transaction::{ServerKey, has_magic_cookie};

use crate::admission;
use crate::arrival::{Arrival, reply_address};
use crate::reply::ALLOW_HERE;
use crate::settings::Settings;
use crate::switchboard::Switchboard;
use crate::way::{self, Way};

/// How long a peer waits when there is too much to do.
const OVERLOAD_RETRY_AFTER_S: u32 = 2;

/// How long a peer waits for a server that is restarting.
const STOPPED_RETRY_AFTER_S: u32 = 5;

impl Switchboard {
    /// Handles a request from its arrival to the end of what this message makes us do.
    pub(crate) fn request(&mut self, arrival: &Arrival<'_, '_>, out: &mut Outbox) {
        let method = arrival.message.method().unwrap_or(Method::Other);
        let key = server_key(arrival);
        match method {
            Method::Ack => return self.ack(arrival, &key, out),
            Method::Cancel => return self.cancel(arrival, &key, out),
            _ => {}
        }
        if let Some(id) = self.transactions.find_server(&key) {
            // A retransmission: the last response goes again, if there is one (§17.2).
            if let Some(response) = self.transactions.request_again(arrival.now_ms, id) {
                out.push(response, arrival.reply_to, 0);
            }
            return;
        }
        if self.belongs_elsewhere(arrival, &key, out) {
            return;
        }
        if !self.is_let_in(arrival) {
            return self.turn_away(arrival, out);
        }
        match &screen(arrival.message, arrival.parts, &arrival.settings.identity, &self.cookies) {
            Ok(screened) if self.drain.is_asked() && screened.routed.in_dialog.is_none() => {
                let refusal =
                    Refusal::new(503).because("Shutting down").with(Hint::RetryAfter(STOPPED_RETRY_AFTER_S));
                self.refuse(arrival, refusal, out);
            }
            Ok(screened) => self.new_request(arrival, screened, &key, out),
            Err(refusal) => self.refuse(arrival, *refusal, out),
        }
    }

    fn new_request(
        &mut self,
        arrival: &Arrival<'_, '_>,
        screened: &Screened<'_, '_>,
        key: &ServerKey<'_>,
        out: &mut Outbox,
    ) {
        self.note_alias(arrival);
        let way = self.way_of(arrival, screened);
        match way {
            Way::Us => self.for_us(arrival, screened.method, out),
            Way::User { .. } if screened.method == Method::Register => self.register(arrival, out),
            Way::Rule(Rule { then: Then::Refuse(status), .. }, _) => {
                self.refuse(arrival, Refusal::new(*status), out);
            }
            Way::Rule(Rule { then: Then::Redirect(to), .. }, uri) => {
                self.redirect(arrival, screened, (&way, &uri, to), out);
            }
            // §16.3 step 2.
            Way::Uri(uri) if !uri.is_sip() => self.refuse(arrival, Refusal::new(416), out),
            _ => self.relay(arrival, screened, &way, key, out),
        }
    }

    /// Gives a request whose transaction another shard has opened to that shard. To be asked when there is none here.
    pub(crate) fn belongs_elsewhere(
        &self,
        arrival: &Arrival<'_, '_>,
        key: &ServerKey<'_>,
        out: &mut Outbox,
    ) -> bool {
        if !self.whereabouts.has_any() {
            return false;
        }
        let Some(lookup) = self.whereabouts.lookup(&self.hash_key, key) else { return false };
        match self.whereabouts.shard_of(&lookup) {
            Some(shard) if shard != self.shard => {
                out.hand_over(shard, arrival.from, arrival.message.bytes());
                true
            }
            _ => false,
        }
    }

    /// Whether there is room for this request. What belongs to work in progress always has it.
    fn is_let_in(&mut self, arrival: &Arrival<'_, '_>) -> bool {
        if admission::is_in_progress(arrival.message, arrival.parts) {
            self.admission.note_in_progress(arrival.now_ms, arrival.from.remote.ip());
            return true;
        }
        let siftable =
            arrival.from.transport == Transport::Udp && admission::is_siftable(arrival.message.method_text());
        self.admission.admits(arrival.now_ms, arrival.from.remote.ip(), siftable)
            || admission::is_emergency(arrival.message)
    }

    /// The cheapest answer there is: nothing has been looked up, nothing is remembered.
    fn turn_away(&mut self, arrival: &Arrival<'_, '_>, out: &mut Outbox) {
        self.journal.count(EventKind::RequestTurnedAway);
        self.admission.note_refused();
        if !self.may_answer(arrival.settings, arrival.now_ms, &arrival.from) {
            return;
        }
        let refusal = Refusal::new(503);
        // Who listens to our load knows better than to stay away altogether (RFC 7339 §5.10).
        let refusal = if arrival.tells_load() {
            refusal
        } else {
            refusal.with(Hint::RetryAfter(OVERLOAD_RETRY_AFTER_S))
        };
        let tag = self.stateless_tag(arrival.parts);
        let start = out.begin();
        refusal.write(arrival.message, &tag, arrival.answer_via, out.arena());
        self.send_answer(arrival, start, out);
    }

    pub(crate) fn way_of<'m, 'a>(
        &self,
        arrival: &Arrival<'m, 'a>,
        screened: &Screened<'_, 'a>,
    ) -> Way<'m, 'a> {
        let is_gone = |connection| self.closed.has(self.shard, connection);
        way::find(arrival, screened, is_gone, |uri| self.known_trunk(arrival.settings, &arrival.from, uri))
    }

    /// A request to the server itself.
    fn for_us(&mut self, arrival: &Arrival<'_, '_>, method: Method, out: &mut Outbox) {
        match method {
            Method::Register => self.register(arrival, out),
            Method::Options if self.is_scanner(arrival) => {}
            Method::Options => self.introduce(arrival, out),
            _ => self.refuse(arrival, Refusal::new(405).with(Hint::Allow(ALLOW_HERE)), out),
        }
    }

    /// A request with a fault is answered if there is enough left of it (§8.2.6.2).
    pub(crate) fn malformed(
        &mut self,
        settings: &Settings,
        (now_ms, from): (u64, Flow),
        message: &Message<'_>,
        fault: Malformed,
        out: &mut Outbox,
    ) {
        let via = message.top_via().ok().filter(|_| {
            // They go back as they stand, whether we understand them or not.
            let there = [Name::From, Name::CallId, Name::CSeq].iter().all(|name| message.has(*name));
            there && message.method() != Some(Method::Ack)
        });
        let reason = fault.to_string();
        let status = via.map(|_| fault.status());
        self.journal.note(now_ms, &Event::RequestMalformed { source: from.remote, status, reason: &reason });
        let Some(via) = via else { return };
        if !self.may_answer(settings, now_ms, &from) {
            return;
        }
        let from_tag = message.from().ok().and_then(|f| f.tag()).unwrap_or_default();
        let tag = self.cookies.tag(message.call_id().unwrap_or_default(), from_tag);
        let mut mended = Vec::new();
        via.write_mended(from.remote, &mut mended);
        let start = out.begin();
        Refusal::from(fault).write(message, &tag, Some(&mended), out.arena());
        let reply_to = Flow { remote: reply_address(&via, &from), ..from };
        self.send_no_more(settings, (now_ms, &from, message.whole().len()), (start, reply_to), out);
    }
}

/// What makes two requests the same transaction (§17.2.3).
fn server_key<'a>(arrival: &Arrival<'_, 'a>) -> ServerKey<'a> {
    let (message, parts) = (arrival.message, arrival.parts);
    let method = message.method_text();
    if has_magic_cookie(parts.branch) {
        return ServerKey::Rfc3261 { branch: parts.branch, sent_by: parts.via.sent_by_text, method };
    }
    ServerKey::Rfc2543 {
        request_uri: message.request_uri_text(),
        to_tag: parts.to_tag,
        from_tag: parts.from_tag,
        call_id: parts.call_id,
        cseq: parts.cseq.number,
        via: parts.via.text,
        method,
    }
}
