//! Keys in shares over the database and folders: the settings that say so, and what lies where, counted past the store.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::rig::group::PROGRAM;
use crate::rig::rows::Rows;

/// The folders beside the database, of which any two of three stores are enough.
pub type Stores = [PathBuf; 2];

/// Has the installation of a folder split keys from now on: where the shares go.
pub fn split_over(folder: &Path) -> Stores {
    let stores = ["a", "b"].map(|name| folder.join(name));
    let names = stores.each_ref().map(|store| store.display().to_string());
    let settings = folder.join("holdfast.toml");
    let mut file = fs::OpenOptions::new().append(true).open(settings).expect("the settings");
    writeln!(file, "[key_shares]\nthreshold = 2\nstores = ['database', '{}', '{}']", names[0], names[1])
        .expect("writes");
    stores
}

/// The splitting that each key's row names, of those that are split.
pub fn named(rows: &Rows) -> BTreeMap<String, String> {
    let found = rows.list("SELECT id, split_id FROM customer_keys WHERE split_id IS NOT NULL");
    found.into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
}

/// The splittings that a store has of each key: whole ones.
pub fn shares(store: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<_, BTreeSet<_>>::new();
    for key in children(store).iter().flat_map(|tenant| children(tenant)) {
        for split in children(&key) {
            found.entry(name(&key)).or_default().insert(name(&split));
        }
    }
    found
}

/// How many of a store's shares belong to no row: what a crash between share and row leaves behind.
pub fn orphans(rows: &Rows, store: &Path) -> usize {
    let (named, kept) = (named(rows), shares(store));
    let is_named = |key: &String, split: &String| named.get(key) == Some(split);
    kept.iter().flat_map(|(key, splits)| splits.iter().filter(|split| !is_named(key, split))).count()
}

/// `holdfast admin key-shares remake`, which makes what is missing, and tells what it found.
pub fn remake(folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["admin", "--json", "--config"]).arg(folder.join("holdfast.toml"));
    command.args(["key-shares", "remake"]).env_remove("RUST_LOG");
    command
}

/// The last of the lines of JSON that a command printed: its result.
pub fn last_line(command: &mut Command) -> Value {
    let done = command.output().expect("it runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout).expect("text");
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

/// The last part of a path.
pub fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}
