//! What can go wrong, and what the caller is to answer.

use std::io;
use std::path::{Path, PathBuf};

/// Why the location service could not do what was asked. None of these leaves a change behind that was not asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// The disk refused. After [`Writer::commit`](crate::Writer::commit): what was pending is undone, answer 503;
    /// later commits work again when the disk does.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: "write", "sync", …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process owns the data folder.
    #[error("another server uses this data folder ({} is locked)", path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// A file was written by a newer version of this program; it is left as it is.
    #[error("{} has format {format}, this version reads up to {supported}", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u16,
        /// The newest format we read.
        supported: u16,
    },
    /// More bindings for one address-of-record than [`Limits::bindings_per_aor_max`](crate::Limits): answer 403.
    #[error("more than {max} bindings for one address-of-record")]
    TooManyBindings {
        /// The bound.
        max: usize,
    },
    /// More bindings than [`Limits::bindings_max`](crate::Limits): answer 503.
    #[error("the location table is full ({max} bindings)")]
    Full {
        /// The bound.
        max: usize,
    },
    /// The record of one address-of-record would exceed [`Limits::record_bytes_max`](crate::Limits): answer 513.
    #[error("the bindings of one address-of-record exceed {max} bytes")]
    RecordTooLong {
        /// The bound in bytes.
        max: usize,
    },
    /// Too much waits for a commit: commit, then try again. A caller that commits after every batch never sees this.
    #[error("more than {max} bytes wait to be committed")]
    PendingFull {
        /// The bound in bytes.
        max: usize,
    },
    /// The shard's number is not below [`Limits::shards_max`](crate::Limits).
    #[error("shard {shard} is beyond the bound of {max} shards")]
    UnknownShard {
        /// The shard asked for.
        shard: u16,
        /// The bound.
        max: u16,
    },
    /// The shard has a writer already.
    #[error("shard {shard} has a writer already")]
    ShardTaken {
        /// The shard asked for.
        shard: u16,
    },
    /// The location service was opened to be read only.
    #[error("opened for reading only")]
    ReadOnly,
    /// The files changed under a reading process too often; try again.
    #[error("the location files keep changing while they are read")]
    KeepsChanging,
    /// A compaction gave up because a commit failed meanwhile or the server stops. It is tried again.
    #[error("the snapshot was given up")]
    CompactionGivenUp,
}

impl LocationError {
    /// Names the action and the path of a failed system call.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}
