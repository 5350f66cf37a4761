//! Whether files have changed since they were last looked at.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::Wanted;

/// What tells one state of a file from another: when it was written (s, ns), length, and which file it is after a rename.
type Stamp = Option<[i64; 4]>;

/// The files of a [`Wanted`] and what they looked like.
#[derive(Debug)]
pub struct Watch {
    files: Vec<(PathBuf, Stamp)>,
    /// Those that have changed since they were last told, and may still be changing.
    changed: Vec<PathBuf>,
}

impl Watch {
    /// Remembers what they look like now.
    pub fn new(wanted: &Wanted) -> Self {
        let files = wanted.files().map(|file| (file.clone(), stamp(file))).collect();
        Self { files, changed: Vec::new() }
    }

    /// Looks again. Which files have changed, once after they have stayed the same from one look to the next: whoever writes
    /// a certificate and then its key is let finish.
    pub fn changed(&mut self) -> Vec<PathBuf> {
        let mut moved = false;
        for (file, last) in &mut self.files {
            let now = stamp(file);
            if now != *last {
                *last = now;
                moved = true;
                if !self.changed.contains(file) {
                    self.changed.push(file.clone());
                }
            }
        }
        if moved { Vec::new() } else { std::mem::take(&mut self.changed) }
    }
}

fn stamp(file: &PathBuf) -> Stamp {
    let data = fs::metadata(file).ok()?;
    Some([data.mtime(), data.mtime_nsec(), data.len() as i64, data.ino() as i64])
}
