//! The bans of a server in a file, so that a restart, or `kill -9`, pardons nobody.
//!
//! ```text
//!   start:          bans.jsonl ──those that still hold──► guard
//!   once a second:  guard ──if a ban has come or gone──► bans.jsonl.new ──rename──► bans.jsonl
//! ```
//! A line for each ban, as `offhook ban list --json` prints it. A thread beside the shards writes it: what has changed
//! within the last second or two is lost with the process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use offhook_abuse::{Ban, Guard, Offence, Source};
use offhook_journal::{Event, Journal};
use serde_json::{Value, json};

/// The file in the data directory.
const NAME: &str = "bans.jsonl";

/// As much is read, bytes: several times what the bans that a guard can hold take.
const BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Who was banned concerns only the server's own user.
const FILE_MODE: u32 = 0o600;

/// What was found in the file.
#[derive(Default)]
pub struct Restored {
    /// Bans that hold again.
    bans: u64,
    /// Lines that make no sense.
    damaged: u64,
}

impl Restored {
    /// Tells the journal, if there is anything to tell.
    pub fn tell(&self, journal: &mut Journal, now_ms: u64) {
        if self.bans > 0 {
            journal.note(now_ms, &Event::BanRestored { bans: self.bans });
        }
        if self.damaged > 0 {
            let error = format!("{} lines of {NAME} make no sense", self.damaged);
            journal.note(now_ms, &Event::StoreFailed { what: "read all bans", error: &error });
        }
    }
}

/// Lets the bans hold again whose time is not over and whose sources `may_be` banned.
///
/// # Errors
/// The file is there and cannot be read.
pub fn restore(
    data_dir: &Path,
    guard: &Guard,
    now_ms: u64,
    may_be: impl Fn(Source) -> bool,
) -> io::Result<Restored> {
    let mut restored = Restored::default();
    let file = match File::open(data_dir.join(NAME)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(restored),
        Err(error) => return Err(error),
    };
    for line in BufReader::new(file.take(BYTES_MAX)).split(b'\n') {
        match read(&line?) {
            None => restored.damaged += 1,
            Some(ban) if may_be(ban.source) && guard.restore(now_ms, &ban) => restored.bans += 1,
            Some(_) => {}
        }
    }
    Ok(restored)
}

/// Keeps the file as the guard is.
pub struct BanFile {
    path: PathBuf,
    /// Sources and ends of the bans that it holds.
    kept: Vec<(Source, u32)>,
}

impl BanFile {
    /// That of this data directory. Nothing is read or written yet.
    pub fn of(data_dir: &Path) -> Self {
        Self { path: data_dir.join(NAME), kept: Vec::new() }
    }

    /// Writes the file anew if a ban has come or gone. What the disk refuses is tried again with the next look.
    pub fn look(&mut self, guard: &Guard, journal: &mut Journal, now_ms: u64) {
        let bans = guard.bans(now_ms);
        let held: Vec<_> = bans.iter().map(|ban| (ban.source, ban.until_s)).collect();
        if held == self.kept {
            return;
        }
        match self.write(&bans) {
            Ok(()) => self.kept = held,
            Err(error) => {
                let error = error.to_string();
                journal.note(now_ms, &Event::StoreFailed { what: "keep the bans", error: &error });
            }
        }
    }

    fn write(&self, bans: &[Ban]) -> io::Result<()> {
        let new = self.path.with_extension("jsonl.new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&new)?;
        let lines: String = bans.iter().map(|ban| format!("{}\n", object(ban))).collect();
        file.write_all(lines.as_bytes())?;
        file.sync_data()?;
        fs::rename(&new, &self.path)
    }
}

/// A ban as programs see it.
pub fn object(ban: &Ban) -> Value {
    json!({
        "source": ban.source.to_string(),
        "offence": ban.offence.name(),
        "failures": ban.failures,
        "times": ban.times,
        "since_s": ban.since_s,
        "until_s": ban.until_s,
        "dropped": ban.dropped,
    })
}

fn read(line: &[u8]) -> Option<Ban> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let number = |field: &str| value.get(field)?.as_u64();
    let text = |field: &str| value.get(field)?.as_str();
    Some(Ban {
        source: text("source")?.parse().ok()?,
        offence: Offence::of_name(text("offence")?)?,
        failures: number("failures")?.try_into().ok()?,
        times: number("times")?.try_into().ok()?,
        since_s: number("since_s")?.try_into().ok()?,
        until_s: number("until_s")?.try_into().ok()?,
        dropped: number("dropped")?,
    })
}

