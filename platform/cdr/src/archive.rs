//! Where records are: files `records-NUMBER.log` in the folder of the spool, which are appended to and nothing else.
//!
//! ```text
//!   put: append, sync ──► the store notes file, start and length, in the transaction of the turn
//! ```
//! Only what the store has noted is ever read. What a crash has left behind it stays unread: each run begins a file of its
//! own. A file goes when the store has forgotten all that is in it.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::CdrError;

/// A file is closed when it has grown to this, and when its day (UTC) is over.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

const DAY_MS: u64 = 86_400_000;

/// Of the records of a long turn so much is written at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// Who calls whom concerns only the server's own user.
const FILE_MODE: u32 = 0o600;

/// Where records lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Span {
    /// The number of the file.
    pub(crate) file: u64,
    pub(crate) start: u64,
    pub(crate) bytes: u64,
}

/// The files.
#[derive(Debug)]
pub(crate) struct Archive {
    folder: PathBuf,
    /// Of the file that was begun last.
    number: u64,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    length: u64,
    day: u64,
    /// Bytes behind `length` of the records that are put next.
    poured: usize,
}

impl Archive {
    /// Goes on behind the files that are there, and behind `named`, the last that the store names: where the folder was
    /// taken away, records of old rows must not be looked for in new files.
    pub(crate) fn open(folder: &Path, named: u64) -> io::Result<Self> {
        let number = numbers(folder)?.into_iter().fold(named, u64::max);
        Ok(Self { folder: folder.to_owned(), number, open: None })
    }

    /// Writes what there is of the records that are put next, where there is much of it: it has not left the processor's
    /// cache by then. What fails is tried again when they are put.
    pub(crate) fn pour(&mut self, now_ms: u64, records: &[u8]) {
        let poured = self.open.as_ref().map_or(0, |open| open.poured);
        if records.len() < poured + PIECE_BYTES {
            return;
        }
        let Ok(mut open) = self.open_for(now_ms) else { return };
        self.open = match open.pour(records) {
            Ok(()) => Some(open),
            Err(_) => open.forget_poured(),
        };
    }

    /// Appends records. They are on disk then.
    pub(crate) fn put(&mut self, now_ms: u64, records: &[u8]) -> Result<Span, CdrError> {
        let mut open = self.open_for(now_ms)?;
        let written = open.pour(records).and_then(|()| open.file.sync_data());
        if let Err(error) = written {
            self.open = open.forget_poured();
            return Err(CdrError::io("write", &path(&self.folder, self.number))(error));
        }
        let span = Span { file: self.number, start: open.length, bytes: records.len() as u64 };
        open.length += span.bytes;
        open.poured = 0;
        self.open = Some(open);
        Ok(span)
    }

    /// The file for the records of a turn: the one that has some of them, or the last one while it is open.
    fn open_for(&mut self, now_ms: u64) -> Result<Open, CdrError> {
        let day = now_ms / DAY_MS;
        match self.open.take() {
            Some(open) if open.poured > 0 || open.day == day && open.length < FILE_BYTES_MAX => Ok(open),
            _ => self.begin(day),
        }
    }

    fn begin(&mut self, day: u64) -> Result<Open, CdrError> {
        let path = path(&self.folder, self.number + 1);
        let opened = OpenOptions::new().append(true).create_new(true).mode(FILE_MODE).open(&path);
        let file = opened.map_err(CdrError::io("create", &path))?;
        self.number += 1;
        // The store's word is on disk when it is given; so must be the name of the file that it speaks of.
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(CdrError::io("sync", &self.folder))?;
        Ok(Open { file, length: 0, day, poured: 0 })
    }

    /// Removes the files that have none of the records that are wanted: those that are not `named`. The one that is
    /// written is closed before, unless nothing is in it yet.
    pub(crate) fn forget(&mut self, named: &BTreeSet<u64>) -> io::Result<()> {
        self.open.take_if(|open| open.length > 0 && !named.contains(&self.number));
        let open = self.open.as_ref().map(|_| self.number);
        for number in numbers(&self.folder)? {
            if !named.contains(&number) && open != Some(number) {
                std::fs::remove_file(path(&self.folder, number))?;
            }
        }
        Ok(())
    }
}

impl Open {
    fn pour(&mut self, records: &[u8]) -> io::Result<()> {
        self.file.write_all(records.get(self.poured..).unwrap_or_default())?;
        self.poured = records.len();
        Ok(())
    }

    /// What was written behind its length is cut off, or the next records go into a file of their own.
    fn forget_poured(mut self) -> Option<Self> {
        self.poured = 0;
        self.file.set_len(self.length).is_ok().then_some(self)
    }
}

