//! A hierarchical timing wheel for delays that no lane is kept for: user timers of odd length, moved deadlines.
//!
//! ```text
//!     level 3   64 slots of 262,144 ms   4.6 h          an entry sinks one level or more
//!     level 2   64 slots of   4,096 ms   4.4 min        each time the wheel reaches its slot
//!     level 1   64 slots of      64 ms   4.1 s
//!     level 0   64 slots of       1 ms   64 ms          and fires here
//! ```
//!
//! A slot is a linked list through one vector of nodes, so that insertion and firing are O(1) and nothing is allocated
//! once the vector has its size. Each slot knows its earliest entry: the wheel says exactly when it has work, and
//! needs no ticking in between. What lies beyond the last level waits in its farthest slot and is sorted anew there.

use crate::timers::Entry;

/// The wheel. Times are milliseconds on the caller's clock.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// How far the slots are sorted: entries are placed by how their time differs from this.
    reached_ms: u64,
    levels: [Level; LEVELS],
    nodes: Vec<Node>,
    free: u32,
    len: usize,
}

#[derive(Clone, Debug)]
struct Level {
    /// Bit n: slot n has entries.
    occupied: u64,
    heads: [u32; SLOTS],
    earliest_ms: [u64; SLOTS],
}

#[derive(Clone, Copy, Debug)]
struct Node {
    entry: Entry,
    next: u32,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        let level = Level { occupied: 0, heads: [NONE; SLOTS], earliest_ms: [u64::MAX; SLOTS] };
        Self {
            reached_ms: 0,
            levels: std::array::from_fn(|_| level.clone()),
            nodes: Vec::new(),
            free: NONE,
            len: 0,
        }
    }

    pub(crate) fn insert(&mut self, now_ms: u64, entry: Entry) {
        if self.len == 0 {
            self.reached_ms = self.reached_ms.max(now_ms);
        }
        self.len += 1;
        let node = match self.nodes.get_mut(self.free as usize) {
            Some(node) => {
                let index = self.free;
                self.free = node.next;
                node.entry = entry;
                index
            }
            None => {
                self.nodes.push(Node { entry, next: NONE });
                (self.nodes.len() - 1) as u32
            }
        };
        self.link(node);
    }

    /// The next entry whose time has come.
    pub(crate) fn pop_due(&mut self, now_ms: u64) -> Option<Entry> {
        loop {
            let (level, slot, earliest_ms) = self.first()?;
            if earliest_ms > now_ms {
                return None;
            }
            if level == 0 {
                return self.pop(slot);
            }
            self.sink(level, slot);
        }
    }

    /// When there is something to do: an entry to fire, or one beyond the last level to sort anew.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.first().map(|(_, _, earliest_ms)| earliest_ms)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The earliest slot with entries. Every entry of a level comes before those of the levels above.
    fn first(&self) -> Option<(usize, usize, u64)> {
        let (number, level) = self.levels.iter().enumerate().find(|(_, level)| level.occupied != 0)?;
        let current = (self.reached_ms >> shift(number)) as u32 % SLOTS as u32;
        let ahead = level.occupied.rotate_right(current).trailing_zeros();
        let slot = (current + ahead) as usize % SLOTS;
        Some((number, slot, *level.earliest_ms.get(slot)?))
    }

    fn link(&mut self, node: u32) {
        let Some(at_ms) = self.nodes.get(node as usize).map(|node| node.entry.at_ms) else { return };
        let (number, slot, due_ms) = self.place(at_ms.max(self.reached_ms));
        let Some(level) = self.levels.get_mut(number) else { return };
        let (Some(head), Some(earliest_ms), Some(node_at)) =
            (level.heads.get_mut(slot), level.earliest_ms.get_mut(slot), self.nodes.get_mut(node as usize))
        else {
            return;
        };
        node_at.next = *head;
        *head = node;
        *earliest_ms = due_ms.min(*earliest_ms);
        level.occupied |= 1 << slot;
    }

    /// Level and slot for a time that is not before `reached_ms`, and when that slot has to be looked at for it.
    fn place(&self, at_ms: u64) -> (usize, usize, u64) {
        for level in 0..LEVELS - 1 {
            if at_ms >> shift(level + 1) == self.reached_ms >> shift(level + 1) {
                return (level, (at_ms >> shift(level)) as usize % SLOTS, at_ms);
            }
        }
        let top = LEVELS - 1;
        let farthest = (self.reached_ms >> shift(top)) + SLOTS as u64 - 1;
        let turn = at_ms >> shift(top);
        if turn <= farthest {
            (top, turn as usize % SLOTS, at_ms)
        } else {
            (top, farthest as usize % SLOTS, farthest << shift(top))
        }
    }

    fn pop(&mut self, slot: usize) -> Option<Entry> {
        let level = self.levels.first_mut()?;
        let head = level.heads.get_mut(slot)?;
        let index = *head;
        let node = self.nodes.get_mut(index as usize)?;
        *head = node.next;
        if *head == NONE {
            level.occupied &= !(1 << slot);
            *level.earliest_ms.get_mut(slot)? = u64::MAX;
        }
        let entry = node.entry;
        node.next = self.free;
        self.free = index;
        self.len -= 1;
        if self.len == 0 && self.nodes.len() > IDLE_NODES_MAX {
            (self.nodes, self.free) = (Vec::new(), NONE);
        }
        Some(entry)
    }

    /// Moves the wheel to the beginning of this slot and its entries to lower levels.
    fn sink(&mut self, number: usize, slot: usize) {
        let turn = self.reached_ms >> shift(number);
        let ahead = (slot + SLOTS - turn as usize % SLOTS) % SLOTS;
        self.reached_ms = self.reached_ms.max((turn + ahead as u64) << shift(number));
        let Some(level) = self.levels.get_mut(number) else { return };
        let Some(head) = level.heads.get_mut(slot) else { return };
        let mut next = std::mem::replace(head, NONE);
        level.occupied &= !(1 << slot);
        if let Some(earliest_ms) = level.earliest_ms.get_mut(slot) {
            *earliest_ms = u64::MAX;
        }
        while let Some(node) = self.nodes.get(next as usize) {
            let index = std::mem::replace(&mut next, node.next);
            self.link(index);
        }
    }
}

