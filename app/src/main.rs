//! Offhook: a SIP communication platform in one program.

#![allow(unreachable_pub, reason = "nothing outside can reach into a binary")]

mod account;
mod ban;
mod bindings;
mod cdr;
mod certificates;
mod check;
mod cli;
mod control;
mod exit;
mod first_start;
mod messages;
mod names;
mod notes;
mod ping;
mod resolve;
mod route;
mod seals;
mod serve;
mod status;
mod table;
mod trunks;
mod visible;
mod welcome;

use std::process::ExitCode;

use clap::Parser;
use cli::{Command, Options};

/// Many small buffers of like size: the general allocator costs more and gives less back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match &options.command {
        None | Some(Command::Serve) => serve::run(&options.common),
        Some(Command::Account(command)) => account::run(&options.common, command),
        Some(Command::Ban(command)) => ban::run(&options.common, command),
        Some(Command::Bindings(arguments)) => bindings::run(&options.common, arguments),
        Some(Command::Cdr(command)) => cdr::run(&options.common, command),
        Some(Command::Messages(command)) => messages::run(&options.common, command),
        Some(Command::Check) => check::run(&options.common),
        Some(Command::Ping(arguments)) => ping::run(arguments),
        Some(Command::Resolve(arguments)) => resolve::run(&options.common, arguments),
        Some(Command::Route(arguments)) => route::run(&options.common, arguments),
        Some(Command::Status(arguments)) => status::run(&options.common, arguments),
        Some(Command::Trunks(arguments)) => trunks::run(&options.common, arguments),
    };
    exit::code_of(result)
}
