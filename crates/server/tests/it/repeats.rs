//! Calls that their caller named: true of every POST.

use std::time::Duration;

use domain::credential::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Actor, Answer, App, Plan, assign_body};

async fn named(actor: &Actor, name: &str, path: &str, body: &Value) -> Answer {
    actor.call(&Method::POST, path).header("idempotency-key", name).json(body).send().await
}

async fn start(actor: &Actor, name: &str, user: &str) -> Answer {
    named(actor, name, "/v1/verification/start", &json!({"user_identifier": user})).await
}

async fn a_repeat_is_answered_as_the_first(app: App) {
    let retail = app.retail();
    let first = start(&retail, "name-1", "user-1").await;
    first.ok();
    assert_eq!(first.header("idempotent-replay"), "");
    let before = app.census();
    for key in [retail.clone(), app.new_credential(&retail, &[Scope::Retail], None).await] {
        let again = start(&key, "name-1", "user-1").await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.header("idempotent-replay"), "true");
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
        assert!(!again.header("ratelimit-limit").is_empty());
    }
    let mut after = app.census();
    *after.get_mut("api_credentials").unwrap() -= 1;
    assert_eq!(after, before, "nothing was done again");
    start(&retail, "name-1", "user-2").await.refused(422, "idempotency-mismatch");
    let other =
        named(&retail, "name-1", "/v1/verification/simulate", &json!({"user_identifier": "user-1"})).await;
    other.refused(422, "idempotency-mismatch");
    let another = start(&retail, "name-2", "user-1").await.ok();
    assert_ne!(another["verification_id"], first.ok()["verification_id"]);
    let other = app.new_tenant(domain::credential::TenantKind::Retail, Scope::ALL).await;
    assert_ne!(start(&other, "name-1", "user-1").await.ok(), first.ok(), "another tenant's name is its own");
    app.clock.advance(Duration::from_hours(24));
    let later = start(&retail, "name-1", "user-2").await;
    later.ok();
    assert_eq!(later.header("idempotent-replay"), "", "a day later the name is free");
}

#[tokio::test]
async fn a_repeat_is_answered_as_the_first_on_sqlite() {
    a_repeat_is_answered_as_the_first(App::start().await).await;
}

#[tokio::test]
async fn a_repeat_is_answered_as_the_first_on_postgres() {
    a_repeat_is_answered_as_the_first(Plan::default().on_postgres().start().await).await;
}

#[tokio::test]
async fn of_many_at_once_one_runs() {
    let app = App::start().await;
    let partner = app.partner();
    let calls = (0..16).map(|_| {
        let partner = partner.clone();
        tokio::spawn(async move { named(&partner, "n", "/v1/partner/keys", &assign_body("u", "c")).await })
    });
    let mut keys = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        let answer = call.await.unwrap();
        if answer.status == 200 {
            keys.push(answer.ok()["key_id"].clone());
        } else {
            answer.refused(409, "idempotency-in-progress");
        }
    }
    assert!(!keys.is_empty() && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!(app.census()["customer_keys"], 1);
}

async fn a_run_that_died_holds_its_name_for_two_minutes(app: App) {
    let retail = app.retail();
    let first = start(&retail, "n", "user-1").await.ok();
    // As a process leaves it that died during the call.
    app.place.run("UPDATE idempotency_keys SET state = 'running', answer = NULL");
    start(&retail, "n", "user-1").await.refused(409, "idempotency-in-progress");
    start(&retail, "n", "user-2").await.refused(422, "idempotency-mismatch");
    app.clock.advance(Duration::from_secs(119));
    start(&retail, "n", "user-1").await.refused(409, "idempotency-in-progress");
    app.clock.advance(Duration::from_secs(1));
    start(&retail, "n", "user-2").await.refused(422, "idempotency-mismatch");
    let second = start(&retail, "n", "user-1").await;
    assert_eq!(second.header("idempotent-replay"), "", "it is run again");
    assert_ne!(second.ok(), first);
    let third = start(&retail, "n", "user-1").await;
    assert_eq!((third.header("idempotent-replay"), third.ok()), ("true", second.ok()));
}

#[tokio::test]
async fn a_run_that_died_holds_its_name_for_two_minutes_on_sqlite() {
    a_run_that_died_holds_its_name_for_two_minutes(App::start().await).await;
}

#[tokio::test]
async fn a_run_that_died_holds_its_name_for_two_minutes_on_postgres() {
    a_run_that_died_holds_its_name_for_two_minutes(App::on_postgres().await).await;
}

#[tokio::test]
async fn a_refusal_is_kept_and_what_may_pass_is_not() {
    let app = App::start().await;
    let partner = app.partner();
    partner.assigned("user-1", "customer-1").await;
    let body = assign_body("user-1", "customer-1");
    let taken = named(&partner, "n", "/v1/partner/keys", &body).await;
    taken.refused(409, "key-already-assigned");
    let again = named(&partner, "n", "/v1/partner/keys", &body).await;
    assert_eq!((again.status, again.header("idempotent-replay")), (409, "true"));
    assert_eq!(again.body, taken.body);
    named(&partner, "m", "/v1/partner/keys", &json!({})).await.faults();
    assert_eq!(
        named(&partner, "m", "/v1/partner/keys", &json!({})).await.header("idempotent-replay"),
        "true"
    );
    let rows = app.census()["idempotency_keys"];
    let powerless = app.new_credential(&partner, &[Scope::Audit], None).await;
    for stranger in [app.anonymous(), partner.with_key(Some("x")), powerless] {
        let answer = named(&stranger, "n", "/v1/partner/keys", &body).await;
        assert!(matches!(answer.status, 401 | 403), "who may not call is given nothing that is kept");
        assert_eq!(answer.header("idempotent-replay"), "");
    }
    let dry = json!({"key_type": "secp256k1"});
    let mut dry_body = assign_body("user-2", "customer-1");
    dry_body.as_object_mut().unwrap().extend(dry.as_object().unwrap().clone());
    assert_eq!(app.census()["idempotency_keys"], rows, "nothing of these is kept");
}

