//! Storage for records that come and go: found by slot number, told apart from their forerunners by a generation.
//!
//! It grows by whole chunks and never moves a record: doubling a vector of 200,000 records would stop the shard for the
//! time it takes to copy tens of megabytes. Chunks stay for the next burst.

use std::num::NonZeroU32;

/// Where a value is, and which of the values that were there in turn.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SlotId {
    /// The place.
    pub slot: u32,
    /// Counts the values this place has had.
    pub generation: NonZeroU32,
}

/// Records in slots, at most as many as promised at the start.
#[derive(Debug)]
pub struct Slab<T> {
    chunks: Vec<Box<[Slot<T>]>>,
    free: u32,
    len: u32,
    slots_max: u32,
}

#[derive(Debug)]
struct Slot<T> {
    generation: NonZeroU32,
    entry: Entry<T>,
}

#[derive(Debug)]
enum Entry<T> {
    Free { next: u32 },
    Used(T),
}

impl<T> Slab<T> {
    /// Slots allocated at a time: 1024 records of some 64 bytes are written in a few microseconds.
    pub const CHUNK_SLOTS: u32 = 1024;

    /// The most slots there can be: 2^29, so that a timer can keep a slot and its own kind in 32 bits.
    pub const SLOTS_MAX: u32 = 1 << 29;

    /// An empty slab for at most `slots_max` values. Nothing is allocated yet.
    pub fn new(slots_max: u32) -> Self {
        Self { chunks: Vec::new(), free: NONE, len: 0, slots_max: slots_max.min(Self::SLOTS_MAX) }
    }

    /// Stores a value, or gives it back when the slab is full.
    pub fn insert(&mut self, value: T) -> Result<SlotId, T> {
        if self.is_full() {
            return Err(value);
        }
        if self.free == NONE {
            self.grow();
        }
        let slot = self.free;
        let Some(place) = self.slot_mut(slot) else { return Err(value) };
        let Entry::Free { next } = place.entry else { return Err(value) };
        place.entry = Entry::Used(value);
        let id = SlotId { slot, generation: place.generation };
        self.free = next;
        self.len += 1;
        Ok(id)
    }

    /// Takes a value out; its slot may be used again under the next generation.
    pub fn remove(&mut self, id: SlotId) -> Option<T> {
        let next = self.free;
        let place = self.slot_mut(id.slot).filter(|place| place.generation == id.generation)?;
        if matches!(place.entry, Entry::Free { .. }) {
            return None;
        }
        let Entry::Used(value) = std::mem::replace(&mut place.entry, Entry::Free { next }) else {
            return None;
        };
        place.generation = place.generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        self.free = id.slot;
        self.len -= 1;
        Some(value)
    }

    /// The value, unless it is gone.
    pub fn get(&self, id: SlotId) -> Option<&T> {
        self.slot(id.slot).filter(|place| place.generation == id.generation)?.value()
    }

    /// The value, unless it is gone.
    pub fn get_mut(&mut self, id: SlotId) -> Option<&mut T> {
        match self.slot_mut(id.slot) {
            Some(Slot { generation, entry: Entry::Used(value) }) if *generation == id.generation => {
                Some(value)
            }
            _ => None,
        }
    }

    /// Whatever is in this slot now, with its identity.
    pub fn occupant(&self, slot: u32) -> Option<(SlotId, &T)> {
        let place = self.slot(slot)?;
        Some((SlotId { slot, generation: place.generation }, place.value()?))
    }

    /// How many slots there are, used or not.
    pub fn slots(&self) -> u32 {
        self.chunks.len() as u32 * Self::CHUNK_SLOTS
    }

    /// How many values are stored.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether nothing more can be stored.
    pub fn is_full(&self) -> bool {
        self.len >= self.slots_max
    }

    fn grow(&mut self) {
        let first = self.chunks.len() as u32 * Self::CHUNK_SLOTS;
        let last = first + Self::CHUNK_SLOTS - 1;
        let link = |slot| Entry::Free { next: if slot == last { NONE } else { slot + 1 } };
        let slots = (first..=last).map(|slot| Slot { generation: NonZeroU32::MIN, entry: link(slot) });
        self.chunks.push(slots.collect());
        self.free = first;
    }

    fn slot(&self, slot: u32) -> Option<&Slot<T>> {
        self.chunks.get((slot / Self::CHUNK_SLOTS) as usize)?.get((slot % Self::CHUNK_SLOTS) as usize)
    }

    fn slot_mut(&mut self, slot: u32) -> Option<&mut Slot<T>> {
        self.chunks.get_mut((slot / Self::CHUNK_SLOTS) as usize)?.get_mut((slot % Self::CHUNK_SLOTS) as usize)
    }
}

impl<T> Slot<T> {
    fn value(&self) -> Option<&T> {
        match &self.entry {
            Entry::Used(value) => Some(value),
            Entry::Free { .. } => None,
        }
    }
}

/// The end of the list of free slots.
const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reused_slot_does_not_answer_to_its_old_name() {
        let mut slab = Slab::new(10);
        let old = slab.insert("old").unwrap();
        assert_eq!(slab.remove(old), Some("old"));
        let new = slab.insert("new").unwrap();
        assert_eq!((new.slot, new != old), (old.slot, true));
        assert_eq!(slab.get(old), None);
        assert_eq!(slab.get_mut(old), None);
        assert_eq!(slab.remove(old), None);
        assert_eq!(slab.get(new), Some(&"new"));
        assert_eq!(slab.occupant(new.slot), Some((new, &"new")));
    }

    #[test]
    fn a_full_slab_gives_the_value_back() {
        let mut slab = Slab::new(2);
        let first = slab.insert(1).unwrap();
        slab.insert(2).unwrap();
        assert_eq!(slab.insert(3), Err(3));
        slab.remove(first);
        assert!(slab.insert(3).is_ok());
    }

    #[test]
    fn unknown_slots_are_empty() {
        let mut slab = Slab::<u8>::new(10);
        let id = SlotId { slot: u32::MAX, generation: NonZeroU32::MIN };
        assert_eq!(slab.get(id), None);
        assert_eq!(slab.remove(id), None);
        assert_eq!(slab.occupant(7), None);
    }

    #[test]
    fn the_free_list_costs_no_space_beside_a_boxed_value() {
        assert_eq!(size_of::<Entry<(Box<[u8]>, u64)>>(), size_of::<(Box<[u8]>, u64)>());
    }

    proptest! {
        /// Against a plain list of what should be there.
        #[test]
        fn it_stores_what_it_was_given(steps in prop::collection::vec((any::<bool>(), any::<u16>()), 0..3_000)) {
            let mut slab = Slab::new(2_000);
            let mut model: Vec<(SlotId, u16)> = Vec::new();
            for (insert, n) in steps {
                if insert || model.is_empty() {
                    model.push((slab.insert(n).unwrap(), n));
                } else {
                    let (id, value) = model.swap_remove(usize::from(n) % model.len());
                    prop_assert_eq!(slab.remove(id), Some(value));
                    prop_assert_eq!(slab.get(id), None);
                }
                prop_assert_eq!(slab.len(), model.len());
            }
            for (id, value) in model {
                prop_assert_eq!(slab.get(id), Some(&value));
            }
        }
    }
}
