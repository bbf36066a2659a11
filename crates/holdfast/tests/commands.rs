//! The real program, as an integrator and a customer use it: keys, backups, recoveries, webhooks, receipts.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use client::Client;
use client::api::retail::{SimulateRequest, StartRequest};
use client::api::sandbox::Credentials;
use client::api::stored::KeyList;
use serde_json::Value;

use crate::rig::group::{Group, PROGRAM, wait_for};
use crate::rig::served::start;

mod rig {
    pub mod group;
    pub mod served;
}

/// The checks of a sandbox wait for nobody.
const PATIENCE: Duration = Duration::from_mins(1);
/// What fits into one ciphertext, and what just does not.
const SIZES: [(usize, &str); 5] = [(0, "oaep"), (445, "oaep"), (446, "oaep"), (447, "jwe"), (470, "jwe")];

struct Desk {
    folder: tempfile::TempDir,
    credentials: Credentials,
}

impl Desk {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn api_key(&self, kind: &str) -> &str {
        let tenant = self.credentials.tenants.iter().find(|tenant| tenant.kind == kind);
        &tenant.expect("a tenant").api_keys.full
    }

    fn client(&self, kind: &str) -> Client {
        Client::new(&self.credentials.base_url, self.api_key(kind)).expect("a client")
    }

    fn command(&self, kind: &str, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words).current_dir(self.folder.path()).stdin(Stdio::null());
        command
            .env("HOLDFAST_BASE_URL", &self.credentials.base_url)
            .env("HOLDFAST_API_KEY", self.api_key(kind));
        command.env("HOLDFAST_RECEIPTS", self.path("receipts"));
        command
    }

    /// Again while no key is in stock: a sandbox makes them one by one.
    fn runs(&self, kind: &str, words: &[&str]) -> Output {
        wait_for("a key", PATIENCE, || {
            let output = self.command(kind, words).output().expect("the program runs");
            let is_empty = String::from_utf8_lossy(&output.stderr).contains("pool-empty");
            (!is_empty).then_some(output)
        })
    }

    /// What it prints for programs.
    fn does(&self, kind: &str, words: &[&str]) -> Vec<Value> {
        events(&self.runs(kind, &[words, &["--json"]].concat()), words)
    }

    /// What it says when it ends with that number.
    fn fails(&self, kind: &str, exit: i32, words: &[&str]) -> String {
        let output = self.runs(kind, words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(exit), "{words:?}: {said}");
        said
    }
}

fn events(output: &Output, words: &[&str]) -> Vec<Value> {
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout.clone()).expect("text");
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn event<'a>(events: &'a [Value], name: &str) -> &'a Value {
    events.iter().find(|event| event["event"] == name).expect("an event")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().expect("a text")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

const ASSIGN: [&str; 8] = ["keys", "assign", "--environment", "HOT", "--customer", "c1", "--package", "p1"];

#[tokio::test(flavor = "multi_thread")]
async fn what_a_customer_does_from_the_first_key_to_the_recovery() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new();
    let (mut server, credentials) = start(&group, &folder.path().join("."));
    let desk = Desk { folder, credentials };
    keys_are_assigned_renewed_and_proven(&desk).await;
    secrets_of_every_size_are_stored(&desk);
    nothing_is_done_when_its_receipt_cannot_be_kept(&desk).await;
    a_wallet_recovers(&desk).await;
    events_are_received_and_the_endpoint_goes(&desk).await;
    mistakes_have_a_number_and_a_next_step(&desk);
    server.kill().expect("an end");
    server.wait().expect("an end");
}

