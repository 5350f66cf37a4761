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

use crate::archive::Reader;
use crate::batch;
use crate::error::CdrError;
use crate::line::{COLUMNS, LineWriter, utc};
use crate::record::Entry;
use crate::table::{self, FilePosition};

/// Rows at a time.
const ROWS: usize = 4;

const DAY_MS: u64 = 86_400_000;

/// Lines are written when there are so many bytes of them: they have not left the processor's cache by then.
const PIECE_BYTES: usize = 64 * 1024;

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
    /// Memory for the lines of a page.
    lines: Vec<u8>,
}

/// Records on their way into the files.
pub(crate) struct Page {
    file: Option<File>,
    at: FilePosition,
    day: String,
    /// Lines that are not written yet.
    lines: Vec<u8>,
}

impl Files {
    pub(crate) fn new(folder: &Path, options: FileOptions, at: FilePosition) -> Self {
        Self {
            folder: folder.to_owned(),
            options,
            at,
            open: None,
            writer: LineWriter::default(),
            lines: Vec::new(),
        }
    }

    /// Appends what the store has more: records before `next_id`. After an error the next call begins at what is sure.
    pub(crate) fn follow(&mut self, store: &Store, next_id: u64, now_ms: u64) -> Result<(), CdrError> {
        if self.open.is_none() {
            self.open = self.take_up()?;
        }
        while self.at.last + 1 < next_id {
            let rows = table::after(store, self.at.last, ROWS)?;
            if rows.is_empty() {
                return Ok(()); // forgotten meanwhile
            }
            let mut reader = Reader::new(&self.folder);
            let mut page = self.begin(now_ms)?;
            for (first, calls, _, span) in rows {
                let batch = reader.read(span).map_err(CdrError::io("read records in", &self.folder))?;
                for entry in batch::read(first, batch) {
                    if entry.id > page.at.last {
                        self.put(&mut page, &entry)?;
                    }
                }
                // What was taken away, or is of another format, has no lines.
                page.at.last = page.at.last.max(first + calls - 1);
            }
            let at = self.end(page)?;
            table::note_file(store, &at)?;
            self.note(at);
        }
        Ok(())
    }

    /// Begins to append records. Unless the page is [ended](Self::end), and where it ended is stored and
    /// [noted](Self::note), what was written does not count.
    pub(crate) fn begin(&mut self, now_ms: u64) -> Result<Page, CdrError> {
        if self.open.is_none() {
            self.open = self.take_up()?;
        }
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        let day = utc(now_ms)[..10].replace('-', "");
        Ok(Page { file: self.open.take(), at: self.at.clone(), day, lines })
    }

    /// Appends a record.
    pub(crate) fn put(&mut self, page: &mut Page, entry: &Entry<'_>) -> Result<(), CdrError> {
        let full = page.at.length + page.lines.len() as u64 >= self.options.bytes_max;
        if page.file.is_none() || full || page.at.day != page.day {
            self.write(page)?;
            page.file = Some(self.begin_next(&mut page.at, &page.day)?);
        }
        let lines = &mut page.lines;
        match self.options.format {
            FileFormat::JsonLines => self.writer.json(entry, lines),
            FileFormat::Csv => {
                if page.at.length == 0 && lines.is_empty() {
                    lines.extend_from_slice(format!("{}\r\n", COLUMNS.join(",")).as_bytes());
                }
                self.writer.csv(entry, lines);
            }
        }
        page.at.last = entry.id;
        if page.lines.len() >= PIECE_BYTES { self.pour(page) } else { Ok(()) }
    }

    /// All of it is on disk then. Says where the files are, to be noted in the store.
    pub(crate) fn end(&mut self, mut page: Page) -> Result<FilePosition, CdrError> {
        self.write(&mut page)?;
        self.open = page.file;
        self.lines = page.lines;
        Ok(page.at)
    }

    /// Writes what is there, and waits until it is on disk.
    fn write(&self, page: &mut Page) -> Result<(), CdrError> {
        self.pour(page)?;
        let Some(file) = &page.file else { return Ok(()) };
        file.sync_data().map_err(CdrError::io("write", &self.path(&page.at)))
    }

    /// Writes what is there.
    fn pour(&self, page: &mut Page) -> Result<(), CdrError> {
        let Some(file) = &mut page.file else { return Ok(()) };
        file.write_all(&page.lines).map_err(CdrError::io("write", &self.path(&page.at)))?;
        page.at.length += page.lines.len() as u64;
        page.lines.clear();
        Ok(())
    }

    /// The store knows where the files are.
    pub(crate) fn note(&mut self, at: FilePosition) {
        self.at = at;
    }

    /// The store does not know: what was written behind the last place that it knows is written again.
    pub(crate) fn go_back(&mut self) {
        self.open = None;
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

/// Removes files of days that are over for longer than this, also those that were set aside.
pub(crate) fn forget(folder: &Path, keep_days: u64, now_ms: u64) -> io::Result<()> {
    let oldest = utc(now_ms.saturating_sub(keep_days * DAY_MS))[..10].replace('-', "");
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if number_of(name.trim_end_matches(".aside")).is_some_and(|(day, _)| day < oldest.as_str()) {
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
    fn old_files_go_and_others_stay() {
        let dir = tempfile::TempDir::new().unwrap();
        let old = ["cdr-19700101-000001.jsonl", "cdr-19700101-000002.csv", "cdr-19700101-000003.jsonl.aside"];
        let stay = ["cdr-19700103-000004.jsonl", "cdr-19700103-000005.jsonl.aside", "spool-1.1.1.log"];
        old.iter().chain(&stay).for_each(|name| std::fs::write(dir.path().join(name), "").unwrap());
        forget(dir.path(), 1, 2 * DAY_MS + 5).unwrap();
        let left = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut left: Vec<_> = left.map(|name| name.into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, stay);
    }

    #[test]
    fn files_are_known_by_their_names() {
        assert_eq!(number_of("cdr-20261121-000007.jsonl"), Some(("20261121", 7)));
        assert_eq!(number_of("cdr-20261121-1000000.csv"), Some(("20261121", 1_000_000)));
        for other in ["cdr-2026-000007.csv", "cdr-20261121-x.csv", "cdr-20261121-1.txt", "spool-1.1.1.log"] {
            assert_eq!(number_of(other), None, "{other}");
        }
    }
}
