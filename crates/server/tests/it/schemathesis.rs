//! Every operation of the document, called by schemathesis with what the document allows and with what it forbids.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use domain::credential::{Scope, TenantKind};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Actor, App};

use crate::openapi::operations;
use crate::stage::Stage;

const CHECKS: &str = include_str!("schemathesis/checks.py");
/// Their doubles in the script know the exceptions, each with its reason.
const DOUBLED: &str = "not_a_server_error,positive_data_acceptance,use_after_free";

/// The served document, with what the tenant has for examples: so calls reach what lies behind an id.
async fn with_own_things(app: &App, stage: &Stage) -> Value {
    let mut document = app.anonymous().get("/openapi.json").await.ok();
    for (path, item) in document["paths"].as_object_mut().unwrap() {
        for (method, operation) in item.as_object_mut().unwrap() {
            if let Some(body) = operation.pointer_mut("/requestBody/content/application~1json/example") {
                *body = stage.body(path, body).await;
            }
            if let Some(form) = operation.pointer_mut("/requestBody/content/multipart~1form-data") {
                let key = stage.value(path, "public_key").await;
                form["example"] = json!({"public_key": key, "file": "encrypted elsewhere"});
            }
            for parameter in
                operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten()
            {
                let name = parameter["name"].as_str().unwrap().to_owned();
                // What is deleted is nothing that others need.
                let value = match (method.as_str(), name.as_str()) {
                    ("delete", "id") => Some(spare(&stage.actor, path).await),
                    // Nor is the person played whose check the others use.
                    ("post", "verification_id") => Some(stage.actor.start("somebody else").await.into()),
                    // A key is replaced once.
                    ("post", "key_id") => Some(another_key(&stage.actor).await),
                    _ => stage.value(path, &name).await,
                };
                if let Some(value) = value {
                    parameter["example"] = value;
                }
            }
        }
    }
    document
}

/// Another thing of the list that a path is of.
async fn spare(actor: &Actor, path: &str) -> Value {
    let (list, body) = match path {
        "/v1/webhooks/{id}" => ("/v1/webhooks", json!({"url": "https://example.com/"})),
        "/v1/credentials/{id}" => ("/v1/credentials", json!({"name": "spare", "scopes": ["audit"]})),
        _ => unreachable!("{path}: what may be deleted there?"),
    };
    actor.post(list, &body).await.ok()["id"].clone()
}

async fn another_key(actor: &Actor) -> Value {
    let body = json!({"user_identifier": "somebody else", "key_type": "ed25519"});
    actor.post("/v1/keys", &body).await.ok()["key_id"].clone()
}

/// What a run said, and how often each operation was answered how.
struct Ran {
    text: String,
    found_nothing: bool,
    statuses: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Runs schemathesis in `folder`.
fn run(folder: &Path, actor: &Actor, base: &str, more: &[&str]) -> Ran {
    let (key, own) = (actor.api_key.as_ref().unwrap(), actor.credential.as_ref().unwrap().as_str());
    std::fs::write(folder.join("checks.py"), CHECKS).unwrap();
    let mut command = Command::new(testkit::foreign::python_program());
    command.args(["-m", "schemathesis.cli", "--no-color", "run", "document.json", "--url", base]);
    command.args([
        "--header",
        &format!("X-API-Key: {key}"),
        "--seed",
        "1",
        "--workers",
        "1",
        "--warnings",
        "off",
    ]);
    command.args(["--checks", "all", "--exclude-checks", DOUBLED, "--continue-on-failure"]);
    command.args(["--generation-database", "none", "--suppress-health-check", "all"]);
    command.args(["--request-timeout", "60"]).args(more);
    command
        .env("SCHEMATHESIS_HOOKS", "checks")
        .env("OWN_CREDENTIAL", own)
        .env("PYTHONPATH", folder)
        .current_dir(folder);
    let output = command.output().expect("schemathesis: `scripts/test` installs it");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let statuses =
        std::fs::read_to_string(folder.join("statuses.json")).unwrap_or_else(|_| unreachable!("{text}"));
    let statuses = serde_json::from_str(&statuses).unwrap();
    Ran { text, found_nothing: output.status.success(), statuses }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_keeps_to_the_document_whatever_is_sent() {
    let mut app = App::start().await;
    let mut ceremonies = app.restart_with_ceremonies().await;
    tokio::spawn(async move {
        while let Some(call) = ceremonies.recv().await {
            call.held(0);
        }
    });
    let stage = Stage::set(&app, app.new_tenant(TenantKind::Partner, Scope::ALL).await, "user-1").await;
    let document = with_own_things(&app, &stage).await;
    std::fs::write(app.folder().join("document.json"), document.to_string()).unwrap();
    let (folder, base) = (app.folder().to_owned(), app.base());
    let actor = stage.actor.clone();
    let is_long = std::env::var_os("HOLDFAST_CAMPAIGN").is_some();
    let ran = tokio::task::spawn_blocking(move || {
        let pass =
            |which, examples| run(&folder, &actor, &base, &[which, "reset", "--max-examples", examples]);
        let mut passes = vec![pass("--exclude-operation-id", "60")];
        if is_long {
            // By its end the stock of keys is used up: what can succeed has to be seen before.
            passes.push(pass("--exclude-operation-id", "1000"));
        }
        // What begins anew comes when there is nothing left to call.
        passes.push(pass("--include-operation-id", "60"));
        passes
    });
    let mut reached = BTreeSet::new();
    for Ran { text, found_nothing, statuses } in ran.await.unwrap() {
        println!("{text}\n{statuses:?}");
        assert!(found_nothing, "{text}");
        let succeeds =
            |statuses: &BTreeMap<String, u64>| statuses.keys().any(|status| status.starts_with(['2', '3']));
        reached.extend(statuses.into_iter().filter(|(_, statuses)| succeeds(statuses)).map(|(id, _)| id));
    }
    let operations = operations(&document);
    let missed = operations.iter().map(|(_, _, operation)| operation["operationId"].as_str().unwrap());
    let missed: Vec<_> = missed.filter(|id| !reached.contains(*id)).collect();
    // Its events are signed, which schemathesis cannot.
    assert_eq!(missed, ["persona_webhook"], "no call of these did what it asked for");
    app.anonymous().call(&Method::GET, "/readyz").send().await.ok();
}
