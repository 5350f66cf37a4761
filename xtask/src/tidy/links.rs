//! Links between the project's pages lead to files that are there.

use super::Finding;
use crate::tree::{File, Tree};

const REASON: &str = "a reader who follows a link must arrive";

/// Links of Markdown pages to files that the tree does not have.
pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let pages = tree.files.iter().filter(|file| file.path.ends_with(".md"));
    pages.flat_map(|page| dead_links(tree, page)).collect()
}

fn dead_links(tree: &Tree, page: &File) -> Vec<Finding> {
    let links = targets(&page.text).into_iter();
    links
        .filter(|(_, target)| !tree.has(&resolve(&page.path, target)))
        .map(|(line, target)| Finding::at_line(page, line, format!("no file `{target}`"), REASON))
        .collect()
}

/// The files that `[…](target)` points to, with their line numbers. Addresses of the web, places on the same page
/// and blocks of code are no such links.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for rest in line.split("](").skip(1) {
            let target = rest.split([')', ' ', '#']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                targets.push((index + 1, target.to_owned()));
            }
        }
    }
    targets
}

/// The path from the root that a link on this page means.
fn resolve(page: &str, target: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    if target.starts_with('/') {
        parts.clear();
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}