const LEVELS: usize = 4;
const SLOTS: usize = 64;

/// What an empty wheel keeps allocated, 400 kB of nodes; a burst is given back.
const IDLE_NODES_MAX: usize = 16_384;

/// The end of a list.
const NONE: u32 = u32::MAX;

/// A slot of this level is 2^shift milliseconds long.
const fn shift(level: usize) -> u32 {
    level as u32 * SLOTS.trailing_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(at_ms: u64) -> Entry {
        Entry { at_ms, owner: at_ms }
    }

    /// Everything fires at its millisecond when the wheel is asked only at the times it names.
    fn check_fires_on_time(start_ms: u64, delays_ms: &[u64]) {
        let mut wheel = Wheel::new();
        let mut expected: Vec<u64> = delays_ms.iter().map(|delay| start_ms + delay).collect();
        expected.iter().for_each(|&at| wheel.insert(start_ms, entry(at)));
        expected.sort_unstable();
        let mut fired = Vec::new();
        while let Some(now_ms) = wheel.next_ms() {
            while let Some(entry) = wheel.pop_due(now_ms) {
                assert_eq!(entry.at_ms, now_ms);
                fired.push(entry.at_ms);
            }
        }
        assert_eq!(fired, expected);
        assert_eq!(wheel.len(), 0);
    }

    #[test]
    fn every_level_fires_on_time() {
        let delays =
            [0, 1, 63, 64, 65, 4_095, 4_096, 262_143, 262_144, 16_777_215, 16_777_216, 50_000_000_000];
        for start in [0, 1, 63, 64, (1 << 24) - 1, 1_700_000_000_123] {
            check_fires_on_time(start, &delays);
        }
    }

    #[test]
    fn it_has_work_only_when_something_fires() {
        let mut wheel = Wheel::new();
        wheel.insert(1_000, entry(901_234));
        assert_eq!(wheel.next_ms(), Some(901_234));
        assert_eq!(wheel.pop_due(901_233), None);
        assert_eq!(wheel.pop_due(901_234), Some(entry(901_234)));
        assert_eq!(wheel.next_ms(), None);
    }

    #[test]
    fn a_time_already_past_fires_at_once() {
        let mut wheel = Wheel::new();
        wheel.insert(1_000, entry(2_000));
        assert!(wheel.pop_due(2_000).is_some());
        wheel.insert(3_000, entry(4_000));
        wheel.insert(3_000, entry(10));
        assert_eq!(wheel.pop_due(3_000), Some(entry(10)));
        assert_eq!(wheel.pop_due(3_999), None);
    }

    #[test]
    fn nodes_are_used_again() {
        let mut wheel = Wheel::new();
        for now_ms in 0..10_000 {
            wheel.insert(now_ms, entry(now_ms + 7));
            wheel.insert(now_ms, entry(now_ms + 90));
            while wheel.pop_due(now_ms).is_some() {}
        }
        assert!(wheel.nodes.len() <= 100, "{}", wheel.nodes.len());
    }

    proptest! {
        #[test]
        fn any_delays_fire_on_time(
            start in 0_u64..1 << 41,
            delays in prop::collection::vec(prop_oneof![0_u64..200, 0_u64..300_000, 0_u64..1 << 33], 0..200),
        ) {
            check_fires_on_time(start, &delays);
        }
    }
}
