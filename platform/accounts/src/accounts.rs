//! Administration: one account at a time, each change numbered.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use offhook_store::{Store, sql};

use crate::directory::Directory;
use crate::name::Name;
use crate::refresh::Watch;
use crate::{AccountError, Credential, generate};

/// Longest password in bytes. Anything longer was pasted by mistake.
pub const PASSWORD_LEN_MAX: usize = 128;

/// Most rows that [`Accounts::list`] returns at once: a page for a terminal or a browser. More are had by asking again
/// with [`Filter::after`].
pub const LIST_ROWS_MAX: u32 = 1000;

/// For how many changes the names of removed accounts are kept, so that a running server hears of them. One that has
/// missed more reads all accounts anew.
pub const REMOVALS_KEPT: i64 = 100_000;

/// The accounts in the store.
///
/// Threads may share it. Changes are durable when a function returns; servers see them at their next
/// [`Accounts::refresh`].
#[derive(Debug)]
pub struct Accounts {
    pub(crate) store: Store,
    pub(crate) watch: Mutex<Watch>,
    pub(crate) directory: Arc<ArcSwap<Directory>>,
}

/// An account as an administrator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// User part of the AOR.
    pub user: String,
    /// Domain, in lower case; the realm.
    pub domain: String,
    /// Which digests there are.
    pub credential: Credential,
    /// When it was added, in seconds of the Unix epoch.
    pub created_s: i64,
    /// Number of the last change.
    pub change: i64,
}

/// Which accounts to list. The default is the first page of all.
#[derive(Clone, Copy, Default, Debug)]
pub struct Filter<'a> {
    /// Only of this domain.
    pub domain: Option<&'a str>,
    /// Only users that have this in their name, in any case of letters.
    pub user_contains: Option<&'a str>,
    /// Only those behind this one, which was the last of the page before.
    pub after: Option<&'a Account>,
    /// At most so many, and never more than [`LIST_ROWS_MAX`]; 0 is as many as there may be.
    pub limit: u32,
}

impl Accounts {
    /// Opens the accounts in this store, with connections of their own.
    ///
    /// # Errors
    /// [`AccountError::Store`].
    pub fn open(store: &Store) -> Result<Self, AccountError> {
        Ok(Self {
            store: store.connect()?,
            watch: Mutex::new(Watch::new(store.connect()?)),
            directory: Arc::new(ArcSwap::from_pointee(Directory::new())),
        })
    }

    /// Adds an account.
    ///
    /// # Errors
    /// [`AccountError::Exists`], and what is wrong with name or password.
    pub fn add(&self, user: &str, domain: &str, password: &str) -> Result<(), AccountError> {
        let name = Name::new(user, domain)?;
        check_password(password)?;
        let credential = Credential::from_password(&name, password);
        self.store.write(|sql| insert(sql, next_change(sql)?, &name, &credential))
    }

    /// Adds an account with a password of 99 bits, and returns that: four groups of five letters and digits. It
    /// cannot be asked for again.
    ///
    /// # Errors
    /// As [`Accounts::add`].
    pub fn add_with_generated(&self, user: &str, domain: &str) -> Result<String, AccountError> {
        let password = generate::password()?;
        self.add(user, domain, &password)?;
        Ok(password)
    }

    /// Gives an account another password.
    ///
    /// # Errors
    /// [`AccountError::Unknown`], and what is wrong with name or password.
    pub fn set_password(&self, user: &str, domain: &str, password: &str) -> Result<(), AccountError> {
        let name = Name::new(user, domain)?;
        check_password(password)?;
        let credential = Credential::from_password(&name, password);
        self.store.write(|sql| {
            let rows = sql.execute(
                "UPDATE account SET ha1_md5 = ?3, ha1_sha256 = ?4, ha1_sha512_256 = ?5, change = ?6
                 WHERE user = ?1 AND domain = ?2",
                sql::params![
                    name.user,
                    name.domain,
                    credential.md5,
                    credential.sha256,
                    credential.sha512_256,
                    next_change(sql)?
                ],
            )?;
            if rows == 0 { Err(AccountError::Unknown(name.to_string())) } else { Ok(()) }
        })
    }

    /// Gives an account another password, made like that of [`Accounts::add_with_generated`], and returns it.
    ///
    /// # Errors
    /// As [`Accounts::set_password`].
    pub fn set_generated_password(&self, user: &str, domain: &str) -> Result<String, AccountError> {
        let password = generate::password()?;
        self.set_password(user, domain, &password)?;
        Ok(password)
    }

