//! The folder of the spool: its segments, who writes and who reads them, and room that is used again.
//!
//! ```text
//!   spare-RUN.NUMBER.log ── next segment ──► spool-SHARD.RUN.NUMBER.log ── read, and closed ──┐
//!        ▲                                                                                    │
//!        └────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//! A segment is memory that the shard appends to and the assembler reads behind it ([`offhook_mapped`]). Only those of earlier
//! lives of the server are read as files.

use std::fs::OpenOptions;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use offhook_frames::{HEADER_BYTES, Header, seal};
use offhook_mapped::{Reader, Writer};

use crate::segments::{self, FILE, SHARDS_MAX, Segment};
use crate::spool::{Medium, PENDING_BYTES_MAX, Spool};

/// A segment has this length: a thousand calls. Made in a moment, for a shard waits for it.
pub(crate) const SEGMENT_BYTES: usize = 1024 * 1024;

/// What is appended at a time fits: what waits, one fact more, and the frames around it.
const _: () = assert!(HEADER_BYTES + 2 * PENDING_BYTES_MAX < SEGMENT_BYTES);

/// Segments that may wait for their next use: what a second of 20,000 calls needs.
const SPARES_MAX: usize = 32;

/// Segments that wait for it in a server that has little to do.
const SPARES_KEPT: usize = 2;

/// The number of the latest run.
const RUN_FILE: &str = "run";

/// Who calls whom concerns only the server's own user.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// The folder of the spool in one run of the server.
#[derive(Clone, Debug)]
pub struct SpoolFolder {
    folder: PathBuf,
    run: u32,
    segments_max: u32,
    shared: Arc<Shared>,
}

/// What shards and assembler have in common.
#[derive(Debug)]
struct Shared {
    /// Of each shard the number of the oldest segment of this run that is still there.
    oldest: [AtomicU32; SHARDS_MAX],
    /// Segments that this run has begun.
    opened: AtomicU32,
    rooms: Mutex<Rooms>,
}

/// Asked once for a segment, not for a fact.
#[derive(Debug, Default)]
struct Rooms {
    /// The segments of this run that are not read to their end.
    live: Vec<(Segment, Reader)>,
    spares: Vec<Spare>,
    /// Spares that have had a name.
    spares_named: u32,
}

/// Room that waits for its use.
#[derive(Debug)]
struct Spare {
    path: PathBuf,
    writer: Writer,
}

