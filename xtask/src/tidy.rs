//! The rules of the house that no compiler knows: which folder may use which, which words stay out, how long things
//! may grow, whether links lead somewhere.
//!
//! Every rule is a table with a reason beside each line; to change a rule, change its table and say why there. The
//! same rules run as tests, so a plain `cargo test` finds what `cargo xtask tidy` finds.

mod layers;
mod links;
mod names;
mod places;
mod size;
mod words;

#[cfg(test)]
mod tests;

use crate::tree::{File, Tree};

/// A place that breaks a rule, and why the rule is there.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    what: String,
    reason: String,
}

impl Finding {
    fn at_line(file: &File, line: usize, what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line, what: what.into(), reason: reason.into() }
    }

    fn at(file: &File, offset: usize, what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::at_line(file, file.line_of(offset), what, reason)
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}\n    because {}", self.path, self.line, self.what, self.reason)
    }
}

struct Rule {
    name: &'static str,
    says: &'static str,
    findings: fn(&Tree) -> Vec<Finding>,
}

const RULES: [Rule; 8] = [
    Rule { name: "layers", says: "each folder uses only the folders below it", findings: layers::arrows },
    Rule { name: "packages", says: "some dependencies belong to one place", findings: layers::packages },
    Rule {
        name: "places",
        says: "sockets, files, clocks and the like have one place",
        findings: places::findings,
    },
    Rule {
        name: "forbid-unsafe",
        says: "every protocol crate forbids unsafe code",
        findings: places::forbid_unsafe,
    },
    Rule { name: "names", says: "crates and modules say what they hold", findings: names::findings },
    Rule { name: "size", says: "files and functions stay readable", findings: size::findings },
    Rule { name: "words", says: "no file holds words that belong elsewhere", findings: words::findings },
    Rule { name: "links", says: "links between pages lead somewhere", findings: links::findings },
];

/// How many rules hold and how many do not.
pub(crate) struct Outcome {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

/// Checks every rule and prints what breaks it.
pub(crate) fn run(tree: &Tree) -> Outcome {
    let mut outcome = Outcome { passed: 0, failed: 0 };
    for rule in &RULES {
        let findings = (rule.findings)(tree);
        let verdict = if findings.is_empty() { "ok" } else { "not ok" };
        println!("{verdict} - {}: {}", rule.name, rule.says);
        findings.iter().for_each(|finding| println!("{finding}"));
        *(if findings.is_empty() { &mut outcome.passed } else { &mut outcome.failed }) += 1;
    }
    outcome
}
