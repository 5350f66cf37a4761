//! Names of the spool's files: `spool-SHARD.RUN.NUMBER.log`. A run is one life of the server; in it each shard writes
//! its segments one after the other. Each is a header and frames as in [`offhook_frames`]; a payload is what was written at
//! a time: [facts](crate::Fact), each with its length (2) before it. Behind the last frame are zeros, and behind these may be
//! anything. `spare-RUN.NUMBER.log` is room that waits for its use.

use std::io;
use std::path::{Path, PathBuf};

use offhook_frames::Kind;

/// What their headers say that they are.
pub(crate) const FILE: Kind = Kind { magic: *b"offhookC", format: 3 };

/// Shards of one server: more than it can be given.
pub(crate) const SHARDS_MAX: usize = 256;

/// One file of the spool. Ordered as they are to be read: a run after the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Segment {
    /// Which life of the server.
    pub(crate) run: u32,
    /// Which shard wrote it.
    pub(crate) shard: u16,
    /// Which one of this shard and run.
    pub(crate) number: u32,
}

impl Segment {
    pub(crate) fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("spool-{}.{}.{}.log", self.shard, self.run, self.number))
    }

    /// What its header has.
    pub(crate) const fn generation(self) -> u64 {
        (self.run as u64) << 32 | self.number as u64
    }

    fn from_name(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix("spool-")?.strip_suffix(".log")?.split('.');
        let mut number = || parts.next()?.parse::<u32>().ok();
        let (shard, run, last) = (number()?, number()?, number()?);
        let segment = Self { run, shard: u16::try_from(shard).ok()?, number: last };
        parts.next().is_none().then_some(segment)
    }
}

/// What stands before a fact.
pub(crate) const LENGTH_BYTES: usize = 2;

/// The facts in a payload, and how many bytes behind them are none.
pub(crate) fn each_fact(mut payload: &[u8], mut take: impl FnMut(&[u8])) -> usize {
    while let Some((length, rest)) = payload.split_first_chunk::<LENGTH_BYTES>()
        && let Some((fact, rest)) = rest.split_at_checked(u16::from_le_bytes(*length).into())
    {
        take(fact);
        payload = rest;
    }
    payload.len()
}

/// All segments in the folder, in their order.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        segments.extend(entry?.file_name().to_str().and_then(Segment::from_name));
    }
    segments.sort_unstable();
    Ok(segments)
}

/// A file of room that waits for its use.
pub(crate) fn spare_path(folder: &Path, run: u32, number: u32) -> PathBuf {
    folder.join(format!("{SPARE}{run}.{number}.log"))
}

const SPARE: &str = "spare-";

/// Removes what an earlier run has left: nobody has it in memory any more.
pub(crate) fn remove_spares(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(SPARE)) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_known_by_its_name() {
        let segment = Segment { run: 12, shard: 3, number: 45 };
        let path = segment.path(Path::new(""));
        assert_eq!(Segment::from_name(path.to_str().unwrap()), Some(segment));
        for other in
            ["spool-1.2.log", "spool-1.2.3.4.log", "spool-70000.1.1.log", "cdr-1.2.3.log", "spool-a.1.1.log"]
        {
            assert_eq!(Segment::from_name(other), None, "{other}");
        }
    }
}
