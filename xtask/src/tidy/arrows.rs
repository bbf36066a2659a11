//! Which crate may lean on which: the arrows of `docs/ARCHITECTURE.md`, and no other.

use super::Violation;
use super::graph::{Kind, Member, manifest_line};
use super::tree::Tree;

struct Crate {
    name: &'static str,
    /// Our crates that it may depend on.
    arrows: &'static [&'static str],
    /// Packages that it must never name itself.
    never: &'static [&'static str],
}

const HTTP: [&str; 7] = ["axum", "hyper", "reqwest", "tower", "tower-http", "utoipa", "utoipa-axum"];

const CRATES: [Crate; 16] = [
    Crate { name: "holdfast-boundary", arrows: &[], never: &[] },
    Crate {
        name: "holdfast-api",
        arrows: &[],
        never: &["axum", "hyper", "reqwest", "rusqlite", "postgres", "tokio"],
    },
    Crate { name: "holdfast-secretmem", arrows: &[], never: &[] },
    Crate {
        name: "holdfast-enclave",
        arrows: &["holdfast-boundary", "holdfast-secretmem"],
        never: &["tokio", "serde", "serde_json", "tracing", "rusqlite", "postgres", "object_store"],
    },
    Crate {
        name: "holdfast-domain",
        arrows: &["holdfast-boundary"],
        never: &["tokio", "rusqlite", "postgres", "object_store", "rustix", "rand", "getrandom"],
    },
    Crate { name: "holdfast-store", arrows: &["holdfast-domain"], never: &[] },
    Crate {
        name: "holdfast-server",
        arrows: &["holdfast-api", "holdfast-boundary", "holdfast-domain", "holdfast-store"],
        never: &["rusqlite", "postgres"],
    },
    Crate {
        name: "holdfast-client",
        arrows: &["holdfast-api", "holdfast-boundary"],
        never: &["rusqlite", "postgres"],
    },
    Crate {
        name: "holdfast",
        arrows: &["holdfast-client", "holdfast-enclave", "holdfast-holder", "holdfast-server"],
        never: &[],
    },
    Crate {
        name: "holdfast-holder",
        arrows: &["holdfast-boundary"],
        never: &["tokio", "reqwest", "rusqlite", "postgres"],
    },
    Crate {
        name: "holdfast-unseal",
        arrows: &["holdfast-holder"],
        never: &["tokio", "reqwest", "rusqlite", "postgres"],
    },
    Crate { name: "holdfast-cluster", arrows: &[], never: &[] },
    Crate { name: "holdfast-counter", arrows: &[], never: &["tokio", "reqwest", "rusqlite", "postgres"] },
    Crate {
        name: "holdfast-testkit",
        arrows: &[
            "holdfast-cluster",
            "holdfast-api",
            "holdfast-boundary",
            "holdfast-client",
            "holdfast-domain",
            "holdfast-enclave",
            "holdfast-server",
            "holdfast-store",
        ],
        never: &[],
    },
    Crate { name: "holdfast-weakened", arrows: &["holdfast-boundary", "holdfast-secretmem"], never: &[] },
    Crate { name: "xtask", arrows: &[], never: &[] },
];

/// Crates in which HTTP has no place.
const NO_HTTP: [&str; 3] = ["holdfast-enclave", "holdfast-domain", "holdfast-store"];

pub fn check(tree: &Tree, members: &[Member]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for member in members {
        let Some(known) = CRATES.iter().find(|known| known.name == member.name) else {
            let text = format!(
                "crate {} has no place among the arrows; add it to docs/ARCHITECTURE.md and to xtask/src/tidy/arrows.rs",
                member.name
            );
            violations.push(Violation::new(&member.manifest, 1, text));
            continue;
        };
        let manifest = tree.text(&member.manifest).unwrap_or_default();
        for dependency in &member.dependencies {
            if let Some(text) = complaint(known, &dependency.name, dependency.kind, dependency.is_ours) {
                let line = manifest_line(manifest, &dependency.name);
                violations.push(Violation::new(&member.manifest, line, text));
            }
        }
    }
    violations
}

