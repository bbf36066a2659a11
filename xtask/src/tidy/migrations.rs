//! Both engines have the same migrations, by name.

use std::collections::BTreeSet;

use super::Violation;
use super::tree::Tree;

const SQLITE: &str = "crates/store/migrations/sqlite";
const POSTGRES: &str = "crates/store/migrations/postgres";

pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations: Vec<Violation> = [(SQLITE, POSTGRES), (POSTGRES, SQLITE)]
        .into_iter()
        .flat_map(|(here, there)| {
            let missing: Vec<&str> = files(tree, here).difference(&files(tree, there)).copied().collect();
            missing.into_iter().map(move |name| {
                let what = format!("{there}/{name} is missing; write the same step for the other engine");
                Violation::new(format!("{here}/{name}"), 1, what)
            })
        })
        .collect();
    for folder in [SQLITE, POSTGRES] {
        let names = files(tree, folder);
        if names.is_empty() {
            violations.push(Violation::new(
                folder,
                1,
                "no migrations; the schema of each engine belongs here",
            ));
        }
        let odd = names.into_iter().filter(|name| !is_well_named(name));
        violations.extend(odd.map(|name| {
            Violation::new(format!("{folder}/{name}"), 1, "not a migration's name; call it NNNN_name.sql")
        }));
    }
    violations
}

fn files<'a>(tree: &'a Tree, folder: &str) -> BTreeSet<&'a str> {
    let prefix = format!("{folder}/");
    tree.paths().filter_map(|path| path.strip_prefix(&prefix)).collect()
}

fn is_well_named(name: &str) -> bool {
    let Some((number, rest)) = name.split_once('_') else { return false };
    let Some(words) = rest.strip_suffix(".sql") else { return false };
    let is_number = number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        && !words.is_empty()
        && words.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_paths(names: &[String]) -> Vec<Violation> {
        let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
        check(&Tree::of(&files))
    }

    #[test]
    fn equal_names_pass() {
        let name = "0001_keys.sql";
        assert_eq!(check_paths(&[format!("{SQLITE}/{name}"), format!("{POSTGRES}/{name}")]), []);
    }

    #[test]
    fn a_step_for_one_engine_only_fails() {
        let both = [format!("{SQLITE}/0001_keys.sql"), format!("{POSTGRES}/0001_keys.sql")];
        for folder in [SQLITE, POSTGRES] {
            let extra = format!("{folder}/0002_more.sql");
            let found = check_paths(&[&both[..], std::slice::from_ref(&extra)].concat());
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].path, extra);
        }
    }

    #[test]
    fn a_name_out_of_order_fails() {
        for name in ["keys.sql", "1_keys.sql", "0001_Keys.sql", "0001_keys.txt", "0001_.sql"] {
            let found = check_paths(&[format!("{SQLITE}/{name}"), format!("{POSTGRES}/{name}")]);
            assert_eq!(found.len(), 2, "{name}");
        }
    }

    #[test]
    fn an_empty_folder_fails() {
        assert_eq!(check_paths(&[]).len(), 2);
    }
}
