//! A ratchet on size: what is longer than the limits stands in a list of exceptions, and the list only shrinks.

use super::Finding;
use crate::tree::{File, Tree};

/// A file longer than this is asked whether it is two things. Tables and tests may be longer; tests are not counted.
const FILE_LINES_MAX: usize = 500;
/// A function longer than this does not fit on a screen. Look twice at 40 already.
const FUNCTION_LINES_MAX: usize = 70;
/// How many exceptions the list may hold. Lower it when one goes; it is never raised.
const EXCEPTIONS_MAX: usize = 0;
/// Lines of `PATH LINES REASON` for a file, `PATH::FUNCTION LINES REASON` for a function.
const EXCEPTIONS: &str = "xtask/size-exceptions.txt";

const TOO_LONG: &str = "it is more than one thing, or says one thing at too great length; split it where its parts \
                        would have names";
const ONLY_SHRINKS: &str = "the list of exceptions only shrinks: each line says today's size exactly, and goes when \
                            its place is within the limits";

/// What is too long and not excepted, and exceptions that are out of date.
pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let exceptions = tree.file(EXCEPTIONS);
    let mut long = long_places(tree);
    let mut findings = Vec::new();
    for (line, place, lines) in exceptions.into_iter().flat_map(parse) {
        match long.iter().position(|found| found.place == place && found.lines == lines) {
            Some(index) => drop(long.swap_remove(index)),
            None => findings.push(stale(exceptions, line, &place, lines)),
        }
    }
    let count = exceptions.into_iter().flat_map(parse).count();
    if count > EXCEPTIONS_MAX {
        findings.push(stale(exceptions, 1, "more exceptions than were ever allowed", count));
    }
    findings.extend(long.into_iter().map(|found| found.finding));
    findings
}

struct Long {
    place: String,
    lines: usize,
    finding: Finding,
}

fn long_places(tree: &Tree) -> Vec<Long> {
    let mut long = Vec::new();
    for (file, source) in tree.product_sources() {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            let what = format!("{lines} lines in one file (limit {FILE_LINES_MAX})");
            long.push(Long {
                place: file.path.clone(),
                lines,
                finding: Finding::at_line(file, 1, what, TOO_LONG),
            });
        }
        for function in source.functions().into_iter().filter(|function| function.lines > FUNCTION_LINES_MAX)
        {
            let what =
                format!("fn {} has {} lines (limit {FUNCTION_LINES_MAX})", function.name, function.lines);
            let place = format!("{}::{}", file.path, function.name);
            let finding = Finding::at(file, function.offset, what, TOO_LONG);
            long.push(Long { place, lines: function.lines, finding });
        }
    }
    long
}

/// The exceptions with their line numbers. A line without a number of lines is an exception that never holds.
fn parse(file: &File) -> Vec<(usize, String, usize)> {
    let lines = file.text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(index, line)| {
            let mut words = line.split_whitespace();
            let place = words.next().unwrap_or_default().to_owned();
            (index + 1, place, words.next().and_then(|lines| lines.parse().ok()).unwrap_or(0))
        })
        .collect()
}

fn stale(file: Option<&File>, line: usize, place: &str, lines: usize) -> Finding {
    let path = file.map_or(EXCEPTIONS, |file| file.path.as_str()).to_owned();
    Finding { path, line, what: format!("out of date: {place} {lines}"), reason: ONLY_SHRINKS.into() }
}
