//! One installation whose root key lies with holders: its enclave and its server, each a process that can be ended alone.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use client::Client;
use serde_json::Value;

use crate::rig::group::{Group, PROGRAM, wait_for};
use crate::rig::holders::{Person, ceremony, fed, told};

/// Whoever is not there by then never will be.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// The processes, and where they are.
pub struct House {
    pub folder: tempfile::TempDir,
    group: Group,
    enclave: Option<Child>,
    pub server: Option<Child>,
    address: String,
    /// What the settings say besides.
    pub more: String,
    /// Where the enclave is told its root key is.
    pub root: &'static str,
    /// By what it knows an offline enclave.
    pub offline_key: Option<PathBuf>,
}

impl House {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("data")).expect("a folder");
        let provider =
            "name=simulator\nformat=persona\nsecret=73696d756c61746f722d73696d756c61746f72\nenv=sandbox\n";
        fs::write(folder.path().join("provider"), provider).expect("a file");
        Self {
            folder,
            group: Group::new(),
            enclave: None,
            server: None,
            address: String::new(),
            more: String::new(),
            root: "shares",
            offline_key: None,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn socket(&self) -> PathBuf {
        self.path("enclave.sock")
    }

    pub fn start_enclave(&mut self) {
        self.end_enclave();
        let mut command = Command::new(PROGRAM);
        command.args([
            "enclave",
            "serve",
            "--env",
            "sandbox",
            "--root",
            self.root,
            "--end-with-stdin",
            "--socket",
        ]);
        command.arg(self.socket()).arg("--state").arg(self.path("state"));
        command.arg("--provider").arg(self.path("provider")).stdin(Stdio::piped());
        if let Some(key) = &self.offline_key {
            command.arg("--offline-key").arg(key);
        }
        self.enclave = Some(self.group.start(&mut command, &self.path("enclave.log")));
        wait_for("the enclave", PATIENCE, || UnixStream::connect(self.socket()).ok());
    }

    /// The enclave's process.
    pub fn enclave(&self) -> u32 {
        self.enclave.as_ref().expect("an enclave").id()
    }

    pub fn end_enclave(&mut self) {
        if let Some(mut enclave) = self.enclave.take() {
            enclave.kill().expect("a child");
            enclave.wait().expect("a child");
        }
    }

    /// Writes down how the server finds all of it.
    pub fn write_settings(&self) {
        let settings = format!(
            "environment = 'sandbox'\nlisten = '127.0.0.1:0'\ndata_dir = '{}'\nenclave_socket = '{}'\n\
             simulator_file = '{}'\n[pool]\nrsa4096 = 2\nsecp256k1 = 1\ned25519 = 1\n[metrics]\nlisten = ''\n{}",
            self.path("data").display(),
            self.socket().display(),
            self.path("provider").display(),
            self.more,
        );
        fs::write(self.path("holdfast.toml"), settings).expect("the settings");
    }

    pub fn start_server(&mut self) {
        self.write_settings();
        // The log goes on where a server before this one ended.
        let log = self.path("server.log");
        let listening = || {
            let log = fs::read_to_string(&log).unwrap_or_default();
            log.lines().filter(|line| line.contains("\"listening\"")).map(str::to_owned).collect::<Vec<_>>()
        };
        let before = listening().len();
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--config"]).arg(self.path("holdfast.toml")).stdin(Stdio::null());
        // As much as it can tell, so that what must not be told would be.
        command.env("RUST_LOG", "trace");
        self.server = Some(self.group.start(&mut command, &log));
        self.address = wait_for("the server", PATIENCE, || {
            let line: Value =
                listening().iter().skip(before).find_map(|line| serde_json::from_str(line).ok())?;
            Some(line["fields"]["address"].as_str()?.to_owned())
        });
    }

    /// Status line, headers and body of a GET, as curl would show them.
    pub fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("the server listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    pub fn client(&self) -> Client {
        self.client_of(&self.api_key())
    }

    /// Of a tenant that is made for it.
    pub fn api_key(&self) -> String {
        self.api_key_of("retail", "retail")
    }

    /// Of a tenant of this kind, for what these scopes name.
    pub fn api_key_of(&self, kind: &str, scopes: &str) -> String {
        let tenant = self.admin(&["tenant", "create", "--name", "a", "--kind", kind]);
        let id = tenant["id"].as_str().expect("an id");
        let made = ["credential", "create", "--tenant", id, "--name", "k", "--scopes", scopes];
        self.admin(&made)["api_key"].as_str().expect("a key").to_owned()
    }

    /// Where the server listens now.
    pub fn client_of(&self, api_key: &str) -> Client {
        Client::new(&format!("http://{}", self.address), api_key).expect("a client")
    }

    fn admin(&self, words: &[&str]) -> Value {
        let mut command = Command::new(PROGRAM);
        command.args(["admin", "--json", "--config"]).arg(self.path("holdfast.toml")).args(words);
        told(&fed(&mut command, b"")).expect("admin does it")
    }

    pub fn status(&self) -> Value {
        ceremony(&["status"], &self.socket(), b"").expect("a status")
    }

    pub fn unseal(&self, share: &[u8]) -> Result<Value, String> {
        ceremony(&["unseal", "--share", "-"], &self.socket(), share)
    }

    /// Makes shares for these people, and returns what each reads in his.
    pub fn init(&self, people: &[Person], out: &str) -> Vec<Vec<u8>> {
        let out = self.path(out);
        ceremony(&words("init", people, &["--out", out.to_str().expect("text")]), &self.socket(), b"")
            .expect("shares");
        read_shares(people, &out)
    }
}

/// A deed's words, among these people.
pub fn words<'a>(deed: &'a str, people: &'a [Person], more: &[&'a str]) -> Vec<&'a str> {
    let holders = people.iter().flat_map(|person| ["--holder", person.certificate.to_str().expect("text")]);
    [deed].into_iter().chain(holders).chain(more.iter().copied()).collect()
}

/// What each reads in his share.
pub fn read_shares(people: &[Person], out: &Path) -> Vec<Vec<u8>> {
    (1..)
        .zip(people)
        .map(|(number, person)| person.decrypt(&out.join(format!("share-{number}.asc"))))
        .collect()
}

/// As many as there are by default.
pub fn five() -> Vec<Person> {
    (0..5).map(|_| Person::new()).collect()
}
