//! How the database comes to be: directory, file, connection, schema.
//!
//! One opener at a time, by a lock on the directory. Without it, two first starts would race to switch the file to
//! WAL, and closing a file that another thread has just opened would drop that thread's locks (POSIX forgets all
//! locks of a process on a file when any descriptor of it is closed, see <https://sqlite.org/howtocorrupt.html> §2.2).

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::{Store, StoreError, schema};

/// How long a writer waits for another. An import of 100,000 accounts takes less; a SIP client gives up a request
/// only after 32 s (RFC 3261 Timer F).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What a large transaction may leave of its log on disk once it has been taken over.
const WAL_LEN_MAX: i64 = 64 << 20;

/// Data is the owner's alone: who reads an HA1 can log in with it.
const DIR_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

impl Store {
    /// Opens the database in `dir`, makes both when they are not there, and brings the schema up to date.
    ///
    /// # Errors
    /// [`StoreError`], see there; [`StoreError::Newer`] only comes from here.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(DIR_MODE)
            .create(dir)
            .map_err(|error| StoreError::io(dir, error))?;
        let turn = File::open(dir).map_err(|error| StoreError::io(dir, error))?;
        turn.lock().map_err(|error| StoreError::io(dir, error))?;

        let path = dir.join(Self::FILE_NAME);
        private_file(&path).map_err(|error| StoreError::io(&path, error))?;
        let mut connection = connect(&path)?;
        schema::upgrade(&mut connection)?;
        Ok(Self { dir: dir.to_owned(), connection: Mutex::new(connection) })
    }
}

/// Sees that the file is there and nobody else's to read. SQLite gives its side files the same mode.
fn private_file(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // Not opened: see the module's text.
            let mode = path.metadata()?.permissions().mode() & 0o777;
            if mode == FILE_MODE {
                Ok(())
            } else {
                std::fs::set_permissions(path, Permissions::from_mode(FILE_MODE))
            }
        }
        Err(error) => Err(error),
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    // NO_MUTEX: ours is around the connection already.
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // In WAL mode only FULL makes a commit durable: what was answered 200 survives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A removed account's digests are wiped, not just unlinked.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "journal_size_limit", WAL_LEN_MAX)?;
    Ok(connection)
}
