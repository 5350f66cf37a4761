//! How the program ends: what it says, what can be done about it, and which code it leaves. The codes stand in
//! `--help` and docs/commands.md.

use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use offhook_accounts::{AccountError, ImportError};
use offhook_certificates::CertificateError;
use offhook_config::ConfigError;
use offhook_control::AskError;
use offhook_location::LocationError;
use offhook_net::NetError;
use offhook_store::{Store, StoreError};

use crate::certificates::Unusable;
use crate::names::NoAnchors;

/// Everything that no other code stands for.
const FAILED: u8 = 1;
/// Wrong usage: clap leaves the same.
const USAGE: u8 = 2;
const CONFIGURATION: u8 = 3;
const NETWORK: u8 = 4;
const DATA: u8 = 5;

/// Nobody answered, or there is no way there: the failure of `ping`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

/// A command that needs what a server has made was told a directory without it.
#[derive(Debug, thiserror::Error)]
pub enum NoData {
    /// Nothing of ours is there.
    #[error("there is no Offhook data in {0}")]
    Absent(String),
    /// The accounts are missing, and other things are there.
    #[error("{file} is missing or empty in {dir}, where a server has left {left}", file = Store::FILE_NAME)]
    Incomplete {
        /// The directory.
        dir: String,
        /// What is there.
        left: String,
    },
    /// It cannot be said what is there.
    #[error("cannot look into {0}")]
    Hidden(String, #[source] io::Error),
}

/// Tells what went wrong, if anything, and gives the exit code.
pub fn code_of(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    // A reader that has gone away (`offhook bindings | head`) is no failure worth words.
    if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    let mut words = text(&error);
    if let Some(advice) = advice(&error) {
        words.push_str("\n  ");
        words.push_str(advice);
    }
    // Standard error may be closed: then there is nobody to tell.
    let _ = writeln!(io::stderr(), "{words}");
    ExitCode::from(code(&error))
}

/// The causes, joined by colons. Some texts tell their cause themselves; then it is not said twice.
fn text(error: &anyhow::Error) -> String {
    // These begin with file, line and column, where editors look for them.
    let placed = matches!(error.downcast_ref(), Some(ConfigError::Refused(_)));
    let name = if placed { "" } else { "offhook: " };
    let mut text = name.to_owned();
    // Everything we read or open is named; without a name it is what a command writes to.
    if error.is::<io::Error>() && error.chain().len() == 1 {
        text.push_str("cannot write to standard output: ");
    }
    let mut causes = error.chain().map(<dyn Error>::to_string);
    text.push_str(&causes.next().unwrap_or_default());
    for cause in causes {
        if text.contains(&cause) {
            break;
        }
        text.push_str(": ");
        text.push_str(&cause);
    }
    text
}

fn code(error: &anyhow::Error) -> u8 {
    let of_files = || error.is::<CertificateError>() || error.is::<Unusable>();
    if error.is::<ConfigError>() || error.is::<NoAnchors>() || of_files() {
        CONFIGURATION
    } else if error.is::<NetError>() || error.is::<NoAnswer>() || is_unreachable(error) {
        NETWORK
    } else if is_data(error) {
        DATA
    } else if matches!(error.downcast_ref(), Some(AccountError::Name(_))) {
        USAGE
    } else {
        FAILED
    }
}

/// The server that is to be asked does not hear.
fn is_unreachable(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<AskError>()
        .is_some_and(|error| !matches!(error, AskError::Refused(_) | AskError::Absent(_)))
}

fn is_data(error: &anyhow::Error) -> bool {
    error.is::<StoreError>()
        || error.is::<LocationError>()
        || error.is::<NoData>()
        || crate::cdr::keep::is_data(error)
        || matches!(error.downcast_ref(), Some(AccountError::Store(_)))
        || matches!(error.downcast_ref(), Some(ImportError::Store(_)))
}

/// What to do, where the error does not say so itself.
fn advice(error: &anyhow::Error) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref::<NetError>() {
        return of_network(error);
    }
    if let Some(error) = error.downcast_ref::<LocationError>() {
        return of_location(error);
    }
    match error.downcast_ref::<NoData>() {
        Some(NoData::Absent(_)) => {
            return Some("Name it with --data, or start the server there first: it makes what it needs.");
        }
        Some(NoData::Incomplete { .. }) => {
            return Some("Restore it from a backup, or begin anew in an empty directory.");
        }
        Some(NoData::Hidden(..)) => {
            return Some("See that it is a directory and belongs to the user who runs this program.");
        }
        None => {}
    }
    match error.downcast_ref::<AskError>() {
        Some(AskError::NoServer(_)) => return Some("Name the data directory of a running one with --data."),
        Some(AskError::NotAllowed(_)) => return Some("Run this command as that user, or as root."),
        _ => {}
    }
    match error.downcast_ref::<AccountError>()? {
        AccountError::Exists(_) => Some("`offhook account password` gives it another password."),
        AccountError::AliasTaken { .. } | AccountError::UnknownAlias(_) => {
            Some("`offhook account aliases` shows all there are.")
        }
        AccountError::Unknown(_) | AccountError::IsAccount(_) => {
            Some("`offhook account list` shows all there are.")
        }
        _ => None,
    }
}

fn of_network(error: &NetError) -> Option<&'static str> {
    match error {
        NetError::AddressInUse { .. } | NetError::NotAllowed { .. } | NetError::NoListener => Some(
            "Where to listen is said by [[listen]] in the file that --config names: docs/configuration.md",
        ),
        _ => None,
    }
}

fn of_location(error: &LocationError) -> Option<&'static str> {
    match error {
        LocationError::InUse { .. } => {
            Some("Stop that server first, or give this one a directory of its own with --data.")
        }
        LocationError::Io { source, .. }
            if matches!(source.kind(), ErrorKind::AlreadyExists | ErrorKind::NotADirectory) =>
        {
            Some("A file stands there: a directory is needed, which `data_dir` or --data names.")
        }
        LocationError::Io { .. } => {
            Some("See that it exists, belongs to the user who runs this program, and that its disk has room.")
        }
        LocationError::NewerFormat { .. } => Some("Use the newer program, or a backup from before it."),
        LocationError::KeepsChanging => Some("The server is busy with it; try again."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_cause_is_told_once() {
        let cause = || io::Error::from(ErrorKind::PermissionDenied);
        let silent = LocationError::Io { action: "open", path: PathBuf::from("x"), source: cause() };
        assert_eq!(text(&silent.into()), "offhook: cannot open x: permission denied");
        let telling = StoreError::Io { path: PathBuf::from("x"), cause: Box::new(cause()) };
        assert_eq!(text(&telling.into()).matches("permission denied").count(), 1);
    }

    #[test]
    fn a_context_does_not_hide_the_code() {
        let error = anyhow::Error::from(NetError::NoListener).context("cannot start");
        assert_eq!(code(&error), NETWORK);
        let error = anyhow::Error::from(AccountError::Store(StoreError::Full)).context("nothing done");
        assert_eq!(code(&error), DATA);
    }
}
