//! Call detail records in the program: `offhook cdr list`, and the thread of a server that makes them.

pub mod keep;
mod list;

use offhook_store::Store;

use crate::account::expect_data;
use crate::check;
use crate::cli::{CdrCommand, Common};

/// Carries out one of the commands.
pub fn run(common: &Common, command: &CdrCommand) -> anyhow::Result<()> {
    let config = check::load(common)?;
    expect_data(&config)?;
    let store = Store::open(&config.data_dir)?;
    match command {
        CdrCommand::List(arguments) => list::run(&store, &config.data_dir.join(keep::FOLDER), arguments),
    }
}
