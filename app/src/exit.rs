//! How the program ends: what it says and which code it leaves. The codes stand in `--help` and docs/commands.md.

use std::process::ExitCode;

use offhook_accounts::{AccountError, ImportError};
use offhook_config::ConfigError;
use offhook_location::LocationError;
use offhook_net::NetError;
use offhook_store::StoreError;

const FAILED: u8 = 1;
const CONFIGURATION: u8 = 3;
const NETWORK: u8 = 4;
const DATA: u8 = 5;

/// Nobody answered: the failure of `ping`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

/// Tells what went wrong, if anything, and gives the exit code.
pub fn code_of(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    // A reader that has gone away (`offhook bindings | head`) is no failure worth words.
    if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("offhook: {error:#}");
    ExitCode::from(code(&error))
}

fn code(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<ConfigError>().is_some() {
        CONFIGURATION
    } else if error.downcast_ref::<NetError>().is_some() || error.downcast_ref::<NoAnswer>().is_some() {
        NETWORK
    } else if is_data(error) {
        DATA
    } else {
        FAILED
    }
}

fn is_data(error: &anyhow::Error) -> bool {
    error.downcast_ref::<StoreError>().is_some()
        || error.downcast_ref::<LocationError>().is_some()
        || matches!(error.downcast_ref::<AccountError>(), Some(AccountError::Store(_)))
        || matches!(error.downcast_ref::<ImportError>(), Some(ImportError::Store(_)))
}
