//! What can go wrong with the store, sorted by what the operator can do about it.

use std::error::Error;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::Store;

/// Why the store did not do it. To a SIP request all of these are 503; the texts are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another connection has been writing for longer than we wait.
    #[error(
        "offhook.db is in use by another process for too long; try again, or see who has it open (lsof offhook.db)"
    )]
    Locked,
    /// No room left on the disk, or the quota is used up.
    #[error("no room left for offhook.db; free some space on its disk, then try again")]
    Full,
    /// The file is not a database, or a damaged one.
    #[error("offhook.db is damaged: {0}; stop the server and put back a backup, or try sqlite3's .recover")]
    Corrupt(#[source] rusqlite::Error),
    /// Written by a later version of this program.
    #[error(
        "offhook.db has schema {found}, this program knows up to {known}; use the newer program, or a backup from before it"
    )]
    Newer {
        /// Number of the schema in the file.
        found: u32,
        /// Last number that this program knows.
        known: u32,
    },
    /// The file or its directory cannot be made, opened, read or written.
    #[error("{path}: {cause}; see that it exists and belongs to the user who runs this program", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system or SQLite said.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// Where the data directory should be, or above it, something else stands.
    #[error("{path} is a file, or lies in one; a directory is needed, which `data_dir` or --data names", path = path.display())]
    NoDirectory {
        /// What was to be a directory.
        path: PathBuf,
    },
    /// SQLite refused a statement: a mistake of this program.
    #[error("offhook.db: {0}; this is a bug in the program, please report it")]
    Statement(#[source] rusqlite::Error),
}

impl StoreError {
    pub(crate) fn io(path: &Path, cause: std::io::Error) -> Self {
        match cause.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            std::io::ErrorKind::AlreadyExists | std::io::ErrorKind::NotADirectory => {
                Self::NoDirectory { path: path.to_owned() }
            }
            _ => Self::Io { path: path.to_owned(), cause: Box::new(cause) },
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(error),
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::NoLargeFileSupport,
            ) => Self::Io { path: Store::FILE_NAME.into(), cause: Box::new(error) },
            _ => Self::Statement(error),
        }
    }
}
