//! Which records somebody wants to see.
//!
//! Rows are read from the latest on. A record began before its row was stored, so that reading ends where no row that is
//! left can hold one that is wanted.

use std::path::Path;

use offhook_store::Store;

use crate::archive::Reader;
use crate::error::CdrError;
use crate::record::{Entry, Record};
use crate::{batch, table};

/// Rows that are looked at at a time.
const ROWS: usize = 100;

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
    /// That went out by this trunk.
    pub trunk: Option<String>,
    /// The latest so many.
    pub limit: usize,
}

impl Filter {
    fn fits(&self, record: &Record) -> bool {
        let has = |wanted: &Option<String>, texts: [&str; 2]| {
            let within = |wanted: &String, text: &str| {
                text.to_ascii_lowercase().contains(&wanted.to_ascii_lowercase())
            };
            wanted.as_ref().is_none_or(|wanted| texts.iter().any(|text| within(wanted, text)))
        };
        self.since_ms.is_none_or(|since_ms| record.start_ms >= since_ms)
            && self.until_ms.is_none_or(|until_ms| record.start_ms < until_ms)
            && self.status.is_none_or(|status| record.status == status)
            && self.trunk.as_ref().is_none_or(|trunk| record.trunk == *trunk)
            && has(&self.from, [&record.from, &record.user])
            && has(&self.to, [&record.to, &record.request_uri])
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct List {
    /// The records that fit, the oldest first.
    pub records: Vec<Record>,
    /// Calls on the way to them whose records are noted, and cannot be read: the archive was taken away, or cut.
    pub unreadable: u64,
}

/// The records that fit. `folder`: that of the spool.
///
/// # Errors
/// Those of the store, and of the files that the records lie in.
pub fn list(store: &Store, folder: &Path, filter: &Filter) -> Result<List, CdrError> {
    let mut found = Found { records: Vec::new(), limit: filter.limit, earliest_ms: None };
    let (mut reader, mut before, mut unreadable) = (Reader::new(folder), i64::MAX as u64, 0);
    'rows: loop {
        let rows = table::before(store, before, ROWS)?;
        let Some((first, ..)) = rows.last() else { break };
        before = *first;
        for (first, calls, stored_ms, span) in rows {
            if found.has_all_since(stored_ms) || filter.since_ms.is_some_and(|since_ms| stored_ms < since_ms)
            {
                break 'rows;
            }
            let batch = reader.read(span).map_err(CdrError::io("read records in", folder))?;
            let mut missing = calls;
            for record in batch::read(first, batch).map(Entry::into_record) {
                missing = missing.saturating_sub(1);
                if filter.fits(&record) {
                    found.push(record);
                }
            }
            unreadable += missing;
        }
    }
    found.shorten();
    found.records.reverse();
    Ok(List { records: found.records, unreadable })
}

/// The latest records of those that were found.
struct Found {
    records: Vec<Record>,
    limit: usize,
    /// When the earliest began, once there are as many as wanted.
    earliest_ms: Option<u64>,
}

impl Found {
    fn push(&mut self, record: Record) {
        self.records.push(record);
        if self.records.len() >= self.limit.max(1).saturating_mul(2) {
            self.shorten();
        }
    }

    /// Leaves the latest, which come first then.
    fn shorten(&mut self) {
        self.records.sort_by_key(|record| std::cmp::Reverse((record.start_ms, record.id)));
        self.records.truncate(self.limit);
        self.earliest_ms = self.records.get(self.limit.saturating_sub(1)).map(|record| record.start_ms);
    }

    fn has_all_since(&self, stored_ms: u64) -> bool {
        self.limit == 0 || self.earliest_ms.is_some_and(|earliest_ms| stored_ms < earliest_ms)
    }
}
