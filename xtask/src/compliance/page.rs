//! The page: for each RFC its sections with the tests that prove them, then what is known to be missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::marks::Mark;

const HEAD: &str = "\
# Compliance

Drawn by `cargo xtask rfc` from the comments above the tests; do not edit. A section stands here only if a test says
that it proves it, at least in part; nothing is claimed anywhere else. What is known to be missing, and what is asked of phones
alone, is kept by hand in [compliance-gaps.toml](compliance-gaps.toml).
";

/// What is written by hand: titles of RFCs, and what we know we do not do.
pub(super) struct Known {
    rfcs: BTreeMap<u32, Rfc>,
}

#[derive(Default)]
struct Rfc {
    title: String,
    /// Section and what of it is missing.
    gaps: Vec<(String, String)>,
    /// Section and why it asks nothing of this server.
    outside: Vec<(String, String)>,
}

impl Known {
    /// Reads tables `[rfc.3261]` with a `title`, `gaps`, an array of `{ section, missing }`, and `outside`, one of
    /// `{ section, because }`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let table: Table = text.parse()?;
        let mut rfcs = BTreeMap::new();
        for (number, value) in table.get("rfc").and_then(Value::as_table).into_iter().flatten() {
            let rfc = number.parse().with_context(|| format!("[rfc.{number}] is no number"))?;
            let title = string(value, "title").with_context(|| format!("in [rfc.{number}]"))?;
            let within = || format!("in [rfc.{number}]");
            let gaps = sections(value, "gaps", "missing").with_context(within)?;
            let outside = sections(value, "outside", "because").with_context(within)?;
            rfcs.insert(rfc, Rfc { title, gaps, outside });
        }
        Ok(Self { rfcs })
    }
}

/// An array of tables: of each its section and what is said of it.
fn sections(value: &Value, array: &str, said: &str) -> Result<Vec<(String, String)>> {
    let entries = value.get(array).and_then(Value::as_array).into_iter().flatten();
    entries.map(|entry| Ok((string(entry, "section")?, string(entry, said)?))).collect()
}

fn string(value: &Value, key: &str) -> Result<String> {
    let found = value.get(key).and_then(Value::as_str);
    Ok(found.with_context(|| format!("`{key}` is missing"))?.to_owned())
}

/// The whole page: every RFC that a test names or of which something is known to be missing.
pub(super) fn draw(marks: &[Mark], known: &Known) -> Result<String> {
    let with_gaps = known.rfcs.iter().filter(|(_, rfc)| !rfc.gaps.is_empty()).map(|(number, _)| *number);
    let numbers: BTreeSet<u32> = marks.iter().map(|mark| mark.section.rfc).chain(with_gaps).collect();
    let mut page = HEAD.to_owned();
    for number in numbers {
        let own: Vec<&Mark> = marks.iter().filter(|mark| mark.section.rfc == number).collect();
        draw_rfc(&mut page, number, known.rfcs.get(&number).unwrap_or(&Rfc::default()), &own)?;
    }
    Ok(page)
}

fn draw_rfc(page: &mut String, number: u32, rfc: &Rfc, marks: &[&Mark]) -> Result<()> {
    let title = if rfc.title.is_empty() { String::new() } else { format!(": {}", rfc.title) };
    writeln!(page, "\n## RFC {number}{title}\n")?;
    if marks.is_empty() {
        page.push_str("No test yet.\n");
    } else {
        page.push_str("| section | proved by |\n|---|---|\n");
    }
    for section in marks.chunk_by(|a, b| a.section == b.section) {
        writeln!(page, "| §{} | {} |", section[0].section.number, tests(section))?;
    }
    for (title, entries) in [("Missing", &rfc.gaps), ("Not asked of this server", &rfc.outside)] {
        if !entries.is_empty() {
            writeln!(page, "\n{title}:\n")?;
        }
        for (section, said) in entries {
            writeln!(page, "- §{section}: {said}")?;
        }
    }
    Ok(())
}

/// The tests of one section, each file named once.
fn tests(section: &[&Mark]) -> String {
    let files = section.chunk_by(|a, b| a.path == b.path);
    let lists = files.map(|marks| {
        let names: Vec<String> = marks.iter().map(|mark| format!("`{}`", mark.test)).collect();
        format!("[{path}](../{path}): {names}", path = marks[0].path, names = names.join(", "))
    });
    lists.collect::<Vec<_>>().join("<br>")
}
