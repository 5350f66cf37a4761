//! The table of calls that are not over: found by their name, by the transactions of their INVITEs, by age, and by when they
//! are to be looked at.
//!
//! ```text
//!   name (hash of Call-ID) ──► latest call ──► the one before …
//!   transaction ─────────────────────────────► call            oldest ◄──► … ◄──► newest
//!   deadlines: one number beside each call, and one that none of them is before
//! ```
//! Nothing here is in the order of deadlines: most calls end long before theirs, and going through all the numbers when
//! one of them may be due costs less than keeping them in order for each call.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::call::Call;
use crate::leg::LegKey;
use crate::legs::Legs;

/// Calls of one name that are looked at, the latest first. Whoever dials more often in half a minute has a record for each.
const SAME_MAX: usize = 16;

/// A place without a call has this deadline, and the first one has no neighbour there.
const NEVER: u64 = u64::MAX;
const NOWHERE: Place = Place(u32::MAX);

/// Where a call is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place(pub(crate) u32);

/// A call that is not over.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) call: Box<Call>,
    /// Its number in the log of open calls.
    pub(crate) id: u64,
    /// A hash of Call-ID.
    pub(crate) name: u64,
    /// By which trunk it is counted.
    pub(crate) trunk: u16,
    /// Whether it has changed since it was kept.
    pub(crate) is_dirty: bool,
    /// Its bytes where open calls are kept, 0: it is not there.
    pub(crate) kept_bytes: u32,
    /// Its neighbours by age.
    age: Links,
    /// Its neighbours of the same name.
    same: Links,
}

#[derive(Clone, Copy, Debug)]
struct Links {
    older: Place,
    newer: Place,
}

const ALONE: Links = Links { older: NOWHERE, newer: NOWHERE };

/// Names are hashes already, with a key that nobody knows.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {}

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// The open calls.
#[derive(Default)]
pub(crate) struct Calls {
    places: Vec<Option<Open>>,
    free: Vec<Place>,
    /// By place.
    deadlines: Vec<u64>,
    /// No deadline is before this.
    earliest_ms: u64,
    /// The latest call of each name.
    names: HashMap<u64, Place, BuildHasherDefault<AsItIs>>,
    legs: Legs,
    ends: Option<(Place, Place)>,
}

impl Calls {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(crate) fn get(&self, place: Place) -> Option<&Open> {
        self.places.get(place.0 as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut Open> {
        self.places.get_mut(place.0 as usize)?.as_mut()
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, &Open)> {
        (0..).map(Place).zip(&self.places).filter_map(|(place, open)| Some((place, open.as_ref()?)))
    }

    /// Adds a call, the newest now.
    pub(crate) fn insert(&mut self, id: u64, name: u64, call: Box<Call>, deadline_ms: u64) -> Place {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.deadlines.push(NEVER);
            Place(self.places.len() as u32 - 1)
        });
        for leg in call.legs.iter().filter(|leg| leg.has_name()) {
            self.legs.insert(&leg.key, place);
        }
        let (older, oldest) = self.ends.map_or((NOWHERE, place), |(oldest, newest)| (newest, oldest));
        let same = self.names.insert(name, place).unwrap_or(NOWHERE);
        if let Some(older) = self.get_mut(older) {
            older.age.newer = place;
        }
        if let Some(same) = self.get_mut(same) {
            same.same.newer = place;
        }
        self.ends = Some((oldest, place));
        let (age, same) = (Links { older, ..ALONE }, Links { older: same, ..ALONE });
        self.places[place.0 as usize] =
            Some(Open { call, id, name, trunk: 0, is_dirty: false, kept_bytes: 0, age, same });
        self.set_deadline(place, deadline_ms);
        place
    }

    /// Takes a call away.
    pub(crate) fn remove(&mut self, place: Place) -> Option<Open> {
        let open = self.places.get_mut(place.0 as usize)?.take()?;
        self.deadlines[place.0 as usize] = NEVER;
        self.free.push(place);
        open.call.legs.iter().for_each(|leg| {
            self.legs.remove(&leg.key);
        });
        let Links { older, newer } = open.age;
        self.link(older, newer, |open| &mut open.age);
        self.ends = self.ends.and_then(|(oldest, newest)| match (oldest == place, newest == place) {
            (true, true) => None,
            (true, false) => Some((newer, newest)),
            (false, true) => Some((oldest, older)),
            (false, false) => Some((oldest, newest)),
        });
        let Links { older, newer } = open.same;
        self.link(older, newer, |open| &mut open.same);
        match (newer == NOWHERE, older == NOWHERE) {
            (true, true) => drop(self.names.remove(&open.name)),
            (true, false) => drop(self.names.insert(open.name, older)),
            (false, _) => {}
        }
        Some(open)
    }

    fn link(&mut self, older: Place, newer: Place, links: fn(&mut Open) -> &mut Links) {
        if let Some(open) = self.get_mut(older) {
            links(open).newer = newer;
        }
        if let Some(open) = self.get_mut(newer) {
            links(open).older = older;
        }
    }

    /// The one that began first.
    pub(crate) fn oldest(&self) -> Option<Place> {
        self.ends.map(|(oldest, _)| oldest)
    }

