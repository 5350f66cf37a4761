//! Words that no file of the project holds.
//!
//! They are put together from parts here, so that this table does not break its own rule.

use super::Finding;
use crate::tree::Tree;

struct Word {
    text: &'static str,
    /// Which files are searched: those with this ending, or all.
    ending: &'static str,
    reason: &'static str,
}

const fn anywhere(text: &'static str, reason: &'static str) -> Word {
    Word { text, ending: "", reason }
}

const fn in_rust(text: &'static str, reason: &'static str) -> Word {
    Word { text, ending: ".rs", reason }
}

const OF_ONE_MACHINE: &str = "a path of one machine is wrong on every other";
const OF_A_REGISTRY: &str = "packages come from where the owner of the machine lets them come from; a host named here \
                             would go around that";
const UNFINISHED: &str =
    "what is in the tree is finished; what is not goes into the list of open work, with a name";

const WORDS: &[Word] = &[
    anywhere(concat!("/", "work", "/"), OF_ONE_MACHINE),
    anywhere(concat!("/", "farm", "/"), OF_ONE_MACHINE),
    anywhere(concat!("/", "root", "/"), OF_ONE_MACHINE),
    anywhere(concat!("/", "home", "/"), OF_ONE_MACHINE),
    anywhere(concat!("..", "/shared"), "the project speaks of itself alone"),
    anywhere(concat!("static.", "crates.io"), OF_A_REGISTRY),
    anywhere(concat!("index.", "crates.io"), OF_A_REGISTRY),
    anywhere(concat!("pypi", ".org"), OF_A_REGISTRY),
    anywhere(concat!("python", "hosted.org"), OF_A_REGISTRY),
    anywhere(concat!("npm", "js.org"), OF_A_REGISTRY),
    anywhere(concat!("npm", "js.com"), OF_A_REGISTRY),
    anywhere(concat!("deb.", "debian.org"), OF_A_REGISTRY),
    anywhere(concat!("security.", "debian.org"), OF_A_REGISTRY),
    anywhere(concat!("archive.", "ubuntu.com"), OF_A_REGISTRY),
    anywhere(concat!("FIX", "ME"), UNFINISHED),
    in_rust(concat!("todo", "!("), UNFINISHED),
    in_rust(concat!("unimplemented", "!("), UNFINISHED),
    in_rust(
        concat!("#[", "ignore"),
        "a test that does not run proves nothing; a case we fail asserts today's result",
    ),
];

/// Every place that holds such a word.
pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        for word in WORDS.iter().filter(|word| file.path.ends_with(word.ending)) {
            for (offset, _) in file.text.match_indices(word.text) {
                findings.push(Finding::at(file, offset, format!("`{}` here", word.text), word.reason));
            }
        }
    }
    findings
}
