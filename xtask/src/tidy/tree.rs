//! The files of the repository, read once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Every file that is or would be tracked, by its path from the root; no text where it is not UTF-8.
pub struct Tree {
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// Reads what git tracks or would track; outside a git checkout, everything but build output.
    pub fn read(root: &Path) -> Result<Self, String> {
        let paths = match from_git(root) {
            Some(paths) => paths,
            None => from_disk(root)?,
        };
        // A tracked file that was just deleted cannot be read and is no longer part of the tree.
        let files = paths
            .into_iter()
            .filter_map(|path| fs::read(root.join(&path)).ok().map(|bytes| (path, text_of(bytes))))
            .collect();
        Ok(Self { files })
    }

    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The text files, with their paths.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// The text files whose names end in `.extension`.
    pub fn with_extension(&self, extension: &str) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(move |(path, _)| extension_of(path) == extension)
    }

    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    pub fn is_file(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    pub fn is_dir(&self, path: &str) -> bool {
        let prefix = format!("{path}/");
        path.is_empty() || self.paths().any(|file| file.starts_with(&prefix))
    }

    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// A tree that was never on a disk, to plant violations in.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned()))).collect();
        Self { files }
    }
}

pub fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

pub fn extension_of(path: &str) -> &str {
    file_name(path).rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn text_of(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn from_git(root: &Path) -> Option<BTreeSet<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let list = String::from_utf8(output.stdout).ok()?;
    Some(list.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

fn from_disk(root: &Path) -> Result<BTreeSet<String>, String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(root.join(&folder)).map_err(|error| format!("list {folder}: {error}"))?;
        for entry in entries {
            let entry = entry.map_err(|error| format!("list {folder}: {error}"))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let kind = entry.file_type().map_err(|error| format!("look at {path}: {error}"))?;
            if kind.is_dir() && !is_output(&path, &name) {
                folders.push(path);
            } else if kind.is_file() {
                found.insert(path);
            }
        }
    }
    Ok(found)
}

fn is_output(path: &str, name: &str) -> bool {
    path == "target" || path.starts_with("target-") || name == ".git" || name == "node_modules"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_extensions() {
        assert_eq!(file_name("a/b/c.rs"), "c.rs");
        assert_eq!(extension_of("a.b/c"), "");
        assert_eq!(extension_of("a/c.test.ts"), "ts");
    }

    #[test]
    fn a_folder_is_known_by_what_is_in_it() {
        let tree = Tree::of(&[("docs/adr/0001.md", "")]);
        assert!(tree.is_dir("docs") && tree.is_dir("docs/adr") && !tree.is_dir("doc"));
        assert!(tree.is_file("docs/adr/0001.md") && !tree.is_file("docs"));
    }

    #[test]
    fn a_folder_without_git_is_read_from_disk() {
        let root = std::env::temp_dir().join(format!("xtask-tree-{}", std::process::id()));
        for folder in ["src", "target/debug", ".git"] {
            fs::create_dir_all(root.join(folder)).expect("make a folder");
            fs::write(root.join(folder).join("a.rs"), "x").expect("write a file");
        }
        let found = from_disk(&root);
        fs::remove_dir_all(&root).expect("remove the folder");
        assert_eq!(found, Ok(BTreeSet::from(["src/a.rs".to_owned()])));
    }

    #[test]
    fn bytes_that_are_not_text_have_no_text() {
        assert_eq!(text_of(vec![0xff, 0xfe]), None);
        assert_eq!(text_of(vec![b'a', 0]), None);
        assert_eq!(text_of(b"a".to_vec()).as_deref(), Some("a"));
    }
}
