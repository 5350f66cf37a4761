//! The rules, each against a tree that keeps it and trees that do not; and the project against all of them.

use super::*;

const WORKSPACE: &str = "[workspace]\nmembers = [\"app\", \"node\", \"service/a\", \"service/b\", \"platform/p\", \
                         \"protocol/x\", \"test/t\", \"odd/o\"]";

fn manifest(name: &str, rest: &str) -> String {
    format!("[package]\nname = \"{name}\"\n{rest}\n")
}

/// What the rule finds in a tree of these files, as `path:line`.
fn found(rule: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<String> {
    rule(&Tree::of(files)).iter().map(|finding| format!("{}:{}", finding.path, finding.line)).collect()
}

/// Whether `service/a`, `platform/p` and so on may have this dependency section.
fn arrow(from: &str, section: &str) -> Vec<String> {
    let crates = [
        ("app", "app"),
        ("node", "node"),
        ("service/a", "a"),
        ("service/b", "b"),
        ("platform/p", "p"),
        ("protocol/x", "x"),
        ("test/t", "t"),
    ];
    let manifests: Vec<(String, String)> = crates
        .iter()
        .map(|(path, name)| {
            let own = if *path == from { section } else { "" };
            (format!("{path}/Cargo.toml"), manifest(name, own))
        })
        .collect();
    let mut files = vec![("Cargo.toml", WORKSPACE)];
    files.extend(manifests.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    found(layers::arrows, &files)
}

#[test]
fn this_project_keeps_every_rule() {
    let tree = Tree::of_project().expect("the project can be read");
    let findings: Vec<String> =
        RULES.iter().flat_map(|rule| (rule.findings)(&tree)).map(|finding| finding.to_string()).collect();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn arrows_that_point_down_are_allowed() {
    for (from, section) in [
        ("app", "[dependencies]\nnode.workspace = true"),
        ("node", "[dependencies]\na.workspace = true\nx.workspace = true\nlibc = \"0.2\""),
        ("service/a", "[dependencies]\np = { path = \"../../platform/p\" }"),
        ("platform/p", "[dependencies]\nx.workspace = true"),
        ("service/a", "[dev-dependencies]\nt.workspace = true"),
        ("test/t", "[dependencies]\nnode.workspace = true"),
    ] {
        assert_eq!(arrow(from, section), Vec::<String>::new(), "{from} {section}");
    }
}

#[test]
fn arrows_that_point_up_or_sideways_are_found() {
    for (from, section) in [
        ("service/a", "[dependencies]\nb.workspace = true"),
        ("service/a", "[dev-dependencies]\nb.workspace = true"),
        ("protocol/x", "[dependencies]\np.workspace = true"),
        ("platform/p", "[target.'cfg(unix)'.dependencies]\na.workspace = true"),
        ("node", "[build-dependencies]\napp.workspace = true"),
        ("node", "[dependencies]\nt.workspace = true"),
        ("test/t", "[dependencies]\napp.workspace = true"),
        ("service/a", "[dependencies]\nother = { package = \"b\", version = \"1\" }"),
    ] {
        let found = arrow(from, section);
        assert_eq!(found, [format!("{from}/Cargo.toml:4")], "{section}");
    }
}

#[test]
fn a_folder_without_a_rule_is_found() {
    let odd = manifest("o", "");
    assert_eq!(
        found(layers::arrows, &[("Cargo.toml", WORKSPACE), ("odd/o/Cargo.toml", &odd)]),
        ["odd/o/Cargo.toml:2"]
    );
}

#[test]
fn packages_keep_out_of_protocol() {
    let packages = |path: &str, section: &str| {
        let text = manifest("any", section);
        found(layers::packages, &[("Cargo.toml", WORKSPACE), (path, &text)]).len()
    };
    assert_eq!(packages("protocol/x/Cargo.toml", "[dependencies]\ntokio = \"1\"\nserde.workspace = true"), 2);
    assert_eq!(
        packages(
            "protocol/x/Cargo.toml",
            "[dev-dependencies]\ntokio = \"1\"\n[dependencies]\nmemchr = \"2\""
        ),
        0
    );
    assert_eq!(packages("platform/p/Cargo.toml", "[dependencies]\nserde = \"1\""), 0);
    assert_eq!(packages("platform/p/Cargo.toml", "[dependencies]\nopenssl = \"0.10\""), 1);
}

#[test]
fn names_keep_their_place() {
    let count = |path: &str, text: &str| found(places::findings, &[(path, text)]).len();
    for (path, text) in [
        ("service/a/src/lib.rs", "use std::net::{IpAddr, UdpSocket};"),
        ("service/a/src/lib.rs", "use std::net; fn f() { net::TcpStream::connect(x); }"),
        ("service/a/src/lib.rs", "use std::net::*;"),
        ("service/a/src/lib.rs", "fn f() { std::env::var(x); }"),
        ("service/a/src/lib.rs", "use std::{io, fs};"),
        ("node/src/lib.rs", "fn f() { unsafe { g() } }"),
        ("node/src/lib.rs", "use std::time::Instant;"),
        ("protocol/x/src/lib.rs", "async fn f() {}"),
        ("protocol/x/src/lib.rs", "use serde::Serialize;"),
        ("protocol/x/src/lib.rs", "fn f() { rand::random() }"),
        ("protocol/x/src/lib.rs", "use std::time::SystemTime;"),
    ] {
        assert_eq!(count(path, text), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("service/a/src/lib.rs", "use std::net::{IpAddr, SocketAddr}; // not std::net::UdpSocket"),
        ("service/a/src/lib.rs", "const A: &str = \"std::fs\"; const B: &str = env!(\"X\");"),
        ("service/a/src/lib.rs", "#[cfg(test)] mod tests { use std::fs; }"),
        ("service/a/tests/all.rs", "use std::fs;"),
        ("platform/net/src/lib.rs", "use std::net::UdpSocket; fn f() { unsafe { g() } }"),
        ("platform/net/src/lib.rs", "async fn f() {}"),
        ("app/src/main.rs", "fn main() { std::env::args(); std::fs::read(x); }"),
        ("protocol/x/src/lib.rs", "#![forbid(unsafe_code)] use std::time::Duration; struct Serder;"),
    ] {
        assert_eq!(count(path, text), 0, "{path}: {text}");
    }
}

#[test]
fn protocol_crates_forbid_unsafe_code() {
    let found = |path: &str, text: &str| found(places::forbid_unsafe, &[(path, text)]);
    assert_eq!(found("protocol/x/src/lib.rs", "//! #![forbid(unsafe_code)]\n"), ["protocol/x/src/lib.rs:1"]);
    assert!(found("protocol/x/src/lib.rs", "//! X.\n#![forbid(unsafe_code)]\n").is_empty());
    assert!(found("protocol/x/src/parse.rs", "").is_empty() && found("platform/x/src/lib.rs", "").is_empty());
}

#[test]
fn names_that_say_nothing_are_found() {
    let count = |path: &str, text: &str| found(names::findings, &[(path, text)]).len();
    assert_eq!(count("protocol/core/Cargo.toml", "[package]\nname = \"offhook-core\"\n"), 1);
    assert_eq!(count("app/src/utils.rs", ""), 1);
    assert_eq!(count("app/src/misc/a.rs", ""), 1);
    assert_eq!(count("app/src/main.rs", "mod call_manager { }"), 1);
    assert_eq!(count("app/src/main.rs", "use core::fmt; mod utilities; // mod util"), 0);
    assert_eq!(count("app/Cargo.toml", "[package]\nname = \"offhook-net\"\n"), 0);
}

#[test]
fn long_files_and_functions_are_found() {
    let found = |path: &str, text: &str| found(size::findings, &[(path, text)]);
    let lines = |count: usize| "x();\n".repeat(count);
    let function = |inner: usize| format!("\nfn f() {{\n{}}}\n", lines(inner));
    assert_eq!(found("app/src/a.rs", &lines(501)), ["app/src/a.rs:1"]);
    assert_eq!(found("app/src/a.rs", &function(69)), ["app/src/a.rs:2"]);
    assert!(found("app/src/a.rs", &function(68)).is_empty() && found("app/src/a.rs", &lines(500)).is_empty());
    assert!(found("app/tests/a.rs", &function(600)).is_empty());
    assert!(found("app/src/a.rs", &format!("#[cfg(test)] mod tests {{{}}}", function(100))).is_empty());
}

#[test]
fn size_exceptions_only_shrink() {
    let exceptions = "xtask/size-exceptions.txt";
    let long = "x();\n".repeat(501);
    // The number of exceptions is at its limit of none, so even a true one is found, on its first line.
    let exact =
        found(size::findings, &[("app/src/a.rs", &long), (exceptions, "# why\napp/src/a.rs 501 table")]);
    assert_eq!(exact, [format!("{exceptions}:1")]);
    let stale =
        found(size::findings, &[("app/src/a.rs", &long), (exceptions, "# why\napp/src/a.rs 600 table")]);
    assert_eq!(stale, [format!("{exceptions}:2"), format!("{exceptions}:1"), "app/src/a.rs:1".into()]);
}

#[test]
fn words_that_belong_elsewhere_are_found() {
    let count = |path: &str, text: &str| found(words::findings, &[(path, text)]).len();
    assert_eq!(count("docs/a.md", concat!("see /", "work/x and ..", "/shared")), 2);
    assert_eq!(count("deny.toml", concat!("https://pypi", ".org")), 1);
    assert_eq!(
        count("app/src/a.rs", concat!("#[", "ignore = \"slow\"] fn f() { todo", "!() } // FIX", "ME")),
        3
    );
    assert_eq!(
        count("docs/a.md", concat!("todo", "!() is fine in a page; so is a network; crates.io-index")),
        0
    );
}

#[test]
fn links_lead_to_files() {
    let page =
        "[a](../app/a.rs#L3) [b](b.md) [web](https://x.y/z) [here](#top) [root](/app)\n```\n[c](none)\n```\n";
    let files = [("docs/a.md", page), ("docs/b.md", "[gone](c.md)"), ("app/a.rs", "")];
    assert_eq!(found(links::findings, &files), ["docs/b.md:1"]);
}
