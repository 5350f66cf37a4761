//! The log of calls that are not over: what the joiner must know after a crash. It is appended to once a turn, and written
//! anew when most of it is of calls that are over.
//!
//! ```text
//!   a turn:  call changed │ call gone │ waiting BYE … │ positions … │ END: turn, whether it has records, positions
//!   load:    turns in their order, up to the last one that the store has the records of; the rest is cut off
//! ```
//! A turn counts when its END is there. One that has records is in the store, too, or it has not happened: then its facts
//! are read again. Frames are as in [`offhook_frames`]; what is small shares one: each entry is its kind, its length (2) and
//! its bytes.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use offhook_frames::encoding::{Cursor, put_varint};
use offhook_frames::{
    FRAME_HEADER_BYTES, Frames, HEADER_BYTES, Header, Kind, begin_frame, end_frame, put_frame, seal,
};

use crate::segments::Segment;

/// What its header says that it is.
const FILE: Kind = Kind { magic: *b"offhookO", format: 3 };

const CALL: u8 = 1;
const GONE: u8 = 2;
const NO_ORPHANS: u8 = 3;
const ORPHAN: u8 = 4;
const END: u8 = 5;
const READ: u8 = 6;

/// A frame that has this gets no more entries. A call has at most some 61,000 bytes, and a frame takes 65,535.
const SHARED_BYTES: usize = 2_048;

/// Kind and length of an entry.
const ENTRY_HEAD_BYTES: usize = 3;

/// Positions in one frame. A frame has at most 65,535 bytes, a position at most 30.
const POSITIONS_PER_FRAME: usize = 2_000;

/// It is written anew when it is longer than this and than [`GROWTH`] times what is in use: reading it takes no moment.
const BYTES_MIN: u64 = 4 * 1024 * 1024;
const GROWTH: u64 = 3;

/// Who calls whom concerns only the server's own user.
const FILE_MODE: u32 = 0o600;

/// Salt and position of each segment that has been read.
pub(crate) type Positions = BTreeMap<Segment, (u32, u64)>;

/// What it holds.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Open calls by their number, encoded.
    pub(crate) calls: BTreeMap<u64, Vec<u8>>,
    /// BYEs that wait for their call, encoded.
    pub(crate) orphans: Vec<Vec<u8>>,
    pub(crate) positions: Positions,
    pub(crate) turn: u64,
    /// What the next call gets.
    pub(crate) next_call: u64,
    /// Turns that the store has records of are not in it, or parts of them.
    pub(crate) is_damaged: bool,
}

/// A turn as it is written.
#[derive(Debug, Default)]
pub(crate) struct TurnFrames {
    frames: Vec<u8>,
    /// Where the frame begins that takes entries.
    open: Option<usize>,
}

impl TurnFrames {
    /// The next turn, in the memory of one that was written.
    pub(crate) fn again(mut self) -> Self {
        self.frames.clear();
        Self { frames: self.frames, open: None }
    }

    /// A call has begun or changed. Says how many bytes that takes.
    pub(crate) fn call(&mut self, number: u64, encode: impl FnOnce(&mut Vec<u8>)) -> usize {
        self.entry(CALL, |out| {
            out.extend_from_slice(&number.to_le_bytes());
            encode(out);
        })
    }

    /// A call that is in the log is over.
    pub(crate) fn gone(&mut self, number: u64) {
        self.entry(GONE, |out| out.extend_from_slice(&number.to_le_bytes()));
    }

    /// These BYEs wait for their call, and no others.
    pub(crate) fn orphans<'o>(&mut self, orphans: impl Iterator<Item = &'o [u8]>) {
        self.entry(NO_ORPHANS, |_| {});
        for orphan in orphans {
            self.entry(ORPHAN, |out| out.extend_from_slice(orphan));
        }
    }

    /// Appends an entry. Says how many bytes it takes.
    fn entry(&mut self, kind: u8, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        if self.open.is_some_and(|start| self.frames.len() - start >= SHARED_BYTES) {
            self.close();
        }
        self.open.get_or_insert_with(|| begin_frame(&mut self.frames));
        let start = self.frames.len();
        self.frames.extend_from_slice(&[kind, 0, 0]);
        write(&mut self.frames);
        // An entry is shorter than a frame.
        let length = (self.frames.len() - start - ENTRY_HEAD_BYTES) as u16;
        self.frames[start + 1..start + ENTRY_HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
        self.frames.len() - start
    }

    fn close(&mut self) {
        if let Some(start) = self.open.take() {
            end_frame(&mut self.frames, start);
        }
    }

    /// Whether nothing has changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// That was the turn; `has_records`: it counts only if the store has it.
    pub(crate) fn end(&mut self, (turn, next_call): (u64, u64), has_records: bool, positions: &Positions) {
        self.close();
        let last = positions.len().saturating_sub(1) / POSITIONS_PER_FRAME * POSITIONS_PER_FRAME;
        for first in (0..last).step_by(POSITIONS_PER_FRAME) {
            put_frame(&mut self.frames, |out| {
                out.push(READ);
                put_positions(out, positions.iter().skip(first).take(POSITIONS_PER_FRAME));
            });
        }
        put_frame(&mut self.frames, |out| {
            out.push(END);
            out.push(has_records.into());
            put_varint(out, turn);
            put_varint(out, next_call);
            put_positions(out, positions.iter().skip(last));
        });
    }
}

