//! Institutions: `/v1/keys`, `/v1/secure`, `/v1/backups`.

use domain::credential::{Scope, TenantKind};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::device::secret;
use testkit::{Actor, App, Form, Given, Plan};

use super::partner::secure_file::bytes;

async fn new_key(actor: &Actor, change: &Value) -> Given {
    let mut body = json!({"user_identifier": "user-1", "key_type": "rsa4096"});
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    let answer = actor.post("/v1/keys", &body).await.ok();
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    Given { key_id: text("key_id"), public_key: text("public_key"), answer }
}

async fn key_verdict(actor: &Actor, key: &Given) -> Value {
    actor.get(&format!("/v1/keys/{}/verify", key.key_id)).await.ok()["is_key_valid"].clone()
}

async fn backup_verdict(actor: &Actor, id: &str) -> Value {
    actor.get(&format!("/v1/backups/{id}/verify")).await.ok()["is_backup_valid"].clone()
}

#[tokio::test]
async fn every_call_makes_a_key_and_each_kind_is_proven() {
    for app in [App::start().await, App::on_postgres().await] {
        let institution = app.institution();
        let organisation =
            json!({"organisation": {"customer_id": "customer-1"}, "package": {"package_id": "p"}});
        let first = new_key(&institution, &organisation).await;
        let second = new_key(&institution, &organisation).await;
        assert_ne!(first.key_id, second.key_id, "no 409");
        assert_eq!(
            (&first.answer["customer_id"], &first.answer["package_id"]),
            (&json!("customer-1"), &json!("p"))
        );
        assert_eq!(first.answer["key_environment"], "HOT", "the default");
        let bare = new_key(&institution, &json!({"key_type": "ed25519"})).await;
        assert!(bare.answer.get("customer_id").is_none(), "{}", bare.answer);
        let third = new_key(&institution, &json!({"key_type": "secp256k1"})).await;
        for key in [&first, &bare, &third] {
            assert_eq!(key_verdict(&institution, key).await, true, "{}", key.answer);
        }
        // A private half that was changed on the disk is told, not trusted.
        app.place.run(&format!(
            "UPDATE customer_keys SET sealed = (SELECT sealed FROM customer_keys WHERE id = '{}') WHERE id = '{}'",
            second.key_id, first.key_id
        ));
        assert_eq!(key_verdict(&institution, &first).await, false);
        assert_eq!(key_verdict(&institution, &second).await, true);
    }
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let app = App::start().await;
    let institution = app.institution();
    let ask = |body: Value| {
        let institution = institution.clone();
        async move { institution.post("/v1/keys", &body).await.faults() }
    };
    assert_eq!(ask(json!({"user_identifier": "user-1"})).await, ["key_type"]);
    let with = |name: &str, value: Value| {
        let mut body = json!({"user_identifier": "user-1", "key_type": "ed25519"});
        body[name] = value;
        body
    };
    assert_eq!(ask(with("organisation", json!({}))).await, ["organisation.customer_id"]);
    assert_eq!(ask(with("sign_with", json!(["external_customer_id"]))).await, ["sign_with"]);
    assert_eq!(ask(with("key_environment", json!("WARM"))).await, ["key_environment"]);
}

#[tokio::test]
async fn without_a_checksum_it_still_must_open() {
    for app in [App::start().await, App::on_postgres().await] {
        let institution = app.institution();
        let key = new_key(&institution, &json!({})).await;
        let item = key.device().item("", &secret("wallet"));
        let mut body = testkit::data_body(&key, &item);
        body.as_object_mut().unwrap().remove("checksum");
        let stored = institution.post("/v1/secure/data", &body).await.ok();
        assert!(stored.get("checksum").is_none(), "{stored}");
        let again = institution.post("/v1/secure/data", &body).await.ok();
        assert_eq!(again["backup_id"], stored["backup_id"]);
        let id = stored["backup_id"].as_str().unwrap();
        assert_eq!(backup_verdict(&institution, id).await, true);

        let stranger = new_key(&institution, &json!({})).await;
        let foreign = stranger.device().item("", &secret("wallet"));
        let mut wrong = testkit::data_body(&key, &foreign);
        wrong.as_object_mut().unwrap().remove("checksum");
        let before = app.census();
        institution.post("/v1/secure/data", &wrong).await.refused(400, "check-failed");
        // Zeros are a checksum, and no plaintext's: not the same as none.
        let mut zeros = testkit::data_body(&key, &key.device().item("", &secret("other")));
        zeros["checksum"] = json!("0".repeat(64));
        institution.post("/v1/secure/data", &zeros).await.refused(400, "check-failed");
        zeros["checksum"] = json!("none");
        assert_eq!(institution.post("/v1/secure/data", &zeros).await.faults(), ["checksum"]);
        assert_eq!(app.census(), before, "nothing was stored");
    }
}

#[tokio::test]
async fn a_damaged_backup_is_told_and_costs_no_budget() {
    let app = App::start().await;
    let institution = app.institution();
    let key = new_key(&institution, &json!({})).await;
    let item = key.device().item("", &secret("wallet"));
    let body = testkit::data_body(&key, &item);
    let stored = institution.post("/v1/secure/data", &body).await.ok();
    assert_eq!(stored["checksum"], item.checksum);
    let id = stored["backup_id"].as_str().unwrap();
    assert_eq!(backup_verdict(&institution, id).await, true);
    institution.post("/v1/sandbox/damage", &json!({"backup_id": id})).await.ok();
    for _ in 0..25 {
        assert_eq!(backup_verdict(&institution, id).await, false);
    }
    let other = key.device().item("", &secret("other"));
    institution.post("/v1/secure/data", &testkit::data_body(&key, &other)).await.ok();
}

