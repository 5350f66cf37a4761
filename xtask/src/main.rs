//! Chores of the workspace, one door for all of them:
//!
//! ```text
//! cargo xtask test [--quick] [--only STEP,…]      everything that must hold before a change goes in
//! cargo xtask tidy                                layers, banned words, sizes, links
//! cargo xtask rfc [--check]                       docs/compliance.md from the tests
//! cargo xtask guard [--update]                    instructions and allocations per job against committed figures
//! cargo xtask fuzz TARGET|all [--seconds N]       the fuzz targets under fuzz/
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore speaks to the person who started it")]

mod compliance;
mod fuzz;
mod guard;
mod rust_source;
mod suite;
mod tidy;
mod tree;

use std::process::ExitCode;

use tree::Tree;

const USAGE: &str = "cargo xtask CHORE

  test [--quick] [--only STEP,…]    everything that must hold before a change goes in
                                    (--quick: without the release build and the real clients)
  tidy                              layers, banned words, sizes, links
  rfc [--check]                     writes docs/compliance.md from the tests, or says whether it is fresh
  guard [--update]                  instructions and allocations per job against committed figures
  fuzz TARGET|all [--seconds N]     runs fuzz targets of fuzz/ (default: 60 s each)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test", options @ ..] => suite::run(options),
        ["tidy"] => Tree::of_project().map(|tree| tidy::run(&tree).failed == 0),
        ["rfc"] => compliance::write(),
        ["rfc", "--check"] => compliance::check(),
        ["guard", options @ ..] => guard::run(options),
        ["fuzz", options @ ..] => fuzz::run(options),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(true)
        }
        other => Err(anyhow::anyhow!("no such chore: {}\n\n{USAGE}", other.join(" "))),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}
