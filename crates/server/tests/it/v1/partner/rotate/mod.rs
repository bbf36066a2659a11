//! `/v1/partner/keys/{key_id}/rotate` and the same of institutions.

mod moves;
mod races;
mod refusals;

use domain::credential::{Scope, TenantKind};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::device::secret;
use testkit::{Actor, Answer, App, Given};

/// A tenant that may do everything.
async fn tenant(app: &App) -> Actor {
    app.new_tenant(TenantKind::Partner, Scope::ALL).await
}

async fn rotate(actor: &Actor, key_id: &str) -> Answer {
    actor.call(&Method::POST, &format!("/v1/partner/keys/{key_id}/rotate")).send().await
}

/// Rotates, and returns the new key.
async fn rotated(actor: &Actor, key: &Given) -> Given {
    let answer = rotate(actor, &key.key_id).await.ok();
    assert_eq!(answer["supersedes"], key.key_id);
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    Given { key_id: text("key_id"), public_key: text("public_key"), answer }
}

/// Stores something and returns its id.
async fn store(actor: &Actor, key: &Given, name: &str) -> String {
    let stored = actor.try_store_data(key, &key.device().item("", &secret(name))).await.ok();
    stored["backup_id"].as_str().unwrap().to_owned()
}

async fn is_whole(actor: &Actor, backup: &str) -> bool {
    actor.get(&format!("/v1/backups/{backup}/verify")).await.ok()["is_backup_valid"] == true
}

async fn shown(actor: &Actor, key_id: &str) -> Value {
    actor.get(&format!("/v1/partner/keys/{key_id}")).await.ok()
}

/// The key that a backup answers to.
async fn key_of(actor: &Actor, backup: &str) -> String {
    let backup = actor.get(&format!("/v1/partner/backups/{backup}")).await.ok();
    backup["key_id"].as_str().unwrap().to_owned()
}

/// The keys that something was done to, in order, by the log.
async fn acts(actor: &Actor, key_id: &str) -> Vec<String> {
    let history = shown(actor, key_id).await["history"].clone();
    history.as_array().unwrap().iter().map(|act| act["action"].as_str().unwrap().to_owned()).collect()
}

/// A file under a key, as an upload would leave it; returns its id.
fn put_file(app: &App, key: &Given, number: u32) -> String {
    let id = format!("00000000-0000-7000-8000-{number:012x}");
    let hex = |digit: &str| digit.repeat(64);
    let digest = match &app.place {
        testkit::Place::Sqlite(_) => format!("x'{}'", hex("a")),
        testkit::Place::Postgres(_) => format!("'\\x{}'", hex("a")),
    };
    app.place.run(&format!(
        "INSERT INTO backups (id, tenant_id, user_id, key_id, kind, state, check_state, metadata, data_size, stored_at, \
         updated_at, stored_sha256) SELECT '{id}', tenant_id, user_id, id, 'file', 'confirmed', 'not-checked', '{{}}', 9, \
         assigned_at, assigned_at, {digest} FROM customer_keys WHERE id = '{}'",
        key.key_id
    ));
    id
}

/// Refused because the key was replaced by that one.
fn superseded_by(answer: &Answer, successor: &str) {
    let body = answer.refused(409, "key-superseded");
    assert_eq!(body["errors"], json!({"superseded_by": [successor]}), "{body}");
    assert!(body["message"].as_str().unwrap().contains(successor), "{body}");
}
