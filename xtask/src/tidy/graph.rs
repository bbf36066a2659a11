//! The crate graphs, as Cargo resolves them: what members declare, and what is really built.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What the rules about crates look at.
#[derive(Default)]
pub struct Graphs {
    /// The workspace's members with the dependencies that they declare.
    pub members: Vec<Member>,
    /// What the two shipped programs are built from, build scripts included.
    pub release: Graph,
    /// What the enclave's program alone is built from.
    pub enclave: Graph,
}

pub struct Member {
    pub name: String,
    /// Path of the manifest from the root.
    pub manifest: String,
    pub dependencies: Vec<Declared>,
}

pub struct Declared {
    pub name: String,
    pub kind: Kind,
    /// Whether it is a folder of this workspace and not a package of the registry.
    pub is_ours: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Normal,
    Build,
    Dev,
}

impl Graphs {
    pub fn read(root: &Path) -> Result<Self, String> {
        let metadata = cargo(root, &["metadata", "--format-version", "1", "--no-deps"])?;
        let tree = |rest: &[&str]| -> Result<Graph, String> {
            let head = ["tree", "--prefix", "depth", "--format", " {p}"];
            Graph::parse(&cargo(root, &[&head[..], rest].concat())?)
        };
        Ok(Self {
            members: members(&metadata)?,
            release: tree(&[
                "--edges",
                "normal,build",
                "--package",
                "holdfast",
                "--package",
                "holdfast-enclave",
            ])?,
            enclave: tree(&["--edges", "normal", "--package", "holdfast-enclave"])?,
        })
    }
}

fn cargo(root: &Path, args: &[&str]) -> Result<String, String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .args(args)
        .arg("--locked")
        .current_dir(root)
        .output()
        .map_err(|error| format!("start cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim()));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("cargo {}: {error}", args.join(" ")))
}

fn members(metadata: &str) -> Result<Vec<Member>, String> {
    let metadata: Value =
        serde_json::from_str(metadata).map_err(|error| format!("read metadata: {error}"))?;
    let root = format!("{}/", word(&metadata, "workspace_root")?);
    list(&metadata, "packages")?
        .iter()
        .map(|package| {
            let manifest = word(package, "manifest_path")?;
            Ok(Member {
                name: word(package, "name")?.to_owned(),
                manifest: manifest.strip_prefix(&root).unwrap_or(manifest).to_owned(),
                dependencies: list(package, "dependencies")?
                    .iter()
                    .map(declared)
                    .collect::<Result<_, _>>()?,
            })
        })
        .collect()
}

fn declared(dependency: &Value) -> Result<Declared, String> {
    let kind = match dependency["kind"].as_str() {
        None => Kind::Normal,
        Some("build") => Kind::Build,
        Some("dev") => Kind::Dev,
        Some(other) => return Err(format!("read metadata: unknown kind of dependency {other}")),
    };
    let is_ours = dependency["path"].is_string();
    Ok(Declared { name: word(dependency, "name")?.to_owned(), kind, is_ours })
}

fn word<'a>(value: &'a Value, field: &str) -> Result<&'a str, String> {
    value[field].as_str().ok_or_else(|| format!("read metadata: no {field}"))
}

fn list<'a>(value: &'a Value, field: &str) -> Result<&'a Vec<Value>, String> {
    value[field].as_array().ok_or_else(|| format!("read metadata: no {field}"))
}

