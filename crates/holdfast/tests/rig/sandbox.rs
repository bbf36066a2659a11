//! The real program as a sandbox, on a free port, with its credentials at hand.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use client::api::sandbox::Credentials;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast");

/// A sandbox that is up; it ends with the value.
pub struct Sandbox {
    pub credentials: Credentials,
    child: Child,
    /// Kept, so that the program can say that it ends.
    _output: BufReader<ChildStdout>,
}

impl Sandbox {
    pub fn start(folder: &Path) -> Self {
        let credentials = folder.join("credentials.json");
        let mut child = Command::new(PROGRAM)
            .args(["sandbox", "--json", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.join("data"))
            .arg("--credentials")
            .arg(&credentials)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut output = BufReader::new(child.stdout.take().expect("it has an output"));
        let mut ready = String::new();
        output.read_line(&mut ready).expect("it says that it is ready");
        let text = fs::read_to_string(credentials).expect("its credentials");
        let credentials = serde_json::from_str(&text).expect("credentials");
        Self { credentials, child, _output: output }
    }

    /// Calls as a tenant with its full key.
    pub async fn post(&self, kind: &str, path: &str, body: &Value) -> Value {
        let tenant = self.credentials.tenants.iter().find(|tenant| tenant.kind == kind).expect("a tenant");
        let url = format!("{}{path}", self.credentials.base_url);
        let sent =
            reqwest::Client::new().post(url).header("X-API-Key", &tenant.api_keys.full).json(body).send();
        let answer = sent.await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.expect("JSON")
    }

    /// Changes a row behind the service's back: time that would have to pass has passed.
    pub fn alter(&self, sql: &str) {
        let path = Path::new(&self.credentials.data_dir).join("holdfast.db");
        let database = rusqlite::Connection::open(path).expect("the database");
        database.busy_timeout(Duration::from_secs(10)).expect("patience");
        assert_eq!(database.execute(sql, []).expect("it is changed"), 1, "{sql}");
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Asked, and not killed: it ends its enclave with it.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
