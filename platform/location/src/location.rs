//! The handle that every part of the server holds.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::Ordering::AcqRel;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};

use crate::binding::{Binding, Bindings};
use crate::compaction::compact;
use crate::disk::Disk;
use crate::error::LocationError;
use crate::keeper::Keeper;
use crate::limits::Limits;
use crate::log::{Log, random};
use crate::replay::{self, OpenReport, Ownership};
use crate::segments;
use crate::shared::{Access, Shared, Store, Upkeep};
use crate::table::Table;
use crate::writer::Writer;

/// The location service. Clones are cheap and mean the same service.
///
/// Addresses-of-record are given in canonical form, `user@domain`, by the caller: what differs in one byte is another.
#[derive(Clone)]
pub struct Location {
    shared: Arc<Shared>,
    keeper: Option<Arc<Keeper>>,
}

/// More logs than this at a start are replaced by a snapshot, however small they are: each start begins new ones.
const LOGS_MAX: usize = 64;

impl Location {
    /// Opens the service of a folder, which is created if need be, and reads what is there.
    ///
    /// # Errors
    /// [`LocationError::InUse`] beside another server, [`LocationError::NewerFormat`] after a newer version,
    /// [`LocationError::Io`]. Torn or damaged content is no error: see [`report`](Self::report).
    pub fn open(folder: &Path, limits: Limits, now_ms: u64) -> Result<Self, LocationError> {
        Self::open_on(Disk::default(), folder, limits, now_ms)
    }

    pub(crate) fn open_on(
        disk: Disk,
        folder: &Path,
        limits: Limits,
        now_ms: u64,
    ) -> Result<Self, LocationError> {
        std::fs::create_dir_all(folder).map_err(LocationError::io("create", folder))?;
        let lock = lock(&folder.join(segments::LOCK))?;
        let keys = (random(), random());
        let (table, loaded) =
            replay::load(folder, now_ms, Ownership::Ours, || Table::new(limits.bindings_max, keys))?;
        let OpenReport { torn_bytes, damaged_bytes, damaged_files, believed, .. } = loaded.report;
        let damaged = torn_bytes + damaged_bytes + u64::from(damaged_files) > 0;
        let untidy = damaged || believed > 0 || loaded.logs > LOGS_MAX;
        let store = Store {
            folder: folder.to_owned(),
            disk,
            generation: Mutex::new(loaded.generation + 1),
            compacting: Mutex::new(()),
            compaction_due: AtomicBool::new(untidy),
            ahead: AtomicU64::new(u64::from(believed > 0)),
            made_good: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            upkeep: Mutex::default(),
            _lock: lock,
        };
        let shared = Arc::new(Shared::new(table, limits, Access::Store(store), loaded.report));
        let keeper = Keeper::start(shared.clone())?;
        Ok(Self { shared, keeper: Some(Arc::new(keeper)) })
    }

    /// Reads the files as they are, beside a running server and without touching anything.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`LocationError::KeepsChanging`].
    pub fn open_read_only(folder: &Path, now_ms: u64) -> Result<Self, LocationError> {
        Self::load(folder, now_ms, Access::ReadOnly)
    }

    /// A copy of what the files say, beside a running server and without touching anything. What is changed in it is
    /// forgotten with it.
    ///
    /// # Errors
    /// As [`open_read_only`](Self::open_read_only).
    pub fn open_copy(folder: &Path, now_ms: u64) -> Result<Self, LocationError> {
        Self::load(folder, now_ms, Access::Memory)
    }

    fn load(folder: &Path, now_ms: u64, access: Access) -> Result<Self, LocationError> {
        let limits = Limits::default();
        let table = || Table::new(limits.bindings_max, (random(), random()));
        let (table, loaded) = replay::load(folder, now_ms, Ownership::Foreign, table)?;
        let shared = Shared::new(table, limits, access, loaded.report);
        Ok(Self { shared: Arc::new(shared), keeper: None })
    }

