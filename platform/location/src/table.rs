//! All records in memory: a table in stripes, each with its own lock, so that shards rarely meet.
//!
//! An address-of-record belongs to the stripe that its keyed hash says: nobody outside can choose names that meet in
//! one place. Within a stripe the whole key decides. Locks are held for one look-up and one decision; the longest is a
//! sweep or a snapshot of one stripe, about a thousand records.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashTable;
use offhook_frames::FRAME_HEADER_BYTES;
use siphasher::sip::SipHasher13;

use crate::binding::Binding;
use crate::record::{Mark, Payload, Record, Rewriting};

/// The records of all addresses-of-record.
pub(crate) struct Table {
    stripes: Box<[Stripe]>,
    hasher: SipHasher13,
    /// Bindings in all stripes, so that the bound costs no walk.
    bindings: AtomicUsize,
}

/// One stripe on cache lines of its own.
#[repr(align(64))]
struct Stripe(RwLock<Records>);

/// The records of one stripe.
#[derive(Default)]
pub(crate) struct Records {
    table: HashTable<Record>,
    /// The highest version given out here. It only grows, whatever is removed or undone, so a version never means two
    /// things.
    version_last: u64,
    /// What a snapshot of this stripe takes.
    live_bytes: usize,
    /// What the records take from the allocator, without the table.
    heap_bytes: usize,
    bindings: usize,
}

/// Records per stripe when the table is full: few enough to walk in well under a millisecond.
const STRIPE_RECORDS: usize = 1024;
const STRIPES_MIN: usize = 16;
const STRIPES_MAX: usize = 4096;

impl Table {
    /// A table for about `bindings_max` bindings; `keys` seed the hash.
    pub(crate) fn new(bindings_max: usize, keys: (u64, u64)) -> Self {
        let stripes = (bindings_max / STRIPE_RECORDS).clamp(STRIPES_MIN, STRIPES_MAX).next_power_of_two();
        Self {
            stripes: (0..stripes).map(|_| Stripe(RwLock::default())).collect(),
            hasher: SipHasher13::new_with_keys(keys.0, keys.1),
            bindings: AtomicUsize::new(0),
        }
    }

    pub(crate) fn hash(&self, aor: &[u8]) -> u64 {
        self.hasher.hash(aor)
    }

    pub(crate) fn stripes(&self) -> usize {
        self.stripes.len()
    }

    /// Bindings in memory, expired ones included until they are swept.
    pub(crate) fn bindings(&self) -> usize {
        self.bindings.load(Relaxed)
    }

    /// The stripe of a hash. Its low and its highest bits place a record within the stripe; these are others.
    pub(crate) fn stripe_of(&self, hash: u64) -> usize {
        (hash >> 40) as usize & (self.stripes.len() - 1)
    }

    // A panic in a caller's closure poisons a lock, but closures run before anything is changed: go on.

