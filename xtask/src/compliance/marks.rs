//! Which test proves which section, read from the comments above the tests.

use std::cmp::Ordering;

use crate::rust_source::RustSource;
use crate::tree::{File, Tree};

/// A section of an RFC, in the order of the document: 9 before 10, numbers before appendices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) rfc: u32,
    /// As the RFC writes it, without the sign: `16.7`, `A.1`.
    pub(super) number: String,
}

/// "This test proves that section."
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) section: Section,
    pub(super) path: String,
    pub(super) test: String,
}

/// Every mark of the tree, by RFC, section, path and name.
pub(super) fn collect(tree: &Tree) -> Vec<Mark> {
    let mut marks: Vec<Mark> = tree.files.iter().flat_map(marks_of).collect();
    marks.sort_by(|a, b| (&a.section, &a.path, &a.test).cmp(&(&b.section, &b.path, &b.test)));
    marks.dedup();
    marks
}

fn marks_of(file: &File) -> Vec<Mark> {
    let tests = if file.is_rust() {
        rust_tests(&file.text)
    } else if file.path.starts_with("test/") && file.path.ends_with(".py") {
        python_tests(&file.text)
    } else {
        Vec::new()
    };
    let mark = |(test, comment): (String, String)| {
        let path = file.path.clone();
        sections(&comment).into_iter().map(move |section| Mark {
            section,
            path: path.clone(),
            test: test.clone(),
        })
    };
    tests.into_iter().flat_map(mark).collect()
}

/// The tests of a Rust file with the comments that stand above each.
fn rust_tests(text: &str) -> Vec<(String, String)> {
    let source = RustSource::new(text);
    let code: Vec<&str> = source.code().lines().collect();
    let lines: Vec<&str> = text.lines().collect();
    let attributes = (0..code.len()).filter(|&index| is_test_attribute(code[index]));
    attributes
        .filter_map(|index| {
            let name = code[index..].iter().find_map(|line| name_after(line, "fn "))?;
            Some((name, comment_above(&lines, index, "//", "#[")))
        })
        .collect()
}

/// `#[test]`, or a runtime's form of it such as `#[tokio::test]`.
fn is_test_attribute(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("#[test]") || line.starts_with("#[") && line.contains("::test]")
}

/// The functions of a Python file with the comments that stand above each.
fn python_tests(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let functions =
        lines.iter().enumerate().filter_map(|(index, line)| Some((index, name_after(line, "def ")?)));
    functions.map(|(index, name)| (name, comment_above(&lines, index, "#", "@"))).collect()
}

fn name_after(line: &str, keyword: &str) -> Option<String> {
    let rest = &line[line.find(keyword)? + keyword.len()..];
    let name: String = rest.chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// The comment lines that end right above this line, attributes between them left out, joined to one text.
fn comment_above(lines: &[&str], index: usize, comment: &str, attribute: &str) -> String {
    let above = lines[..index].iter().rev().map(|line| line.trim_start());
    let block = above.take_while(|line| line.starts_with(comment) || line.starts_with(attribute));
    let mut words: Vec<&str> = block.filter(|line| line.starts_with(comment)).collect();
    words.reverse();
    let marks: &[char] = &['/', '!', '#', ' '];
    words.iter().map(|line| line.trim_start_matches(marks)).collect::<Vec<_>>().join(" ")
}

/// The sections a text names: each `§` belongs to the last `RFC` before it.
fn sections(text: &str) -> Vec<Section> {
    let mut found = Vec::new();
    for part in text.split("RFC").skip(1) {
        let digits: String = part.trim_start().chars().take_while(char::is_ascii_digit).collect();
        let Ok(rfc) = digits.parse() else { continue };
        for number in part.split('§').skip(1) {
            let number: String =
                number.chars().take_while(|&c| c.is_ascii_alphanumeric() || c == '.').collect();
            let number = number.trim_end_matches('.').to_owned();
            if !number.is_empty() {
                found.push(Section { rfc, number });
            }
        }
    }
    found
}

impl Ord for Section {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |section: &Self| -> Vec<(bool, u32, String)> {
            let part = |part: &str| match part.parse() {
                Ok(number) => (false, number, String::new()),
                Err(_) => (true, 0, part.to_owned()),
            };
            section.number.split('.').map(part).collect()
        };
        (self.rfc, key(self)).cmp(&(other.rfc, key(other)))
    }
}

impl PartialOrd for Section {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
