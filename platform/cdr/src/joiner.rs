//! Makes calls of facts: RFC 3261 §12 for what belongs to which dialog, §13 and §15 for where one begins and ends.
//!
//! ```text
//!                 Refused, lingers ──── Begun again ────┐
//!                    ▲                                  ▼
//!   Begun ──► no answer yet ── Answered (each phone) ──► in a call ── Ended, session timer, call_max_s ──► Record
//!                    └── Refused for good ──────────────────────────────────────────────────────────────► Record
//! ```
//! Facts of one transaction come in their order. An `Ended` from another shard may be read before the `Answered` it
//! belongs to: it waits a while for its call. The joiner is a value: no files, no clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use crate::by_trunk::ByTrunk;
use crate::call::{Call, EndedBy, session_end, tag_of};
use crate::fact::{Begun, Fact, InDialog, clip};
use crate::leg::{Leg, LegEnd, LegKey, Refusal};
use crate::open_calls::{Kept, TurnFrames};
use crate::record::{Entry, Record};

/// How long a BYE waits for its call: its cause was on disk before it, so the next look at all spools finds it.
const ORPHAN_MS: u64 = 5_000;

/// BYEs that may wait at a time. One more belongs to no call of ours, most likely.
const ORPHANS_MAX: usize = 10_000;

/// Calls of one Call-ID and one caller that are looked at, the latest first. Whoever dials more often in half a minute has
/// a record for each.
const SAME_MAX: usize = 16;

/// How calls end of which nothing more is heard.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// An answered call without BYE and without session timer ends after this, ms.
    pub call_max_ms: u64,
    /// Calls that are followed at a time. When there is one more, the oldest is recorded as it is, end unknown.
    pub calls_max: usize,
}

/// The open calls.
pub struct Joiner {
    policy: Policy,
    calls: BTreeMap<u64, Open>,
    next_id: u64,
    /// By a hash of Call-ID and the caller's tag.
    keys: BTreeSet<(u64, u64)>,
    legs: HashMap<LegKey, u64>,
    deadlines: BTreeSet<(u64, u64)>,
    orphans: VecDeque<Orphan>,
    orphans_changed: bool,
    over: Vec<Call>,
    by_trunk: ByTrunk,
    /// Calls that have changed since they were kept.
    dirty: Vec<u64>,
    /// Calls that are over and were kept.
    gone: Vec<u64>,
    /// Bytes of all calls that are kept.
    kept_bytes: u64,
    /// Facts that the spools could not keep.
    pub(crate) lost: u64,
    /// Calls recorded before their end because there were too many.
    pub(crate) cut_short: u64,
    hash: RandomState,
}

/// A call that is not over.
struct Open {
    call: Call,
    /// A hash of Call-ID and the caller's tag.
    key: u64,
    /// When it is to be looked at.
    deadline_ms: u64,
    /// By which trunk it is counted.
    trunk: u16,
    is_dirty: bool,
    /// Its bytes where open calls are kept, 0: it is not there.
    kept_bytes: u32,
}

/// A BYE whose call is not there yet.
struct Orphan {
    since_ms: u64,
    payload: Box<[u8]>,
}

/// What an INVITE is to the calls that are open.
enum Attempt {
    /// The first of its call.
    None,
    /// Nothing new.
    Same,
    /// The same one as another transaction.
    ComesAgain(u64),
    /// The next one of this call.
    GoesOn(u64),
}