#[tokio::test]
async fn an_answer_of_a_service_in_trouble_is_not_kept() {
    let app = Plan::default().with_pool([0; 3]).start().await;
    let body = assign_body("user-1", "customer-1");
    for _ in 0..2 {
        let answer = named(&app.partner(), "n", "/v1/partner/keys", &body).await;
        answer.refused(503, "pool-empty");
        assert_eq!(answer.header("idempotent-replay"), "");
    }
    assert_eq!(app.census()["idempotency_keys"], 0);
}

#[tokio::test]
async fn names_that_are_none_are_refused() {
    let app = App::start().await;
    let longest = "n".repeat(255);
    start(&app.retail(), &longest, "user-1").await.ok();
    for name in ["", &"n".repeat(256)] {
        let answer = start(&app.retail(), name, "user-1").await;
        assert_eq!(answer.faults(), ["Idempotency-Key"], "{name}");
    }
}

#[tokio::test]
async fn the_secret_of_a_new_credential_is_not_kept() {
    let app = App::start().await;
    let tenant = app.new_tenant(domain::credential::TenantKind::Retail, Scope::ALL).await;
    let body = json!({"name": "wallet", "scopes": ["audit"]});
    let made = named(&tenant, "n", "/v1/credentials", &body).await.ok();
    let again = named(&tenant, "n", "/v1/credentials", &body).await;
    let text = again.refused(409, "idempotency-secret-shown")["message"].as_str().unwrap().to_owned();
    assert!(text.contains(made["id"].as_str().unwrap()), "{text}");
    assert!(!again.text().contains(made["api_key"].as_str().unwrap()));
    let other = json!({"name": "other", "scopes": ["audit"]});
    named(&tenant, "n", "/v1/credentials", &other).await.refused(422, "idempotency-mismatch");
}

#[tokio::test]
async fn the_secret_of_a_webhook_is_not_kept() {
    let app = App::start().await;
    let (retail, rest) = (app.retail(), json!({}));
    let body = json!({"url": "https://example.com/"});
    let made = named(&retail, "n", "/v1/webhooks", &body).await.ok();
    let id = made["id"].as_str().unwrap();
    let rotate = format!("/v1/webhooks/{id}/rotate-secret");
    let rotated = named(&retail, "m", &rotate, &rest).await.ok();
    let before = app.census();
    for (name, path, body, first) in
        [("n", "/v1/webhooks", &body, &made), ("m", rotate.as_str(), &rest, &rotated)]
    {
        let again = named(&retail, name, path, body).await;
        let text = again.refused(409, "idempotency-secret-shown")["message"].as_str().unwrap().to_owned();
        assert!(text.contains(id), "{text}");
        assert!(!again.text().contains(first["secret"].as_str().unwrap()));
    }
    assert_eq!(app.census(), before, "no repeat was run");
    named(&retail, "n", &rotate, &rest).await.refused(422, "idempotency-mismatch");
    let test = format!("/v1/webhooks/{id}/test");
    let tested = named(&retail, "t", &test, &rest).await;
    let again = named(&retail, "t", &test, &rest).await;
    assert_eq!((tested.ok(), again.header("idempotent-replay")), (again.ok(), "true"), "one event, not two");
}

#[tokio::test]
async fn a_recovery_has_its_own_rule() {
    let app = App::start().await;
    let retail = app.retail();
    let verification = retail.approved("user-1").await;
    let body = json!({"user_identifier": "user-1", "verification_id": verification,
        "gpg_public_key": app.fixture.recipient.certificate});
    for _ in 0..2 {
        let answer = named(&retail, "n", "/v1/backup/recover", &body).await;
        answer.refused(404, "no-backup");
        assert_eq!(answer.header("idempotent-replay"), "");
    }
    assert_eq!(app.census()["idempotency_keys"], 0);
}

#[tokio::test]
async fn a_kept_answer_is_sealed_and_goes_after_a_day() {
    let app = App::start().await;
    let answer = start(&app.retail(), "a-name-of-mine", "user-1").await;
    answer.ok();
    assert_eq!(app.census()["idempotency_keys"], 1);
    let entries = std::fs::read_dir(app.folder().join("data")).unwrap();
    for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let bytes = std::fs::read(path).unwrap();
        for text in [&answer.body[..], b"a-name-of-mine"] {
            assert!(!bytes.windows(text.len()).any(|window| window == text), "it is kept in the clear");
        }
    }
    app.clock.advance(Duration::from_hours(24));
    for _ in 0..100 {
        if app.census()["idempotency_keys"] == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    unreachable!("the sweeper did not come");
}
