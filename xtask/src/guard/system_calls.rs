//! System calls of a saturated server: calls over loopback sockets in full batches, traced by valgrind.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The scenario of `offhook-bench`, and the figure's name.
pub(super) const SCENARIO: &str = "call-over-sockets";

/// Two runs of different length, as for instructions: whole batches of 32 calls.
const SHORT_RUN: u64 = 64;
const LONG_RUN: u64 = 384;

/// Where valgrind makes the machine so slow that 100 Trying falls due, it leaves with a call of its own: one in a batch of
/// 32.
const TOLERANCE_PER_1000: u64 = 32;

/// Not counted: what runs without entering the kernel where there is no valgrind, what serves the measurement (the order to
/// stop, the marks in the trace), and when the allocator gives back pages that it has not used for a while.
const IGNORED: [&str; 4] = ["clock_gettime", "epoll_ctl", "write", "madvise"];

/// How many the server makes for 1000 calls.
pub(super) fn per_1000(binary: &Path) -> Result<u64> {
    let between = count(binary, LONG_RUN)?.saturating_sub(count(binary, SHORT_RUN)?);
    ensure!(between > 0, "no system call was seen in {SCENARIO}");
    Ok((between * 1000).div_ceil(LONG_RUN - SHORT_RUN))
}

/// Compares with the committed figure.
pub(super) fn judge(per_1000: u64, figure: Option<&toml::Value>) -> bool {
    let number = figure.and_then(|f| f.get("system_calls_per_1000")).and_then(toml::Value::as_integer);
    let figure = number.unwrap_or(0) as u64;
    let good = per_1000 <= figure + TOLERANCE_PER_1000;
    let word = if good { "ok" } else { "not ok" };
    println!("{word} - {SCENARIO}: {per_1000} system calls in 1000 calls (figure {figure})");
    good
}

/// The entry in the file of figures.
pub(super) fn written(per_1000: u64) -> String {
    println!("{SCENARIO}: {per_1000} system calls in 1000 calls");
    format!("\n[{SCENARIO}]\nsystem_calls_per_1000 = {per_1000}\n")
}

fn count(binary: &Path, calls: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=none", "--trace-syscalls=yes"])
        .arg(binary)
        .args([SCENARIO, &calls.to_string()])
        .output()
        .context("valgrind traces the system calls; install it (Debian: apt-get install valgrind)")?;
    let trace = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{SCENARIO} failed:\n{trace}");
    Ok(in_loop(&trace))
}

/// The calls between the marks of the scenario.
fn in_loop(trace: &str) -> u64 {
    let mut inside = false;
    let mut calls = 0;
    for line in trace.lines() {
        match line {
            "loop begins" => inside = true,
            "loop ends" => inside = false,
            _ => calls += u64::from(inside && name(line).is_some_and(|name| !IGNORED.contains(&name))),
        }
    }
    calls
}

/// The call that a line tells of, if it begins there.
fn name(line: &str) -> Option<&str> {
    let (_, call) = line.split_once(") sys_").filter(|(head, _)| head.starts_with("SYSCALL["))?;
    call.split([' ', '(']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_between_the_marks_are_counted_once() {
        let trace = "\
            SYSCALL[7,1](1) sys_write ( 2, 0x16, 12 ) --> [async] ... \n\
            loop begins\n\
            SYSCALL[7,1](1) ... [async] --> Success(0xc) \n\
            SYSCALL[7,1](228) sys_clock_gettime( 1, 0x1f )[sync] --> Success(0x0) \n\
            SYSCALL[7,1](299) sys_recvmmsg ( 6, 0x20, 32, 64, 0x0 ) --> [async] ... \n\
            SYSCALL[7,1](299) ... [async] --> Success(0x20) \n\
            SYSCALL[7,1](307) sys_sendmmsg ( 6, 0x20, 1, 64 ) --> [async] ... \n\
            loop ends\n\
            SYSCALL[7,1](44) sys_sendto ( 6, 0x20, 1, 64 ) --> [async] ... \n";
        assert_eq!(in_loop(trace), 2);
    }
}
