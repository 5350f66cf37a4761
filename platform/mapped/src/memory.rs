//! The memory of one file, and where it comes from.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::slice;

use memmap2::{MmapOptions, MmapRaw};

/// File systems of which a page that was written once can be written again, whatever else fills the disk (`statfs`, f_type):
/// ext2 to ext4, XFS, tmpfs. Those that copy on write (Btrfs, ZFS, overlays) and those of the network promise nothing.
const KEEP_ROOM: [u64; 3] = [0xef53, 0x5846_5342, 0x0102_1994];

/// Room is made in pieces of this.
const PIECE_BYTES: usize = 64 * 1024;

/// So many bytes of a file, in memory.
#[derive(Debug)]
pub(crate) struct Memory {
    map: MmapRaw,
    /// Written beside the memory, where the memory is not the file's.
    file: Option<File>,
}

impl Memory {
    /// Makes the file, which is empty, this long, and takes it into memory.
    pub(crate) fn new(file: File, length: usize) -> io::Result<Self> {
        match keeps_room(&file)? {
            true => Self::of_file(&file, length),
            false => Self::beside(file, length),
        }
    }

    /// Zeros are written, for room that has only been promised is looked for when a page is first written to.
    pub(crate) fn of_file(file: &File, length: usize) -> io::Result<Self> {
        for at in (0..length).step_by(PIECE_BYTES) {
            let piece = PIECE_BYTES.min(length - at);
            file.write_all_at(&[0; PIECE_BYTES][..piece], at as u64)?;
        }
        Ok(Self { map: MmapOptions::new().len(length).map_raw(file)?, file: None })
    }

    pub(crate) fn beside(file: File, length: usize) -> io::Result<Self> {
        Ok(Self { map: MmapOptions::new().len(length).map_anon()?.into(), file: Some(file) })
    }

    pub(crate) fn length(&self) -> usize {
        self.map.len()
    }

    /// Copies these bytes there.
    ///
    /// # Errors
    /// They do not fit, or the file takes nothing.
    ///
    /// # Safety
    /// Nobody else writes or reads these bytes meanwhile.
    pub(crate) unsafe fn put(&self, at: usize, bytes: &[u8]) -> io::Result<()> {
        if at.checked_add(bytes.len()).is_none_or(|end| end > self.length()) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if let Some(file) = &self.file {
            file.write_all_at(bytes, at as u64)?;
        }
        // SAFETY: the range lies in the map, as was just checked, and is nobody else's, as the caller says. What is copied is
        // not in the map: of that only shared slices of other ranges are given out.
        unsafe { self.map.as_mut_ptr().add(at).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    /// The bytes before this place.
    ///
    /// # Safety
    /// Nobody writes them as long as they are lent.
    pub(crate) unsafe fn before(&self, end: usize) -> &[u8] {
        let end = end.min(self.length());
        // SAFETY: the range lies in the map, which lives as long as this, any byte is a valid one, and nobody writes them.
        unsafe { slice::from_raw_parts(self.map.as_ptr(), end) }
    }
}

fn keeps_room(file: &File) -> io::Result<bool> {
    let kind = rustix::fs::fstatfs(file)?.f_type as u64;
    Ok(KEEP_ROOM.contains(&kind))
}
