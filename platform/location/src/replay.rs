//! Reads the files at the start: the snapshot, then every log that it does not replace.
//!
//! The order does not matter, because each record carries a version that grows with every change of its
//! address-of-record: the highest one wins, whichever log it is in. Tombstones are kept until all is read.
//!
//! **Damage.** Where a frame does not check, reading goes on at the next one that does: the bytes between are counted
//! as damaged, or as a torn tail when no frame follows. An address-of-record whose latest frame is lost falls back to
//! the frame before it, if a file still holds one. Files are not mended in place: soon after such a start a snapshot
//! replaces them. A file whose header is damaged is lost as a whole and moved aside; phones register again within
//! their expiry.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use offhook_frames::Frames;
use offhook_frames::{BadHeader, HEADER_BYTES, Header};

use crate::binding::Binding;
use crate::error::LocationError;
use crate::record::Payload;
use crate::reprieve::believed;
use crate::segments;
use crate::table::Table;

/// What was found in the files. After torn or damaged content, a snapshot soon replaces the files that hold it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpenReport {
    /// Bindings that are valid now.
    pub bindings: usize,
    /// Bindings that had ended.
    pub expired: usize,
    /// Bindings that are believed for longer than the files say, for the server that wrote them was not stopped in
    /// peace: see `reprieve`.
    pub believed: usize,
    /// Bytes at the ends of files that form no whole record: writing stopped there.
    pub torn_bytes: u64,
    /// Bytes between good records that form none.
    pub damaged_bytes: u64,
    /// Files whose header cannot be read; they are moved aside.
    pub damaged_files: u32,
}

/// What was read, and what is known of the files themselves.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) report: OpenReport,
    /// The highest generation of any file.
    pub(crate) generation: u64,
    /// Logs that hold something.
    pub(crate) logs: usize,
    version: u64,
    /// A payload while its connections are taken out.
    scratch: Vec<u8>,
}

/// Whether the files are ours to tidy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ownership {
    Ours,
    /// Another process may be writing them.
    Foreign,
}

/// How often the files may change under a foreign reader before it gives up. A compaction takes longer than a reading.
const ATTEMPTS_MAX: u32 = 10;

