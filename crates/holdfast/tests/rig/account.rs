//! An account of an installation, and whoever administers that.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::chance::{Chance, seed};
use crate::rig::group::PROGRAM;
use crate::rig::installation::{Installation, Setup, data_dir};

/// A service that was not started yet, over this database; empty: `SQLite`.
pub fn install(folder: &Path, database: &str) -> Installation {
    let seed = seed();
    println!("HOLDFAST_SEED={seed}");
    let installation = Installation::new(&Setup { folder, database, rsa_keys: 0 }, &mut Chance::of(seed));
    let data = data_dir(folder);
    fs::create_dir_all(data.join("enclave")).expect("a folder");
    let provider = format!("name=simulator\nformat=persona\nsecret={}\nenv=sandbox\n", "0a".repeat(32));
    let path = data.join("simulator.provider");
    fs::write(&path, provider).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
    installation
}

/// An account of an installation.
pub struct Account {
    pub folder: PathBuf,
    pub base_url: String,
    pub tenant: String,
    pub api_key: String,
}

impl Account {
    pub fn admin(folder: &Path, args: &[&str]) -> Value {
        let mut command = Command::new(PROGRAM);
        command.args(["admin", "--json", "--config"]).arg(folder.join("holdfast.toml")).args(args);
        let said = command.output().expect("it runs");
        assert!(said.status.success(), "{said:?}");
        serde_json::from_slice(&said.stdout).expect("JSON")
    }

    pub fn new(folder: &Path, base_url: String) -> Self {
        let made = Self::admin(folder, &["tenant", "create", "--name", "Example", "--kind", "partner"]);
        let tenant = made["id"].as_str().expect("an id").to_owned();
        let scopes = ["--name", "first", "--scopes", "partner,audit,credentials"];
        let made =
            Self::admin(folder, &[&["credential", "create", "--tenant", &tenant][..], &scopes].concat());
        let api_key = made["api_key"].as_str().expect("a key").to_owned();
        Self { folder: folder.to_owned(), base_url, tenant, api_key }
    }

    pub fn log_key(&self) -> String {
        let told = Self::admin(&self.folder, &["log-key", "--tenant", &self.tenant]);
        told["key"].as_str().expect("a key").to_owned()
    }

    /// The status and the text of an answer.
    pub fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, String) {
        let call = reqwest::Client::new().request(method, format!("{}{path}", self.base_url));
        let call = call.header("x-api-key", &self.api_key);
        let call = body.into_iter().fold(call, reqwest::RequestBuilder::json);
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let answer = call.send().await.expect("an answer");
            (answer.status().as_u16(), answer.text().await.expect("text"))
        })
    }

    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> String {
        let (status, text) = self.ask(method, path, body);
        assert!((200..300).contains(&status), "{path}: {status}: {text}");
        text
    }

    pub fn get(&self, path: &str) -> String {
        self.call(Method::GET, path, None)
    }

    /// Writes an entry.
    pub fn act(&self, name: &str) {
        self.call(Method::POST, "/v1/credentials", Some(&json!({"name": name, "scopes": ["audit"]})));
    }
}
