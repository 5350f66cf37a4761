//! The embedded SQL store: one SQLite file, `offhook.db`, in the data directory.
//!
//! ```text
//!   Store::open(dir) ── one at a time ──► directory 0700, file 0600 ──► schema steps ──► Store
//!   Store::read      a consistent view; never waits for a writer (WAL)
//!   Store::write     one transaction, durable when it returns (synchronous=FULL); waits for other writers up to 5 s
//!   Store::secret    32 bytes made at first start, the same ever after
//! ```
//!
//! Several processes may use the file at once: the server, and the command line beside it.
//!
//! Not here: what the tables mean. Their users write their own statements, in words from [`sql`]; the schema is one
//! list of steps in `schema/` so that there is one order of growth.

#![forbid(unsafe_code)]

mod error;
mod open;
mod schema;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use error::StoreError;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

/// Words for statements and rows: what the users of the store need of SQLite, and not how to open files.
pub mod sql {
    pub use rusqlite::{Error, OptionalExtension, Result, Row, Rows, Transaction, params};
}

/// One connection to the database. Threads may share it and take turns.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    connection: Mutex<Connection>,
}

impl Store {
    /// Name of the database in the data directory; beside it lie `offhook.db-wal` and `offhook.db-shm` while in use.
    pub const FILE_NAME: &str = "offhook.db";

    /// Another connection to the same database, for someone who must not wait while this one is busy, or who wants to
    /// see its changes by [`Store::data_version`].
    ///
    /// # Errors
    /// [`StoreError`], see there.
    pub fn connect(&self) -> Result<Self, StoreError> {
        Self::open(&self.dir)
    }

    /// Reads: everything `work` asks for is of one moment.
    ///
    /// # Errors
    /// Those of `work`, told apart by cause.
    pub fn read<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
        Ok(work(&transaction)?)
    }

    /// Writes: all of `work`, durable once this returns, or nothing if it fails.
    ///
    /// # Errors
    /// Those of `work`, and [`StoreError::Locked`] when another writer does not finish within 5 seconds.
    pub fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.lock();
        // Immediate: a transaction that first reads and then wants to write could not wait for another writer.
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
        let done = work(&transaction)?;
        transaction.commit().map_err(StoreError::from)?;
        Ok(done)
    }

    /// A number that differs after others (another connection, another process) have changed the database. Costs
    /// microseconds.
    ///
    /// # Errors
    /// [`StoreError`], see there.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        Ok(self.lock().pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    /// The secret of this name. `make` is asked for entropy when there is none yet; whoever comes first decides, also
    /// among processes.
    ///
    /// # Errors
    /// [`StoreError`], see there.
    pub fn secret(&self, name: &str, make: impl FnOnce() -> [u8; 32]) -> Result<[u8; 32], StoreError> {
        const SELECT: &str = "SELECT value FROM meta WHERE name = ?1";
        let known = self.read(|sql| sql.query_row(SELECT, [name], |row| row.get(0)).optional())?;
        if let Some(secret) = known {
            return Ok(secret);
        }
        self.write(|sql| {
            sql.execute("INSERT OR IGNORE INTO meta (name, value) VALUES (?1, ?2)", params![name, make()])?;
            Ok(sql.query_row(SELECT, [name], |row| row.get(0))?)
        })
    }

    /// A panic in somebody's `work` has rolled its transaction back, so the connection is as good as before.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
