//! `holdfast conformance`, at the real program: all rows pass on a sandbox, all that do not simulate on a production
//! server, and exactly the right ones fail where answers are altered on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::group::{Group, PROGRAM, wait_for};
use crate::rig::proxy::{self, Passing};
use crate::rig::sandbox::Sandbox;

mod rig {
    pub mod group;
    pub mod proxy;
    #[expect(dead_code, reason = "other tests call it and change its rows")]
    pub mod sandbox;
}

/// The first start makes RSA keys.
const START_PATIENCE: Duration = Duration::from_mins(3);

fn conformance(base_url: &str, folder: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command
        .args(["conformance", "--base-url", base_url, "--credentials"])
        .arg(folder.join("credentials.json"));
    command.args(more).stdin(Stdio::null()).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The rows that a run told of, by name.
fn rows(output: &Output) -> BTreeMap<String, Value> {
    let lines = text(&output.stdout);
    let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let rows = events.filter(|event| event["event"] == "row");
    rows.map(|row| (row["id"].as_str().expect("a name").to_owned(), row)).collect()
}

fn of_verdict<'a>(rows: &'a BTreeMap<String, Value>, verdict: &str) -> BTreeSet<&'a str> {
    rows.iter().filter(|(_, row)| row["verdict"] == verdict).map(|(id, _)| id.as_str()).collect()
}

/// What is about production, and so says nothing about a sandbox.
const ABOUT_PRODUCTION: [&str; 3] =
    ["operations.production.does-not-simulate", "operations.production.override", "webhooks.https"];

#[test]
fn every_row_passes_on_a_sandbox() {
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = Sandbox::start(folder.path());
    let base_url = &sandbox.credentials.base_url;
    let output = conformance(base_url, folder.path(), &["--control", "--json"]);
    let rows = rows(&output);
    let failed: Vec<_> = rows.values().filter(|row| row["verdict"] == "fail").collect();
    assert!(output.status.success() && failed.is_empty(), "{failed:#?}\n{}", text(&output.stderr));
    assert_eq!(of_verdict(&rows, "skip"), ABOUT_PRODUCTION.into());
    assert!(rows.len() > 230, "{}", rows.len());
    for (id, row) in &rows {
        let made = row["calls"].as_array().expect("a list").len();
        assert!(made > 0 || row["verdict"] == "skip", "{id} passed without a call");
    }
    the_other_forms_are_written(base_url, folder.path());
}

fn the_other_forms_are_written(base_url: &str, folder: &Path) {
    let junit = conformance(base_url, folder, &["--junit", "--only", "operations"]);
    assert!(junit.status.success());
    let script = "import sys, xml.dom.minidom as m\n\
        suite = m.parse(sys.stdin.buffer).documentElement\n\
        print(suite.tagName, suite.getAttribute('failures'), len(suite.getElementsByTagName('testcase')),\n\
        \x20     len(suite.getElementsByTagName('skipped')))";
    let file = folder.join("junit.xml");
    fs::write(&file, &junit.stdout).expect("a file");
    let read = fs::File::open(file).expect("a file");
    let parsed = Command::new("python3").args(["-c", script]).stdin(read).output().expect("python runs");
    assert_eq!(text(&parsed.stdout).trim(), "testsuite 0 9 2", "{}", text(&parsed.stderr));

    let told = conformance(base_url, folder, &["--only", "auth.bearer", "--only", "operations.healthz"]);
    let told = text(&told.stdout);
    assert!(told.contains("2 rows: 2 pass, 0 fail, 0 skip"), "{told}");
    let nothing = conformance(base_url, folder, &["--only", "auth.nobody"]);
    assert_eq!(nothing.status.code(), Some(2), "no such row");
    let nobody = conformance("http://127.0.0.1:9", folder, &[]);
    assert_eq!(nobody.status.code(), Some(2), "{}", text(&nobody.stderr));
    assert!(text(&nobody.stderr).contains("does not answer"), "{}", text(&nobody.stderr));
}

/// Takes a member away.
fn without(at: &mut Value, name: &str) -> Option<()> {
    at.as_object_mut()?.remove(name).map(drop)
}

