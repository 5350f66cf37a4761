//! `offhook account import`.

use std::fs::File;
use std::io::{BufReader, IsTerminal};
use std::path::Path;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use offhook_accounts::{Accounts, ImportError, LineFault};

/// A line that is wrong, where editors look for it.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}: {fault}; nothing was imported")]
struct WrongLine {
    file: String,
    line: u64,
    fault: LineFault,
}

/// Adds all accounts of the file, or none.
pub fn run(accounts: &Accounts, path: &Path) -> anyhow::Result<()> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let bar = bar(file.metadata().map_or(0, |metadata| metadata.len()))?;
    let imported = accounts.import(BufReader::new(file), |progress| {
        bar.set_position(progress.bytes);
        bar.set_message(format!("{} accounts", progress.accounts));
    });
    bar.finish_and_clear();
    let count = imported.map_err(|error| told(error, path))?;
    let one = if count == 1 { "account" } else { "accounts" };
    super::say(&format!("Imported {count} {one}."))
}

fn bar(bytes: u64) -> anyhow::Result<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}, {elapsed}")?;
    Ok(ProgressBar::new(bytes).with_style(style))
}

fn told(error: ImportError, path: &Path) -> anyhow::Error {
    match error {
        ImportError::Line { line, fault } => {
            WrongLine { file: path.display().to_string(), line, fault }.into()
        }
        other => anyhow::Error::from(other).context(format!("{}: nothing was imported", path.display())),
    }
}
