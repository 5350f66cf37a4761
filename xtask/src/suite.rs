//! `cargo xtask test`: everything that must hold before a change goes in, in the order in which it fails fastest.
//!
//! Each step is a command anybody can run alone. What it prints is passed on as it comes; its own sum line is taken
//! out and added up, so that the run ends with exactly one line `N passed, N failed`.

mod step;
mod tally;

use std::time::Instant;

use anyhow::{Result, bail};

use step::STEPS;
use tally::Tally;

/// What the person asked for.
struct Selection {
    names: Vec<String>,
}

/// Runs the steps that were asked for. True if all of them passed.
pub(crate) fn run(options: &[&str]) -> Result<bool> {
    let selection = Selection::parse(options)?;
    let started = Instant::now();
    let mut sum = Tally::default();
    let mut failed: Vec<&str> = Vec::new();
    for step in STEPS.iter().filter(|step| selection.names.iter().any(|name| name == step.name)) {
        println!("\n=== {}: {}", step.name, step.says);
        let begun = Instant::now();
        let blocked = step.needs.iter().find(|needed| failed.contains(*needed));
        let tally = match blocked {
            Some(needed) => {
                println!("not run: it needs the step {needed}, which failed");
                Tally::FAILED
            }
            None => (step.run)(),
        };
        println!("--- {}: {tally} in {:.1} s", step.name, begun.elapsed().as_secs_f64());
        if tally.failed > 0 {
            failed.push(step.name);
        }
        sum = sum + tally;
    }
    println!("\n=== all steps in {:.0} s", started.elapsed().as_secs_f64());
    for name in &failed {
        println!("{name} failed; alone it runs as: cargo xtask test --only {name}");
    }
    println!("{} passed, {} failed", sum.passed, sum.failed);
    Ok(failed.is_empty())
}

impl Selection {
    fn parse(options: &[&str]) -> Result<Self> {
        let names = match options {
            [] => STEPS.iter().map(|step| step.name.to_owned()).collect(),
            ["--quick"] => STEPS.iter().filter(|step| step.quick).map(|step| step.name.to_owned()).collect(),
            ["--only", names] => names.split(',').map(str::to_owned).collect::<Vec<_>>(),
            other => {
                bail!("not understood: {}\n  cargo xtask test [--quick | --only STEP,…]", other.join(" "))
            }
        };
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
            bail!("no step called {unknown}; there are {}", known.join(", "));
        }
        Ok(Self { names })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(options: &[&str]) -> String {
        Selection::parse(options)
            .map_or_else(|error| error.to_string(), |selection| selection.names.join(" "))
    }

    #[test]
    fn steps_are_chosen_by_name() {
        assert_eq!(names(&[]), "fmt clippy tidy test build guard interop");
        assert_eq!(names(&["--quick"]), "fmt clippy tidy test");
        assert_eq!(names(&["--only", "build,interop"]), "build interop");
    }

    #[test]
    fn an_unknown_step_is_refused_by_name() {
        assert!(names(&["--only", "tests"]).starts_with("no step called tests; there are fmt, clippy"));
        assert!(names(&["--fast"]).starts_with("not understood: --fast"));
    }
}
