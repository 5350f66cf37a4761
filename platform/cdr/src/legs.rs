//! Which call an INVITE belongs to. A transaction's number has its slot in the shard's table in its lower half, so it is
//! found where it lies: no search. A slot that is used again belongs to a later INVITE, and nothing is heard of the earlier
//! one any more.

use std::collections::HashMap;

use foldhash::fast::RandomState as Quick;

use crate::calls::Place;
use crate::leg::LegKey;
use crate::segments::SHARDS_MAX;

/// Slots of a shard that have a place of their own, 24 bytes each. Transactions beyond are searched for.
const SLOTS_MAX: usize = 1 << 18;

/// INVITEs and their calls.
#[derive(Default)]
pub(crate) struct Legs {
    /// Of each shard, by slot: run, number, and the call. Number 0: none.
    near: Vec<Vec<(u64, u32, Place)>>,
    far: HashMap<LegKey, Place, Quick>,
}

impl Legs {
    /// It is of this call.
    pub(crate) fn insert(&mut self, leg: &LegKey, place: Place) {
        let Some((shard, slot)) = near(leg) else {
            self.far.insert(*leg, place);
            return;
        };
        if self.near.len() <= shard {
            self.near.resize_with(shard + 1, Vec::new);
        }
        let slots = &mut self.near[shard];
        if slots.len() <= slot {
            slots.resize(slot + 1, (0, 0, place));
        }
        slots[slot] = (leg.2, leg.0, place);
    }

    /// The call it is of.
    pub(crate) fn get(&self, leg: &LegKey) -> Option<Place> {
        let Some((shard, slot)) = near(leg) else { return self.far.get(leg).copied() };
        let (number, run, place) = *self.near.get(shard)?.get(slot)?;
        ((number, run) == (leg.2, leg.0) && number > 0).then_some(place)
    }

    /// Nothing more is heard of it.
    pub(crate) fn remove(&mut self, leg: &LegKey) {
        let Some((shard, slot)) = near(leg) else {
            self.far.remove(leg);
            return;
        };
        let entry = self.near.get_mut(shard).and_then(|slots| slots.get_mut(slot));
        if let Some((number, run, _)) = entry
            && (*number, *run) == (leg.2, leg.0)
        {
            *number = 0;
        }
    }
}

fn near(&(_, shard, number): &LegKey) -> Option<(usize, usize)> {
    let (shard, slot) = (usize::from(shard), number as u32 as usize);
    (shard < SHARDS_MAX && slot < SLOTS_MAX).then_some((shard, slot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legs_are_found_wherever_their_slot_is() {
        let mut legs = Legs::default();
        let beyond = u64::from(u32::MAX);
        let keys = [(1, 0, 1 << 32 | 7), (1, 3, 1 << 32 | 7), (1, 0, beyond), (1, 9_999, 7), (2, 0, 9)];
        for (place, leg) in (0..).map(Place).zip(&keys) {
            legs.insert(leg, place);
        }
        for (place, leg) in (0..).map(Place).zip(&keys) {
            assert_eq!(legs.get(leg), Some(place));
            assert_eq!(legs.get(&(leg.0 + 1, leg.1, leg.2)), None, "of another run");
            legs.remove(leg);
            assert_eq!(legs.get(leg), None);
        }
    }

    #[test]
    fn a_slot_that_is_used_again_is_the_later_ones() {
        let (mut legs, first, second) = (Legs::default(), (1, 0, 1 << 32 | 7), (1, 0, 2 << 32 | 7));
        legs.insert(&first, Place(1));
        legs.insert(&second, Place(2));
        assert_eq!((legs.get(&first), legs.get(&second)), (None, Some(Place(2))));
        legs.remove(&first);
        assert_eq!(legs.get(&second), Some(Place(2)));
    }
}
