//! Who may call what: true of every operation.

use std::time::Duration;

use boundary::Env;
use domain::credential::{ApiKeyText, Scope, TenantKind};
use reqwest::Method;
use serde_json::json;
use server::edge::chance::SystemChance;
use server::edge::clock::Clock as _;
use testkit::{Actor, App, KeyRole};

use crate::routes::operations;

fn sandbox_key() -> String {
    ApiKeyText::new(Env::Sandbox, &mut SystemChance).expose().to_owned()
}

/// Callers whose credential is no good, each for another reason.
async fn strangers(app: &App) -> Vec<(&'static str, Actor)> {
    let retail = app.retail();
    let good = retail.api_key.clone().unwrap();
    let expiry = app.clock.now() + Duration::from_mins(1);
    let expiring = app.new_credential(&retail, Scope::ALL, Some(expiry)).await;
    let revoked = app.new_credential(&retail, Scope::ALL, None).await;
    for valid in [&expiring, &revoked] {
        valid.get("/v1/audit").await.ok();
    }
    app.clock.advance(Duration::from_mins(1));
    app.revoke(&revoked).await;
    let with = |key: &str| retail.with_key(Some(key));
    vec![
        ("missing", app.anonymous()),
        ("empty", with("")),
        ("malformed", with("let me in")),
        ("cut", with(&good[..good.len() - 1])),
        ("of another case", with(&good.to_uppercase())),
        ("unknown", with(&sandbox_key())),
        ("of the sandbox, expired", app.actor(TenantKind::Retail, KeyRole::Expired)),
        ("expired a moment ago", expiring),
        ("revoked", revoked),
    ]
}

#[tokio::test]
async fn every_bad_credential_is_answered_alike() {
    let app = App::start().await;
    let strangers = strangers(&app).await;
    let before = app.census();
    for operation in operations() {
        let mut faces = Vec::new();
        for (name, stranger) in &strangers {
            let answer = operation.by(stranger).await;
            answer.refused(401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{name}");
            faces.push((*name, answer.face()));
        }
        for (name, face) in &faces {
            assert_eq!(*face, faces[0].1, "{} {name}", operation.path);
        }
    }
    assert_eq!(app.census(), before, "nothing was stored");
}

#[tokio::test]
async fn a_key_of_the_other_environment_is_told_so() {
    let app = App::start().await;
    let key = ApiKeyText::new(Env::Production, &mut SystemChance);
    for key in [key.expose(), "hf_production_x"] {
        let answer = app.anonymous().with_key(Some(key)).get("/v1/audit").await;
        let body = answer.refused(401, "wrong-environment");
        let text = body["message"].as_str().unwrap();
        assert!(text.contains("production") && text.contains("sandbox"), "{text}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn either_header_is_enough() {
    let app = App::start().await;
    let key = app.retail().api_key.unwrap();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let call = app.anonymous().call(&Method::GET, "/v1/audit");
        call.header("authorization", &format!("{scheme} {key}")).send().await.ok();
    }
    let call = app.anonymous().with_key(Some("none")).call(&Method::GET, "/v1/audit");
    call.header("authorization", &format!("Bearer {key}")).send().await.ok();
    let call = app.retail().call(&Method::GET, "/v1/audit").header("authorization", "Bearer none");
    call.send().await.ok();
    for value in [key.clone(), format!("Basic {key}"), format!("Bearer{key}"), "Bearer".to_owned()] {
        let call = app.anonymous().call(&Method::GET, "/v1/audit");
        call.header("authorization", &value).send().await.refused(401, "unauthenticated");
    }
}

#[tokio::test]
async fn every_operation_needs_its_scope_and_no_other() {
    let app = App::start().await;
    let tenant = app.new_tenant(TenantKind::Retail, &[]).await;
    let auditor = app.new_credential(&tenant, &[Scope::Audit], None).await;
    for operation in operations() {
        let others: Vec<_> = Scope::ALL.iter().copied().filter(|scope| *scope != operation.scope).collect();
        let without = app.new_credential(&tenant, &others, None).await;
        let only = app.new_credential(&tenant, &[operation.scope], None).await;
        let before = app.census();
        let body = operation.by(&without).await.refused(403, "scope-missing");
        let text = body["message"].as_str().unwrap();
        assert!(text.contains(operation.scope.as_str()), "{text}");
        // The scope is asked first: who lacks it is not told what is wrong with the call.
        let call = without.call(&operation.method, operation.path).raw("text/plain", "{");
        call.send().await.refused(403, "scope-missing");
        let mut after = app.census();
        *after.get_mut("audit_entries").unwrap() -= 2;
        assert_eq!(after, before, "{}: nothing but the refusals", operation.path);
        let recovery = operation.path == "/v1/backup/recover";
        let action = if recovery { "recovery.refused" } else { "access.refused" };
        let refused = auditor.audit(&format!("&action={action}")).await.pop().unwrap();
        let actor = without.credential.as_ref().unwrap().as_str();
        assert_eq!(
            (refused["actor"].as_str(), refused["reason"].as_str()),
            (Some(actor), Some("scope-missing"))
        );
        assert_ne!(operation.by(&only).await.status, 403, "{}", operation.path);
    }
}

#[tokio::test]
async fn the_sandboxs_second_key_lacks_the_scope_of_its_kind() {
    let app = App::start().await;
    let body = testkit::assign_body("user-1", "customer-1");
    let partner = app.actor(TenantKind::Partner, KeyRole::WithoutScope);
    partner.assign(&body).await.refused(403, "scope-missing");
    let retail = app.actor(TenantKind::Retail, KeyRole::WithoutScope);
    let start = retail.post("/v1/verification/start", &json!({"user_identifier": "user-1"})).await;
    start.refused(403, "scope-missing");
    for kind in TenantKind::ALL {
        app.actor(*kind, KeyRole::WithoutScope).get("/v1/audit").await.ok();
    }
}
