//! A witness outside, as a process of its own: it signs what goes on, keeps what it signed over a kill, holds nobody up
//! while it is away, and signs no second history.

#![expect(dead_code, reason = "uses its part of the rig")]

mod rig {
    pub mod account;
    pub mod chance;
    pub mod draw;
    pub mod group;
    pub mod installation;
}

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::account::{self, Account};
use crate::rig::group::{PROGRAM, wait_for};
use crate::rig::installation::{Installation, data_dir};

const PATIENCE: Duration = Duration::from_mins(1);
const NAME: &str = "witness.example.org";
const FOREIGN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../server/tests/it/v1/verify_audit.py");

/// The witness; it ends with the value.
struct Witness {
    child: Child,
    address: String,
    key: String,
}

impl Witness {
    fn start(folder: &Path, log: &str, listen: &str) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["witness", "--json", "--name", NAME, "--listen", listen, "--log", log, "--state"]);
        command.arg(folder.join("witness")).arg("--key").arg(folder.join("witness.key"));
        let errors = fs::OpenOptions::new().append(true).create(true).open(folder.join("witness.log"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors.expect("a file"));
        let mut child = command.spawn().expect("the program starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("an output"));
        output.read_line(&mut line).expect("it says where it listens");
        let told: Value = serde_json::from_str(&line).expect("an event");
        let text = |name: &str| told[name].as_str().expect("text").to_owned();
        Self { child, address: text("address"), key: text("key") }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().expect("an end");
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Account {
    fn witnesses(&self) -> String {
        let ready: Value = serde_json::from_str(&self.get("/readyz")).expect("JSON");
        ready["witnesses"].as_str().expect("a word").to_owned()
    }

    /// The newest checkpoint, once the witness has signed it: both verifiers say so.
    fn witnessed(&self, witness: &Witness, since: Option<&str>) -> String {
        let note = wait_for("a witness's signature", PATIENCE, || {
            let note = self.get("/v1/audit/checkpoint");
            note.contains(&format!("\u{2014} {NAME} ")).then_some(note)
        });
        assert_eq!(self.verify(&witness.key, &note, since), (true, true), "{note}");
        let other = format!("{}\n", note.trim_end().rsplit_once('\n').expect("lines").0);
        assert_eq!(self.verify(&witness.key, &other, since), (false, false), "its line is missing");
        note
    }

    /// What the command and the foreign verifier say of a checkpoint.
    fn verify(&self, witness_key: &str, note: &str, since: Option<&str>) -> (bool, bool) {
        let (export, key, file) =
            (self.get("/v1/audit/export"), self.log_key(), |name| self.folder.join(name));
        fs::write(file("export.jsonl"), &export).expect("written");
        fs::write(file("checkpoint.txt"), note).expect("written");
        let mut command = Command::new(PROGRAM);
        command.args(["audit", "verify"]).arg(file("export.jsonl")).arg(file("checkpoint.txt"));
        command.args(["--key", &key, "--witness-key", witness_key]);
        if let Some(since) = since {
            fs::write(file("since.txt"), since).expect("written");
            command.arg("--since").arg(file("since.txt"));
        }
        let said = command.output().expect("it runs");
        let ask = json!({"key": key, "enclave_key": null, "witness_keys": [witness_key],
            "cases": [{"export": export, "checkpoint": note, "since": since}]});
        (said.status.success(), foreign(&ask)["ok"] == true)
    }

    /// Lets the service ask the witness again at once.
    fn ask_again(&self) {
        let database =
            rusqlite::Connection::open(data_dir(&self.folder).join("holdfast.db")).expect("the database");
        database.busy_timeout(Duration::from_secs(10)).expect("patience");
        database.execute("UPDATE audit_witnesses SET ask_after = 0", []).expect("it is changed");
    }
}

fn foreign(ask: &Value) -> Value {
    let python = std::env::var("HOLDFAST_PYTHON");
    let python = python
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/python/bin/python").into());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ask.json");
    fs::write(&path, ask.to_string()).expect("written");
    let mut command = Command::new(python);
    let said =
        command.arg(FOREIGN).stdin(fs::File::open(&path).expect("a file")).output().expect("Python runs");
    serde_json::from_slice(&said.stdout).unwrap_or_else(|_| unreachable!("{said:?}"))
}

fn copy_database(from: &Path, to: &Path) {
    for name in ["holdfast.db", "holdfast.db-wal"] {
        let _ = fs::remove_file(to.join(name));
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).expect("copied");
        }
    }
}

/// A service that was not started yet, and an account of it.
fn install(folder: &Path) -> (Installation, Account) {
    let installation = account::install(folder, "");
    let account = Account::new(folder, installation.base_url());
    (installation, account)
}

/// Starts a witness of a log, and the service, which is told of it.
fn start(folder: &Path, installation: &mut Installation, log: &str) -> Witness {
    let witness = Witness::start(folder, log, "127.0.0.1:0");
    let settings = fs::read_to_string(folder.join("holdfast.toml")).expect("settings");
    let settings =
        format!("{settings}[witness]\nurls = 'http://{}'\nkeys = '{}'\n", witness.address, witness.key);
    fs::write(folder.join("holdfast.toml"), settings).expect("written");
    installation.start();
    witness
}

