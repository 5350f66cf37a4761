//! The project's text files, as a newcomer's clone holds them.
//!
//! Read by walking the folders and leaving out what `.gitignore` names, not by asking git: an unpacked archive, or
//! a checkout that belongs to another user, is checked just as well.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::rust_source::RustSource;

/// One text file.
pub(crate) struct File {
    /// From the root, with `/` between the parts.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// True where the whole file serves tests or chores, not the product.
    pub(crate) fn is_test(&self) -> bool {
        ["test/", "bench/", "fuzz/"].iter().any(|folder| self.path.starts_with(folder))
            || ["/tests/", "/benches/", "/examples/"].iter().any(|folder| self.path.contains(folder))
            || ["/tests.rs", "_tests.rs"].iter().any(|name| self.path.ends_with(name))
    }

    /// The number, from 1, of the line that holds this byte.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.text.as_bytes().iter().take(offset).filter(|&&byte| byte == b'\n').count() + 1
    }
}

/// All text files of the project, sorted by path.
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

impl Tree {
    /// The tree this program was built from.
    pub(crate) fn of_project() -> Result<Self> {
        Self::read(&project_root())
    }

    /// Every text file under `root` that `.gitignore` does not name. Binary files are left out.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
        let mut files = Vec::new();
        walk(root, "", &Ignored::parse(&ignored), &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    /// A made-up tree for the tests of the rules.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| File { path: (*path).into(), text: (*text).into() });
        Self { files: files.collect() }
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// True where the tree has this file, or any file below this folder.
    pub(crate) fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty() || self.files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
    }

    /// The product's Rust files with their code: comments, literals and tests blanked out.
    pub(crate) fn product_sources(&self) -> impl Iterator<Item = (&File, RustSource)> {
        let rust = self.files.iter().filter(|file| file.is_rust() && !file.is_test());
        rust.map(|file| (file, RustSource::new(&file.text).without_tests()))
    }
}

/// The folder that holds the workspace's `Cargo.toml`. Cargo says at run time which one that is: in a build folder that
/// was copied along with its sources the program still holds the path of the original.
pub(crate) fn project_root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&own).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// The simple patterns of our `.gitignore`: `/folder`, `name/` and `*.ending`.
struct Ignored {
    from_root: Vec<String>,
    names: Vec<String>,
    endings: Vec<String>,
}

impl Ignored {
    fn parse(text: &str) -> Self {
        let mut all = Self { from_root: Vec::new(), names: vec![".git".into()], endings: Vec::new() };
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            let line = line.trim_end_matches('/');
            if let Some(path) = line.strip_prefix('/') {
                all.from_root.push(path.into());
            } else if let Some(ending) = line.strip_prefix('*') {
                all.endings.push(ending.into());
            } else {
                all.names.push(line.into());
            }
        }
        all
    }

    fn holds(&self, path: &str, name: &str) -> bool {
        self.from_root.iter().any(|own| own == path)
            || self.names.iter().any(|own| own == name)
            || self.endings.iter().any(|ending| name.ends_with(ending.as_str()))
    }
}

fn walk(folder: &Path, prefix: &str, ignored: &Ignored, files: &mut Vec<File>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if ignored.holds(&path, &name) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), ignored, files)?;
        } else if kind.is_file()
            && let Ok(text) = String::from_utf8(fs::read(entry.path())?)
        {
            files.push(File { path, text });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gitignore_names_is_left_out() {
        let ignored = Ignored::parse("# a comment\n/target\n__pycache__/\n*.pyc\n");
        assert!(ignored.holds("target", "target"));
        assert!(!ignored.holds("test/target", "target"));
        assert!(ignored.holds("test/interop/__pycache__", "__pycache__"));
        assert!(ignored.holds("test/x.pyc", "x.pyc"));
        assert!(ignored.holds(".git", ".git"));
    }

    #[test]
    fn test_files_are_told_from_product_files() {
        let is_test = |path: &str| File { path: path.into(), text: String::new() }.is_test();
        for path in [
            "test/simnet/src/lib.rs",
            "protocol/sip/tests/torture.rs",
            "fuzz/x.rs",
            "bench/y/src/main.rs",
            "a/src/b/tests.rs",
            "a/src/c_tests.rs",
        ] {
            assert!(is_test(path), "{path}");
        }
        for path in ["protocol/sip/src/lib.rs", "xtask/src/tidy.rs", "platform/test/src/lib.rs"] {
            assert!(!is_test(path), "{path}");
        }
    }

    #[test]
    fn the_tree_of_this_project_holds_this_file() {
        let tree = Tree::of_project().expect("the project can be read");
        assert!(tree.file("xtask/src/tree.rs").is_some());
        assert!(tree.has("xtask/src") && tree.has("Cargo.toml") && !tree.has("xtask/sr"));
    }
}
