//! Somebody for whom tokens of an account's own issuer spoke is nowhere by name: not in the database, not in exports, not
//! in logs. Once he is erased his salt is not in the database's files either, and the log is verified as before.

#![expect(clippy::panic, reason = "a test may stop at once, in what its functions share too")]

mod rig {
    pub mod group;
    pub mod hex;
    pub mod search;
}

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use client::api::sandbox::Credentials;
use serde_json::{Value, json};

use crate::rig::group::{Group, PROGRAM, wait_for};
use crate::rig::search::Searcher;

/// The first start makes RSA keys.
const START_PATIENCE: Duration = Duration::from_mins(3);
const NAME: &str = "7d1f0c52-6a0e-4f0b-9c55-5b1f3c2ea901";
/// A name that is kept: what looks for the other finds this one.
const USER: &str = "user-1f3c2ea9-that-is-kept-by-name";

/// A sandbox with an issuer, and its settings for the administrator.
struct Stage {
    folder: PathBuf,
    child: Child,
    credentials: Credentials,
    issuer: EcdsaKeyPair,
    _group: Group,
}

impl Stage {
    fn set(folder: &Path) -> Self {
        let (credentials, data) = (folder.join("credentials.json"), folder.join("data"));
        let mut command = Command::new(PROGRAM);
        command.args(["sandbox", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&data);
        command.arg("--credentials").arg(&credentials).env("RUST_LOG", "trace").stdin(Stdio::null());
        let group = Group::new();
        let child = group.start(&mut command, &folder.join("output.txt"));
        let credentials = wait_for("a sandbox", START_PATIENCE, || {
            serde_json::from_slice(&fs::read(&credentials).ok()?).ok()
        });
        let settings = format!("environment = 'sandbox'\ndata_dir = '{}'\n", data.display());
        fs::write(folder.join("holdfast.toml"), settings).expect("written");
        let issuer = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        Self { folder: folder.to_owned(), child, credentials, issuer, _group: group }
    }

    fn call(&self, method: reqwest::Method, path: &str, body: Option<&Value>, token: bool) -> Answer {
        let partner =
            self.credentials.tenants.iter().find(|tenant| tenant.kind == "partner").expect("a partner");
        let call = reqwest::Client::new().request(method, format!("{}{path}", self.credentials.base_url));
        let call = if token {
            call.bearer_auth(self.token())
        } else {
            call.header("x-api-key", &partner.api_keys.full)
        };
        let call = body.into_iter().fold(call, reqwest::RequestBuilder::json);
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let answer = call.send().await.expect("an answer");
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
            Answer(answer.text().await.expect("text"))
        })
    }

    fn get(&self, path: &str) -> Answer {
        self.call(reqwest::Method::GET, path, None, false)
    }

    /// Takes a key in the name of somebody; the tenant's id.
    fn act(&self, user: &str) -> String {
        let body = json!({"user_identifier": user, "key_environment": "HOT",
            "organisation": {"customer_id": "customer-1", "customer_name": "Exempel AB"},
            "package": {"package_id": "package-1", "package_name": "Basic"}});
        self.call(reqwest::Method::POST, "/v1/partner/keys", Some(&body), true);
        let log = self.get("/v1/audit").json();
        log["data"][0]["tenant"].as_str().expect("a tenant").to_owned()
    }

    fn token(&self) -> String {
        #[expect(clippy::disallowed_methods, reason = "the sandbox goes by the machine's clock")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let claims = json!({"iss": "https://login.example.com", "aud": "holdfast", "sub": NAME, "iat": now,
            "exp": now + 600, "type": "ID_TOKEN", "scope": "partner keys audit"});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&json!({"alg": "ES256", "kid": "a"})), part(&claims));
        #[expect(clippy::disallowed_methods, reason = "the library signs with its own chance")]
        let random = aws_lc_rs::rand::SystemRandom::new();
        let signature = self.issuer.sign(&random, text.as_bytes()).expect("signed");
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// Shows the issuer's key on this machine until the test ends, and registers it.
    fn register(&self) {
        let point = self.issuer.public_key().as_ref();
        let half = |at: usize| URL_SAFE_NO_PAD.encode(&point[at..at + 32]);
        let set = json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "a", "x": half(1),
            "y": half(33)}]})
        .to_string();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let uri = format!("http://{}/jwks", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                // The whole request is short, and what it asks for is known.
                let _ = stream.read(&mut [0; 4_096]).expect("a request");
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{set}", set.len());
                stream.write_all(answer.as_bytes()).expect("sent");
            }
        });
        let body = json!({"issuer": "https://login.example.com", "jwks_uri": uri, "audience": "holdfast"});
        self.call(reqwest::Method::PUT, "/v1/auth/issuer", Some(&body), false);
    }

    fn admin(&self, args: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(["admin", "--json", "--config"]).arg(self.folder.join("holdfast.toml")).args(args);
        command.output().expect("it runs")
    }

    fn person(&self, deed: &str, tenant: &str) -> Option<String> {
        let said = self.admin(&["person", deed, "--tenant", tenant, "--subject", NAME]);
        let told: Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
        assert_eq!(said.status.success(), told["actor"].is_string(), "{said:?}");
        told["actor"].as_str().map(str::to_owned)
    }

    /// Checks the whole log, and keeps it and the checkpoint in the folder.
    fn verify(&self, tenant: &str, name: &str, since: Option<&str>) {
        let file = |name: &str| self.folder.join(name);
        let key = self.admin(&["log-key", "--tenant", tenant]);
        let key: Value = serde_json::from_slice(&key.stdout).expect("a key");
        fs::write(file(name), self.get("/v1/audit/checkpoint").0).expect("written");
        fs::write(file("export.jsonl"), self.get("/v1/audit/export").0).expect("written");
        let mut command = Command::new(PROGRAM);
        command.args(["audit", "verify"]).arg(file("export.jsonl")).arg(file(name));
        command.args(["--key", key["key"].as_str().expect("text")]);
        command.args(since.map(|since| format!("--since={}", file(since).display())));
        let said = command.output().expect("it runs");
        assert!(said.status.success(), "{said:?}");
    }

    /// Every file that is there, whoever wrote it.
    fn files(&self) -> Vec<PathBuf> {
        let (mut found, mut folders) = (Vec::new(), vec![self.folder.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let kind = fs::symlink_metadata(&path).map(|data| data.file_type());
                match kind {
                    Ok(kind) if kind.is_dir() => folders.push(path),
                    Ok(kind) if kind.is_file() => found.push(path),
                    // Sockets, and what is gone by now.
                    _ => {}
                }
            }
        }
        found
    }

    fn has(&self, what: &[u8]) -> Vec<PathBuf> {
        let mut searcher = Searcher::new();
        searcher.add("it", what);
        let found = self.files().into_iter().filter(|path| !searcher.in_file(path).is_empty());
        found.collect()
    }

    /// What the database has of him.
    fn salt(&self) -> Vec<u8> {
        let database =
            rusqlite::Connection::open(self.folder.join("data/holdfast.db")).expect("the database");
        database.busy_timeout(Duration::from_secs(10)).expect("patience");
        database.query_row("SELECT salt FROM audit_subjects", [], |row| row.get(0)).expect("one salt")
    }

    fn end(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
        assert!(self.child.wait().expect("an end").success());
    }
}