    /// Those of this name, the latest first.
    pub(crate) fn named(&self, name: u64) -> impl Iterator<Item = (Place, &Open)> {
        let mut next = self.names.get(&name).copied();
        let following = move || {
            let place = next?;
            let open = self.get(place)?;
            next = Some(open.same.older);
            Some((place, open))
        };
        std::iter::from_fn(following).take(SAME_MAX)
    }

    /// The one with this INVITE.
    pub(crate) fn of_leg(&self, leg: &LegKey) -> Option<Place> {
        self.legs.get(leg)
    }

    /// It has this INVITE, too, unless it is over by that.
    pub(crate) fn add_leg(&mut self, leg: LegKey, place: Place) {
        if self.get(place).is_some_and(|open| open.call.legs.iter().any(|its| its.key == leg)) {
            self.legs.insert(&leg, place);
        }
    }

    /// Nothing more is heard of this INVITE.
    pub(crate) fn forget_leg(&mut self, leg: &LegKey) {
        self.legs.remove(leg);
    }

    /// Its INVITEs until now are forgotten.
    pub(crate) fn forget_legs(&mut self, place: Place) {
        let Some(Some(open)) = self.places.get(place.0 as usize) else { return };
        for leg in &open.call.legs {
            self.legs.remove(&leg.key);
        }
    }

    /// It is to be looked at then.
    pub(crate) fn set_deadline(&mut self, place: Place, at_ms: u64) {
        if let Some(deadline_ms) = self.deadlines.get_mut(place.0 as usize) {
            *deadline_ms = at_ms;
            self.earliest_ms = self.earliest_ms.min(at_ms);
        }
    }

    /// When it is to be looked at.
    pub(crate) fn deadline_ms(&self, place: Place) -> u64 {
        self.deadlines.get(place.0 as usize).copied().unwrap_or(NEVER)
    }

    /// Those that are to be looked at by now, in the order of their deadlines.
    pub(crate) fn due(&mut self, now_ms: u64) -> Vec<Place> {
        if now_ms < self.earliest_ms {
            return Vec::new();
        }
        let is_due = |(_, at_ms): &(Place, u64)| *at_ms <= now_ms;
        let mut due: Vec<_> = (0..).map(Place).zip(self.deadlines.iter().copied()).filter(is_due).collect();
        due.sort_by_key(|(place, at_ms)| (*at_ms, self.get(*place).map(|open| open.id)));
        let later = self.deadlines.iter().filter(|at_ms| **at_ms > now_ms);
        self.earliest_ms = later.min().copied().unwrap_or(NEVER);
        due.into_iter().map(|(place, _)| place).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::leg::Leg;

    const NAMES: u64 = 3;

    fn call(leg: u64) -> Box<Call> {
        Call::new(Leg { key: (1, 0, leg), cancel: None, end: None }, 0, b"").into()
    }

    /// What a list of all calls would say: number, name, deadline, place.
    type Its = (u64, u64, u64, Place);

    fn check(calls: &Calls, list: &[Its]) {
        let id = |place: Place| calls.get(place).unwrap().id;
        assert_eq!(calls.len(), list.len());
        assert_eq!(calls.oldest().map(id), list.first().map(|(id, ..)| *id));
        for name in 0..NAMES {
            let named: Vec<u64> = calls.named(name).map(|(_, open)| open.id).collect();
            let its = list.iter().rev().filter(|(_, its, ..)| *its == name);
            assert_eq!(named, its.take(SAME_MAX).map(|(id, ..)| *id).collect::<Vec<_>>());
        }
        let mut all: Vec<u64> = calls.iter().map(|(_, open)| open.id).collect();
        all.sort_unstable();
        assert_eq!(all, list.iter().map(|(id, ..)| *id).collect::<Vec<_>>());
        assert!(list.iter().all(|(id, _, _, place)| calls.of_leg(&(1, 0, *id)) == Some(*place)));
    }

    proptest! {
        #[test]
        fn it_is_what_a_list_would_be(steps in prop::collection::vec((0u8..6, 0..NAMES, 0u64..100), 1..150)) {
            let (mut calls, mut list) = (Calls::default(), Vec::<Its>::new());
            for (id, (step, name, number)) in (1..).zip(steps) {
                let at = number as usize % list.len().max(1);
                match step {
                    0 if !list.is_empty() => {
                        let (id, _, _, place) = list.remove(at);
                        assert_eq!(calls.remove(place).map(|open| open.id), Some(id));
                        assert_eq!(calls.of_leg(&(1, 0, id)), None);
                        assert!(calls.remove(place).is_none());
                    }
                    1 if !list.is_empty() => {
                        calls.set_deadline(list[at].3, number);
                        list[at].2 = number;
                    }
                    2 => {
                        let mut due: Vec<_> = list.iter().filter(|its| its.2 <= number).collect();
                        due.sort_by_key(|(id, _, deadline_ms, _)| (*deadline_ms, *id));
                        let due: Vec<Place> = due.into_iter().map(|its| its.3).collect();
                        assert_eq!(calls.due(number), due);
                        // Whoever asks sees to them.
                        for place in due {
                            calls.set_deadline(place, 100);
                            list.iter_mut().filter(|its| its.3 == place).for_each(|its| its.2 = 100);
                        }
                    }
                    _ => list.push((id, name, number, calls.insert(id, name, call(id), number))),
                }
                check(&calls, &list);
            }
        }
    }
}
