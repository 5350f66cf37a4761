//! Who lives: next hops that have failed, and targets that are asked before anybody calls (RFC 3261 §11, RFC 3263 §4.3).
//!
//! ```text
//!   silence, 503, no connection ──► dead ──any answer but 503──► alive; a 408 is no answer to who asks for that
//!                                     └── asked again and again until then
//! ```
//! Each shard knows its own. Of the targets of a group the first shard asks all, and the others soon know what it knows; in
//! between it is open what they do.

use std::collections::{BTreeMap, BTreeSet};

use super::packet::Packet;
use super::standing::{Asks, Life, Standing};
use super::transactions::Client;
use super::ways::{Hop, SILENCE_MS};
use super::{Group, Oracle};

/// What is dead is asked whether it lives so often, ms.
const PROBE_MS: u64 = 10_000;

/// No 503 keeps us away for longer, s.
const RETRY_AFTER_MAX_S: u64 = 300;

/// A shard looks so often who is to be asked, ms.
const LOOKS_MS: u64 = 1_000;

/// So long after the first shard all know what it knows: it tells when it looks, and they hear when they look, ms.
const TOLD_MS: u64 = 2 * LOOKS_MS;

/// Who failed so long ago and has not been called since may be forgotten, ms.
const FORGET_MS: u64 = 600_000;

/// Who leaves so many requests in a row unanswered gets no more but now and then (RFC 7339 §5.9).
const SILENCES_MAX: u32 = 3;

/// After so long it is tried with one, and then after twice as long each time, ms.
const TRY_MS: u64 = 10_000;
const TRY_MS_MAX: u64 = 60_000;

/// The shard that asks for all.
const FIRST: u8 = 0;

/// The others, as far as there are any.
const OTHERS: [u8; 3] = [1, 2, 3];

/// What all shards know.
#[derive(Default, Debug)]
pub(super) struct Health {
    standings: BTreeMap<(u8, Hop), Standing>,
    /// When each target of a group was asked last while it lived.
    asked: BTreeMap<Hop, u64>,
    /// Since when each of them lives or was asked.
    known: BTreeMap<Hop, u64>,
    /// Requests in a row that a next hop has left unanswered.
    silences: BTreeMap<(u8, Hop), u32>,
    /// Those that may have been the last of them sooner than it is known here.
    early: BTreeSet<(u8, Hop)>,
    /// When one that is left alone may be tried, and how long after the last time.
    tries: BTreeMap<(u8, Hop), (u64, u64)>,
}

/// A question of ours whether somebody lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Question {
    /// He has failed.
    Again,
    /// Nobody has called him yet: he has little time to answer.
    Beforehand,
}

impl<'a> Oracle<'a> {
    /// Whether a next hop is passed over by a shard, as long as another one lives.
    pub(super) fn life_of(&self, shard: u8, hop: Hop) -> Life {
        let Some(standing) = self.health.standings.get(&(shard, hop)) else { return Life::Alive };
        let life = standing.at(self.now_ms);
        let is_old = life == Life::Dead && self.now_ms >= standing.failed_ms + FORGET_MS;
        let is_kept = |shard: u8| {
            self.group_at(hop).is_some() && (shard == FIRST || self.life_of(FIRST, hop) == Life::Dead)
        };
        if is_old && !is_kept(shard) { Life::Unsure } else { life }
    }

