//! What is written into the outbox: an event for each act, with the contract's members and no secret.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::App;
use testkit::device::{CANARY, base64, secret};

/// The members of an event's data, by the event's type.
fn members(event_type: &str) -> &'static [&'static str] {
    match event_type.split_once('.').unwrap() {
        ("inquiry" | "verification", _) => {
            &["verification_id", "user_identifier", "status", "inquiry_status", "updated_at"]
        }
        ("key", _) => &["key_id", "user_identifier", "key_environment", "customer_id", "package_id"],
        ("backup", _) => &[
            "backup_id",
            "key_id",
            "backup_type",
            "item_key",
            "verification_id",
            "user_identifier",
            "customer_id",
            "package_id",
        ],
        ("recovery", _) => {
            &["recovery_id", "backup_ids", "verification_id", "gpg_fingerprint", "state", "user_identifier"]
        }
        other => unreachable!("{other:?}"),
    }
}

/// The form of every event.
fn well_formed(event: &Value) {
    let names: Vec<_> = event.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["created_at", "data", "environment", "id", "type"], "{event}");
    assert_eq!(event["environment"], "sandbox");
    let data = event["data"].as_object().unwrap();
    assert!(!data.is_empty() && data.values().all(|value| !value.is_null()), "{event}");
    let known = members(event["type"].as_str().unwrap());
    assert!(data.keys().all(|name| known.contains(&name.as_str())), "{event}");
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_users_story_is_told_act_by_act() {
    let app = App::start().await;
    let (retail, user) = (app.retail(), "user-1");
    let id = retail.start(user).await;
    let key = retail.key(user, &id).await;
    let items = [key.device().item("seed", &secret("seed"))];
    let stored = retail.store(user, &id, &key, &items).await;
    retail.simulate(&id, "create_passed_verification").await.ok();
    retail.simulate(&id, "approve_inquiry").await.ok();
    let recovered = retail.recover(user, &id, &app.fixture.recipient.certificate).await.ok();
    let events = app.events(&retail).await;
    let expected = [
        "inquiry.created",
        "key.assigned",
        "backup.stored",
        "verification.passed",
        "inquiry.approved",
        "backup.confirmed",
        "recovery.requested",
        "recovery.released",
    ];
    assert_eq!(types(&events), expected);
    for event in &events {
        well_formed(event);
        assert_eq!(event["data"]["user_identifier"], user, "{event}");
    }
    let ids: BTreeSet<_> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), events.len(), "each has its own id");
    for at in [0, 2, 3, 4, 5, 6, 7] {
        assert_eq!(events[at]["data"]["verification_id"], id, "{}", events[at]);
    }
    assert_eq!(
        (&events[4]["data"]["status"], &events[4]["data"]["inquiry_status"]),
        (&json!("approved"), &json!("APPROVED"))
    );
    assert_eq!(
        (&events[1]["data"]["key_id"], &events[1]["data"]["key_environment"]),
        (&json!(key.key_id), &json!("HOT"))
    );
    for at in [2, 5] {
        let data = &events[at]["data"];
        assert_eq!((&data["backup_id"], &data["key_id"]), (&json!(stored[0]), &json!(key.key_id)));
        assert_eq!((&data["backup_type"], &data["item_key"]), (&json!("data"), &json!("seed")));
    }
    for (at, state) in [(6, "requested"), (7, "released")] {
        let data = &events[at]["data"];
        assert_eq!((&data["backup_ids"], &data["state"]), (&json!(stored), &json!(state)));
        assert_eq!(data["recovery_id"], recovered["backup"][0]["recovery_id"]);
        assert_eq!(data["gpg_fingerprint"].as_str().unwrap().len(), 40);
    }
    assert!(app.events(&app.partner()).await.is_empty(), "each tenant is told of its own");
    let message = recovered["backup"][0]["item_value"].as_str().unwrap();
    no_secret(
        &events,
        &[&base64(&items[0].ciphertext), &items[0].checksum, message, retail.api_key.as_ref().unwrap()],
    );
}

#[tokio::test]
async fn a_partners_story_is_told_act_by_act() {
    let app = App::start().await;
    let partner = app.partner();
    let key = partner.assigned("user-1", "customer-1").await;
    let item = key.device().item("", &secret("wallet"));
    let stored = partner.try_store_data(&key, &item).await.ok();
    let events = app.events(&partner).await;
    assert_eq!(types(&events), ["key.assigned", "backup.stored"]);
    for event in &events {
        well_formed(event);
        let data = &event["data"];
        assert_eq!((&data["customer_id"], &data["package_id"]), (&json!("customer-1"), &json!("package-1")));
        assert_eq!((&data["key_id"], &data["user_identifier"]), (&json!(key.key_id), &json!("user-1")));
    }
    assert_eq!(events[1]["data"]["backup_id"], stored["backup_id"]);
    assert!(events[1]["data"].get("verification_id").is_none(), "what does not apply is left out");
    no_secret(&events, &[&base64(&item.ciphertext), &item.checksum, partner.api_key.as_ref().unwrap()]);
}

/// No secret is in an event, nor in an entry of the log.
fn no_secret(events: &[Value], secrets: &[&str]) {
    let text = Value::from(events.to_vec()).to_string();
    assert!(!text.contains(CANARY) && !text.contains("BEGIN PGP"), "{text}");
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn the_log_holds_no_secret_either() {
    let app = App::start().await;
    let (retail, user) = (app.retail(), "user-1");
    let id = retail.approved(user).await;
    let key = retail.key(user, &id).await;
    let item = key.device().item("seed", &secret("seed"));
    retail.store(user, &id, &key, std::slice::from_ref(&item)).await;
    let recovered = retail.recover(user, &id, &app.fixture.recipient.certificate).await.ok();
    retail.recover(user, &id, "-----BEGIN PGP PUBLIC KEY BLOCK-----").await.refused(400, "validation-failed");
    let message = recovered["backup"][0]["item_value"].as_str().unwrap();
    let secrets = [
        &base64(&item.ciphertext),
        &item.checksum,
        message,
        retail.api_key.as_ref().unwrap(),
        &key.public_key,
    ];
    no_secret(&retail.audit("").await, &secrets);
}
