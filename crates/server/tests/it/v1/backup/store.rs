//! `/v1/backup/store`: form, standing of the inquiry, whose key.

use std::time::Duration;

use domain::limits::STORE_WINDOW;
use serde_json::{Value, json};
use server::config::Windows;
use testkit::device::secret;
use testkit::{App, Given, Plan};

fn body(id: &str, key: &Given) -> Value {
    testkit::store_body("user-1", id, key, &[key.device().item("seed", &secret("seed"))])
}

#[tokio::test]
async fn the_answer_repeats_what_was_stored() {
    let app = App::start().await;
    let retail = app.retail();
    let id = retail.approved("user-1").await;
    let key = retail.key("user-1", &id).await;
    let mut body = body(&id, &key);
    body["metadata"] =
        json!({"description": "d", "original_filename": "f.bin", "content_type": "x/y", "own": {"n": 1}});
    body["public_key"] = json!(key.public_key.to_uppercase());
    body["backup"][0]["item_checksum"] =
        json!(body["backup"][0]["item_checksum"].as_str().unwrap().to_uppercase());
    let stored = retail.post("/v1/backup/store", &body).await.ok();
    assert_eq!(stored["backup_type"], "data");
    let item = &stored["backup"][0];
    assert_eq!((&item["item_key"], &item["data_size"]), (&json!("seed"), &json!(512)));
    assert_eq!(item["checksum"], body["backup"][0]["item_checksum"], "as sent");
    let mut metadata = stored["metadata"].as_object().unwrap().clone();
    let stored_at = metadata.remove("stored_at").unwrap().as_str().unwrap().to_owned();
    assert!(stored_at.len() == 24 && stored_at.ends_with('Z'), "{stored_at}: milliseconds");
    let mut expected = body["metadata"].as_object().unwrap().clone();
    expected.insert("api_key_entity_type".to_owned(), json!("retail"));
    expected.insert("backup_items_count".to_owned(), json!(1));
    assert_eq!(metadata, expected);
    let recovered = retail.recover("user-1", &id, &app.fixture.recipient.certificate).await.ok();
    let item = &recovered["backup"][0];
    assert_eq!((&item["original_filename"], &item["content_type"]), (&json!("f.bin"), &json!("x/y")));
    assert_eq!(item["metadata"]["own"], json!({"n": 1}));
}

/// What is wrong, how to make it so, and the field that is named.
type Fault = (&'static str, fn(&mut Value), &'static str);

const FAULTS: [Fault; 22] = [
    ("no item", |body| body["backup"] = json!([]), "backup"),
    ("four items", |body| body["backup"] = json!(vec![body["backup"][0].clone(); 4]), "backup"),
    ("no list", |body| body["backup"] = json!({}), "backup"),
    ("no object", |body| body["backup"][0] = json!("seed"), "backup[0]"),
    (
        "two of one name",
        |body| body["backup"] = json!(vec![body["backup"][0].clone(); 2]),
        "backup[1].item_key",
    ),
    ("no name", |body| body["backup"][0]["item_key"] = json!(""), "backup[0].item_key"),
    ("a long name", |body| body["backup"][0]["item_key"] = json!("é".repeat(129)), "backup[0].item_key"),
    ("a control character", |body| body["backup"][0]["item_key"] = json!("a\u{0}"), "backup[0].item_key"),
    ("no checksum", |body| body["backup"][0]["item_checksum"] = json!(null), "backup[0].item_checksum"),
    (
        "not hexadecimal",
        |body| body["backup"][0]["item_checksum"] = json!("xy".repeat(32)),
        "backup[0].item_checksum",
    ),
    (
        "too short",
        |body| body["backup"][0]["item_checksum"] = json!("a".repeat(63)),
        "backup[0].item_checksum",
    ),
    (
        "too long",
        |body| body["backup"][0]["item_checksum"] = json!("a".repeat(66)),
        "backup[0].item_checksum",
    ),
    ("base64 checksum", |body| body["backup"][0]["item_checksum"] = json!("Zm9v"), "backup[0].item_checksum"),
    ("no padding", |body| body["backup"][0]["item_value"] = json!("YQ"), "backup[0].item_value"),
    ("the other alphabet", |body| body["backup"][0]["item_value"] = json!("-_-_"), "backup[0].item_value"),
    ("white space", |body| body["backup"][0]["item_value"] = json!("YW Jj"), "backup[0].item_value"),
    (
        "a data URL",
        |body| body["backup"][0]["item_value"] = json!("data:;base64,YWJj"),
        "backup[0].item_value",
    ),
    ("a PEM key", |body| body["public_key"] = json!("-----BEGIN PUBLIC KEY-----"), "public_key"),
    ("a short key", |body| body["public_key"] = json!("ab".repeat(15)), "public_key"),
    ("a long key", |body| body["public_key"] = json!("ab".repeat(2_049)), "public_key"),
    ("metadata too large", |body| body["metadata"] = json!({"x": "y".repeat(16 * 1024)}), "metadata"),
    ("a number as description", |body| body["metadata"] = json!({"description": 1}), "metadata.description"),
];

