//! Short words for the tests of this folder: contacts as `(name, end)`, folders that can be copied as a crash leaves
//! them.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use offhook_location::{Binding, Change, Limits, Location, LocationError, SyncPolicy, Writer};
use tempfile::TempDir;

/// Contacts and when they end, in milliseconds.
pub(crate) type Contacts = Vec<(String, u64)>;

/// A new folder, in memory where the system has one there: these tests force much to disk.
pub(crate) fn new_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Nothing happens in the background.
pub(crate) fn quiet() -> Limits {
    Limits { sync: SyncPolicy::Interval(Duration::from_secs(3600)), ..Limits::default() }
}

pub(crate) fn contacts(list: &[(&str, u64)]) -> Contacts {
    list.iter().map(|(name, end)| (name.to_string(), *end)).collect()
}

/// Lets the address-of-record have exactly these contacts, each made at its end: no refresh of it may wait, and it is not
/// believed for longer after a crash.
pub(crate) fn set(writer: &mut Writer, aor: &str, contacts: &Contacts) -> Result<(), LocationError> {
    writer.update(aor.as_bytes(), 0, |_, new| {
        for (name, expires_at_ms) in contacts {
            let call_id = b"a84b4c76e66710@pc33.example.org";
            new.push(&Binding {
                contact: name.as_bytes(),
                expires_at_ms: *expires_at_ms,
                registered_at_ms: *expires_at_ms,
                call_id,
                ..Binding::default()
            });
        }
        (Change::Replace, ())
    })
}

pub(crate) fn get(location: &Location, aor: &str, now_ms: u64) -> Contacts {
    location.read(aor.as_bytes(), now_ms, |bindings| bindings.map(|binding| contact(&binding)).collect())
}

/// Everything there is.
pub(crate) fn all(location: &Location, now_ms: u64) -> BTreeMap<String, Contacts> {
    let mut all: BTreeMap<String, Contacts> = BTreeMap::new();
    location.dump(now_ms, |aor, binding| {
        all.entry(String::from_utf8_lossy(aor).into_owned()).or_default().push(contact(&binding));
    });
    all
}

fn contact(binding: &Binding<'_>) -> (String, u64) {
    (String::from_utf8_lossy(binding.contact).into_owned(), binding.expires_at_ms)
}

/// A copy of the folder as it is now: what the next process finds if this one is killed.
pub(crate) fn copy_of(folder: &Path) -> TempDir {
    let copy = new_folder();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

/// The log that a shard writes now.
pub(crate) fn log_of(folder: &Path, shard: u16) -> PathBuf {
    let generation = |path: &PathBuf| -> Option<u64> {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix(&format!("location-{shard}."))?.strip_suffix(".log")?.parse().ok()
    };
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| generation(path).is_some()).max_by_key(generation).unwrap()
}

pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
