//! Messages that wait, in the program: `offhook messages`, and the thread of a server that keeps them.

pub mod keep;
mod list;

use std::io::{self, Write};

use offhook_config::Config;
use offhook_store::Store;
use offhook_undelivered::Filter;

use crate::account::expect_data;
use crate::check;
use crate::cli::{Aor, Common, MessagesCommand, MessagesDeleteArguments};

/// Carries out one of the commands.
pub fn run(common: &Common, command: &MessagesCommand) -> anyhow::Result<()> {
    let config = check::load(common)?;
    expect_data(&config)?;
    let store = Store::open(&config.data_dir)?;
    match command {
        MessagesCommand::List(arguments) => {
            let filter = Filter {
                id: arguments.id,
                aor: arguments.aor.as_ref().map(|aor| canonical(aor, &config)),
                limit: Some(arguments.limit),
            };
            list::run(&store, &filter, arguments.json)
        }
        MessagesCommand::Delete(arguments) => delete(&store, arguments, &config),
    }
}

/// The server notices within a second.
fn delete(store: &Store, arguments: &MessagesDeleteArguments, config: &Config) -> anyhow::Result<()> {
    let aor = arguments.aor.as_ref().map(|aor| canonical(aor, config));
    let filter = Filter { id: arguments.id, aor, limit: None };
    let gone = offhook_undelivered::remove(store, &filter)?;
    writeln!(io::stdout(), "Deleted {gone} messages.")?;
    Ok(())
}

/// The address-of-record as it is kept; whoever is named without a domain belongs to the first.
fn canonical(aor: &Aor, config: &Config) -> Vec<u8> {
    let domain = aor.domain.as_deref().unwrap_or_else(|| check::first_domain(config));
    format!("{}@{}", aor.user, domain.to_ascii_lowercase()).into_bytes()
}