#[tokio::test]
async fn each_fault_is_named_by_its_path() {
    let app = App::start().await;
    let retail = app.retail();
    let id = retail.approved("user-1").await;
    let key = retail.key("user-1", &id).await;
    let good = body(&id, &key);
    let before = app.census();
    for (fault, make, field) in FAULTS {
        let mut body = good.clone();
        make(&mut body);
        let faults = retail.post("/v1/backup/store", &body).await.faults();
        assert_eq!(faults, [field], "{fault}");
    }
    let mut several = good.clone();
    FAULTS[10].1(&mut several);
    FAULTS[13].1(&mut several);
    FAULTS[20].1(&mut several);
    let faults = retail.post("/v1/backup/store", &several).await.faults();
    assert_eq!(faults, ["backup[0].item_checksum", "backup[0].item_value", "metadata"], "all at once");
    assert_eq!(app.census(), before, "nothing was stored");
    retail.post("/v1/backup/store", &good).await.ok();
}

#[tokio::test]
async fn a_key_that_is_not_the_tenants_is_as_unknown() {
    let app = App::start().await;
    let (retail, partner) = (app.retail(), app.partner());
    let id = retail.approved("user-1").await;
    let key = retail.key("user-1", &id).await;
    let foreign = partner.assigned("user-1", "customer-1").await;
    let before = app.census();
    let mut unknown = body(&id, &key);
    unknown["public_key"] = json!("ab".repeat(550));
    let unknown = retail.post("/v1/backup/store", &unknown).await;
    unknown.refused(404, "not-found");
    let answer = retail.post("/v1/backup/store", &body(&id, &foreign)).await;
    assert_eq!(answer.face(), unknown.face());
    let item = key.device().item("", &secret("seed"));
    let answer = partner.try_store_data(&key, &item).await;
    assert_eq!(answer.face(), unknown.face(), "nor the other way round");
    assert_eq!(app.census(), before, "nothing was stored");
}

#[tokio::test]
async fn a_store_under_an_open_check_waits_for_its_approval() {
    let app = App::start().await;
    let retail = app.retail();
    let certificate = &app.fixture.recipient.certificate;
    for action in ["start_inquiry", "complete_inquiry", "mark_for_review_inquiry"] {
        let user = format!("user-{action}");
        let id = retail.start_as(&user, action).await;
        let key = retail.key(&user, &id).await;
        let item = [key.device().item("seed", &secret("seed"))];
        let stored = retail.store(&user, &id, &key, &item).await;
        retail.recover(&user, &id, certificate).await.refused(403, "verification-not-approved");
        let other = retail.approved(&user).await;
        retail.recover(&user, &other, certificate).await.refused(404, "no-backup");
        let told = app.events(&retail).await.len();
        retail.simulate(&id, "approve_inquiry").await.ok();
        let told = app.events(&retail).await.split_off(told);
        let types: Vec<_> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["inquiry.approved", "backup.confirmed"]);
        assert_eq!(told[1]["data"]["backup_id"], stored[0]);
        let recovered = retail.recover(&user, &id, certificate).await.ok();
        assert_eq!(recovered["backup"][0]["backup_id"], stored[0]);
    }
}

