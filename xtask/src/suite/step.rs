//! The steps of `cargo xtask test`, and how a child program is run and counted.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::tally::Tally;
use crate::tree::{Tree, project_root};

pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) says: &'static str,
    /// Part of `--quick`: needs neither a release build nor other people's programs.
    pub(super) quick: bool,
    /// Steps without which this one makes no sense.
    pub(super) needs: &'static [&'static str],
    pub(super) run: fn() -> Tally,
}

pub(super) const STEPS: [Step; 7] = [
    Step { name: "fmt", says: "one format for all", quick: true, needs: &[], run: fmt },
    Step {
        name: "clippy",
        says: "no warning of the compiler or of clippy",
        quick: true,
        needs: &[],
        run: clippy,
    },
    Step { name: "tidy", says: "the rules of the house", quick: true, needs: &[], run: tidy },
    Step { name: "test", says: "the tests of every crate", quick: true, needs: &[], run: test },
    Step { name: "build", says: "the program as it is shipped", quick: false, needs: &[], run: build },
    Step {
        name: "guard",
        says: "no job costs more than it did",
        quick: false,
        needs: &["build"],
        run: guard,
    },
    Step {
        name: "interop",
        says: "real phones against the program",
        quick: false,
        needs: &["build"],
        run: interop,
    },
];

fn fmt() -> Tally {
    one_check(cargo(&["fmt", "--all", "--check"]))
}

fn clippy() -> Tally {
    one_check(cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn tidy() -> Tally {
    match Tree::of_project() {
        Ok(tree) => {
            let outcome = crate::tidy::run(&tree);
            Tally { passed: outcome.passed, failed: outcome.failed }
        }
        Err(error) => failed(&error),
    }
}

fn test() -> Tally {
    counted(cargo(&["test", "--workspace", "--no-fail-fast"]), Tally::of_cargo_test, |_| true)
}

/// With what the guard counts: built apart, libraries have other features there, and most of the tree is compiled twice.
fn build() -> Tally {
    one_check(cargo(&crate::guard::BUILD))
}

fn guard() -> Tally {
    match crate::guard::run(&[]) {
        Ok(true) => Tally::PASSED,
        Ok(false) => Tally::FAILED,
        Err(error) => failed(&error),
    }
}

/// Installs the phones if they are not there, then lets them call through the program.
fn interop() -> Tally {
    let folder = project_root().join("test/interop");
    if !one_check(Command::new(folder.join("install.sh"))).eq(&Tally::PASSED) {
        println!("The phones could not be installed: install.sh says why, above.");
        return Tally::FAILED;
    }
    let mut run = Command::new("python3");
    run.arg(folder.join("run.py")).arg("--binary").arg(release_binary());
    counted(run, Tally::of_sum, |line| Tally::of_sum(line).is_none())
}

fn release_binary() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    project_root().join(target).join("release/offhook")
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(project_root());
    command
}

/// Runs a child whose exit is the whole answer.
fn one_check(mut command: Command) -> Tally {
    announce(&command);
    match command.status().with_context(|| format!("starting {}", shown(&command))) {
        Ok(status) if status.success() => Tally::PASSED,
        Ok(_) => Tally::FAILED,
        Err(error) => failed(&error),
    }
}

/// Runs a child that prints sums, passing on the lines that `show` wants.
fn counted(mut command: Command, sum: fn(&str) -> Option<Tally>, show: fn(&str) -> bool) -> Tally {
    announce(&command);
    let mut tally = Tally::default();
    let exit = passed_on(&mut command, |line| {
        tally = tally + sum(line).unwrap_or_default();
        if show(line) {
            println!("{line}");
        }
    });
    match exit {
        Ok(good) => tally.with_exit(good),
        Err(error) => tally + failed(&error),
    }
}

/// Runs a child and hands over each line of its output as it comes. True if it exits well.
fn passed_on(command: &mut Command, mut each: impl FnMut(&str)) -> Result<bool> {
    let starting = format!("starting {}", shown(command));
    let mut child = command.stdout(Stdio::piped()).spawn().context(starting)?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            each(&String::from_utf8_lossy(&line?));
        }
    }
    Ok(child.wait()?.success())
}

fn announce(command: &Command) {
    println!("$ {}", shown(command));
}

/// The command as a person would type it in the project's folder.
fn shown(command: &Command) -> String {
    let root = format!("{}/", project_root().display());
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| word.to_string_lossy().replacen(&root, "", 1));
    let line = words.collect::<Vec<_>>().join(" ");
    line.rsplit_once("bin/cargo ").map_or(line.clone(), |(_, rest)| format!("cargo {rest}"))
}

fn failed(error: &anyhow::Error) -> Tally {
    println!("{error:#}");
    Tally::FAILED
}
