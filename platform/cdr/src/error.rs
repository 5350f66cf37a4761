//! What can go wrong off the fast path. Calls do not notice: facts wait in the spool.

use std::io;
use std::path::{Path, PathBuf};

use offhook_store::StoreError;

/// Why records could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum CdrError {
    /// The store did not take them.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of the spool or of records cannot be read or written.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl CdrError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
