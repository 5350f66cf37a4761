//! Where a shard puts its facts: an append-only file, one write for each batch.
//!
//! ```text
//!   note, note, note ──► pending ── commit: one write ──► spool-SHARD.RUN.NUMBER.log ──► assembler
//! ```
//! What was committed survives `kill -9`. The shard commits before the messages of its batch leave, so nobody has been
//! told of what the spool does not hold. That it rings may wait for the next fact, a second at most, for no record hangs on
//! it. Calls never wait for it and never fail for it: where the disk takes nothing,
//! facts wait in a bounded buffer, and those that find no room there are counted and told.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, PoisonError};

use offhook_frames::{FRAME_HEADER_BYTES, HEADER_BYTES, Header, begin_frame, end_frame, seal};

use crate::fact::Fact;
use crate::segments::{self, FILE, LENGTH_BYTES, Segment};

/// Facts that wait for a disk that takes nothing: some hundreds of calls. Beyond it they are lost.
const PENDING_BYTES_MAX: usize = 256 * 1024;

/// A frame that has this takes no more facts. One with all its texts has some 12,000 bytes, and a frame takes 65,535.
const FRAME_BYTES: usize = 32 * 1024;

/// A segment is closed when it has grown to this: ten thousand calls, and read in a moment.
pub(crate) const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;

/// The number of the latest run.
const RUN_FILE: &str = "run";

/// How long a fact that may wait does so at least, for one that may not and is written with it. A shard looks every second.
const WAIT_MS: u64 = 100;

/// How long a disk that refused is left alone.
const RETRY_AFTER_MS: u64 = 1_000;

/// Who calls whom concerns only the server's own user.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// Shards of one server: more than it can be given.
const SHARDS_MAX: usize = 256;

/// The folder of the spool in one run of the server.
#[derive(Clone, Debug)]
pub struct SpoolFolder {
    folder: PathBuf,
    run: u32,
    segments_max: u32,
    /// Of each shard the number of the oldest segment of this run that is still there.
    oldest: Arc<[AtomicU32]>,
    /// Segments that this run has begun.
    opened: Arc<AtomicU32>,
}

impl SpoolFolder {
    /// Makes the folder where it is missing, and begins a run. All shards together may keep about `bytes_max` in it.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(folder: &Path, bytes_max: u64, shards: usize) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
        let run = next_run(folder)?;
        let per_shard = bytes_max / SEGMENT_BYTES / shards.max(1) as u64;
        Ok(Self {
            folder: folder.to_owned(),
            run,
            segments_max: u32::try_from(per_shard).unwrap_or(u32::MAX).max(2),
            oldest: (0..SHARDS_MAX).map(|_| AtomicU32::new(1)).collect(),
            opened: Arc::default(),
        })
    }

    /// The spool of this shard.
    pub fn spool(&self, shard: u8) -> Spool {
        let at = Segment { run: self.run, shard: shard.into(), number: 0 };
        let files = Files { folder: self.clone(), at, open: None };
        Spool::new(Medium::Files(files))
    }

    /// Which life of the server this is.
    pub fn run(&self) -> u32 {
        self.run
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// How many segments its shards have begun: unless it changes, there are no others than before.
    pub(crate) fn opened(&self) -> u32 {
        self.opened.load(Acquire)
    }

    /// Of this shard everything before segment `number` is gone.
    pub(crate) fn note_oldest(&self, shard: u16, number: u32) {
        if let Some(oldest) = self.oldest.get(usize::from(shard)) {
            oldest.store(number, Relaxed);
        }
    }
}

