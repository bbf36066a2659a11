//! Files stay short enough to be read in one go.

use super::Violation;
use super::tree::{Tree, extension_of};

const LINES_MAX: usize = 800;

/// What people write and read; generated references and lock files are neither.
const CODE: [&str; 12] = ["rs", "sql", "ts", "tsx", "js", "mjs", "py", "sh", "html", "css", "toml", "md"];

pub fn check(tree: &Tree) -> Vec<Violation> {
    tree.texts()
        .filter(|(path, _)| CODE.contains(&extension_of(path)) && !path.starts_with("docs/reference/"))
        .filter_map(|(path, text)| {
            let lines = text.lines().count();
            let what =
                format!("{lines} lines, more than {LINES_MAX}; split the file by what its parts are about");
            (lines > LINES_MAX).then(|| Violation::new(path, LINES_MAX + 1, what))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_too_many_fails_in_tests_as_elsewhere() {
        let (fits, long) = ("a\n".repeat(LINES_MAX), "a\n".repeat(LINES_MAX + 1));
        assert_eq!(check(&Tree::of(&[("crates/a/src/b.rs", &fits)])), []);
        for path in ["crates/a/src/b.rs", "crates/a/tests/b.rs", "clients/typescript/src/b.ts"] {
            let found = check(&Tree::of(&[(path, &long)]));
            assert_eq!(found.len(), 1, "{path}");
            assert_eq!(found[0].line, LINES_MAX + 1);
        }
    }

    #[test]
    fn what_is_generated_may_be_long() {
        let long = "a\n".repeat(LINES_MAX + 1);
        assert_eq!(check(&Tree::of(&[("docs/reference/cli.md", &long), ("Cargo.lock", &long)])), []);
    }
}
