//! Which folder may use which. The arrows are the architecture: a change that wants another one is a change of the
//! architecture, and is made here with its reason.

use std::collections::HashMap;

use toml::Table;

use super::Finding;
use crate::tree::{File, Tree};

/// One folder of crates: its arrows, and why they are these.
struct Layer {
    folder: &'static str,
    uses: &'static [&'static str],
    reason: &'static str,
}

const LAYERS: &[Layer] = &[
    Layer {
        folder: "app",
        uses: &["node", "api", "web", "service", "platform", "media", "protocol"],
        reason: "the one binary puts everything together, and nothing of ours runs without it",
    },
    Layer {
        folder: "node",
        uses: &["service", "platform", "media", "protocol"],
        reason: "a node joins services on the platform; it does not know how it was started",
    },
    Layer {
        folder: "api",
        uses: &["service", "platform", "media", "protocol"],
        reason: "programs come in here and reach services, never pages",
    },
    Layer {
        folder: "web",
        uses: &["api", "service", "platform", "media", "protocol"],
        reason: "pages stand on the interface that any other program could use",
    },
    Layer {
        folder: "service",
        uses: &["platform", "media", "protocol"],
        reason: "each service can be switched off, so none may need another: they meet through platform nouns, by \
                 SIP, or through the journal",
    },
    Layer {
        folder: "media",
        uses: &["media", "protocol"],
        reason: "sound and pictures are values, frames in and frames out",
    },
    Layer {
        folder: "platform",
        uses: &["platform", "protocol"],
        reason: "the nouns that services share know no service",
    },
    Layer {
        folder: "protocol",
        uses: &["protocol"],
        reason: "what the RFCs say must be usable without anything else of ours",
    },
    Layer {
        folder: "test",
        uses: &["test", "node", "api", "web", "service", "platform", "media", "protocol"],
        reason: "test worlds may drive everything but the program itself, which interop runs from outside",
    },
    Layer {
        folder: "bench",
        uses: &["test", "node", "api", "web", "service", "platform", "media", "protocol"],
        reason: "what is measured is what runs; nothing that runs needs what measures it",
    },
    Layer {
        folder: "fuzz",
        uses: &["test", "node", "api", "web", "service", "platform", "media", "protocol"],
        reason: "strangers' bytes are tried on everything that reads them; nothing that runs needs what tries",
    },
    Layer { folder: "xtask", uses: &[], reason: "chores must build when the product does not" },
];

/// Packages that only some folders may name in `[dependencies]`.
struct Confined {
    packages: &'static [&'static str],
    never_in: &'static str,
    reason: &'static str,
}

const CONFINED: &[Confined] = &[
    Confined {
        packages: &[
            "tokio",
            "async-std",
            "smol",
            "futures",
            "futures-util",
            "mio",
            "socket2",
            "libc",
            "rustix",
        ],
        never_in: "protocol",
        reason: "a protocol machine eats inputs and yields outputs; it has no runtime and no sockets",
    },
    Confined {
        packages: &["rand", "getrandom", "fastrand", "uuid"],
        never_in: "protocol",
        reason: "entropy is an argument, so that tests can repeat a run",
    },
    Confined {
        packages: &["serde", "serde_json", "toml", "rusqlite"],
        never_in: "protocol",
        reason: "protocol types are never storage types; only api and store serialise",
    },
    Confined {
        packages: &["openssl", "native-tls"],
        never_in: "",
        reason: "one crypto provider in the whole tree",
    },
];

const NO_LAYER: &str =
    "every crate of the workspace lies in a folder that has a line in xtask/src/tidy/layers.rs";
const TEST_ONLY: &str = "what lies under test/ is for tests: name it in [dev-dependencies]";

/// A crate of the workspace.
struct Crate<'a> {
    manifest: &'a File,
    package: String,
    table: Table,
}