/// The number of this life of the server. None has it twice, also where no life in between has left a segment: what one
/// has noted must not be taken for what another has.
fn next_run(folder: &Path) -> io::Result<u32> {
    let noted = match std::fs::read_to_string(folder.join(RUN_FILE)) {
        Ok(text) => text.trim().parse().unwrap_or(0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    let last = segments::list(folder)?.last().map_or(0, |segment| segment.run);
    let run = last.max(noted).saturating_add(1);
    // A disk that is full stops no server: then the number is kept by the segments alone.
    let _ = note_run(folder, run);
    Ok(run)
}

fn note_run(folder: &Path, run: u32) -> io::Result<()> {
    let new = folder.join(RUN_FILE).with_added_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&new)?;
    file.write_all(format!("{run}\n").as_bytes())?;
    std::fs::rename(new, folder.join(RUN_FILE))
}

/// Facts kept in memory, for tests that look at them.
#[derive(Clone, Default, Debug)]
pub struct MemorySpool(Arc<Mutex<Vec<Noted>>>);

/// Run, shard and payload.
type Noted = (u32, u8, Vec<u8>);

impl MemorySpool {
    /// The spool of this shard in this run.
    pub fn spool(&self, run: u32, shard: u8) -> Spool {
        Spool::new(Medium::Memory(run, shard, self.clone()))
    }

    /// What was committed: run, shard and payload, in the order of the commits.
    pub fn facts(&self) -> Vec<(u32, u8, Vec<u8>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Facts could not be written. Calls go on.
#[derive(Debug)]
pub struct SpoolTrouble {
    /// So many were lost since this was last told; the others wait.
    pub lost: u64,
    /// What the system said.
    pub error: io::Error,
}

/// The spool of one shard.
#[derive(Debug)]
pub struct Spool {
    medium: Medium,
    /// In frames that are not sealed, the last of which has no end yet.
    pending: Vec<u8>,
    /// Where that begins.
    frame: usize,
    /// Lost, and not in the spool yet.
    lost: u64,
    /// Lost, and not told yet.
    untold: u64,
    retry_at_ms: u64,
    /// When what is pending is to be written.
    due_ms: u64,
}

#[derive(Debug)]
enum Medium {
    Off,
    Memory(u32, u8, MemorySpool),
    Files(Files),
}

impl Spool {
    /// A spool that takes nothing: records are switched off.
    pub fn off() -> Self {
        Self::new(Medium::Off)
    }

    fn new(medium: Medium) -> Self {
        Self { medium, pending: Vec::new(), frame: 0, lost: 0, untold: 0, retry_at_ms: 0, due_ms: u64::MAX }
    }

    /// Whether facts are wanted.
    pub fn is_on(&self) -> bool {
        !matches!(self.medium, Medium::Off)
    }

    /// Takes a fact of the batch.
    pub fn note(&mut self, at_ms: u64, fact: &Fact<'_>) {
        if self.pending.len() >= PENDING_BYTES_MAX {
            self.lost += 1;
            self.untold += 1;
        } else if self.is_on() {
            self.put(at_ms, fact);
            let waits = fact.may_wait() && matches!(self.medium, Medium::Files(_));
            self.due_ms = self.due_ms.min(if waits { at_ms + WAIT_MS } else { at_ms });
        }
    }

    fn put(&mut self, at_ms: u64, fact: &Fact<'_>) {
        let is_full = self.pending.len() - self.frame >= FRAME_BYTES;
        if is_full {
            end_frame(&mut self.pending, self.frame);
        }
        if is_full || self.pending.is_empty() {
            self.frame = begin_frame(&mut self.pending);
        }
        let start = self.pending.len();
        self.pending.extend_from_slice(&[0; LENGTH_BYTES]);
        fact.write(at_ms, &mut self.pending);
        // With all its texts it is far shorter than a frame.
        let length = (self.pending.len() - start - LENGTH_BYTES) as u16;
        self.pending[start..start + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    }

    /// Writes the facts of the batch, unless all of them may wait for others. They are kept where that fails, as long as
    /// there is room.
    pub fn commit(&mut self, now_ms: u64) -> Option<SpoolTrouble> {
        if self.pending.is_empty() || now_ms < self.due_ms || now_ms < self.retry_at_ms {
            return None;
        }
        self.write(now_ms)
    }

    fn write(&mut self, now_ms: u64) -> Option<SpoolTrouble> {
        end_frame(&mut self.pending, self.frame);
        let written = match &mut self.medium {
            Medium::Off => Ok(()),
            Medium::Memory(run, shard, memory) => {
                memory.append(*run, *shard, &self.pending);
                Ok(())
            }
            Medium::Files(files) => files.append(&mut self.pending),
        };
        if let Err(error) = written {
            self.retry_at_ms = now_ms + RETRY_AFTER_MS;
            return Some(SpoolTrouble { lost: std::mem::take(&mut self.untold), error });
        }
        self.pending.clear();
        self.frame = 0;
        self.due_ms = u64::MAX;
        if self.lost > 0 {
            let facts = std::mem::take(&mut self.lost);
            self.note(now_ms, &Fact::Lost { facts });
        }
        None
    }
}

/// Its server stops: what might have waited is written, and then how many found no room.
impl Drop for Spool {
    fn drop(&mut self) {
        for _ in 0..2 {
            if !self.pending.is_empty() && self.write(0).is_some() {
                return; // told before
            }
        }
    }
}

impl MemorySpool {
    fn append(&self, run: u32, shard: u8, mut frames: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((head, rest)) = frames.split_at_checked(FRAME_HEADER_BYTES) {
            let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
            let (payload, rest) = rest.split_at(length);
            segments::each_fact(payload, |fact| kept.push((run, shard, fact.to_vec())));
            frames = rest;
        }
    }
}

/// The segments of one shard in one run.
#[derive(Debug)]
struct Files {
    folder: SpoolFolder,
    /// The segment that was opened last; number 0: none.
    at: Segment,
    open: Option<Open>,
}

/// A segment that ends with a whole frame, or is put right before the next one is written.
#[derive(Debug)]
struct Open {
    file: File,
    salt: u32,
    length: u64,
    /// A failed write may have left bytes beyond `length` that could not be cut off yet.
    torn: bool,
}

impl Files {
    fn append(&mut self, frames: &mut [u8]) -> io::Result<()> {
        let full = |open: &Open| {
            open.length + frames.len() as u64 > SEGMENT_BYTES && open.length > HEADER_BYTES as u64
        };
        if let Some(open) = &mut self.open
            && !full(open)
        {
            return open.append(frames);
        }
        let next = self.next_segment()?;
        self.open.insert(next).append(frames)
    }

    fn next_segment(&mut self) -> io::Result<Open> {
        let oldest =
            self.folder.oldest.get(usize::from(self.at.shard)).map_or(1, |oldest| oldest.load(Relaxed));
        let next = Segment { number: self.at.number.saturating_add(1), ..self.at };
        if next.number.saturating_sub(oldest) >= self.folder.segments_max {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "the spool has reached cdr.spool_bytes_max",
            ));
        }
        let path = next.path(&self.folder.folder);
        let mut file = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(&path)?;
        file.set_len(0)?; // left by an attempt that failed
        let salt = RandomState::new().hash_one(0) as u32;
        let generation = u64::from(next.run) << 32 | u64::from(next.number);
        file.write_all(&Header { salt, generation }.to_bytes(FILE))?;
        self.at = next;
        self.folder.opened.fetch_add(1, Release);
        Ok(Open { file, salt, length: HEADER_BYTES as u64, torn: false })
    }
}

impl Open {
    /// Seals the frames and appends them, all or none.
    fn append(&mut self, frames: &mut [u8]) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }
        seal(frames, self.salt);
        let written = self.file.write_all(frames);
        match &written {
            Ok(()) => self.length += frames.len() as u64,
            Err(_) => self.torn = self.file.set_len(self.length).is_err(),
        }
        written
    }
}
