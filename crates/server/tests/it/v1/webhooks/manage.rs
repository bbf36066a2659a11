//! Endpoints, made and changed.

use domain::credential::{Scope, TenantKind};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{App, Plan};

use super::sink::path;

#[tokio::test]
async fn an_endpoint_lives_and_its_secret_is_shown_once() {
    let app = App::start().await;
    let retail = app.retail();
    let body = json!({"url": "https://Example.com/x", "events": ["key.assigned", "backup.stored"], "description": "é"});
    let made = retail.post("/v1/webhooks", &body).await.ok();
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{secret}");
    assert_eq!((&made["url"], &made["enabled"]), (&json!("https://example.com/x"), &json!(true)));
    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("secret");
    assert_eq!(retail.get(&path(&made)).await.ok(), shown);
    let list = retail.get("/v1/webhooks").await;
    assert!(!list.text().contains("whsec_"));
    assert_eq!(list.ok(), json!({"data": [shown], "next_cursor": null}));
    let change = json!({"url": "https://other.example/", "events": [], "description": "", "enabled": false});
    let changed = retail.call(&Method::PATCH, &path(&made)).json(&change).send().await.ok();
    assert_eq!((&changed["url"], &changed["events"]), (&json!("https://other.example/"), &json!([])));
    assert_eq!((&changed["enabled"], &changed["disabled_reason"]), (&json!(false), &json!("asked")));
    retail.post(&format!("{}/test", path(&made)), &Value::Null).await.refused(409, "webhook-disabled");
    let on = retail.call(&Method::PATCH, &path(&made)).json(&json!({"enabled": true})).send().await.ok();
    assert_eq!((&on["url"], &on["disabled_reason"]), (&json!("https://other.example/"), &Value::Null));
    let rotated = retail.post(&format!("{}/rotate-secret", path(&made)), &Value::Null).await.ok();
    assert_ne!(rotated["secret"], made["secret"]);
    assert!(rotated["previous_secret_until"].is_string());
    let gone = retail.call(&Method::DELETE, &path(&made)).send().await;
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    retail.call(&Method::DELETE, &path(&made)).send().await.refused(404, "not-found");
    retail.get(&path(&made)).await.refused(404, "not-found");
    let acts = retail.audit("").await;
    let of_webhook = acts.iter().filter(|act| act["action"].as_str().unwrap().starts_with("webhook."));
    let acts: Vec<_> = of_webhook.map(|act| act["action"].as_str().unwrap().to_owned()).collect();
    let expected = ["created", "updated", "updated", "secret-rotated", "deleted"];
    assert_eq!(acts, expected.map(|act| format!("webhook.{act}")));
    assert_eq!(crate::story::holds(app.folder(), secret.as_bytes()), None, "a secret on the disk");
}

#[tokio::test]
async fn another_tenants_endpoint_is_unknown() {
    let app = App::start().await;
    let made = app.retail().post("/v1/webhooks", &json!({"url": "https://example.com/"})).await.ok();
    let path = path(&made);
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::PATCH, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/rotate-secret")),
        (Method::POST, format!("{path}/test")),
        (Method::GET, format!("{path}/deliveries")),
        (Method::POST, format!("{path}/deliveries/{}/redeliver", made["id"].as_str().unwrap())),
    ] {
        let ask = async |actor: testkit::Actor, path: &str| {
            actor.call(&method, path).json(&json!({})).send().await.face()
        };
        let theirs = ask(app.partner(), &path).await;
        assert_eq!(theirs.0, 404, "{method} {path}");
        let unknown = path.replace(made["id"].as_str().unwrap(), "00000000-0000-7000-8000-000000000000");
        assert_eq!(theirs, ask(app.retail(), &unknown).await, "{method} {path}");
        let malformed = path.replacen(made["id"].as_str().unwrap(), "x", 1);
        assert_eq!(theirs, ask(app.retail(), &malformed).await, "{method} {path}");
    }
    assert_eq!(app.retail().get(&path).await.status, 200);
}

#[tokio::test]
async fn a_tenant_has_at_most_ten_and_pages_through_them() {
    let app = App::start().await;
    let tenant = app.new_tenant(TenantKind::Partner, &[Scope::Webhooks]).await;
    let mut ids = Vec::new();
    for n in 0..10 {
        let made =
            tenant.post("/v1/webhooks", &json!({"url": format!("https://example.com/{n}")})).await.ok();
        ids.push(made["id"].clone());
        app.clock.advance(std::time::Duration::from_millis(1));
    }
    tenant.post("/v1/webhooks", &json!({"url": "https://example.com/"})).await.refused(409, "webhook-limit");
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = tenant.get(&format!("/v1/webhooks?limit=3{cursor}")).await.ok();
        seen.extend(page["data"].as_array().unwrap().iter().map(|webhook| webhook["id"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    ids.reverse();
    assert_eq!(seen, ids, "newest first");
    for query in ["limit=0", "limit=201", "limit=x", "cursor=x"] {
        let field = query.split('=').next().unwrap();
        assert_eq!(tenant.get(&format!("/v1/webhooks?{query}")).await.faults(), [field]);
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let app = App::start().await;
    let production = App::production().await;
    let tenant = production.new_tenant(TenantKind::Partner, &[Scope::Webhooks]).await;
    for (body, faults) in [
        (json!({}), vec!["url"]),
        (
            json!({"url": 7, "events": "key.assigned", "description": []}),
            vec!["description", "events", "url"],
        ),
        (json!({"url": "https://example.com/", "events": ["key.*"]}), vec!["events"]),
        (json!({"url": "https://example.com/", "description": "a".repeat(256)}), vec!["description"]),
        (json!({"url": "https://user@example.com/"}), vec!["url"]),
        (json!({"url": "https://10.0.0.1/"}), vec!["url"]),
        (json!({"url": "https://169.254.169.254/"}), vec!["url"]),
    ] {
        assert_eq!(app.retail().post("/v1/webhooks", &body).await.faults(), faults, "{body}");
        assert_eq!(tenant.post("/v1/webhooks", &body).await.faults(), faults, "{body}");
    }
    for url in ["http://example.com/", "https://127.0.0.1:8443/", "https://localhost/", "https://[::1]/"] {
        assert_eq!(tenant.post("/v1/webhooks", &json!({"url": url})).await.faults(), ["url"], "{url}");
        app.retail().post("/v1/webhooks", &json!({"url": url})).await.ok();
    }
}

#[tokio::test]
async fn secrets_are_sealed_at_rest() {
    let app = Plan::default().on_sqlite().start().await;
    let retail = app.retail();
    let made = retail.post("/v1/webhooks", &json!({"url": "https://example.com/"})).await.ok();
    retail.call(&Method::POST, &format!("{}/rotate-secret", path(&made))).send().await.ok();
    assert_eq!(
        app.place.rows("webhook_endpoints WHERE length(secret) > 38 AND length(previous_secret) > 38"),
        1
    );
    let text = domain::audit::hex(b"whsec_").to_uppercase();
    let rows = format!("webhook_endpoints WHERE instr(hex(secret) || hex(previous_secret), '{text}') > 0");
    assert_eq!(app.place.rows(&rows), 0);
}