fn put_positions<'p>(out: &mut Vec<u8>, positions: impl Iterator<Item = (&'p Segment, &'p (u32, u64))>) {
    for (segment, (salt, position)) in positions {
        let numbers = [segment.run, segment.shard.into(), segment.number, *salt];
        numbers.into_iter().for_each(|number| put_varint(out, number.into()));
        put_varint(out, *position);
    }
}

/// The log.
#[derive(Debug)]
pub(crate) struct OpenCalls {
    folder: PathBuf,
    number: u64,
    file: File,
    salt: u32,
    length: u64,
    /// A failed write may have left bytes beyond `length` that could not be cut off yet.
    torn: bool,
    /// Not all of it can be read: it is written anew with the next turn.
    is_damaged: bool,
}

impl OpenCalls {
    /// Reads it, up to what the store knows: `stored` is the last turn whose records are there.
    pub(crate) fn open(folder: &Path, stored: u64) -> io::Result<(Self, Kept)> {
        let mut numbers = numbers(folder)?;
        let mut is_damaged = numbers.is_empty() && stored > 0;
        while let Some(number) = numbers.pop() {
            let path = path(folder, number);
            let mut file = OpenOptions::new().read(true).append(true).open(&path)?;
            let Some((salt, mut kept, length)) = read(&mut file, stored)? else {
                is_damaged = true;
                continue;
            };
            kept.is_damaged |= is_damaged;
            file.set_len(length)?;
            let is_damaged = kept.is_damaged;
            let log = Self { folder: folder.to_owned(), number, file, salt, length, torn: false, is_damaged };
            log.forget_others()?;
            return Ok((log, kept));
        }
        let kept = Kept { turn: stored, next_call: 1, is_damaged, ..Kept::default() };
        let mut first = TurnFrames::default();
        first.end((stored, 1), false, &kept.positions);
        let log = Self::write_new(folder, 1, first)?;
        Ok((log, kept))
    }

    /// Appends a turn, all of it or nothing. `is_sure`: it is on disk before this returns.
    pub(crate) fn append(&mut self, turn: &mut TurnFrames, is_sure: bool) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }
        seal(&mut turn.frames, self.salt);
        let synced = |file: &File| if is_sure { file.sync_data() } else { Ok(()) };
        let written = self.file.write_all(&turn.frames).and_then(|()| synced(&self.file));
        match &written {
            Ok(()) => self.length += turn.frames.len() as u64,
            Err(_) => self.torn = self.file.set_len(self.length).is_err(),
        }
        written
    }

    /// Waits until all of it is on disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Whether most of it may be of calls that are over; `in_use`: bytes of those that are not.
    pub(crate) fn is_stale(&self, in_use: u64) -> bool {
        self.is_damaged || self.length > BYTES_MIN.max(GROWTH * in_use)
    }

    /// Writes it anew: `all` is everything that is to be kept.
    pub(crate) fn replace(&mut self, all: TurnFrames) -> io::Result<()> {
        *self = Self::write_new(&self.folder, self.number + 1, all)?;
        self.forget_others()
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        path(&self.folder, self.number)
    }

    fn write_new(folder: &Path, number: u64, mut all: TurnFrames) -> io::Result<Self> {
        let salt = RandomState::new().hash_one(0) as u32;
        let new = path(folder, number).with_added_extension("new");
        let mut file = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(&new)?;
        file.set_len(0)?; // left by an attempt that failed
        file.write_all(&Header { salt, generation: number }.to_bytes(FILE))?;
        seal(&mut all.frames, salt);
        file.write_all(&all.frames)?;
        file.sync_data()?;
        std::fs::rename(new, path(folder, number))?;
        let length = HEADER_BYTES as u64 + all.frames.len() as u64;
        Ok(Self { folder: folder.to_owned(), number, file, salt, length, torn: false, is_damaged: false })
    }

    fn forget_others(&self) -> io::Result<()> {
        let others = numbers(&self.folder)?.into_iter().filter(|number| *number != self.number);
        others.into_iter().try_for_each(|number| std::fs::remove_file(path(&self.folder, number)))
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("open-{number}.log"))
}

