//! House rules, one file per rule.
//!
//! A rule is a function from the repository's text, or from its crate graph, to violations. A violation says
//! where, what, and what to do; one line each. To add a rule: a file here with `check`, a unit test in it that
//! plants a violation and sees it found, and a line in [`check`].

mod arrows;
mod bans;
mod enclave;
mod functions;
mod graph;
mod length;
mod links;
mod migrations;
mod names;
mod rust_text;
mod tree;
mod trusted;
mod words;

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use graph::Graphs;
use tree::Tree;

/// One breach of one rule at one place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    path: String,
    line: usize,
    text: String,
}

impl Violation {
    fn new(path: impl Into<String>, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.into(), line, text: text.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

/// Checks every rule, prints the figures and the violations, and fails if there is one.
pub fn run(root: &Path) -> ExitCode {
    let (tree, graphs) = match read(root) {
        Ok(read) => read,
        Err(error) => {
            eprintln!("tidy: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("figure: trusted-lines {} of {}", trusted::count(&tree), trusted::LINES_MAX);
    println!("figure: enclave-dependencies {} of {}", enclave::count(&graphs), enclave::DEPENDENCIES_MAX);

    let violations = check(&tree, &graphs);
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => {
            println!("tidy: {} files, no violation", tree.len());
            ExitCode::SUCCESS
        }
        count => {
            println!("tidy: {count} violation(s)");
            ExitCode::FAILURE
        }
    }
}

fn read(root: &Path) -> Result<(Tree, Graphs), String> {
    Ok((Tree::read(root)?, Graphs::read(root)?))
}

/// The violations of every rule, in the order of their places.
fn check(tree: &Tree, graphs: &Graphs) -> Vec<Violation> {
    let rules = [
        arrows::check(tree, &graphs.members),
        bans::check(tree, graphs),
        enclave::check(tree, graphs),
        functions::check(tree),
        length::check(tree),
        links::check(tree),
        migrations::check(tree),
        names::check(tree),
        trusted::check(tree),
        words::check(tree),
    ];
    let mut violations: Vec<Violation> = rules.into_iter().flatten().collect();
    violations.sort();
    violations.dedup();
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_is_one_line_with_its_place() {
        let violation = Violation::new("a/b.rs", 7, "what is wrong; what to do");
        assert_eq!(violation.to_string(), "a/b.rs:7: what is wrong; what to do");
    }

    #[test]
    fn violations_of_all_rules_come_sorted_by_place() {
        let tree = Tree::of(&[("b/utils.rs", ""), ("a/helpers.rs", ""), ("a.md", "[x](gone.md)")]);
        let found: Vec<String> = check(&tree, &Graphs::default()).into_iter().map(|v| v.path).collect();
        let places: Vec<&str> = found.iter().map(String::as_str).filter(|p| tree.is_file(p)).collect();
        assert_eq!(places, ["a.md", "a/helpers.rs", "b/utils.rs"]);
    }
}
