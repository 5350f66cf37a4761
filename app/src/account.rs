//! `offhook account`: works on the store, beside a running server or without one.

mod aliases;
pub mod forget;
mod import;
mod list;

use std::io::{self, BufRead, BufReader, Read, Write};

use anyhow::Context;
use offhook_accounts::Accounts;
use offhook_config::Config;
use offhook_store::Store;
use offhook_undelivered::Filter;

use crate::check;
use crate::cli::{AccountCommand, Aor, Common};
use crate::exit::NoData;

/// Bytes read from standard input in search of the end of a line: far more than a password may have.
const LINE_BYTES_MAX: u64 = 4096;

/// Carries out one of the account commands.
pub fn run(common: &Common, command: &AccountCommand) -> anyhow::Result<()> {
    let config = check::load(common)?;
    // Accounts may be added before the first start; the others look for what is there.
    if !matches!(command, AccountCommand::Add { .. } | AccountCommand::Import { .. }) {
        expect_data(&config)?;
    }
    let store = Store::open(&config.data_dir)?;
    let accounts = Accounts::open(&store)?;
    match command {
        AccountCommand::Add { aor, password_stdin } => {
            let (user, domain) = parts(aor, &config);
            if *password_stdin {
                accounts.add(&user, &domain, &password_from_stdin()?)?;
                say(&format!("Added {user}@{domain}."))?;
            } else {
                let password = accounts.add_with_generated(&user, &domain)?;
                show(&format!("Added {user}@{domain}, password {password}"))?;
            }
            warn_of_strange_domain(&domain, &config);
            Ok(())
        }
        AccountCommand::Password { aor, password_stdin } => {
            let (user, domain) = parts(aor, &config);
            if *password_stdin {
                accounts.set_password(&user, &domain, &password_from_stdin()?)?;
                say(&format!("{user}@{domain} has a new password."))
            } else {
                let password = accounts.set_generated_password(&user, &domain)?;
                show(&format!("{user}@{domain} has a new password: {password}"))
            }
        }
        AccountCommand::Remove { aor } => {
            let (user, domain) = parts(aor, &config);
            accounts.remove(&user, &domain)?;
            // Whoever is given the name next must not read what was meant for this one.
            let aor = format!("{user}@{}", domain.to_ascii_lowercase()).into_bytes();
            offhook_undelivered::remove(&store, &Filter { aor: Some(aor), ..Filter::default() })?;
            let phones = forget::forget(&config, &user, &domain)?;
            say(&removed(&format!("{user}@{domain}"), phones))
        }
        AccountCommand::List { domain, user, json } => {
            list::run(&accounts, domain.as_deref(), user.as_deref(), *json)
        }
        AccountCommand::Alias { aor, alias } => {
            let (user, domain) = parts(aor, &config);
            let alias = accounts.add_alias(&user, &domain, alias)?;
            say(&format!("{alias}@{domain} is {user}@{domain} now."))
        }
        AccountCommand::Unalias { alias } => {
            let (alias, domain) = parts(alias, &config);
            accounts.remove_alias(&alias, &domain)?;
            say(&format!("{alias}@{domain} is nobody now."))
        }
        AccountCommand::Aliases { domain, json } => aliases::run(&accounts, domain.as_deref(), *json),
        AccountCommand::Import { file } => {
            import::run(&accounts, file)?;
            accounts.domains()?.iter().for_each(|domain| warn_of_strange_domain(domain, &config));
            Ok(())
        }
    }
}

/// User and domain; whoever is named without a domain belongs to the first.
fn parts(aor: &Aor, config: &Config) -> (String, String) {
    let domain = aor.domain.clone().unwrap_or_else(|| check::first_domain(config).to_owned());
    (aor.user.clone(), domain)
}

/// An account of a domain that the server does not answer for cannot register: perhaps a slip, perhaps that of a
/// configuration to come.
fn warn_of_strange_domain(domain: &str, config: &Config) {
    let is_first = domain.eq_ignore_ascii_case(check::first_domain(config));
    if !is_first && !config.all_domains().any(|own| own.as_str().eq_ignore_ascii_case(domain)) {
        // What nobody reads is no failure.
        let _ = writeln!(
            io::stderr(),
            "offhook: note: {domain} is not in \"domains\" of this configuration, so a server with it answers for no \
             such user"
        );
    }
}

/// A directory that no server and no `account add` has used holds nothing to look at; it is probably a slip.
pub fn expect_data(config: &Config) -> Result<(), NoData> {
    let dir = || config.data_dir.display().to_string();
    match config.data_dir.join(Store::FILE_NAME).try_exists() {
        Ok(true) => Ok(()),
        Ok(false) => Err(NoData::Absent(dir())),
        Err(error) => Err(NoData::Hidden(dir(), error)),
    }
}

/// What only a server with accounts leaves behind it, without the accounts: a backup that was not restored to its end. To make two
/// new accounts there would hide that, and give them the registrations of others.
pub fn expect_whole(config: &Config) -> Result<(), NoData> {
    let dir = || config.data_dir.display().to_string();
    let length = |name: &str| std::fs::metadata(config.data_dir.join(name)).map_or(0, |file| file.len());
    if length(Store::FILE_NAME) > 0 {
        return Ok(());
    }
    let Ok(entries) = std::fs::read_dir(&config.data_dir) else { return Ok(()) };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_left =
        |name: &String| name.starts_with("location") && length(name) > 0 || name == crate::cdr::keep::FOLDER;
    match names.into_iter().find(is_left) {
        Some(left) => Err(NoData::Incomplete { dir: dir(), left }),
        None => Ok(()),
    }
}

fn removed(aor: &str, phones: usize) -> String {
    match phones {
        0 => format!("Removed {aor}."),
        1 => format!("Removed {aor}. One phone was registered; it is not reached any more."),
        _ => format!("Removed {aor}. {phones} phones were registered; they are not reached any more."),
    }
}

fn say(words: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{words}")?)
}

/// Shows a password. If that fails, nobody will ever know it, so even a reader that has gone away is an error.
fn show(words: &str) -> anyhow::Result<()> {
    say(words).map_err(|error| {
        anyhow::anyhow!(
            "done, but the password could not be shown ({error}); `offhook account password` makes another"
        )
    })
}

fn password_from_stdin() -> anyhow::Result<String> {
    let mut line = String::new();
    let mut input = BufReader::new(io::stdin().lock().take(LINE_BYTES_MAX));
    input.read_line(&mut line).context("cannot read the password from standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
