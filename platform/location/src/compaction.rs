//! Replaces logs by a snapshot, so that files stay small and a start stays quick.
//!
//! ```text
//!  1. every writer goes on in a new log of generation G
//!  2. location.snapshot.new (generation G) ◄── stripe after stripe, each copied under its lock
//!  3. every batch that the snapshot may have seen half is written out; was one undone, the snapshot is given up
//!  4. force to disk, rename to location.snapshot, force the folder to disk
//!  5. remove logs of generations below G
//! ```
//!
//! Why nothing is lost: what was committed before a log was left is in memory, hence in the snapshot; what is committed
//! after is in a log of generation G. Why nothing comes back: a reader ignores logs below the snapshot's generation, so
//! that with the rename all older records go at once, and with them the need for their tombstones. Logs of generation
//! G hold every change since, so that the highest version among them and the snapshot is the latest. A crash before
//! the rename leaves the old snapshot and all logs; one after it leaves logs that are ignored, and removed at the start.
//!
//! A shard waits at most for the copy of one stripe, about a thousand records.

use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use offhook_frames::{Header, put_frame, seal};

use crate::disk::DiskFile;
use crate::error::LocationError;
use crate::log::{Log, random};
use crate::segments::{self, FILE};
use crate::shared::{Shared, Slot, Store};

/// How much of the snapshot is collected before it is written.
const WRITE_BYTES: usize = 1024 * 1024;

/// Writes a snapshot of everything and removes the logs it replaces.
pub(crate) fn compact(shared: &Shared, store: &Store) -> Result<(), LocationError> {
    let _one_at_a_time = store.compacting.lock().unwrap_or_else(PoisonError::into_inner);
    store.compaction_due.store(true, Relaxed); // until it is done
    let ahead = store.ahead.load(Acquire);
    let generation = snapshot(shared, store)?;
    store.made_good.store(ahead, Release);
    remove_replaced(store, generation)?;
    store.compaction_due.store(!store.is_all_said(), Relaxed);
    store.upkeep().compactions += 1;
    Ok(())
}

/// Steps 1 to 4. Returns the snapshot's generation.
fn snapshot(shared: &Shared, store: &Store) -> Result<u64, LocationError> {
    let undone = shared.undone();
    let generation = turn_logs(shared, store)?;
    let unfinished = store.folder.join(segments::SNAPSHOT_UNFINISHED);
    let finish = || {
        write_records(shared, store, &unfinished, generation)?;
        for shard in 0..shared.limits.shards_max {
            drop(shared.flush(shard));
        }
        if shared.undone() != undone {
            return Err(LocationError::CompactionGivenUp);
        }
        store.disk.rename(&unfinished, &store.folder.join(segments::SNAPSHOT))
    };
    if let Err(error) = finish() {
        // It may lie there until the next start, where it means nothing; what matters is why it failed.
        let _ = store.disk.remove(&unfinished);
        return Err(error);
    }
    store.disk.sync_folder(&store.folder)?;
    Ok(generation)
}

/// Lets every writer go on in a log of a new generation.
fn turn_logs(shared: &Shared, store: &Store) -> Result<u64, LocationError> {
    // A writer that comes now waits, so that its first log is not of a generation that goes.
    let mut generation = store.generation.lock().unwrap_or_else(PoisonError::into_inner);
    *generation += 1;
    let slots = (0..).zip(shared.slots()).filter(|(_, slot)| slot.lock().log.is_some());
    let create = |(shard, slot)| Ok((slot, Log::create(&store.disk, &store.folder, shard, *generation)?));
    let logs: Vec<(&Slot, Log)> = slots.map(create).collect::<Result<_, LocationError>>()?;
    store.disk.sync_folder(&store.folder)?;
    let left: Vec<Log> = logs.into_iter().filter_map(|(slot, log)| slot.lock().log.replace(log)).collect();
    // Should the snapshot fail, the logs that were left are still what counts.
    left.into_iter().filter_map(|mut log| log.take_unsynced()).try_for_each(|file| file.sync())?;
    Ok(*generation)
}

/// Step 2, and the contents forced to disk.
fn write_records(shared: &Shared, store: &Store, path: &Path, generation: u64) -> Result<(), LocationError> {
    let header = Header { salt: random() as u32, generation };
    let file = store.disk.create(path)?;
    file.append(&header.to_bytes(FILE))?;
    let mut frames = Vec::with_capacity(WRITE_BYTES);
    for stripe in 0..shared.table.stripes() {
        if store.stopping.load(Relaxed) {
            return Err(LocationError::CompactionGivenUp);
        }
        for record in shared.table.read(stripe).iter().filter(|record| record.payload().count() > 0) {
            put_frame(&mut frames, |out| out.extend_from_slice(record.payload().bytes));
        }
        if frames.len() >= WRITE_BYTES {
            write_out(&file, &mut frames, header.salt)?;
        }
    }
    write_out(&file, &mut frames, header.salt)?;
    file.sync()
}

fn write_out(file: &DiskFile, frames: &mut Vec<u8>, salt: u32) -> Result<(), LocationError> {
    seal(frames, salt);
    file.append(frames)?;
    frames.clear();
    Ok(())
}

/// Step 5: also what an earlier compaction could not remove.
fn remove_replaced(store: &Store, generation: u64) -> Result<(), LocationError> {
    let segments = segments::list(&store.folder)?;
    let mut replaced = segments.iter().filter(|segment| segment.generation < generation);
    replaced.try_for_each(|segment| store.disk.remove(&segment.path))
}