impl Crate<'_> {
    /// The folder that says which arrows it may have: the first part of its path.
    fn folder(&self) -> &str {
        self.manifest.path.split('/').next().unwrap_or_default()
    }

    fn layer(&self) -> Option<&'static Layer> {
        LAYERS.iter().find(|layer| layer.folder == self.folder())
    }

    /// The package names under `[dependencies]` and `[build-dependencies]`, or under `[dev-dependencies]`, for
    /// every target.
    fn dependencies(&self, dev: bool) -> Vec<String> {
        let sections: &[&str] =
            if dev { &["dev-dependencies"] } else { &["dependencies", "build-dependencies"] };
        let targets = self.table.get("target").and_then(toml::Value::as_table);
        let per_target = targets.into_iter().flat_map(Table::values).filter_map(toml::Value::as_table);
        let tables = std::iter::once(&self.table).chain(per_target);
        tables
            .flat_map(|table| sections.iter().filter_map(|section| table.get(*section)?.as_table()))
            .flat_map(Table::iter)
            .map(|(key, value)| value.get("package").and_then(toml::Value::as_str).unwrap_or(key).to_owned())
            .collect()
    }

    fn finding(&self, dependency: &str, what: String, reason: &str) -> Finding {
        let quoted = format!("\"{dependency}\"");
        let names_it = |line: &str| {
            let after = line.trim_start().strip_prefix(dependency);
            after.is_some_and(|rest| rest.starts_with([' ', '.', '='])) || line.contains(&quoted)
        };
        let line = self.manifest.text.lines().position(names_it).map_or(1, |index| index + 1);
        Finding::at_line(self.manifest, line, what, reason)
    }
}

/// Arrows between our own crates that the table above does not have.
pub(super) fn arrows(tree: &Tree) -> Vec<Finding> {
    let crates = crates(tree);
    let folders: HashMap<&str, &str> =
        crates.iter().map(|one| (one.package.as_str(), one.folder())).collect();
    let mut findings = Vec::new();
    for one in &crates {
        let Some(layer) = one.layer() else {
            findings.push(one.finding("name", format!("no rule for the folder {}/", one.folder()), NO_LAYER));
            continue;
        };
        for dev in [false, true] {
            for dependency in one.dependencies(dev) {
                let Some(&to) = folders.get(dependency.as_str()) else { continue };
                let in_tests = to == "test" && !layer.uses.contains(&"test");
                if in_tests && !dev {
                    let what = format!("{} depends on {dependency}", one.package);
                    findings.push(one.finding(&dependency, what, TEST_ONLY));
                } else if !in_tests && !layer.uses.contains(&to) {
                    let what = format!(
                        "{}/ may not use {to}/: {} depends on {dependency}",
                        layer.folder, one.package
                    );
                    findings.push(one.finding(&dependency, what, layer.reason));
                }
            }
        }
    }
    findings
}

/// Packages of others where they do not belong.
pub(super) fn packages(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for one in crates(tree) {
        let wrong = |rule: &&Confined| rule.never_in.is_empty() || rule.never_in == one.folder();
        for rule in CONFINED.iter().filter(wrong) {
            let dependencies = one.dependencies(false);
            for dependency in dependencies.iter().filter(|name| rule.packages.contains(&name.as_str())) {
                let what = format!("{} depends on {dependency}", one.package);
                findings.push(one.finding(dependency, what, rule.reason));
            }
        }
    }
    findings
}

fn crates(tree: &Tree) -> Vec<Crate<'_>> {
    let workspace =
        tree.file("Cargo.toml").and_then(|file| file.text.parse::<Table>().ok()).unwrap_or_default();
    let members = workspace.get("workspace").and_then(|table| table.get("members")?.as_array());
    let paths = members.into_iter().flatten().filter_map(toml::Value::as_str);
    let manifests = paths.filter_map(|path| tree.file(&format!("{path}/Cargo.toml")));
    manifests
        .filter_map(|manifest| {
            let table = manifest.text.parse::<Table>().ok()?;
            let package = table.get("package")?.get("name")?.as_str()?.to_owned();
            Some(Crate { manifest, package, table })
        })
        .collect()
}
