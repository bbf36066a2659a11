//! Packages that must not be in what we ship. `deny.toml` says the same and more to those who have cargo-deny.

use super::Violation;
use super::graph::{Graphs, manifest_line};
use super::tree::Tree;

struct Ban {
    name: &'static str,
    /// The packages that may bring it along.
    only_through: &'static [&'static str],
    reason: &'static str,
}

const BANS: [Ban; 13] = [
    Ban {
        name: "rsa",
        only_through: &["crypto-glue", "pgp"],
        reason: "its private-key operations leak through their timing (RUSTSEC-2023-0071); use aws-lc-rs",
    },
    Ban { name: "ring", only_through: &[], reason: "one cryptographic library is enough; use aws-lc-rs" },
    Ban { name: "openssl", only_through: &[], reason: "one cryptographic library is enough; use aws-lc-rs" },
    Ban {
        name: "openssl-sys",
        only_through: &[],
        reason: "one cryptographic library is enough; use aws-lc-rs",
    },
    Ban {
        name: "native-tls",
        only_through: &[],
        reason: "TLS is rustls over aws-lc-rs; choose that feature",
    },
    Ban { name: "h2", only_through: &[], reason: "we speak HTTP/1.1; turn the http2 feature off" },
    Ban {
        name: "sharks",
        only_through: &[],
        reason: "its polynomials are biased; use a maintained Shamir crate",
    },
    Ban {
        name: "sqlx",
        only_through: &[],
        reason: "queries go through crates/store over rusqlite and postgres",
    },
    Ban { name: "multipart", only_through: &[], reason: "unmaintained; bodies are read by our own routes" },
    Ban { name: "bincode", only_through: &[], reason: "unmaintained; boundary's frames or JSON" },
    Ban { name: "serde_cbor", only_through: &[], reason: "unmaintained; boundary's frames or JSON" },
    Ban { name: "rustls-pemfile", only_through: &[], reason: "unmaintained; use rustls::pki_types::pem" },
    Ban { name: "paste", only_through: &[], reason: "unmaintained; write the names out" },
];

pub fn check(tree: &Tree, graphs: &Graphs) -> Vec<Violation> {
    let built = BANS.iter().filter(|ban| graphs.release.contains(ban.name)).flat_map(|ban| {
        let dependents = graphs.release.dependents(ban.name);
        let strangers = dependents.into_iter().filter(|name| !ban.only_through.contains(name));
        strangers
            .map(|name| complaint(ban, name, "Cargo.lock", lock_line(tree, ban.name)))
            .collect::<Vec<_>>()
    });
    // Declared but not built here: behind a feature, for another target, or for tests only.
    let declared = graphs.members.iter().flat_map(|member| {
        let banned = |name: &str| BANS.iter().find(move |ban| ban.name == name);
        member.dependencies.iter().filter_map(move |dependency| {
            let line = manifest_line(tree.text(&member.manifest).unwrap_or_default(), &dependency.name);
            banned(&dependency.name).map(|ban| complaint(ban, &member.name, &member.manifest, line))
        })
    });
    built.chain(declared).collect()
}

fn complaint(ban: &Ban, dependent: &str, path: &str, line: usize) -> Violation {
    let exception = match ban.only_through {
        [] => String::new(),
        names => format!(" (allowed through {} only)", names.join(" and ")),
    };
    Violation::new(path, line, format!("{dependent} brings in {}{exception}: {}", ban.name, ban.reason))
}

fn lock_line(tree: &Tree, name: &str) -> usize {
    let entry = format!("name = \"{name}\"");
    let lock = tree.text("Cargo.lock").unwrap_or_default();
    lock.lines().position(|line| line == entry).map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::member;
    use super::super::graph::{Graph, Kind};
    use super::*;

    fn check_release(lines: &str) -> Vec<Violation> {
        let release = Graph::parse(lines).expect("a tree");
        check(
            &Tree::of(&[("Cargo.lock", "\n[[package]]\nname = \"ring\"\n")]),
            &Graphs { release, ..Graphs::default() },
        )
    }

    #[test]
    fn every_ban_fails_when_planted() {
        for ban in &BANS {
            let found = check_release(&format!("0 holdfast v1\n1 stranger v1\n2 {} v1\n", ban.name));
            assert_eq!(found.len(), 1, "{}", ban.name);
            assert!(found[0].text.starts_with("stranger brings in"), "{}", found[0]);
        }
    }

    #[test]
    fn rsa_is_allowed_through_its_two_public_key_users_only() {
        for user in ["pgp", "crypto-glue"] {
            assert_eq!(check_release(&format!("0 holdfast v1\n1 {user} v1\n2 rsa v1\n")), []);
        }
        assert_eq!(check_release("0 holdfast v1\n1 pgp v1\n2 rsa v1\n1 other v1\n2 rsa v1 (*)\n").len(), 1);
    }

    #[test]
    fn the_violation_points_into_the_lock_file() {
        let found = check_release("0 holdfast v1\n1 ring v1\n");
        assert_eq!((found[0].path.as_str(), found[0].line), ("Cargo.lock", 3));
    }

    #[test]
    fn a_declared_ban_fails_even_for_tests() {
        let members = vec![member("holdfast-testkit", &[("rsa", Kind::Dev, false)])];
        assert_eq!(check(&Tree::of(&[]), &Graphs { members, ..Graphs::default() }).len(), 1);
    }
}