impl SpoolFolder {
    /// Makes the folder where it is missing, and begins a run. All shards together may keep about `bytes_max` in it.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(folder: &Path, bytes_max: u64, shards: usize) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
        let run = next_run(folder)?;
        segments::remove_spares(folder)?;
        let per_shard = bytes_max / SEGMENT_BYTES as u64 / shards.max(1) as u64;
        let shared = Shared {
            oldest: [const { AtomicU32::new(1) }; SHARDS_MAX],
            opened: AtomicU32::new(0),
            rooms: Mutex::default(),
        };
        Ok(Self {
            folder: folder.to_owned(),
            run,
            segments_max: u32::try_from(per_shard).unwrap_or(u32::MAX).max(2),
            shared: Arc::new(shared),
        })
    }

    /// The spool of this shard.
    pub fn spool(&self, shard: u8) -> Spool {
        let at = Segment { run: self.run, shard: shard.into(), number: 0 };
        Spool::new(Medium::Files(Segments { folder: self.clone(), at, open: None }))
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
        self.shared.opened.load(Acquire)
    }

    /// Of this shard everything before segment `number` is gone.
    pub(crate) fn note_oldest(&self, shard: u16, number: u32) {
        if let Some(oldest) = self.shared.oldest.get(usize::from(shard)) {
            oldest.store(number, Relaxed);
        }
    }

    /// A segment that a shard of this run writes or has written.
    pub(crate) fn live(&self, segment: Segment) -> Option<Reader> {
        let rooms = self.rooms();
        rooms.live.iter().find(|(its, _)| *its == segment).map(|(_, reader)| reader.clone())
    }

    /// This segment is closed and read: its room is used again, or its file goes.
    pub(crate) fn remove(&self, segment: Segment) -> io::Result<()> {
        let path = segment.path(&self.folder);
        let Some((spare, writer)) = self.take_room(segment) else { return std::fs::remove_file(path) };
        std::fs::rename(path, &spare)?;
        self.rooms().spares.push(Spare { path: spare, writer });
        Ok(())
    }

    /// The room of a live segment, if nobody has it any more and there are not enough others, and its next name.
    fn take_room(&self, segment: Segment) -> Option<(PathBuf, Writer)> {
        let mut rooms = self.rooms();
        let live = rooms.live.iter().position(|(its, _)| *its == segment)?;
        let writer = rooms.live.swap_remove(live).1.rewind()?;
        (rooms.spares.len() < SPARES_MAX).then(|| (rooms.name_spare(self), writer))
    }

    /// Nothing was read to its end: gives back room that a busier time has left.
    pub(crate) fn give_back_room(&self) -> io::Result<()> {
        let mut rooms = self.rooms();
        let spare = if rooms.spares.len() > SPARES_KEPT { rooms.spares.pop() } else { None };
        drop(rooms);
        spare.map_or(Ok(()), |spare| std::fs::remove_file(spare.path))
    }

    /// Whether this shard may keep one more.
    fn has_room_for(&self, next: Segment) -> bool {
        let oldest = self.shared.oldest.get(usize::from(next.shard)).map_or(1, |oldest| oldest.load(Relaxed));
        next.number.saturating_sub(oldest) < self.segments_max
    }

    fn spare(&self) -> io::Result<Spare> {
        let mut rooms = self.rooms();
        if let Some(spare) = rooms.spares.pop() {
            return Ok(spare);
        }
        let path = rooms.name_spare(self);
        drop(rooms);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(&path)?;
        match Writer::create(file, SEGMENT_BYTES) {
            Ok(writer) => Ok(Spare { path, writer }),
            Err(error) => {
                let _ = std::fs::remove_file(path); // the first error says more
                Err(error)
            }
        }
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.shared.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rooms {
    fn name_spare(&mut self, folder: &SpoolFolder) -> PathBuf {
        self.spares_named = self.spares_named.wrapping_add(1);
        segments::spare_path(&folder.folder, folder.run, self.spares_named)
    }
}

/// The number of this life of the server. None has it twice, also where no life in between has left a segment: what one
/// has noted must not be taken for what another has.
fn next_run(folder: &Path) -> io::Result<u32> {
    let noted = match std::fs::read(folder.join(RUN_FILE)) {
        // Where it is damaged the segments know.
        Ok(text) => String::from_utf8_lossy(&text).trim().parse().unwrap_or(0),
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

/// The segments of one shard in one run.
#[derive(Debug)]
pub(crate) struct Segments {
    folder: SpoolFolder,
    /// The segment that was opened last; number 0: none.
    at: Segment,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    writer: Writer,
    salt: u32,
}

impl Segments {
    /// Seals the frames and appends them, all or none.
    pub(crate) fn append(&mut self, frames: &mut [u8]) -> io::Result<()> {
        let open = match &mut self.open {
            Some(open) if open.writer.room() >= frames.len() => open,
            open => {
                // Closed before the next one is there to be seen: who reads it to its end may have its room.
                *open = None;
                self.next()?
            }
        };
        seal(frames, open.salt);
        open.writer.append(frames)
    }

    fn next(&mut self) -> io::Result<&mut Open> {
        let next = Segment { number: self.at.number.saturating_add(1), ..self.at };
        if !self.folder.has_room_for(next) {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "the spool has reached cdr.spool_bytes_max",
            ));
        }
        let Spare { path, mut writer } = self.folder.spare()?;
        let salt = RandomState::new().hash_one(0) as u32;
        // Before it has its name: under it nothing stands that an earlier use has left.
        let headed = writer.append(&Header { salt, generation: next.generation() }.to_bytes(FILE));
        let named = headed.and_then(|()| std::fs::rename(&path, next.path(&self.folder.folder)));
        if let Err(error) = named {
            let _ = std::fs::remove_file(path); // the first error says more
            return Err(error);
        }
        self.folder.rooms().live.push((next, writer.reader()));
        self.at = next;
        self.folder.shared.opened.fetch_add(1, Release);
        Ok(self.open.insert(Open { writer, salt }))
    }
}
