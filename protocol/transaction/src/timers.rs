//! The timer queue of a shard. Nearly every SIP timer has one of a dozen fixed durations, so each of these has a lane: a
//! queue in which entries stand in the order of their times because they were put there in that order. Odd delays go
//! to a wheel.
//!
//! ```text
//!     0 ms        ▕▏
//!     500 ms      ▕▂▂▂▂▏            Timers A, E, G: mostly stale before they are due
//!     32 s        ▕▂▂▂▂▂▂▂▏         Timers B, F, H
//!     32 s + 64   ▕▂▂▂▂▂▂▂▂▂▂▂▂▏    Timers D, J, L, M: the multitude, woken in batches
//!     …             ▲ front: the earliest of the lane
//! ```
//!
//! Setting and firing are O(1); entries are never searched for or removed. Whoever owns a timer knows what time it
//! expects and ignores an entry that says another; [`TimerQueue::sweep`] lets it do so before the entry is due, so
//! that stale ones wake nobody.

use std::collections::VecDeque;

use crate::wheel::Wheel;

/// A time and whose it is: two words, which pass in registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// When it fires, in milliseconds of the caller's clock.
    pub at_ms: u64,
    /// Whose timer, and which of its timers. The queue does not look at it.
    pub owner: u64,
}

/// How far ahead a timer is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delay {
    /// Milliseconds from now.
    pub after_ms: u32,
    /// The time is rounded up to a multiple of this, so that many timers fire together. 1: not rounded.
    pub grain_ms: u32,
}

impl Delay {
    /// Exactly so many milliseconds.
    pub const fn exact(after_ms: u32) -> Self {
        Self { after_ms, grain_ms: 1 }
    }

    /// The time that lies this far after `now_ms`.
    pub fn due_ms(self, now_ms: u64) -> u64 {
        let at_ms = now_ms.saturating_add(u64::from(self.after_ms));
        at_ms.checked_next_multiple_of(u64::from(self.grain_ms.max(1))).unwrap_or(u64::MAX)
    }
}

/// What is to become of an entry that is not yet due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Its owner waits for it.
    Stay,
    /// Nobody waits for it.
    Drop,
    /// Its owner waits for a later time.
    Move(u64),
}

/// The queue.
#[derive(Debug)]
pub struct TimerQueue {
    delays: Vec<Delay>,
    /// The time of each lane's first entry, `u64::MAX` where there is none: one look instead of one per lane.
    fronts_ms: [u64; LANES_MAX],
    lanes: [VecDeque<Entry>; LANES_MAX],
    wheel: Wheel,
    now_ms: u64,
}

/// The most delays with a lane of their own: RFC 3261 needs about ten, the rest is for the user's.
pub const LANES_MAX: usize = 16;

impl TimerQueue {
    /// A queue with a lane for each of these delays; repeated ones and those beyond [`LANES_MAX`] are passed over.
    pub fn new(delays: impl IntoIterator<Item = Delay>) -> Self {
        let mut distinct: Vec<Delay> = Vec::with_capacity(LANES_MAX);
        for delay in delays {
            if !distinct.contains(&delay) && distinct.len() < LANES_MAX {
                distinct.push(delay);
            }
        }
        Self {
            delays: distinct,
            fronts_ms: [u64::MAX; LANES_MAX],
            lanes: [const { VecDeque::new() }; LANES_MAX],
            wheel: Wheel::new(),
            now_ms: 0,
        }
    }

    /// When a timer would fire that is set now. Should the clock step back, it stands still here.
    pub fn time_of(&mut self, now_ms: u64, delay: Delay) -> u64 {
        self.now_ms = self.now_ms.max(now_ms);
        delay.due_ms(self.now_ms)
    }

    /// Adds an entry that was timed by [`Self::time_of`] with this delay.
    pub fn push(&mut self, delay: Delay, entry: Entry) {
        let lane = self.delays.iter().position(|d| *d == delay);
        let Some((lane, front_ms)) =
            lane.and_then(|n| Some((self.lanes.get_mut(n)?, self.fronts_ms.get_mut(n)?)))
        else {
            return self.push_odd(entry);
        };
        match lane.back() {
            Some(last) if last.at_ms > entry.at_ms => self.push_odd(entry),
            Some(_) => lane.push_back(entry),
            None => {
                *front_ms = entry.at_ms;
                lane.push_back(entry);
            }
        }
    }