/// Reads the folder into an empty table that the caller makes: once more with another one if a foreign compaction came
/// between.
pub(crate) fn load(
    folder: &Path,
    now_ms: u64,
    ownership: Ownership,
    table: impl Fn() -> Table,
) -> Result<(Table, Loaded), LocationError> {
    std::fs::metadata(folder).map_err(LocationError::io("open", folder))?;
    let in_peace = ownership == Ownership::Foreign || take_stopped(folder)?;
    for _ in 0..ATTEMPTS_MAX {
        let table = table();
        let mut loaded = Loaded::default();
        match loaded.read_folder(folder, ownership, &table) {
            Ok(true) => {
                if !in_peace {
                    loaded.believe(&table);
                }
                loaded.finish(&table, now_ms);
                return Ok((table, loaded));
            }
            Ok(false) => {}
            Err(LocationError::Io { source, .. })
                if ownership == Ownership::Foreign && source.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(LocationError::KeepsChanging)
}

impl Loaded {
    /// False if a snapshot took the place of logs meanwhile.
    fn read_folder(
        &mut self,
        folder: &Path,
        ownership: Ownership,
        table: &Table,
    ) -> Result<bool, LocationError> {
        let snapshot = folder.join(segments::SNAPSHOT);
        let unfinished = folder.join(segments::SNAPSHOT_UNFINISHED);
        if ownership == Ownership::Ours && unfinished.exists() {
            remove(&unfinished)?;
        }
        let header = if snapshot.exists() { self.read_file(&snapshot, ownership, table)? } else { None };
        let replaced_below = header.map_or(0, |header| header.generation);
        self.generation = replaced_below;
        for segment in segments::list(folder)? {
            self.generation = self.generation.max(segment.generation);
            if segment.generation >= replaced_below && segment.bytes > HEADER_BYTES as u64 {
                self.read_file(&segment.path, ownership, table)?;
                self.logs += 1;
            } else if ownership == Ownership::Ours {
                let is_short = segment.generation >= replaced_below && segment.bytes < HEADER_BYTES as u64;
                self.report.torn_bytes += if is_short { segment.bytes } else { 0 };
                remove(&segment.path)?;
            }
        }
        Ok(ownership == Ownership::Ours || snapshot_header(&snapshot)? == header)
    }

    /// Reads one file past whatever is damaged. `None` if it has no usable header.
    fn read_file(
        &mut self,
        path: &Path,
        ownership: Ownership,
        table: &Table,
    ) -> Result<Option<Header>, LocationError> {
        let mut file = File::open(path).map_err(LocationError::io("open", path))?;
        let header = match read_header(&mut file, path)? {
            Ok(header) => header,
            Err(bad) => return self.note_bad_header(bad, path, ownership).map(|()| None),
        };
        let mut frames = Frames::new(file, header.salt);
        while let Some(payload) = frames.next().map_err(LocationError::io("read", path))? {
            match Payload::check(payload) {
                Some(payload) => self.take(payload, table),
                None => self.report.damaged_bytes += payload.len() as u64,
            }
        }
        self.report.damaged_bytes += frames.damaged_bytes;
        self.report.torn_bytes += frames.torn_bytes;
        Ok(Some(header))
    }

    /// Keeps a payload. Connections ended with the process that had them.
    fn take(&mut self, payload: Payload<'_>, table: &Table) {
        self.version = self.version.max(payload.version());
        if !payload.names_connection() {
            return table.load(payload);
        }
        self.scratch.clear();
        payload.rewrite(&mut self.scratch, payload.bindings(0).map(Binding::without_connection));
        table.load(Payload { bytes: &self.scratch });
    }

    fn note_bad_header(
        &mut self,
        bad: BadHeader,
        path: &Path,
        ownership: Ownership,
    ) -> Result<(), LocationError> {
        if let BadHeader::Newer(format) = bad {
            return Err(LocationError::NewerFormat {
                path: path.to_owned(),
                format,
                supported: segments::FILE.format,
            });
        }
        self.report.damaged_files += 1;
        if ownership == Ownership::Foreign {
            return Ok(());
        }
        let mut aside = path.as_os_str().to_owned();
        aside.push(".");
        aside.push(segments::DAMAGED);
        std::fs::rename(path, aside).map_err(LocationError::io("move aside", path))
    }

    /// The server that wrote this was killed: what it had promised in its last moments is not in the files.
    fn believe(&mut self, table: &Table) {
        self.report.believed = (0..table.stripes()).map(|stripe| table.rewrite(stripe, believed)).sum();
    }

    /// What has ended is shown to nobody, and forgotten when the sweep has told the log.
    fn finish(&mut self, table: &Table, now_ms: u64) {
        table.finish_loading(self.version);
        let loaded = table.bindings();
        self.report.expired = (0..table.stripes()).map(|stripe| table.expired(stripe, now_ms)).sum();
        self.report.bindings = loaded - self.report.expired;
    }
}

/// Whether the last server was stopped in peace; from now on it is not known of this one.
fn take_stopped(folder: &Path) -> Result<bool, LocationError> {
    let path = folder.join(segments::STOPPED);
    match std::fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(LocationError::io("remove", &path)(error)),
    }
}

/// The header of a file from its beginning; the outer error is the disk's.
fn read_header(file: &mut File, path: &Path) -> Result<Result<Header, BadHeader>, LocationError> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    let read = file.take(HEADER_BYTES as u64).read_to_end(&mut bytes);
    read.map_err(LocationError::io("read", path))?;
    Ok(Header::parse(&bytes, segments::FILE))
}

fn snapshot_header(path: &Path) -> Result<Option<Header>, LocationError> {
    match File::open(path) {
        Ok(mut file) => Ok(read_header(&mut file, path)?.ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LocationError::io("open", path)(error)),
    }
}

fn remove(path: &Path) -> Result<(), LocationError> {
    std::fs::remove_file(path).map_err(LocationError::io("remove", path))
}
