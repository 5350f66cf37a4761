//! The one who may change records on behalf of a shard.
//!
//! A change is visible at once and durable after the commit. Until then the writer keeps the old record beside the new
//! one, to put it back when the log cannot be written. Nobody builds on what may be undone: a second writer that meets
//! a record of an open batch writes that batch first, for its owner.
//!
//! Locks are taken in one order: a writer's pending changes, then a stripe. Nobody holds two of the same kind.

use std::sync::Arc;
use std::sync::atomic::Ordering::Release;

use offhook_frames::{FRAME_HEADER_BYTES, put_frame};

use crate::binding::Bindings;
use crate::error::LocationError;
use crate::keeper::Keeper;
use crate::limits::SyncPolicy;
use crate::log::Log;
use crate::record::{Mark, Payload, Record};
use crate::reprieve::is_kept;
use crate::shared::Shared;
use crate::table::{Records, Table};
use crate::update::{Change, Replacement};

/// What may wait for a commit. A batch of 64 messages with the largest records takes a quarter of it.
const PENDING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Refreshes that may wait are written when there are so many: two hundred of them.
const WAITING_BYTES_MAX: usize = 64 * 1024;

/// Changes records on behalf of one shard. When it is dropped, what was not committed is undone.
pub struct Writer {
    pub(crate) shared: Arc<Shared>,
    /// The background thread lives as long as anyone can write.
    _keeper: Option<Arc<Keeper>>,
    pub(crate) shard: u16,
    pub(crate) replacement: Replacement,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, keeper: Option<Arc<Keeper>>, shard: u16) -> Self {
        Self { shared, _keeper: keeper, shard, replacement: Replacement::default() }
    }

    /// Reads, decides and changes the record of an address-of-record as one step; nobody sees anything between.
    ///
    /// `decide` gets the unexpired bindings and pushes those that are to be; it must not call back into the location
    /// service. The change is visible to all at once, and must not be answered before [`commit`](Self::commit).
    ///
    /// # Errors
    /// When a bound would be passed; then nothing is changed.
    pub fn update<R>(
        &mut self,
        aor: &[u8],
        now_ms: u64,
        decide: impl FnOnce(Bindings<'_>, &mut Replacement) -> (Change, R),
    ) -> Result<R, LocationError> {
        let hash = self.shared.table.hash(aor);
        let stripe = self.shared.table.stripe_of(hash);
        loop {
            let mut pending = self.shared.slots()[usize::from(self.shard)].lock();
            let mut records = self.shared.table.write(stripe);
            let present = records.find(hash, aor);
            if let Some(mark) = present.map(|record| record.mark())
                && mark.shard != self.shard
                && !self.shared.is_settled(mark)
            {
                drop((records, pending));
                drop(self.shared.flush(mark.shard));
                continue;
            }
            let have = present.map_or(Bindings::none(), |record| record.payload().bindings(now_ms));
            self.replacement.clear(self.shared.limits.bindings_per_aor_max);
            let (change, result) = decide(have, &mut self.replacement);
            if change == Change::Replace {
                replace(
                    &self.shared,
                    self.shard,
                    &mut pending,
                    &mut records,
                    (hash, aor),
                    &self.replacement,
                )?;
            }
            return Ok(result);
        }
    }

    /// Makes every change since the last commit durable, with one write to the log. Where all of them are refreshes that
    /// the log covers for now, they wait for others: until there are many, or for [`catch_up`](Self::catch_up).
    ///
    /// # Errors
    /// When the log cannot be written: then what was pending is undone, and is to be answered with 503. (What a second
    /// writer or a snapshot needed on disk meanwhile may have been kept; a registration that failed may have happened,
    /// one that succeeded has.) Later commits work again when the disk does.
    pub fn commit(&mut self) -> Result<(), LocationError> {
        self.write_unless(Pending::may_wait)
    }

    /// Writes what has waited. To be called each second.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); what was answered already stays as it is, and a snapshot brings it to disk.
    pub fn catch_up(&mut self) -> Result<(), LocationError> {
        self.write_unless(Pending::is_empty)
    }

    fn write_unless(&mut self, rests: impl FnOnce(&Pending) -> bool) -> Result<(), LocationError> {
        let pending = self.shared.slots()[usize::from(self.shard)].lock();
        if pending.failed.is_none() && rests(&pending) {
            return Ok(());
        }
        drop(pending);
        match self.shared.flush(self.shard).failed.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// The shard this writer belongs to.
    pub fn shard(&self) -> u16 {
        self.shard
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let waits = self.shared.slots()[usize::from(self.shard)].lock().may_wait();
        if waits {
            drop(self.shared.flush(self.shard)); // the next start believes it without
        }
        self.shared.abandon(self.shard);
        self.shared.slots()[usize::from(self.shard)].taken.store(false, Release);
    }
}

/// Puts the replacement into the table and among the pending changes, within the bounds.
fn replace(
    shared: &Shared,
    shard: u16,
    pending: &mut Pending,
    records: &mut Records,
    (hash, aor): (u64, &[u8]),
    replacement: &Replacement,
) -> Result<(), LocationError> {
    let limits = &shared.limits;
    let is_change = |present: usize| {
        let more = replacement.len().saturating_sub(present);
        if replacement.len() > limits.bindings_per_aor_max {
            return Err(LocationError::TooManyBindings { max: limits.bindings_per_aor_max });
        }
        if more > 0 && shared.table.bindings() + more > limits.bindings_max {
            return Err(LocationError::Full { max: limits.bindings_max });
        }
        if PAYLOAD_OVERHEAD_BYTES + aor.len() + replacement.encoded().len() > limits.payload_bytes_max() {
            return Err(LocationError::RecordTooLong { max: limits.payload_bytes_max() });
        }
        Ok(present > 0 || !replacement.is_empty())
    };
    put_change(shared, shard, pending, records, (hash, aor), replacement, is_change)
}

/// The same; `is_change` is told how many bindings there are and says whether this is a change and may be.
pub(crate) fn put_change(
    shared: &Shared,
    shard: u16,
    pending: &mut Pending,
    records: &mut Records,
    (hash, aor): (u64, &[u8]),
    replacement: &Replacement,
    is_change: impl FnOnce(usize) -> Result<bool, LocationError>,
) -> Result<(), LocationError> {
    let version = records.next_version(); // one that is not used is missed by nobody
    let present = records.find(hash, aor);
    let old = present.map(Record::payload);
    if !is_change(old.map_or(0, |payload| payload.count()))? {
        return Ok(());
    }
    if pending.frames.len() + pending.old.len() > PENDING_BYTES_MAX {
        return Err(LocationError::PendingFull { max: PENDING_BYTES_MAX });
    }
    let logged = present.filter(|record| shared.is_logged(record.mark()));
    let waits = logged.is_some_and(|record| is_kept(record.payload(), replacement.bindings()));
    let frame = pending.keep_old(old, hash, waits);
    put_frame(&mut pending.frames, |out| {
        Payload::write(out, version, aor, replacement.len(), replacement.encoded());
    });
    let payload = Payload { bytes: &pending.frames[frame + FRAME_HEADER_BYTES..] };
    shared.table.put(records, hash, payload, shared.mark(shard));
    Ok(())
}

/// Version, length of the address-of-record and count, at their longest.
const PAYLOAD_OVERHEAD_BYTES: usize = 8 + 3 + 3;

/// What a writer has changed since its last commit.
#[derive(Default)]
pub(crate) struct Pending {
    /// `None` where there is no store, and before the first writer of this shard.
    pub(crate) log: Option<Log>,
    /// Someone else wrote this batch and failed; the writer's next commit says so.
    pub(crate) failed: Option<LocationError>,
    /// The new records, framed for the log.
    frames: Vec<u8>,
    /// The payloads that they replaced.
    old: Vec<u8>,
    changes: Vec<PendingChange>,
    /// How many of them may wait.
    waiting: usize,
}

/// One change: where the new record lies in `frames`, and the old one in `old`, up to where the next change begins.
struct PendingChange {
    hash: u64,
    frame_start: usize,
    old_start: usize,
    /// The log covers it: it is answered, and not undone.
    waits: bool,
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Notes a change whose frame comes next, and keeps what was there before. Returns where the frame begins.
    fn keep_old(&mut self, old: Option<Payload<'_>>, hash: u64, waits: bool) -> usize {
        let (frame_start, old_start) = (self.frames.len(), self.old.len());
        self.changes.push(PendingChange { hash, frame_start, old_start, waits });
        self.waiting += usize::from(waits);
        self.old.extend_from_slice(old.map_or(&[], |payload| payload.bytes));
        frame_start
    }

    /// Whether nothing here needs to be written now.
    fn may_wait(&self) -> bool {
        self.waiting == self.changes.len() && self.frames.len() < WAITING_BYTES_MAX
    }

    /// Whether there are changes that have been answered.
    pub(crate) fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// Appends everything to the log. Where that fails, now or for an earlier part of the same commit, the error is kept.
    pub(crate) fn write(&mut self, sync: SyncPolicy) -> bool {
        if self.failed.is_none()
            && let Some(log) = &mut self.log
        {
            self.failed = log.append(&mut self.frames, sync).err();
        }
        self.failed.is_none()
    }

    /// Takes committed tombstones out of memory: from now on the log alone says that they are gone.
    pub(crate) fn drop_tombstones(&self, table: &Table) {
        for (change, new, _) in self.changes() {
            if new.count() == 0 {
                let mut records = table.write(table.stripe_of(change.hash));
                if records.find(change.hash, new.aor()).is_some_and(|record| record.payload().count() == 0) {
                    table.remove(&mut records, change.hash, new.aor());
                }
            }
        }
    }

    /// Puts back what was there before, latest change first. The mark keeps others away until all of it is back. What
    /// may wait was promised already, and stays.
    pub(crate) fn undo(&self, table: &Table, mark: Mark) {
        for (change, new, old) in self.changes().rev().filter(|(change, ..)| !change.waits) {
            let mut records = table.write(table.stripe_of(change.hash));
            match old {
                Some(old) => table.put(&mut records, change.hash, old, mark),
                None => table.remove(&mut records, change.hash, new.aor()),
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.frames.clear();
        self.old.clear();
        self.changes.clear();
        self.waiting = 0;
    }

    /// Each change with the new payload and the old one.
    fn changes(&self) -> impl DoubleEndedIterator<Item = (&PendingChange, Payload<'_>, Option<Payload<'_>>)> {
        self.changes.iter().enumerate().map(|(index, change)| {
            let next = self.changes.get(index + 1);
            let frame_end = next.map_or(self.frames.len(), |next| next.frame_start);
            let old_end = next.map_or(self.old.len(), |next| next.old_start);
            let new = Payload { bytes: &self.frames[change.frame_start + FRAME_HEADER_BYTES..frame_end] };
            let old = &self.old[change.old_start..old_end];
            (change, new, (!old.is_empty()).then_some(Payload { bytes: old }))
        })
    }
}
