//! `/v1/key/generate`.

use std::time::Duration;

use domain::limits::STORE_WINDOW;
use serde_json::json;
use testkit::{App, Plan};

#[tokio::test]
async fn each_call_makes_another_key() {
    let app = App::start().await;
    let retail = app.retail();
    let id = retail.start("user-1").await;
    let (first, second) = (retail.key("user-1", &id).await, retail.key("user-1", &id).await);
    assert_ne!(first.key_id, second.key_id);
    assert_ne!(first.public_key, second.public_key);
    let members: Vec<_> = first.answer.as_object().unwrap().keys().collect();
    assert_eq!(members, ["key_id", "public_key", "signature"], "the published answer");
    assert!(first.public_key.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()));
}

#[tokio::test]
async fn only_a_check_that_has_not_failed_gives_a_key() {
    let app = App::start().await;
    let retail = app.retail();
    for action in ["start_inquiry", "complete_inquiry", "mark_for_review_inquiry", "approve_inquiry"] {
        let id = retail.start_as("user-1", action).await;
        retail.key("user-1", &id).await;
    }
    let before = app.census();
    for action in ["fail_inquiry", "decline_inquiry", "expire_inquiry"] {
        let id = retail.start_as("user-1", action).await;
        let body = json!({"user_identifier": "user-1", "verification_id": id});
        retail.post("/v1/key/generate", &body).await.refused(403, "verification-not-approved");
    }
    assert_eq!(app.census()["customer_keys"], before["customer_keys"]);
    assert_eq!(app.census()["pool_keys"], before["pool_keys"], "no key was spent");
}

#[tokio::test]
async fn keys_are_given_until_the_window_closes() {
    let app = App::start().await;
    let retail = app.retail();
    let id = retail.approved("user-1").await;
    app.clock.advance(STORE_WINDOW);
    retail.key("user-1", &id).await;
    app.clock.advance(Duration::from_millis(1));
    let body = json!({"user_identifier": "user-1", "verification_id": id});
    retail.post("/v1/key/generate", &body).await.refused(403, "verification-window-closed");
}

#[tokio::test]
async fn a_retail_key_has_no_organisation_to_sign() {
    let app = App::start().await;
    let retail = app.retail();
    let id = retail.approved("user-1").await;
    let ask = |fields| json!({"user_identifier": "user-1", "verification_id": id, "sign_with": fields});
    let before = app.census();
    for fields in [
        json!(["external_customer_id"]),
        json!(["external_package_id"]),
        json!(["public_key"]),
        json!(["key_id", "key_id"]),
        json!(["nothing"]),
        json!(["key_id", 7]),
        json!("key_id"),
        json!({}),
    ] {
        let answer = retail.post("/v1/key/generate", &ask(fields.clone())).await;
        assert_eq!(answer.faults(), ["sign_with"], "{fields}");
    }
    assert_eq!(app.census(), before, "nothing was made");
    let fields = json!(["key_fingerprint", "user_id", "pulled_by_type", "key_id", "pulled_by_id"]);
    let key = retail.post("/v1/key/generate", &ask(fields.clone())).await.ok();
    assert_eq!(key["signed_fields"], fields, "in the request's order");
    let bare = retail.post("/v1/key/generate", &ask(json!([]))).await.ok();
    assert!(bare.get("signed_payload").is_none() && bare.get("signed_fields").is_none(), "{bare}");
}

#[tokio::test]
async fn a_dry_pool_is_told_at_once_and_fills_by_itself() {
    let app = Plan::default().with_pool([0, 0, 0]).start().await;
    let (retail, partner) = (app.retail(), app.partner());
    let id = retail.approved("user-1").await;
    let before = app.census();
    let body = json!({"user_identifier": "user-1", "verification_id": id});
    retail.post("/v1/key/generate", &body).await.refused(503, "pool-empty");
    for (environment, key_type) in
        [("HOT", "rsa4096"), ("HOT", "ed25519"), ("COLD", "rsa4096"), ("COLD", "secp256k1")]
    {
        let mut body = testkit::assign_body("user-1", "customer-1");
        (body["key_environment"], body["key_type"]) = (json!(environment), json!(key_type));
        partner.assign(&body).await.refused(503, "pool-empty");
    }
    let mut after = app.census();
    // The partner's user was named for the first time.
    *after.get_mut("users").unwrap() -= 1;
    assert_eq!(after, before, "nothing was stored");

    let app = Plan::default().with_pool([0, 1, 2]).start().await;
    let mut body = testkit::assign_body("user-1", "customer-1");
    body["key_type"] = json!("ed25519");
    loop {
        let answer = app.partner().assign(&body).await;
        if answer.status == 200 {
            break;
        }
        answer.refused(503, "pool-empty");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