#[tokio::test]
async fn a_store_under_a_check_that_fails_is_gone_for_good() {
    let app = App::start().await;
    let retail = app.retail();
    let certificate = &app.fixture.recipient.certificate;
    for action in ["decline_inquiry", "fail_inquiry", "expire_inquiry"] {
        let user = format!("user-{action}");
        let id = retail.start(&user).await;
        let key = retail.key(&user, &id).await;
        let item = key.device().item("seed", &secret("seed"));
        let stored = retail.store(&user, &id, &key, std::slice::from_ref(&item)).await;
        let rows = |what: &str| app.place.rows(&format!("backups WHERE id = '{}' AND {what}", stored[0]));
        assert_eq!(rows("ciphertext IS NOT NULL"), 1, "it is there");
        retail.simulate(&id, action).await.ok();
        let other = retail.approved(&user).await;
        retail.recover(&user, &other, certificate).await.refused(404, "no-backup");
        retail.recover(&user, &id, certificate).await.refused(403, "verification-not-approved");
        retail
            .try_store(&user, &id, &key, std::slice::from_ref(&item))
            .await
            .refused(403, "verification-not-approved");
        assert_eq!(
            rows("ciphertext IS NULL AND record IS NULL AND checksum_sealed IS NULL"),
            1,
            "no trace of it"
        );
        // The same item under an approval is another backup, and is recovered.
        let again = retail.store(&user, &other, &key, &[item]).await;
        assert_ne!(again, stored);
        let recovered = retail.recover(&user, &other, certificate).await.ok();
        assert_eq!(recovered["backup"].as_array().unwrap().len(), 1);
        assert_eq!(recovered["backup"][0]["backup_id"], again[0]);
    }
}

#[tokio::test]
async fn stores_are_taken_until_the_window_closes() {
    let app = App::start().await;
    let retail = app.retail();
    let (id, closed) = (retail.approved("user-1").await, retail.approved("user-1").await);
    let key = retail.key("user-1", &id).await;
    let item = |name: &str| [key.device().item(name, &secret(name))];
    retail.simulate(&closed, "close_window").await.ok();
    let before = app.census();
    retail.try_store("user-1", &closed, &key, &item("a")).await.refused(403, "verification-window-closed");
    assert_eq!(app.census(), before, "nothing was stored");
    app.clock.advance(STORE_WINDOW);
    retail.store("user-1", &id, &key, &item("a")).await;
    app.clock.advance(Duration::from_millis(1));
    retail.try_store("user-1", &id, &key, &item("b")).await.refused(403, "verification-window-closed");
}

#[tokio::test]
async fn the_settings_say_for_how_long_stores_and_keys_are_taken() {
    for store in [Duration::from_mins(1), Duration::from_hours(720)] {
        let app = Plan::default().with_windows(Windows { store, ..Windows::default() }).start().await;
        let retail = app.retail();
        let id = retail.approved("user-1").await;
        let key = retail.key("user-1", &id).await;
        let item = |name: &str| [key.device().item(name, &secret(name))];
        app.clock.advance(store);
        retail.store("user-1", &id, &key, &item("a")).await;
        retail.key("user-1", &id).await;
        app.clock.advance(Duration::from_millis(1));
        retail.try_store("user-1", &id, &key, &item("b")).await.refused(403, "verification-window-closed");
        let body = json!({"user_identifier": "user-1", "verification_id": id});
        retail.post("/v1/key/generate", &body).await.refused(403, "verification-window-closed");
    }
}
