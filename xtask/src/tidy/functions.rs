//! Functions stay short enough to be seen whole.

use super::Violation;
use super::rust_text::Masked;
use super::tree::Tree;

/// Lines of code between a function's braces, comments and blanks not counted: as clippy counts.
const LINES_MAX: usize = 70;

pub fn check(tree: &Tree) -> Vec<Violation> {
    tree.with_extension("rs").flat_map(|(path, source)| check_file(path, source)).collect()
}

fn check_file(path: &str, source: &str) -> Vec<Violation> {
    let text = Masked::of(source);
    let mut violations = Vec::new();
    for at in text.words("fn") {
        let Some((name, lines)) = measure(&text, at) else { continue };
        if lines > LINES_MAX && !is_excused(text.preamble(at)) {
            let what = format!(
                "fn {name} has {lines} lines of code, more than {LINES_MAX}; split it, or put \
                 #[expect(clippy::too_many_lines, reason = \"..\")] on it"
            );
            violations.push(Violation::new(path, text.line_of(at), what));
        }
    }
    violations
}

/// The name of the function whose `fn` is at `at` and the lines of its body; nothing without a name or a body.
fn measure(text: &Masked, at: usize) -> Option<(&str, usize)> {
    let rest = text.as_str()[at + "fn".len()..].trim_start();
    let name =
        rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().filter(|n| !n.is_empty())?;
    let open = text.body_or_end(at)?;
    if !text.as_str()[open..].starts_with('{') {
        return None;
    }
    let (first, last) = (text.line_of(open) + 1, text.line_of(text.closing(open)).saturating_sub(1));
    Some((name, if first > last { 0 } else { text.code_lines(first, last) }))
}

fn is_excused(preamble: &str) -> bool {
    let attribute = preamble.split("#[expect(").skip(1).find(|rest| rest.contains("clippy::too_many_lines"));
    attribute.is_some_and(|rest| rest.split(']').next().is_some_and(|inside| inside.contains("reason")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(attribute: &str, lines: usize) -> String {
        format!("use a;\n\n{attribute}\nfn long() {{\n    // a comment\n\n{}}}\n", "    a();\n".repeat(lines))
    }

    fn check_text(source: &str) -> Vec<Violation> {
        check(&Tree::of(&[("crates/a/src/b.rs", source)]))
    }

    #[test]
    fn one_line_too_many_fails() {
        assert_eq!(check_text(&function("", LINES_MAX)), []);
        let found = check_text(&function("", LINES_MAX + 1));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 4);
        assert!(found[0].text.starts_with("fn long has 71 lines"));
    }

    #[test]
    fn an_expectation_with_a_reason_excuses() {
        let excused = "#[expect(clippy::too_many_lines, reason = \"a table; [sic]\")]";
        assert_eq!(check_text(&function(excused, LINES_MAX + 1)), []);
        for not in ["#[expect(clippy::too_many_lines)]", "#[allow(clippy::too_many_lines, reason = \"x\")]"] {
            assert_eq!(check_text(&function(not, LINES_MAX + 1)).len(), 1, "{not}");
        }
    }

    #[test]
    fn an_expectation_excuses_one_function_only() {
        let excused = function("#[expect(clippy::too_many_lines, reason = \"a table\")]", LINES_MAX + 1);
        assert_eq!(check_text(&(excused + &function("", LINES_MAX + 1))).len(), 1);
    }

    #[test]
    fn what_only_looks_like_a_function_is_not_one() {
        assert_eq!(
            check_text(
                "type F = fn(u8) -> u8;\ntrait T { fn a(&self); }\n// fn b() {\nconst C: &str = \"fn c() {\";"
            ),
            []
        );
    }

    #[test]
    fn braces_in_literals_do_not_end_a_function() {
        let source = function("", LINES_MAX + 1).replacen("    a();\n", "    a('}', \"}\", r#\"}\"#);\n", 1);
        assert_eq!(check_text(&source).len(), 1);
    }
}
