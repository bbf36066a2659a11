//! What the book's chapter on upgrades says of audit logs, by the program itself: those of an older one stand still until the
//! operator has them sealed, then go on; and what somebody else wrote is not sealed with them.

#![expect(dead_code, reason = "uses its part of the rig")]

mod rig {
    pub mod account;
    pub mod chance;
    pub mod draw;
    pub mod group;
    pub mod hex;
    pub mod installation;
    pub mod rows;
}

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use cluster::Cluster;
use reqwest::Method;
use serde_json::Value;

use crate::rig::account::{Account, install};
use crate::rig::group::{PROGRAM, wait_for};
use crate::rig::installation::data_dir;
use crate::rig::rows::Rows;

const PATIENCE: Duration = Duration::from_mins(1);
const WELL: i32 = 0;
/// Something is not as it should be.
const NOT_WELL: i32 = 4;
/// Whose the root log is.
const ROOT_LOG: &str = "00000000-0000-0000-0000-000000000000";

/// An installation's folder, and its rows past the service.
struct Site<'a> {
    folder: &'a Path,
    rows: Rows,
}

impl Site<'_> {
    /// Writes past the service.
    fn write(&self, statements: &str) {
        match &self.rows {
            Rows::Sqlite(path) => {
                let database = rusqlite::Connection::open(path).expect("the database");
                database.busy_timeout(Duration::from_secs(10)).expect("patience");
                database.execute_batch(statements).expect("it is changed");
            }
            Rows::Postgres(address) => cluster::run(address, statements).expect("it is changed"),
        }
    }

    fn count(&self, of: &str) -> usize {
        self.rows.number(&format!("SELECT count(*) FROM {of}"))
    }

    fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(words).arg("--config").arg(self.folder.join("holdfast.toml")).env_remove("RUST_LOG");
        command.output().expect("it runs")
    }

    /// Has everything sealed that has no seal: how many rows of which tables.
    fn seal(&self) -> Vec<(String, u64)> {
        let said = self.run(&["migrate", "--seal-rows", "--json"]);
        assert_eq!(said.status.code(), Some(WELL), "{said:?}");
        let lines = String::from_utf8(said.stdout).expect("text");
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let sealed = lines.filter(|line| line["event"] == "sealed");
        sealed.map(|line| (text(&line["table"]), line["rows"].as_u64().expect("a number"))).collect()
    }

    /// What the doctor finds wrong with audit logs; it ends as it should.
    fn found(&self) -> Vec<String> {
        let said = self.run(&["doctor", "--json"]);
        let lines = String::from_utf8(said.stdout).expect("text");
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let failures = lines.filter(|line| line["verdict"] == "failure");
        let found: Vec<_> = failures.map(|line| text(&line["text"])).collect();
        assert_eq!(said.status.code(), Some(if found.is_empty() { WELL } else { NOT_WELL }), "{found:?}");
        found
    }

    /// Puts an entry of this id at the end of what waits for a place in a log, with this for a tag.
    fn append(&self, (id, owner, actor): (&str, &str, &str), tag: &str) {
        self.write(&format!(
            "INSERT INTO audit_entries (id, tenant_id, time, actor, actor_type, action, result, request_id, tag) \
             SELECT '01890000-0000-7000-8000-{id}', tenant_id, time, '{actor}', actor_type, action, result, request_id, \
             {tag} FROM audit_entries WHERE tenant_id = '{owner}' AND seq = 1"
        ));
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn entries(account: &Account) -> Vec<Value> {
    let page: Value = serde_json::from_str(&account.get("/v1/audit?limit=200")).expect("JSON");
    page["data"].as_array().expect("a list").clone()
}

fn audit_logs(account: &Account) -> String {
    let ready: Value = serde_json::from_str(&account.get("/readyz")).expect("JSON");
    ready["audit_logs"].as_str().expect("a word").to_owned()
}

/// That nothing of an account's log is given out.
fn stands_still(account: &Account) {
    for path in ["/v1/audit", "/v1/audit/export", "/v1/audit/checkpoint"] {
        let (status, text) = account.ask(Method::GET, path, None);
        assert_eq!(status, 503, "{path}: {text}");
    }
}

fn head_of(owner: &str) -> String {
    format!("the log of {owner}: its head was not written by the service as it is")
}

fn waits(id: &str, owner: &str) -> String {
    format!(
        "audit_entries 01890000-0000-7000-8000-{id} in the log of {owner} waits for its place, and was not written by the \
         service as it is"
    )
}

fn sorted<const N: usize>(mut lines: [String; N]) -> [String; N] {
    lines.sort();
    lines
}

/// Keeps what somebody who watches the log has of it.
fn keep(folder: &Path, account: &Account, name: &str) {
    // The checkpoint first: the export has all that it covers.
    fs::write(folder.join(format!("{name}.txt")), account.get("/v1/audit/checkpoint")).expect("written");
    fs::write(folder.join(format!("{name}.jsonl")), account.get("/v1/audit/export")).expect("written");
}

/// An entry that waits, a head's tag, and from another log the last entry is taken away.
fn somebody_else_writes(site: &Site<'_>, plain: &Account, cut: &Account, forged: &Account) {
    site.append(("00000000000b", &plain.tenant, "nobody"), "entry_hash");
    site.write(&format!("UPDATE audit_heads SET tag = entry_hash WHERE tenant_id = '{}'", forged.tenant));
    let last = format!(
        "FROM audit_entries WHERE tenant_id = '{0}' AND seq = (SELECT seq FROM audit_heads WHERE tenant_id = '{0}')",
        cut.tenant
    );
    site.write(&format!("CREATE TABLE kept AS SELECT * {last}; DELETE {last}"));
}

/// What was sealed goes on, with all that waited, and it is the log that it was.
fn goes_on_as_it_was(folder: &Path, plain: &Account) {
    let log = entries(plain);
    assert!(log.iter().any(|entry| entry["actor"] == "older"), "{log:?}");
    assert!(log.iter().all(|entry| entry["actor"] != "nobody"), "{log:?}");
    assert_eq!(log.len(), before_of(folder) + 2);
    keep(folder, plain, "late");
    let mut verify = Command::new(PROGRAM);
    verify.current_dir(folder).args([
        "audit",
        "verify",
        "late.jsonl",
        "late.txt",
        "--since",
        "early.txt",
        "--key",
    ]);
    let said = verify.arg(plain.log_key()).output().expect("it runs");
    assert!(said.status.success(), "{said:?}");
}

fn logs_go_on_once_they_are_sealed(database: &str) {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = temporary.path();
    let mut installation = install(folder, database);
    let rows = match database {
        "" => Rows::Sqlite(data_dir(folder).join("holdfast.db")),
        address => Rows::Postgres(address.to_owned()),
    };
    let site = Site { folder, rows };
    let [plain, cut, forged] = [(); 3].map(|()| Account::new(folder, installation.base_url()));
    installation.start();
    for account in [&plain, &cut, &forged] {
        for name in ["a", "b", "c"] {
            account.act(name);
        }
        keep(folder, account, "early");
    }
    keep(folder, &plain, "early");
    assert_eq!(audit_logs(&plain), "whole");
    let waiting = "audit_entries WHERE seq IS NULL";
    wait_for("that the logs run empty", PATIENCE, || (site.count(waiting) == 0).then_some(()));
    installation.stop();

    // As the program before left it: no head has a tag, and an entry waits that has none.
    site.write("UPDATE audit_heads SET tag = NULL");
    site.append(("00000000000a", &plain.tenant, "older"), "NULL");
    let numbered = "audit_entries WHERE seq IS NOT NULL";
    let before = site.count(numbered);
    installation.start();
    for account in [&plain, &cut, &forged] {
        stands_still(account);
        account.act("d");
    }
    wait_for("that it is told of", PATIENCE, || (audit_logs(&plain) == "foreign").then_some(()));
    assert_eq!(site.count(numbered), before, "no log grows");
    let heads = [&plain.tenant, &cut.tenant, &forged.tenant, ROOT_LOG].map(head_of);
    let all = [heads.to_vec(), vec![waits("00000000000a", &plain.tenant)]].concat();
    let mut found = site.found();
    found.sort();
    assert_eq!(found, sorted::<5>(all.try_into().expect("five")));

    somebody_else_writes(&site, &plain, &cut, &forged);
    let sealed = [("audit_entries".to_owned(), 1), ("audit_heads".to_owned(), 2)];
    assert_eq!(site.seal(), sealed, "the service runs meanwhile");

    goes_on_as_it_was(folder, &plain);
    // The rest is as it was, and told of.
    for account in [&cut, &forged] {
        stands_still(account);
    }
    assert_eq!(audit_logs(&plain), "foreign");
    let mut found = site.found();
    found.sort();
    let left = [head_of(&cut.tenant), head_of(&forged.tenant), waits("00000000000b", &plain.tenant)];
    assert_eq!(found, sorted(left));
    assert_eq!(site.seal(), [], "nor is it sealed when it is asked for again");

    // Put back as it was, it is sealed like the others.
    site.write(&format!(
        "INSERT INTO audit_entries SELECT * FROM kept; DROP TABLE kept; DELETE FROM audit_entries WHERE actor = 'nobody'; \
         UPDATE audit_heads SET tag = NULL WHERE tenant_id = '{}'",
        forged.tenant
    ));
    assert_eq!(site.seal(), [("audit_heads".to_owned(), 2)]);
    for account in [&cut, &forged] {
        assert_eq!(entries(account).len(), before_of(folder) + 1);
    }
    assert_eq!((audit_logs(&plain).as_str(), site.found()), ("whole", Vec::new()));
    installation.stop();
}

/// How many entries each account's log had.
fn before_of(folder: &Path) -> usize {
    fs::read_to_string(folder.join("early.jsonl")).expect("kept").lines().count()
}

#[test]
fn logs_go_on_once_they_are_sealed_on_sqlite() {
    logs_go_on_once_they_are_sealed("");
}

#[test]
fn logs_go_on_once_they_are_sealed_on_postgres() {
    let cluster = Cluster::start();
    logs_go_on_once_they_are_sealed(&cluster.address());
}
