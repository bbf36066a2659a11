//! `/v1/partner/backups`: listing, deleting, restoring.

use std::time::Duration;

use domain::credential::{Scope, TenantKind};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::device::secret;
use testkit::{Actor, Answer, App, Given};

const DAY: Duration = Duration::from_hours(24);

async fn store(actor: &Actor, key: &Given, text: &str) -> String {
    let stored = actor.try_store_data(key, &key.device().item("", &secret(text))).await.ok();
    stored["backup_id"].as_str().unwrap().to_owned()
}

async fn delete(actor: &Actor, id: &str) -> Answer {
    actor.call(&Method::DELETE, &format!("/v1/partner/backups/{id}")).send().await
}

async fn restore(actor: &Actor, id: &str) -> Answer {
    actor.call(&Method::POST, &format!("/v1/partner/backups/{id}/restore")).send().await
}

async fn status(actor: &Actor, id: &str) -> Value {
    actor.get(&format!("/v1/partner/backups/{id}")).await.ok()["status"].clone()
}

/// Waits until the worker has come round.
async fn deleted(actor: &Actor, id: &str) -> bool {
    for _ in 0..100 {
        if status(actor, id).await == "deleted" {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

#[tokio::test]
async fn a_backup_is_shown_without_what_it_holds() {
    for app in [App::start().await, App::on_postgres().await] {
        let partner = app.partner();
        let key = partner.assigned("user-1", "customer-1").await;
        let item = key.device().item("", &secret("wallet"));
        let mut body = testkit::data_body(&key, &item);
        body["metadata"] = json!({"description": "the wallet"});
        let stored = partner.post("/v1/partner/secure/data", &body).await.ok();
        let id = stored["backup_id"].as_str().unwrap();
        let answer = partner.get(&format!("/v1/partner/backups/{id}")).await;
        let shown = answer.ok();
        for (name, value) in [
            ("backup_id", json!(id)),
            ("key_id", json!(key.key_id)),
            ("user_identifier", json!("user-1")),
            ("customer_id", json!("customer-1")),
            ("package_id", json!("package-1")),
            ("key_environment", json!("HOT")),
            ("backup_type", json!("data")),
            ("status", json!("confirmed")),
            ("check", json!("verified")),
            ("data_size", json!(512)),
            ("metadata", stored["metadata"].clone()),
            ("delete_after", Value::Null),
        ] {
            assert_eq!(shown[name], value, "{name}");
        }
        for hidden in [testkit::device::base64(&item.ciphertext), item.checksum] {
            assert!(!answer.text().contains(&hidden), "{}", answer.text());
        }
        let page = partner.get("/v1/partner/backups").await.ok();
        assert_eq!(page, json!({"data": [shown], "next_cursor": null}));
    }
}

#[tokio::test]
async fn filters_narrow_and_pages_go_newest_first() {
    for app in [App::start().await, App::on_postgres().await] {
        let partner = app.partner();
        let keys =
            [partner.assigned("user-1", "customer-1").await, partner.assigned("user-2", "customer-2").await];
        let mut newest = Vec::new();
        for (at, name) in ["a", "b", "c", "d"].iter().enumerate() {
            app.clock.advance(Duration::from_millis(1));
            newest.insert(0, store(&partner, &keys[at % 2], name).await);
        }
        delete(&partner, &newest[3]).await.ok();
        for (query, found) in [
            (String::new(), &[0, 1, 2, 3][..]),
            ("user_identifier=user-1".to_owned(), &[1, 3]),
            ("customer_id=customer-2".to_owned(), &[0, 2]),
            (format!("key_id={}", keys[0].key_id), &[1, 3]),
            ("status=delete-pending".to_owned(), &[3]),
            ("status=confirmed&user_identifier=user-1".to_owned(), &[1]),
            ("backup_type=data".to_owned(), &[0, 1, 2, 3]),
            ("backup_type=file".to_owned(), &[]),
            ("package_id=none".to_owned(), &[]),
        ] {
            let page = partner.get(&format!("/v1/partner/backups?{query}")).await.ok();
            let ids: Vec<_> = page["data"].as_array().unwrap().iter().map(|row| &row["backup_id"]).collect();
            let wanted: Vec<_> = found.iter().map(|at| json!(newest[*at])).collect();
            assert_eq!(ids, wanted.iter().collect::<Vec<_>>(), "{query}");
        }
        let first = partner.get("/v1/partner/backups?limit=3").await.ok();
        let cursor = first["next_cursor"].as_str().unwrap();
        let rest = partner.get(&format!("/v1/partner/backups?limit=3&cursor={cursor}")).await.ok();
        assert_eq!((&rest["data"][0]["backup_id"], &rest["next_cursor"]), (&json!(newest[3]), &Value::Null));
        assert_eq!(partner.get("/v1/partner/backups?key_id=x").await.faults(), ["key_id"]);
    }
}

#[tokio::test]
async fn a_deletion_waits_thirty_days_and_can_be_taken_back() {
    for app in [App::start().await, App::on_postgres().await] {
        let partner = app.partner();
        let key = partner.assigned("user-1", "customer-1").await;
        let item = key.device().item("", &secret("wallet"));
        let stored = partner.try_store_data(&key, &item).await.ok();
        let id = stored["backup_id"].as_str().unwrap();
        let first = delete(&partner, id).await.ok();
        app.clock.advance(DAY);
        assert_eq!(delete(&partner, id).await.ok(), first, "asked again, the instant stays");
        let shown = partner.get(&format!("/v1/partner/backups/{id}")).await.ok();
        assert_eq!(
            (&shown["status"], &shown["delete_after"]),
            (&json!("delete-pending"), &first["delete_after"])
        );

        // Whoever stores the same again is not answered what is about to go.
        let again = partner.try_store_data(&key, &item).await.ok();
        assert_ne!(again["backup_id"], stored["backup_id"]);

        let restored = restore(&partner, id).await.ok();
        assert_eq!((&restored["status"], &restored["delete_after"]), (&json!("confirmed"), &Value::Null));
        assert_eq!(restore(&partner, id).await.ok()["status"], "confirmed");
        app.clock.advance(DAY * 60);
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(status(&partner, id).await, "confirmed");

        delete(&partner, id).await.ok();
        app.clock.advance(DAY * 29);
        app.clock.advance(DAY.checked_sub(Duration::from_millis(1)).unwrap());
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(status(&partner, id).await, "delete-pending", "a millisecond early");
        app.clock.advance(Duration::from_millis(1));
        assert!(deleted(&partner, id).await);
        delete(&partner, id).await.refused(409, "backup-state");
        restore(&partner, id).await.refused(409, "backup-state");
        let shown = partner.get(&format!("/v1/partner/keys/{}", key.key_id)).await.ok();
        assert_eq!(shown["backups_count"], 1, "the second store's");

        let actions: Vec<_> = partner.audit(&format!("&backup_id={id}")).await;
        let actions: Vec<_> = actions.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
        let requested = "backup.deletion-requested";
        assert_eq!(actions, ["backup.stored", requested, "backup.restored", requested, "backup.deleted"]);
        let events = app.events(&partner).await;
        let gone: Vec<_> = events.iter().filter(|event| event["type"] == "backup.deleted").collect();
        assert_eq!(gone.len(), 1);
        let data = &gone[0]["data"];
        assert_eq!((&data["backup_id"], &data["user_identifier"]), (&json!(id), &json!("user-1")));
    }
}

#[tokio::test]
async fn what_waits_for_its_deletion_is_not_released() {
    let app = App::start().await;
    let tenant = app.new_tenant(TenantKind::Retail, Scope::ALL).await;
    let enrolment = tenant.approved("user-1").await;
    let key = tenant.key("user-1", &enrolment).await;
    let items = [key.device().item("a", &secret("a")), key.device().item("b", &secret("b"))];
    let ids = tenant.store("user-1", &enrolment, &key, &items).await;
    let certificate = &app.fixture.recipient.certificate;

    // Between two deliveries of one recovery.
    let recovery = tenant.approved("user-1").await;
    tenant.recover("user-1", &recovery, certificate).await.ok();
    delete(&tenant, &ids[0]).await.ok();
    let second = tenant.recover("user-1", &recovery, certificate).await.ok();
    for item in second["backup"].as_array().unwrap() {
        let pending = item["backup_id"] == json!(ids[0]);
        assert_eq!(item.get("error").is_some(), pending, "{item}");
        assert_eq!(item.get("recovery_package").is_none(), pending, "{item}");
    }

    // Before a new one.
    let recovery = tenant.approved("user-1").await;
    let third = tenant.recover("user-1", &recovery, certificate).await.ok();
    let left: Vec<_> = third["backup"].as_array().unwrap().iter().map(|item| &item["backup_id"]).collect();
    assert_eq!(left, [&json!(ids[1])]);
    restore(&tenant, &ids[0]).await.ok();
    let recovery = tenant.approved("user-1").await;
    let fourth = tenant.recover("user-1", &recovery, certificate).await.ok();
    assert_eq!(fourth["backup"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn nobody_touches_another_tenants_backup() {
    let app = App::start().await;
    let other = app.new_tenant(TenantKind::Partner, &[Scope::Partner]).await;
    let key = other.assigned("user-1", "customer-1").await;
    let foreign = store(&other, &key, "wallet").await;
    let partner = app.partner();
    let unknown = delete(&partner, "00000000-0000-7000-8000-000000000000").await;
    unknown.refused(404, "not-found");
    for id in [foreign.as_str(), "x", "%ff"] {
        assert_eq!(delete(&partner, id).await.face(), unknown.face(), "{id}");
        assert_eq!(restore(&partner, id).await.face(), unknown.face(), "{id}");
        assert_eq!(partner.get(&format!("/v1/partner/backups/{id}")).await.face(), unknown.face(), "{id}");
    }
    assert_eq!(status(&other, &foreign).await, "confirmed");
}
