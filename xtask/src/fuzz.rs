//! `cargo xtask fuzz`: the targets of `fuzz/`, run by LLVM's libFuzzer.
//!
//! Coverage comes from LLVM's own pass, which stable Rust can switch on; no nightly and no further tool is needed.
//! What is not here is AddressSanitizer, which does need a nightly: the code under these targets forbids `unsafe`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use toml::{Table, Value};

use crate::tree::project_root;

const SECONDS: u64 = 60;
/// An input that takes longer than this is reported as one that hangs.
const INPUT_S_MAX: u64 = 10;
/// A target that needs more memory than this is reported as one that leaks or grows without bound.
const MEMORY_MB_MAX: u64 = 1024;

const COVERAGE: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
                        -Cllvm-args=-sanitizer-coverage-level=4 \
                        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                        -Cllvm-args=-sanitizer-coverage-pc-table \
                        -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Runs one target or all, one after the other. True if none of them found anything.
pub(crate) fn run(options: &[&str]) -> Result<bool> {
    let (wanted, seconds) = match options {
        [wanted] => (*wanted, SECONDS),
        [wanted, "--seconds", seconds] => (*wanted, seconds.parse().context("--seconds wants a number")?),
        other => bail!("not understood: {}\n  cargo xtask fuzz TARGET|all [--seconds N]", other.join(" ")),
    };
    let targets = targets()?;
    let chosen: Vec<&String> = targets.iter().filter(|target| wanted == "all" || *target == wanted).collect();
    ensure!(!chosen.is_empty(), "no target {wanted}; there are {}", targets.join(", "));

    let host = host()?;
    let mut verdicts = Vec::new();
    for target in chosen {
        build(target, &host)?;
        verdicts.push((target, fuzz(target, &host, seconds)?));
    }
    println!();
    for (target, verdict) in &verdicts {
        let word = if verdict.good { "ok" } else { "not ok" };
        println!("{word} - {target}: {} executions, {seconds} s", verdict.executions);
    }
    Ok(verdicts.iter().all(|(_, verdict)| verdict.good))
}

struct Verdict {
    good: bool,
    executions: u64,
}

fn folder() -> PathBuf {
    project_root().join("fuzz")
}

/// The names under `[[bin]]`.
fn targets() -> Result<Vec<String>> {
    let manifest: Table = fs::read_to_string(folder().join("Cargo.toml"))?.parse()?;
    let bins = manifest.get("bin").and_then(Value::as_array).into_iter().flatten();
    Ok(bins.filter_map(|bin| Some(bin.get("name")?.as_str()?.to_owned())).collect())
}

/// Named for the compiler, so that the flags go to the targets alone and not to build scripts.
fn host() -> Result<String> {
    let version = Command::new("rustc").arg("-vV").output().context("starting rustc")?;
    let text = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

fn build(target: &str, host: &str) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--profile", "fuzz", "--package", "offhook-fuzz", "--features", "libfuzzer"])
        .args(["--target", host, "--target-dir", "fuzz/target", "--bin", target])
        .env("RUSTFLAGS", COVERAGE)
        .current_dir(project_root())
        .status()?;
    ensure!(status.success(), "{target} does not build");
    Ok(())
}

/// Goes on from the corpus of earlier runs and from the seeds of the project.
fn fuzz(target: &str, host: &str, seconds: u64) -> Result<Verdict> {
    let (corpus, seeds, dictionary) =
        (format!("corpus/{target}"), format!("seeds/{target}"), format!("seeds/{target}.dict"));
    for made in [&corpus, "artifacts"] {
        fs::create_dir_all(folder().join(made))?;
    }
    let mut command = Command::new(folder().join("target").join(host).join("fuzz").join(target));
    command.current_dir(folder()).arg(corpus);
    if folder().join(&seeds).is_dir() {
        command.arg(seeds);
    }
    if folder().join(&dictionary).is_file() {
        command.arg(format!("-dict={dictionary}"));
    }
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={INPUT_S_MAX}"))
        .arg(format!("-rss_limit_mb={MEMORY_MB_MAX}"))
        .arg(format!("-artifact_prefix=artifacts/{target}-"))
        .arg("-print_final_stats=1")
        .stderr(Stdio::piped());

    let mut child = command.spawn().with_context(|| format!("starting {target}"))?;
    let mut executions = 0;
    for line in child.stderr.take().into_iter().flat_map(|stderr| BufReader::new(stderr).lines()) {
        let line = line?;
        if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
            executions = count.trim().parse().unwrap_or(0);
        }
        // The words it suggests for a dictionary are many and bytes mostly.
        if !line.starts_with('"') {
            println!("{line}");
        }
    }
    let good = child.wait()?.success() && executions > 0;
    Ok(Verdict { good, executions })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_declared_and_tested_and_has_seeds() {
        let mut declared = targets().expect("fuzz/Cargo.toml can be read");
        let files = fs::read_dir(folder().join("targets")).expect("there are targets").flatten();
        let mut written: Vec<String> =
            files.filter_map(|file| Some(file.path().file_stem()?.to_string_lossy().into_owned())).collect();
        written.retain(|name| name != "main");
        declared.sort();
        written.sort();
        assert_eq!(declared, written);
        let tested = fs::read_to_string(folder().join("targets/main.rs")).expect("they are tested");
        for target in &declared {
            assert!(folder().join("seeds").join(target).is_dir(), "seeds/{target} is missing");
            assert!(tested.contains(&format!("    {target}: ")), "{target} is missing in targets/main.rs");
        }
    }
}
