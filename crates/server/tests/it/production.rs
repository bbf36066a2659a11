//! Production: nothing that simulates exists, and no database of the other environment is touched.

use boundary::Env;
use domain::credential::{Scope, TenantKind};
use reqwest::Method;
use serde_json::json;
use testkit::App;

#[tokio::test]
async fn nothing_that_simulates_exists() {
    let app = App::production().await;
    let retail = app.new_tenant(TenantKind::Retail, Scope::ALL).await;
    let before = app.census();
    let user = json!({"user_identifier": "user-1"});
    for action in ["approve_inquiry", "decline_inquiry"] {
        let call = retail.call(&Method::POST, "/v1/verification/start").header("x-override-status", action);
        let body = call.json(&user).send().await.refused(400, "sandbox-only");
        assert!(body["message"].as_str().unwrap().contains("sandbox"), "{body}");
    }
    let unknown = retail.post("/v1/nothing", &user).await;
    for answer in [
        retail.simulate("inq_1", "approve_inquiry").await,
        retail.simulate("", "close_window").await,
        retail.post("/v1/sandbox/damage", &json!({"backup_id": "x"})).await,
        retail.post("/v1/sandbox/ceremony", &json!({})).await,
    ] {
        answer.refused(404, "no-such-path");
        assert_eq!(answer.face(), unknown.face(), "as any path that is none");
    }
    // No provider is configured yet.
    retail.post("/v1/verification/start", &user).await.refused(503, "unavailable");
    let mut after = app.census();
    // Whoever tries a header that only a sandbox knows is remembered.
    *after.get_mut("audit_entries").unwrap() -= 2;
    assert_eq!(after, before, "nothing else was stored");
    let refused = retail.audit("&action=verification.refused").await;
    assert!(
        refused.iter().all(|entry| entry["reason"] == "sandbox-only") && refused.len() == 2,
        "{refused:?}"
    );
    let ready = app.anonymous().get("/readyz").await.ok();
    assert_eq!(ready["environment"], "production");
}

#[tokio::test]
async fn a_sandboxs_key_is_told_that_it_is_one() {
    let (production, sandbox) = (App::production().await, App::start().await);
    let key = sandbox.retail().api_key.unwrap();
    let answer = production.anonymous().with_key(Some(&key)).get("/v1/audit").await;
    answer.refused(401, "wrong-environment");
}

#[tokio::test]
async fn a_database_of_the_other_environment_is_refused() {
    let mut app = App::start().await;
    app.stop_service().await;
    let before = app.census();
    app.settings().environment = Env::Production;
    let refused = app.start_service().await.unwrap_err().to_string();
    assert!(refused.contains("sandbox") && refused.contains("production"), "{refused}");
    assert_eq!(app.census(), before, "nothing was changed");
    app.settings().environment = Env::Sandbox;
    app.start_service().await.unwrap();
    app.retail().approved("user-1").await;
}

#[tokio::test]
async fn an_enclave_of_the_other_environment_is_not_used() {
    let mut app = App::production().await;
    app.stop_service().await;
    // The same database would be refused, so it is a new one: only the enclave is wrong.
    app.settings().environment = Env::Sandbox;
    app.settings().data_dir = app.folder().join("other");
    app.settings().database = store::Settings::sqlite(app.folder().join("other.db"));
    app.start_service().await.unwrap();
    let ready = app.anonymous().get("/readyz").await;
    assert!(ready.status >= 500, "{}", ready.text());
    let retail = app.retail();
    let start = retail.post("/v1/verification/start", &json!({"user_identifier": "user-1"})).await;
    if start.status == 200 {
        let id = start.ok()["verification_id"].as_str().unwrap().to_owned();
        assert_ne!(
            retail.simulate(&id, "approve_inquiry").await.status,
            200,
            "its word proves nothing there"
        );
        assert_eq!(retail.inquiry_status(&id).await, "CREATED");
    }
}
