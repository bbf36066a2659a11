//! What refuses a rotation, and that nothing has changed then.

use domain::credential::{Scope, TenantKind};
use reqwest::Method;
use serde_json::json;
use testkit::{App, assign_body};

use super::*;

#[tokio::test]
async fn unknown_foreign_and_malformed_keys_are_answered_alike() {
    let app = App::start().await;
    let actor = tenant(&app).await;
    let other = app.new_tenant(TenantKind::Partner, &[Scope::Partner]).await;
    let foreign = other.assigned("user-1", "customer-1").await;
    let unknown = rotate(&actor, "00000000-0000-7000-8000-000000000000").await;
    unknown.refused(404, "not-found");
    for id in [foreign.key_id.as_str(), "0", "%00", "x%2Fy"] {
        assert_eq!(rotate(&actor, id).await.face(), unknown.face(), "{id}");
    }
    assert_eq!(acts(&other, &foreign.key_id).await, ["key.assigned"]);
    let institution = actor.post(&format!("/v1/keys/{}/rotate", foreign.key_id), &json!({})).await;
    assert_eq!(institution.face(), unknown.face());
}

#[tokio::test]
async fn a_body_is_not_needed_and_if_there_is_one_it_is_read() {
    let app = App::start().await;
    let actor = tenant(&app).await;
    let key = actor.assigned("user-1", "customer-1").await;
    let path = format!("/v1/partner/keys/{}/rotate", key.key_id);
    let call = || actor.call(&Method::POST, &path);
    call().raw("text/plain", "{}").send().await.refused(415, "content-type");
    call().raw("application/json", "{").send().await.refused(400, "malformed-json");
    call().raw("application/json", "[]").send().await.refused(400, "malformed-json");
    let named = call().json(&json!({"sign_with": ["public_key"]})).send().await;
    assert_eq!(named.faults(), ["sign_with"]);
    call().raw("application/json", "").send().await.ok();
}

#[tokio::test]
async fn only_an_active_key_is_replaced() {
    let app = App::start().await;
    let actor = tenant(&app).await;
    let key = actor.assigned("user-1", "customer-1").await;
    for (state, status, code) in [
        ("superseding", 409, "key-superseded"),
        ("superseded", 409, "key-superseded"),
        ("released", 409, "key-released"),
        ("destroy-pending", 404, "not-found"),
        ("destroyed", 404, "not-found"),
    ] {
        app.place.run(&format!("UPDATE customer_keys SET state = '{state}' WHERE id = '{}'", key.key_id));
        let before = app.census();
        rotate(&actor, &key.key_id).await.refused(status, code);
        assert_eq!(app.census(), before, "{state}");
    }
}

#[tokio::test]
async fn one_backup_that_does_not_open_refuses_it_whole() {
    for app in [App::start().await, App::on_postgres().await] {
        let actor = tenant(&app).await;
        let key = actor.assigned("user-1", "customer-1").await;
        let mut backups = Vec::new();
        for at in 0..3 {
            backups.push(store(&actor, &key, &format!("{at}")).await);
        }
        actor.post("/v1/sandbox/damage", &json!({"backup_id": backups[1]})).await.ok();
        let mut expected = app.census();
        for _ in 0..40 {
            let refused = rotate(&actor, &key.key_id).await.refused(409, "backup-damaged");
            assert_eq!(refused["errors"], json!({"backup_ids": [backups[1]]}), "{refused}");
            assert!(refused["message"].as_str().unwrap().contains(&backups[1]), "{refused}");
        }
        // Each try has cost a pool key, which is not left to be found by others, and nothing else.
        *expected.get_mut("pool_keys").unwrap() -= 40;
        assert_eq!(app.census(), expected);
        assert_eq!(shown(&actor, &key.key_id).await["status"], "active");
        for (at, backup) in backups.iter().enumerate() {
            assert_eq!(is_whole(&actor, backup).await, at != 1);
            assert_eq!(key_of(&actor, backup).await, key.key_id);
        }
        store(&actor, &key, "it takes stores as before").await;
        // Without its record it is not even tried.
        app.place.run(&format!("UPDATE backups SET record = NULL WHERE id = '{}'", backups[0]));
        let before = app.census();
        let refused = rotate(&actor, &key.key_id).await.refused(409, "backup-damaged");
        assert_eq!(refused["errors"], json!({"backup_ids": [backups[0]]}), "{refused}");
        assert_eq!(app.census(), before, "and costs nothing");
    }
}

#[tokio::test]
async fn a_running_recovery_of_one_of_its_backups_comes_first() {
    for app in [App::start().await, App::on_postgres().await] {
        let actor = tenant(&app).await;
        let check = actor.approved("user-1").await;
        let (key, spare) = (actor.key("user-1", &check).await, actor.key("user-1", &check).await);
        actor.store("user-1", &check, &key, &[key.device().item("a", b"a")]).await;
        actor.recover("user-1", &check, &app.fixture.recipient.certificate).await.ok();
        let state = |state: &str| app.place.run(&format!("UPDATE recoveries SET state = '{state}'"));
        state("releasing");
        let before = app.census();
        rotate(&actor, &key.key_id).await.refused(409, "recovery-running");
        assert_eq!(app.census(), before);
        rotated(&actor, &spare).await;
        state("released");
        rotated(&actor, &key).await;
    }
}

#[tokio::test]
async fn a_dry_pool_and_an_enclave_away_change_nothing() {
    let mut app = App::start().await;
    let actor = tenant(&app).await;
    let mut body = assign_body("user-1", "customer-1");
    body["key_type"] = json!("secp256k1");
    let mut last = String::new();
    for customer in ["1", "2", "3", "4"] {
        body["organisation"] = json!({"customer_id": customer});
        last = actor.assign(&body).await.ok()["key_id"].as_str().unwrap().to_owned();
    }
    rotate(&actor, &last).await.refused(503, "pool-empty");
    assert_eq!(acts(&actor, &last).await, ["key.assigned"]);

    let key = actor.assigned("user-2", "customer-1").await;
    let backup = store(&actor, &key, "a").await;
    app.enclave.kill();
    let before = app.census();
    rotate(&actor, &key.key_id).await.refused(503, "unavailable");
    assert_eq!(app.census(), before);
    app.enclave.restart();
    let new = rotated(&actor, &key).await;
    assert!(is_whole(&actor, &backup).await);
    assert_eq!(key_of(&actor, &backup).await, new.key_id);
}
