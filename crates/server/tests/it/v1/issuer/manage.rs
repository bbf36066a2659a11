//! Registering, showing and ending it.

use domain::credential::{Scope, TenantKind};
use serde_json::{Value, json};
use testkit::{App, Plan};

use super::idp::{AUDIENCE, ISSUER, Idp, Key, Reply, delete, get, put};

#[tokio::test]
async fn it_is_registered_shown_replaced_and_ended() {
    let app = App::start().await;
    let tenant = app.new_tenant(TenantKind::Retail, Scope::ALL).await;
    let key = Key::new("a");
    let idp = Idp::with(&[&key]).await;
    tenant.get("/v1/auth/issuer").await.refused(404, "not-found");
    delete(&tenant).await.refused(404, "not-found");
    let set = idp.register(&tenant).await;
    assert_eq!(
        (&set["issuer"], &set["audience"], &set["jwks_uri"]),
        (&json!(ISSUER), &json!(AUDIENCE), &json!(idp.uri))
    );
    assert_eq!(tenant.get("/v1/auth/issuer").await.ok(), set);
    let token = key.token(&app, &json!({}));
    get(&tenant, &token).await.ok();
    app.clock.advance(std::time::Duration::from_secs(1));
    let again = idp.try_register(&tenant, "other").await.ok();
    assert_eq!(again["created_at"], set["created_at"]);
    assert_ne!(again["updated_at"], set["updated_at"]);
    get(&tenant, &token).await.refused(401, "unauthenticated");
    get(&tenant, &key.token(&app, &json!({"aud": "other"}))).await.ok();
    let ended = delete(&tenant).await;
    assert_eq!((ended.status, ended.body.len()), (204, 0));
    tenant.get("/v1/auth/issuer").await.refused(404, "not-found");
    let log = tenant.audit("").await;
    let log: Vec<_> = log.iter().map(|entry| (&entry["action"], &entry["reason"])).collect();
    let (registered, reason) = (json!("issuer.registered"), json!(format!("issuer {ISSUER}")));
    assert_eq!(log, [(&registered, &reason), (&registered, &reason), (&json!("issuer.deleted"), &reason)]);
}

async fn its_tokens_end_with_it_on_every_process(mut app: App) {
    let tenant = app.new_tenant(TenantKind::Partner, Scope::ALL).await;
    let key = Key::new("a");
    Idp::with(&[&key]).await.register(&tenant).await;
    let second = app.second_service().await;
    let there = tenant.at(&format!("http://{}", second.address()));
    let token = key.token(&app, &json!({}));
    for process in [&tenant, &there] {
        get(process, &token).await.ok();
    }
    assert_eq!(delete(&tenant).await.status, 204);
    for process in [&there, &tenant] {
        get(process, &token).await.refused(401, "unauthenticated");
    }
    second.stop().await;
}

#[tokio::test]
async fn its_tokens_end_with_it_on_every_process_on_sqlite() {
    its_tokens_end_with_it_on_every_process(App::start().await).await;
}

#[tokio::test]
async fn its_tokens_end_with_it_on_every_process_on_postgres() {
    its_tokens_end_with_it_on_every_process(App::on_postgres().await).await;
}

#[tokio::test]
async fn a_mistake_shows_at_once_and_nothing_is_stored() {
    let app = App::start().await;
    let tenant = app.new_tenant(TenantKind::Retail, Scope::ALL).await;
    let before = app.census();
    let good = Idp::with(&[&Key::new("a")]).await;
    let body = |name: &str, value: Value| {
        let mut body = json!({"issuer": ISSUER, "jwks_uri": good.uri, "audience": AUDIENCE});
        body[name] = value;
        body
    };
    for (name, value) in [
        ("issuer", Value::Null),
        ("issuer", json!("")),
        ("issuer", json!("a".repeat(256))),
        ("issuer", json!("holdfast-sandbox")),
        ("issuer", json!("holdfast-production")),
        ("audience", Value::Null),
        ("audience", json!([AUDIENCE])),
        ("audience", json!("a\nb")),
        ("jwks_uri", Value::Null),
        ("jwks_uri", json!("nowhere")),
        ("jwks_uri", json!("ftp://login.example.com/jwks")),
        ("jwks_uri", json!("https://user@login.example.com/jwks")),
        ("jwks_uri", json!("http://10.0.0.1/jwks")),
        ("jwks_uri", json!("http://169.254.169.254/latest/meta-data/")),
        ("jwks_uri", json!("http://[::ffff:10.0.0.1]:8080/")),
        ("jwks_uri", json!("http://127.0.0.1:22/")),
        ("jwks_uri", json!("http://127.0.0.1:1024/")),
    ] {
        assert_eq!(put(&tenant, &body(name, value.clone())).await.faults(), [name], "{value}");
    }
    assert_eq!(good.hits(), 0);
    let off_curve =
        json!({"kty": "EC", "crv": "P-256", "kid": "a", "x": "A".repeat(43), "y": "A".repeat(43)});
    for (reply, words) in [
        (Reply::Hang, "in time"),
        (Reply::Endless, "at most 65536 bytes"),
        (Reply::Close, "in HTTP"),
        (Reply::Head("302 Found\r\nlocation: http://127.0.0.1:1024/"), "not followed"),
        (Reply::Head("204 No Content"), "200"),
        (Reply::Head("404 Not Found"), "200"),
        (Reply::Body("<html>".to_owned()), "JSON"),
        (Reply::Body(json!({"keys": []}).to_string()), "no key for ES256"),
        (
            Reply::Body(json!({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "a"}]}).to_string()),
            "no key",
        ),
        (Reply::Body(json!({"keys": [off_curve]}).to_string()), "no key"),
    ] {
        let idp = Idp::new(reply).await;
        let answer = idp.try_register(&tenant, AUDIENCE).await;
        assert_eq!(answer.faults(), ["jwks_uri"]);
        let told = answer.json()["errors"]["jwks_uri"][0].as_str().unwrap().to_owned();
        assert!(told.contains(words), "{told}");
        assert_eq!(idp.hits(), 1);
    }
    assert_eq!(app.census(), before);
}

#[tokio::test]
async fn production_asks_for_tls_and_a_public_address() {
    let app = Plan::default().production().start().await;
    let tenant = app.new_tenant(TenantKind::Retail, Scope::ALL).await;
    let idp = Idp::with(&[&Key::new("a")]).await;
    assert_eq!(idp.try_register(&tenant, AUDIENCE).await.faults(), ["jwks_uri"]);
    let body = json!({"issuer": ISSUER, "jwks_uri": "https://127.0.0.1:8443/jwks", "audience": AUDIENCE});
    assert_eq!(put(&tenant, &body).await.faults(), ["jwks_uri"]);
    assert_eq!(idp.hits(), 0);
}
