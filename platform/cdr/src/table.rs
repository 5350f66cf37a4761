//! In the store: where records are ([`archive`](crate::archive)), and beside that the last turn of the assembler whose records
//! are there. Both change in one transaction, so that after a crash no turn is stored twice.

use std::collections::BTreeSet;

use offhook_store::sql::{OptionalExtension, Result, Row, Transaction, params};
use offhook_store::{Store, StoreError};

use crate::archive::Span;
use crate::batch;
use crate::record::Entry;

/// The last time that the store can hold, ms.
const TIME_MAX_MS: u64 = i64::MAX as u64;

/// Records of one row: some three hundred kilobytes, which whoever wants one of them reads.
pub(crate) const BATCH_RECORDS_MAX: usize = 1_000;

/// Where the files of records are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct FilePosition {
    pub(crate) number: u64,
    pub(crate) day: String,
    pub(crate) length: u64,
    /// The last record that is in them.
    pub(crate) last: u64,
}

/// What is stored beside the records.
pub(crate) struct State {
    pub(crate) turn: u64,
    pub(crate) next_id: u64,
    pub(crate) file: FilePosition,
}

/// What a turn stores.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    pub(crate) turn: u64,
    pub(crate) stored_ms: u64,
    /// The first record of each batch, how many there are, and where in `records` they begin.
    pub(crate) batches: Vec<(u64, u64, usize)>,
    /// All batches.
    pub(crate) records: Vec<u8>,
    pub(crate) next_id: u64,
    pub(crate) lost: u64,
    pub(crate) cut_short: u64,
}

impl Commit {
    /// The next one, in the memory of one that is stored.
    pub(crate) fn again(self) -> Self {
        let Self { mut batches, mut records, .. } = self;
        batches.clear();
        records.clear();
        Self { batches, records, ..Self::default() }
    }

    /// Adds a record, which gets the next id.
    pub(crate) fn push(&mut self, entry: &Entry<'_>) {
        let is_full = |(_, calls, _): &(u64, u64, usize)| *calls >= BATCH_RECORDS_MAX as u64;
        if self.batches.last().is_none_or(is_full) {
            self.batches.push((self.next_id, 0, self.records.len()));
            batch::begin(&mut self.records);
        }
        if let Some((_, calls, _)) = self.batches.last_mut() {
            *calls += 1;
            batch::put(entry, &mut self.records);
        }
        // A year that the store cannot hold is none: a disk has changed it.
        self.stored_ms = self.stored_ms.max(if entry.start_ms > TIME_MAX_MS { 0 } else { entry.start_ms });
        self.next_id += 1;
    }

    /// Whether the store has to know of it.
    pub(crate) fn is_needed(&self) -> bool {
        !self.batches.is_empty() || self.lost > 0 || self.cut_short > 0
    }
}

pub(crate) fn load(store: &Store) -> std::result::Result<State, StoreError> {
    store.read(|sql| {
        let text = "SELECT turn, next_id, file_number, file_day, file_length, file_last FROM cdr_state";
        sql.query_row(text, [], |row| {
            let (turn, next_id) = (row.get(0)?, row.get(1)?);
            let (number, day, length, last) = (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
            Ok(State { turn, next_id, file: FilePosition { number, day, length, last } })
        })
    })
}

/// Everything, or nothing. `records`: where the archive has them; `file`: where the files are with them.
pub(crate) fn commit(
    store: &Store,
    commit: &Commit,
    records: Span,
    file: Option<&FilePosition>,
) -> std::result::Result<(), StoreError> {
    store.write(|sql| Ok(write(sql, commit, records, file)?))
}

fn write(sql: &Transaction<'_>, commit: &Commit, records: Span, file: Option<&FilePosition>) -> Result<()> {
    let mut put = sql.prepare_cached("INSERT INTO cdr VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let ends = commit.batches.iter().skip(1).map(|(_, _, start)| *start).chain([commit.records.len()]);
    for ((id, calls, start), end) in commit.batches.iter().zip(ends) {
        let (at, bytes) = (records.start + *start as u64, (end - start) as u64);
        put.execute(params![id, calls, commit.stored_ms, records.file, at, bytes])?;
    }
    let text = "UPDATE cdr_state SET turn = ?1, next_id = ?2, lost = lost + ?3, cut_short = cut_short + ?4";
    let mut note = sql.prepare_cached(text)?;
    note.execute(params![commit.turn, commit.next_id, commit.lost, commit.cut_short])?;
    file.map_or(Ok(()), |file| write_file(sql, file))
}

/// A row: its first record, how many there are, when they were stored, ms, and where they are.
pub(crate) type Batch = (u64, u64, u64, Span);

const COLUMNS: &str = "id, calls, stored_ms, file, start, bytes";

fn batch_of(row: &Row<'_>) -> Result<Batch> {
    let span = Span { file: row.get(3)?, start: row.get(4)?, bytes: row.get(5)? };
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, span))
}

