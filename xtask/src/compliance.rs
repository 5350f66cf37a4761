//! `cargo xtask rfc`: the compliance table, drawn from the tests, so that nothing is claimed that no test proves.
//!
//! A comment above a test that names sections, `/// RFC 3261 §17.1.1.2, §17.1.1.3 and RFC 6026 §7.2`, says that the
//! test proves them; in Python it stands above the `def` of a flow, after `#`. What is not covered is written by hand
//! in `docs/compliance-gaps.toml` and merged into the page.

mod marks;
mod page;

#[cfg(test)]
mod tests;

use std::fs;

use anyhow::{Context, Result, bail};

use crate::tree::{Tree, project_root};

const PAGE: &str = "docs/compliance.md";
const GAPS: &str = "docs/compliance-gaps.toml";

/// Writes the page anew.
pub(crate) fn write() -> Result<bool> {
    let page = drawn(&Tree::of_project()?)?;
    fs::write(project_root().join(PAGE), &page).with_context(|| format!("writing {PAGE}"))?;
    println!("{PAGE}: {} lines", page.lines().count());
    Ok(true)
}

/// True if the page is what the tests say today.
pub(crate) fn check() -> Result<bool> {
    let tree = Tree::of_project()?;
    let fresh = tree.file(PAGE).is_some_and(|file| drawn(&tree).is_ok_and(|page| page == file.text));
    if !fresh {
        println!("{PAGE} is not what the tests say; `cargo xtask rfc` writes it anew");
    }
    Ok(fresh)
}

fn drawn(tree: &Tree) -> Result<String> {
    let Some(gaps) = tree.file(GAPS) else { bail!("{GAPS} is missing") };
    let marks = marks::collect(tree);
    page::draw(&marks, &page::Known::parse(&gaps.text).with_context(|| format!("reading {GAPS}"))?)
}