    /// The group that this is a target of.
    fn group_at(&self, hop: Hop) -> Option<&'a Group> {
        let facts = self.facts;
        facts
            .neighbours
            .iter()
            .filter_map(|n| n.group.as_ref())
            .find(|group| group.weights.contains_key(&hop))
    }

    pub(super) fn note_dead(&mut self, client: usize, retry_after_s: Option<u64>) {
        let client = &self.clients[client];
        let (shard, hop) = (client.shard, client.hop());
        let wait_ms = retry_after_s.map_or(PROBE_MS, wait_ms);
        self.learns(shard, hop, Life::Dead);
        let now_ms = self.now_ms;
        if let Some(standing) = self.health.standings.get_mut(&(shard, hop)) {
            standing.failed_ms = now_ms;
            standing.asks_at(now_ms + wait_ms);
        }
    }

    /// Somebody has said something: anything but 503 is a sign of life; 408 to our own question is not. In the moment when its
    /// transaction ends it may be heard, or not any more.
    pub(super) fn note_alive(&mut self, client: usize, status: u16) {
        let client = &self.clients[client];
        let (shard, hop, is_heard) = (client.shard, client.hop(), client.lives_at(self.now_ms));
        let is_none = status == 503 || (status == 408 && client.question.is_some());
        if !is_none && is_heard {
            self.health.silences.remove(&(shard, hop));
            self.health.early.remove(&(shard, hop));
            self.health.tries.remove(&(shard, hop));
            self.learns(shard, hop, Life::Alive);
        } else if !is_none && self.life_of(shard, hop) == Life::Dead {
            self.learns(shard, hop, Life::Unsure);
        }
    }

    /// A request has ended without a word, at a next hop that may say when it has too much to do. What the first shard has told
    /// of it meanwhile is not known.
    pub(super) fn note_unanswered(&mut self, client: usize) {
        let Some((shard, hop)) = self.tells_its_load(client) else { return };
        self.clients[client].is_perhaps_silent = false;
        let count = self.health.silences.entry((shard, hop)).or_default();
        *count += 1;
        let count = *count;
        let is_known = shard == FIRST || self.group_at(hop).is_none();
        match count {
            ..SILENCES_MAX => self.may_be_the_last(shard, hop),
            _ if !is_known || self.health.early.contains(&(shard, hop)) => self.is_perhaps_dead(shard, hop),
            SILENCES_MAX => {
                self.health.tries.insert((shard, hop), (self.now_ms + TRY_MS, TRY_MS));
                self.note_dead(client, None);
            }
            _ => {}
        }
    }

    /// Like that, if others wait for their turn; if not, its end comes later.
    pub(super) fn is_perhaps_unanswered(&mut self, client: usize) {
        if let Some((shard, hop)) = self.tells_its_load(client) {
            self.may_be_the_last(shard, hop);
        }
    }

    /// With those that have perhaps ended without a word it may have been one too many.
    fn may_be_the_last(&mut self, shard: u8, hop: Hop) {
        let is_its =
            |client: &Client<'_>| client.shard == shard && client.is_perhaps_silent && client.hop() == hop;
        let open = self.asking.iter().filter(|&&client| is_its(&self.clients[client])).count();
        let sure = self.health.silences.get(&(shard, hop)).copied().unwrap_or_default();
        if open > 0 && sure as usize + open >= SILENCES_MAX as usize {
            self.health.early.insert((shard, hop));
            self.is_perhaps_dead(shard, hop);
        }
    }

    /// Which next hop a request of somebody's was sent to, if that one may say when it has too much to do (RFC 7339 §5.9).
    fn tells_its_load(&self, client: usize) -> Option<(u8, Hop)> {
        let c = &self.clients[client];
        let is_told = c.server.is_some() && c.request.via().contains(";oc");
        is_told.then(|| (c.shard, c.hop()))
    }

    /// A request has failed that had nowhere else to go. A target of a trunk is taken for dead if it went there as such, and not
    /// in a dialog.
    pub(super) fn fails_alone(&mut self, client: usize, retry_after_s: Option<u64>) {
        let (shard, hop) = (self.clients[client].shard, self.clients[client].hop());
        let mut trunks = self.facts.neighbours.iter().filter(|neighbour| !neighbour.trunk.is_empty());
        let is_ours = self.clients[client].server.is_none();
        if is_ours || !trunks.any(|trunk| trunk.places.contains(&hop.1)) {
            return;
        }
        self.is_perhaps_dead(shard, hop);
        let at_ms = self.now_ms + retry_after_s.map_or(PROBE_MS, wait_ms);
        if let Some(standing) = self.health.standings.get_mut(&(shard, hop)) {
            standing.may_ask_at(at_ms);
        }
    }

    /// So it may be asked whether it lives, too.
    pub(super) fn is_perhaps_dead(&mut self, shard: u8, hop: Hop) {
        self.learns(shard, hop, Life::Unsure);
        let at_ms = self.now_ms + PROBE_MS;
        if let Some(standing) = self.health.standings.get_mut(&(shard, hop)) {
            standing.may_ask_at(at_ms);
        }
    }

    /// Whether a next hop has left so many requests unanswered that it may be passed over.
    pub(super) fn is_silent(&self, shard: u8, hop: Hop) -> bool {
        let silences = self.health.silences.get(&(shard, hop));
        silences.is_some_and(|count| *count >= SILENCES_MAX) && self.life_of(shard, hop) != Life::Alive
    }

    /// A request is sent to a next hop: to one that is left alone only as a try, which gets rarer (RFC 7339 §5.9).
    pub(super) fn is_no_bother(&mut self, shard: u8, hop: Hop, request: &Packet<'a>) {
        let is_sure = self.life_of(shard, hop) == Life::Dead && request.method != "BYE";
        let now_ms = self.now_ms;
        let Some((try_ms, wait_ms)) = self.health.tries.get_mut(&(shard, hop)).filter(|_| is_sure) else {
            return;
        };
        let is_due = *try_ms <= now_ms;
        if is_due {
            *wait_ms = (*wait_ms * 2).min(TRY_MS_MAX);
            *try_ms = now_ms + *wait_ms;
        }
        self.expect(is_due, "RFC 7339 §5.9", format!("{hop:?} is not left alone"));
    }

    fn learns(&mut self, shard: u8, hop: Hop, life: Life) {
        let (now_ms, before) = (self.now_ms, self.life_of(shard, hop));
        let standing = self.health.standings.entry((shard, hop)).or_insert(Standing::new(now_ms));
        standing.learns(now_ms, life);
        if shard == FIRST && before != life && self.group_at(hop).is_some() {
            self.health.known.insert(hop, now_ms);
            self.others_will_know(hop, life);
        }
    }

    /// What the first shard knows of one target it tells with all that it knows of the others.
    fn others_will_know(&mut self, hop: Hop, life: Life) {
        let now_ms = self.now_ms;
        let is_dead = |&hop: &Hop| self.group_at(hop).is_some() && self.life_of(FIRST, hop) == Life::Dead;
        let of_first = self.health.standings.keys().filter(|(shard, other)| *shard == FIRST && *other != hop);
        let dead: Vec<Hop> = of_first.map(|(_, other)| *other).filter(is_dead).collect();
        for (hop, life) in dead.into_iter().map(|hop| (hop, Life::Dead)).chain([(hop, life)]) {
            for shard in OTHERS {
                let standing = self.health.standings.entry((shard, hop)).or_insert(Standing::new(now_ms));
                standing.will_be_told(now_ms, now_ms + TOLD_MS, life);
            }
        }
    }

    /// OPTIONS of our own: to who is dead, and no more often than it must be; and to the targets of a group.
    pub(super) fn question(&mut self, shard: u8, hop: Hop, request: &Packet<'a>) -> Option<Question> {
        if request.method != "OPTIONS" || request.values("Via").count() != 1 {
            return None;
        }
        let (now_ms, life) = (self.now_ms, self.life_of(shard, hop));
        let standing = self.health.standings.get_mut(&(shard, hop)).filter(|_| life != Life::Alive);
        if let Some(standing) = standing.filter(|standing| standing.may_ask(now_ms)) {
            standing.asks_at(now_ms + PROBE_MS);
            return Some(Question::Again);
        }
        let asked_ms = self.health.asked.get(&hop);
        let is_due = |group: &Group| asked_ms.is_none_or(|asked_ms| asked_ms + group.check_ms <= now_ms);
        if shard != FIRST || life == Life::Dead || !self.group_at(hop).is_some_and(is_due) {
            return None;
        }
        self.health.asked.insert(hop, now_ms);
        self.health.known.insert(hop, now_ms);
        Some(Question::Beforehand)
    }

    /// A question of ours was answered so, or not at all: nobody is there, or nobody who can say so.
    pub(super) fn question_ends(&mut self, client: usize, status: u16, response: Option<&Packet<'a>>) {
        let question = self.clients[client].question.filter(|_| matches!(status, 408 | 503));
        let retry_after_s = response.and_then(|response| response.value("Retry-After").parse::<u64>().ok());
        let c = &self.clients[client];
        let standing = self.health.standings.get_mut(&(c.shard, c.hop()));
        match (question, retry_after_s, standing) {
            (Some(Question::Beforehand), ..) => self.note_dead(client, retry_after_s),
            (Some(Question::Again), Some(retry_after_s), Some(standing)) => {
                standing.asks_at(self.now_ms + wait_ms(retry_after_s))
            }
            _ => {}
        }
    }

    /// How long a question waits for its answer.
    pub(super) fn patience_of(&self, question: Question) -> Option<u64> {
        (question == Question::Beforehand).then_some(self.now_ms + SILENCE_MS)
    }

    /// Who is dead is asked again and again, and the targets of groups all the time.
    pub(super) fn questions_are_asked(&mut self, shard: u8) {
        let now_ms = self.now_ms;
        let is_forgotten = |(&(of, hop), standing): (&(u8, Hop), &Standing)| {
            let asks = matches!(standing.asks, Asks::Must(at_ms) if at_ms + LOOKS_MS < now_ms);
            (of == shard && asks && self.life_of(of, hop) == Life::Dead).then_some(hop)
        };
        let forgotten: Vec<Hop> = self.health.standings.iter().filter_map(is_forgotten).collect();
        for hop in forgotten {
            self.expect(false, "§11", format!("nobody asks {hop:?} whether it lives again"));
            self.health.standings.remove(&(shard, hop));
        }
        if shard == FIRST {
            self.targets_are_asked();
        }
    }

    fn targets_are_asked(&mut self) {
        let facts = self.facts;
        for group in facts.neighbours.iter().filter_map(|neighbour| neighbour.group.as_ref()) {
            for &hop in group.weights.keys() {
                let known_ms = *self.health.known.entry(hop).or_insert(self.now_ms);
                let is_late = known_ms + group.check_ms + LOOKS_MS < self.now_ms;
                if is_late && self.life_of(FIRST, hop) == Life::Alive {
                    self.expect(false, "§11", format!("nobody asks {hop:?} whether it lives"));
                    self.health.known.insert(hop, self.now_ms);
                }
            }
        }
    }
}

fn wait_ms(retry_after_s: u64) -> u64 {
    retry_after_s.clamp(1, RETRY_AFTER_MAX_S) * 1000
}
