//! Reads the spools, joins, stores: the work of one thread beside the shards.
//!
//! ```text
//!   a turn:  spool segments ──► joiner ──► 1. files: a line for each record, archive: the record
//!                                          2. log of open calls: what has changed, how far the spool is read
//!                                          3. archive: all of them on disk
//!                                          4. store: where they are, number of the turn, length of the files: one
//!                                             transaction
//!                                          5. segments that are read to their end are used again, or removed
//! ```
//! A turn with records happens when its fourth step does; a crash before undoes the others. A turn without records is
//! only the second step, and one in which nothing has happened is none. Where a step fails, nothing more is read until it
//! succeeds: facts wait in the spool, which has a bound.

use std::collections::BTreeMap;
use std::path::Path;

use offhook_store::Store;

use crate::archive::{Archive, Span};
use crate::draft::Draft;
use crate::error::CdrError;
use crate::files::{self, FileOptions, Files};
use crate::folder::SpoolFolder;
use crate::joiner::{Joiner, Policy};
use crate::open_calls::{OpenCalls, Positions, TurnFrames};
use crate::segments::{self, Segment};
use crate::table::{self, Commit, FilePosition};
use crate::tail::Tail;

/// Facts of one turn at most: some ten thousand calls, some megabytes in memory. Each turn is a few `fdatasync`, which are a
/// quarter of what this costs when there are several in a second.
const FACTS_PER_COMMIT: usize = 32_768;

/// Facts that are read before those calls become records that they have ended: what is known of them is in the processor's
/// cache then.
const FACTS_AT_A_TIME: usize = 256;

/// How often old records are looked for.
const FORGET_EVERY_MS: u64 = 3_600_000;

const DAY_MS: u64 = 86_400_000;

/// How records are kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// How calls end of which nothing more is heard.
    pub policy: Policy,
    /// Files of records beside the table, if wanted.
    pub files: Option<FileOptions>,
    /// Records and files older than this are removed, days.
    pub keep_days: u64,
}

/// What a turn had to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Turn {
    /// Calls that were over.
    pub records: usize,
    /// Facts that the spools could not take.
    pub lost: u64,
    /// Calls that were recorded before their end because there were too many.
    pub cut_short: u64,
    /// Bytes of the spool that make no sense.
    pub damaged_bytes: u64,
    /// What the last run knew of its calls is gone, or a part of it: told once.
    pub forgotten: bool,
}

/// The assembler.
pub struct Assembler {
    store: Store,
    folder: SpoolFolder,
    options: Options,
    joiner: Joiner,
    log: OpenCalls,
    positions: Positions,
    /// Positions that the log has.
    logged: Positions,
    tails: BTreeMap<Segment, Tail>,
    /// The segments that are there, and how many this run had opened then.
    segments: Vec<Segment>,
    opened: Option<u32>,
    files: Option<Files>,
    archive: Archive,
    /// The number of the last turn, and of the next record.
    numbers: (u64, u64),
    /// The turn that is on its way, where no other is unstored.
    draft: Draft,
    /// What log and store have not taken yet.
    unstored: Option<Unstored>,
    /// Whether all runs before this one have been read.
    caught_up: bool,
    next_forget_ms: u64,
    /// What was written for a turn that is over: memory for the next.
    spare: TurnFrames,
    turn: Turn,
}

/// A turn that has not happened yet.
struct Unstored {
    frames: TurnFrames,
    is_logged: bool,
    commit: Commit,
    /// Where the archive has its records, if it has them.
    records: Option<Span>,
    /// Where the files are with its records; none: they follow later.
    file: Option<FilePosition>,
    told: Turn,
}

