//! Ids of inquiries that are not the caller's.

use domain::credential::{Scope, TenantKind};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::device::secret;
use testkit::{Actor, App, Given};

/// Every operation on an inquiry.
fn operations(user: &str, id: &str, key: &Given, certificate: &str) -> Vec<(&'static str, Value)> {
    let items = [key.device().item("seed", &secret("seed"))];
    vec![
        ("/v1/verification/simulate", json!({"verification_id": id, "action": "decline_inquiry"})),
        ("/v1/key/generate", json!({"user_identifier": user, "verification_id": id})),
        ("/v1/backup/store", testkit::store_body(user, id, key, &items)),
        (
            "/v1/backup/recover",
            json!({"user_identifier": user, "verification_id": id, "gpg_public_key": certificate}),
        ),
    ]
}

/// Ids that are no good to the retail tenant, and one of its own for another user.
async fn strange_ids(stranger: &Actor) -> Vec<String> {
    let foreign = stranger.approved("user-1").await;
    let unknown = format!("{}0", &foreign[..foreign.len() - 1]);
    let mut ids: Vec<_> = ["", "inq_", "x", "'; --", "é", "\u{0}", "..", "%"].map(str::to_owned).to_vec();
    ids.extend([foreign.to_uppercase(), format!(" {foreign}"), "a".repeat(10_000), unknown, foreign]);
    ids
}

#[tokio::test]
async fn unknown_foreign_and_malformed_are_answered_alike() {
    let app = App::start().await;
    let retail = app.retail();
    let enrolment = retail.approved("user-1").await;
    let key = retail.key("user-1", &enrolment).await;
    retail.store("user-1", &enrolment, &key, &[key.device().item("seed", &secret("seed"))]).await;
    let stranger = app.new_tenant(TenantKind::Retail, Scope::ALL).await;
    let ids = strange_ids(&stranger).await;
    let before = app.census();
    let mut refused = 0;
    let mut faces = Vec::new();
    for id in &ids {
        for (path, body) in operations("user-1", id, &key, &app.fixture.recipient.certificate) {
            // An empty text is a member that is there.
            let answer = retail.post(path, &body).await;
            answer.refused(404, "not-found");
            refused += i64::from(path == "/v1/backup/recover");
            faces.push(answer.face());
        }
        let query = [("verification_id", id.as_str())];
        let url = reqwest::Url::parse_with_params("http://x/v1/verification/status", query).unwrap();
        let answer = retail.call(&Method::GET, &url.as_str()["http://x".len()..]).send().await;
        answer.refused(404, "not-found");
        faces.push(answer.face());
    }
    for face in &faces {
        assert_eq!(*face, faces[0]);
    }
    let mut after = app.census();
    *after.get_mut("audit_entries").unwrap() -= refused;
    assert_eq!(after, before, "nothing but the refusals of recoveries was written");
    let foreign = ids.last().unwrap();
    assert_eq!(stranger.inquiry_status(foreign).await, "APPROVED", "nobody else moved it");
}

#[tokio::test]
async fn an_inquiry_of_another_user_opens_nothing() {
    let app = App::start().await;
    let retail = app.retail();
    let enrolment = retail.approved("user-1").await;
    let key = retail.key("user-1", &enrolment).await;
    retail.store("user-1", &enrolment, &key, &[key.device().item("seed", &secret("seed"))]).await;
    let other = retail.approved("user-2").await;
    let unknown =
        retail.post("/v1/key/generate", &json!({"user_identifier": "u", "verification_id": "inq_9"})).await;
    for user in ["user-1", "USER-2", "user-2 ", "nobody"] {
        for (path, body) in operations(user, &other, &key, &app.fixture.recipient.certificate) {
            if path != "/v1/verification/simulate" {
                let answer = retail.post(path, &body).await;
                answer.refused(404, "not-found");
                assert_eq!(answer.face(), unknown.face(), "{path} by {user}");
            }
        }
    }
    // His own check and the key of another user of the same tenant.
    let items = [key.device().item("seed", &secret("seed"))];
    let answer = retail.try_store("user-2", &other, &key, &items).await;
    answer.refused(404, "not-found");
    assert_eq!(answer.face(), unknown.face());
    assert_eq!(
        retail.recover("user-2", &other, &app.fixture.recipient.certificate).await.refused(404, "no-backup")
            ["code"],
        "no-backup"
    );
}

#[tokio::test]
async fn the_id_in_the_query_must_be_there() {
    let app = App::start().await;
    for query in ["", "?", "?verification=inq_1", "?VERIFICATION_ID=inq_1"] {
        let answer = app.retail().get(&format!("/v1/verification/status{query}")).await;
        assert_eq!(answer.faults(), ["verification_id"], "{query}");
    }
    for query in ["?verification_id=%FF%zz&&=", "?verification_id=%00"] {
        let answer = app.retail().get(&format!("/v1/verification/status{query}")).await;
        answer.refused(404, "not-found");
    }
}
