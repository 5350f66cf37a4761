//! `cargo xtask guard`: what a job costs in instructions, allocations and system calls, held against committed figures.
//! Counting by valgrind is exact and needs no quiet machine.
//!
//! The figures stand in `bench/engine/figures.toml`. `--update` writes them anew: a lower figure is a gain worth its
//! commit; a higher one needs its reason in the commit's message.

mod system_calls;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use toml::Table;

use crate::tree::project_root;

const SCENARIOS: [&str; 7] =
    ["options", "register", "register-auth", "call", "noted", "message", "stateless"];

/// Two runs of different length; their difference is free of what the start costs. A run of COUNT jobs warms up with
/// as many (below 2,000).
const SHORT_RUN: u64 = 500;
const LONG_RUN: u64 = 1_500;
const JOBS_BETWEEN: u64 = 2 * (LONG_RUN - SHORT_RUN);

/// How far a count may be above its figure, thousandths: libraries choose other instructions on other processors.
const TOLERANCE_PERMILLE: u64 = 30;

/// Everything the shard does is counted, nothing of the traffic's own making.
const COUNTED: &str = "<offhook_node::shard::Shard as offhook_net::engine::Engine>::*";

/// Call detail records are made by a thread beside the shards.
const RECORD: &str = "record";
const COUNTED_OF_RECORDS: &str = "offhook_cdr::assembler::Assembler::turn";

/// The jobs, and beside them the program: so both are made of the same libraries, which are compiled once.
pub(crate) const BUILD: [&str; 6] =
    ["build", "--release", "--package", "offhook", "--package", "offhook-bench"];

/// Compares, or with `--update` writes. True if every count is within its figure.
pub(crate) fn run(options: &[&str]) -> Result<bool> {
    let update = match options {
        [] => false,
        ["--update"] => true,
        other => bail!("not understood: {}\n  cargo xtask guard [--update]", other.join(" ")),
    };
    let binary = build()?;
    let system_calls = system_calls::per_1000(&binary)?;
    let mut measured =
        SCENARIOS.iter().map(|s| Ok((*s, measure(&binary, s)?))).collect::<Result<Vec<_>>>()?;
    let instructions = instructions_of_job(&binary, RECORD, COUNTED_OF_RECORDS)?;
    measured.push((RECORD, Cost { instructions, allocations_per_1000: 0 }));
    if update {
        return write(&measured, system_calls).map(|()| true);
    }
    let figures = read()?;
    let mut good = system_calls::judge(system_calls, figures.get(system_calls::SCENARIO));
    for (scenario, cost) in &measured {
        good &= judge(scenario, *cost, figures.get(*scenario).and_then(|f| f.as_table()));
    }
    Ok(good)
}

/// What one job costs.
#[derive(Clone, Copy)]
struct Cost {
    instructions: u64,
    /// Per thousand jobs, so that a rare one is seen too.
    allocations_per_1000: u64,
}

fn judge(scenario: &str, cost: Cost, figure: Option<&Table>) -> bool {
    let number =
        |name| figure.and_then(|f| f.get(name)).and_then(toml::Value::as_integer).unwrap_or(0) as u64;
    let (instructions, allocations) = (number("instructions"), number("allocations_per_1000"));
    let limit = instructions + instructions * TOLERANCE_PERMILLE / 1000;
    let good = cost.instructions <= limit && cost.allocations_per_1000 <= allocations;
    let word = if good { "ok" } else { "not ok" };
    println!(
        "{word} - {scenario}: {} instructions (figure {instructions}), {} allocations in 1000 jobs (figure {allocations})",
        cost.instructions, cost.allocations_per_1000
    );
    good
}

fn build() -> Result<PathBuf> {
    let status = Command::new(env!("CARGO")).args(BUILD).current_dir(project_root()).status()?;
    ensure!(status.success(), "offhook-bench does not build");
    Ok(project_root().join("target/release/offhook-bench"))
}

fn measure(binary: &Path, scenario: &str) -> Result<Cost> {
    let instructions = instructions_of_job(binary, scenario, COUNTED)?;
    Ok(Cost { instructions, allocations_per_1000: allocations(binary, scenario)? })
}

fn instructions_of_job(binary: &Path, scenario: &str, counted: &str) -> Result<u64> {
    let of_run = |count| instructions(binary, (scenario, counted), count);
    let of_job = (of_run(LONG_RUN)? - of_run(SHORT_RUN)?) / JOBS_BETWEEN;
    ensure!(of_job > 0, "nothing is counted in {scenario}: is there no function {counted} any more?");
    Ok(of_job)
}

fn instructions(binary: &Path, (scenario, counted): (&str, &str), count: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--toggle-collect={counted}"))
        .arg(binary)
        .args([scenario, &count.to_string()])
        .output()
        .context("valgrind counts the instructions; install it (Debian: apt-get install valgrind)")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = said.lines().find(|line| line.contains("refs:"));
    let digits: String =
        line.unwrap_or_default().split("refs:").last().unwrap_or_default().replace([',', ' '], "");
    digits.parse().with_context(|| format!("valgrind gave no count for {scenario}:\n{said}"))
}

/// By the program's own count, over enough jobs that pools have reached their size.
fn allocations(binary: &Path, scenario: &str) -> Result<u64> {
    let output = Command::new(binary).args([scenario, "20000"]).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let words: Vec<&str> = said.split_whitespace().collect();
    let before =
        words.iter().position(|word| *word == "allocations").and_then(|at| words.get(at.checked_sub(1)?));
    let each: f64 =
        before.and_then(|word| word.parse().ok()).with_context(|| format!("no count in: {said}"))?;
    Ok((each * 1000.0).round() as u64)
}

fn figures_file() -> PathBuf {
    project_root().join("bench/engine/figures.toml")
}

fn read() -> Result<Table> {
    Ok(fs::read_to_string(figures_file()).context("bench/engine/figures.toml")?.parse()?)
}

fn write(measured: &[(&str, Cost)], system_calls: u64) -> Result<()> {
    let mut text = "# What one job costs a shard, counted by callgrind: `cargo xtask guard` compares, `--update` writes.\n\
        # A call is INVITE, 180, 200, ACK, BYE, 200: six messages in, six out.\n\
        # Noted is a call whose facts the shard writes to its spool, each message a batch of its own.\n\
        # A record is what a thread beside the shard makes of the call; its allocations are not counted.\n"
        .to_owned();
    for (scenario, cost) in measured {
        let Cost { instructions, allocations_per_1000 } = cost;
        println!("{scenario}: {instructions} instructions, {allocations_per_1000} allocations in 1000 jobs");
        text.push_str(&format!(
            "\n[{scenario}]\ninstructions = {instructions}\nallocations_per_1000 = {allocations_per_1000}\n"
        ));
    }
    text.push_str(&system_calls::written(system_calls));
    fs::write(figures_file(), text)?;
    Ok(())
}