    pub(crate) fn read(&self, stripe: usize) -> RwLockReadGuard<'_, Records> {
        self.stripes[stripe].0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self, stripe: usize) -> RwLockWriteGuard<'_, Records> {
        self.stripes[stripe].0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the payload where its address-of-record's record is or should be.
    pub(crate) fn put(&self, records: &mut Records, hash: u64, payload: Payload<'_>, mark: Mark) {
        let before = records.bindings;
        match records.table.find_mut(hash, |record| record.payload().aor() == payload.aor()) {
            Some(record) => {
                let (heap, live, count) = (record.heap_bytes(), live_bytes(record), record.payload().count());
                record.replace(payload, mark);
                records.heap_bytes = records.heap_bytes - heap + record.heap_bytes();
                records.live_bytes = records.live_bytes - live + live_bytes(record);
                records.bindings = records.bindings - count + payload.count();
            }
            None => {
                let record = Record::new(payload, mark);
                records.heap_bytes += record.heap_bytes();
                records.live_bytes += live_bytes(&record);
                records.bindings += payload.count();
                records.table.insert_unique(hash, record, |record| self.hash(record.payload().aor()));
            }
        }
        self.recount(before, records.bindings);
    }

    /// Takes the record out of memory.
    pub(crate) fn remove(&self, records: &mut Records, hash: u64, aor: &[u8]) {
        let before = records.bindings;
        if let Ok(entry) = records.table.find_entry(hash, |record| record.payload().aor() == aor) {
            let (record, _) = entry.remove();
            records.uncount(&record);
        }
        self.recount(before, records.bindings);
    }

    /// Puts a payload that came from a file, unless a newer one is there.
    pub(crate) fn load(&self, payload: Payload<'_>) {
        let hash = self.hash(payload.aor());
        let mut records = self.write(self.stripe_of(hash));
        let newer = |known: &Record| known.payload().version() >= payload.version();
        if !records.find(hash, payload.aor()).is_some_and(newer) {
            self.put(&mut records, hash, payload, Mark::SETTLED);
        }
    }

    /// Drops tombstones, and lets no version up to `version` be given out again. Before any writer exists.
    pub(crate) fn finish_loading(&self, version: u64) {
        for stripe in 0..self.stripes() {
            let mut records = self.write(stripe);
            records.version_last = version;
            let gone: Vec<Record> =
                records.table.extract_if(|record| record.payload().count() == 0).collect();
            gone.iter().for_each(|record| records.uncount(record));
        }
    }

    /// Puts another binding in the place of each one of a stripe, and says how many. Before any writer exists.
    pub(crate) fn rewrite(
        &self,
        stripe: usize,
        change: impl for<'b> Fn(Binding<'b>) -> Binding<'b>,
    ) -> usize {
        let mut records = self.write(stripe);
        let (mut bytes, mut rewriting) = (Vec::new(), Rewriting::default());
        let Records { table, heap_bytes, live_bytes: live, .. } = &mut *records;
        for record in table.iter_mut() {
            bytes.clear();
            let payload = record.payload();
            payload.rewrite_with(&mut rewriting, &mut bytes, payload.bindings(0).map(&change));
            let (heap_before, live_before) = (record.heap_bytes(), live_bytes(record));
            record.replace(Payload { bytes: &bytes }, Mark::SETTLED);
            *heap_bytes = *heap_bytes - heap_before + record.heap_bytes();
            *live = *live - live_before + live_bytes(record);
        }
        records.bindings
    }

    /// How many bindings of a stripe have expired.
    pub(crate) fn expired(&self, stripe: usize, now_ms: u64) -> usize {
        let records = self.read(stripe);
        let left = |payload: Payload<'_>| payload.count() - payload.bindings(now_ms).count();
        records.iter().map(Record::payload).filter(|payload| payload.has_expired(now_ms)).map(left).sum()
    }

    /// What a snapshot of everything would take.
    pub(crate) fn live_bytes(&self) -> u64 {
        (0..self.stripes()).map(|stripe| self.read(stripe).live_bytes as u64).sum()
    }

    /// What the table and its records take from the allocator.
    pub(crate) fn heap_bytes(&self) -> usize {
        let of = |records: &Records| records.heap_bytes + records.table.allocation_size();
        self.stripes.len() * size_of::<Stripe>()
            + (0..self.stripes()).map(|stripe| of(&self.read(stripe))).sum::<usize>()
    }

    fn recount(&self, before: usize, after: usize) {
        match after.cmp(&before) {
            std::cmp::Ordering::Greater => drop(self.bindings.fetch_add(after - before, Relaxed)),
            std::cmp::Ordering::Less => drop(self.bindings.fetch_sub(before - after, Relaxed)),
            std::cmp::Ordering::Equal => {} // a refresh touches no counter that others share
        }
    }
}

impl Records {
    pub(crate) fn find(&self, hash: u64, aor: &[u8]) -> Option<&Record> {
        self.table.find(hash, |record| record.payload().aor() == aor)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.table.iter()
    }

    /// The version of the next change in this stripe.
    pub(crate) fn next_version(&mut self) -> u64 {
        self.version_last += 1;
        self.version_last
    }

    fn uncount(&mut self, record: &Record) {
        self.heap_bytes -= record.heap_bytes();
        self.live_bytes -= live_bytes(record);
        self.bindings -= record.payload().count();
    }
}

fn live_bytes(record: &Record) -> usize {
    FRAME_HEADER_BYTES + record.payload().bytes.len()
}