struct Answer(String);

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.0).expect("JSON")
    }
}

#[test]
fn an_erased_person_is_nowhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stage = Stage::set(folder.path());
    stage.register();
    let tenant = stage.act(USER);
    stage.verify(&tenant, "before.txt", None);
    // The salt is kept, and tells: these entries are his.
    let called = stage.person("find", &tenant).expect("a name");
    let export = fs::read_to_string(stage.folder.join("export.jsonl")).expect("an export");
    assert!(export.contains(&called), "{export}");
    let salt = stage.salt();
    assert!(!stage.has(&salt).is_empty(), "the salt is in the database");
    assert!(!stage.has(USER.as_bytes()).is_empty(), "what is kept by name is found");

    assert_eq!(stage.person("erase", &tenant), Some(called));
    assert_eq!(stage.person("find", &tenant), None);
    assert_eq!(stage.person("erase", &tenant), None, "there is nothing of him any more");
    stage.verify(&tenant, "after.txt", Some("before.txt"));
    let found = stage.has(NAME.as_bytes());
    assert!(found.is_empty(), "while it runs: {found:?}");
    // Its end folds the write-ahead log into the file.
    stage.end();
    for (what, secret) in [("his name", NAME.as_bytes()), ("his salt", &salt)] {
        let found = stage.has(secret);
        assert!(found.is_empty(), "{what}: {found:?}");
    }
    assert!(!stage.has(USER.as_bytes()).is_empty(), "what is kept by name is found");
}