#[tokio::test]
async fn what_is_offline_is_not_called_lost() {
    let app = App::start().await;
    let institution = app.institution();
    let key = new_key(&institution, &json!({"key_environment": "COLD"})).await;
    let item = key.device().item("", &secret("wallet"));
    let mut body = testkit::data_body(&key, &item);
    body.as_object_mut().unwrap().remove("checksum");
    let stored = institution.post("/v1/secure/data", &body).await.ok();
    assert_eq!(stored["metadata"]["check"], "unverified-cold");
    let id = stored["backup_id"].as_str().unwrap();
    institution.get(&format!("/v1/keys/{}/verify", key.key_id)).await.refused(409, "held-offline");
    institution.get(&format!("/v1/backups/{id}/verify")).await.refused(409, "held-offline");
}

#[tokio::test]
async fn every_path_of_partners_is_here_without_their_word() {
    let app = App::start().await;
    let institution = app.institution();
    let key = new_key(&institution, &json!({})).await;
    let item = key.device().item("", &secret("wallet"));
    let stored = institution.post("/v1/secure/data", &testkit::data_body(&key, &item)).await.ok();
    let id = stored["backup_id"].as_str().unwrap();
    let keys = institution.get("/v1/keys?status=active").await.ok();
    assert_eq!(keys["data"][0]["key_id"], key.key_id);
    let shown = institution.get(&format!("/v1/keys/{}", key.key_id)).await.ok();
    assert_eq!(
        (&shown["backups_count"], &shown["history"][0]["action"]),
        (&json!(1), &json!("key.assigned"))
    );
    assert_eq!(institution.get("/v1/backups").await.ok()["data"][0]["backup_id"], id);
    let path = format!("/v1/backups/{id}");
    let deleted = institution.call(&Method::DELETE, &path).send().await.ok();
    assert_eq!(institution.get(&path).await.ok()["delete_after"], deleted["delete_after"]);
    let restored = institution.call(&Method::POST, &format!("{path}/restore")).send().await.ok();
    assert_eq!(restored["status"], "confirmed");

    let other = app.new_tenant(TenantKind::Institution, &[Scope::Keys]).await;
    let unknown = other.get("/v1/keys/00000000-0000-7000-8000-000000000000/verify").await;
    unknown.refused(404, "not-found");
    for path in [
        format!("/v1/keys/{}/verify", key.key_id),
        format!("/v1/backups/{id}/verify"),
        format!("/v1/keys/{}", key.key_id),
        path,
    ] {
        assert_eq!(other.get(&path).await.face(), unknown.face(), "{path}");
    }
}

async fn store_file(actor: &Actor, key: &Given, file: &[u8]) -> String {
    let form = Form::of(key, file, &json!({"original_filename": "wallet.enc"}));
    let stored = actor.send_form("/v1/secure/file", &form).await.ok();
    assert_eq!((&stored["backup_type"], &stored["data_size"]), (&json!("file"), &json!(file.len())));
    stored["backup_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_file_is_valid_while_it_is_what_was_stored() {
    for app in [App::start().await, Plan::default().on_postgres().in_bucket().start().await] {
        let institution = app.institution();
        let key = new_key(&institution, &json!({"key_type": "ed25519"})).await;
        let file = bytes(1, 300_000);
        let id = store_file(&institution, &key, &file).await;
        let other = store_file(&institution, &key, &bytes(2, 10)).await;
        assert_eq!(backup_verdict(&institution, &id).await, true);
        let (tenant, backup) = (app.tenant_of(&institution).await, id.parse().unwrap());
        let path = app.folder().join("contents");
        let mut changed = file.clone();
        changed[299_999] ^= 1;
        for (contents, valid) in [
            (&changed[..], false),
            (&file[..299_999], false),
            (&[&file[..], b"x"].concat(), false),
            (&file, true),
        ] {
            std::fs::write(&path, contents).unwrap();
            let source = std::sync::Arc::new(std::fs::File::open(&path).unwrap());
            app.blobs().put(&tenant, &backup, &source, contents.len() as u64).await.unwrap();
            assert_eq!(backup_verdict(&institution, &id).await, valid, "{} bytes", contents.len());
        }
        // The row's word counts as well as the file's.
        app.place.run(&format!("UPDATE backups SET data_size = 299999 WHERE id = '{id}'"));
        assert_eq!(backup_verdict(&institution, &id).await, false);
        app.blobs().remove(&tenant, &backup).await.unwrap();
        assert_eq!(backup_verdict(&institution, &id).await, false, "it is gone");
        assert_eq!(backup_verdict(&institution, &other).await, true);
    }
}

#[tokio::test]
async fn a_file_under_a_cold_key_waits_for_its_ceremony() {
    let app = App::start().await;
    let institution = app.institution();
    let key = new_key(&institution, &json!({"key_environment": "COLD"})).await;
    let id = store_file(&institution, &key, b"encrypted").await;
    institution.get(&format!("/v1/backups/{id}/verify")).await.refused(409, "held-offline");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_now_is_not_called_lost() {
    let mut app = Plan::default().in_bucket().start().await;
    let institution = app.institution();
    let key = new_key(&institution, &json!({"key_type": "ed25519"})).await;
    let id = store_file(&institution, &key, b"encrypted").await;
    app.s3.as_mut().unwrap().kill();
    institution.get(&format!("/v1/backups/{id}/verify")).await.refused(503, "unavailable");
}
