//! The log that one shard appends to.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;

use offhook_frames::{HEADER_BYTES, Header, seal};

use crate::disk::{Disk, DiskFile};
use crate::error::LocationError;
use crate::limits::SyncPolicy;
use crate::segments::{self, FILE};

/// A file that ends with a whole frame, or is put right before the next one is written.
pub(crate) struct Log {
    file: Arc<DiskFile>,
    salt: u32,
    /// Where the last whole frame ends.
    length: u64,
    /// A failed write may have left bytes beyond `length` that could not be cut off yet.
    torn: bool,
    /// Something was written since it was last forced to disk.
    unsynced: bool,
}

impl Log {
    /// An empty log. The caller makes its name last.
    pub(crate) fn create(
        disk: &Disk,
        folder: &Path,
        shard: u16,
        generation: u64,
    ) -> Result<Self, LocationError> {
        let file = disk.create(&segments::path(folder, shard, generation))?;
        let salt = random() as u32;
        if let Err(error) = file.append(&Header { salt, generation }.to_bytes(FILE)) {
            let _ = disk.remove(&segments::path(folder, shard, generation)); // empty it means nothing
            return Err(error);
        }
        let length = HEADER_BYTES as u64;
        Ok(Self { file: Arc::new(file), salt, length, torn: false, unsynced: false })
    }

    /// Seals the frames and appends them, all or none.
    pub(crate) fn append(&mut self, frames: &mut [u8], sync: SyncPolicy) -> Result<(), LocationError> {
        if self.torn {
            self.file.truncate(self.length)?;
            self.torn = false;
        }
        seal(frames, self.salt);
        let written = self.file.append(frames).and_then(|()| match sync {
            SyncPolicy::EveryCommit => self.file.sync(),
            SyncPolicy::Interval(_) => Ok(()),
        });
        match written {
            Ok(()) => {
                self.length += frames.len() as u64;
                self.unsynced = true; // forcing it once more costs nothing, and says that the log has grown
            }
            Err(_) => self.torn = self.file.truncate(self.length).is_err(),
        }
        written
    }

    /// The file, if there is something to force to disk: whoever takes it does that.
    pub(crate) fn take_unsynced(&mut self) -> Option<Arc<DiskFile>> {
        std::mem::take(&mut self.unsynced).then(|| self.file.clone())
    }
}

/// A number that nobody outside can guess.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0)
}