/// The logs in the folder: one, unless the server was killed between writing one anew and removing the old one.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("open-")?.strip_suffix(".log"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Salt, content, and where what counts ends. `None`: it is none of ours, or damaged at its head.
fn read(file: &mut File, stored: u64) -> io::Result<Option<(u32, Kept, u64)>> {
    let mut head = Vec::new();
    file.take(HEADER_BYTES as u64).read_to_end(&mut head)?;
    let Ok(header) = Header::parse(&head, FILE) else { return Ok(None) };
    let mut frames = Frames::new(BufReader::new(file), header.salt);
    let (mut kept, mut turn) = (Kept::default(), Vec::new());
    let (mut at, mut good) = (HEADER_BYTES as u64, HEADER_BYTES as u64);
    while let Some(payload) = frames.next()? {
        at += (FRAME_HEADER_BYTES + payload.len()) as u64;
        if payload.first() != Some(&END) {
            turn.push(payload.to_vec());
            continue;
        }
        if !kept.take(&mut turn, payload, stored) {
            break;
        }
        good = at + frames.damaged_bytes;
    }
    kept.is_damaged = frames.damaged_bytes > 0 || kept.turn < stored;
    Ok(Some((header.salt, kept, good)))
}

impl Kept {
    /// Takes a turn. `false`: the store does not have its records.
    fn take(&mut self, turn: &mut Vec<Vec<u8>>, end: &[u8], stored: u64) -> bool {
        let mut from = Cursor::new(end.get(1..).unwrap_or_default());
        let head = (|| Some((from.byte()? != 0, from.varint()?, from.varint()?)))();
        let Some((has_records, number, next_call)) = head else { return false };
        if has_records && number > stored {
            return false;
        }
        (self.turn, self.next_call) = (number, next_call);
        self.positions.clear();
        turn.drain(..).for_each(|payload| self.change(&payload));
        self.positions.extend(std::iter::from_fn(|| position(&mut from)));
        true
    }

    fn change(&mut self, payload: &[u8]) {
        let mut from = Cursor::new(payload);
        if payload.first() == Some(&READ) {
            from.byte();
            return self.positions.extend(std::iter::from_fn(|| position(&mut from)));
        }
        while let Some((kind, entry)) = entry(&mut from) {
            self.change_by(kind, entry);
        }
    }

    fn change_by(&mut self, kind: u8, entry: &[u8]) {
        let numbered = entry.split_first_chunk().map(|(number, rest)| (u64::from_le_bytes(*number), rest));
        match (kind, numbered) {
            (CALL, Some((number, call))) => drop(self.calls.insert(number, call.to_vec())),
            (GONE, Some((number, _))) => drop(self.calls.remove(&number)),
            (NO_ORPHANS, _) => self.orphans.clear(),
            (ORPHAN, _) => self.orphans.push(entry.to_vec()),
            _ => {}
        }
    }
}

fn entry<'a>(from: &mut Cursor<'a>) -> Option<(u8, &'a [u8])> {
    let [kind, l0, l1] = from.array::<ENTRY_HEAD_BYTES>()?;
    Some((kind, from.take(u16::from_le_bytes([l0, l1]).into())?))
}