/// Who depends on whom, with the features that are really on.
#[derive(Default)]
pub struct Graph {
    /// By package (name and version), the packages that it depends on.
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Reads the lines of `cargo tree --prefix depth --format " {p}"`. Cargo writes what a package depends on
    /// only the first time that it comes up.
    pub fn parse(lines: &str) -> Result<Self, String> {
        let mut graph = Self::default();
        let mut above: Vec<String> = Vec::new();
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let mut words = line.split_whitespace();
            let (Some(depth), Some(name), Some(version)) = (words.next(), words.next(), words.next()) else {
                return Err(format!("read cargo tree: {line}"));
            };
            let depth: usize = depth.parse().map_err(|_| format!("read cargo tree: {line}"))?;
            let package = format!("{name} {version}");
            above.truncate(depth);
            if let Some(parent) = above.last() {
                graph.edges.entry(parent.clone()).or_default().insert(package.clone());
            }
            graph.edges.entry(package.clone()).or_default();
            above.push(package);
        }
        Ok(graph)
    }

    /// The name of every package; one that is there in two versions comes twice.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.edges.keys().map(|package| name_of(package))
    }

    pub fn contains(&self, name: &str) -> bool {
        self.names().any(|found| found == name)
    }

    /// The names of the packages that depend on a package called `name`.
    pub fn dependents(&self, name: &str) -> BTreeSet<&str> {
        let dependents =
            self.edges.iter().filter(|(_, to)| to.iter().any(|package| name_of(package) == name));
        dependents.map(|(package, _)| name_of(package)).collect()
    }

    /// The names of what `from` reaches on paths that do not lead through `without`, itself included.
    pub fn reachable(&self, from: &str, without: &str) -> BTreeSet<&str> {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&str> =
            self.edges.keys().map(String::as_str).filter(|package| name_of(package) == from).collect();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        while let Some(package) = open.pop() {
            if name_of(package) == without || !seen.insert(package) {
                continue;
            }
            found.insert(name_of(package));
            open.extend(self.edges.get(package).into_iter().flatten().map(String::as_str));
        }
        found
    }
}

fn name_of(package: &str) -> &str {
    package.split(' ').next().unwrap_or(package)
}

/// The line of a manifest that names a dependency, or the first.
pub fn manifest_line(manifest: &str, dependency: &str) -> usize {
    // Our own packages go by a short name in manifests: `holdfast-api` is `api`.
    let short = dependency.strip_prefix("holdfast-").unwrap_or(dependency);
    let names = |line: &str| {
        let key = line.split(['.', '=', ' ']).next().unwrap_or_default();
        key == dependency || key == short
    };
    manifest.lines().position(names).map_or(1, |index| index + 1)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A member that declares these dependencies: name, kind, whether it is ours.
    pub fn member(name: &str, dependencies: &[(&str, Kind, bool)]) -> Member {
        let short = name.strip_prefix("holdfast-").unwrap_or(name);
        Member {
            name: name.to_owned(),
            manifest: format!("crates/{short}/Cargo.toml"),
            dependencies: dependencies
                .iter()
                .map(|&(name, kind, is_ours)| Declared { name: name.to_owned(), kind, is_ours })
                .collect(),
        }
    }

    #[test]
    fn members_are_read_from_metadata() {
        let metadata = r#"{"workspace_root":"/r","packages":[{"name":"a","manifest_path":"/r/crates/a/Cargo.toml",
            "dependencies":[{"name":"b","kind":null,"path":"/r/crates/b"},{"name":"c","kind":"dev"}]}]}"#;
        let members = members(metadata).expect("members");
        assert_eq!(members[0].manifest, "crates/a/Cargo.toml");
        let kinds: Vec<_> = members[0].dependencies.iter().map(|d| (d.kind, d.is_ours)).collect();
        assert_eq!(kinds, [(Kind::Normal, true), (Kind::Dev, false)]);
    }

    #[test]
    fn a_tree_is_read_with_its_repetitions() {
        let graph =
            Graph::parse("0 a v1 (/x)\n1 b v1\n2 d v1 (proc-macro)\n1 c v1\n2 b v1 (*)\n\n0 c v1 (*)\n")
                .expect("a graph");
        assert_eq!(graph.names().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert_eq!(graph.dependents("b"), BTreeSet::from(["a", "c"]));
        assert_eq!(graph.reachable("a", "b"), BTreeSet::from(["a", "c"]));
        assert_eq!(graph.reachable("c", "-"), BTreeSet::from(["b", "c", "d"]));
    }

    #[test]
    fn a_line_that_is_no_tree_is_refused() {
        assert!(Graph::parse("what is this").is_err());
    }

    #[test]
    fn the_line_of_a_dependency() {
        let manifest = "[dependencies]\napi.workspace = true\nrustls = \"1\"\n";
        assert_eq!(manifest_line(manifest, "holdfast-api"), 2);
        assert_eq!(manifest_line(manifest, "rustls"), 3);
        assert_eq!(manifest_line(manifest, "rust"), 1);
    }
}
