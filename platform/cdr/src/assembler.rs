//! Reads the spools, joins, stores: the work of one thread beside the shards. Each turn reads what has come, ends what is
//! due, and puts records, open calls and positions into the store as one transaction.
//!
//! ```text
//!   spool segments ──► joiner ──► commit ──► segments that are read to their end are removed
//!                                    └─────► files of records follow the table
//! ```
//! Where the store fails, nothing more is read until it works again: facts wait in the spool, which has a bound.

use std::collections::BTreeMap;
use std::path::Path;

use offhook_store::Store;

use crate::error::CdrError;
use crate::files::{self, FileOptions, Files};
use crate::joiner::{Changes, Joiner, Policy};
use crate::segments::{self, Segment};
use crate::spool::SpoolFolder;
use crate::table::{self, Commit, Positions};
use crate::tail::Tail;

/// Facts that one transaction holds at most: some thousands of calls, some ten milliseconds of the store.
const FACTS_PER_COMMIT: usize = 8_192;

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
}

/// The assembler.
pub struct Assembler {
    store: Store,
    folder: SpoolFolder,
    options: Options,
    joiner: Joiner,
    positions: Positions,
    tails: BTreeMap<Segment, Tail>,
    files: Option<Files>,
    /// Positions and waiting facts that the store has.
    stored: (Positions, Vec<u8>),
    /// What the store has not taken yet.
    unstored: Option<(Changes, Turn)>,
    /// Whether all runs before this one have been read.
    caught_up: bool,
    next_forget_ms: u64,
    buffer: Vec<u8>,
    turn: Turn,
}

impl Assembler {
    /// Goes on where the last one stopped. Nothing is read yet.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(store: Store, folder: SpoolFolder, options: Options) -> Result<Self, CdrError> {
        let state = table::load(&store)?;
        let files = options.files.clone().map(|files| Files::new(folder.path(), files, state.file));
        let joiner = Joiner::restore(options.policy, state.next_id, &state.calls, &state.orphans);
        Ok(Self {
            store,
            folder,
            options,
            joiner,
            stored: (state.positions.clone(), state.orphans),
            positions: state.positions,
            tails: BTreeMap::new(),
            files,
            unstored: None,
            caught_up: false,
            next_forget_ms: 0,
            buffer: Vec::new(),
            turn: Turn::default(),
        })
    }

    /// Calls that are not over.
    pub fn open_calls(&self) -> usize {
        self.joiner.open_calls()
    }

    /// Reads, joins and stores all there is.
    ///
    /// # Errors
    /// What the store or a file refused. Nothing is lost by it: the next turn tries again.
    pub fn turn(&mut self, now_ms: u64) -> Result<Turn, CdrError> {
        self.store_changes()?;
        let segments =
            segments::list(self.folder.path()).map_err(CdrError::io("list", self.folder.path()))?;
        for (index, &segment) in segments.iter().enumerate() {
            if segment.run >= self.folder.run() && !self.caught_up {
                self.catch_up(now_ms);
            }
            let next = segments.get(index + 1);
            let has_later = next.is_some_and(|next| (next.run, next.shard) == (segment.run, segment.shard));
            self.read(segment, segment.run < self.folder.run() || has_later)?;
        }
        if !self.caught_up {
            self.catch_up(now_ms);
        }
        self.joiner.pass_time(now_ms);
        self.commit()?;
        self.remove_read(&segments)?;
        if let Some(files) = &mut self.files {
            files.follow(&self.store, now_ms)?;
        }
        self.forget(now_ms)?;
        Ok(std::mem::take(&mut self.turn))
    }

    /// The runs before this one are over, and read: what waited for an answer in them waits for its caller now.
    fn catch_up(&mut self, now_ms: u64) {
        self.joiner.run_began(self.folder.run(), now_ms);
        self.caught_up = true;
    }

    fn read(&mut self, segment: Segment, is_closed: bool) -> Result<(), CdrError> {
        let path = segment.path(self.folder.path());
        let mut tail = match self.tails.remove(&segment) {
            Some(tail) => tail,
            None => {
                let known = self.positions.get(&segment).copied();
                let opened =
                    Tail::open(self.folder.path(), segment, known).map_err(CdrError::io("open", &path))?;
                let Some(tail) = opened else { return Ok(()) };
                tail
            }
        };
        let mut facts = 0;
        loop {
            let damaged = tail.damaged_bytes;
            let joiner = &mut self.joiner;
            let more = tail.read(is_closed, &mut self.buffer, |payload| {
                facts += 1;
                joiner.take(segment.run, segment.shard, payload)
            });
            let more = more.map_err(CdrError::io("read", &path))?;
            self.turn.damaged_bytes += tail.damaged_bytes - damaged;
            self.positions.insert(segment, (tail.salt, tail.position));
            if facts >= FACTS_PER_COMMIT {
                facts = 0;
                if let Err(error) = self.commit() {
                    self.tails.insert(segment, tail);
                    return Err(error);
                }
            }
            if !more {
                break;
            }
        }
        self.tails.insert(segment, tail);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), CdrError> {
        let changes = self.joiner.take_changes();
        let is_same =
            changes.is_empty() && changes.orphans == self.stored.1 && self.positions == self.stored.0;
        if is_same {
            return Ok(()); // an idle server writes nothing
        }
        let told = Turn {
            records: changes.records.len(),
            lost: std::mem::take(&mut self.joiner.lost),
            cut_short: std::mem::take(&mut self.joiner.cut_short),
            damaged_bytes: 0,
        };
        self.unstored = Some((changes, told));
        self.store_changes()
    }

    fn store_changes(&mut self) -> Result<(), CdrError> {
        let Some((changes, told)) = &self.unstored else { return Ok(()) };
        let commit =
            Commit { changes, positions: &self.positions, lost: told.lost, cut_short: told.cut_short };
        table::commit(&self.store, &commit)?;
        self.stored = (self.positions.clone(), changes.orphans.clone());
        self.turn.records += told.records;
        self.turn.lost += told.lost;
        self.turn.cut_short += told.cut_short;
        self.unstored = None;
        Ok(())
    }

    /// Removes what is closed and in the store.
    fn remove_read(&mut self, segments: &[Segment]) -> Result<(), CdrError> {
        let mut oldest = BTreeMap::new();
        for (index, segment) in segments.iter().enumerate() {
            let next = segments.get(index + 1);
            let has_later = next.is_some_and(|next| (next.run, next.shard) == (segment.run, segment.shard));
            if segment.run == self.folder.run() && !has_later {
                oldest.entry(segment.shard).or_insert(segment.number);
                continue;
            }
            let path = segment.path(self.folder.path());
            std::fs::remove_file(&path).map_err(CdrError::io("remove", &path))?;
            self.tails.remove(segment);
            self.positions.remove(segment);
        }
        for (shard, number) in oldest {
            self.folder.note_oldest(shard, number);
        }
        Ok(())
    }

    fn forget(&mut self, now_ms: u64) -> Result<(), CdrError> {
        if now_ms < self.next_forget_ms {
            return Ok(());
        }
        self.next_forget_ms = now_ms + FORGET_EVERY_MS;
        let before_ms = now_ms.saturating_sub(self.options.keep_days * DAY_MS);
        table::forget(&self.store, before_ms, self.files.as_ref().map_or(u64::MAX >> 1, Files::seq))?;
        let folder: &Path = self.folder.path();
        files::forget(folder, self.options.keep_days, now_ms).map_err(CdrError::io("clear", folder))
    }
}
