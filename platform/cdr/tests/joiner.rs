//! What becomes of facts when there are too many of them: no call is lost, none is billed wrongly.

mod facts;

use facts::{answered, begun};
use offhook_cdr::{EndedBy, Fact, InDialog, Joiner, Outcome, Policy};

const POLICY: Policy = Policy { call_max_ms: 3_600_000, calls_max: 100 };

/// A joiner and the time of the next fact, ms.
struct World {
    joiner: Joiner,
    now_ms: u64,
}

impl World {
    fn new(policy: Policy) -> Self {
        Self { joiner: Joiner::new(policy), now_ms: 1_000 }
    }

    fn note(&mut self, fact: Fact<'_>) {
        let mut payload = Vec::new();
        self.now_ms += 1;
        fact.write(self.now_ms, &mut payload);
        assert!(self.joiner.take(1, 0, &payload));
    }

    /// An INVITE of the same caller by another branch.
    fn begun(&mut self, call_id: &str, leg: u64) {
        self.note(Fact::Begun(begun(call_id, leg)));
    }

    fn answered(&mut self, leg: u64) {
        self.note(Fact::Answered(answered(leg)));
    }

    fn refused(&mut self, leg: u64, status: u16) {
        self.note(Fact::Refused { leg, status, reason: b"" });
        self.note(Fact::Heard { leg });
    }

    fn ended(&mut self, call_id: &str) {
        let dialog = InDialog { call_id: call_id.as_bytes(), from_tag: b"a", to_tag: b"b" };
        self.note(Fact::Ended { dialog, status: 200, unheard: false });
    }

    /// Outcomes of the calls that are over, after all that may still be waited for.
    fn outcomes(&mut self) -> Vec<(Outcome, Option<EndedBy>)> {
        self.now_ms += POLICY.call_max_ms + 60_000;
        self.joiner.pass_time(self.now_ms);
        assert_eq!(self.joiner.open_calls(), 0);
        self.joiner.take_records().into_iter().map(|record| (record.outcome, record.ended_by)).collect()
    }
}

/// A proxy before us forks to more numbers than a call has room for, and the last one answers: that is billed.
#[test]
fn whoever_answers_of_many_branches_is_recorded() {
    for branches in [8, 9, 20] {
        let mut world = World::new(POLICY);
        (1..=branches).for_each(|leg| world.begun("c", leg));
        world.answered(branches);
        (1..branches).for_each(|leg| world.refused(leg, 487));
        world.ended("c");
        let answered = (Outcome::Answered, Some(EndedBy::Caller));
        assert!(world.outcomes().contains(&answered), "{branches} branches");
    }
}

/// RFC 3261 §15: the caller ends an early dialog by a BYE; without any word of his it was time that ended it (§16.8). One that
/// was answered in the same moment is over.
#[test]
fn a_bye_while_it_rings_is_the_callers_end() {
    let mut world = World::new(POLICY);
    (1..=3).for_each(|leg| world.begun(&leg.to_string(), leg));
    world.ended("1");
    world.refused(1, 487);
    world.refused(2, 487);
    world.ended("3");
    world.answered(3);
    let outcomes = world.outcomes();
    let expected =
        [(Outcome::Cancelled, None), (Outcome::NoAnswer, None), (Outcome::Answered, Some(EndedBy::Caller))];
    assert_eq!(outcomes, expected);
}

/// An INVITE that came again after each of many restarts is one call, and its last refusal counts.
#[test]
fn the_last_of_many_attempts_counts() {
    let mut world = World::new(POLICY);
    for leg in 1..=20 {
        world.begun("c", leg);
        if leg < 20 {
            world.note(Fact::Refused { leg, status: 0, reason: b"" });
        }
    }
    world.refused(20, 486);
    assert_eq!(world.outcomes(), [(Outcome::Busy, None)]);
}

/// A call that is pushed out while it rings was not answered.
#[test]
fn who_is_pushed_out_while_it_rings_was_not_answered() {
    let mut world = World::new(Policy { calls_max: 1, ..POLICY });
    world.begun("c", 1);
    world.begun("d", 2);
    world.refused(2, 486);
    assert_eq!(world.outcomes(), [(Outcome::Interrupted, None), (Outcome::Busy, None)]);
}

/// Its end could not be written down, the disk was full: it is over some day, and was not answered.
#[test]
fn whose_end_was_lost_was_not_answered() {
    let mut world = World::new(POLICY);
    world.begun("c", 1);
    assert_eq!(world.outcomes(), [(Outcome::Interrupted, None)]);
}
