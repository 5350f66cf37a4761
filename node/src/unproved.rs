//! Answers to sources that have proved nothing. A datagram may carry anybody's address: what we send there must not be
//! worth sending us something.
//!
//! ```text
//!   by UDP, and nobody there has shown the right password lately:
//!     not more than so many answers a second to one source       beyond: silence
//!     not more than twice the bytes of the request               beyond: silence
//!     one answer for one request, never sent again by ourselves  (answers without a transaction)
//! ```
//! And requests that a broken phone repeats without pause: silence lets it wait for its own timers (RFC 3261 §17.1.2.2).

use std::hash::Hasher;

use offhook_journal::EventKind;
use offhook_net::{Flow, Outbox};
use offhook_sip::{Method, Transport};
use siphasher::sip::SipHasher13;

use crate::arrival::Arrival;
use crate::settings::Settings;
use crate::switchboard::Switchboard;

/// So many times the bytes of a request may leave for it.
const BYTES_FACTOR: usize = 2;

impl Settings {
    /// Whether what we send there may go to somebody who has asked for nothing.
    #[inline]
    fn doubts(&self, from: &Flow) -> bool {
        from.transport == Transport::Udp && self.counts(from.remote.ip())
    }
}

impl Switchboard {
    /// Whether a request without a transaction is answered at all.
    pub(crate) fn may_answer(&mut self, settings: &Settings, now_ms: u64, from: &Flow) -> bool {
        if !settings.doubts(from) {
            return true;
        }
        let ip = from.remote.ip();
        let may = self.guard.knows(now_ms, ip) || self.guard.may_answer(now_ms, ip);
        if !may {
            self.journal.count(EventKind::RequestUnanswered);
        }
        may
    }

    /// Sends the answer that stands in the arena from `start`, unless it is so much longer than its request that it would
    /// be worth asking for in somebody else's name.
    pub(crate) fn send_answer(&mut self, arrival: &Arrival<'_, '_>, start: usize, out: &mut Outbox) {
        self.tell_way_of(arrival, start, out);
        let asked = (arrival.now_ms, &arrival.from, arrival.message.whole().len());
        self.send_no_more(arrival.settings, asked, (start, arrival.reply_to), out);
    }

    /// Whether the answer that begins at `start` is longer than its sender is worth.
    pub(crate) fn is_too_much(&self, arrival: &Arrival<'_, '_>, start: usize, out: &mut Outbox) -> bool {
        let most = arrival.message.whole().len() * BYTES_FACTOR;
        out.begin() - start > most && self.is_stranger(arrival.settings, arrival.now_ms, &arrival.from)
    }

    /// The same where less is known of the request: when it came, how, and its length in bytes.
    pub(crate) fn send_no_more(
        &mut self,
        settings: &Settings,
        (now_ms, from, request_bytes): (u64, &Flow, usize),
        (start, reply_to): (usize, Flow),
        out: &mut Outbox,
    ) {
        let end = out.begin();
        if end - start > request_bytes * BYTES_FACTOR && self.is_stranger(settings, now_ms, from) {
            out.arena().truncate(start);
            return self.journal.count(EventKind::RequestUnanswered);
        }
        out.send(start, reply_to, 0);
    }

    /// Whether nobody has shown the right password from there, and the address may be forged.
    pub(crate) fn is_stranger(&self, settings: &Settings, now_ms: u64, from: &Flow) -> bool {
        settings.doubts(from) && !self.guard.knows(now_ms, from.remote.ip())
    }

    /// Whether the same is asked for again and again: a phone that has no rest. To be asked once for each request. `proved`:
    /// whether it has shown the right password. A datagram that has not may be anybody's: it is counted apart, and not at all
    /// where phones live that it could silence.
    pub(crate) fn repeats_itself(&mut self, arrival: &Arrival<'_, '_>, proved: bool) -> bool {
        let (now_ms, from) = (arrival.now_ms, &arrival.from);
        let is_weak = || from.transport == Transport::Udp && self.guard.knows(now_ms, from.remote.ip());
        if !arrival.settings.counts(from.remote.ip()) || !proved && is_weak() {
            return false;
        }
        let mut hasher = SipHasher13::new_with_key(&self.hash_key);
        hasher.write_u16(from.remote.port());
        hasher.write_u8(proved.into());
        hasher.write_u64(self.guard.number_of(from.remote.ip()));
        hasher.write(arrival.message.method_text());
        hasher.write(arrival.message.request_uri_text());
        hasher.write_u8(0);
        hasher.write(arrival.parts.from.uri);
        let allowed = self.guard.may_repeat(now_ms, hasher.finish());
        if !allowed {
            self.journal.count(EventKind::RequestUnanswered);
        }
        !allowed
    }

    /// Whether a request that begins a subscription or a publication repeats itself.
    pub(crate) fn subscribes_without_rest(&mut self, arrival: &Arrival<'_, '_>, proved: bool) -> bool {
        matches!(arrival.message.method(), Some(Method::Subscribe | Method::Publish))
            && arrival.parts.to_tag.is_empty()
            && self.repeats_itself(arrival, proved)
    }
}