impl Assembler {
    /// Goes on where the last one stopped. Nothing is read yet.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(store: Store, folder: SpoolFolder, options: Options) -> Result<Self, CdrError> {
        let state = table::load(&store)?;
        let opened = OpenCalls::open(folder.path(), state.turn);
        let (log, kept) = opened.map_err(CdrError::io("open the log of open calls in", folder.path()))?;
        let files = options.files.clone().map(|files| Files::new(folder.path(), files, state.file));
        let joiner = Joiner::restore(options.policy, &kept);
        let archive = Archive::open(folder.path(), table::latest_file(&store)?);
        let archive = archive.map_err(CdrError::io("list", folder.path()))?;
        Ok(Self {
            store,
            folder,
            options,
            joiner,
            log,
            logged: kept.positions.clone(),
            positions: kept.positions,
            tails: BTreeMap::new(),
            segments: Vec::new(),
            opened: None,
            files,
            archive,
            numbers: (kept.turn.max(state.turn), state.next_id),
            draft: Draft::new(Commit::default(), state.next_id),
            unstored: None,
            caught_up: false,
            next_forget_ms: 0,
            spare: TurnFrames::default(),
            turn: Turn { forgotten: kept.is_damaged, ..Turn::default() },
        })
    }

    /// Calls that are not over.
    pub fn open_calls(&self) -> usize {
        self.joiner.open_calls()
    }

    /// How many of them went out by each trunk that had one.
    pub fn calls_by_trunk(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.joiner.by_trunk()
    }

    /// Reads, joins and stores all there is.
    ///
    /// # Errors
    /// What the store or a file refused. Nothing is lost by it: the next turn tries again.
    #[inline(never)] // so that what it takes can be counted
    pub fn turn(&mut self, now_ms: u64) -> Result<Turn, CdrError> {
        let done = self.look(now_ms);
        if done.is_err() {
            self.opened = None; // who knows what became of the folder
        }
        done.map(|()| std::mem::take(&mut self.turn))
    }

    /// Does all of it that can be done, and tells of the first thing that cannot: a line file or a disk that takes nothing
    /// must not keep old records and an old log from going.
    fn look(&mut self, now_ms: u64) -> Result<(), CdrError> {
        let stored = self.store_new(now_ms);
        let is_stored = stored.is_ok();
        let passed_on = stored.and_then(|()| self.pass_on(now_ms));
        let forgotten = self.forget(now_ms);
        // The joiner may know more than what is stored, and a log of that would say that it is.
        let tidied = if is_stored { self.tidy_log() } else { Ok(()) };
        passed_on.and(forgotten).and(tidied)
    }

    /// Reads all there is, joins and stores it.
    fn store_new(&mut self, now_ms: u64) -> Result<(), CdrError> {
        self.carry_out()?;
        self.list_segments()?;
        let segments = std::mem::take(&mut self.segments);
        let read = self.read_all(&segments, now_ms);
        self.segments = segments;
        read?;
        self.commit(now_ms)
    }

    /// What follows when it is stored: segments go, and the line files get what they have missed.
    fn pass_on(&mut self, now_ms: u64) -> Result<(), CdrError> {
        self.remove_read()?;
        let Some(files) = &mut self.files else { return Ok(()) };
        files.follow(&self.store, self.numbers.1, now_ms)
    }

    /// Looks which segments there are, where shards have begun others since.
    fn list_segments(&mut self) -> Result<(), CdrError> {
        let opened = Some(self.folder.opened());
        if self.opened != opened {
            let listed = segments::list(self.folder.path());
            self.segments = listed.map_err(CdrError::io("list", self.folder.path()))?;
            self.opened = opened;
        }
        Ok(())
    }

    /// Takes all facts, and looks at what has waited for too long.
    fn read_all(&mut self, segments: &[Segment], now_ms: u64) -> Result<(), CdrError> {
        if !self.caught_up {
            self.positions.retain(|segment, _| segments.binary_search(segment).is_ok());
        }
        for (index, &segment) in segments.iter().enumerate() {
            if segment.run >= self.folder.run() && !self.caught_up {
                self.catch_up(now_ms);
            }
            let next = segments.get(index + 1);
            let has_later = next.is_some_and(|next| (next.run, next.shard) == (segment.run, segment.shard));
            self.read(segment, segment.run < self.folder.run() || has_later, now_ms)?;
        }
        if !self.caught_up {
            self.catch_up(now_ms);
        }
        self.joiner.pass_time(now_ms);
        Ok(())
    }

    /// The runs before this one are over, and read: what waited for an answer in them waits for its caller now.
    fn catch_up(&mut self, now_ms: u64) {
        self.joiner.run_began(self.folder.run(), now_ms);
        self.caught_up = true;
    }

    fn read(&mut self, segment: Segment, is_closed: bool, now_ms: u64) -> Result<(), CdrError> {
        let path = segment.path(self.folder.path());
        let mut tail = match self.tails.remove(&segment) {
            Some(tail) => tail,
            None => {
                let known = self.positions.get(&segment).copied();
                let opened = Tail::open(&self.folder, segment, known).map_err(CdrError::io("read", &path))?;
                let Some(tail) = opened else {
                    self.turn.damaged_bytes += if is_closed { unread(&path) } else { 0 };
                    return Ok(());
                };
                tail
            }
        };
        let read = self.read_on(segment, &mut tail, now_ms);
        self.tails.insert(segment, tail);
        read
    }

    /// Takes what a segment has by now.
    fn read_on(&mut self, segment: Segment, tail: &mut Tail, now_ms: u64) -> Result<(), CdrError> {
        let mut facts = 0;
        loop {
            let joiner = &mut self.joiner;
            let read = tail.read(FACTS_AT_A_TIME, |fact| joiner.take(segment.run, segment.shard, fact));
            self.turn.damaged_bytes += read.damaged_bytes;
            self.positions.insert(segment, (tail.salt, tail.position as u64));
            self.put_over(now_ms);
            if !read.is_more {
                return Ok(());
            }
            facts += read.facts;
            if facts >= FACTS_PER_COMMIT {
                self.commit(now_ms)?;
                facts = 0;
            }
        }
    }

    /// Calls that are over become records.
    fn put_over(&mut self, now_ms: u64) {
        let over = self.joiner.take_over();
        self.draft.put(&over, now_ms, self.files.as_mut(), &mut self.archive);
        self.joiner.take_back(over);
    }

    fn commit(&mut self, now_ms: u64) -> Result<(), CdrError> {
        self.put_over(now_ms);
        let (turn, first_id) = self.numbers;
        let mut frames = std::mem::take(&mut self.spare).again();
        self.joiner.write_changes(&mut frames);
        let (commit, file) = std::mem::take(&mut self.draft).end(self.files.as_mut());
        let lost = std::mem::take(&mut self.joiner.lost);
        let cut_short = std::mem::take(&mut self.joiner.cut_short);
        let commit =
            Commit { turn: turn + 1, stored_ms: commit.stored_ms.max(now_ms), lost, cut_short, ..commit };
        if !commit.is_needed() && frames.is_empty() && self.positions == self.logged {
            (self.spare, self.draft) = (frames, Draft::new(commit, first_id));
            return Ok(()); // an idle server writes nothing
        }
        frames.end((commit.turn, self.joiner.next_call()), commit.is_needed(), &self.positions);
        let told = Turn { records: (commit.next_id - first_id) as usize, lost, cut_short, ..Turn::default() };
        self.unstored = Some(Unstored { frames, is_logged: false, commit, records: None, file, told });
        self.carry_out()
    }

    /// Does what is left of the turn.
    fn carry_out(&mut self) -> Result<(), CdrError> {
        let Some(mut unstored) = self.unstored.take() else { return Ok(()) };
        if let Err(error) = self.try_to_carry_out(&mut unstored) {
            if let (Some(files), Some(_)) = (&mut self.files, unstored.file.take()) {
                files.go_back();
            }
            self.unstored = Some(unstored);
            return Err(error);
        }
        let Unstored { frames, commit, file, told, .. } = unstored;
        if let (Some(files), Some(file)) = (&mut self.files, file) {
            files.note(file);
        }
        self.numbers = (commit.turn, commit.next_id);
        (self.spare, self.draft) = (frames, Draft::new(commit, self.numbers.1));
        self.logged.clone_from(&self.positions);
        self.turn.records += told.records;
        self.turn.lost += told.lost;
        self.turn.cut_short += told.cut_short;
        Ok(())
    }

    fn try_to_carry_out(&mut self, unstored: &mut Unstored) -> Result<(), CdrError> {
        let is_stored = unstored.commit.is_needed();
        if !unstored.is_logged {
            let logged = self.log.append(&mut unstored.frames, is_stored);
            logged.map_err(CdrError::io("write", &self.log.path()))?;
            unstored.is_logged = true;
        }
        if is_stored {
            let Unstored { commit, records, file, .. } = unstored;
            let span = match records {
                Some(span) => *span,
                None if commit.records.is_empty() => Span::default(),
                None => *records.insert(self.archive.put(commit.stored_ms, &commit.records)?),
            };
            table::commit(&self.store, commit, span, file.as_ref())?;
        }
        Ok(())
    }

    /// Writes the log anew when most of it is of calls that are over.
    fn tidy_log(&mut self) -> Result<(), CdrError> {
        if !self.log.is_stale(self.joiner.kept_bytes()) {
            return Ok(());
        }
        let mut all = TurnFrames::default();
        self.joiner.write_all(&mut all);
        all.end((self.numbers.0, self.joiner.next_call()), false, &self.positions);
        let path = self.log.path();
        self.log.replace(all).map_err(CdrError::io("write anew", &path))
    }

    /// Removes what is closed and read.
    fn remove_read(&mut self) -> Result<(), CdrError> {
        let is_closed = |index: usize, segment: &Segment| {
            let next = self.segments.get(index + 1);
            let has_later = next.is_some_and(|next| (next.run, next.shard) == (segment.run, segment.shard));
            segment.run < self.folder.run() || has_later
        };
        let closed = self.segments.iter().enumerate().filter(|(index, segment)| is_closed(*index, segment));
        let closed: Vec<Segment> = closed.map(|(_, segment)| *segment).collect();
        if closed.is_empty() {
            return self.folder.give_back_room().map_err(CdrError::io("clear", self.folder.path()));
        }
        self.log.sync().map_err(CdrError::io("write", &self.log.path()))?;
        for segment in closed {
            self.tails.remove(&segment);
            let removed = self.folder.remove(segment);
            removed.map_err(CdrError::io("remove", &segment.path(self.folder.path())))?;
            self.positions.remove(&segment);
            self.segments.retain(|other| *other != segment);
        }
        for segment in self.segments.iter().rev() {
            self.folder.note_oldest(segment.shard, segment.number);
        }
        Ok(())
    }

    fn forget(&mut self, now_ms: u64) -> Result<(), CdrError> {
        if now_ms < self.next_forget_ms {
            return Ok(());
        }
        self.next_forget_ms = now_ms + FORGET_EVERY_MS;
        let keep_days = self.options.keep_days;
        let before_ms = now_ms.saturating_sub(keep_days * DAY_MS);
        let last = self.files.as_ref().map_or(u64::MAX >> 1, Files::last);
        let rows = table::forget(&self.store, before_ms, last);
        let archive = self.forget_archive();
        let folder = self.folder.path();
        let lines = files::forget(folder, keep_days, now_ms).map_err(CdrError::io("clear", folder));
        rows.map(drop).map_err(CdrError::from).and(archive).and(lines)
    }

    fn forget_archive(&mut self) -> Result<(), CdrError> {
        let mut named = table::named_files(&self.store)?;
        // Those of a turn that the store has not taken yet.
        named.extend(self.unstored.as_ref().and_then(|unstored| unstored.records).map(|span| span.file));
        self.archive.forget(&named).map_err(CdrError::io("clear", self.folder.path()))
    }
}

/// The length of a segment without a header of this format, which will never have one.
fn unread(segment: &Path) -> u64 {
    std::fs::metadata(segment).map_or(0, |metadata| metadata.len())
}
