//! The service as several processes over one database, and its schema brought up to date by a command of its own, seen
//! from outside.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use client::Client;
use cluster::Cluster;
use serde_json::Value;

use crate::rig::group::{Group, PROGRAM, wait_for};

mod rig {
    pub mod group;
}

/// Whoever is not there by then never will be.
const PATIENCE: Duration = Duration::from_mins(2);
const UP_TO_DATE: i32 = 0;
const FAILED: i32 = 1;
/// The enclave or another part is away.
const UNAVAILABLE: i32 = 4;
/// Steps of the schema are missing, or rows are not as the service wrote them.
const NOT_AS_IT_SHOULD_BE: i32 = 5;

/// The machine of one installation: an enclave, a database, and a folder for each process of the server.
struct Site {
    folder: tempfile::TempDir,
    group: Group,
    database: Cluster,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let provider =
            "name=simulator\nformat=persona\nsecret=73696d756c61746f722d73696d756c61746f72\nenv=sandbox\n";
        let file = folder.path().join("provider");
        fs::write(&file, provider).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a mode");
        Self { folder, group: Group::new(), database: Cluster::start() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start_enclave(&self) -> Child {
        let mut command = Command::new(PROGRAM);
        command.args(["enclave", "serve", "--env", "sandbox", "--end-with-stdin", "--socket"]);
        command.arg(self.path("enclave.sock")).arg("--state").arg(self.path("state"));
        command.arg("--provider").arg(self.path("provider")).stdin(Stdio::piped());
        self.group.start(&mut command, &self.path("enclave.log"))
    }

    /// The settings of one process, with the keys of the others.
    fn settings(&self, name: &str) -> PathBuf {
        let data = self.path(name);
        if !data.exists() {
            fs::create_dir(&data).expect("a folder");
            let others = self.path("one").join("server.keys");
            if others.exists() {
                fs::copy(&others, data.join("server.keys")).expect("the same keys");
            }
        }
        let settings = format!(
            "environment = 'sandbox'\nlisten = '127.0.0.1:0'\ndata_dir = '{}'\nenclave_socket = '{}'\n\
             database = '{}'\nsimulator_file = '{}'\n[pool]\nrsa4096 = 0\nsecp256k1 = 0\ned25519 = 2\n\
             [metrics]\nlisten = ''\n",
            data.display(),
            self.path("enclave.sock").display(),
            self.database.address(),
            self.path("provider").display(),
        );
        let path = self.path(&format!("{name}.toml"));
        fs::write(&path, settings).expect("the settings");
        path
    }

    fn command(&self, words: &[&str], name: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words).arg("--config").arg(self.settings(name));
        command.stdin(Stdio::null()).env_remove("RUST_LOG");
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words, "one").output().expect("the program runs")
    }

    /// Starts a process and waits for the line that says so.
    fn start(&self, words: &[&str], name: &str, says: &str) -> (Child, Value) {
        let log = self.path(&format!("{name}.log"));
        let child = self.group.start(&mut self.command(words, name), &log);
        let line = wait_for(says, PATIENCE, || line_with(&log, says));
        (child, line)
    }
}

fn line_with(log: &Path, word: &str) -> Option<Value> {
    let text = fs::read_to_string(log).ok()?;
    let mut lines = text.lines().filter(|line| line.contains(&format!("\"message\":\"{word}\"")));
    lines.find_map(|line| serde_json::from_str(line).ok())
}

fn end(mut child: Child) {
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(told.expect("kill runs").success());
    assert!(child.wait().expect("an end").success());
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).join("\n")
}

/// Takes an Ed25519 key; none in stock.
async fn takes_a_key(client: &Client, user: &str) -> bool {
    let body = serde_json::json!({
        "user_identifier": user, "key_type": "ed25519", "key_environment": "HOT",
        "organisation": { "customer_id": "c" }, "package": { "package_id": "p" },
    });
    match client.partner().assign_key(&serde_json::from_value(body).expect("a request")).await {
        Ok(_) => true,
        Err(error) if error.code() == "pool-empty" => false,
        Err(error) => unreachable!("{error}"),
    }
}

