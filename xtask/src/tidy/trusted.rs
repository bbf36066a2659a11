//! The trusted code has a ceiling, so that one person can read all of it.

use std::collections::BTreeSet;

use super::Violation;
use super::rust_text::Masked;
use super::tree::{Tree, file_name};

pub const LINES_MAX: usize = 6_600;

const FOLDERS: [&str; 3] = ["crates/boundary/src/", "crates/enclave/src/", "crates/secretmem/src/"];

pub fn check(tree: &Tree) -> Vec<Violation> {
    let lines = count(tree);
    if lines <= LINES_MAX {
        return Vec::new();
    }
    let what = format!(
        "{lines} trusted lines, more than {LINES_MAX}; take out of the enclave what need not be in it"
    );
    vec![Violation::new("crates/enclave/src/lib.rs", 1, what)]
}

/// Lines of code in the trusted crates; tests, comments and blanks are not counted.
pub fn count(tree: &Tree) -> usize {
    let tests = test_modules(tree);
    let is_test =
        |path: &str| tests.iter().any(|t| path == format!("{t}.rs") || path.starts_with(&format!("{t}/")));
    trusted(tree)
        .filter(|(path, _)| !is_test(path))
        .map(|(_, source)| Masked::of(source).without_tests().code_lines(1, source.lines().count()))
        .sum()
}

fn trusted(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.with_extension("rs").filter(|(path, _)| FOLDERS.iter().any(|folder| path.starts_with(folder)))
}

/// Paths, without extension, of the modules that are declared under `#[cfg(test)]` and have files of their own.
fn test_modules(tree: &Tree) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, source) in trusted(tree) {
        let text = Masked::of(source);
        for (start, end) in text.test_items() {
            let item = text.as_str()[start..end].trim_end();
            let declared = item.strip_suffix(';').and_then(|item| item.rsplit_once("mod "));
            if let Some((_, name)) = declared {
                found.insert(format!("{}{}", submodule_folder(path), name.trim()));
            }
        }
    }
    found
}

/// The folder, with its slash, that holds the modules declared in this file.
fn submodule_folder(path: &str) -> String {
    let name = file_name(path);
    let folder = &path[..path.len() - name.len()];
    match name.strip_suffix(".rs") {
        Some("lib" | "main" | "mod") | None => folder.to_owned(),
        Some(stem) => format!("{folder}{stem}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_too_many_fails() {
        let fits = "a();\n".repeat(LINES_MAX - 1);
        let boundary = ("crates/boundary/src/lib.rs", fits.as_str());
        assert_eq!(check(&Tree::of(&[boundary, ("crates/enclave/src/lib.rs", "a();\n")])), []);
        assert_eq!(check(&Tree::of(&[boundary, ("crates/enclave/src/lib.rs", "a();\nb();\n")])).len(), 1);
    }

    #[test]
    fn comments_blanks_tests_and_other_crates_do_not_count() {
        let source =
            "//! Words.\n\nfn a() {\n    /* b\n    c */\n}\n#[cfg(test)]\nmod tests {\n    fn d() {}\n}\n";
        assert_eq!(
            count(&Tree::of(&[("crates/enclave/src/a.rs", source), ("crates/api/src/lib.rs", "a")])),
            2
        );
    }

    #[test]
    fn a_file_of_tests_does_not_count() {
        let tree = Tree::of(&[
            ("crates/enclave/src/lib.rs", "mod a;\n#[cfg(test)]\nmod tests;\n"),
            ("crates/enclave/src/tests.rs", "a();\n"),
            ("crates/enclave/src/a.rs", "#[cfg(test)]\nmod cases;\n"),
            ("crates/enclave/src/a/cases.rs", "a();\n"),
            ("crates/enclave/src/cases.rs", "shipped();\n"),
        ]);
        assert_eq!(count(&tree), 2);
    }
}