    /// A service without files, for tests and simulations: two runs with the same calls are the same in everything.
    pub fn in_memory(limits: Limits) -> Self {
        let table = Table::new(limits.bindings_max, (0, 0));
        let shared = Shared::new(table, limits, Access::Memory, OpenReport::default());
        Self { shared: Arc::new(shared), keeper: None }
    }

    /// The writer of a shard. Its log is created here, so that no registration has to wait for that.
    ///
    /// # Errors
    /// When the shard has one, its number is too high, the service is read only, or the log cannot be created.
    pub fn writer(&self, shard: u16) -> Result<Writer, LocationError> {
        let max = self.shared.limits.shards_max;
        let slot = self.shared.slots().get(usize::from(shard));
        let slot = slot.ok_or(LocationError::UnknownShard { shard, max })?;
        if matches!(self.shared.access, Access::ReadOnly) {
            return Err(LocationError::ReadOnly);
        }
        if slot.taken.swap(true, AcqRel) {
            return Err(LocationError::ShardTaken { shard });
        }
        let writer = Writer::new(self.shared.clone(), self.keeper.clone(), shard);
        if let Some(store) = self.shared.store() {
            let generation = store.generation.lock().unwrap_or_else(PoisonError::into_inner);
            if slot.lock().log.is_none() {
                let log = Log::create(&store.disk, &store.folder, shard, *generation)?;
                store.disk.sync_folder(&store.folder)?;
                slot.lock().log = Some(log);
            }
        }
        Ok(writer)
    }

    /// Shows the unexpired bindings of an address-of-record; none if it is unknown. Allocates nothing and waits for
    /// nobody beyond a change in the same stripe. `look` must not call back into the location service.
    pub fn read<R>(&self, aor: &[u8], now_ms: u64, look: impl FnOnce(Bindings<'_>) -> R) -> R {
        let table = &self.shared.table;
        let hash = table.hash(aor);
        let records = table.read(table.stripe_of(hash));
        let found = records.find(hash, aor);
        look(found.map_or(Bindings::none(), |record| record.payload().bindings(now_ms)))
    }

    /// How many stripes there are; each holds about a thousand records when the table is full.
    pub fn stripes(&self) -> usize {
        self.shared.table.stripes()
    }

    /// Shows every unexpired binding with its address-of-record, those of one beside each other, in no other order.
    /// Shards may write meanwhile. `show` must not call back into the location service.
    pub fn dump(&self, now_ms: u64, mut show: impl FnMut(&[u8], Binding<'_>)) {
        for stripe in 0..self.stripes() {
            for record in self.shared.table.read(stripe).iter() {
                let payload = record.payload();
                payload.bindings(now_ms).for_each(|binding| show(payload.aor(), binding));
            }
        }
    }

    /// How many bindings are in memory, with expired ones that no [`expire`](Writer::expire) has met yet.
    pub fn count(&self) -> usize {
        self.shared.table.bindings()
    }

    /// Bytes that table and records take.
    pub fn memory(&self) -> usize {
        self.shared.table.heap_bytes()
    }

    /// What the files held when they were opened.
    pub fn report(&self) -> OpenReport {
        self.shared.report
    }

    /// How the background work goes.
    pub fn upkeep(&self) -> Upkeep {
        self.shared.store().map(|store| store.upkeep().clone()).unwrap_or_default()
    }

    /// Replaces the logs by a snapshot now. The background thread does so by itself when they have grown.
    ///
    /// # Errors
    /// When the disk refuses, or a commit failed meanwhile; then the logs stay, and nothing is lost.
    pub fn compact(&self) -> Result<(), LocationError> {
        match &self.shared.access {
            Access::Memory => Ok(()),
            Access::ReadOnly => Err(LocationError::ReadOnly),
            Access::Store(store) => compact(&self.shared, store),
        }
    }
}

/// Opens and locks the file that says whose the folder is. The lock goes with the process, however it ends.
fn lock(path: &Path) -> Result<std::fs::File, LocationError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path).map_err(LocationError::io("open", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(LocationError::InUse { path: path.to_owned() }),
        Err(std::fs::TryLockError::Error(error)) => Err(LocationError::io("lock", path)(error)),
    }
}
