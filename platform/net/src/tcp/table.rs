//! Connections by name. A place that is used again has a new generation, so an old name never finds a new connection.

use crate::ConnectionId;

/// Boxed entries: the table grows without moving them, and an empty place costs 16 bytes.
pub(super) struct Table<T> {
    shard: u8,
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

struct Place<T> {
    generation: u32,
    entry: Option<Box<T>>,
}

impl<T> Table<T> {
    pub(super) fn new(shard: u8) -> Self {
        Self { shard, places: Vec::new(), free: Vec::new() }
    }

    /// Makes an entry that knows its name.
    pub(super) fn insert(&mut self, make: impl FnOnce(ConnectionId) -> T) -> ConnectionId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { generation: 1, entry: None });
            self.places.len() as u32 - 1
        });
        let place = &mut self.places[slot as usize];
        let id = ConnectionId::new(self.shard, slot, place.generation);
        place.entry = Some(Box::new(make(id)));
        id
    }

    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Box<T>> {
        let place = self.places.get_mut(id.slot()).filter(|p| p.generation == id.generation)?;
        let entry = place.entry.take()?;
        // 0 is the generation of no connection.
        place.generation = place.generation.checked_add(1).unwrap_or(1);
        self.free.push(id.slot() as u32);
        Some(entry)
    }

    pub(super) fn find(&self, id: ConnectionId) -> Option<&T> {
        self.places.get(id.slot()).filter(|p| p.generation == id.generation)?.entry.as_deref()
    }

    pub(super) fn find_mut(&mut self, id: ConnectionId) -> Option<&mut T> {
        self.places.get_mut(id.slot()).filter(|p| p.generation == id.generation)?.entry.as_deref_mut()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().filter_map(|place| place.entry.as_deref_mut())
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_name_finds_nobody() {
        let mut table = Table::new(3);
        let alice = table.insert(|_| "alice");
        assert_eq!((alice.shard(), alice.is_some(), table.len()), (3, true, 1));
        assert_eq!(table.remove(alice).as_deref(), Some(&"alice"));
        let bob = table.insert(|_| "bob");
        assert_eq!(alice.slot(), bob.slot());
        assert_eq!((table.find(alice), table.find(bob)), (None, Some(&"bob")));
        assert_eq!((table.remove(alice), table.len()), (None, 1));
    }

    #[test]
    fn no_connection_is_in_no_table() {
        let mut table = Table::new(0);
        assert_eq!(table.find(ConnectionId::NONE), None);
        table.insert(|_| ());
        assert_eq!(table.find(ConnectionId::NONE), None);
    }

    #[test]
    fn generations_begin_again_after_the_last() {
        let mut table = Table::new(0);
        table.insert(|_| ());
        table.places[0].generation = u32::MAX;
        table.remove(ConnectionId::new(0, 0, u32::MAX)).unwrap();
        assert_eq!(table.insert(|_| ()).generation, 1);
    }
}
