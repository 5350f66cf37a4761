//! Files of accounts.

use std::fmt::Write as _;
use std::time::Duration;

use offhook_accounts::{Accounts, Filter, ImportError, Progress};
use offhook_digest::{Algorithm, Ha1};
use offhook_store::Store;
use tempfile::TempDir;

fn accounts() -> (TempDir, Accounts) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let accounts = Accounts::open(&Store::open(dir.path()).expect("a store")).expect("accounts");
    (dir, accounts)
}

/// Imports into an empty store; the number of accounts there are then, or the error's text.
#[track_caller]
fn import(file: &str) -> Result<usize, String> {
    let (_dir, accounts) = accounts();
    let result = accounts.import(file.as_bytes(), |_| ());
    let there = accounts.list(Filter::default()).expect("a list").len();
    match result {
        Ok(count) => {
            assert_eq!(count, there as u64);
            Ok(there)
        }
        Err(error) => {
            assert_eq!(there, 0, "all or nothing");
            Err(error.to_string())
        }
    }
}

fn refused(file: &str) -> String {
    import(file).expect_err(file)
}

#[test]
fn with_and_without_header_quotes_and_line_ends() {
    assert_eq!(import(""), Ok(0));
    assert_eq!(import("alice,example.com,secret"), Ok(1));
    assert_eq!(
        import("\u{feff}User,Domain,Password\r\nalice,example.com,secret\r\n\r\nbob,example.com,x\r\n"),
        Ok(2)
    );
    assert_eq!(import("user,domain,password,ha1\n\"alice\",\"example.com\",\"a,\"\"b\",\n"), Ok(1));
    assert_eq!(import("alice,example.com,,6629fae49393a05397450978507c4ef1\n"), Ok(1));
}

#[test]
fn each_error_names_its_line_and_cause() {
    let behind_good = |line: &str| refused(&format!("user,domain,password\nbob,example.com,x\n{line}\n"));
    assert_eq!(
        behind_good("alice,example.com"),
        "line 3: 2 fields; expected are user,domain,password or user,domain,password,ha1"
    );
    assert!(behind_good("alice,example.com,x,,").starts_with("line 3: 5 fields"));
    assert_eq!(behind_good("bob,Example.com,y"), "line 3: bob@example.com exists already");
    assert_eq!(
        behind_good("alice,exa mple,x"),
        "line 3: \"exa mple\" is neither a host name nor an IP address (without port or final dot)"
    );
    assert_eq!(behind_good("alice,example.com,"), "line 3: neither a password nor a ha1");
    assert_eq!(
        behind_good("alice,example.com,,12345"),
        "line 3: ha1 is not the 32 hex digits of an MD5 digest"
    );
    assert!(behind_good("\"alice,example.com,secret").starts_with("line 3: a quoted field"));
    assert!(behind_good("al:ice,example.com,secret").starts_with("line 3: ':' cannot be part of a user"));
    assert!(behind_good("alice,example.com,se\tcret").starts_with("line 3: a password has"));
}

#[test]
fn no_error_repeats_a_password() {
    for line in [
        "alice,example.com,s3cret,12345",
        "a b,example.com,s3cret",
        "alice,example.com,\"s3cret",
        "alice,b,s3cret,x,y",
    ] {
        assert!(!refused(line).contains("s3cret"), "{}", refused(line));
    }
}

#[test]
fn a_file_that_cannot_be_read_to_its_end_changes_nothing() {
    struct Broken(bool);
    impl std::io::Read for Broken {
        fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(std::io::ErrorKind::BrokenPipe.into());
            }
            let line = b"alice,example.com,secret\n";
            room[..line.len()].copy_from_slice(line);
            Ok(line.len())
        }
    }
    let (_dir, accounts) = accounts();
    assert!(matches!(accounts.import(Broken(false), |_| ()), Err(ImportError::Read(_))));
    assert!(accounts.list(Filter::default()).expect("a list").is_empty());
}

#[test]
fn a_given_ha1_counts_and_the_password_makes_the_others() {
    let (_dir, accounts) = accounts();
    let ha1 = "6629FAE49393a05397450978507c4ef1";
    let file = format!("alice,example.com,secret,{ha1}\nbob,example.com,,{ha1}\ncarol,example.com,secret,\n");
    accounts.import(file.as_bytes(), |_| ()).expect("imported");
    let directory = accounts.snapshot().expect("a snapshot").load_full();
    let found =
        |user: &str, algorithm| directory.find(user.as_bytes(), b"example.com").expect(user).ha1(algorithm);
    let made = |user: &str, algorithm| {
        Some(Ha1::from_password(algorithm, user.as_bytes(), b"example.com", b"secret"))
    };
    let given = Ha1::from_hex(Algorithm::Md5, ha1.as_bytes());
    assert!(given.is_some());
    assert_eq!(found("alice", Algorithm::Md5), given);
    assert_eq!(found("alice", Algorithm::Sha256), made("alice", Algorithm::Sha256));
    assert_eq!(found("alice", Algorithm::Sha512Trunc256), made("alice", Algorithm::Sha512Trunc256));
    assert_eq!(found("bob", Algorithm::Md5), given);
    assert_eq!(found("bob", Algorithm::Sha256), None);
    assert_eq!(found("carol", Algorithm::Md5), made("carol", Algorithm::Md5));
}

/// `count` accounts in `example.com`, below a header.
fn file_of(count: u64) -> String {
    let mut file = String::from("user,domain,password\n");
    for number in 0..count {
        writeln!(file, "user{number},example.com,secret-{number}").expect("into memory");
    }
    file
}

#[test]
fn a_fault_on_the_last_line_takes_everything_back() {
    let (_dir, accounts) = accounts();
    let broken = format!("{}user0,example.com,again\n", file_of(5_000));
    let error = accounts.import(broken.as_bytes(), |_| ()).expect_err("refused");
    assert_eq!(error.to_string(), "line 5002: user0@example.com exists already");
    assert!(accounts.list(Filter::default()).expect("a list").is_empty());
    assert_eq!(accounts.import(file_of(5_000).as_bytes(), |_| ()).expect("mended"), 5_000);
}

/// What this process has had of the processors: the clock on the wall says little on a busy machine.
fn processor_time() -> Duration {
    const TICKS_PER_S: u64 = 100;
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    // Fields 14 and 15 of proc(5), utime and stime; the name is the second.
    let ticks: u64 =
        behind_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_S)
}

/// Within 5 s of processor time, also unoptimised; and a server that was up to date takes them over.
#[test]
fn a_hundred_thousand() {
    const COUNT: u64 = 100_000;
    let file = file_of(COUNT);
    let (_dir, accounts) = accounts();
    let directory = accounts.snapshot().expect("a snapshot");
    let mut calls = Vec::new();
    let before = processor_time();
    assert_eq!(accounts.import(file.as_bytes(), |progress| calls.push(progress)).expect("imported"), COUNT);
    let took = processor_time() - before;
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(calls.last(), Some(&Progress { accounts: COUNT, bytes: file.len() as u64 }));
    assert_eq!(calls.len(), 101);

    assert_eq!(accounts.refresh().expect("read"), 100_000);
    let directory = directory.load();
    let credential = directory.find(b"user99999", b"EXAMPLE.com").expect("the last one");
    let wanted = Ha1::from_password(Algorithm::Sha256, b"user99999", b"example.com", b"secret-99999");
    assert_eq!(credential.ha1(Algorithm::Sha256), Some(wanted));
}
