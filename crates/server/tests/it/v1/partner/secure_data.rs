//! `/v1/partner/secure/data`.

use serde_json::{Value, json};
use testkit::device::{Device, secret};
use testkit::{App, Given};

/// How to make a body wrong, and the field that is named.
type Fault = (fn(&mut Value), &'static str);

#[tokio::test]
async fn each_fault_is_named_by_its_path() {
    let app = App::start().await;
    let partner = app.partner();
    let key = partner.assigned("user-1", "customer-1").await;
    let good = testkit::data_body(&key, &key.device().item("", &secret("a")));
    let before = app.census();
    let faults: [Fault; 11] = [
        (|body| body["padding_type"] = json!("PKCS1"), "padding_type"),
        (|body| body["padding_type"] = json!("oaep"), "padding_type"),
        (|body| body["padding_type"] = json!(""), "padding_type"),
        (|body| body["padding_type"] = json!(1), "padding_type"),
        (|body| body["checksum"] = json!(null), "checksum"),
        (|body| body["checksum"] = json!("ab"), "checksum"),
        (|body| body["data"] = json!("a=b="), "data"),
        (|body| body["data"] = json!(["AAAA"]), "data"),
        (|body| body["public_key"] = json!("0x"), "public_key"),
        (|body| body["metadata"] = json!("text"), "metadata"),
        (|body| body["metadata"] = json!({"content_type": []}), "metadata.content_type"),
    ];
    for (make, field) in faults {
        let mut body = good.clone();
        make(&mut body);
        assert_eq!(partner.post("/v1/partner/secure/data", &body).await.faults(), [field], "{body}");
    }
    assert_eq!(app.census(), before, "nothing was stored");
}

#[tokio::test]
async fn data_is_stored_under_rsa_keys_only() {
    let app = App::start().await;
    let partner = app.partner();
    for key_type in ["secp256k1", "ed25519"] {
        let mut body = testkit::assign_body(key_type, "customer-1");
        body["key_type"] = json!(key_type);
        let key = partner.assign(&body).await.ok();
        let body = json!({"public_key": key["public_key"], "data": "AAAA", "checksum": "0".repeat(64)});
        let before = app.census();
        let answer = partner.post("/v1/partner/secure/data", &body).await;
        assert_eq!(answer.faults(), ["public_key"]);
        assert!(answer.text().contains("RSA"), "{}", answer.text());
        assert_eq!(app.census(), before, "nothing was stored");
    }
}

#[tokio::test]
async fn what_a_cold_key_guards_waits_for_its_check() {
    let app = App::start().await;
    let partner = app.partner();
    let mut body = testkit::assign_body("user-1", "customer-1");
    body["key_environment"] = json!("COLD");
    let key = partner.assign(&body).await.ok();
    let device = Device::with(key["public_key"].as_str().unwrap());
    let mut item = device.item("", &secret("a"));
    let body = |item: &testkit::device::Item| {
        let json = item.json();
        json!({"public_key": key["public_key"], "data": json["item_value"], "checksum": json["item_checksum"]})
    };
    let stored = partner.post("/v1/partner/secure/data", &body(&item)).await.ok();
    assert_eq!(stored["metadata"]["check"], "unverified-cold", "{stored}");
    let again = partner.post("/v1/partner/secure/data", &body(&item)).await.ok();
    assert_eq!(again["backup_id"], stored["backup_id"]);
    // Nobody online can tell that this one is wrong.
    item.checksum = "0".repeat(64);
    let wrong = partner.post("/v1/partner/secure/data", &body(&item)).await.ok();
    assert_eq!(wrong["metadata"]["check"], "unverified-cold");
}

#[tokio::test]
async fn a_key_that_is_no_longer_active_takes_nothing_new() {
    let app = App::start().await;
    let partner = app.partner();
    for (state, code) in
        [("superseding", "key-superseded"), ("superseded", "key-superseded"), ("released", "key-released")]
    {
        let key = partner.assigned(state, "customer-1").await;
        app.place.run(&format!("UPDATE customer_keys SET state = '{state}' WHERE id = '{}'", key.key_id));
        let before = app.census();
        let item = key.device().item("", &secret("a"));
        partner.try_store_data(&key, &item).await.refused(409, code);
        assert_eq!(app.census(), before, "nothing was stored");
    }
}

#[tokio::test]
async fn the_same_data_again_answers_the_same_id() {
    let app = App::start().await;
    let partner = app.partner();
    let key: Given = partner.assigned("user-1", "customer-1").await;
    let item = key.device().item("", &secret("a"));
    let first = partner.try_store_data(&key, &item).await.ok();
    let before = app.census();
    assert_eq!(partner.try_store_data(&key, &item).await.ok()["backup_id"], first["backup_id"]);
    assert_eq!(app.census(), before, "nothing more was written");
}
