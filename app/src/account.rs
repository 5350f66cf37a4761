//! `offhook account`: works on the store, beside a running server or without one.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use offhook_accounts::{Account, Accounts, Filter};
use offhook_store::Store;

use crate::check;
use crate::cli::{AccountCommand, Common};

/// Carries out one of the account commands.
pub fn run(common: &Common, command: &AccountCommand) -> anyhow::Result<()> {
    let config = check::load(common)?;
    let accounts = Accounts::open(&Store::open(&config.data_dir)?)?;
    match command {
        AccountCommand::Add { aor, password_stdin } => {
            let (user, domain) = split(aor)?;
            if *password_stdin {
                accounts.add(user, domain, &password_from_stdin()?)?;
                println!("Added {aor}.");
            } else {
                let password = accounts.add_with_generated(user, domain)?;
                println!("Added {aor}, password {password}");
            }
        }
        AccountCommand::Password { aor, password_stdin } => {
            let (user, domain) = split(aor)?;
            if *password_stdin {
                accounts.set_password(user, domain, &password_from_stdin()?)?;
                println!("{aor} has a new password.");
            } else {
                let password = accounts.set_generated_password(user, domain)?;
                println!("{aor} has a new password: {password}");
            }
        }
        AccountCommand::Remove { aor } => {
            let (user, domain) = split(aor)?;
            accounts.remove(user, domain)?;
            println!("Removed {aor}.");
        }
        AccountCommand::List { domain, user, json } => {
            list(&accounts, domain.as_deref(), user.as_deref(), *json)?
        }
        AccountCommand::Import { file } => import(&accounts, file)?,
    }
    Ok(())
}

fn split(aor: &str) -> anyhow::Result<(&str, &str)> {
    let bare = aor.strip_prefix("sip:").unwrap_or(aor);
    bare.rsplit_once('@').with_context(|| format!("\"{aor}\" is no USER@DOMAIN, such as alice@example.org"))
}

fn password_from_stdin() -> anyhow::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("cannot read the password from standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn list(accounts: &Accounts, domain: Option<&str>, user: Option<&str>, json: bool) -> anyhow::Result<()> {
    let mut last: Option<Account> = None;
    let mut count = 0;
    loop {
        let filter = Filter { domain, user_contains: user, after: last.as_ref(), limit: 0 };
        let page = accounts.list(filter)?;
        for account in &page {
            let aor = format!("{}@{}", account.user, account.domain);
            if json {
                println!("{}", serde_json::json!({"aor": aor, "created_s": account.created_s}));
            } else {
                println!("{aor}");
            }
        }
        count += page.len();
        match page.last() {
            Some(account) => last = Some(account.clone()),
            None => break,
        }
    }
    if count == 0 && !json {
        println!("There are no such accounts. Add one: offhook account add alice@example.org");
    }
    Ok(())
}

fn import(accounts: &Accounts, path: &Path) -> anyhow::Result<()> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let length = file.metadata().map_or(0, |m| m.len());
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}, {elapsed}")?;
    let bar = ProgressBar::new(length).with_style(style);
    let count = accounts
        .import(BufReader::new(file), |progress| {
            bar.set_position(progress.bytes);
            bar.set_message(format!("{} accounts", progress.accounts));
        })
        .with_context(|| format!("{}: nothing was imported", path.display()))?;
    bar.finish_and_clear();
    println!("Imported {count} accounts.");
    Ok(())
}