/// Reads records, many from one file.
pub(crate) struct Reader {
    folder: PathBuf,
    open: Option<(u64, File)>,
    records: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), open: None, records: Vec::new() }
    }

    /// The records that lie there; none where the file was taken away, and as many as it still has where it was cut.
    pub(crate) fn read(&mut self, span: Span) -> io::Result<&[u8]> {
        self.records.clear();
        if self.open.as_ref().is_none_or(|(number, _)| *number != span.file) {
            self.open = match File::open(path(&self.folder, span.file)) {
                Ok(file) => Some((span.file, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
        }
        let Some((_, file)) = &self.open else { return Ok(&[]) };
        // A length that is none of ours asks for no memory that the file does not have.
        let there = file.metadata()?.len().saturating_sub(span.start).min(span.bytes);
        self.records.resize(usize::try_from(there).unwrap_or(0), 0);
        file.read_exact_at(&mut self.records, span.start)?;
        Ok(&self.records)
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("records-{number:06}.log"))
}

fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("records-")?.strip_suffix(".log"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn text(reader: &mut Reader, span: Span) -> String {
        String::from_utf8(reader.read(span).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn records_come_back_from_files_of_many_days_and_runs() {
        let dir = TempDir::new().unwrap();
        let mut spans = Vec::new();
        for run in 0..3 {
            let mut archive = Archive::open(dir.path(), 0).unwrap();
            for at in 0..4 {
                let now_ms = run * DAY_MS + at * DAY_MS / 2;
                spans.push(archive.put(now_ms, format!("{run} {at}").as_bytes()).unwrap());
            }
        }
        let mut reader = Reader::new(dir.path());
        let texts: Vec<String> = spans.iter().map(|span| text(&mut reader, *span)).collect();
        let expected = (0..3).flat_map(|run| (0..4).map(move |at| format!("{run} {at}")));
        assert_eq!(texts, expected.collect::<Vec<_>>());
        assert_eq!(spans.last().map(|span| span.file), Some(6), "two days in each of three runs");
        assert_eq!(text(&mut reader, Span { bytes: u64::MAX, ..spans[0] }), "0 00 1", "not beyond the file");
        assert_eq!(text(&mut reader, Span { file: 99, ..spans[0] }), "");
    }

    /// Records of a long turn are written as they are made. They lie in the file of the day on which the first were.
    #[test]
    fn what_was_poured_is_part_of_what_is_put() {
        let dir = TempDir::new().unwrap();
        let mut archive = Archive::open(dir.path(), 0).unwrap();
        let mut reader = Reader::new(dir.path());
        for (day, number) in [(0, 1), (0, 1), (1, 2)] {
            let mut records = Vec::new();
            for piece in 0..50_000u64 {
                records.extend_from_slice(&(piece + day).to_le_bytes());
                archive.pour(day * DAY_MS, &records);
            }
            let poured = archive.open.as_ref().unwrap().poured;
            assert!(records.len() - poured < PIECE_BYTES && poured > PIECE_BYTES);
            let span = archive.put((day + 1) * DAY_MS, &records).unwrap();
            assert_eq!((span.file, reader.read(span).unwrap()), (number, &records[..]));
        }
    }

    /// The turn begins anew, perhaps with others: it is not there.
    #[test]
    fn what_was_poured_and_cut_off_is_poured_again() {
        let dir = TempDir::new().unwrap();
        let mut archive = Archive::open(dir.path(), 0).unwrap();
        archive.put(0, b"first").unwrap();
        archive.pour(0, &[1; 2 * PIECE_BYTES]);
        archive.open = archive.open.take().and_then(Open::forget_poured);
        archive.pour(0, &[2; 2 * PIECE_BYTES]);
        let span = archive.put(0, &[2; 3 * PIECE_BYTES]).unwrap();
        assert_eq!((span.file, span.start), (1, 5));
        assert_eq!(Reader::new(dir.path()).read(span).unwrap(), [2; 3 * PIECE_BYTES]);
    }

    #[test]
    fn files_go_when_nothing_in_them_is_wanted() {
        let dir = TempDir::new().unwrap();
        let mut archive = Archive::open(dir.path(), 0).unwrap();
        for day in 0..4 {
            archive.put(day * DAY_MS, b"x").unwrap();
        }
        let mut left = |named: &[u64]| {
            archive.forget(&named.iter().copied().collect()).unwrap();
            let mut left = numbers(dir.path()).unwrap();
            left.sort_unstable();
            left
        };
        assert_eq!(left(&[1, 2, 3, 4]), [1, 2, 3, 4]);
        assert_eq!(left(&[1, 3, 4]), [1, 3, 4], "an old one that stays keeps no later one");
        assert_eq!(left(&[4, 9]), [4]);
        assert_eq!(left(&[]), [0; 0], "nor does the one stay that is written");
        let span = archive.put(3 * DAY_MS, b"y").unwrap();
        assert_eq!((span.file, text(&mut Reader::new(dir.path()), span)), (5, "y".to_owned()));
    }
}
