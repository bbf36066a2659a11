//! The keys of an issuer: fetched, kept, fetched again.

use std::time::Duration;

use domain::credential::{Scope, TenantKind};
use domain::limits::{JWKS_AGE_MAX, JWKS_DEADLINE, JWKS_FETCH_INTERVAL, JWKS_STALE_MAX};
use serde_json::json;
use testkit::{Actor, App};

use super::idp::{Idp, Key, Reply, get};

async fn tenant(app: &App) -> Actor {
    app.new_tenant(TenantKind::Retail, Scope::ALL).await
}

#[tokio::test]
async fn a_new_key_is_found_at_once_and_an_old_one_dies_within_ten_minutes() {
    let app = App::start().await;
    let (tenant, old, new) = (tenant(&app).await, Key::new("old"), Key::new("new"));
    let idp = Idp::with(&[&old]).await;
    idp.register(&tenant).await;
    get(&tenant, &old.token(&app, &json!({}))).await.ok();
    get(&tenant, &new.token(&app, &json!({}))).await.refused(401, "unauthenticated");
    assert_eq!(idp.hits(), 1, "it was fetched a moment ago");
    idp.show(&[&old, &new]);
    app.clock.advance(JWKS_FETCH_INTERVAL);
    get(&tenant, &new.token(&app, &json!({}))).await.ok();
    get(&tenant, &old.token(&app, &json!({}))).await.ok();
    assert_eq!(idp.hits(), 2);
    idp.show(&[&new]);
    app.clock.advance(JWKS_AGE_MAX.saturating_sub(Duration::from_secs(1)));
    get(&tenant, &old.token(&app, &json!({}))).await.ok();
    app.clock.advance(Duration::from_secs(1));
    get(&tenant, &old.token(&app, &json!({}))).await.refused(401, "unauthenticated");
    get(&tenant, &new.token(&app, &json!({}))).await.ok();
    assert_eq!(idp.hits(), 3);
}

#[tokio::test]
async fn invented_keys_cause_no_flood_of_fetches() {
    let app = App::start().await;
    let (tenant, key, invented) = (tenant(&app).await, Key::new("a"), Key::new("b"));
    let idp = Idp::with(&[&key]).await;
    idp.register(&tenant).await;
    for round in 1..=3 {
        app.clock.advance(JWKS_FETCH_INTERVAL);
        let calls = (0..40).map(|_| {
            let (tenant, token) = (tenant.clone(), invented.token(&app, &json!({})));
            tokio::spawn(async move { get(&tenant, &token).await.status })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap(), 401);
        }
        assert_eq!(idp.hits(), 1 + round, "one for them all");
    }
}

#[tokio::test]
async fn while_the_host_is_away_the_last_keys_are_good_for_an_hour() {
    let app = App::start().await;
    let (tenant, key) = (tenant(&app).await, Key::new("a"));
    let idp = Idp::with(&[&key]).await;
    idp.register(&tenant).await;
    for (trouble, minutes) in [
        (Reply::Close, 10),
        (Reply::Head("500 Oh"), 20),
        (Reply::Body("<html>".to_owned()), 30),
        (Reply::Endless, 40),
        (Reply::Head("302 Found\r\nlocation: /jwks?a=b"), 50),
    ] {
        idp.reply(trouble);
        app.clock.advance(JWKS_AGE_MAX);
        let before = idp.hits();
        for _ in 0..3 {
            get(&tenant, &key.token(&app, &json!({}))).await.ok();
        }
        assert_eq!(idp.hits(), before + 1, "asked once after {minutes} minutes");
    }
    app.clock.advance(JWKS_STALE_MAX.saturating_sub(5 * JWKS_AGE_MAX));
    get(&tenant, &key.token(&app, &json!({}))).await.refused(401, "unauthenticated");
    idp.show(&[&key]);
    get(&tenant, &key.token(&app, &json!({}))).await.refused(401, "unauthenticated");
    app.clock.advance(JWKS_FETCH_INTERVAL);
    get(&tenant, &key.token(&app, &json!({}))).await.ok();
}

#[tokio::test]
async fn a_set_without_a_usable_key_ends_them_all() {
    let app = App::start().await;
    let (tenant, key) = (tenant(&app).await, Key::new("a"));
    let idp = Idp::with(&[&key]).await;
    idp.register(&tenant).await;
    idp.show(&[]);
    app.clock.advance(JWKS_AGE_MAX);
    get(&tenant, &key.token(&app, &json!({}))).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_host_that_hangs_delays_nobody_whose_key_is_known() {
    let app = App::start().await;
    let (slow, other) = (tenant(&app).await, tenant(&app).await);
    let (key, new) = (Key::new("a"), Key::new("b"));
    let (idp, brisk) = (Idp::with(&[&key]).await, Idp::with(&[&key]).await);
    idp.register(&slow).await;
    brisk.try_register(&other, "other").await.ok();
    idp.reply(Reply::Hang);
    app.clock.advance(JWKS_FETCH_INTERVAL);
    let waiting = {
        let (slow, token) = (slow.clone(), new.token(&app, &json!({})));
        tokio::spawn(async move { get(&slow, &token).await.status })
    };
    while idp.hits() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let served = async {
        for _ in 0..20 {
            get(&slow, &key.token(&app, &json!({}))).await.ok();
            get(&other, &key.token(&app, &json!({"aud": "other"}))).await.ok();
            slow.get("/v1/audit").await.ok();
        }
    };
    served.await;
    assert!(!waiting.is_finished(), "the host hangs meanwhile");
    let ended = tokio::time::timeout(JWKS_DEADLINE + Duration::from_secs(20), waiting).await;
    assert_eq!(ended.expect("the wait ends").unwrap(), 401);
}

#[tokio::test]
async fn a_caller_who_hangs_up_does_not_break_a_fetch_off() {
    let app = App::start().await;
    let (tenant, key, new) = (tenant(&app).await, Key::new("a"), Key::new("b"));
    let idp = Idp::with(&[&key]).await;
    idp.register(&tenant).await;
    app.clock.advance(JWKS_FETCH_INTERVAL);
    idp.reply(Reply::Hang);
    let token = new.token(&app, &json!({}));
    for hits in [2, 2, 2] {
        let (tenant, token) = (tenant.clone(), token.clone());
        let call = tokio::spawn(async move { get(&tenant, &token).await.status });
        while idp.hits() < hits {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        call.abort();
    }
    assert_eq!(idp.hits(), 2, "those who came after it waited for the same fetch");
}
