//! `/v1/sandbox/reset`.

use domain::credential::{Scope, TenantKind};
use serde_json::{Value, json};
use testkit::device::secret;
use testkit::{Actor, App, Census};

/// What a tenant has: a stored item, recovered once, and an endpoint.
async fn used(app: &App, tenant: &Actor, user: &str) {
    let id = tenant.approved(user).await;
    let key = tenant.key(user, &id).await;
    tenant.store(user, &id, &key, &[key.device().item("a", &secret("a"))]).await;
    tenant.recover(user, &id, &app.fixture.recipient.certificate).await.ok();
}

async fn reset(tenant: &Actor) -> Value {
    tenant.call(&reqwest::Method::POST, "/v1/sandbox/reset").send().await.ok()
}

#[tokio::test]
async fn everything_goes_but_what_lets_one_begin_anew() {
    let app = App::start().await;
    let retail = app.retail();
    retail.post("/v1/webhooks", &json!({"url": "https://example.com/"})).await.ok();
    let scopes = [Scope::Retail, Scope::Audit, Scope::Sandbox];
    let neighbour = app.new_tenant(TenantKind::Retail, &scopes).await;
    used(&app, &neighbour, "user-1").await;
    let neighbours = app.census();
    let before = neighbour.audit("").await;
    used(&app, &retail, "user-1").await;
    let log = retail.audit("").await;
    let before_reset = retail.get("/v1/audit/checkpoint").await.text();
    assert_eq!(before_reset.lines().nth(1), Some(log.len().to_string().as_str()));

    assert_eq!(reset(&retail).await, json!({"ok": true}));
    let after = app.census();
    // The reset's own entry stands where the endpoint's was; keys that were given out do not come back; and the offline
    // enclave is still to be told.
    let rows = |census: &Census| {
        census
            .iter()
            .filter(|(table, _)| !matches!(table.as_str(), "pool_keys" | "offline_requests"))
            .map(|(t, n)| (t.clone(), *n))
            .collect::<Census>()
    };
    assert_eq!(rows(&after), rows(&neighbours));
    assert_eq!((neighbours["offline_requests"], after["offline_requests"]), (0, 1));
    assert!(app.events(&retail).await.is_empty());
    assert_eq!(neighbour.audit("").await, before, "a neighbour's log is as it was");
    assert_eq!(retail.get("/v1/webhooks").await.ok()["data"].as_array().unwrap().len(), 1);

    let anew = retail.audit("").await;
    assert_eq!((anew.len(), &anew[0]["seq"], &anew[0]["action"]), (1, &json!(1), &json!("sandbox.reset")));
    let line: Vec<_> = before_reset.lines().skip(1).take(2).collect();
    assert_eq!(anew[0]["reason"], line.join(" "), "the last checkpoint of the old log");
    let first = retail.get("/v1/audit/checkpoint").await.text();
    let origin = |note: &str| note.lines().next().unwrap().to_owned();
    assert_eq!(origin(&first), format!("{}/log-2", origin(&before_reset)), "of another log");
    assert_eq!(first.lines().nth(1), Some("1"));
    assert_eq!(anew[0]["prev_hash"].as_str().unwrap(), "0".repeat(64));
    used(&app, &retail, "user-1").await;
}

#[tokio::test]
async fn it_needs_its_scope() {
    let app = App::start().await;
    let without = app.new_tenant(TenantKind::Retail, &[Scope::Retail]).await;
    let answer = without.call(&reqwest::Method::POST, "/v1/sandbox/reset").send().await;
    answer.refused(403, "scope-missing");
}
