//! `/v1/credentials`.

use std::time::Duration;

use domain::credential::{Scope, TenantKind};
use domain::time::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use server::edge::clock::Clock as _;
use testkit::{Actor, Answer, App};

async fn create(actor: &Actor, scopes: &[&str]) -> Answer {
    actor.post("/v1/credentials", &json!({"name": "wallet", "scopes": scopes})).await
}

async fn revoke(actor: &Actor, id: &str) -> Answer {
    actor.call(&Method::DELETE, &format!("/v1/credentials/{id}")).send().await
}

async fn owner(app: &App) -> Actor {
    let owner = app.new_tenant(TenantKind::Retail, &[Scope::Credentials, Scope::Retail, Scope::Audit]).await;
    // Of two made in one millisecond neither is the newer.
    app.clock.advance(Duration::from_millis(1));
    owner
}

#[tokio::test]
async fn a_new_credential_works_and_its_text_is_shown_once() {
    let app = App::start().await;
    let owner = owner(&app).await;
    let body =
        json!({"name": "wallet é", "scopes": ["audit", "retail"], "expires_at": "2099-01-31T12:00:00Z"});
    let made = owner.post("/v1/credentials", &body).await.ok();
    assert_eq!(made["name"], "wallet é");
    assert_eq!(made["scopes"], json!(["audit", "retail"]));
    assert_eq!(made["expires_at"], "2099-01-31T12:00:00.000Z");
    let key = made["api_key"].as_str().unwrap();
    let text = made["hint"].as_str().unwrap();
    assert!(key.starts_with("hf_sandbox_") && text.starts_with("hf_sandbox_…") && key.ends_with(&text[14..]));
    let user = owner.with_key(Some(key));
    user.start("user-1").await;
    create(&user, &["audit"]).await.refused(403, "scope-missing");
    let listed = owner.get("/v1/credentials").await;
    assert!(!listed.text().contains(key) && !listed.text().contains("api_key"));
    let newest = &listed.ok()["data"][0];
    for member in ["id", "name", "hint", "scopes", "expires_at", "created_at"] {
        assert_eq!(newest[member], made[member], "{member}");
    }
    assert_eq!(newest["revoked_at"], Value::Null);
    let log = owner.audit("&action=credential.created").await;
    assert_eq!((log.len(), &log[0]["reason"]), (1, &made["id"]));
    assert!(!owner.get("/v1/audit").await.text().contains(&key[11..]), "nothing secret is in the log");
}

#[tokio::test]
async fn only_scopes_that_one_holds_are_given() {
    let app = App::start().await;
    let owner = owner(&app).await;
    let before = app.census();
    for scopes in [&["partner"][..], &["audit", "keys"], &["webhooks", "retail"]] {
        create(&owner, scopes).await.refused(403, "scope-not-held");
    }
    for (scopes, field) in
        [(json!([]), "scopes"), (json!(["audit", "audit"]), "scopes"), (json!(["root"]), "scopes[0]")]
    {
        let body = json!({"name": "wallet", "scopes": scopes});
        assert_eq!(owner.post("/v1/credentials", &body).await.faults(), [field]);
    }
    let now = app.clock.now();
    for expires_at in [now.rfc3339(), (now - Duration::from_secs(1)).rfc3339(), "tomorrow".to_owned()] {
        let body = json!({"name": "wallet", "scopes": ["audit"], "expires_at": expires_at});
        assert_eq!(owner.post("/v1/credentials", &body).await.faults(), ["expires_at"], "{expires_at}");
    }
    assert_eq!(app.census(), before, "nothing was stored");
}

#[tokio::test]
async fn a_revoked_credential_is_dead_at_the_next_call() {
    let app = App::start().await;
    let owner = owner(&app).await;
    let made = create(&owner, &["audit", "credentials"]).await.ok();
    let (id, user) = (made["id"].as_str().unwrap(), owner.with_key(made["api_key"].as_str()));
    user.get("/v1/audit").await.ok();
    for _ in 0..2 {
        let answer = revoke(&owner, id).await;
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        user.get("/v1/audit").await.refused(401, "unauthenticated");
    }
    let log = owner.audit("&action=credential.revoked").await;
    assert_eq!((log.len(), &log[0]["reason"]), (1, &made["id"]), "it is revoked once");
    let listed = owner.get("/v1/credentials").await.ok();
    let revoked_at = listed["data"][0]["revoked_at"].as_str().unwrap();
    assert_eq!(Timestamp::parse_rfc3339(revoked_at), Some(app.clock.now()));
    let own = owner.credential.clone().unwrap();
    assert_eq!(revoke(&owner, own.as_str()).await.status, 204, "also one's own");
    revoke(&owner, own.as_str()).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn an_expired_credential_is_refused() {
    let app = App::start().await;
    let owner = owner(&app).await;
    let expires_at = (app.clock.now() + Duration::from_mins(1)).rfc3339();
    let body = json!({"name": "wallet", "scopes": ["audit"], "expires_at": expires_at});
    let made = owner.post("/v1/credentials", &body).await.ok();
    let user = owner.with_key(made["api_key"].as_str());
    user.get("/v1/audit").await.ok();
    app.clock.advance(Duration::from_mins(1));
    user.get("/v1/audit").await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn another_tenants_credentials_do_not_exist() {
    let app = App::start().await;
    let (mine, other) = (owner(&app).await, owner(&app).await);
    let foreign = other.credential.clone().unwrap();
    let faces = [foreign.as_str(), "01a1fce9-23cc-7a1f-882d-9dec1dd85c07", "malformed"].map(async |id| {
        let answer = revoke(&mine, id).await;
        answer.refused(404, "not-found");
        answer.face()
    });
    let mut seen = Vec::new();
    for face in faces {
        seen.push(face.await);
    }
    assert!(seen.iter().all(|face| *face == seen[0]));
    other.get("/v1/audit").await.ok();
    let listed = mine.get("/v1/credentials").await.ok();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_list_is_paged_from_the_newest() {
    let app = App::start().await;
    let owner = owner(&app).await;
    let mut ids = vec![owner.credential.clone().unwrap().to_string()];
    for _ in 0..4 {
        app.clock.advance(Duration::from_millis(1));
        ids.insert(0, create(&owner, &["audit"]).await.ok()["id"].as_str().unwrap().to_owned());
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = owner.get(&format!("/v1/credentials?limit=2{cursor}")).await.ok();
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= 2);
        seen.extend(data.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ids);
    for query in ["limit=0", "limit=201", "limit=x"] {
        assert_eq!(owner.get(&format!("/v1/credentials?{query}")).await.faults(), ["limit"]);
    }
    assert_eq!(owner.get("/v1/credentials?cursor=x").await.faults(), ["cursor"]);
}
