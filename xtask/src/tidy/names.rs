//! A file is named after the thing or the deed that is in it.

use super::Violation;
use super::tree::Tree;

/// Names that say nothing and take in everything.
const FORBIDDEN: [&str; 10] =
    ["util", "utils", "helper", "helpers", "common", "manager", "managers", "misc", "service", "services"];

/// The enclave's one dispatcher.
const EXEMPT: [&str; 1] = ["crates/enclave/src/service.rs"];

pub fn check(tree: &Tree) -> Vec<Violation> {
    tree.paths()
        .filter(|path| !EXEMPT.contains(path))
        .filter_map(|path| {
            let part = path.split('/').find(|part| FORBIDDEN.contains(&stem(part)))?;
            let what = format!("\"{}\" says nothing; name it after the thing or the deed", stem(part));
            Some(Violation::new(path, 1, what))
        })
        .collect()
}

fn stem(part: &str) -> &str {
    part.split('.').next().unwrap_or(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_forbidden_name_fails_as_file_and_as_folder() {
        for name in FORBIDDEN {
            for path in [format!("crates/a/src/{name}.rs"), format!("crates/a/tests/{name}/mod.rs")] {
                assert_eq!(check(&Tree::of(&[(&path, "")])).len(), 1, "{path}");
            }
        }
    }

    #[test]
    fn the_dispatcher_and_longer_names_pass() {
        let tree = Tree::of(&[
            ("crates/enclave/src/service.rs", ""),
            ("deploy/holdfast.service", ""),
            ("crates/a/src/service_window.rs", ""),
        ]);
        assert_eq!(check(&tree), []);
    }
}
