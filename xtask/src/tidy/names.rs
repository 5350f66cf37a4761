//! Names that say nothing about what is inside.

use super::Finding;
use crate::tree::{File, Tree};

const BANNED: &[&str] = &["common", "util", "utils", "core", "helper", "helpers", "misc", "manager"];
const REASON: &str = "such a name takes in anything; name the crate or module after the one thing it holds, so that a \
                      stranger finds the right file at the first try";

/// Crates, folders of crates and modules with a banned name.
pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    tree.files
        .iter()
        .flat_map(|file| [banned_package(file), banned_file(file), banned_module(file)])
        .flatten()
        .collect()
}

fn banned_package(file: &File) -> Option<Finding> {
    let name = file.path.ends_with("Cargo.toml").then(|| {
        let mut lines = file.text.lines().enumerate();
        lines.find_map(|(index, line)| {
            Some((index + 1, line.strip_prefix("name = \"")?.trim_end_matches('"')))
        })
    });
    let (line, name) = name.flatten()?;
    is_banned(name, '-').then(|| Finding::at_line(file, line, format!("a crate called `{name}`"), REASON))
}

fn banned_file(file: &File) -> Option<Finding> {
    let stem = file.path.strip_suffix(".rs")?;
    let part = stem.split('/').find(|part| is_banned(part, '_'))?;
    Some(Finding::at_line(file, 1, format!("a module called `{part}`"), REASON))
}

fn banned_module(file: &File) -> Option<Finding> {
    if !file.is_rust() {
        return None;
    }
    let names = crate::rust_source::RustSource::new(&file.text).names();
    let module = names.windows(2).find(|pair| pair[0].path == "mod" && is_banned(&pair[1].path, '_'))?;
    Some(Finding::at(file, module[1].offset, format!("a module called `{}`", module[1].path), REASON))
}

fn is_banned(name: &str, between: char) -> bool {
    name.split(between).any(|word| BANNED.contains(&word))
}