/// What is wrong with this dependency of this crate, if anything is.
fn complaint(from: &Crate, to: &str, kind: Kind, is_ours: bool) -> Option<String> {
    if from.name == "holdfast-boundary" {
        return Some(format!(
            "boundary depends on {to}; it depends on nothing, write it with the standard library"
        ));
    }
    if from.name == "xtask" && to != "serde_json" {
        return Some(format!("xtask depends on {to}; it must build in seconds, call a program instead"));
    }
    if kind == Kind::Dev {
        return None;
    }
    if to == "holdfast-testkit" {
        return Some("testkit is a shipped dependency; move it to [dev-dependencies]".to_owned());
    }
    let never = from.never.contains(&to) || (NO_HTTP.contains(&from.name) && HTTP.contains(&to));
    if never {
        return Some(format!(
            "{} must not use {to}; move the code to the crate whose work that is",
            from.name
        ));
    }
    if is_ours && !from.arrows.contains(&to) {
        let allowed =
            if from.arrows.is_empty() { "none of our crates".to_owned() } else { from.arrows.join(", ") };
        return Some(format!("no arrow from {} to {to}; it may use {allowed}", from.name));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::member;
    use super::*;

    fn check_one(name: &str, dependency: (&str, Kind, bool)) -> Vec<String> {
        let violations = check(&Tree::of(&[]), &[member(name, &[dependency])]);
        violations.into_iter().map(|violation| violation.text).collect()
    }

    #[test]
    fn every_arrow_drawn_is_allowed() {
        for known in &CRATES {
            let dependencies: Vec<_> = known.arrows.iter().map(|to| (*to, Kind::Normal, true)).collect();
            assert_eq!(check(&Tree::of(&[]), &[member(known.name, &dependencies)]), []);
        }
    }

    #[test]
    fn every_arrow_not_drawn_is_refused() {
        for from in &CRATES {
            for to in CRATES.iter().filter(|to| !from.arrows.contains(&to.name)) {
                for kind in [Kind::Normal, Kind::Build] {
                    let found = check_one(from.name, (to.name, kind, true));
                    assert_eq!(found.len(), 1, "{} -> {}", from.name, to.name);
                }
            }
        }
    }

    #[test]
    fn testkit_is_for_development_only() {
        assert!(
            check_one("holdfast", ("holdfast-testkit", Kind::Normal, true))[0].contains("[dev-dependencies]")
        );
        assert!(check_one("holdfast", ("holdfast-testkit", Kind::Dev, true)).is_empty());
    }

    #[test]
    fn boundary_depends_on_nothing_at_all() {
        for kind in [Kind::Normal, Kind::Build, Kind::Dev] {
            assert_eq!(check_one("holdfast-boundary", ("hex", kind, false)).len(), 1);
        }
    }

    #[test]
    fn work_that_belongs_elsewhere_is_refused() {
        assert_eq!(check_one("holdfast-domain", ("rusqlite", Kind::Normal, false)).len(), 1);
        assert_eq!(check_one("holdfast-enclave", ("reqwest", Kind::Normal, false)).len(), 1);
        assert_eq!(check_one("holdfast-server", ("axum", Kind::Normal, false)).len(), 0);
        assert_eq!(check_one("xtask", ("clap", Kind::Normal, false)).len(), 1);
    }

    #[test]
    fn an_unknown_crate_is_refused() {
        assert_eq!(check(&Tree::of(&[]), &[member("holdfast-extra", &[])]).len(), 1);
    }

    #[test]
    fn the_violation_points_at_the_line() {
        let tree = Tree::of(&[(
            "crates/api/Cargo.toml",
            "[dependencies]\nserde = \"1\"\ndomain.workspace = true\n",
        )]);
        let members = [member("holdfast-api", &[("holdfast-domain", Kind::Normal, true)])];
        let found = check(&tree, &members);
        assert_eq!((found[0].path.as_str(), found[0].line), ("crates/api/Cargo.toml", 3));
    }
}