#[test]
fn a_witness_signs_one_history() {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = temporary.path();
    let (mut installation, account) = install(folder);
    let mut witness = start(folder, &mut installation, &account.log_key());

    account.act("a");
    let first = account.witnessed(&witness, None);
    account.act("b");
    let second = account.witnessed(&witness, Some(&first));
    assert_eq!(account.witnesses(), "well");

    // Away: nothing waits for it.
    witness.kill();
    account.act("c");
    wait_for("that it is told of", PATIENCE, || (account.witnesses() == "away").then_some(()));
    assert!(!account.get("/v1/audit/checkpoint").contains(NAME));
    let mut witness = Witness::start(folder, &account.log_key(), &witness.address);
    account.ask_again();
    let third = account.witnessed(&witness, Some(&second));
    assert_eq!(account.witnesses(), "well");

    // The service forgets what was signed: the witness says where it is.
    installation.stop();
    copy_database(&data_dir(folder), folder);
    let database = rusqlite::Connection::open(data_dir(folder).join("holdfast.db")).expect("the database");
    database.execute("DELETE FROM audit_witnesses", []).expect("forgotten");
    drop(database);
    installation.start();
    account.act("d");
    account.witnessed(&witness, Some(&third));

    // An old copy of the database, and another history from there: the witness, which was killed meanwhile, knows better.
    installation.stop();
    witness.kill();
    copy_database(folder, &data_dir(folder));
    let witness = Witness::start(folder, &account.log_key(), &witness.address);
    installation.start();
    account.act("e");
    account.act("f");
    wait_for("that the fork is told of", PATIENCE, || (account.witnesses() == "forked").then_some(()));
    let forged = account.get("/v1/audit/checkpoint");
    assert!(!forged.contains(NAME), "{forged}");
    assert_eq!(account.verify(&witness.key, &forged, None), (false, false));
    let log = fs::read_to_string(folder.join("witness.log")).expect("its log");
    assert!(log.contains("a checkpoint was not signed"), "{log}");
    installation.stop();
}

/// Whoever follows the root log follows them all: an account's log holds by what it names.
#[test]
fn the_root_log_is_enough_for_a_witness() {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = temporary.path();
    let (mut installation, account) = install(folder);
    let told = |args: &[&str], name: &str| Account::admin(folder, args)[name].as_str().map(str::to_owned);
    let key = told(&["log-key", "--root"], "key").expect("a key");
    let witness = start(folder, &mut installation, &key);
    account.act("a");
    fs::write(folder.join("early.jsonl"), account.get("/v1/audit/export")).expect("written");
    fs::write(folder.join("early.txt"), account.get("/v1/audit/checkpoint")).expect("written");
    account.act("b");
    fs::write(folder.join("late.txt"), account.get("/v1/audit/checkpoint")).expect("written");
    let note = wait_for("a witness's signature", PATIENCE, || {
        told(&["root-log", "checkpoint"], "note").filter(|note| note.contains(NAME))
    });
    assert_eq!(account.witnesses(), "well", "that he follows no other log is no trouble");
    fs::write(folder.join("root.txt"), note).expect("written");
    let root = folder.join("root.jsonl");
    let exported = Account::admin(folder, &["root-log", "export", root.to_str().expect("a path")]);
    let written = fs::read_to_string(&root).expect("written");
    assert_eq!(exported["entries"].as_u64(), u64::try_from(written.lines().count()).ok());
    fs::write(folder.join("late.jsonl"), account.get("/v1/audit/export")).expect("written");

    let enclave_key = told(&["log-key", "--root", "--enclave"], "key").expect("a key");
    let by_others = ["--enclave-key", &enclave_key, "--witness-key", &witness.key];
    let (is_well, text) = verified(folder, "root", &key, &by_others);
    assert!(is_well && text.contains(NAME), "{text}");
    let named = ["--root-log", "root.jsonl"];
    let (is_well, text) = verified(folder, "late", &account.log_key(), &named);
    assert!(is_well && text.contains("The root log names"), "{text}");
    assert!(verified(folder, "early", &account.log_key(), &[]).0, "by itself it holds");
    let (is_well, text) = verified(folder, "early", &account.log_key(), &named);
    assert!(!is_well && text.contains("the root log names a checkpoint of it over more"), "{text}");
    let (is_well, text) = verified(folder, "late", &account.log_key(), &["--root-log", "late.jsonl"]);
    assert!(!is_well && text.contains("in the root log, entry 1"), "{text}");
    installation.stop();
}

/// Whether the command finds an export as its checkpoint and these say, and its words.
fn verified(folder: &Path, name: &str, key: &str, more: &[&str]) -> (bool, String) {
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder).args(["audit", "verify", &format!("{name}.jsonl"), &format!("{name}.txt")]);
    let said = command.args(["--key", key]).args(more).output().expect("it runs");
    (said.status.success(), String::from_utf8(said.stdout).expect("text"))
}