impl Joiner {
    /// No call.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            calls: BTreeMap::new(),
            next_id: 1,
            keys: BTreeSet::new(),
            legs: HashMap::new(),
            deadlines: BTreeSet::new(),
            orphans: VecDeque::new(),
            orphans_changed: false,
            over: Vec::new(),
            by_trunk: ByTrunk::default(),
            dirty: Vec::new(),
            gone: Vec::new(),
            kept_bytes: 0,
            lost: 0,
            cut_short: 0,
            hash: RandomState::new(),
        }
    }

    /// Takes the next fact of a shard in this run. `false`: it makes no sense.
    pub fn take(&mut self, run: u32, shard: u16, payload: &[u8]) -> bool {
        let Some((at_ms, fact)) = Fact::read(payload) else { return false };
        match fact {
            Fact::Begun(begun) => self.begun(run, shard, at_ms, &begun, payload),
            Fact::Rang { leg } => self.change((run, shard, leg), |call, _| {
                call.rang_ms.get_or_insert(at_ms);
            }),
            Fact::Cancelled { leg, reason } => {
                self.change_leg((run, shard, leg), |leg| leg.cancel = Some(reason.into()));
            }
            Fact::Answered(answered) => self.change((run, shard, answered.leg), |call, key| {
                let is_new = call.answer(key, at_ms, &answered, payload);
                if is_new && call.begun().is_some_and(|begun| !begun.in_path) {
                    call.give_up();
                }
            }),
            Fact::Refused { leg, status, reason } => self.change_leg((run, shard, leg), |leg| {
                if leg.is_open() {
                    let refusal = Refusal { at_ms, status, reason: reason.into(), heard: false };
                    leg.end = Some(LegEnd::Refused(refusal));
                }
            }),
            Fact::Heard { leg } => self.change_leg((run, shard, leg), |leg| {
                if let Some(LegEnd::Refused(refusal)) = &mut leg.end {
                    refusal.heard = true;
                }
            }),
            Fact::Renewed { dialog, session_expires } => {
                self.in_dialog(&dialog, |call, tag, _| {
                    let Some(dialog) = call.dialog_mut(tag) else { return false };
                    dialog.session_ends_ms = session_end(at_ms, session_expires);
                    true
                });
            }
            Fact::Ended { status, unheard, .. } if !ends(status, unheard) => {}
            Fact::Ended { dialog, .. } => {
                if !self.ended(at_ms, &dialog) && self.orphans.len() < ORPHANS_MAX {
                    self.orphans.push_back(Orphan { since_ms: at_ms, payload: payload.into() });
                    self.orphans_changed = true;
                }
            }
            Fact::Lost { facts } => self.lost += facts,
        }
        true
    }

    /// Ends what has waited for too long. To be called after each look at all spools.
    pub fn pass_time(&mut self, now_ms: u64) {
        let waiting = self.orphans.len();
        for orphan in std::mem::take(&mut self.orphans) {
            let Some((at_ms, Fact::Ended { dialog, .. })) = Fact::read(&orphan.payload) else { continue };
            if !self.ended(at_ms, &dialog) && now_ms < orphan.since_ms.saturating_add(ORPHAN_MS) {
                self.orphans.push_back(orphan);
            }
        }
        self.orphans_changed |= self.orphans.len() != waiting;
        while let Some(&(_, id)) = self.deadlines.first().filter(|(at_ms, _)| *at_ms <= now_ms) {
            let policy = self.policy;
            self.change_by_id(id, |call| call.expire(now_ms, &policy));
            // What has no answer by now will not get one.
            if self.calls.get(&id).is_some_and(|open| open.deadline_ms <= now_ms) {
                self.finish(id);
            }
            debug_assert!(self.deadlines.first().is_none_or(|(_, first)| self.calls.contains_key(first)));
        }
    }

    /// All facts of runs before `run` have been read: whatever had no answer in them got none. Their callers may try
    /// again for a while.
    pub fn run_began(&mut self, run: u32, now_ms: u64) {
        let waits = |leg: &Leg| leg.key.0 < run && leg.is_open();
        let cut: Vec<u64> = self
            .calls
            .iter()
            .filter(|(_, open)| open.call.legs.iter().any(waits))
            .map(|(id, _)| *id)
            .collect();
        for id in cut {
            self.change_by_id(id, |call| {
                for leg in call.legs.iter_mut().filter(|leg| waits(leg)) {
                    let refusal = Refusal { at_ms: now_ms, status: 0, reason: Box::default(), heard: false };
                    leg.end = Some(LegEnd::Refused(refusal));
                }
            });
        }
    }

    /// Takes the records of calls that are over, numbered from 1 on.
    pub fn take_records(&mut self) -> Vec<Record> {
        let over = self.take_over();
        let records = (1..).zip(&over).filter_map(|(id, call)| Entry::of(id, call));
        records.map(Entry::into_record).collect()
    }

    /// Takes the calls that are over.
    pub(crate) fn take_over(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.over)
    }

    /// Writes what has changed since this was last asked. A call that came and went meanwhile leaves nothing.
    pub(crate) fn write_changes(&mut self, turn: &mut TurnFrames) {
        self.gone.drain(..).for_each(|id| turn.gone(id));
        for id in std::mem::take(&mut self.dirty) {
            let Some(open) = self.calls.get_mut(&id) else { continue };
            self.kept_bytes -= u64::from(open.kept_bytes);
            open.is_dirty = false;
            open.kept_bytes = turn.call(id, |out| open.call.encode(out)) as u32;
            self.kept_bytes += u64::from(open.kept_bytes);
        }
        if std::mem::take(&mut self.orphans_changed) {
            self.write_orphans(turn);
        }
    }

    /// Writes all there is.
    pub(crate) fn write_all(&self, turn: &mut TurnFrames) {
        for (id, open) in &self.calls {
            turn.call(*id, |out| open.call.encode(out));
        }
        self.write_orphans(turn);
    }

    fn write_orphans(&self, turn: &mut TurnFrames) {
        turn.orphans(self.orphans.iter().map(|orphan| &*orphan.payload));
    }

    /// A joiner that goes on where another stopped. What makes no sense is left out.
    pub(crate) fn restore(policy: Policy, kept: &Kept) -> Self {
        let mut joiner = Self { next_id: kept.next_call, ..Self::new(policy) };
        for (id, bytes) in &kept.calls {
            let Some(call) = Call::decode(bytes) else { continue };
            joiner.next_id = joiner.next_id.max(id + 1);
            joiner.kept_bytes += bytes.len() as u64;
            let trunk = call.begun().map_or(Box::default(), |begun| begun.trunk.into());
            joiner.insert(*id, call, bytes.len() as u32, &trunk);
        }
        for payload in &kept.orphans {
            let Some((since_ms, _)) = Fact::read(payload) else { continue };
            joiner.orphans.push_back(Orphan { since_ms, payload: payload.as_slice().into() });
        }
        joiner
    }

    /// What the next call gets.
    pub(crate) fn next_call(&self) -> u64 {
        self.next_id
    }

    /// Bytes of the open calls where they are kept.
    pub(crate) fn kept_bytes(&self) -> u64 {
        self.kept_bytes
    }

    /// Calls that are not over.
    pub fn open_calls(&self) -> usize {
        self.calls.len()
    }

    /// How many of them went out by each trunk.
    pub(crate) fn by_trunk(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.by_trunk.counts()
    }

    fn begun(&mut self, run: u32, shard: u16, at_ms: u64, begun: &Begun<'_>, payload: &[u8]) {
        let leg = Leg::new((run, shard, begun.leg), at_ms, begun);
        let (key, has_name) = (leg.key, leg.has_name());
        let id = match self.earlier_attempt(self.key(begun.call_id, begun.from_tag), begun) {
            Attempt::Same => return,
            Attempt::ComesAgain(id) => {
                let mut is_followed = false;
                self.change_by_id(id, |call| is_followed = call.comes_again(leg, payload));
                if !is_followed {
                    return;
                }
                id
            }
            Attempt::GoesOn(id) => {
                self.forget_legs(id);
                self.change_by_id(id, |call| call.try_again(leg, payload));
                if let Some(open) = self.calls.get_mut(&id) {
                    self.by_trunk.end(open.trunk);
                    open.trunk = self.by_trunk.begin(begun.trunk);
                }
                id
            }
            Attempt::None => {
                self.make_room();
                let id = self.next_id;
                self.next_id += 1;
                self.insert(id, Call::new(leg, at_ms, payload), 0, begun.trunk);
                self.note_dirty(id);
                id
            }
        };
        if has_name {
            self.legs.insert(key, id);
        }
    }

    fn earlier_attempt(&self, key: u64, begun: &Begun<'_>) -> Attempt {
        for id in self.ids(key) {
            let Some(call) = self.calls.get(&id).map(|open| &open.call) else { continue };
            let Some((cseq, call_id, from_tag)) = call.identity() else { continue };
            if call_id != begun.call_id || from_tag != begun.from_tag {
                continue;
            }
            if begun.cseq == cseq {
                let is_refused_so = |leg: &Leg| leg.refusal().is_some_and(|r| r.status == begun.refused);
                let is_same = begun.refused > 0 && call.legs.iter().any(is_refused_so);
                return if is_same { Attempt::Same } else { Attempt::ComesAgain(id) };
            }
            // Challenged, here or further on, and now with credentials.
            let challenged = call.refused().is_some_and(|(_, r)| matches!(r.status, 0 | 401 | 407));
            if challenged && begun.cseq > cseq {
                return Attempt::GoesOn(id);
            }
        }
        Attempt::None
    }

    /// RFC 3261 §15.1.1: the dialog that a BYE was about is over. `false`: there is no such dialog.
    fn ended(&mut self, at_ms: u64, dialog: &InDialog<'_>) -> bool {
        self.in_dialog(dialog, |call, tag, by| {
            let Some(dialog) = call.dialog_mut(tag) else { return false };
            dialog.end = Some((at_ms, by));
            true
        })
    }

    /// Looks for the dialog of an in-dialog request, which either side may have sent.
    fn in_dialog(
        &mut self,
        dialog: &InDialog<'_>,
        mut change: impl FnMut(&mut Call, &[u8], EndedBy) -> bool,
    ) -> bool {
        let (from, to) = (tag_of(dialog.from), tag_of(dialog.to));
        for (caller, callee, by) in [(from, to, EndedBy::Caller), (to, from, EndedBy::Callee)] {
            for id in self.ids(self.key(dialog.call_id, caller)) {
                let identity = self.calls.get(&id).and_then(|open| open.call.identity());
                if identity.is_none_or(|(_, call_id, tag)| call_id != dialog.call_id || tag != clip(caller)) {
                    continue;
                }
                let mut found = false;
                self.change_by_id(id, |call| found = change(call, callee, by));
                if found {
                    return true;
                }
            }
        }
        false
    }

    fn change(&mut self, leg: LegKey, change: impl FnOnce(&mut Call, LegKey)) {
        if let Some(&id) = self.legs.get(&leg) {
            self.change_by_id(id, |call| change(call, leg));
        }
    }

    fn change_leg(&mut self, leg: LegKey, change: impl FnOnce(&mut Leg)) {
        self.change(leg, |call, key| {
            if let Some(leg) = call.leg_mut(key) {
                change(leg);
            }
        });
    }

    fn change_by_id(&mut self, id: u64, change: impl FnOnce(&mut Call)) {
        let Some(open) = self.calls.get_mut(&id) else { return };
        change(&mut open.call);
        if open.call.is_over() {
            return self.finish(id);
        }
        let (before_ms, after_ms) = (open.deadline_ms, open.call.deadline_ms(&self.policy));
        if before_ms != after_ms {
            open.deadline_ms = after_ms;
            self.deadlines.remove(&(before_ms, id));
            self.deadlines.insert((after_ms, id));
        }
        self.note_dirty(id);
    }

    fn note_dirty(&mut self, id: u64) {
        if let Some(open) = self.calls.get_mut(&id)
            && !std::mem::replace(&mut open.is_dirty, true)
        {
            self.dirty.push(id);
        }
    }

    fn forget_legs(&mut self, id: u64) {
        if let Some(open) = self.calls.get(&id) {
            for leg in &open.call.legs {
                self.legs.remove(&leg.key);
            }
        }
    }

    /// The call is over: its record, and nothing else, is left of it.
    fn finish(&mut self, id: u64) {
        self.forget_legs(id);
        let Some(open) = self.calls.remove(&id) else { return };
        self.deadlines.remove(&(open.deadline_ms, id));
        self.keys.remove(&(open.key, id));
        self.by_trunk.end(open.trunk);
        if open.kept_bytes > 0 {
            self.kept_bytes -= u64::from(open.kept_bytes);
            self.gone.push(id);
        }
        self.over.push(open.call);
    }

    fn make_room(&mut self) {
        while self.calls.len() >= self.policy.calls_max.max(1) {
            let Some((&oldest, _)) = self.calls.first_key_value() else { return };
            self.cut_short += 1;
            self.change_by_id(oldest, Call::give_up);
            self.finish(oldest);
        }
    }

    fn insert(&mut self, id: u64, call: Call, kept_bytes: u32, trunk: &[u8]) {
        let key = call.identity().map_or(0, |(_, call_id, from_tag)| self.key(call_id, from_tag));
        self.keys.insert((key, id));
        for leg in call.legs.iter().filter(|leg| leg.has_name()) {
            self.legs.insert(leg.key, id);
        }
        let deadline_ms = call.deadline_ms(&self.policy);
        self.deadlines.insert((deadline_ms, id));
        let trunk = self.by_trunk.begin(trunk);
        self.calls.insert(id, Open { call, key, deadline_ms, trunk, is_dirty: false, kept_bytes });
    }

    fn key(&self, call_id: &[u8], caller_tag: &[u8]) -> u64 {
        self.hash.hash_one((clip(call_id), clip(caller_tag)))
    }

    fn ids(&self, key: u64) -> Vec<u64> {
        self.keys.range((key, 0)..=(key, u64::MAX)).rev().take(SAME_MAX).map(|(_, id)| *id).collect()
    }
}

/// RFC 3261 §15.1.1: a dialog is over when its BYE succeeds, when the other side does not know it, and when nothing is
/// heard of it. Any other refusal leaves it as it was.
const fn ends(status: u16, unheard: bool) -> bool {
    unheard || matches!(status, 200..=299 | 408 | 481)
}
