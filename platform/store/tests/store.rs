//! The store as the server and the command line beside it use it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use offhook_store::{Store, StoreError};
use tempfile::TempDir;

fn dir() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn open(dir: &TempDir) -> Store {
    Store::open(dir.path()).expect("a store")
}

fn put(store: &Store, name: &str, value: &[u8]) -> Result<(), StoreError> {
    store.write(|sql| {
        sql.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)", (name, value))?;
        Ok(())
    })
}

fn count(store: &Store) -> u32 {
    store.read(|sql| sql.query_row("SELECT count(*) FROM meta", [], |row| row.get(0))).expect("a count")
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("it is there").permissions().mode() & 0o777
}

#[test]
fn only_the_owner_can_read_what_it_makes() {
    let temporary = dir();
    let data = temporary.path().join("var/offhook");
    let store = Store::open(&data).expect("a store");
    put(&store, "a", b"1").expect("written");
    assert_eq!(mode(&data), 0o700);
    for file in ["offhook.db", "offhook.db-wal", "offhook.db-shm"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_file_that_others_could_read_is_closed_to_them() {
    let dir = dir();
    drop(open(&dir));
    let file = dir.path().join(Store::FILE_NAME);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    drop(open(&dir));
    assert_eq!(mode(&file), 0o600);
}

#[test]
fn settings_are_those_that_durability_needs() {
    let dir = dir();
    let pragma = |name| open(&dir).read(|sql| sql.pragma_query_value(None, name, |row| row.get::<_, i64>(0)));
    assert_eq!(pragma("synchronous").expect("a number"), 2, "FULL");
    assert_eq!(pragma("foreign_keys").expect("a number"), 1);
    assert_eq!(pragma("busy_timeout").expect("a number"), 5000);
    let mode =
        open(&dir).read(|sql| sql.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0)));
    assert_eq!(mode.expect("a name"), "wal");
}

#[test]
fn a_secret_is_made_once() {
    let dir = dir();
    assert_eq!(open(&dir).secret("nonce", || [1; 32]).expect("made"), [1; 32]);
    let store = open(&dir);
    assert_eq!(store.secret("nonce", || unreachable!("it is known")).expect("read"), [1; 32]);
    assert_eq!(store.secret("tag", || [2; 32]).expect("another name"), [2; 32]);
}

#[test]
fn a_write_that_fails_leaves_nothing() {
    let dir = dir();
    let store = open(&dir);
    let result: Result<(), StoreError> = store.write(|sql| {
        sql.execute("INSERT INTO meta (name, value) VALUES ('a', x'00')", [])?;
        sql.execute("INSERT INTO meta (name, value) VALUES ('a', x'00')", [])?;
        Ok(())
    });
    assert!(matches!(result, Err(StoreError::Statement(_))), "{result:?}");
    assert_eq!(count(&store), 0);
}

#[test]
fn a_panic_while_writing_leaves_nothing_and_the_store_works_on() {
    let dir = dir();
    let store = open(&dir);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.write::<(), StoreError>(|sql| {
            sql.execute("INSERT INTO meta (name, value) VALUES ('a', x'00')", [])?;
            panic!("a bug")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(count(&store), 0);
    put(&store, "b", b"").expect("written");
}

#[test]
fn data_version_tells_of_others_only() {
    let dir = dir();
    let (ours, theirs) = (open(&dir), open(&dir));
    let before = ours.data_version().expect("a number");
    put(&ours, "a", b"1").expect("written");
    assert_eq!(ours.data_version().expect("a number"), before);
    put(&theirs, "a", b"2").expect("written");
    assert_ne!(ours.data_version().expect("a number"), before);
}

#[test]
fn many_first_starts_at_once_agree() {
    let dir = dir();
    let secrets: Vec<[u8; 32]> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8_u8)
            .map(|start| {
                scope.spawn({
                    let dir = &dir;
                    move || open(dir).secret("nonce", || [start; 32]).expect("a secret")
                })
            })
            .collect();
        starts.into_iter().map(|start| start.join().expect("no panic")).collect()
    });
    assert!(secrets.iter().all(|secret| *secret == secrets[0]), "{secrets:?}");
}

/// Two connections, each with its own transactions, as two processes have.
#[test]
fn writers_take_turns_and_lose_nothing() {
    let dir = dir();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let store = open(&dir);
            scope.spawn(move || {
                for number in 0..25 {
                    put(&store, &format!("{writer}-{number}"), b"").expect("written");
                }
            });
        }
    });
    assert_eq!(count(&open(&dir)), 100);
}

#[test]
fn a_reader_does_not_wait_for_a_writer() {
    let dir = dir();
    let (writer, reader) = (open(&dir), open(&dir));
    let seen = writer.write::<_, StoreError>(|sql| {
        sql.execute("INSERT INTO meta (name, value) VALUES ('a', x'00')", [])?;
        Ok(count(&reader))
    });
    assert_eq!(seen.expect("written"), 0, "not yet committed");
    assert_eq!(count(&reader), 1);
}

#[test]
fn locked_says_so() {
    let dir = dir();
    let (first, second) = (open(&dir), open(&dir));
    second.read(|sql| sql.busy_timeout(Duration::ZERO)).expect("patience set to none");
    let result = first.write(|_| put(&second, "a", b""));
    assert!(matches!(result, Err(StoreError::Locked)), "{result:?}");
}

#[test]
fn a_full_disk_says_so_and_loses_nothing() {
    let dir = dir();
    let store = open(&dir);
    put(&store, "a", b"1").expect("written");
    // SQLite's own limit on pages answers as a full disk does. It never goes below what is in use.
    store.read(|sql| sql.pragma_update_and_check(None, "max_page_count", 1, |_| Ok(()))).expect("a limit");
    let result = put(&store, "b", &[0; 100_000]);
    assert!(matches!(result, Err(StoreError::Full)), "{result:?}");
    assert_eq!(count(&store), 1);
}

#[test]
fn a_damaged_file_says_so() {
    let dir = dir();
    drop(open(&dir));
    let file = dir.path().join(Store::FILE_NAME);
    std::fs::write(&file, [b'x'; 8192]).expect("written");
    let result = Store::open(dir.path());
    assert!(matches!(result, Err(StoreError::Corrupt(_))), "{result:?}");
}

#[test]
fn a_file_of_a_newer_program_is_left_alone() {
    let dir = dir();
    open(&dir)
        .write::<_, StoreError>(|sql| Ok(sql.pragma_update(None, "user_version", 999)?))
        .expect("a newer one");
    let error = Store::open(dir.path()).expect_err("refused");
    assert!(matches!(error, StoreError::Newer { found: 999, .. }), "{error:?}");
    assert!(error.to_string().contains("use the newer program"), "{error}");
}

#[test]
fn a_directory_that_cannot_be_says_which() {
    let dir = dir();
    let file = dir.path().join("occupied");
    std::fs::write(&file, b"").expect("written");
    let error = Store::open(&file).expect_err("refused");
    assert!(matches!(error, StoreError::NoDirectory { .. }), "{error:?}");
    assert!(error.to_string().contains("occupied"), "{error}");
}