    /// Adds an entry for any time.
    pub fn push_odd(&mut self, entry: Entry) {
        self.wheel.insert(self.now_ms, entry);
    }

    /// The next entry whose time has come; earlier ones come first.
    pub fn pop_due(&mut self, now_ms: u64) -> Option<Entry> {
        self.now_ms = self.now_ms.max(now_ms);
        loop {
            let (lane, front_ms) = self.first_lane();
            let due_ms = self.wheel.next_ms().unwrap_or(u64::MAX);
            if front_ms.min(due_ms) > self.now_ms || front_ms.min(due_ms) == u64::MAX {
                return None;
            }
            if front_ms <= due_ms {
                return self.pop_lane(lane);
            }
            // The wheel may only have had entries to sort: then look again.
            if let Some(entry) = self.wheel.pop_due(due_ms) {
                return Some(entry);
            }
        }
    }

    /// When to call [`Self::pop_due`] again: not later than the first entry's time, seldom earlier.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let (_, front_ms) = self.first_lane();
        let next_ms = self.wheel.next_ms().unwrap_or(u64::MAX).min(front_ms);
        (next_ms != u64::MAX).then_some(next_ms)
    }

    /// Asks about the first entry of each lane, and on while it need not stay; about `budget` entries at most.
    pub fn sweep(&mut self, mut budget: usize, mut fate: impl FnMut(&Entry) -> Fate) {
        for number in 0..self.delays.len() {
            while let Some(front) = self.lanes.get(number).and_then(|lane| lane.front()) {
                let fate = fate(front);
                if fate == Fate::Stay || budget == 0 {
                    break;
                }
                budget -= 1;
                let entry = self.pop_lane(number);
                if let (Fate::Move(at_ms), Some(entry)) = (fate, entry) {
                    self.push_odd(Entry { at_ms, ..entry });
                }
            }
        }
    }

    /// How many entries there are, stale ones included.
    pub fn len(&self) -> usize {
        self.lanes.iter().map(VecDeque::len).sum::<usize>() + self.wheel.len()
    }

    /// Whether nothing will fire.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn first_lane(&self) -> (usize, u64) {
        let mut first = (0, u64::MAX);
        for (number, &front_ms) in self.fronts_ms.iter().enumerate() {
            if front_ms < first.1 {
                first = (number, front_ms);
            }
        }
        first
    }

    fn pop_lane(&mut self, number: usize) -> Option<Entry> {
        let lane = self.lanes.get_mut(number)?;
        let entry = lane.pop_front();
        *self.fronts_ms.get_mut(number)? = lane.front().map_or(u64::MAX, |front| front.at_ms);
        if lane.is_empty() && lane.capacity() > LANE_IDLE_ENTRIES_MAX {
            lane.shrink_to(LANE_IDLE_ENTRIES_MAX);
        }
        entry
    }
}

