//! What all handles and shards share.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::Disk;
use crate::error::LocationError;
use crate::limits::{Limits, SyncPolicy};
use crate::record::Mark;
use crate::replay::OpenReport;
use crate::table::Table;
use crate::writer::Pending;

/// The location service itself.
pub(crate) struct Shared {
    pub(crate) table: Table,
    pub(crate) limits: Limits,
    pub(crate) access: Access,
    pub(crate) report: OpenReport,
    slots: Box<[Slot]>,
    /// Batches that were undone: a snapshot that may have seen one is given up.
    undone: AtomicU64,
    /// The stripe that is swept next.
    pub(crate) sweep_next: AtomicUsize,
}

/// What stands behind the table.
pub(crate) enum Access {
    /// Nothing: for tests and simulations.
    Memory,
    /// Files that another process may own.
    ReadOnly,
    /// Files of our own.
    Store(Store),
}

/// The data folder and what is going on in it.
pub(crate) struct Store {
    pub(crate) folder: PathBuf,
    pub(crate) disk: Disk,
    /// The generation of new logs. Held while logs are created, so that none is created in one that is replaced.
    pub(crate) generation: Mutex<u64>,
    /// One compaction at a time.
    pub(crate) compacting: Mutex<()>,
    /// A compaction is due, whatever the sizes say.
    pub(crate) compaction_due: AtomicBool,
    /// Times since when memory promises more than the files say: a batch with answered refreshes failed, or a start
    /// believed bindings for longer than they said.
    pub(crate) ahead: AtomicU64,
    /// Up to which of them a snapshot has made it good.
    pub(crate) made_good: AtomicU64,
    /// The last handle goes: finish nothing long.
    pub(crate) stopping: AtomicBool,
    pub(crate) upkeep: Mutex<Upkeep>,
    /// Held open for its lock.
    pub(crate) _lock: File,
}

/// How the background work of one [`Location`](crate::Location) goes, for logs and metrics.
#[derive(Clone, Default, Debug)]
pub struct Upkeep {
    /// Snapshots written.
    pub compactions: u64,
    /// Snapshots given up or failed; each is tried again after a while.
    pub compaction_failures: u64,
    /// Times a log could not be forced to disk. Nothing is lost unless power fails before a snapshot succeeds.
    pub sync_failures: u64,
    /// The latest failure.
    pub last_failure: Option<Arc<LocationError>>,
}

/// The place of one shard's writer.
#[derive(Default)]
pub(crate) struct Slot {
    /// The number of the batch that collects now. Records that carry it are not settled.
    batch: AtomicU16,
    pub(crate) taken: AtomicBool,
    pending: Mutex<Pending>,
}

impl Shared {
    pub(crate) fn new(table: Table, limits: Limits, access: Access, report: OpenReport) -> Self {
        Self {
            table,
            limits,
            access,
            report,
            slots: (0..limits.shards_max).map(|_| Slot::default()).collect(),
            undone: AtomicU64::new(0),
            sweep_next: AtomicUsize::new(0),
        }
    }

    pub(crate) fn store(&self) -> Option<&Store> {
        if let Access::Store(store) = &self.access { Some(store) } else { None }
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Whether the batch that wrote a record was committed or undone.
    pub(crate) fn is_settled(&self, mark: Mark) -> bool {
        self.slots.get(usize::from(mark.shard)).is_none_or(|slot| slot.batch.load(Acquire) != mark.batch)
    }

    /// What a record gets from the writer whose pending changes are held.
    pub(crate) fn mark(&self, shard: u16) -> Mark {
        Mark { shard, batch: self.slots[usize::from(shard)].batch.load(Relaxed) }
    }

    /// Whether the log says what such a record says, so that a refresh of it may wait.
    pub(crate) fn is_logged(&self, mark: Mark) -> bool {
        let Some(store) = self.store() else { return false };
        matches!(self.limits.sync, SyncPolicy::Interval(_)) && self.is_settled(mark) && store.is_all_said()
    }

    pub(crate) fn undone(&self) -> u64 {
        self.undone.load(Acquire)
    }

    /// Writes a shard's pending changes, or undoes them when that fails; the error waits for the writer's own commit.
    /// Any thread may call it.
    pub(crate) fn flush(&self, shard: u16) -> MutexGuard<'_, Pending> {
        let slot = &self.slots[usize::from(shard)];
        let mut pending = slot.lock();
        if pending.is_empty() {
            // Somebody met an old record that carries the number of this batch, for numbers come again: it is settled.
            slot.next_batch(&mut pending);
            return pending;
        }
        if pending.write(self.limits.sync) {
            pending.drop_tombstones(&self.table);
        } else {
            self.undo(shard, &pending);
        }
        slot.next_batch(&mut pending);
        pending
    }

    /// Undoes what a shard has not committed.
    pub(crate) fn abandon(&self, shard: u16) {
        let slot = &self.slots[usize::from(shard)];
        let mut pending = slot.lock();
        if !pending.is_empty() {
            self.undo(shard, &pending);
            slot.next_batch(&mut pending);
        }
        pending.failed = None;
    }

    fn undo(&self, shard: u16, pending: &Pending) {
        pending.undo(&self.table, self.mark(shard));
        self.undone.fetch_add(1, Release);
        if let Some(store) = self.store().filter(|_| pending.has_waiting()) {
            store.ahead.fetch_add(1, Release);
            store.compaction_due.store(true, Relaxed);
        }
    }
}

impl Slot {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on the records of the last batch are settled.
    fn next_batch(&self, pending: &mut Pending) {
        pending.clear();
        self.batch.fetch_add(1, Release);
    }
}

impl Store {
    /// Whether the files say all that memory promises, but for what waits.
    pub(crate) fn is_all_said(&self) -> bool {
        self.ahead.load(Acquire) == self.made_good.load(Acquire)
    }

    /// Notes a failure for the operator.
    pub(crate) fn note(&self, error: LocationError, count: impl FnOnce(&mut Upkeep)) {
        let mut upkeep = self.upkeep();
        count(&mut upkeep);
        upkeep.last_failure = Some(Arc::new(error));
    }

    pub(crate) fn upkeep(&self) -> MutexGuard<'_, Upkeep> {
        self.upkeep.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
