//! The background thread: forces logs to disk and starts compactions.

use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::compaction::compact;
use crate::error::LocationError;
use crate::segments;
use crate::shared::{Shared, Store};

/// Stops and joins the thread when the last handle goes.
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Stop {
    asked: Mutex<bool>,
    changed: Condvar,
}

/// After a compaction failed, this many ticks pass before the next: writing hundreds of megabytes onto a full disk
/// every second helps nobody.
const TICKS_AFTER_FAILURE: u32 = 60;

impl Keeper {
    pub(crate) fn start(shared: Arc<Shared>) -> Result<Self, LocationError> {
        let stop = Arc::<Stop>::default();
        let (of_thread, until) = (shared.clone(), stop.clone());
        let builder = std::thread::Builder::new().name("location".into());
        let thread = builder.spawn(move || run(&of_thread, &until)).map_err(|source| LocationError::Io {
            action: "start the thread for",
            path: shared.store().map(|store| store.folder.clone()).unwrap_or_default(),
            source,
        })?;
        Ok(Self { shared, stop, thread: Some(thread) })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(store) = self.shared.store() {
            store.stopping.store(true, Release);
        }
        *self.stop.asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it panicked? then it has said so itself
        }
    }
}

impl Stop {
    /// Waits for the next tick. False when there is none.
    fn wait(&self, tick: Duration) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(asked, tick, |asked| !*asked);
        !*waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn run(shared: &Shared, stop: &Stop) {
    let Some(store) = shared.store() else { return };
    let mut ticks_to_wait = 0u32;
    loop {
        let go_on = stop.wait(shared.limits.tick());
        let wrote = sync_logs(shared, store);
        if !go_on {
            return note_stopped(store);
        }
        ticks_to_wait = ticks_to_wait.saturating_sub(1);
        if ticks_to_wait == 0
            && compaction_is_due(shared, store, wrote)
            && let Err(error) = compact(shared, store)
        {
            store.note(error, |upkeep| upkeep.compaction_failures += 1);
            ticks_to_wait = TICKS_AFTER_FAILURE;
        }
    }
}

/// The next start need not believe more than the files say. Where that cannot be noted, it does.
fn note_stopped(store: &Store) {
    if store.is_all_said() && !store.compaction_due.load(Relaxed) {
        let _ = store.disk.create(&store.folder.join(segments::STOPPED));
    }
}

/// Forces to disk what was written since the last tick. Writers are not held up: the waiting is done without locks.
fn sync_logs(shared: &Shared, store: &Store) -> bool {
    let mut wrote = false;
    for slot in shared.slots() {
        let file = slot.lock().log.as_mut().and_then(|log| log.take_unsynced());
        let Some(file) = file else { continue };
        wrote = true;
        if let Err(error) = file.sync() {
            // What the system dropped is still in memory: a snapshot brings it to disk.
            store.compaction_due.store(true, Relaxed);
            store.note(error, |upkeep| upkeep.sync_failures += 1);
        }
    }
    wrote
}

fn compaction_is_due(shared: &Shared, store: &Store, wrote: bool) -> bool {
    let too_large = || match segments::stored_bytes(&store.folder) {
        Ok(stored) => stored > 2 * shared.table.live_bytes() + shared.limits.log_slack_bytes,
        Err(error) => {
            store.note(error, |upkeep| upkeep.compaction_failures += 1);
            false
        }
    };
    store.compaction_due.load(Relaxed) || (wrote && too_large())
}