async fn keys_are_assigned_renewed_and_proven(desk: &Desk) {
    let assigned = desk.does("partner", &[&ASSIGN[..], &["--user", "anna"]].concat());
    let key_id = text(event(&assigned, "key"), "key_id").to_owned();
    let receipt = PathBuf::from(text(event(&assigned, "receipt"), "file"));
    assert_eq!((mode(&receipt), mode(receipt.parent().expect("a folder"))), (0o600, 0o700));
    let kept: Value = serde_json::from_slice(&fs::read(&receipt).expect("a receipt")).expect("JSON");
    assert_eq!(
        (text(&kept, "key_id"), text(&kept, "user_identifier"), text(&kept, "key_environment")),
        (key_id.as_str(), "anna", "HOT")
    );
    assert_eq!(kept["signing_key"]["kid"], kept["attestation"]["kid"]);

    // The receipt proves the key with nothing but the signing key; a changed one does not, and neither does another's.
    let pem = desk.client("partner").verification_key_pem().await.expect("a key");
    fs::write(desk.path("known.pem"), &pem).expect("written");
    let file = receipt.to_str().expect("text");
    let proof = ["keys", "verify", "--receipt", file, "--verification-key", "known.pem"];
    let mut offline = desk.command("partner", &[&proof[..], &["--json"]].concat());
    let verified = events(&offline.env_remove("HOLDFAST_BASE_URL").output().expect("it runs"), &proof);
    assert_eq!(text(event(&verified, "verified"), "key_id"), key_id);
    let changed = fs::read_to_string(&receipt)
        .expect("text")
        .replace("\"customer_id\": \"c1\"", "\"customer_id\": \"c2\"");
    fs::write(desk.path("changed.json"), changed).expect("written");
    let changed = ["keys", "verify", "--receipt", "changed.json", "--verification-key", "known.pem"];
    assert!(desk.fails("partner", 5, &changed).contains("external_customer_id"));
    fs::write(desk.path("other.pem"), other_signing_key()).expect("written");
    let other = ["keys", "verify", "--receipt", file, "--verification-key", "other.pem"];
    assert!(desk.fails("partner", 5, &other).contains("none of the service's"));
    let other = [&ASSIGN[..], &["--user", "mallory", "--verification-key", "other.pem"]].concat();
    assert!(desk.fails("partner", 5, &other).contains("not to be used"), "a signature by another enclave");

    let asked = desk.fails("partner", 2, &["keys", "rotate", &key_id]);
    assert!(asked.contains("--yes"), "nobody is asked where there is no terminal: {asked}");
    let rotated = desk.does("partner", &["keys", "rotate", &key_id, "--yes"]);
    assert_eq!(text(event(&rotated, "key"), "supersedes"), key_id);
    let listed = desk.does("partner", &["keys", "list", "--user", "anna"]);
    assert_eq!(listed.iter().map(|key| text(key, "status")).collect::<Vec<_>>(), ["active", "superseded"]);
    let shown = desk.does("partner", &["keys", "show", &key_id, "--keep"]);
    assert_eq!(event(&shown, "receipt")["file"], file, "a lost receipt is made again");
    desk.does("partner", &["keys", "verify", &key_id]);
}

/// The signing key of the test vectors, which is no service's.
fn other_signing_key() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/keys.json");
    let keys: Value = serde_json::from_slice(&fs::read(path).expect("vectors")).expect("JSON");
    text(&keys["signing_key"], "pem").to_owned()
}

fn secrets_of_every_size_are_stored(desk: &Desk) {
    let address = ["--user", "berta", "--environment", "HOT", "--customer", "c1", "--package", "p1"];
    for (size, form) in SIZES {
        fs::write(desk.path("secret"), vec![7; size]).expect("written");
        let words = [&["backup", "data", "--secret-file", "secret"], &address[..]].concat();
        let stored = desk.does("partner", &words);
        assert_eq!(text(event(&stored, "backup"), "form"), form, "{size}");
        let receipt = PathBuf::from(text(event(&stored, "receipt"), "file"));
        let kept: Value = serde_json::from_slice(&fs::read(&receipt).expect("a receipt")).expect("JSON");
        assert_eq!((mode(&receipt), text(&kept, "form")), (0o600, form));
    }
    let key_id = text(&desk.does("partner", &["keys", "list", "--user", "berta"])[0], "key_id").to_owned();
    for (bytes, exit) in [(10 * 1024 * 1024, 0), (10 * 1024 * 1024 + 1, 2)] {
        fs::write(desk.path("file"), vec![7; bytes]).expect("written");
        desk.fails("partner", exit, &["backup", "file", "file", "--key-id", &key_id]);
    }
    let large = [&["backup", "data", "--secret-file", "file"], &address[..]].concat();
    assert!(desk.fails("partner", 2, &large).contains("backup file"));
    let cold = ["backup", "data", "--secret-file", "secret", "--user", "berta", "--environment", "COLD"];
    let cold = [&cold[..], &["--customer", "c1", "--package", "p1"]].concat();
    assert!(desk.fails("partner", 5, &cold).contains("asked for was COLD"));
}

async fn nothing_is_done_when_its_receipt_cannot_be_kept(desk: &Desk) {
    // A disk of four pages, in a world of the program's own.
    let words = [&[PROGRAM], &ASSIGN[..], &["--user", "dora", "--receipts", "/mnt"]].concat();
    let script = format!("mount -t tmpfs -o size=16k tmpfs /mnt && {}", words.join(" "));
    let mut unshare = desk.command("partner", &[]);
    let environment: Vec<_> =
        unshare.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
    unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
    unshare.envs(environment.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let output = unshare.output().expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("No space left") && said.contains("nothing was done"), "{said}");
    let filter = KeyList { user_identifier: Some("dora".into()), ..KeyList::default() };
    assert!(desk.client("partner").partner().list_keys(&filter).await.expect("keys").data.is_empty());
}

