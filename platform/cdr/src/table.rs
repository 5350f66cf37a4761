//! The tables of records and of calls that are not over. Records, open calls and positions in the spool change in one
//! transaction: after a crash exactly the facts that are not in the tables are read again.

use std::collections::BTreeMap;

use offhook_store::sql::{OptionalExtension, Result, Row, Transaction, params};
use offhook_store::{Store, StoreError};

use crate::call::EndedBy;
use crate::joiner::Changes;
use crate::record::{Outcome, Record};
use crate::segments::Segment;

/// Salt and position of each segment that has been read.
pub(crate) type Positions = BTreeMap<Segment, (u32, u64)>;

const COLUMNS: &str = "id, start_ms, ring_ms, answer_ms, end_ms, outcome, ended_by, status, reason, from_uri, to_uri, \
    request_uri, user, caller_contact, caller_agent, caller_source, callee_contact, callee_agent, callee_target, route, \
    trunk, call_id";

/// Where the files of records are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct FilePosition {
    pub(crate) number: u64,
    pub(crate) day: String,
    pub(crate) length: u64,
    pub(crate) seq: u64,
}

/// What is stored beside the records.
pub(crate) struct State {
    pub(crate) next_id: u64,
    pub(crate) orphans: Vec<u8>,
    pub(crate) calls: Vec<(u64, Vec<u8>)>,
    pub(crate) positions: Positions,
    pub(crate) file: FilePosition,
}

/// What a commit stores beside the changes.
pub(crate) struct Commit<'c> {
    pub(crate) changes: &'c Changes,
    pub(crate) positions: &'c Positions,
    pub(crate) lost: u64,
    pub(crate) cut_short: u64,
}

pub(crate) fn load(store: &Store) -> std::result::Result<State, StoreError> {
    store.read(|sql| {
        let mut calls = sql.prepare("SELECT id, call FROM cdr_open")?;
        let calls = calls.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_>>()?;
        let mut positions = sql.prepare("SELECT run, shard, number, salt, position FROM cdr_spool")?;
        let positions = positions.query_map([], |row| {
            let segment = Segment { run: row.get(0)?, shard: row.get(1)?, number: row.get(2)? };
            Ok((segment, (row.get(3)?, row.get(4)?)))
        })?;
        let positions = positions.collect::<Result<_>>()?;
        sql.query_row(
            "SELECT next_id, orphans, file_number, file_day, file_length, file_seq FROM cdr_state",
            [],
            |row| {
                let file = FilePosition {
                    number: row.get(2)?,
                    day: row.get(3)?,
                    length: row.get(4)?,
                    seq: row.get(5)?,
                };
                Ok(State { next_id: row.get(0)?, orphans: row.get(1)?, calls, positions, file })
            },
        )
    })
}

/// Everything, or nothing.
pub(crate) fn commit(store: &Store, commit: &Commit<'_>) -> std::result::Result<(), StoreError> {
    store.write(|sql| Ok(write(sql, commit)?))
}

fn write(sql: &Transaction<'_>, commit: &Commit<'_>) -> Result<()> {
    let Commit { changes, positions, lost, cut_short } = commit;
    for record in &changes.records {
        insert(sql, record)?;
    }
    let mut put = sql.prepare_cached("INSERT OR REPLACE INTO cdr_open (id, call) VALUES (?1, ?2)")?;
    for (id, call) in &changes.changed {
        put.execute(params![id, call])?;
    }
    let mut remove = sql.prepare_cached("DELETE FROM cdr_open WHERE id = ?1")?;
    for id in &changes.gone {
        remove.execute([id])?;
    }
    sql.prepare_cached("DELETE FROM cdr_spool")?.execute([])?;
    let mut place = sql.prepare_cached("INSERT INTO cdr_spool VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (segment, (salt, position)) in *positions {
        place.execute(params![segment.run, segment.shard, segment.number, salt, position])?;
    }
    sql.execute(
        "UPDATE cdr_state SET next_id = ?1, orphans = ?2, lost = lost + ?3, cut_short = cut_short + ?4",
        params![changes.next_id, changes.orphans, lost, cut_short],
    )?;
    Ok(())
}

