//! Administration, and a server that sees it.

use arc_swap::ArcSwap;
use offhook_accounts::{Account, AccountError, Accounts, Credential, Directory, Filter, NameError};
use offhook_digest::{Algorithm, Ha1};
use offhook_store::Store;
use tempfile::TempDir;

/// A data directory, and as many programs on it as a test wants.
struct Exchange(TempDir);

impl Exchange {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn store(&self) -> Store {
        Store::open(self.0.path()).expect("a store")
    }

    fn accounts(&self) -> Accounts {
        Accounts::open(&self.store()).expect("accounts")
    }
}

const DOMAIN: &str = "example.com";

/// Whether `find` and the password's digests agree.
#[track_caller]
fn check(directory: &ArcSwap<Directory>, user: &str, password: Option<&str>) {
    let directory = directory.load();
    let found = directory.find(user.as_bytes(), DOMAIN.as_bytes());
    assert_eq!(found.is_some(), password.is_some(), "{user}");
    for algorithm in Algorithm::ALL {
        let wanted = password.map(|password| {
            Ha1::from_password(algorithm, user.as_bytes(), DOMAIN.as_bytes(), password.as_bytes())
        });
        assert_eq!(found.and_then(|credential| credential.ha1(algorithm)), wanted, "{user} {algorithm:?}");
    }
}

fn names(accounts: &[Account]) -> Vec<String> {
    accounts.iter().map(|account| format!("{}@{}", account.user, account.domain)).collect()
}

#[test]
fn added_then_listed() {
    let exchange = Exchange::new();
    let accounts = exchange.accounts();
    accounts.add("alice", "Example.COM", "secret").expect("added");
    let [alice] = &accounts.list(Filter::default()).expect("a list")[..] else { panic!("one account") };
    assert_eq!((alice.user.as_str(), alice.domain.as_str(), alice.change), ("alice", DOMAIN, 1));
    assert!(alice.created_s > 1_700_000_000);
    assert_eq!(format!("{:?}", alice.credential), "Credential { md5: true, sha256: true, sha512_256: true }");
}

#[test]
fn each_refusal_says_what_and_changes_nothing() {
    let exchange = Exchange::new();
    let accounts = exchange.accounts();
    accounts.add("alice", DOMAIN, "secret").expect("added");
    let text = |result: Result<(), AccountError>| result.expect_err("refused").to_string();
    assert_eq!(text(accounts.add("alice", "EXAMPLE.com", "other")), "alice@example.com exists already");
    assert_eq!(text(accounts.remove("bob", DOMAIN)), "there is no account bob@example.com");
    assert_eq!(text(accounts.remove("Alice", DOMAIN)), "there is no account Alice@example.com");
    assert_eq!(text(accounts.set_password("bob", DOMAIN, "x")), "there is no account bob@example.com");
    assert!(matches!(
        accounts.add("a b", DOMAIN, "x"),
        Err(AccountError::Name(NameError::UserCharacter(' ')))
    ));
    for password in ["", "tab\there", &"x".repeat(129)] {
        assert!(matches!(accounts.add("bob", DOMAIN, password), Err(AccountError::Password)));
        assert!(matches!(accounts.set_password("alice", DOMAIN, password), Err(AccountError::Password)));
    }
    assert_eq!(names(&accounts.list(Filter::default()).expect("a list")), ["alice@example.com"]);
    check(&accounts.snapshot().expect("a snapshot"), "alice", Some("secret"));
}

#[test]
fn a_generated_password_works() {
    let exchange = Exchange::new();
    let accounts = exchange.accounts();
    let password = accounts.add_with_generated("alice", DOMAIN).expect("added");
    assert_eq!(password.len(), 23);
    check(&accounts.snapshot().expect("a snapshot"), "alice", Some(&password));
}