fn position(from: &mut Cursor<'_>) -> Option<(Segment, (u32, u64))> {
    let segment = Segment { run: from.number()?, shard: from.number()?, number: from.number()? };
    Some((segment, (from.number()?, from.varint()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// A turn that changes these calls and ends those.
    fn turn(number: u64, changed: &[u64], gone: &[u64], has_records: bool) -> TurnFrames {
        let mut turn = TurnFrames::default();
        for call in changed {
            turn.call(*call, |out| out.push(number as u8));
        }
        gone.iter().for_each(|call| turn.gone(*call));
        let segment = Segment { run: 1, shard: 2, number: 3 };
        turn.end((number, 10 + number), has_records, &BTreeMap::from([(segment, (9, number * 100))]));
        turn
    }

    fn calls(kept: &Kept) -> Vec<(u64, u8)> {
        kept.calls.iter().map(|(number, bytes)| (*number, bytes[0])).collect()
    }

    #[test]
    fn turns_come_back_as_far_as_the_store_has_them() {
        let dir = TempDir::new().unwrap();
        let (mut log, kept) = OpenCalls::open(dir.path(), 0).unwrap();
        assert_eq!((kept.turn, kept.next_call, kept.calls.len()), (0, 1, 0));
        for (number, changed, gone, has_records) in [
            (1, &[1, 2][..], &[][..], false),
            (2, &[2, 3], &[1], true),
            (3, &[4], &[], false),
            (4, &[], &[2], true),
        ] {
            log.append(&mut turn(number, changed, gone, has_records), has_records).unwrap();
        }
        drop(log);
        let whole = std::fs::read(path(dir.path(), 1)).unwrap();
        for (stored, turn, expected) in [
            (4, 4, vec![(3, 2), (4, 3)]),
            (3, 3, vec![(2, 2), (3, 2), (4, 3)]),
            (2, 3, vec![(2, 2), (3, 2), (4, 3)]),
            (1, 1, vec![(1, 1), (2, 1)]),
        ] {
            std::fs::write(path(dir.path(), 1), &whole).unwrap();
            let (_, kept) = OpenCalls::open(dir.path(), stored).unwrap();
            assert_eq!((kept.turn, calls(&kept)), (turn, expected.clone()), "stored up to {stored}");
            assert_eq!(kept.positions.values().next(), Some(&(9, turn * 100)));
            let (_, again) = OpenCalls::open(dir.path(), stored).unwrap();
            assert_eq!(calls(&again), expected, "and once more, after what does not count was cut off");
        }
    }

    /// A store that was full for days leaves thousands of segments to be read.
    #[test]
    fn any_number_of_positions_comes_back() {
        for count in [0, 1, POSITIONS_PER_FRAME, POSITIONS_PER_FRAME + 1, 20_000] {
            let dir = TempDir::new().unwrap();
            let (mut log, _) = OpenCalls::open(dir.path(), 0).unwrap();
            let segment = |number| Segment { run: u32::MAX, shard: u16::MAX, number };
            let positions: Positions =
                (0..count).map(|n| (segment(u32::MAX - n as u32), (u32::MAX, u64::MAX))).collect();
            for number in 1..3 {
                let mut frames = TurnFrames::default();
                frames.end((number, 1), false, &positions);
                log.append(&mut frames, false).unwrap();
            }
            let (_, kept) = OpenCalls::open(dir.path(), 0).unwrap();
            assert_eq!((kept.turn, kept.positions == positions), (2, true), "{count}");
        }
    }

    #[test]
    fn a_turn_without_its_end_has_not_happened() {
        let dir = TempDir::new().unwrap();
        let (mut log, _) = OpenCalls::open(dir.path(), 0).unwrap();
        log.append(&mut turn(1, &[1], &[], false), false).unwrap();
        let sure = log.length;
        log.append(&mut turn(2, &[1, 2], &[], false), false).unwrap();
        let whole = std::fs::read(log.path()).unwrap();
        for length in sure..whole.len() as u64 {
            std::fs::write(log.path(), &whole[..length as usize]).unwrap();
            let (mut log, kept) = OpenCalls::open(dir.path(), 0).unwrap();
            assert_eq!((kept.turn, calls(&kept)), (1, vec![(1, 1)]), "cut at {length}");
            log.append(&mut turn(2, &[5], &[], false), false).unwrap();
            let (_, kept) = OpenCalls::open(dir.path(), 0).unwrap();
            assert_eq!(
                (kept.turn, calls(&kept)),
                (2, vec![(1, 1), (5, 2)]),
                "it goes on behind what is sure"
            );
        }
    }

    #[test]
    fn written_anew_it_says_the_same() {
        let dir = TempDir::new().unwrap();
        let (mut log, _) = OpenCalls::open(dir.path(), 0).unwrap();
        log.append(&mut turn(1, &[1, 2, 3], &[], false), false).unwrap();
        log.replace(turn(2, &[3], &[], false)).unwrap();
        log.append(&mut turn(3, &[4], &[], false), false).unwrap();
        // Killed before the old one was removed, and in the middle of writing the next.
        std::fs::write(path(dir.path(), 1), "old").unwrap();
        std::fs::write(path(dir.path(), 3).with_added_extension("new"), "half").unwrap();
        let (log, kept) = OpenCalls::open(dir.path(), 0).unwrap();
        assert_eq!((kept.turn, calls(&kept)), (3, vec![(3, 2), (4, 3)]));
        assert_eq!((numbers(dir.path()).unwrap(), log.number), (vec![2], 2));
    }
}
