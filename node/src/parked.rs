//! Requests that wait for a name.
//!
//! ```text
//!   next hop unknown ──► server transaction, 100 by its timer ──► Parked ──finding──► targets, copies
//!                          │ retransmissions are absorbed            │
//!                          │ CANCEL: 487                             └── patience over: 504
//!   ACK, stateless route ──► kept as it came ──finding──► handled as if it came now
//! ```
//! Nothing waits in the shard itself: what is parked is data, found again when the answer comes.

use std::collections::VecDeque;

use offhook_locate::{Finding, Wanted};
use offhook_net::{Flow, Outbox};
use offhook_sip::{Essentials, Hint, Message, Refusal, Reply};
use offhook_transaction::{ServerId, ServerVerdict};

use crate::admit::own_credentials;
use crate::arrival::Arrival;
use crate::context::Rest;
use crate::fate::Fate;
use crate::relay::Passage;
use crate::session_timer;
use crate::settings::Settings;
use crate::switchboard::Switchboard;
use crate::targets::Targets;

/// Requests with a transaction that may wait in one shard: a thousand calls a second and a name server that takes two
/// seconds.
const REQUESTS_MAX: usize = 2_048;

/// Messages without a transaction that may wait in one shard. Each holds a copy and nothing bounds its sender.
const LOOSE_MAX: usize = 256;

/// How often one request may wait anew: a search may lead to another name after its first finding is over.
const ROUNDS_MAX: u8 = 3;

/// What waits in one shard, in the order of its deadlines: all have the same patience.
#[derive(Default, Debug)]
pub(crate) struct Parked {
    requests: VecDeque<Waiting>,
    loose: VecDeque<Loose>,
    /// A loose message is being handled again: it is not parked a second time.
    again: bool,
}

#[derive(Debug)]
struct Waiting {
    server: ServerId,
    names: Vec<Wanted>,
    until_ms: u64,
    round: u8,
}

#[derive(Debug)]
struct Loose {
    from: Flow,
    message: Vec<u8>,
    names: Vec<Wanted>,
    until_ms: u64,
}

impl Parked {
    /// When the first of them loses patience.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        let first = self.requests.front().map(|waiting| waiting.until_ms);
        let loose = self.loose.front().map(|waiting| waiting.until_ms);
        [first, loose].into_iter().flatten().min()
    }

    /// Whether one more request may wait.
    pub(crate) fn has_room(&self) -> bool {
        self.requests.len() < REQUESTS_MAX
    }

    fn take_loose(&mut self, wanted: &Wanted) -> Vec<Loose> {
        take_where(&mut self.loose, |loose| is_ready(&mut loose.names, wanted))
    }

    fn take_requests(&mut self, wanted: &Wanted) -> Vec<Waiting> {
        take_where(&mut self.requests, |waiting| is_ready(&mut waiting.names, wanted))
    }
}

/// Takes a name off the list. Whether nothing is left to wait for.
fn is_ready(names: &mut Vec<Wanted>, wanted: &Wanted) -> bool {
    let before = names.len();
    names.retain(|name| name != wanted);
    names.is_empty() && before > 0
}

fn take_where<T>(list: &mut VecDeque<T>, mut ready: impl FnMut(&mut T) -> bool) -> Vec<T> {
    let mut taken = Vec::new();
    for _ in 0..list.len() {
        let Some(mut one) = list.pop_front() else { break };
        if ready(&mut one) {
            taken.push(one);
        } else {
            list.push_back(one);
        }
    }
    taken
}

impl Switchboard {
    /// Lets a request whose transaction is open wait for names.
    pub(crate) fn park(
        &mut self,
        arrival: &Arrival<'_, '_>,
        server: ServerId,
        names: Vec<Wanted>,
        round: u8,
    ) {
        let mut rest = Rest::of(arrival);
        rest.waits_for_name = true;
        self.with_upstream(server, |upstream| {
            upstream.rest.get_or_insert_with(|| Box::new(rest)).waits_for_name = true;
        });
        let until_ms = arrival.now_ms + arrival.settings.name_patience_ms;
        self.parked.requests.push_back(Waiting { server, names, until_ms, round });
    }

    /// Lets a message without a transaction wait. It is lost if too many do: its sender repeats it.
    pub(crate) fn park_loose(&mut self, arrival: &Arrival<'_, '_>, names: Vec<Wanted>) {
        let message = arrival.message.whole();
        let waits_already = self.parked.loose.iter().any(|loose| loose.message == message);
        if self.parked.again || waits_already || self.parked.loose.len() >= LOOSE_MAX {
            return;
        }
        let until_ms = arrival.now_ms + arrival.settings.name_patience_ms;
        self.parked.loose.push_back(Loose { from: arrival.from, message: message.to_vec(), names, until_ms });
    }

    /// A search has come back: whoever waited for it goes on.
    pub(crate) fn located(&mut self, settings: &Settings, now_ms: u64, finding: &Finding, out: &mut Outbox) {
        self.names.learn(now_ms, finding);
        for waiting in self.parked.take_requests(&finding.wanted) {
            self.resume(settings, now_ms, &waiting, out);
        }
        self.parked.again = true;
        for loose in self.parked.take_loose(&finding.wanted) {
            self.handle_again(settings, now_ms, &loose, out);
        }
        self.parked.again = false;
    }

    /// Ends the waiting of those whose patience is over: RFC 3261 §21.5.5.
    pub(crate) fn lose_patience(&mut self, settings: &Settings, now_ms: u64, out: &mut Outbox) {
        while self.parked.loose.front().is_some_and(|loose| loose.until_ms <= now_ms) {
            self.parked.loose.pop_front();
        }
        while self.parked.requests.front().is_some_and(|waiting| waiting.until_ms <= now_ms) {
            let Some(waiting) = self.parked.requests.pop_front() else { return };
            self.replay(settings, now_ms, waiting.server, |board, passage| {
                board.give_up_waiting(passage.arrival, waiting.server, out);
            });
        }
    }

