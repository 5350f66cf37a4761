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

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use crate::by_trunk::ByTrunk;
use crate::call::{Call, CallsOver, Dialog, EndedBy, session_end};
use crate::calls::{Calls, Open, Place};
use crate::fact::{ANSWERED, BEGUN, Fact, InDialog};
use crate::layout::{self, Opening, Reply};
use crate::leg::{Leg, LegEnd, LegKey, Refusal};
use crate::open_calls::{Kept, TurnFrames};
use crate::record::{Entry, Record};

/// Facts that a shard can have lost between two that it wrote; more is damage, and would not fit into the store's sum.
const LOST_MAX: u64 = u32::MAX as u64;

/// How long a BYE waits for its call: its cause was on disk before it, so the next look at all spools finds it.
const ORPHAN_MS: u64 = 5_000;

/// BYEs that may wait at a time. One more belongs to no call of ours, most likely.
const ORPHANS_MAX: usize = 10_000;

/// Bytes of all of them: they are written again whenever one comes or goes.
const ORPHANS_BYTES_MAX: usize = 1024 * 1024;

/// Calls whose memory is kept for others: those that end at a time, some 1,000 bytes each.
const SPARES_MAX: usize = 256;

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
    calls: Calls,
    next_id: u64,
    orphans: VecDeque<Orphan>,
    orphans_bytes: usize,
    orphans_changed: bool,
    over: CallsOver,
    /// Memory of calls that are over, for others.
    spares: CallsOver,
    by_trunk: ByTrunk,
    /// Calls that have changed since they were kept; some are over meanwhile.
    dirty: Vec<Place>,
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
    ComesAgain(Place),
    /// The next one of this call.
    GoesOn(Place),
}