fn insert(sql: &Transaction<'_>, record: &Record) -> Result<()> {
    let places = (1..=22).map(|n| format!("?{n}")).collect::<Vec<_>>().join(", ");
    // An id that is there already is the same call: a data directory put together from two backups.
    let text = format!("INSERT OR IGNORE INTO cdr ({COLUMNS}) VALUES ({places})");
    sql.prepare_cached(&text)?.execute(params![
        record.id,
        record.start_ms,
        record.ring_ms,
        record.answer_ms,
        record.end_ms,
        record.outcome.name(),
        record.ended_by.map(EndedBy::name),
        record.status,
        record.reason,
        record.from,
        record.to,
        record.request_uri,
        record.user,
        record.caller_contact,
        record.caller_agent,
        record.caller_source,
        record.callee_contact,
        record.callee_agent,
        record.callee_target,
        record.route,
        record.trunk,
        record.call_id,
    ])?;
    Ok(())
}

/// The record in a row of [`COLUMNS`].
fn record(row: &Row<'_>) -> Result<Record> {
    let (outcome, ended_by): (String, Option<String>) = (row.get(5)?, row.get(6)?);
    Ok(Record {
        id: row.get(0)?,
        start_ms: row.get(1)?,
        ring_ms: row.get(2)?,
        answer_ms: row.get(3)?,
        end_ms: row.get(4)?,
        outcome: Outcome::from_name(&outcome),
        ended_by: ended_by.map(|name| EndedBy::from_name(&name)),
        status: row.get(7)?,
        reason: row.get(8)?,
        from: row.get(9)?,
        to: row.get(10)?,
        request_uri: row.get(11)?,
        user: row.get(12)?,
        caller_contact: row.get(13)?,
        caller_agent: row.get(14)?,
        caller_source: row.get(15)?,
        callee_contact: row.get(16)?,
        callee_agent: row.get(17)?,
        callee_target: row.get(18)?,
        route: row.get(19)?,
        trunk: row.get(20)?,
        call_id: row.get(21)?,
    })
}

/// Records that are not in the files yet, with the number of each.
pub(crate) fn after(
    store: &Store,
    seq: u64,
    max: usize,
) -> std::result::Result<Vec<(u64, Record)>, StoreError> {
    let text = format!("SELECT {COLUMNS}, seq FROM cdr WHERE seq > ?1 ORDER BY seq LIMIT ?2");
    store.read(|sql| {
        let mut rows = sql.prepare(&text)?;
        rows.query_map(params![seq, max], |row| Ok((row.get(22)?, record(row)?)))?.collect()
    })
}

pub(crate) fn note_file(store: &Store, file: &FilePosition) -> std::result::Result<(), StoreError> {
    store.write(|sql| {
        sql.execute(
            "UPDATE cdr_state SET file_number = ?1, file_day = ?2, file_length = ?3, file_seq = ?4",
            params![file.number, file.day, file.length, file.seq],
        )
        .map_err(StoreError::from)?;
        Ok(())
    })
}

/// Forgets records that are older than this, and in the files.
pub(crate) fn forget(store: &Store, before_ms: u64, seq: u64) -> std::result::Result<usize, StoreError> {
    store.write(|sql| {
        let gone = sql.execute("DELETE FROM cdr WHERE start_ms < ?1 AND seq <= ?2", params![before_ms, seq]);
        gone.map_err(StoreError::from)
    })
}

/// Which records are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Begun at this time or later, ms.
    pub since_ms: Option<u64>,
    /// Begun before this time, ms.
    pub until_ms: Option<u64>,
    /// With this in From or in the name of the account.
    pub from: Option<String>,
    /// With this in To or in the Request-URI.
    pub to: Option<String>,
    /// With this final status.
    pub status: Option<u16>,
    /// The latest so many.
    pub limit: usize,
}

/// The records that fit, the oldest first.
///
/// # Errors
/// Those of the store.
pub fn list(store: &Store, filter: &Filter) -> std::result::Result<Vec<Record>, StoreError> {
    let text = format!(
        "SELECT {COLUMNS} FROM cdr WHERE start_ms >= ?1 AND start_ms < ?2 \
         AND (?3 IS NULL OR instr(from_uri, ?3) OR instr(user, ?3)) \
         AND (?4 IS NULL OR instr(to_uri, ?4) OR instr(request_uri, ?4)) \
         AND (?5 IS NULL OR status = ?5) ORDER BY start_ms DESC, seq DESC LIMIT ?6"
    );
    let until_ms = filter.until_ms.unwrap_or(i64::MAX as u64);
    let mut records: Vec<Record> = store.read(|sql| {
        let mut rows = sql.prepare(&text)?;
        let wanted = params![
            filter.since_ms.unwrap_or(0),
            until_ms,
            filter.from,
            filter.to,
            filter.status,
            filter.limit
        ];
        rows.query_map(wanted, record)?.collect()
    })?;
    records.reverse();
    Ok(records)
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
