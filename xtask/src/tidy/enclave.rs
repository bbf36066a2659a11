//! What the trusted process may be built from.

use super::Violation;
use super::graph::{Graphs, Kind, manifest_line};
use super::tree::Tree;

/// Packages of others that the enclave may be built from.
pub const DEPENDENCIES_MAX: usize = 155;

const PACKAGE: &str = "holdfast-enclave";
const RECORD: &str = "crates/enclave/DEPS.md";
const LOCK: &str = "Cargo.lock";

/// Nothing that schedules, listens, stores or logs has a place in the trusted process, however it came there.
const FORBIDDEN: [&str; 16] = [
    "async-std",
    "axum",
    "futures",
    "hyper",
    "mio",
    "postgres",
    "reqwest",
    "rusqlite",
    "rustls",
    "smol",
    "socket2",
    "sqlx",
    "tokio",
    "tokio-postgres",
    "tracing",
    "ureq",
];

/// Nothing that serialises what it is given. The curve crates under `pgp` switch it on for themselves and cannot
/// be told otherwise; there it never meets a type of ours.
const FORBIDDEN_BUT_THROUGH_PGP: [&str; 3] = ["serde", "serde_core", "serde_json"];

pub fn check(tree: &Tree, graphs: &Graphs) -> Vec<Violation> {
    let mut violations = Vec::new();
    for name in FORBIDDEN.into_iter().filter(|name| graphs.enclave.contains(name)) {
        let through: Vec<&str> = graphs.enclave.dependents(name).into_iter().collect();
        let text = format!("the enclave's tree has {name} (through {}); take it out", through.join(", "));
        violations.push(Violation::new(LOCK, 1, text));
    }
    let own = graphs.enclave.reachable(PACKAGE, "pgp");
    for name in FORBIDDEN_BUT_THROUGH_PGP.into_iter().filter(|name| own.contains(name)) {
        let text = format!("the enclave's tree has {name} other than through pgp; take it out");
        violations.push(Violation::new(LOCK, 1, text));
    }
    if count(graphs) > DEPENDENCIES_MAX {
        let text = format!(
            "the enclave has {} dependencies, more than {DEPENDENCIES_MAX}; do without the newest",
            count(graphs)
        );
        violations.push(Violation::new(LOCK, 1, text));
    }
    violations.extend(unrecorded(tree, graphs));
    violations
}

/// The packages that the enclave is built from, our own not counted.
pub fn count(graphs: &Graphs) -> usize {
    graphs.enclave.names().filter(|name| !graphs.members.iter().any(|member| member.name == *name)).count()
}

/// Direct dependencies without an entry in the enclave's record of who read them.
fn unrecorded(tree: &Tree, graphs: &Graphs) -> Vec<Violation> {
    let record = tree.text(RECORD).unwrap_or_default();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let entered = |name: &str| record.split(|c| !is_word(c)).any(|word| word == name);
    let members = graphs.members.iter().filter(|member| member.name == PACKAGE);
    members
        .flat_map(|member| {
            let shipped = member.dependencies.iter().filter(|dep| dep.kind != Kind::Dev && !dep.is_ours);
            shipped.filter(|dep| !entered(&dep.name)).map(|dep| {
                let line = manifest_line(tree.text(&member.manifest).unwrap_or_default(), &dep.name);
                let text =
                    format!("{} is not in {RECORD}; enter who read it, when and why it is needed", dep.name);
                Violation::new(&member.manifest, line, text)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::graph::Graph;
    use super::super::graph::tests::member;
    use super::*;

    fn check_tree(lines: &str) -> Vec<String> {
        let members = vec![member(PACKAGE, &[]), member("holdfast-boundary", &[])];
        let graphs = Graphs { members, enclave: Graph::parse(lines).expect("a tree"), ..Graphs::default() };
        check(&Tree::of(&[]), &graphs).into_iter().map(|violation| violation.text).collect()
    }

    #[test]
    fn every_forbidden_package_fails_however_it_came() {
        for name in FORBIDDEN {
            let found = check_tree(&format!("0 {PACKAGE} v1\n1 pgp v1\n2 {name} v1\n"));
            assert_eq!(found, [format!("the enclave's tree has {name} (through pgp); take it out")]);
        }
    }

    #[test]
    fn serialisation_is_borne_below_pgp_only() {
        assert!(check_tree(&format!("0 {PACKAGE} v1\n1 pgp v1\n2 serde v1\n")).is_empty());
        assert_eq!(
            check_tree(&format!("0 {PACKAGE} v1\n1 pgp v1\n2 serde v1\n1 x v1\n2 serde v1 (*)\n")).len(),
            1
        );
        assert_eq!(check_tree(&format!("0 {PACKAGE} v1\n1 serde_json v1\n")).len(), 1);
    }

    #[test]
    fn one_dependency_too_many_fails() {
        let tree = |count: usize| {
            let lines: Vec<String> = (0..count).map(|i| format!("1 d{i} v1\n")).collect();
            format!("0 {PACKAGE} v1\n1 holdfast-boundary v1\n{}", lines.concat())
        };
        assert!(check_tree(&tree(DEPENDENCIES_MAX)).is_empty());
        assert_eq!(check_tree(&tree(DEPENDENCIES_MAX + 1)).len(), 1);
    }

    #[test]
    fn a_dependency_without_a_record_fails() {
        let graphs = || Graphs {
            members: vec![member(PACKAGE, &[("pgp", Kind::Normal, false), ("hex", Kind::Normal, false)])],
            ..Graphs::default()
        };
        let manifest = ("crates/enclave/Cargo.toml", "[dependencies]\npgp = \"1\"\nhex = \"1\"\n");
        let found = check(&Tree::of(&[manifest, (RECORD, "| `pgp` 1 | read |\n| hexagon |")]), &graphs());
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.as_str(), found[0].line), (manifest.0, 3));
        assert_eq!(check(&Tree::of(&[manifest]), &graphs()).len(), 2);
    }
}
