//! Words that do not belong in what others read and run. This file is exempt, since it lists them.

use super::Violation;
use super::tree::{Tree, file_name};

struct Forbidden {
    text: &'static str,
    is: Match,
    advice: &'static str,
}

enum Match {
    /// Wherever it stands.
    Anywhere,
    /// Not as part of a longer word.
    Word,
    /// At the beginning of an absolute path: `src/work/` is a folder of ours.
    Path,
}

const LATER: &str = "do it now, or decide against it and say why";
const UNFINISHED: &str = "finish it, or return an error that says what is missing";
const UNESCAPED: &str = "put the value into the markup as it is: `maud` escapes it";
const MACHINE: &str = "a path of one machine; use a path from the root, or a temporary folder";
const REGISTRY: &str = "a registry's address; name the package instead";

const FORBIDDEN: [Forbidden; 15] = [
    Forbidden { text: "TODO", is: Match::Word, advice: LATER },
    Forbidden { text: "FIXME", is: Match::Word, advice: LATER },
    Forbidden { text: "XXX", is: Match::Word, advice: LATER },
    Forbidden { text: "HACK", is: Match::Word, advice: LATER },
    Forbidden { text: "todo!(", is: Match::Anywhere, advice: UNFINISHED },
    Forbidden { text: "PreEscaped", is: Match::Word, advice: UNESCAPED },
    Forbidden { text: "unimplemented!(", is: Match::Anywhere, advice: UNFINISHED },
    Forbidden {
        text: "#[ignore",
        is: Match::Anywhere,
        advice: "a test that does not run is no test; mend or remove it",
    },
    Forbidden { text: "/work/", is: Match::Path, advice: MACHINE },
    Forbidden { text: "/root/", is: Match::Path, advice: MACHINE },
    Forbidden { text: "crates.io/", is: Match::Anywhere, advice: REGISTRY },
    Forbidden { text: "static.crates.io", is: Match::Anywhere, advice: REGISTRY },
    Forbidden { text: "registry.npmjs.org", is: Match::Anywhere, advice: REGISTRY },
    Forbidden { text: "deb.debian.org", is: Match::Anywhere, advice: REGISTRY },
    Forbidden { text: "pypi.org", is: Match::Anywhere, advice: REGISTRY },
];

const EXEMPT: [&str; 2] = ["LICENSE", "xtask/src/tidy/words.rs"];

pub fn check(tree: &Tree) -> Vec<Violation> {
    tree.texts()
        .filter(|(path, _)| !EXEMPT.contains(path) && file_name(path) != "Cargo.lock")
        .flat_map(|(path, text)| check_file(path, text))
        .collect()
}

fn check_file(path: &str, text: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for forbidden in FORBIDDEN.iter().filter(|forbidden| forbidden.is_in(line)) {
            let what = format!("\"{}\": {}", forbidden.text, forbidden.advice);
            violations.push(Violation::new(path, index + 1, what));
        }
    }
    violations
}

impl Forbidden {
    fn is_in(&self, line: &str) -> bool {
        line.match_indices(self.text).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + self.text.len()..].chars().next();
            let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            match self.is {
                Match::Anywhere => true,
                Match::Word => !is_word(before) && !is_word(after),
                Match::Path => !is_word(before) && !before.is_some_and(|c| ".-}*~>)".contains(c)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_forbidden_word_fails_when_planted() {
        for forbidden in &FORBIDDEN {
            let text = format!("fine\nsee \"{}\"\n", forbidden.text);
            let found = check(&Tree::of(&[("docs/a.md", &text)]));
            assert!(found.iter().any(|violation| violation.line == 2), "{}", forbidden.text);
            assert!(found[0].text.contains(forbidden.text));
        }
    }

    #[test]
    fn longer_words_and_our_own_folders_pass() {
        let text = "mktemp -d XXXXXX\nTODOS\ncrates/server/src/work/expire.rs\n../work/a\n{dir}/root/\n\
                    the crates.io index\n";
        assert_eq!(check(&Tree::of(&[("docs/a.md", text)])), []);
    }

    #[test]
    fn a_machine_path_fails_in_every_dress() {
        for text in ["/work/a", "\"/work/a\"", "file:///root/a", "cd /root/", "=/work/x", "(/work/x)"] {
            assert_eq!(check(&Tree::of(&[("a.sh", text)])).len(), 1, "{text}");
        }
    }

    #[test]
    fn the_licence_and_the_lock_file_are_exempt() {
        assert_eq!(check(&Tree::of(&[("LICENSE", "XXX"), ("fuzz/Cargo.lock", "static.crates.io")])), []);
    }
}
