//! That checks can be left out in this build, and in no other.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const SWITCH: &str = "HOLDFAST_WITHOUT";
const CFG: &str = "holdfast_check_switch";
/// Where the cfg may be spoken of: where it is declared, set and asked for, and here.
const SPEAK_OF_IT: [&str; 5] = [
    "Cargo.toml",
    "crates/enclave/src/lib.rs",
    "crates/enclave/src/release.rs",
    "crates/weakened/build.rs",
    "crates/weakened/tests/switch.rs",
];
/// What a check is written as.
const CHECKS: [&str; 3] = ["must(", "demand(", "named("];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files = Vec::new();
    for entry in entries {
        let name = entry.file_name().into_string().unwrap();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() && !matches!(&*name, "target" | ".git" | "node_modules") => {
                files.extend(below(&entry.path()));
            }
            kind if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    files
}

fn holds(program: &Path) -> bool {
    let bytes = fs::read(program).unwrap_or_else(|error| unreachable!("{}: {error}", program.display()));
    bytes.windows(SWITCH.len()).any(|window| window == SWITCH.as_bytes())
}

#[test]
fn the_programs_that_ship_know_no_switch() {
    let weakened = Path::new(env!("CARGO_BIN_EXE_holdfast-enclave-weakened"));
    assert!(holds(weakened), "this search finds the switch where it is");
    for name in ["holdfast-enclave", "holdfast"] {
        assert!(!holds(&weakened.with_file_name(name)), "{name} can be told to leave a check out");
    }
}

#[test]
fn nothing_else_sets_the_switch_or_leans_on_the_weakened_build() {
    let root = root();
    let mut speaking = Vec::new();
    for path in below(&root) {
        let (Ok(text), Ok(name)) = (fs::read_to_string(&path), path.strip_prefix(&root)) else { continue };
        let name = name.to_str().unwrap();
        if text.contains(CFG) {
            speaking.push(name.to_owned());
        }
        let depends = name.ends_with("Cargo.toml") && text.contains("holdfast-weakened");
        assert!(!depends || name == "crates/weakened/Cargo.toml", "{name} leans on the weakened build");
        let ships = ["deploy/", "scripts/", ".ci/"].iter().any(|folder| name.starts_with(folder));
        assert!(!ships || !text.contains(SWITCH) && !text.contains("weakened"), "{name}");
    }
    speaking.sort();
    assert_eq!(speaking, SPEAK_OF_IT);
}

/// The names of the checks in a source, which come last or last but one in their calls.
fn checks_of(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    let mut found = Vec::new();
    for call in CHECKS {
        for (at, _) in source.match_indices(call) {
            let is_name = source[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let mut depth = 0_usize;
            let end = source[at..].find(|c: char| {
                depth += usize::from(c == '(');
                depth -= usize::from(c == ')');
                c == ')' && depth == 0
            });
            let call = &source[at..at + end.unwrap()];
            let name = call.match_indices('"').collect::<Vec<_>>();
            if let ([.., (from, _), (to, _)], false) = (name.as_slice(), is_name) {
                found.push(call[from + 1..*to].to_owned());
            }
        }
    }
    found
}

#[test]
fn every_check_has_a_name_of_its_own() {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for path in below(&root().join("crates/enclave/src")) {
        for name in checks_of(&fs::read_to_string(path).unwrap()) {
            *names.entry(name).or_default() += 1;
        }
    }
    let twice: Vec<_> = names.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(names.keys().all(|name| !name.contains(',')), "the switch parts them by commas");
    for known in ["2 token is not ours", "8 digest is not the record's", "6 tenant's signature"] {
        assert!(names.contains_key(known), "{known} in {names:?}");
    }
    println!("figure: checks_that_can_be_left_out {} checks", names.len());
}