impl Joiner {
    /// No call.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            calls: Calls::default(),
            next_id: 1,
            orphans: VecDeque::new(),
            orphans_bytes: 0,
            orphans_changed: false,
            over: Vec::new(),
            spares: Vec::new(),
            by_trunk: ByTrunk::default(),
            dirty: Vec::new(),
            gone: Vec::new(),
            kept_bytes: 0,
            lost: 0,
            cut_short: 0,
            hash: RandomState::default(),
        }
    }

    /// Takes the next fact of a shard in this run. `false`: it makes no sense.
    pub fn take(&mut self, run: u32, shard: u16, payload: &[u8]) -> bool {
        match layout::head(payload) {
            Some((BEGUN, at_ms, _)) => {
                let Some((leg, opening)) = Opening::of_fact(payload) else { return false };
                let leg = Leg::new((run, shard, leg), at_ms, opening.refused);
                self.begun(leg, at_ms, &opening, payload);
            }
            Some((ANSWERED, at_ms, _)) => {
                let Some((leg, reply)) = Reply::of_fact(payload) else { return false };
                self.change((run, shard, leg), |call, key| {
                    let is_new = call.answer(key, at_ms, &reply, payload);
                    if is_new && !call.opening().is_none_or(|opening| opening.is_in_path()) {
                        call.give_up();
                    }
                });
            }
            _ => {
                let Some((at_ms, fact)) = Fact::read(payload) else { return false };
                self.take_small((run, shard), at_ms, &fact, payload);
            }
        }
        true
    }

    fn take_small(&mut self, (run, shard): (u32, u16), at_ms: u64, fact: &Fact<'_>, payload: &[u8]) {
        match *fact {
            Fact::Rang { leg } => self.rang((run, shard, leg), at_ms),
            Fact::Cancelled { leg, reason } => {
                self.change_leg((run, shard, leg), |leg| leg.cancel = Some(reason.into()));
            }
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
            Fact::ByTrunk { leg, trunk } => self.goes_by((run, shard, leg), trunk),
            Fact::Renewed { dialog, session_expires } => {
                self.in_dialog(&dialog, |dialog, _| {
                    dialog.session_ends_ms = session_end(at_ms, session_expires);
                });
            }
            Fact::Ended { dialog, status, unheard } => {
                if ends(status, unheard) && !self.ended(at_ms, &dialog) {
                    self.given_up(&dialog);
                    self.wait(at_ms, payload);
                }
            }
            Fact::Lost { facts } => self.lost = self.lost.saturating_add(facts.min(LOST_MAX)),
            // They have texts that most of it needs no reading of.
            Fact::Begun(_) | Fact::Answered(_) => {}
        }
    }

    /// Ends what has waited for too long. To be called after each look at all spools.
    pub fn pass_time(&mut self, now_ms: u64) {
        let waiting = self.orphans.len();
        self.orphans_bytes = 0;
        for orphan in std::mem::take(&mut self.orphans) {
            let Some((at_ms, Fact::Ended { dialog, .. })) = Fact::read(&orphan.payload) else { continue };
            if !self.ended(at_ms, &dialog) && now_ms < orphan.since_ms.saturating_add(ORPHAN_MS) {
                self.orphans_bytes += orphan.payload.len();
                self.orphans.push_back(orphan);
            }
        }
        self.orphans_changed |= self.orphans.len() != waiting;
        for place in self.calls.due(now_ms) {
            let policy = self.policy;
            self.change_at(place, |call| call.expire(now_ms, &policy));
            // What has no answer by now will not get one.
            if self.calls.deadline_ms(place) <= now_ms {
                self.finish(place);
            }
        }
    }

    /// All facts of runs before `run` have been read: whatever had no answer in them got none. Their callers may try
    /// again for a while.
    pub fn run_began(&mut self, run: u32, now_ms: u64) {
        let waits = |leg: &Leg| leg.key.0 < run && leg.is_open();
        let cut = self.calls.iter().filter(|(_, open)| open.call.legs.iter().any(waits));
        let mut cut: Vec<_> = cut.map(|(place, open)| (open.id, place)).collect();
        cut.sort_by_key(|(id, _)| *id);
        for (_, place) in cut {
            self.change_at(place, |call| {
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
        (1..).zip(&over).filter_map(|(id, call)| Some(Entry::of(id, call)?.into_record())).collect()
    }

    /// Takes the calls that are over.
    pub(crate) fn take_over(&mut self) -> CallsOver {
        std::mem::take(&mut self.over)
    }

    /// Has the memory of those that were taken back.
    pub(crate) fn take_back(&mut self, mut over: CallsOver) {
        let room = SPARES_MAX - self.spares.len();
        self.spares.extend(over.drain(..).filter(|call| call.is_small()).take(room));
        if self.over.is_empty() {
            self.over = over;
        }
    }

    /// Writes what has changed since this was last asked. A call that came and went meanwhile leaves nothing.
    pub(crate) fn write_changes(&mut self, turn: &mut TurnFrames) {
        self.gone.drain(..).for_each(|id| turn.gone(id));
        for place in self.dirty.drain(..) {
            let Some(open) = self.calls.get_mut(place).filter(|open| open.is_dirty) else { continue };
            self.kept_bytes -= u64::from(open.kept_bytes);
            open.is_dirty = false;
            open.kept_bytes = turn.call(open.id, |out| open.call.encode(out)) as u32;
            self.kept_bytes += u64::from(open.kept_bytes);
        }
        if std::mem::take(&mut self.orphans_changed) {
            self.write_orphans(turn);
        }
    }

    /// Writes all there is.
    pub(crate) fn write_all(&self, turn: &mut TurnFrames) {
        for (_, open) in self.calls.iter() {
            turn.call(open.id, |out| open.call.encode(out));
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
            let trunk: Box<[u8]> = call.opening().map_or(Box::default(), |opening| opening.trunk().into());
            let place = joiner.insert(*id, call.into());
            joiner.count_trunk(place, &trunk);
            if let Some(open) = joiner.calls.get_mut(place) {
                open.kept_bytes = bytes.len() as u32;
            }
        }
        for payload in &kept.orphans {
            let Some((since_ms, _)) = Fact::read(payload) else { continue };
            joiner.wait(since_ms, payload);
        }
        joiner
    }

    pub(crate) fn next_call(&self) -> u64 {
        self.next_id
    }

    /// Bytes of all that is kept.
    pub(crate) fn kept_bytes(&self) -> u64 {
        self.kept_bytes + self.orphans_bytes as u64
    }

    /// Calls that are not over.
    pub fn open_calls(&self) -> usize {
        self.calls.len()
    }

    /// How many of them went out by each trunk.
    pub(crate) fn by_trunk(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.by_trunk.counts()
    }

    fn begun(&mut self, leg: Leg, at_ms: u64, opening: &Opening<'_>, payload: &[u8]) {
        let (key, has_name) = (leg.key, leg.has_name());
        let name = self.name(opening.identity().0);
        match self.earlier_attempt(name, opening) {
            Attempt::Same => {}
            Attempt::ComesAgain(place) => {
                let mut gone = None;
                self.change_at(place, |call| gone = call.comes_again(leg, payload));
                if let Some(gone) = gone {
                    self.calls.forget_leg(&gone);
                }
                if has_name {
                    self.calls.add_leg(key, place);
                }
            }
            Attempt::GoesOn(place) => {
                self.calls.forget_legs(place);
                self.change_at(place, |call| call.try_again(leg, payload));
                self.count_trunk(place, opening.trunk());
                if has_name {
                    self.calls.add_leg(key, place);
                }
            }
            Attempt::None => {
                self.make_room();
                let id = self.next_id;
                self.next_id += 1;
                let call = self.new_call(leg, at_ms, payload);
                let deadline_ms = call.deadline_ms(&self.policy);
                let place = self.calls.insert(id, name, call, deadline_ms);
                self.count_trunk(place, opening.trunk());
                self.note_dirty(place);
            }
        }
    }

    fn new_call(&mut self, leg: Leg, at_ms: u64, payload: &[u8]) -> Box<Call> {
        let Some(mut call) = self.spares.pop() else { return Call::new(leg, at_ms, payload).into() };
        call.renew(leg, at_ms, payload);
        call
    }

    fn earlier_attempt(&self, name: u64, now: &Opening<'_>) -> Attempt {
        for (place, open) in self.calls.named(name) {
            let Some(before) = open.call.opening().filter(|its| its.identity() == now.identity()) else {
                continue;
            };
            let call = &open.call;
            if now.cseq == before.cseq {
                let is_refused_so = |leg: &Leg| leg.refusal().is_some_and(|r| r.status == now.refused);
                let is_same = now.refused > 0 && call.legs.iter().any(is_refused_so);
                return match is_same {
                    true => Attempt::Same,
                    false if call.has_room() => Attempt::ComesAgain(place),
                    false => Attempt::None,
                };
            }
            // Challenged, here or further on, and now with credentials.
            let challenged = call.refused().is_some_and(|(_, r)| matches!(r.status, 0 | 401 | 407));
            if challenged && now.cseq > before.cseq {
                return Attempt::GoesOn(place);
            }
        }
        Attempt::None
    }

    /// That it rings decides nothing.
    fn rang(&mut self, leg: LegKey, at_ms: u64) {
        let Some(place) = self.calls.of_leg(&leg) else { return };
        if let Some(open) = self.calls.get_mut(place) {
            open.call.rang_ms.get_or_insert(at_ms);
            self.note_dirty(place);
        }
    }

    fn goes_by(&mut self, leg: LegKey, trunk: &[u8]) {
        let Some(place) = self.calls.of_leg(&leg) else { return };
        self.count_trunk(place, trunk);
        self.change_at(place, |call| call.goes_by(trunk));
    }

    /// A BYE waits for its call.
    fn wait(&mut self, since_ms: u64, payload: &[u8]) {
        if self.orphans.len() < ORPHANS_MAX && self.orphans_bytes + payload.len() <= ORPHANS_BYTES_MAX {
            self.orphans.push_back(Orphan { since_ms, payload: payload.into() });
            self.orphans_bytes += payload.len();
            self.orphans_changed = true;
        }
    }

    /// RFC 3261 §15.1.1: the dialog that a BYE was about is over. `false`: there is no such dialog.
    fn ended(&mut self, at_ms: u64, dialog: &InDialog<'_>) -> bool {
        self.in_dialog(dialog, |dialog, by| dialog.end = Some((at_ms, by)))
    }

    /// RFC 3261 §15: a caller may end an early dialog by a BYE instead of a CANCEL. If somebody has answered after all, the
    /// BYE is about that.
    fn given_up(&mut self, dialog: &InDialog<'_>) {
        let its = |(place, open): (Place, &Open)| {
            let is_callers = open.call.identity() == (dialog.call_id, dialog.from_tag);
            (is_callers && open.call.is_open()).then_some(place)
        };
        let Some(place) = self.calls.named(self.name(dialog.call_id)).find_map(its) else { return };
        self.change_at(place, |call| {
            let open = call.legs.iter_mut().filter(|leg| leg.is_open());
            open.for_each(|leg| leg.cancel = Some(leg.cancel.take().unwrap_or_default()));
        });
    }

    /// Looks for the dialog of an in-dialog request, which either side may have sent.
    fn in_dialog(&mut self, dialog: &InDialog<'_>, change: impl FnOnce(&mut Dialog, EndedBy)) -> bool {
        let its = |(place, open): (Place, &Open)| Some((place, open.call.dialog_of(dialog)?));
        let found = self.calls.named(self.name(dialog.call_id)).find_map(its);
        let Some((place, (its, by))) = found else { return false };
        self.change_at(place, |call| {
            if let Some(dialog) = call.dialogs.get_mut(its) {
                change(dialog, by);
            }
        });
        true
    }

    fn change(&mut self, leg: LegKey, change: impl FnOnce(&mut Call, LegKey)) {
        if let Some(place) = self.calls.of_leg(&leg) {
            self.change_at(place, |call| change(call, leg));
        }
    }

    fn change_leg(&mut self, leg: LegKey, change: impl FnOnce(&mut Leg)) {
        self.change(leg, |call, key| {
            if let Some(leg) = call.leg_mut(key) {
                change(leg);
            }
        });
    }

    fn change_at(&mut self, place: Place, change: impl FnOnce(&mut Call)) {
        let Some(open) = self.calls.get_mut(place) else { return };
        change(&mut open.call);
        if open.call.is_over() {
            return self.finish(place);
        }
        let deadline_ms = open.call.deadline_ms(&self.policy);
        self.calls.set_deadline(place, deadline_ms);
        self.note_dirty(place);
    }

    fn count_trunk(&mut self, place: Place, trunk: &[u8]) {
        if let Some(open) = self.calls.get_mut(place) {
            self.by_trunk.end(open.trunk);
            open.trunk = self.by_trunk.begin(trunk);
        }
    }

    fn note_dirty(&mut self, place: Place) {
        if let Some(open) = self.calls.get_mut(place)
            && !std::mem::replace(&mut open.is_dirty, true)
        {
            self.dirty.push(place);
        }
    }

    /// The call is over: its record, and nothing else, is left of it.
    fn finish(&mut self, place: Place) {
        let Some(open) = self.calls.remove(place) else { return };
        self.by_trunk.end(open.trunk);
        if open.kept_bytes > 0 {
            self.kept_bytes -= u64::from(open.kept_bytes);
            self.gone.push(open.id);
        }
        self.over.push(open.call);
    }

    fn make_room(&mut self) {
        while self.calls.len() >= self.policy.calls_max.max(1) {
            let Some(oldest) = self.calls.oldest() else { return };
            self.cut_short += 1;
            self.change_at(oldest, Call::give_up);
            self.finish(oldest);
        }
    }

    fn insert(&mut self, id: u64, call: Box<Call>) -> Place {
        let name = self.name(call.identity().0);
        let deadline_ms = call.deadline_ms(&self.policy);
        self.calls.insert(id, name, call, deadline_ms)
    }

    /// What a call is found by. Seeded anew in each run, and whoever is found is looked at.
    fn name(&self, call_id: &[u8]) -> u64 {
        self.hash.hash_one(call_id)
    }
}

/// RFC 3261 §15.1.1: a dialog is over when its BYE succeeds, when the other side does not know it, and when nothing is
/// heard of it; and when a proxy behind us can bring it to nobody (RFC 5057 §5.1: a 480 ends the use of the dialog). Any other
/// refusal leaves it as it was.
const fn ends(status: u16, unheard: bool) -> bool {
    unheard || matches!(status, 200..=299 | 408 | 480 | 481)
}
