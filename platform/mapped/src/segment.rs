//! Who appends, and who reads.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Release},
};

use crate::memory::Memory;

/// Zeros that follow what was appended, as far as there is room: behind them may stand what an earlier use has left.
pub const END_BYTES: usize = 8;

#[derive(Debug)]
struct Shared {
    memory: Memory,
    /// Bytes that have been appended. Nobody writes them any more.
    committed: AtomicUsize,
}

/// The only one who appends.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    length: usize,
}

/// Reads what has been appended, from any thread.
#[derive(Clone, Debug)]
pub struct Reader(Arc<Shared>);

impl Writer {
    /// Makes an empty file, open for reading and writing, this long.
    ///
    /// # Errors
    /// Those of the system: the disk is full, or the file cannot be mapped.
    pub fn create(file: File, length: usize) -> io::Result<Self> {
        Ok(Self::of(Memory::new(file, length)?))
    }

    fn of(memory: Memory) -> Self {
        Self { shared: Arc::new(Shared { memory, committed: AtomicUsize::new(0) }), length: 0 }
    }

    /// How many bytes still fit.
    pub fn room(&self) -> usize {
        self.shared.memory.length() - self.length
    }

    /// Appends all of it or nothing.
    ///
    /// # Errors
    /// There is no room, or the system takes nothing; what was appended before stays.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > self.room() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let end = self.length + bytes.len();
        let mark = END_BYTES.min(self.room() - bytes.len());
        // SAFETY: readers get what is before `committed`, which is our length, and nobody else writes: there is one writer,
        // and it is borrowed as a mutable one.
        unsafe {
            // The end first: what ends the program in between leaves no bytes of an earlier use behind what is new.
            self.shared.memory.put(end, &[0; END_BYTES][..mark])?;
            self.shared.memory.put(self.length, bytes)?;
        }
        self.length = end;
        self.shared.committed.store(end, Release);
        Ok(())
    }

    /// One who reads it.
    pub fn reader(&self) -> Reader {
        Reader(self.shared.clone())
    }
}

impl Reader {
    /// All that has been appended so far.
    pub fn bytes(&self) -> &[u8] {
        let committed = self.0.committed.load(Acquire);
        // SAFETY: a writer appends behind them, and one that begins anew has the memory for itself (`rewind`).
        unsafe { self.0.memory.before(committed) }
    }

    /// The same file to be written anew from its beginning, unless somebody else still reads or writes it.
    pub fn rewind(self) -> Option<Writer> {
        Some(Writer::of(Arc::into_inner(self.0)?.memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{OpenOptions, read};
    use std::path::{Path, PathBuf};
    use tempfile::TempDir;

    const LENGTH: usize = 100_000;

    fn file(path: &Path) -> File {
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).unwrap()
    }

    /// One of each kind, whatever file system the tests run on.
    fn both(test: impl Fn(Writer, PathBuf)) {
        let dir = TempDir::new().unwrap();
        let (own, beside) = (dir.path().join("own"), dir.path().join("beside"));
        test(Writer::of(Memory::of_file(&file(&own), LENGTH).unwrap()), own);
        test(Writer::of(Memory::beside(file(&beside), LENGTH).unwrap()), beside);
    }

    #[test]
    fn what_is_appended_is_read_and_stands_in_the_file() {
        both(|mut writer, path| {
            let reader = writer.reader();
            assert_eq!(reader.bytes(), b"");
            for end in 1..=100 {
                writer.append(format!("{end:03}").as_bytes()).unwrap();
                assert_eq!(reader.bytes().len(), end * 3);
            }
            let appended = reader.bytes();
            assert!(appended.starts_with(b"001002") && appended.ends_with(b"099100"));
            assert_eq!(&read(&path).unwrap()[..300], appended);
            assert_eq!(writer.room(), LENGTH - 300);
        });
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        both(|mut writer, _| {
            writer.append(&vec![1; LENGTH - 3]).unwrap();
            assert_eq!(writer.append(b"four").unwrap_err().kind(), io::ErrorKind::StorageFull);
            writer.append(b"two").unwrap();
            assert!(writer.append(b"x").is_err());
            assert!(writer.reader().bytes().ends_with(b"\x01two"));
        });
    }

    #[test]
    fn a_file_is_used_again_when_nobody_else_has_it() {
        both(|mut writer, path| {
            writer.append(&[b'x'; 1_000]).unwrap();
            let (first, second) = (writer.reader(), writer.reader());
            drop(writer);
            assert!(first.rewind().is_none(), "another still reads it");
            let mut writer = second.rewind().unwrap();
            assert_eq!((writer.room(), writer.reader().bytes().len()), (LENGTH, 0));
            writer.append(b"new").unwrap();
            assert_eq!(writer.reader().bytes(), b"new");
            let file = read(&path).unwrap();
            assert_eq!(&file[..20], b"new\0\0\0\0\0\0\0\0xxxxxxxxx", "where it ends is seen in the file too");
        });
    }

    #[test]
    fn a_reader_on_another_thread_sees_whole_appends_in_order() {
        both(|mut writer, _| {
            let reader = writer.reader();
            let reading = std::thread::spawn(move || {
                let mut seen = 0;
                while seen < 90_000 {
                    let bytes = reader.bytes();
                    assert_eq!(bytes.len() % 9, 0);
                    let numbers = bytes[seen..].chunks(9).zip(seen / 9..);
                    numbers.for_each(|(bytes, number)| assert_eq!(bytes, format!("{number:09}").as_bytes()));
                    seen = bytes.len();
                }
            });
            (0..10_000).for_each(|number| writer.append(format!("{number:09}").as_bytes()).unwrap());
            reading.join().unwrap();
        });
    }

    /// A disk that is full refuses room before there is a map of it; of our own memory it refuses the write.
    #[test]
    fn a_file_that_takes_nothing_is_told() {
        let full = || OpenOptions::new().read(true).write(true).open("/dev/full").unwrap();
        assert!(Memory::of_file(&full(), LENGTH).is_err());
        let mut writer = Writer::of(Memory::beside(full(), LENGTH).unwrap());
        assert_eq!(writer.append(b"x").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(writer.reader().bytes(), b"");
    }
}
