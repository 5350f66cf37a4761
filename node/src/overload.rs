//! Overload control between neighbours, RFC 7339: where its parameters are written, read and obeyed. What they say is
//! decided in `restraint.rs` (we are the server) and `neighbours.rs` (we are the client).

use offhook_journal::{Event, EventKind};
use offhook_net::{Flow, Outbox};
use offhook_sip::{LossFeedback, Message, Method, Via};
use offhook_transaction::ServerId;

use crate::admission;
use crate::arrival::Arrival;
use crate::failover::Lost;
use crate::neighbours::{Category, Change};
use crate::servers::hop_of;
use crate::settings::Settings;
use crate::switchboard::Switchboard;
use crate::targets::Targets;

impl Switchboard {
    /// What the sender of a request is told, if it offers to listen (§5.1).
    #[inline]
    pub(crate) fn feedback_to(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        from: &Flow,
        via: &Via<'_>,
    ) -> Option<LossFeedback> {
        let listens = via.mentions_overload() && settings.overload_feedback && via.offers_loss_control();
        listens.then(|| self.admission.feedback(now_ms, from.remote.ip()))
    }

    /// Writes how much we can take into the top Via of a response that begins at `start`: as of now, not of when the
    /// request came (§5.2). Whatever stands there was written further down, and is not believed (§5.4).
    pub(crate) fn stamp_load(&mut self, now_ms: u64, server: ServerId, start: usize, out: &mut Outbox) {
        let Some(record) = self.transactions.server(server).filter(|record| record.user.tells_load) else {
            return;
        };
        let told = self.admission.feedback(now_ms, record.user.reply_to.remote.ip());
        let end = out.begin();
        let Ok(message) = Message::parse(out.bytes(start..end)) else { return };
        let Ok(via) = message.top_via() else { return };
        let place = message.range_of(via.text);
        let mut stamped = Vec::with_capacity(place.len() + LossFeedback::BYTES_MAX);
        via.write_without_overload(&mut stamped);
        told.write(&mut stamped);
        out.arena().splice(start + place.start..start + place.end, stamped);
    }

    /// Hears what a next hop says in our own Via (§5.4).
    #[inline]
    pub(crate) fn heed(&mut self, now_ms: u64, from: &Flow, via: &Via<'_>) {
        if !via.wishes_overload() {
            return;
        }
        if let Some(wish) = via.loss_feedback() {
            let change = self.neighbours.heard(now_ms, from.remote, wish);
            self.note_change(now_ms, from.remote, change);
        }
    }

    /// Takes away the paths that are silent (§5.9), and those to next hops that have asked for less and get no more just now
    /// (§5.5); the next path of a target is tried instead. If nothing is left: why.
    #[inline]
    pub(crate) fn holds_back(
        &mut self,
        arrival: &Arrival<'_, '_>,
        targets: &mut Targets,
    ) -> Option<&'static str> {
        if !targets.list().iter().any(|target| self.neighbours.knows(target.flow.remote)) {
            return None;
        }
        let category = category(arrival);
        if !self.health.is_empty() && !self.leaves_silent_alone(arrival, category, targets) {
            return Some("Next hop does not answer");
        }
        targets.retain_reached(|flow| self.may_go(arrival, flow.remote, category));
        targets.list().is_empty().then_some("Next hop overloaded")
    }

    /// Takes away the paths that lead to silent next hops; the others of a target are tried instead (RFC 3263 §4.3). Whether
    /// anything is left.
    fn leaves_silent_alone(
        &mut self,
        arrival: &Arrival<'_, '_>,
        category: Category,
        targets: &mut Targets,
    ) -> bool {
        let first = targets.list().first().map(|target| target.flow.remote);
        targets.retain_reached(|flow| !self.is_left_alone(arrival, flow, category));
        let is_reached = !targets.list().is_empty();
        if let Some(first) = first.filter(|_| !is_reached) {
            self.note_throttled(arrival, first);
        }
        is_reached
    }

    /// Whether this next hop is silent, and the request is none that tries it all the same: our policy is that of §5.10.1.
    fn is_left_alone(&mut self, arrival: &Arrival<'_, '_>, to: &Flow, category: Category) -> bool {
        let hop = hop_of(to);
        self.health.is_left_alone(hop)
            && category != Category::Vital
            && !admission::is_emergency(arrival.message)
            && !self.health.takes_a_try(arrival.now_ms, hop)
    }

    /// A next hop has left a request unanswered, or could not be reached.
    pub(crate) fn note_unanswered(&mut self, now_ms: u64, to: &Flow, lost: Lost) {
        let hop = hop_of(to);
        if self.neighbours.knows(to.remote) && self.health.note_unanswered(now_ms, hop) {
            self.take_for_dead(now_ms, hop, None, lost.name());
        }
    }

    fn may_go(
        &mut self,
        arrival: &Arrival<'_, '_>,
        neighbour: std::net::SocketAddr,
        category: Category,
    ) -> bool {
        let is_emergency = || admission::is_emergency(arrival.message);
        let (passes, change) = self.neighbours.lets_pass(arrival.now_ms, neighbour, category, is_emergency);
        self.note_change(arrival.now_ms, neighbour, change);
        if !passes {
            self.note_throttled(arrival, neighbour);
        }
        passes
    }

    fn note_throttled(&mut self, arrival: &Arrival<'_, '_>, neighbour: std::net::SocketAddr) {
        if self.journal.logs(EventKind::RequestThrottled) {
            let (method, source) = (arrival.message.method_text(), arrival.from.remote);
            self.journal.note(arrival.now_ms, &Event::RequestThrottled { neighbour, method, source });
        } else {
            self.journal.count(EventKind::RequestThrottled);
        }
    }

    fn note_change(&mut self, now_ms: u64, neighbour: std::net::SocketAddr, change: Option<Change>) {
        match change {
            None => {}
            Some(Change::Began(percent)) => {
                let percent = u32::from(percent);
                self.journal.note(now_ms, &Event::NextHopOverloaded { neighbour, percent });
            }
            Some(Change::Ended(throttled)) => {
                self.journal.note(now_ms, &Event::NextHopRecovered { neighbour, throttled });
            }
        }
    }
}

/// §5.10.1: our policy of what is held back first. Emergencies, which take longer to find, are known by who asks.
fn category(arrival: &Arrival<'_, '_>) -> Category {
    if matches!(arrival.message.method(), Some(Method::Ack | Method::Cancel | Method::Bye)) {
        Category::Vital
    } else if admission::is_in_progress(arrival.message, arrival.parts) {
        Category::InProgress
    } else {
        Category::New
    }
}