async fn a_wallet_recovers(desk: &Desk) {
    let client = desk.client("retail");
    let request = StartRequest { user_identifier: "ada".into(), gpg_fingerprint: None };
    let enrolment =
        client.retail().start_verification_with(&request, "approve_inquiry").await.expect("a check");
    fs::write(desk.path("words"), "twelve words").expect("written");
    let verification = enrolment.verification_id.as_str();
    let store = ["backup", "data", "--user", "ada", "--verification", verification, "--name", "mnemonic"];
    desk.does("retail", &[&store[..], &["--secret-file", "words"]].concat());

    let recover = ["recover", "--user", "ada", "--out", "back", "--json"];
    let mut running = Running::of(desk.command("retail", &recover));
    let begun = running.next();
    let verification = text(&begun, "verification_id").to_owned();
    assert!(text(&begun, "identity_url").ends_with(&format!("/identity/{verification}")), "{begun}");
    let approve = SimulateRequest { verification_id: verification.clone(), action: "approve_inquiry".into() };
    client.retail().simulate(&approve).await.expect("approved");
    assert_eq!(text(&running.next(), "name"), "mnemonic");
    assert_eq!(running.end(), Some(0));
    let back = desk.path("back/mnemonic");
    assert_eq!((fs::read(&back).expect("a secret"), mode(&back)), (b"twelve words".to_vec(), 0o600));
    assert_eq!(mode(&desk.path("back/device-key.asc")), 0o600);

    let again = ["recover", "--user", "ada", "--verification", &verification, "--out"];
    desk.does("retail", &[&again[..], &["back"]].concat());
    assert!(desk.fails("retail", 3, &[&again[..], &["elsewhere"]].concat()).contains("gpg_public_key"));

    let declined =
        client.retail().start_verification_with(&request, "decline_inquiry").await.expect("a check");
    let declined =
        ["recover", "--user", "ada", "--verification", &declined.verification_id, "--out", "never"];
    assert!(desk.fails("retail", 7, &declined).contains("declined"));
}

async fn events_are_received_and_the_endpoint_goes(desk: &Desk) {
    let client = desk.client("retail");
    let first = client::Paging::default();
    let count = async || client.webhooks().list(&first).await.expect("endpoints").data.len();
    let mut running = Running::of(desk.command("retail", &["webhooks", "listen", "--test", "--json"]));
    let begun = running.next();
    let forged = Command::new("curl")
        .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-d", "{}", "-H"])
        .args([&format!("Coincover-Signature: t=1,v1={}", "0".repeat(64)), text(&begun, "url")])
        .output();
    assert_eq!(forged.expect("curl runs").stdout, b"400");
    let arrived = [running.next(), running.next()];
    assert_eq!(text(event(&arrived, "event"), "event"), "event");
    assert_eq!(event(&arrived, "event")["body"]["type"], "webhook.test");
    assert_eq!(event(&arrived, "not-genuine")["code"], "webhook-signature");
    assert_eq!(count().await, 1);
    let pid = running.child.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().expect("kill runs").success());
    assert_eq!(text(&running.next(), "event"), "removed");
    assert_eq!(running.end(), Some(0));
    assert_eq!(count().await, 0, "nothing stays behind");
}

fn mistakes_have_a_number_and_a_next_step(desk: &Desk) {
    let assign = [&ASSIGN[..], &["--user", "berta"]].concat();
    assert!(desk.fails("partner", 3, &assign).contains("next: the user has a key already"));
    assert!(desk.fails("retail", 3, &["keys", "list"]).contains("next: "));
    assert!(
        desk.fails("partner", 2, &["keys", "list", "--base-url", "https://h/v1"]).contains("leave /v1 out")
    );
    assert!(
        desk.fails("partner", 4, &["keys", "list", "--base-url", "http://127.0.0.1:1"])
            .contains("no connection")
    );
    assert!(desk.fails("partner", 6, &["keys", "list", "--credential-file", "none"]).contains("none"));
    let mut bare = desk.command("partner", &["keys", "list"]);
    let output = bare.env_remove("HOLDFAST_API_KEY").output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--credential-file"));
    let failed = desk.runs("retail", &["keys", "list", "--json"]);
    let failed: Value = serde_json::from_slice(&failed.stdout).expect("JSON");
    assert_eq!((text(&failed, "event"), text(&failed, "code")), ("failed", "scope-missing"));
    assert_eq!(failed["exit_code"], 3);
}

/// What is typed there stands on the screen, and in what the terminal keeps of it.
#[test]
fn a_secret_is_not_typed_on_a_terminal() {
    let address = "--base-url http://127.0.0.1:1 --user anna --environment HOT --customer c1 --package p1";
    let words = format!("'{PROGRAM}' backup data {address}");
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &words, "/dev/null"]).env("HOLDFAST_API_KEY", "none");
    let output = command.stdin(Stdio::null()).output().expect("script runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(2) && said.contains("give --secret-file"), "{output:?}");
}

/// A command that runs on, read line by line.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("an output")).lines();
        Self { child, lines }
    }

    fn next(&mut self) -> Value {
        let line = self.lines.next().expect("a line").expect("text");
        serde_json::from_str(&line).expect("JSON")
    }

    fn end(mut self) -> Option<i32> {
        let status = wait_for("the end", PATIENCE, || self.child.try_wait().expect("a child"));
        status.code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Whatever failed: nothing stays behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