    fn give_up_waiting(&mut self, arrival: &Arrival<'_, '_>, server: ServerId, out: &mut Outbox) {
        if self.is_parked(server) {
            let refusal = Refusal::new(504).because("The name servers do not answer");
            self.end_parked(arrival, server, refusal, out);
        }
    }

    /// Whether a request waits for a name.
    pub(crate) fn is_parked(&self, server: ServerId) -> bool {
        let upstream = self.transactions.server(server).map(|record| &record.user);
        upstream.is_some_and(|u| !u.answered && u.rest.as_ref().is_some_and(|rest| rest.waits_for_name))
    }

    /// §16.10: the caller has hung up while we looked for where to send his request.
    pub(crate) fn cancel_parked(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        server: ServerId,
        out: &mut Outbox,
    ) {
        self.replay(settings, now_ms, server, |board, passage| {
            board.end_parked(passage.arrival, server, Refusal::new(487), out);
        });
    }

    fn end_parked(
        &mut self,
        arrival: &Arrival<'_, '_>,
        server: ServerId,
        refusal: Refusal<'_>,
        out: &mut Outbox,
    ) {
        self.with_rest(server, |rest| rest.waits_for_name = false);
        self.answer_from_arrival(arrival, server, refusal, out);
    }

    /// §17.2.1: 100 for a request that has no copy yet.
    pub(crate) fn say_trying_parked(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        server: ServerId,
        out: &mut Outbox,
    ) {
        self.replay(settings, now_ms, server, |board, passage| {
            let start = out.begin();
            let arrival = passage.arrival;
            Reply::new(arrival.message, 100).top_via(arrival.mended_via).write(out.arena());
            board.stamp_load(now_ms, server, start, out);
            let end = out.begin();
            let verdict = board.transactions.respond(now_ms, server, 100, out.bytes(start..end));
            if verdict == ServerVerdict::Send {
                out.send(start, arrival.reply_to, 0);
            }
        });
    }

    fn resume(&mut self, settings: &Settings, now_ms: u64, waiting: &Waiting, out: &mut Outbox) {
        if !self.is_parked(waiting.server) {
            return;
        }
        self.replay(settings, now_ms, waiting.server, |board, passage| {
            let mut targets = std::mem::take(&mut board.targets);
            targets.clear();
            board.go_on_from_names(passage, waiting, &mut targets, out);
            board.targets = targets;
        });
    }

    fn go_on_from_names(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        waiting: &Waiting,
        targets: &mut Targets,
        out: &mut Outbox,
    ) {
        let (arrival, server) = (passage.arrival, waiting.server);
        // Who cannot be asked any more is not asked again: his credentials were looked at when the request came.
        match self.fate_of(passage, false, targets, out) {
            Fate::Refused(refusal) => self.end_parked(arrival, server, refusal, out),
            Fate::Redirected(contacts) => {
                let refusal = Refusal::new(302).with(Hint::Contact(&contacts));
                self.end_parked(arrival, server, refusal, out);
            }
            Fate::Kept => {
                self.with_rest(server, |rest| rest.waits_for_name = false);
                self.keep_at_once(arrival, server, out);
            }
            Fate::AskedAgain | Fate::Forwarded => self.go_on_to(passage, waiting, targets, out),
        }
    }

    fn go_on_to(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        waiting: &Waiting,
        targets: &mut Targets,
        out: &mut Outbox,
    ) {
        let (arrival, server) = (passage.arrival, waiting.server);
        let names = targets.take_names();
        if !names.is_empty() && waiting.round < ROUNDS_MAX {
            return self.park(arrival, server, names, waiting.round + 1);
        }
        if targets.list().is_empty() {
            return self.give_up_waiting(arrival, server, out);
        }
        self.with_rest(server, |rest| rest.waits_for_name = false);
        self.ring_first(passage, server, targets, out);
    }

    fn handle_again(&mut self, settings: &Settings, now_ms: u64, loose: &Loose, out: &mut Outbox) {
        let Ok(message) = Message::parse(&loose.message) else { return };
        let Ok(parts) = Essentials::of(&message) else { return };
        let mut via = Vec::new();
        let arrival = Arrival::new(settings, now_ms, loose.from, (&message, &parts), (None, &mut via));
        self.request(&arrival, out);
    }

    /// Takes up the request of a server transaction as it was received, while it is kept.
    pub(crate) fn replay<R>(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        server: ServerId,
        act: impl FnOnce(&mut Self, &Passage<'_, '_, '_>) -> R,
    ) -> Option<R> {
        let upstream = &self.transactions.server(server)?.user;
        let (rest, sender) = (upstream.rest.as_ref()?, upstream.sender);
        let (request, from, loop_mark) = (rest.request.clone(), rest.from, rest.redirected.loop_mark);
        let message = Message::parse(&request).ok()?;
        let parts = Essentials::of(&message).ok()?;
        let mut via = Vec::new();
        let arrival = Arrival::new(settings, now_ms, from, (&message, &parts), (None, &mut via));
        let mut screened = offhook_proxy::screen(&message, &parts, &settings.identity, &self.cookies).ok()?;
        screened.mark = loop_mark;
        let spent = own_credentials(&arrival);
        let way = self.way_of(&arrival, &screened);
        let demand = session_timer::demand(&arrival, &screened).unwrap_or_default();
        let passage = Passage { arrival: &arrival, screened: &screened, spent, sender, way: &way, demand };
        Some(act(self, &passage))
    }
}
