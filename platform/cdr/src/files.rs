//! The files of records: `cdr-DAY-NUMBER.jsonl` or `.csv`. They follow the table: what is in it and not in them yet is
//! appended, and how far they are is noted when they are on disk.
//!
//! ```text
//!   append ──► sync ──► note number, length and last record in the store
//! ```
//! After a crash the file that was written is cut to the length that was noted, and later ones, which nobody has noted, are
//! set aside under another name: the same lines are written again. No line is missing, none stands twice.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use offhook_store::Store;

use crate::error::CdrError;
use crate::line::{COLUMNS, LineWriter, utc};
use crate::record::Entry;
use crate::table::{self, FilePosition};

/// Records at a time.
const BATCH: usize = 1_000;

const DAY_MS: u64 = 86_400_000;

/// Who calls whom concerns only the server's own user.
const FILE_MODE: u32 = 0o600;

/// How a line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileFormat {
    /// One JSON object.
    JsonLines,
    /// Comma-separated values; the first line has the names.
    Csv,
}

/// Files of records, and when a new one is begun.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// How a line looks.
    pub format: FileFormat,
    /// A file that has grown to this is closed.
    pub bytes_max: u64,
}

/// The file that is written.
pub(crate) struct Files {
    folder: PathBuf,
    options: FileOptions,
    /// What is sure.
    at: FilePosition,
    open: Option<File>,
    writer: LineWriter,
}

impl Files {
    pub(crate) fn new(folder: &Path, options: FileOptions, at: FilePosition) -> Self {
        Self { folder: folder.to_owned(), options, at, open: None, writer: LineWriter::default() }
    }

    /// Appends what the store has more: records before `next_id`. After an error the next call begins at what is sure.
    pub(crate) fn follow(&mut self, store: &Store, next_id: u64, now_ms: u64) -> Result<(), CdrError> {
        if self.open.is_none() && self.at.number > 0 {
            self.open = self.take_up()?;
        }
        while self.at.last + 1 < next_id {
            let records = table::after(store, self.at.last, BATCH)?;
            if records.is_empty() {
                return Ok(()); // forgotten meanwhile
            }
            let at = self.write(&records, now_ms)?;
            table::note_file(store, &at)?;
            self.note(at);
        }
        Ok(())
    }

    /// Appends records, and says where the files are then: to be noted in the store, and by [`note`](Self::note). Unless
    /// that happens, what was written does not count.
    pub(crate) fn write(&mut self, records: &[Entry<'_>], now_ms: u64) -> Result<FilePosition, CdrError> {
        if self.open.is_none() && self.at.number > 0 {
            self.open = self.take_up()?;
        }
        let mut at = self.at.clone();
        let open = self.open.take();
        let file = self.append(records, &mut at, open, now_ms)?;
        self.open = Some(file);
        at.last = records.last().map_or(at.last, |record| record.id);
        Ok(at)
    }

    /// The store knows where the files are.
    pub(crate) fn note(&mut self, at: FilePosition) {
        self.at = at;
    }

    /// The store does not know: what was written behind the last place that it knows is written again.
    pub(crate) fn go_back(&mut self) {
        self.open = None;
    }

    fn append(
        &mut self,
        records: &[Entry<'_>],
        at: &mut FilePosition,
        open: Option<File>,
        now_ms: u64,
    ) -> Result<File, CdrError> {
        let day = utc(now_ms)[..10].replace('-', "");
        let mut file = match open {
            Some(file) => file,
            None => self.begin_next(at, &day)?,
        };
        let mut lines = Vec::new();
        for record in records {
            let full = at.length + lines.len() as u64 >= self.options.bytes_max;
            if full || at.day != day {
                self.put(&mut file, &mut lines, at)?;
                file = self.begin_next(at, &day)?;
            }
            if at.length == 0 && lines.is_empty() && self.options.format == FileFormat::Csv {
                lines.extend_from_slice(format!("{}\r\n", COLUMNS.join(",")).as_bytes());
            }
            match self.options.format {
                FileFormat::JsonLines => self.writer.json(record, &mut lines),
                FileFormat::Csv => self.writer.csv(record, &mut lines),
            }
        }
        self.put(&mut file, &mut lines, at)?;
        Ok(file)
    }

    /// Appends and waits until it is on disk.
    fn put(&self, file: &mut File, lines: &mut Vec<u8>, at: &mut FilePosition) -> Result<(), CdrError> {
        let written = file.write_all(lines).and_then(|()| file.sync_data());
        written.map_err(CdrError::io("write", &self.path(at)))?;
        at.length += lines.len() as u64;
        lines.clear();
        Ok(())
    }

    /// The file that was written last, cut to what is sure; later ones were begun and not noted. `None`: it was taken
    /// away, or cut, or the format has changed.
    fn take_up(&self) -> Result<Option<File>, CdrError> {
        let at = &self.at;
        let path = self.path(at);
        let failed = || CdrError::io("list", &self.folder);
        for entry in std::fs::read_dir(&self.folder).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            if number_of(&entry.file_name().to_string_lossy()).is_some_and(|(_, number)| number > at.number) {
                let aside = entry.path().with_added_extension("aside");
                std::fs::rename(entry.path(), aside).map_err(CdrError::io("rename", &entry.path()))?;
            }
        }
        match OpenOptions::new().append(true).open(&path) {
            Ok(file) if file.metadata().is_ok_and(|metadata| metadata.len() >= at.length) => {
                file.set_len(at.length).map_err(CdrError::io("truncate", &path))?;
                Ok(Some(file))
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(CdrError::io("open", &path)(error)),
            _ => Ok(None),
        }
    }

    fn begin_next(&self, at: &mut FilePosition, day: &str) -> Result<File, CdrError> {
        *at = FilePosition { number: at.number + 1, day: day.to_owned(), length: 0, last: at.last };
        let path = self.path(at);
        let open = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(&path);
        let emptied = open.and_then(|file| file.set_len(0).map(|()| file));
        emptied.map_err(CdrError::io("create", &path))
    }

    fn path(&self, at: &FilePosition) -> PathBuf {
        let ending = match self.options.format {
            FileFormat::JsonLines => "jsonl",
            FileFormat::Csv => "csv",
        };
        self.folder.join(format!("cdr-{}-{:06}.{ending}", at.day, at.number))
    }

    /// The last record that is in the files.
    pub(crate) fn last(&self) -> u64 {
        self.at.last
    }
}

/// Removes files of days that are over for longer than this.
pub(crate) fn forget(folder: &Path, keep_days: u64, now_ms: u64) -> io::Result<()> {
    let oldest = utc(now_ms.saturating_sub(keep_days * DAY_MS))[..10].replace('-', "");
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if number_of(&entry.file_name().to_string_lossy()).is_some_and(|(day, _)| day < oldest.as_str()) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Day and number in the name of a file of records.
fn number_of(name: &str) -> Option<(&str, u64)> {
    let stem = name.strip_prefix("cdr-")?;
    let stem = stem.strip_suffix(".jsonl").or_else(|| stem.strip_suffix(".csv"))?;
    let (day, number) = stem.split_once('-')?;
    let is_day = day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit());
    Some((day, number.parse().ok()?)).filter(|_| is_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_names() {
        assert_eq!(number_of("cdr-20261121-000007.jsonl"), Some(("20261121", 7)));
        assert_eq!(number_of("cdr-20261121-1000000.csv"), Some(("20261121", 1_000_000)));
        for other in ["cdr-2026-000007.csv", "cdr-20261121-x.csv", "cdr-20261121-1.txt", "spool-1.1.1.log"] {
            assert_eq!(number_of(other), None, "{other}");
        }
    }
}
