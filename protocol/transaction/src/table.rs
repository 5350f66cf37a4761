//! Which server transaction a request belongs to: hash tables of slot numbers.
//!
//! Strangers choose the keys, so they are hashed with a secret (SipHash), and on a hit the whole key is compared: two
//! transactions are never taken for one.
//!
//! ```text
//!     insert ──► │ newest, twice as large │  │ older │ ◄── only looked at and emptied, dropped when empty
//! ```
//!
//! A table that is full is not rehashed: at 200,000 entries that would stop the shard for milliseconds. A larger one is
//! put before it, and the old one empties within the minute or so that its transactions have to live.

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

use crate::key::EncodedKey;

pub(crate) struct ServerTable {
    /// The newest last. Each is larger than the one before, so there are at most about a dozen, and mostly one.
    tables: Vec<HashTable<u32>>,
    hasher: SipHasher13,
}

impl ServerTable {
    pub(crate) fn new(hash_key: &[u8; 16]) -> Self {
        Self {
            tables: vec![HashTable::with_capacity(FIRST_TABLE_SLOTS)],
            hasher: SipHasher13::new_with_key(hash_key),
        }
    }

    pub(crate) fn hash(&self, key: &EncodedKey) -> u32 {
        self.hasher.hash(key.without_to_tag()) as u32
    }

    pub(crate) fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.tables.iter().rev().find_map(|table| table.find(spread(hash), |&slot| is_it(slot)).copied())
    }

    /// Adds a slot that is not there. `hash_of` is for a table that grows, which these do not.
    pub(crate) fn insert(&mut self, hash: u32, slot: u32, hash_of: impl Fn(u32) -> u32) {
        if self.tables.last().is_none_or(|table| table.len() == table.capacity()) {
            let slots = self.tables.last().map_or(0, HashTable::len) * 2;
            self.tables.push(HashTable::with_capacity(slots.max(FIRST_TABLE_SLOTS)));
        }
        if let Some(newest) = self.tables.last_mut() {
            newest.insert_unique(spread(hash), slot, |&slot| spread(hash_of(slot)));
        }
    }

    pub(crate) fn remove(&mut self, hash: u32, slot: u32) {
        for number in (0..self.tables.len()).rev() {
            let Some(table) = self.tables.get_mut(number) else { return };
            if let Ok(entry) = table.find_entry(spread(hash), |&other| other == slot) {
                entry.remove();
                if table.is_empty() && number + 1 < self.tables.len() {
                    self.tables.remove(number);
                }
                return;
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.tables.iter().map(HashTable::len).sum()
    }
}

/// Slots of the first table, 160 kB: some hundred calls a second.
const FIRST_TABLE_SLOTS: usize = 28_672;

/// Records keep 32 bits of the hash; a table looks at the lowest and the highest of 64.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_of(slot: u32) -> u32 {
        slot.wrapping_mul(0x9e37_79b9)
    }

    #[test]
    fn every_slot_is_found_while_tables_come_and_go() {
        let mut table = ServerTable::new(&[0; 16]);
        let rounds = 300_000_u32;
        for slot in 0..rounds {
            table.insert(hash_of(slot), slot, |_| panic!("a table grew"));
        }
        assert!(table.tables.len() > 1);
        for slot in 0..rounds {
            assert_eq!(table.find(hash_of(slot), |other| other == slot), Some(slot));
            table.remove(hash_of(slot), slot);
            assert_eq!(table.find(hash_of(slot), |other| other == slot), None);
        }
        assert_eq!((table.len(), table.tables.len()), (0, 1), "the largest is kept");
    }

    #[test]
    fn a_table_in_steady_use_is_not_rehashed() {
        let mut table = ServerTable::new(&[0; 16]);
        for slot in 0..1_000_000_u32 {
            table.insert(hash_of(slot), slot, |_| panic!("a table grew"));
            if let Some(old) = slot.checked_sub(28_000) {
                table.remove(hash_of(old), old);
            }
        }
        assert_eq!(table.len(), 28_000);
        assert!(table.tables.len() <= 2);
    }
}
