//! What has one place: sockets, files, the clock, the environment, `unsafe`. And what protocol crates never hold.

use super::Finding;
use crate::rust_source::RustSource;
use crate::tree::Tree;

/// Names, written out as `use` would, that only some folders may use in code that is not a test.
struct Place {
    names: &'static [&'static str],
    /// The folders the rule speaks of; an empty name is the whole project.
    within: &'static str,
    /// The folders that may.
    except: &'static [&'static str],
    reason: &'static str,
}

const PLACES: &[Place] = &[
    Place {
        names: &[
            "std::net::UdpSocket",
            "std::net::TcpStream",
            "std::net::TcpListener",
            "std::os::unix::net",
            "socket2",
        ],
        within: "",
        except: &["platform/net/"],
        reason: "only platform/net opens sockets: what else wants one asks it, so limits and tests stand in one place",
    },
    Place {
        names: &["unsafe"],
        within: "",
        except: &["platform/net/", "platform/mapped/"],
        reason: "unsafe code stays in small modules of platform/net and in platform/mapped, each block with its SAFETY \
                 comment and tests",
    },
    Place {
        names: &["std::fs"],
        within: "",
        except: &[
            "platform/store/",
            "platform/location/",
            "platform/cdr/",
            "platform/mapped/",
            "platform/config/",
            "platform/certificates/",
            "platform/net/src/sys/", // a File there is a descriptor of the system, nothing on disk
            "app/",
            "xtask/",
        ],
        reason: "only the store, the location log and the loading of configuration and certificates touch disk",
    },
    Place {
        names: &["std::env"],
        within: "",
        except: &["app/", "xtask/"],
        reason: "only the program reads arguments and the environment; everything below is told",
    },
    Place {
        names: &["std::time::Instant", "std::time::SystemTime", "std::time::UNIX_EPOCH"],
        within: "",
        except: &["platform/net/", "app/", "xtask/"],
        reason: "time is an argument (now_ms), so that tests own the clock; platform/net reads it for all",
    },
    Place {
        names: &["std::thread::sleep"],
        within: "",
        except: &["app/", "xtask/"],
        reason: "waiting is a deadline handed to the loop, which tests can jump to",
    },
    Place {
        names: &["std::process::exit", "std::process::abort"],
        within: "",
        except: &["app/", "xtask/"],
        reason: "only the program ends the program; everything below returns an error",
    },
    Place {
        names: &["tokio", "async", "await", "std::thread", "std::future"],
        within: "protocol/",
        except: &[],
        reason: "a protocol machine is a value that eats inputs and yields outputs: no runtime, no tasks",
    },
    Place {
        names: &["rand", "getrandom", "std::hash::RandomState", "std::collections::HashMap"],
        within: "protocol/",
        except: &[],
        reason: "entropy is an argument, so that a run can be repeated (std's HashMap seeds itself)",
    },
    Place {
        names: &["serde"],
        within: "protocol/",
        except: &[],
        reason: "protocol types are never storage types; only api and store serialise",
    },
];

/// Uses of a name outside its place.
pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.product_sources() {
        let names = source.names();
        for place in PLACES.iter().filter(|place| place.speaks_of(&file.path)) {
            for name in names.iter().filter(|name| place.names.iter().any(|own| is_or_holds(own, &name.path)))
            {
                findings.push(Finding::at(file, name.offset, format!("`{}` here", name.path), place.reason));
            }
        }
    }
    findings
}

/// Protocol crates that do not forbid unsafe code.
pub(super) fn forbid_unsafe(tree: &Tree) -> Vec<Finding> {
    let roots = tree.files.iter().filter(|file| {
        file.path.starts_with("protocol/") && file.path.ends_with("/src/lib.rs") && !file.is_test()
    });
    let without =
        roots.filter(|file| !RustSource::new(&file.text).code().contains("#![forbid(unsafe_code)]"));
    without
        .map(|file| {
            let reason = "protocol crates read what strangers send; the compiler vouches for them";
            Finding::at_line(file, 1, "no `#![forbid(unsafe_code)]`", reason)
        })
        .collect()
}

impl Place {
    fn speaks_of(&self, path: &str) -> bool {
        path.starts_with(self.within) && !self.except.iter().any(|folder| path.starts_with(folder))
    }
}

/// True where `path` is the name, lies below it, or imports a whole module that holds it. A name of three parts is
/// also found without its first: `net::UdpSocket` after `use std::net`.
fn is_or_holds(name: &str, path: &str) -> bool {
    let below =
        |name: &str| path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    let imports_all = path.strip_suffix('*').is_some_and(|module| name.starts_with(module));
    let short = name.strip_prefix("std::").filter(|rest| rest.contains("::"));
    below(name) || imports_all || short.is_some_and(below)
}