#[cfg(test)]
mod tests {
    use offhook_abuse::Policy;

    use super::*;

    const NOW_MS: u64 = 1_795_248_903_123;
    const NOW_S: u32 = 1_795_248_903;

    fn guard() -> Guard {
        Guard::new(Policy::default(), [7; 16], 1)
    }

    fn ban(source: &str, until_s: u32) -> Ban {
        Ban {
            source: source.parse().unwrap(),
            offence: Offence::ManyUsers,
            failures: 20,
            times: 3,
            since_s: NOW_S - 100,
            until_s,
            dropped: 4711,
        }
    }

    #[test]
    fn what_was_banned_is_banned_after_a_restart() {
        let (folder, mut journal) = (tempfile::TempDir::new().unwrap(), Journal::silent());
        let (before, after) = (guard(), guard());
        let all = [("192.0.2.7", 1_000), ("2001:db8:0:1::/64", 300), ("192.0.2.8", 30)];
        for (source, left_s) in all {
            assert!(before.restore(NOW_MS, &ban(source, NOW_S + left_s)));
        }
        let mut file = BanFile::of(folder.path());
        file.look(&before, &mut journal, NOW_MS);
        let later_ms = NOW_MS + 60_000;
        let exempt: Source = "192.0.2.9".parse().unwrap();
        let restored = restore(folder.path(), &after, later_ms, |source| source != exempt).unwrap();
        assert_eq!((restored.bans, restored.damaged), (2, 0), "one is over");
        assert_eq!(after.bans(later_ms), before.bans(later_ms));
        assert!(
            after.is_banned(later_ms, [192, 0, 2, 7].into())
                && !after.is_banned(later_ms, [192, 0, 2, 8].into())
        );
        // Nothing new, nothing written; one is lifted, and gone from the file.
        std::fs::remove_file(folder.path().join(NAME)).unwrap();
        file.look(&before, &mut journal, NOW_MS);
        assert!(!folder.path().join(NAME).exists());
        before.lift(NOW_MS, "192.0.2.7".parse().unwrap());
        file.look(&before, &mut journal, NOW_MS);
        let none = guard();
        assert_eq!(restore(folder.path(), &none, later_ms, |_| true).unwrap().bans, 1);
        assert!(!none.is_banned(later_ms, [192, 0, 2, 7].into()));
    }

    /// Whom the configuration exempts now is not banned by what was before.
    #[test]
    fn damage_and_exceptions() {
        let folder = tempfile::TempDir::new().unwrap();
        let good = |source| object(&ban(source, NOW_S + 500)).to_string();
        let text = format!(
            "{}\n{{\"source\":\"192.0.2.7\"}}\nhello\n{}\n{}",
            good("192.0.2.1"),
            good("192.0.2.2"),
            &good("192.0.2.3")[..40]
        );
        std::fs::write(folder.path().join(NAME), text).unwrap();
        let (guard, exempt) = (guard(), "192.0.2.2".parse().unwrap());
        let restored = restore(folder.path(), &guard, NOW_MS, |source| source != exempt).unwrap();
        assert_eq!((restored.bans, restored.damaged), (1, 3));
        assert!(
            guard.is_banned(NOW_MS, [192, 0, 2, 1].into()) && !guard.is_banned(NOW_MS, [192, 0, 2, 2].into())
        );
    }

    #[test]
    fn a_clock_that_was_wrong_bans_nobody_for_ever() {
        let guard = guard();
        let future = Ban { since_s: NOW_S + 900_000, ..ban("192.0.2.1", NOW_S + 900_300) };
        assert!(guard.restore(NOW_MS, &future));
        assert_eq!(guard.bans(NOW_MS)[0].until_s, NOW_S + 300);
        assert!(!guard.restore(NOW_MS, &Ban { since_s: NOW_S, ..ban("192.0.2.1", NOW_S - 1) }));
        assert!(!guard.restore(NOW_MS, &ban("192.0.2.1", 0)));
    }
}
