//! Names of the files in the data folder. Logs (`location-SHARD.GENERATION.log`) and the snapshot (`location.snapshot`)
//! look alike: a header and frames as in [`offhook_frames`], whose payload is a record (see `record`). A log's
//! generation is in its name too; the snapshot's says that all logs of a lower generation are replaced by it.

use std::path::{Path, PathBuf};

use offhook_frames::{GENERATION_MAX, Kind};

use crate::error::LocationError;

/// What their headers say that they are.
pub(crate) const FILE: Kind = Kind { magic: *b"offhookL", format: 1 };

/// Everything as of one moment; replaces all logs of a lower generation than its own.
pub(crate) const SNAPSHOT: &str = "location.snapshot";
/// A snapshot while it is written. Without meaning until it is renamed.
pub(crate) const SNAPSHOT_UNFINISHED: &str = "location.snapshot.new";
/// There after a stop in peace: everything that was promised is in the files.
pub(crate) const STOPPED: &str = "location.stopped";
/// Locked by the one server that owns the folder.
pub(crate) const LOCK: &str = "location.lock";
/// Appended to the name of a file without usable header, which is moved aside.
pub(crate) const DAMAGED: &str = "damaged";

/// A log on disk.
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) generation: u64,
    pub(crate) bytes: u64,
}

/// The file that `shard` writes in `generation`.
pub(crate) fn path(folder: &Path, shard: u16, generation: u64) -> PathBuf {
    folder.join(format!("location-{shard}.{generation}.log"))
}

/// All logs in the folder.
pub(crate) fn list(folder: &Path) -> Result<Vec<Segment>, LocationError> {
    let failed = || LocationError::io("list", folder);
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let Some(generation) = entry.file_name().to_str().and_then(generation) else { continue };
        let bytes = entry.metadata().map_or(0, |metadata| metadata.len()); // it may be gone by now
        segments.push(Segment { path: entry.path(), generation, bytes });
    }
    Ok(segments)
}

/// What logs and snapshot take on disk.
pub(crate) fn stored_bytes(folder: &Path) -> Result<u64, LocationError> {
    let snapshot = std::fs::metadata(folder.join(SNAPSHOT)).map_or(0, |metadata| metadata.len());
    Ok(snapshot + list(folder)?.iter().map(|segment| segment.bytes).sum::<u64>())
}

/// The generation in a log's name, if it is the name of a log.
fn generation(name: &str) -> Option<u64> {
    let (shard, generation) = name.strip_prefix("location-")?.strip_suffix(".log")?.split_once('.')?;
    shard.parse::<u16>().ok()?;
    generation.parse().ok().filter(|generation| *generation <= GENERATION_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_known_by_its_name() {
        let name = path(Path::new(""), 12, 345);
        assert_eq!(generation(name.to_str().unwrap()), Some(345));
    }

    #[test]
    fn other_files_are_left_alone() {
        for name in [
            SNAPSHOT,
            SNAPSHOT_UNFINISHED,
            LOCK,
            "location-.1.log",
            "location-1.log",
            "location-1.2.log.damaged",
        ] {
            assert_eq!(generation(name), None, "{name}");
        }
        assert_eq!(generation("location-1.18446744073709551615.log"), None);
    }
}