/// What a server would answer that departs from the contract in sixteen ways.
fn plant(passing: &mut Passing) {
    let is = |call: &str| passing.answers(call);
    let status = passing.status;
    if is("POST /v1/backup/store") {
        passing.alter(|body| without(&mut body["metadata"], "stored_at"));
    } else if is("POST /v1/backup/recover") {
        passing.alter(|body| without(body["backup"].get_mut(0)?, "backup_item_key"));
    } else if passing.call.starts_with("GET /v1/verification/status") && status == 404 {
        passing.status = 403;
    } else if passing.call.starts_with("GET /v1/verification/status") {
        passing.alter(|body| (body["status"] == "review").then(|| body["status"] = json!("pending")));
    } else if is("POST /v1/partner/keys") {
        passing.alter(|body| {
            body.get("signed_payload")?;
            body["signed_fields"].as_array_mut()?.reverse();
            let signature = body["signature"].as_str()?.to_owned();
            let turned = if signature.as_bytes()[20] == b'A' { "B" } else { "A" };
            body["signature"] = json!(format!("{}{turned}{}", &signature[..20], &signature[21..]));
            Some(())
        });
    } else if is("POST /v1/keys") && status == 422 {
        passing.status = 409;
    } else if is("POST /v1/keys") {
        passing.drop_header("idempotent-replay");
    } else if is("GET /.well-known/jwks.json") {
        passing.drop_header("cache-control");
    } else if is("POST /v1/partner/secure/file") && status == 413 {
        passing.status = 400;
    } else if is("GET /v1/audit/export") {
        passing.body =
            text(&passing.body).replacen("\"result\":\"ok\"", "\"result\":\"refused\"", 1).into_bytes();
    } else if is("GET /v1/audit?limit=x") {
        passing.drop_header("ratelimit-remaining");
    } else if is("POST /v1/webhooks") {
        passing.alter(|body| {
            let secret = body["secret"].as_str()?.replacen("whsec_", "whsec_AAAA", 1);
            body["secret"] = json!(secret);
            Some(())
        });
    } else if is("GET /v1/partner/backups/x") {
        passing.alter(|body| {
            body["message"] = json!("x is no id");
            Some(())
        });
    } else if passing.call.starts_with("GET /v1/backups/") {
        passing
            .alter(|body| (body["is_backup_valid"] == false).then(|| body["is_backup_valid"] = json!(true)));
    } else if is("POST /v1/sandbox/damage") && status == 400 {
        passing.alter(|body| without(&mut body["errors"], "backup_id"));
    }
    if passing.status == 401 {
        passing.drop_header("www-authenticate");
    }
}

/// The rows that fail by it, and a word of what they say.
const FAIL: [(&str, &str); 27] = [
    ("retail.store.metadata", "metadata.stored_at"),
    ("retail.recover", "backup_item_key"),
    ("retail.recover.shape", "backup[0].backup_item_key"),
    ("retail.status.unknown", "expected status 404, got 403 (not-found)"),
    ("plan.review", "expected status to be \"review\", got \"pending\""),
    ("signatures.payload", "a listed assignment key"),
    ("signatures.order", "signed_fields"),
    ("stored.key", "signature"),
    ("repeats.other-body", "expected status 422, got 409"),
    ("repeats.replay", "idempotent-replay"),
    ("signatures.jwks.cache", "cache-control"),
    ("files.too-large", "expected status 413, got 400"),
    ("audit.checkpoint", "linked to the one before it"),
    ("audit.checkpoint.consistent", "linked to the one before it"),
    ("operations.rate-headers", "ratelimit-remaining"),
    ("operations.sandbox.simulates", "expected errors of backup_id"),
    ("webhooks.signature", "HMAC-SHA256"),
    ("webhooks.standard", "webhook-signature"),
    ("webhooks.retry", "signed"),
    ("webhooks.rotation", "v1 of the new secret"),
    ("errors.unknown-ids", "the answer to an unknown id"),
    ("institution.data.verify.damaged", "is_backup_valid"),
    ("auth.missing", "www-authenticate"),
    ("auth.unknown", "www-authenticate"),
    ("auth.expired", "www-authenticate"),
    ("auth.token.forged", "www-authenticate"),
    ("auth.credential.life", "www-authenticate"),
];

