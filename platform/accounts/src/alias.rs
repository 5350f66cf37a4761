//! Other names of accounts: the numbers by which they are called, of which an account may have many.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::quality::RandomState;
use offhook_store::sql;

use crate::accounts::next_change;
use crate::name::Name;
use crate::number::plain;
use crate::{AccountError, Accounts};

/// The aliases at one moment, `alias@domain` to the user part of the account.
pub(crate) type Aliases = Arc<HashMap<Box<[u8]>, Box<[u8]>, RandomState>>;

/// Most aliases of one account: a range of a hundred numbers, and short ones.
pub const ALIASES_PER_ACCOUNT_MAX: i64 = 200;

/// An alias as an administrator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alias {
    /// The other name.
    pub alias: String,
    /// The user part of the account it means.
    pub user: String,
    /// The domain of both.
    pub domain: String,
}

impl Accounts {
    /// Gives an account another name in its domain, and says which: a number loses its visual separators.
    ///
    /// # Errors
    /// [`AccountError::Unknown`] without such an account, [`AccountError::IsAccount`] if the name is an account,
    /// [`AccountError::AliasTaken`] if it is an alias,
    /// [`AccountError::TooManyAliases`], and what is wrong with the names.
    pub fn add_alias(&self, user: &str, domain: &str, alias: &str) -> Result<String, AccountError> {
        let alias = String::from_utf8_lossy(&plain(alias.as_bytes())).into_owned();
        let (name, alias) = (Name::new(user, domain)?, Name::new(&alias, domain)?);
        self.store.write(|sql| {
            let is_there = |name: &Name| {
                const ACCOUNT: &str = "SELECT count(*) FROM account WHERE domain = ?1 AND user = ?2";
                sql.query_row(ACCOUNT, [&name.domain, &name.user], |row| row.get::<_, i64>(0))
            };
            if is_there(&name)? == 0 {
                return Err(AccountError::Unknown(name.to_string()));
            }
            if is_there(&alias)? > 0 {
                return Err(AccountError::IsAccount(alias.to_string()));
            }
            const OWN: &str = "SELECT count(*) FROM account_alias WHERE domain = ?1 AND user = ?2";
            if sql.query_row(OWN, [&name.domain, &name.user], |row| row.get::<_, i64>(0))?
                >= ALIASES_PER_ACCOUNT_MAX
            {
                return Err(AccountError::TooManyAliases(name.to_string()));
            }
            let rows = sql.execute(
                "INSERT INTO account_alias (domain, alias, user, change) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (domain, alias) DO NOTHING",
                sql::params![name.domain, alias.user, name.user, next_change(sql)?],
            )?;
            if rows > 0 {
                return Ok(alias.user);
            }
            const OWNER: &str = "SELECT user FROM account_alias WHERE domain = ?1 AND alias = ?2";
            let owner: String = sql.query_row(OWNER, [&alias.domain, &alias.user], |row| row.get(0))?;
            let of = format!("{owner}@{}", alias.domain);
            Err(AccountError::AliasTaken { alias: alias.to_string(), of })
        })
    }

    /// Takes an alias away.
    ///
    /// # Errors
    /// [`AccountError::UnknownAlias`], and what is wrong with the name.
    pub fn remove_alias(&self, alias: &str, domain: &str) -> Result<(), AccountError> {
        let name = Name::new(alias, domain)?;
        self.store.write(|sql| {
            let number = String::from_utf8_lossy(&plain(name.user.as_bytes())).into_owned();
            let rows = sql.execute(
                "DELETE FROM account_alias WHERE domain = ?1 AND alias IN (?2, ?3)",
                [&name.domain, &name.user, &number],
            )?;
            if rows == 0 {
                return Err(AccountError::UnknownAlias(name.to_string()));
            }
            next_change(sql)?;
            Ok(())
        })
    }

    /// All aliases, or those of one domain, by domain and name.
    ///
    /// # Errors
    /// [`AccountError::Store`].
    pub fn aliases(&self, domain: Option<&str>) -> Result<Vec<Alias>, AccountError> {
        let domain = domain.map(str::to_ascii_lowercase);
        Ok(self.store.read(|sql| {
            sql.prepare(
                "SELECT alias, user, domain FROM account_alias WHERE ?1 IS NULL OR domain = ?1
                 ORDER BY domain, alias",
            )?
            .query_map([domain], |row| {
                Ok(Alias { alias: row.get(0)?, user: row.get(1)?, domain: row.get(2)? })
            })?
            .collect()
        })?)
    }
}

/// What tells one state of the aliases from another: the last change, and how many there are.
pub(crate) fn version(sql: &sql::Transaction<'_>) -> sql::Result<(i64, i64)> {
    const VERSION: &str = "SELECT ifnull(max(change), 0), count(*) FROM account_alias";
    sql.query_row(VERSION, [], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// All of them.
pub(crate) fn read_all(sql: &sql::Transaction<'_>) -> sql::Result<Aliases> {
    let mut all = sql.prepare("SELECT alias, domain, user FROM account_alias")?;
    let mut rows = all.query([])?;
    let mut aliases = HashMap::default();
    while let Some(row) = rows.next()? {
        let (alias, domain) = (row.get_ref(0)?.as_bytes()?, row.get_ref(1)?.as_bytes()?);
        aliases.insert([&*plain(alias), b"@", domain].concat().into(), row.get_ref(2)?.as_bytes()?.into());
    }
    Ok(Arc::new(aliases))
}