/// The rows that hold the records after `last`, up to so many of them: not all of the first row need be new.
pub(crate) fn after(store: &Store, last: u64, rows: usize) -> std::result::Result<Vec<Batch>, StoreError> {
    store.read(|sql| {
        let text = format!(
            "SELECT {COLUMNS} FROM cdr WHERE id + calls > ?1 + 1 AND id > ?1 - ?2 ORDER BY id LIMIT ?3"
        );
        let mut found = sql.prepare_cached(&text)?;
        found.query_map(params![last, BATCH_RECORDS_MAX, rows], batch_of)?.collect()
    })
}

/// The rows before this one, the latest first, up to so many.
pub(crate) fn before(store: &Store, id: u64, rows: usize) -> std::result::Result<Vec<Batch>, StoreError> {
    store.read(|sql| {
        let text = format!("SELECT {COLUMNS} FROM cdr WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
        sql.prepare_cached(&text)?.query_map(params![id, rows], batch_of)?.collect()
    })
}

/// The file of the latest records, 0 where there are none. No row names a later one: their numbers only grow.
pub(crate) fn latest_file(store: &Store) -> std::result::Result<u64, StoreError> {
    let text = "SELECT file FROM cdr ORDER BY id DESC LIMIT 1";
    store.read(|sql| Ok(sql.query_row(text, [], |row| row.get(0)).optional()?.unwrap_or(0)))
}

/// The files that have records.
pub(crate) fn named_files(store: &Store) -> std::result::Result<BTreeSet<u64>, StoreError> {
    store.read(|sql| sql.prepare("SELECT DISTINCT file FROM cdr")?.query_map([], |row| row.get(0))?.collect())
}

pub(crate) fn note_file(store: &Store, file: &FilePosition) -> std::result::Result<(), StoreError> {
    store.write(|sql| Ok(write_file(sql, file)?))
}

fn write_file(sql: &Transaction<'_>, file: &FilePosition) -> Result<()> {
    let text = "UPDATE cdr_state SET file_number = ?1, file_day = ?2, file_length = ?3, file_last = ?4";
    sql.prepare_cached(text)?.execute(params![file.number, file.day, file.length, file.last])?;
    Ok(())
}

/// Forgets records that are older than this, and in the files.
pub(crate) fn forget(store: &Store, before_ms: u64, last: u64) -> std::result::Result<usize, StoreError> {
    store.write(|sql| {
        let text = "DELETE FROM cdr WHERE stored_ms < ?1 AND id + calls <= ?2 + 1";
        sql.execute(text, params![before_ms, last]).map_err(StoreError::from)
    })
}

/// How many facts about calls were lost, and how many calls were recorded before their end, since there are records.
///
/// # Errors
/// Those of the store.
pub fn losses(store: &Store) -> std::result::Result<(u64, u64), StoreError> {
    store.read(|sql| {
        let row =
            sql.query_row("SELECT lost, cut_short FROM cdr_state", [], |row| Ok((row.get(0)?, row.get(1)?)));
        Ok(row.optional()?.unwrap_or_default())
    })
}