    /// Removes an account.
    ///
    /// # Errors
    /// [`AccountError::Unknown`], and what is wrong with the name.
    pub fn remove(&self, user: &str, domain: &str) -> Result<(), AccountError> {
        let name = Name::new(user, domain)?;
        self.store.write(|sql| {
            let rows = sql
                .execute("DELETE FROM account WHERE user = ?1 AND domain = ?2", [&name.user, &name.domain])?;
            if rows == 0 {
                return Err(AccountError::Unknown(name.to_string()));
            }
            remember_removal(sql, &name)?;
            Ok(())
        })
    }

    /// One page of accounts, by domain and user.
    ///
    /// # Errors
    /// [`AccountError::Store`].
    pub fn list(&self, filter: Filter<'_>) -> Result<Vec<Account>, AccountError> {
        let (after_domain, after_user) = match filter.after {
            Some(account) => (account.domain.as_str(), account.user.as_str()),
            None => ("", ""),
        };
        let limit = if filter.limit == 0 { LIST_ROWS_MAX } else { filter.limit.min(LIST_ROWS_MAX) };
        let domain = filter.domain.map(str::to_ascii_lowercase);
        Ok(self.store.read(|sql| {
            sql.prepare_cached(
                "SELECT user, domain, created_s, change, ha1_md5, ha1_sha256, ha1_sha512_256 FROM account
                 WHERE (domain, user) > (?1, ?2)
                   AND (?3 IS NULL OR domain = ?3)
                   AND (?4 IS NULL OR instr(lower(user), lower(?4)) > 0)
                 ORDER BY domain, user LIMIT ?5",
            )?
            .query_map(sql::params![after_domain, after_user, domain, filter.user_contains, limit], account)?
            .collect()
        })?)
    }
}

impl Accounts {
    /// The domains of all accounts.
    ///
    /// # Errors
    /// [`AccountError::Store`].
    pub fn domains(&self) -> Result<Vec<String>, AccountError> {
        Ok(self.store.read(|sql| {
            let mut all = sql.prepare_cached("SELECT DISTINCT domain FROM account ORDER BY domain")?;
            all.query_map([], |row| row.get(0))?.collect()
        })?)
    }
}

/// Takes the number of a new change. All that is written in one transaction shares it.
pub(crate) fn next_change(sql: &sql::Transaction<'_>) -> sql::Result<i64> {
    sql.query_row("UPDATE account_state SET change = change + 1 RETURNING change", [], |row| row.get(0))
}

/// Writes a new account; its name is no longer among the removed.
pub(crate) fn insert(
    sql: &sql::Transaction<'_>,
    change: i64,
    name: &Name,
    credential: &Credential,
) -> Result<(), AccountError> {
    let rows = sql
        .prepare_cached(
            "INSERT INTO account (user, domain, ha1_md5, ha1_sha256, ha1_sha512_256, change)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (domain, user) DO NOTHING",
        )?
        .execute(sql::params![
            name.user,
            name.domain,
            credential.md5,
            credential.sha256,
            credential.sha512_256,
            change
        ])?;
    if rows == 0 {
        return Err(AccountError::Exists(name.to_string()));
    }
    sql.prepare_cached("DELETE FROM account_removed WHERE domain = ?1 AND user = ?2")?
        .execute([&name.domain, &name.user])?;
    Ok(())
}

pub(crate) fn check_password(password: &str) -> Result<(), AccountError> {
    let right = (1..=PASSWORD_LEN_MAX).contains(&password.len()) && !password.chars().any(char::is_control);
    if right { Ok(()) } else { Err(AccountError::Password) }
}

/// Each removal is a change of its own, so no more than [`REMOVALS_KEPT`] names stay.
fn remember_removal(sql: &sql::Transaction<'_>, name: &Name) -> sql::Result<()> {
    let change = next_change(sql)?;
    sql.execute(
        "INSERT INTO account_removed (domain, user, change) VALUES (?1, ?2, ?3)",
        sql::params![name.domain, name.user, change],
    )?;
    let forgotten = change - REMOVALS_KEPT;
    sql.execute("DELETE FROM account_removed WHERE change <= ?1", [forgotten])?;
    sql.execute("UPDATE account_state SET forgotten = max(forgotten, ?1)", [forgotten])?;
    Ok(())
}

fn account(row: &sql::Row<'_>) -> sql::Result<Account> {
    Ok(Account {
        user: row.get(0)?,
        domain: row.get(1)?,
        created_s: row.get(2)?,
        change: row.get(3)?,
        credential: Credential::from_row(row, 4)?,
    })
}
