//! How a server learns what has changed: by others' hands, in other processes.
//!
//! `PRAGMA data_version` says in microseconds that nobody wrote anything. Otherwise the changes behind the last one
//! seen are read, additions and removals, and the next directory takes the place of the old.

use std::sync::{Arc, PoisonError};

use arc_swap::ArcSwap;
use offhook_store::{Store, sql};

use crate::alias;
use crate::directory::{Directory, Edit};
use crate::{AccountError, Accounts, Credential};

/// A connection that writes nothing, so that its data version tells of our own changes too.
#[derive(Debug)]
pub(crate) struct Watch {
    store: Store,
    data_version: Option<i64>,
    /// Number of the last change in the directory; 0 before the first.
    change: i64,
    /// Of the aliases in the directory.
    aliases: (i64, i64),
}

impl Watch {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, data_version: None, change: 0, aliases: (0, 0) }
    }
}

impl Accounts {
    /// The directory of all accounts, for lookups. It is filled when this returns; each later
    /// [`Accounts::refresh`] puts the next one in its place.
    ///
    /// # Errors
    /// [`AccountError::Store`].
    pub fn snapshot(&self) -> Result<Arc<ArcSwap<Directory>>, AccountError> {
        self.refresh()?;
        Ok(Arc::clone(&self.directory))
    }

    /// Takes over what has changed since the last time, and says how many accounts that were. When nothing has been
    /// written it costs microseconds, so once a second is fine. After an error the directory is as it was.
    ///
    /// # Errors
    /// [`AccountError::Store`].
    pub fn refresh(&self) -> Result<usize, AccountError> {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        // Asked before reading: what is written in between makes the next refresh look again.
        let data_version = watch.store.data_version()?;
        if watch.data_version == Some(data_version) {
            return Ok(0);
        }
        let since = watch.change;
        let aliases_before = watch.aliases;
        let (change, changed, aliases) = watch.store.read(|sql| {
            let state = sql.query_row("SELECT change, forgotten FROM account_state", [], |row| {
                Ok(State { change: row.get(0)?, forgotten: row.get(1)? })
            })?;
            let (changed, aliases) = self.take_over(sql, since, &state, aliases_before)?;
            Ok((state.change, changed, aliases))
        })?;
        (watch.change, watch.aliases) = (change, aliases);
        watch.data_version = Some(data_version);
        Ok(changed)
    }

    fn take_over(
        &self,
        sql: &sql::Transaction<'_>,
        since: i64,
        state: &State,
        aliases_before: (i64, i64),
    ) -> sql::Result<(usize, (i64, i64))> {
        if state.change == since {
            return Ok((0, aliases_before));
        }
        // Going back means that a backup has been put in place of what we saw.
        let anew = since == 0 || since < state.forgotten || since > state.change;
        let (mut edit, changed) = if anew { read_all(sql)? } else { self.read_changes(sql, since)? };
        let aliases = alias::version(sql)?;
        if anew || aliases != aliases_before {
            edit.set_aliases(alias::read_all(sql)?);
        }
        self.directory.store(Arc::new(edit.finish()));
        Ok((changed, aliases))
    }

    fn read_changes(&self, sql: &sql::Transaction<'_>, since: i64) -> sql::Result<(Edit, usize)> {
        let mut edit = Edit::of(&self.directory.load());
        let mut removed = sql.prepare_cached("SELECT user, domain FROM account_removed WHERE change > ?1")?;
        let mut rows = removed.query([since])?;
        let mut changed = 0;
        while let Some(row) = rows.next()? {
            edit.remove(row.get_ref(0)?.as_bytes()?, row.get_ref(1)?.as_bytes()?);
            changed += 1;
        }
        let mut written = sql.prepare_cached(
            "SELECT user, domain, ha1_md5, ha1_sha256, ha1_sha512_256 FROM account WHERE change > ?1",
        )?;
        changed += put_rows(&mut edit, written.query([since])?)?;
        Ok((edit, changed))
    }
}

struct State {
    change: i64,
    forgotten: i64,
}

fn read_all(sql: &sql::Transaction<'_>) -> sql::Result<(Edit, usize)> {
    let mut edit = Edit::of(&Directory::new());
    let mut all = sql.prepare("SELECT user, domain, ha1_md5, ha1_sha256, ha1_sha512_256 FROM account")?;
    let count = put_rows(&mut edit, all.query([])?)?;
    Ok((edit, count))
}

fn put_rows(edit: &mut Edit, mut rows: sql::Rows<'_>) -> sql::Result<usize> {
    let mut count = 0;
    while let Some(row) = rows.next()? {
        edit.put(row.get_ref(0)?.as_bytes()?, row.get_ref(1)?.as_bytes()?, Credential::from_row(row, 2)?);
        count += 1;
    }
    Ok(count)
}