#[test]
fn a_list_comes_in_pages_and_by_part_of_the_name() {
    let exchange = Exchange::new();
    let accounts = exchange.accounts();
    for (user, domain) in
        [("bob", "b.example"), ("Bobby", "a.example"), ("alice", "b.example"), ("carol", "a.example")]
    {
        accounts.add(user, domain, "secret").expect("added");
    }
    let list = |filter| accounts.list(filter).expect("a list");
    let first = list(Filter { limit: 3, ..Filter::default() });
    assert_eq!(names(&first), ["Bobby@a.example", "carol@a.example", "alice@b.example"]);
    assert_eq!(names(&list(Filter { after: first.last(), ..Filter::default() })), ["bob@b.example"]);
    let in_b = Filter { domain: Some("B.example"), ..Filter::default() };
    assert_eq!(names(&list(in_b)), ["alice@b.example", "bob@b.example"]);
    let bobs = Filter { user_contains: Some("OB"), ..Filter::default() };
    assert_eq!(names(&list(bobs)), ["Bobby@a.example", "bob@b.example"]);
    assert!(list(Filter { user_contains: Some("%"), ..Filter::default() }).is_empty());
}

#[test]
fn a_server_sees_what_the_command_line_does() {
    let exchange = Exchange::new();
    let (server, command_line) = (exchange.accounts(), exchange.accounts());
    command_line.add("alice", DOMAIN, "secret").expect("added");
    let directory = server.snapshot().expect("a snapshot");
    check(&directory, "alice", Some("secret"));

    command_line.add("bob", DOMAIN, "hello").expect("added");
    check(&directory, "bob", None);
    assert_eq!(server.refresh().expect("read"), 1);
    check(&directory, "bob", Some("hello"));

    command_line.set_password("alice", DOMAIN, "changed").expect("changed");
    assert_eq!(server.refresh().expect("read"), 1);
    check(&directory, "alice", Some("changed"));

    command_line.remove("alice", DOMAIN).expect("removed");
    assert_eq!(server.refresh().expect("read"), 1);
    check(&directory, "alice", None);
    check(&directory, "bob", Some("hello"));
    assert_eq!(directory.load().len(), 1);
}

#[test]
fn a_server_sees_its_own_changes_and_nothing_twice() {
    let exchange = Exchange::new();
    let server = exchange.accounts();
    let directory = server.snapshot().expect("a snapshot");
    server.add("alice", DOMAIN, "secret").expect("added");
    assert_eq!(server.refresh().expect("read"), 1);
    check(&directory, "alice", Some("secret"));
    assert_eq!(server.refresh().expect("read"), 0);

    // Somebody writes something else.
    exchange.store().secret("nonce", || [1; 32]).expect("a secret");
    let before = directory.load_full();
    assert_eq!(server.refresh().expect("read"), 0);
    assert!(std::sync::Arc::ptr_eq(&before, &directory.load_full()));
}

#[test]
fn removed_and_added_again_between_two_looks() {
    let exchange = Exchange::new();
    let (server, command_line) = (exchange.accounts(), exchange.accounts());
    command_line.add("alice", DOMAIN, "secret").expect("added");
    let directory = server.snapshot().expect("a snapshot");
    command_line.remove("alice", DOMAIN).expect("removed");
    command_line.add("alice", DOMAIN, "again").expect("added");
    command_line.add("bob", DOMAIN, "short").expect("added");
    command_line.remove("bob", DOMAIN).expect("removed");
    server.refresh().expect("read");
    check(&directory, "alice", Some("again"));
    check(&directory, "bob", None);
}

#[test]
fn who_has_missed_too_much_reads_everything_anew() {
    let exchange = Exchange::new();
    let (server, command_line) = (exchange.accounts(), exchange.accounts());
    for user in ["alice", "bob"] {
        command_line.add(user, DOMAIN, "secret").expect("added");
    }
    let directory = server.snapshot().expect("a snapshot");
    command_line.remove("alice", DOMAIN).expect("removed");
    // As if as many changes had come after it as removals are kept for.
    let ahead = offhook_accounts::REMOVALS_KEPT;
    exchange
        .store()
        .write::<_, offhook_store::StoreError>(|sql| {
            Ok(sql.execute("UPDATE account_state SET change = change + ?1", [ahead])?)
        })
        .expect("written");
    command_line.remove("bob", DOMAIN).expect("removed");
    let kept = "SELECT user FROM account_removed";
    let kept: String =
        exchange.store().read(|sql| sql.query_row(kept, [], |row| row.get(0))).expect("one row");
    assert_eq!(kept, "bob");

    server.refresh().expect("read");
    check(&directory, "alice", None);
    check(&directory, "bob", None);
    assert!(directory.load().is_empty());
}

