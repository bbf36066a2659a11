//! The sample wallet, as somebody tries it out: words are made, backed up, lost with the phone, and brought back.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use reqwest::Response;
use serde_json::{Value, json};

use super::stage::look_at;
use crate::rig::browser::{Browser, Driver};
use crate::rig::sandbox::Sandbox;
use crate::rig::typescript;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/wallet");

/// The wallet's backend; it ends with the value.
struct Backend {
    child: Child,
    url: String,
}

impl Backend {
    /// Builds the wallet in a folder of its own, and starts it on a free port.
    fn start(folder: &Path) -> Self {
        let wallet = folder.join("wallet");
        copy(Path::new(SOURCE), &wallet, &["package.json", "tsconfig.json"]);
        copy(&Path::new(SOURCE).join("src"), &wallet.join("src"), &[]);
        copy(&Path::new(SOURCE).join("src/page"), &wallet.join("src/page"), &[]);
        typescript::compile(&wallet, &[]);
        let mut child = Command::new("node")
            .arg("dist/server.js")
            .arg(folder.join("credentials.json"))
            .current_dir(&wallet)
            .env("PORT", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs");
        let mut said = BufReader::new(child.stdout.take().expect("it has an output")).lines();
        let line = said.next().expect("it says where it is").expect("text");
        let url = line.strip_prefix("the wallet is at ").expect("an address").to_owned();
        Self { child, url }
    }

    /// A call as the page makes it, with a session's token.
    async fn post(&self, token: &str, path: &str, body: &Value) -> Response {
        let url = format!("{}service{path}", self.url);
        reqwest::Client::new().post(url).bearer_auth(token).json(body).send().await.expect("an answer")
    }

    /// How a session is answered that asks for the state of a check.
    async fn asks_for(&self, token: &str, check: &str) -> u16 {
        let url = format!("{}service/v1/verification/status?verification_id={check}", self.url);
        let answer = reqwest::Client::new().get(url).bearer_auth(token).send().await;
        answer.expect("an answer").status().as_u16()
    }

    async fn sign_in(&self, name: &str) -> String {
        let call = reqwest::Client::new().post(format!("{}session", self.url)).json(&json!({ "user": name }));
        let answer: Value = call.send().await.expect("an answer").json().await.expect("JSON");
        answer["token"].as_str().expect("a token").to_owned()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Copies a folder's files: those named, or all where none is.
fn copy(from: &Path, to: &Path, names: &[&str]) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path: PathBuf = entry.expect("a file").path();
        let name = path.file_name().expect("a name");
        if path.is_file() && (names.is_empty() || names.iter().any(|known| name == *known)) {
            fs::copy(&path, to.join(name)).expect("a copy");
        }
    }
}

/// The person passes the check that the page waits for.
async fn prove(browser: &Browser, sandbox: &Sandbox) {
    let check = browser.run("return document.querySelector('#prove').href.split('/').pop()").await;
    let body = json!({ "verification_id": check, "action": "approve_inquiry" });
    sandbox.post("retail", "/v1/verification/simulate", &body).await;
}

async fn words(browser: &Browser) -> Vec<String> {
    let found =
        browser.run("return [...document.querySelectorAll('.words li')].map(e => e.textContent)").await;
    serde_json::from_value(found).expect("words")
}

#[tokio::test]
async fn the_sample_wallet_brings_the_words_back_to_a_new_phone() {
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = Sandbox::start(folder.path());
    let backend = Backend::start(folder.path());
    let driver = Driver::start();
    let browser = driver.browser().await;
    browser.go(&backend.url).await;
    look_at(&browser, "wallet-welcome").await;
    browser.fill("#name", "Ada").await;
    browser.press("Make my words").await;
    browser.wait_for("Your twelve words").await;
    look_at(&browser, "wallet-words").await;
    let made = words(&browser).await;
    assert_eq!(made.len(), 12);

    browser.press("Back them up").await;
    browser.wait_for("A page opens").await;
    look_at(&browser, "wallet-check").await;
    prove(&browser, &sandbox).await;
    browser.wait_for("Backed up").await;
    look_at(&browser, "wallet-kept").await;
    browser.press("Drop the phone").await;
    browser.wait_for("Nothing is here").await;
    assert_eq!(words(&browser).await, [""; 0]);
    look_at(&browser, "wallet-new-phone").await;

    browser.press("Get my words back").await;
    browser.wait_for("A page opens").await;
    prove(&browser, &sandbox).await;
    browser.wait_for("Your twelve words are back").await;
    look_at(&browser, "wallet-back").await;
    assert_eq!(words(&browser).await, made);
    let told = browser.text().await;
    for call in ["/v1/backup/store → 200", "/v1/backup/recover → 200", "/.well-known/jwks.json → 200"] {
        assert!(told.contains(call), "{call} is missing in {told}");
    }
}

#[tokio::test]
async fn the_sample_wallets_backend_lets_through_what_is_the_users_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let _sandbox = Sandbox::start(folder.path());
    let backend = Backend::start(folder.path());
    let (ada, eve) = (backend.sign_in("Ada").await, backend.sign_in("Eve").await);
    let start = "/v1/verification/start";
    let own = json!({ "user_identifier": "wallet:ada" });
    let started = backend.post(&ada, start, &own).await;
    assert_eq!(started.status().as_u16(), 200);
    let started: Value = started.json().await.expect("JSON");
    let check = started["verification_id"].as_str().expect("a check");
    for token in ["", "invented"] {
        assert_eq!(backend.post(token, start, &own).await.status().as_u16(), 401, "{token:?}");
    }
    for (path, body) in [
        (start, json!({ "user_identifier": "wallet:eve" })),
        (start, json!({})),
        ("/v1/backup/recover", json!({ "user_identifier": "wallet:eve" })),
        ("/v1/verification/simulate", own.clone()),
        ("/v1/sandbox/reset", own.clone()),
        ("/v1/webhooks", own.clone()),
    ] {
        assert_eq!(backend.post(&ada, path, &body).await.status().as_u16(), 403, "{path} {body}");
    }
    assert_eq!([backend.asks_for(&ada, check).await, backend.asks_for(&eve, check).await], [200, 403]);
}