#[tokio::test]
async fn one_process_answers_another_works_and_a_third_made_the_tables() {
    let site = Site::new();
    let mut enclave = site.start_enclave();

    let check = site.run(&["migrate", "--check"]);
    assert_eq!(check.status.code(), Some(NOT_AS_IT_SHOULD_BE), "{}", said(&check));
    assert!(said(&check).contains("0001  ground"), "{}", said(&check));
    let refused = site.run(&["serve", "--no-migrate"]);
    assert_eq!(refused.status.code(), Some(FAILED), "{}", said(&refused));
    assert!(said(&refused).contains("holdfast migrate applies them"), "{}", said(&refused));
    let still = site.run(&["migrate", "--check"]);
    assert_eq!(still.status.code(), Some(NOT_AS_IT_SHOULD_BE), "neither of them changed anything");
    let migrated = site.run(&["migrate", "--json"]);
    assert_eq!(migrated.status.code(), Some(UP_TO_DATE), "{}", said(&migrated));
    let steps = said(&migrated).lines().filter(|line| line.contains("\"applied\":true")).count();
    assert!(steps > 10, "{}", said(&migrated));
    assert_eq!(site.run(&["migrate", "--check"]).status.code(), Some(UP_TO_DATE));

    let (server, line) = site.start(&["serve", "--no-migrate", "--no-work"], "one", "listening");
    let address = line["fields"]["address"].as_str().expect("an address").to_owned();
    let admin = |words: &[&str]| {
        let output = site.run(&[&["admin", "--json"], words].concat());
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let tenant = admin(&["tenant", "create", "--name", "a", "--kind", "partner"]);
    let tenant = tenant["id"].as_str().expect("an id");
    let made = admin(&["credential", "create", "--tenant", tenant, "--name", "k", "--scopes", "partner"]);
    let key = made["api_key"].as_str().expect("a key");
    let client = Client::new(&format!("http://{address}"), key).expect("a client");
    for _ in 0..20 {
        assert!(!takes_a_key(&client, "u").await, "nobody made a key, since nobody works");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let workers = ["two", "three"].map(|name| site.start(&["worker", "--no-migrate"], name, "working").0);
    for user in ["u", "v", "w"] {
        let mut tries = 0;
        while !takes_a_key(&client, user).await {
            tries += 1;
            assert!(
                tries < 300,
                "the workers make no keys: {}",
                fs::read_to_string(site.path("two.log")).unwrap()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    a_doctor_looks_at_it(&site);
    workers.into_iter().for_each(end);
    end(server);
    drop(enclave.stdin.take());
    enclave.wait().expect("an end");
    let away = site.run(&["doctor"]);
    assert_eq!(away.status.code(), Some(UNAVAILABLE), "{}", said(&away));
    assert!(said(&away).contains("FAILURE  enclave: the enclave is away"), "{}", said(&away));
}

/// Of a whole installation it finds nothing, and of one that somebody wrote into what he wrote.
fn a_doctor_looks_at_it(site: &Site) {
    let whole = site.run(&["doctor", "--deep"]);
    assert_eq!(whole.status.code(), Some(UP_TO_DATE), "{}", said(&whole));
    for line in [
        "database = (set; masked)",
        "ok       schema: up to date",
        "ok       file store: keeps, gives back and removes",
        "ok       enclave: sandbox",
        "ok       rows: every row is as the service wrote it",
        "ok       keys: 3 looked at",
        "warning  mail: no mail server is set",
    ] {
        assert!(said(&whole).contains(line), "{line}: {}", said(&whole));
    }
    assert!(!said(&whole).contains(&site.database.address()), "an address may hold a password");
    let edit = "UPDATE api_credentials SET scopes = 'partner credentials'";
    cluster::run(&site.database.address(), edit).expect("a superuser may");
    let found = site.run(&["doctor", "--deep", "--json"]);
    assert_eq!(found.status.code(), Some(NOT_AS_IT_SHOULD_BE), "{}", said(&found));
    let lines: Vec<Value> = said(&found).lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let failures: Vec<_> = lines.iter().filter(|line| line["verdict"] == "failure").collect();
    assert_eq!(failures.len(), 1, "{failures:?}");
    let text = failures[0]["text"].as_str().expect("a text");
    assert!(text.starts_with("api_credentials ") && text.ends_with(": scopes"), "{text}");
    assert!(failures[0]["next"].is_string());
    let undo = "UPDATE api_credentials SET scopes = 'partner'";
    cluster::run(&site.database.address(), undo).expect("a superuser may");
    let keys = site.path("one").join("server.keys");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o644)).expect("a mode");
    let open = site.run(&["doctor"]);
    assert_eq!(open.status.code(), Some(UNAVAILABLE), "{}", said(&open));
    assert!(said(&open).contains("others than its owner may use it"), "{}", said(&open));
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).expect("a mode");
}
