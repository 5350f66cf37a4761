//! What we ask of the disk: few operations, each of which says what it was doing when it failed.
//!
//! In the tests of this crate the same operations can be told to fail or to stop half-way.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::LocationError;

#[cfg(test)]
pub(crate) mod faults;
#[cfg(not(test))]
mod faults {
    //! No faults but those of the disk.

    #[derive(Clone, Default)]
    pub(crate) struct Faults;

    impl Faults {
        pub(crate) fn check(&self) -> std::io::Result<()> {
            Ok(())
        }

        pub(crate) fn check_sync(&self) -> std::io::Result<()> {
            Ok(())
        }

        pub(crate) fn check_truncate(&self) -> std::io::Result<()> {
            Ok(())
        }

        pub(crate) fn split_write<'b>(&self, bytes: &'b [u8]) -> (&'b [u8], std::io::Result<()>) {
            (bytes, Ok(()))
        }
    }
}

/// The disk.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub(crate) faults: faults::Faults,
}

/// A file that we write.
pub(crate) struct DiskFile {
    file: File,
    path: PathBuf,
    disk: Disk,
}

/// Who registers from where concerns only the server's own user.
const MODE: u32 = 0o600;

impl Disk {
    /// An empty file to be appended to.
    pub(crate) fn create(&self, path: &Path) -> Result<DiskFile, LocationError> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(MODE);
        let open = || {
            self.faults.check()?;
            let file = options.open(path)?;
            file.set_len(0)?;
            give_to_owner(&file, path);
            Ok(file)
        };
        let file = open().map_err(LocationError::io("create", path))?;
        Ok(DiskFile { file, path: path.to_owned(), disk: self.clone() })
    }

    /// Replaces `to` by `from` as one step.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), LocationError> {
        let rename = self.faults.check().and_then(|()| std::fs::rename(from, to));
        rename.map_err(LocationError::io("rename", from))
    }

    pub(crate) fn remove(&self, path: &Path) -> Result<(), LocationError> {
        let remove = self.faults.check().and_then(|()| std::fs::remove_file(path));
        remove.map_err(LocationError::io("remove", path))
    }

    /// Makes creations, renames and removals in the folder last.
    pub(crate) fn sync_folder(&self, folder: &Path) -> Result<(), LocationError> {
        let sync = self.faults.check_sync().and_then(|()| File::open(folder)?.sync_all());
        sync.map_err(LocationError::io("sync", folder))
    }
}

/// Who administers as root beside a server with a user of its own must leave nothing that it cannot read.
fn give_to_owner(file: &File, path: &Path) {
    let folder = path.parent().and_then(|folder| std::fs::metadata(folder).ok());
    if let (Some(folder), Ok(own)) = (folder, file.metadata())
        && (folder.uid(), folder.gid()) != (own.uid(), own.gid())
    {
        // Only root may; for anybody else the file is what it was.
        let _ = std::os::unix::fs::fchown(file, Some(folder.uid()), Some(folder.gid()));
    }
}

impl DiskFile {
    /// Appends in one system call; more only where the system takes less than it was given.
    pub(crate) fn append(&self, bytes: &[u8]) -> Result<(), LocationError> {
        let (part, outcome) = self.disk.faults.split_write(bytes);
        (&self.file).write_all(part).and(outcome).map_err(LocationError::io("write", &self.path))
    }

    /// Makes what was appended last.
    pub(crate) fn sync(&self) -> Result<(), LocationError> {
        let sync = self.disk.faults.check_sync().and_then(|()| self.file.sync_data());
        sync.map_err(LocationError::io("sync", &self.path))
    }

    pub(crate) fn truncate(&self, length: u64) -> Result<(), LocationError> {
        let truncate = self.disk.faults.check_truncate().and_then(|()| self.file.set_len(length));
        truncate.map_err(LocationError::io("truncate", &self.path))
    }
}