/// What an empty lane keeps allocated, 256 kB of entries: it covers the steps of usual load, and a burst is given back.
const LANE_IDLE_ENTRIES_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const LANES: [Delay; 3] = [Delay::exact(0), Delay::exact(500), Delay { after_ms: 500, grain_ms: 64 }];

    fn set(queue: &mut TimerQueue, now_ms: u64, delay: Delay, owner: u64) -> u64 {
        let at_ms = queue.time_of(now_ms, delay);
        queue.push(delay, Entry { at_ms, owner });
        at_ms
    }

    fn set_many(queue: &mut TimerQueue, owners: u64) {
        for owner in 0..owners {
            set(queue, 0, Delay::exact(500), owner);
        }
    }

    #[test]
    fn earlier_ones_come_first_whatever_their_lane() {
        let mut queue = TimerQueue::new(LANES);
        let delays =
            [Delay::exact(500), Delay::exact(7), Delay { after_ms: 500, grain_ms: 64 }, Delay::exact(0)];
        for (owner, delay) in (0..).zip(delays) {
            set(&mut queue, 1_000, delay, owner);
        }
        let owners: Vec<u64> = std::iter::from_fn(|| queue.pop_due(9_999)).map(|entry| entry.owner).collect();
        assert_eq!(owners, [3, 1, 0, 2]);
    }

    #[test]
    fn an_entry_out_of_order_is_not_late() {
        let mut queue = TimerQueue::new(LANES);
        set(&mut queue, 0, Delay::exact(500), 1);
        queue.push(Delay::exact(500), Entry { at_ms: 300, owner: 2 });
        assert_eq!(queue.pop_due(300), Some(Entry { at_ms: 300, owner: 2 }));
    }

    #[test]
    fn rounded_times_are_late_by_less_than_their_grain() {
        let delay = Delay { after_ms: 500, grain_ms: 64 };
        assert_eq!(
            [delay.due_ms(12), delay.due_ms(13), delay.due_ms(75), delay.due_ms(76)],
            [512, 576, 576, 576]
        );
        assert_eq!(Delay { after_ms: 1, grain_ms: 0 }.due_ms(u64::MAX), u64::MAX);
    }

    #[test]
    fn stale_entries_are_swept_and_wake_nobody() {
        let mut queue = TimerQueue::new(LANES);
        set_many(&mut queue, 10);
        queue.sweep(100, |entry| if entry.owner < 9 { Fate::Drop } else { Fate::Move(700) });
        assert_eq!((queue.len(), queue.next_deadline_ms()), (1, Some(700)));
    }

    #[test]
    fn sweeping_stops_at_its_budget() {
        let mut queue = TimerQueue::new(LANES);
        set_many(&mut queue, 10);
        queue.sweep(4, |_| Fate::Drop);
        assert_eq!(queue.len(), 6);
        queue.sweep(4, |_| Fate::Stay);
        assert_eq!(queue.len(), 6);
    }

    #[test]
    fn a_clock_that_steps_back_delays_nothing() {
        let mut queue = TimerQueue::new(LANES);
        set(&mut queue, 10_000, Delay::exact(500), 1);
        assert_eq!(set(&mut queue, 2_000, Delay::exact(500), 2), 10_500);
        assert_eq!(queue.next_deadline_ms(), Some(10_500));
    }

    #[test]
    fn a_burst_leaves_no_memory_behind() {
        let mut queue = TimerQueue::new(LANES);
        set_many(&mut queue, 100_000);
        while queue.pop_due(500).is_some() {}
        assert!(queue.lanes[1].capacity() <= 2 * LANE_IDLE_ENTRIES_MAX);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Set(Delay),
        Advance(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let odd = prop_oneof![0_u32..2_000, 0_u32..100_000_000].prop_map(Delay::exact);
        let delay = prop_oneof![prop::sample::select(&LANES), odd].prop_map(Step::Set);
        prop_oneof![delay, prop_oneof![0_u64..100, 0_u64..20_000_000].prop_map(Step::Advance)]
    }

    proptest! {
        /// Against an ordered set: everything fires, in order, neither early nor late.
        #[test]
        fn it_agrees_with_an_ordered_set(steps in prop::collection::vec(step(), 0..400)) {
            let (mut queue, mut model) = (TimerQueue::new(LANES), BTreeSet::new());
            let mut now_ms = 1_700_000_000_000;
            for (owner, step) in (0..).zip(steps) {
                match step {
                    Step::Set(delay) => drop(model.insert((set(&mut queue, now_ms, delay, owner), owner))),
                    Step::Advance(by_ms) => now_ms += by_ms,
                }
                let mut before_ms = 0;
                while let Some(fired) = queue.pop_due(now_ms) {
                    prop_assert!(fired.at_ms >= before_ms && fired.at_ms <= now_ms);
                    prop_assert!(model.remove(&(fired.at_ms, fired.owner)));
                    before_ms = fired.at_ms;
                }
                let first_ms = model.first().map(|&(at_ms, _)| at_ms);
                prop_assert!(first_ms.is_none_or(|at_ms| at_ms > now_ms), "nothing is late");
                let deadline_ms = queue.next_deadline_ms();
                prop_assert_eq!(deadline_ms.is_some(), first_ms.is_some());
                prop_assert!(deadline_ms <= first_ms && deadline_ms.is_none_or(|at_ms| at_ms > now_ms));
                prop_assert_eq!(queue.len(), model.len());
            }
        }
    }
}