#[test]
fn a_backup_put_back_is_noticed() {
    let exchange = Exchange::new();
    let server = exchange.accounts();
    server.add("alice", DOMAIN, "secret").expect("added");
    server.add("bob", DOMAIN, "secret").expect("added");
    let directory = server.snapshot().expect("a snapshot");
    exchange
        .store()
        .write::<_, offhook_store::StoreError>(|sql| {
            sql.execute("DELETE FROM account WHERE user = 'bob'", [])?;
            Ok(sql.execute("UPDATE account_state SET change = 1", [])?)
        })
        .expect("as it was after Alice");
    server.refresh().expect("read");
    check(&directory, "alice", Some("secret"));
    check(&directory, "bob", None);
}

#[test]
fn no_password_is_in_the_files() {
    let exchange = Exchange::new();
    let accounts = exchange.accounts();
    accounts.add("alice", DOMAIN, "correct-horse-battery").expect("added");
    accounts.set_password("alice", DOMAIN, "staple-of-the-day").expect("changed");
    accounts.import(b"carol,example.com,imported-word\n".as_slice(), |_| ()).expect("imported");
    let generated = accounts.add_with_generated("bob", DOMAIN).expect("added");
    let files: Vec<u8> = std::fs::read_dir(exchange.0.path())
        .expect("a directory")
        .flat_map(|file| std::fs::read(file.expect("a file").path()).expect("its bytes"))
        .collect();
    let has = |text: &str| files.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("alice"), "the search finds what is there");
    for password in ["correct-horse", "staple-of", "imported-word", generated.as_str()] {
        assert!(!has(password), "{password}");
    }
}

#[test]
fn a_removed_digest_is_wiped() {
    let exchange = Exchange::new();
    let accounts = exchange.accounts();
    accounts.add("alice", DOMAIN, "secret").expect("added");
    let mut room = [0; offhook_digest::DIGEST_LEN_MAX];
    let digest = Ha1::from_password(Algorithm::Sha256, b"alice", DOMAIN.as_bytes(), b"secret")
        .digest(&mut room)
        .to_vec();
    let has = || {
        let file = std::fs::read(exchange.0.path().join(Store::FILE_NAME)).expect("its bytes");
        file.windows(digest.len()).any(|window| window == digest)
    };
    // The last connection to close takes the log over into the file.
    drop(accounts);
    assert!(has());
    exchange.accounts().remove("alice", DOMAIN).expect("removed");
    assert!(!has());
}

/// Lookups are shared between threads while an owner refreshes.
#[test]
fn a_snapshot_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Accounts>();
    shared::<Directory>();
    shared::<Credential>();
}

/// A number is one name, however it is spelled (RFC 3966 §5.1.1).
#[test]
fn numbers_are_kept_without_their_marks() {
    let exchange = Exchange::new();
    let accounts = exchange.accounts();
    accounts.add("alice", DOMAIN, "secret").expect("added");
    accounts.add("bob", DOMAIN, "secret").expect("added");
    assert_eq!(accounts.add_alias("alice", DOMAIN, "+49-30.(1)").expect("added"), "+49301");
    let taken = accounts.add_alias("bob", DOMAIN, "+493-01");
    assert!(matches!(taken, Err(AccountError::AliasTaken { .. })), "{taken:?}");
    let snapshot = accounts.snapshot().expect("read");
    let directory = snapshot.load();
    for number in ["+49301", "+49-301", "(+49)301"] {
        assert_eq!(
            directory.user_of_alias(number.as_bytes(), DOMAIN.as_bytes()),
            Some(&b"alice"[..]),
            "{number}"
        );
    }
    accounts.remove_alias("+4-9301", DOMAIN).expect("removed");
    assert!(accounts.aliases(None).expect("read").is_empty());
}
