//! How often one may call.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::credential::{Scope, TenantKind};
use domain::rate::Rate;
use reqwest::Method;
use testkit::{Answer, App, Plan};

const HIGH: Rate = Rate::per_second(1_000_000, 1_000_000);

fn rate_of(answer: &Answer) -> [Option<u32>; 3] {
    ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"].map(|name| answer.header(name).parse().ok())
}

#[tokio::test]
async fn a_credential_has_a_burst_and_a_rate_of_its_own() {
    let app = Plan::default().with_rates(Rate::per_second(2, 3), HIGH).start().await;
    let tenant = app.new_tenant(TenantKind::Retail, Scope::ALL).await;
    let other = app.new_credential(&tenant, Scope::ALL, None).await;
    for left in [2, 1, 0] {
        let answer = tenant.get("/v1/audit").await;
        answer.ok();
        assert_eq!(rate_of(&answer), [Some(3), Some(left), Some((4 - left) / 2)]);
    }
    let before = app.census();
    let refused = tenant.get("/v1/audit").await;
    refused.refused(429, "rate-limit");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(rate_of(&refused), [Some(3), Some(0), Some(2)]);
    assert_eq!(app.census(), before, "nothing was written");
    other.get("/v1/audit").await.ok();
    app.clock.advance(Duration::from_millis(500));
    tenant.get("/v1/audit").await.ok();
    tenant.get("/v1/audit").await.refused(429, "rate-limit");
}

#[tokio::test]
async fn every_answer_of_an_authenticated_call_tells_the_rate() {
    let app = App::start().await;
    let tenant = app.new_tenant(TenantKind::Retail, &[Scope::Retail]).await;
    let answers = [
        tenant.get("/v1/verification/status?verification_id=x").await,
        tenant.get("/v1/verification/status").await,
        tenant.get("/v1/audit").await,
        tenant.call(&Method::POST, "/v1/verification/start").send().await,
    ];
    assert_eq!(answers.each_ref().map(|answer| answer.status), [404, 400, 403, 415]);
    assert!(answers.iter().all(|answer| rate_of(answer).iter().all(Option::is_some)));
    for stranger in [app.anonymous(), tenant.with_key(Some("x"))] {
        let answer = stranger.get("/v1/audit").await;
        answer.refused(401, "unauthenticated");
        assert_eq!(rate_of(&answer), [None; 3]);
    }
}

#[tokio::test]
async fn failures_become_429_and_a_valid_credential_is_always_served() {
    let app = Plan::default().with_rates(HIGH, Rate::per_minute(3)).start().await;
    let valid = app.retail();
    for key in [None, Some("x"), Some("hf_production_x")] {
        assert_eq!(valid.with_key(key).get("/v1/audit").await.status, 401);
    }
    for key in [None, Some("x"), Some("hf_production_x")] {
        let answer = valid.with_key(key).get("/v1/audit").await;
        answer.refused(429, "authentication-limit");
        assert_eq!(answer.header("retry-after"), "20");
    }
    valid.get("/v1/audit").await.ok();
    app.clock.advance(Duration::from_secs(20));
    app.anonymous().get("/v1/audit").await.refused(401, "unauthenticated");
    app.anonymous().get("/v1/audit").await.refused(429, "authentication-limit");
    valid.get("/v1/audit").await.ok();
}

/// A call from an address of its own each time.
async fn from_everywhere(app: &App, header: &str, credential: &str) -> Answer {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let address = std::net::Ipv4Addr::from(0x0102_0000 + CALLS.fetch_add(1, Ordering::SeqCst));
    let call = app.anonymous().call(&Method::GET, "/v1/audit");
    let call = call.header("x-forwarded-for", &address.to_string());
    if credential.is_empty() { call.send().await } else { call.header(header, credential).send().await }
}

#[tokio::test]
async fn guesses_at_one_key_are_counted_wherever_they_come_from() {
    let app = Plan::default().behind("127.0.0.1").with_rates(HIGH, Rate::per_minute(3)).start().await;
    let valid = app.retail().api_key.unwrap();
    let guess = |n: usize| format!("{}{n:0>38}", &valid[..17]);
    for (header, name) in [("x-api-key", ""), ("authorization", "Bearer ")] {
        for n in 0..3 {
            assert_eq!(from_everywhere(&app, header, &format!("{name}{}", guess(n))).await.status, 401);
        }
        let limited = from_everywhere(&app, header, &format!("{name}{}", guess(3))).await;
        limited.refused(429, "authentication-limit");
        assert_eq!(limited.header("retry-after"), "20");
        from_everywhere(&app, header, &format!("{name}{valid}")).await.ok();
        app.clock.advance(Duration::from_mins(1));
    }
    for _ in 0..4 {
        from_everywhere(&app, "", "").await.refused(401, "unauthenticated");
    }
    for n in 0..4 {
        let another = format!("hf_sandbox_{n}{:0>48}", 0);
        let answer = from_everywhere(&app, "x-api-key", &another).await;
        answer.refused(401, "unauthenticated");
    }
}

#[tokio::test]
async fn bad_tokens_are_counted_by_the_issuer_that_they_name() {
    let app = Plan::default().behind("127.0.0.1").with_rates(HIGH, Rate::per_minute(2)).start().await;
    let bad = |issuer: &str, n: u32| {
        let claims = format!(r#"{{"iss":"{issuer}","aud":"us","n":{n}}}"#);
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("Bearer {}.{}.{}", part(r#"{"alg":"ES256","kid":"a"}"#), part(&claims), part("x"))
    };
    let status =
        async |issuer: &str, n: u32| from_everywhere(&app, "authorization", &bad(issuer, n)).await.status;
    assert_eq!([status("a", 1).await, status("a", 2).await, status("a", 3).await], [401, 401, 429]);
    assert_eq!(status("b", 1).await, 401, "another's failures are another's");
}

#[tokio::test]
async fn a_forwarded_address_is_believed_from_a_trusted_proxy_only() {
    for (plan, is_trusted) in [(Plan::default(), false), (Plan::default().behind("127.0.0.1"), true)] {
        let app = plan.with_rates(HIGH, Rate::per_minute(1)).start().await;
        let from = async |forwarded: &str| {
            let call = app.anonymous().call(&Method::GET, "/v1/audit");
            call.header("x-forwarded-for", forwarded).send().await.status
        };
        assert_eq!(from("198.51.100.1").await, 401);
        assert_eq!(from("198.51.100.1").await, 429);
        let another = if is_trusted { 401 } else { 429 };
        assert_eq!(from("198.51.100.2").await, another, "an address of its own");
        assert_eq!(
            from("198.51.100.3, 198.51.100.2").await,
            429,
            "what the caller wrote itself is not believed"
        );
    }
}
