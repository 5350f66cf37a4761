//! Where lines go: standard error by way of a thread, memory, or nowhere.
//!
//! ```text
//!   shard 0 ──batch──►┐
//!   shard 1 ──batch──►├─ queue of BATCHES_MAX ──► LogThread ──one write per batch──► standard error
//!   shard 2 ──batch──►┘      full: the batch is lost, its shard counts its lines
//! ```
//!
//! Why a thread: a terminal that was stopped, or a collector that hangs, blocks who writes to it. That may be this
//! thread; it must not be one that carries calls.

use std::io::{self, Write};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes of a batch at which it is handed over before the flush: some 300 lines.
pub const BATCH_BYTES_MAX: usize = 64 * 1024;

/// Batches that wait for the thread, together at most 4 MiB: a second of full rate from several shards. A further
/// one is lost and counted.
pub const BATCHES_MAX: usize = 64;

/// Lines a [`MemoryLines`] keeps, the first ones: no test reads more.
pub const MEMORY_LINES_MAX: usize = 100_000;

/// Where a journal's lines go.
#[derive(Clone, Debug)]
pub enum Sink {
    /// To the writer of a [`LogThread`].
    Thread(LogQueue),
    /// Into memory, each line at once: for tests.
    Memory(MemoryLines),
    /// Nowhere: events are only counted.
    None,
}

impl Sink {
    /// Takes a batch of whole lines; `false` when it is lost.
    pub(crate) fn take(&mut self, batch: String) -> bool {
        match self {
            Self::Thread(LogQueue { queue, .. }) => queue.try_send(batch).is_ok(),
            Self::Memory(memory) => {
                memory.push(&batch);
                true
            }
            Self::None => true,
        }
    }

    /// How far the clock that people read is ahead of the one that events are noted by, ms.
    pub(crate) fn ahead_ms(&self) -> i64 {
        match self {
            Self::Thread(LogQueue { clock, .. }) => clock.0.load(Relaxed),
            Self::Memory(_) | Self::None => 0,
        }
    }

    /// Whether lines are taken as they come, not in batches.
    pub(crate) fn takes_each_line(&self) -> bool {
        matches!(self, Self::Memory(_))
    }
}

/// A way into the queue of a [`LogThread`].
#[derive(Clone, Debug)]
pub struct LogQueue {
    queue: SyncSender<String>,
    clock: LogClock,
}

/// The clock of the lines. Events are noted by one that nobody sets; lines say what the machine's clock says, also where that
/// was set, or the machine slept, while the server ran.
#[derive(Clone, Default, Debug)]
pub struct LogClock(Arc<AtomicI64>);

impl LogClock {
    /// So far is the machine's clock ahead of the one that events are noted by, ms; negative: behind.
    pub fn note_ahead(&self, ahead_ms: i64) {
        self.0.store(ahead_ms, Relaxed);
    }
}

/// The thread that writes the lines of all journals.
#[derive(Debug)]
pub struct LogThread {
    queue: SyncSender<String>,
    clock: LogClock,
    /// Disconnected when the thread has written all and ended.
    ended: Receiver<()>,
}

impl LogThread {
    /// Starts the thread; `writer` is standard error, except in tests.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(writer: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, batches) = sync_channel(BATCHES_MAX);
        let (running, ended) = sync_channel(0);
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            write_all(writer, &batches);
            drop(running);
        })?;
        Ok(Self { queue, clock: LogClock::default(), ended })
    }

    /// The sink of one journal.
    pub fn sink(&self) -> Sink {
        Sink::Thread(LogQueue { queue: self.queue.clone(), clock: self.clock.clone() })
    }

    /// The clock of its lines, to be kept right.
    pub fn clock(&self) -> LogClock {
        self.clock.clone()
    }

    /// Waits until all lines are written, but no longer than `patience`: a stuck reader of the log must not keep the
    /// program from ending. All journals must have been dropped; `false` when lines may be missing.
    pub fn finish(self, patience: Duration) -> bool {
        let Self { queue, ended, .. } = self;
        drop(queue);
        ended.recv_timeout(patience) == Err(std::sync::mpsc::RecvTimeoutError::Disconnected)
    }
}

/// Writes batches until every journal is gone. An error has nowhere to be told, and the next batch may succeed.
fn write_all(mut writer: impl Write, batches: &Receiver<String>) {
    for batch in batches {
        let _ = writer.write_all(batch.as_bytes()).and_then(|()| writer.flush());
    }
}

/// Lines in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryLines(Arc<Mutex<Vec<String>>>);

impl MemoryLines {
    /// No lines yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The sink that fills these lines.
    pub fn sink(&self) -> Sink {
        Sink::Memory(self.clone())
    }

    /// The lines so far, without their line ends.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn push(&self, batch: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MEMORY_LINES_MAX.saturating_sub(lines.len());
        lines.extend(batch.lines().take(room).map(str::to_owned));
    }
}