#[test]
fn where_answers_are_altered_exactly_the_right_rows_fail() {
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = Sandbox::start(folder.path());
    let address = sandbox.credentials.base_url.strip_prefix("http://").expect("an address");
    let proxy = proxy::listen(address.parse().expect("an address"), plant);
    let output = conformance(&format!("http://{proxy}"), folder.path(), &["--json"]);
    let rows = rows(&output);
    let expected: BTreeSet<&str> = FAIL.iter().map(|(id, _)| *id).collect();
    assert_eq!(of_verdict(&rows, "fail"), expected, "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(1));
    for (id, word) in FAIL {
        let row = &rows[id];
        assert!(row["reason"].as_str().is_some_and(|reason| reason.contains(word)), "{id}: {row:#}");
        assert!(row["exchange"]["answer"]["status"].is_u64(), "{id} shows no answer: {row:#}");
    }
    let told = text(&output.stdout);
    for tenant in &sandbox.credentials.tenants {
        for key in [&tenant.api_keys.full, &tenant.api_keys.no_partner_scope, &tenant.api_keys.expired] {
            assert!(!told.contains(key.as_str()), "a credential is told");
        }
    }
    assert!(!told.contains("whsec_"), "a webhook's secret is told");
    where_people_decide(&sandbox, folder.path());
}

/// The same for the rows that need people, of whose pages nothing passes the proxy.
fn where_people_decide(sandbox: &Sandbox, folder: &Path) {
    let address = sandbox.credentials.base_url.strip_prefix("http://").expect("an address");
    let proxy = proxy::listen(address.parse().expect("an address"), plant_among_people);
    let only = ["--only", "policy", "--only", "control.cold", "--only", "control.recovery"];
    let output =
        conformance(&format!("http://{proxy}"), folder, &[&only[..], &["--control", "--json"]].concat());
    let rows = rows(&output);
    assert_eq!(of_verdict(&rows, "fail"), FAIL_AMONG_PEOPLE.iter().map(|(id, _)| *id).collect());
    assert_eq!(of_verdict(&rows, "pass"), ["control.recovery", "policy.signature.valid"].into());
    for (id, word) in FAIL_AMONG_PEOPLE {
        assert!(rows[id]["reason"].as_str().is_some_and(|reason| reason.contains(word)), "{:#}", rows[id]);
    }
    // A row that fails leaves no policy behind.
    let output = conformance(&sandbox.credentials.base_url, folder, &["--only", "policy", "--control"]);
    assert!(text(&output.stdout).contains("4 rows: 4 pass"), "{}", text(&output.stdout));
}

/// What a server would answer that takes no signature for a reason, tells nobody how long to wait, and forgets that a
/// recovery waited for a ceremony.
fn plant_among_people(passing: &mut Passing) {
    if passing.answers("POST /v1/backup/recover") {
        let code = |body: &Value| body["code"].as_str().unwrap_or_default().to_owned();
        let mut is_delayed = false;
        passing.alter(|body| {
            is_delayed = code(body) == "recovery-delayed";
            match code(body).as_str() {
                "request-signature-required" => body["code"] = json!("verification-not-approved"),
                "request-signature-invalid" => body["code"] = json!("request-signature-required"),
                _ => return None,
            }
            Some(())
        });
        if is_delayed {
            passing.drop_header("retry-after");
        }
    } else if passing.answers("GET /v1/audit/export?action=recovery.preparing") {
        passing.body.clear();
    }
}

/// The rows that fail by it, and a word of what they say.
const FAIL_AMONG_PEOPLE: [(&str, &str); 4] = [
    ("policy.signature.required", "request-signature-required"),
    ("policy.signature.invalid", "request-signature-invalid"),
    ("policy.delay", "retry-after"),
    ("control.cold", "recovery.preparing"),
];

/// A production server of its own folder, with a tenant of each kind.
struct Production {
    base_url: String,
    processes: [Child; 2],
    _group: Group,
}

impl Drop for Production {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

fn run(arguments: &[&str]) -> Value {
    let output = Command::new(PROGRAM).args(arguments).output().expect("the program runs");
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_str(text(&output.stdout).lines().next().unwrap_or("null")).unwrap_or_default()
}

fn start_production(folder: &Path) -> Production {
    let (address, group) = (free_address(), Group::new());
    let path = |name: &str| folder.join(name).display().to_string();
    let (config, state, socket) = (path("holdfast.toml"), path("enclave"), path("enclave.sock"));
    let settings = format!(
        "environment = 'production'\nlisten = '{address}'\ndata_dir = '{}'\nenclave_socket = '{socket}'\n\
         [pool]\nrsa4096 = 4\nsecp256k1 = 16\ned25519 = 48\n[limits]\nfailures_per_min = 600\n\
         [metrics]\nlisten = ''\n",
        path("data"),
    );
    fs::write(&config, settings).expect("the settings");
    let disk = ["--env", "production", "--root", "disk", "--state", &state];
    run(&[["enclave", "init"].as_slice(), &disk].concat());
    let mut enclave = Command::new(PROGRAM);
    enclave.args(["enclave", "serve"]).args(disk).args(["--socket", &socket]);
    let enclave = group.start(enclave.stdin(Stdio::null()), &folder.join("enclave.log"));
    let mut server = Command::new(PROGRAM);
    server.args(["serve", "--config", &config]).env_remove("RUST_LOG").stdin(Stdio::null());
    let server = group.start(&mut server, &folder.join("server.log"));
    let base_url = format!("http://{address}");
    wait_for("readiness", START_PATIENCE, || {
        let asked =
            Command::new("curl").args(["-sf", &format!("{base_url}/readyz")]).output().expect("curl runs");
        asked.status.success().then_some(())
    });
    let tenants: Vec<Value> = [
        ("retail", "retail,audit,webhooks"),
        ("partner", "partner,keys,audit,webhooks,credentials"),
        ("institution", "keys,audit,webhooks"),
    ]
    .map(|(kind, scopes)| {
        let admin = |words: &[&str]| run(&[&["admin", "--config", &config, "--json"], words].concat());
        let tenant = admin(&["tenant", "create", "--name", kind, "--kind", kind]);
        let id = tenant["id"].as_str().expect("an id").to_owned();
        let key = |scopes: &str| {
            let made = admin(&["credential", "create", "--tenant", &id, "--name", kind, "--scopes", scopes]);
            made["api_key"].clone()
        };
        json!({"name": kind, "kind": kind, "api_keys": {"full": key(scopes), "no_partner_scope": key("audit")}})
    })
    .into();
    fs::write(folder.join("credentials.json"), json!({ "tenants": tenants }).to_string()).expect("a file");
    Production { base_url, processes: [server, enclave], _group: group }
}

#[test]
fn on_a_production_server_what_simulates_is_skipped_and_the_rest_passes() {
    let folder = tempfile::tempdir().expect("a folder");
    let production = start_production(folder.path());
    let output = conformance(&production.base_url, folder.path(), &["--control", "--json"]);
    let rows = rows(&output);
    let failed: Vec<_> = rows.values().filter(|row| row["verdict"] == "fail").collect();
    assert!(output.status.success() && failed.is_empty(), "{failed:#?}\n{}", text(&output.stderr));
    let passed = of_verdict(&rows, "pass");
    assert!(ABOUT_PRODUCTION.iter().all(|id| passed.contains(id)), "{passed:?}");
    for id in ["retail.recover", "plan.approve", "control.recovery", "institution.data.verify.damaged"] {
        assert!(!passed.contains(id), "{id} passed where nothing simulates");
    }
    for id in [
        "partner.data",
        "institution.data.verify",
        "rotation.whole",
        "signatures.payload",
        "audit.checkpoint",
    ] {
        assert!(passed.contains(id), "{id}: {:#}", rows[id]);
    }
    let reasons: BTreeSet<_> = rows
        .values()
        .filter_map(|row| row["verdict"].as_str().filter(|word| *word == "skip").and(row["reason"].as_str()))
        .collect();
    assert_eq!(reasons, SKIPPED_IN_PRODUCTION.into());
}

/// All that keeps a row from being played there.
const SKIPPED_IN_PRODUCTION: [&str; 4] = [
    "needs a sandbox's simulation, which a production server does not have",
    "no COLD key is in stock: hold a ceremony first",
    "the credentials file has no expired key",
    "the server reaches no receiver: give --receiver URL",
];
