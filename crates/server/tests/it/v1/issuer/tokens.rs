//! Which tokens are believed, and what they may do.

use domain::credential::Scope::{self, Audit, Credentials, Keys, Partner, Retail, Sandbox, Webhooks};
use domain::credential::TenantKind;
use domain::rate::Rate;
use serde_json::{Value, json};
use server::edge::clock::Clock as _;
use testkit::{App, Plan, assign_body};

use super::idp::{AUDIENCE, Idp, Key, Reply, get};

/// What another implementation makes: a JWKS, good tokens, bad tokens.
fn made(app: &App, evil: &str) -> Value {
    let now = app.clock.now().seconds().to_string();
    let made = testkit::foreign::python(include_str!("tokens.py"), &[&now, evil], b"");
    serde_json::from_slice(&made).unwrap()
}

#[tokio::test]
async fn of_another_implementations_tokens_the_good_are_served_and_the_bad_are_not() {
    let app = App::start().await;
    let tenant = app.new_tenant(TenantKind::Retail, Scope::ALL).await;
    let evil = Idp::new(Reply::Close).await;
    let made = made(&app, &evil.uri);
    let idp = Idp::new(Reply::Body(made["jwks"].to_string())).await;
    idp.register(&tenant).await;
    let (good, bad) = (made["good"].as_object().unwrap(), made["bad"].as_object().unwrap());
    for (name, token) in good {
        assert_eq!(get(&tenant, token.as_str().unwrap()).await.status, 200, "{name}");
    }
    assert!(bad.len() >= 60, "{}", bad.len());
    let nobody = app.anonymous().get("/v1/audit").await.face();
    let mut accepted = Vec::new();
    for (name, token) in bad {
        let answer = get(&tenant, token.as_str().unwrap()).await;
        if answer.face() != nobody {
            accepted.push((name, answer.status));
        }
    }
    assert!(accepted.is_empty(), "of {} bad tokens: {accepted:?}", bad.len());
    assert_eq!(evil.hits(), 0, "no address of a token is called");
    assert_eq!(idp.hits(), 1, "unknown keys within half a minute of the last fetch fetch nothing");
}

#[tokio::test]
async fn a_token_holds_what_its_issuer_may_give_and_no_more() {
    let app = App::start().await;
    let key = Key::new("a");
    let may = async |kind: TenantKind, held: &[Scope], expected: &[Scope]| {
        let tenant = app.new_tenant(kind, held).await;
        let idp = Idp::with(&[&key]).await;
        let audience = format!("{kind} {}", held.len());
        let set = idp.try_register(&tenant, &audience).await.ok();
        let words: Vec<_> = expected.iter().map(|scope| scope.as_str()).collect();
        assert_eq!(set["scopes"], json!(words), "{kind}");
        let all: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        let token = key.token(&app, &json!({"aud": audience, "scope": all.join(" ")}));
        let caller = app.anonymous().with_key(Some(&token));
        for operation in crate::routes::operations() {
            // What the others do would be limited, not refused.
            let refused = operation.by(&caller).await.status == 403;
            assert_eq!(refused, !expected.contains(&operation.scope), "{kind} {}", operation.path);
        }
        let narrow = key.token(&app, &json!({"aud": audience, "scope": "webhooks"}));
        get(&tenant, &narrow).await.refused(403, "scope-missing");
    };
    may(TenantKind::Retail, Scope::ALL, &[Retail, Audit, Webhooks, Sandbox]).await;
    may(TenantKind::Partner, Scope::ALL, &[Partner, Keys, Audit, Webhooks, Sandbox]).await;
    may(TenantKind::Institution, Scope::ALL, &[Keys, Audit, Webhooks, Sandbox]).await;
    may(TenantKind::Retail, &[Credentials, Audit, Retail], &[Retail, Audit]).await;
}

#[tokio::test]
async fn who_a_token_speaks_for_is_in_the_log_and_in_the_statement() {
    let app = App::start().await;
    let tenant = app.new_tenant(TenantKind::Partner, Scope::ALL).await;
    let key = Key::new("a");
    Idp::with(&[&key]).await.register(&tenant).await;
    let subject = "00000000-0000-4000-8000-0000000000ad";
    let token = key.token(&app, &json!({"scope": "partner", "sub": subject}));
    let caller = app.anonymous().with_key(Some(&token));
    let mut body = assign_body("user-1", "customer-1");
    body["sign_with"] = json!(["pulled_by_id", "pulled_by_type"]);
    let signed = caller.assign(&body).await.ok()["signed_payload"].as_str().unwrap().to_owned();
    assert!(signed.contains(subject) && signed.contains("user_credentials"), "{signed}");
    let entry = tenant.audit("&action=key.assigned").await.pop().unwrap();
    let id = app.tenant_of(&tenant).await;
    let known_as = app.admin().await.find_subject(id.as_str(), subject).await.unwrap().expect("a name");
    assert_eq!((&entry["actor"], &entry["actor_type"]), (&json!(known_as), &json!("user_credentials")));
    caller.post("/v1/auth/token", &json!({})).await.refused(403, "api-key-needed");
}

#[tokio::test]
async fn all_tokens_of_an_issuer_share_one_rate() {
    let high = Rate::per_second(1_000_000, 1_000_000);
    let app = Plan::default().with_rates(Rate::per_second(1, 3), high).start().await;
    let tenant = app.new_tenant(TenantKind::Retail, Scope::ALL).await;
    let key = Key::new("a");
    Idp::with(&[&key]).await.register(&tenant).await;
    let subject = |n: u32| json!({"sub": format!("00000000-0000-4000-8000-00000000000{n}")});
    for n in 0..3 {
        get(&tenant, &key.token(&app, &subject(n))).await.ok();
    }
    // Nor does a token speak for a credential whose id it names.
    let victim = json!({"sub": tenant.credential.as_ref().unwrap().to_string()});
    get(&tenant, &key.token(&app, &victim)).await.refused(429, "rate-limit");
    tenant.get("/v1/audit").await.ok();
}

#[tokio::test]
async fn an_issuer_speaks_for_its_own_tenant_alone() {
    let app = App::start().await;
    let (ours, theirs) = (Key::new("a"), Key::new("a"));
    let [a, b] = [
        app.new_tenant(TenantKind::Retail, Scope::ALL).await,
        app.new_tenant(TenantKind::Retail, Scope::ALL).await,
    ];
    let (first, second) = (Idp::with(&[&ours]).await, Idp::with(&[&theirs]).await);
    first.register(&a).await;
    second.try_register(&b, AUDIENCE).await.refused(409, "issuer-taken");
    second.try_register(&b, "other").await.ok();
    first.register(&a).await;
    let other = json!({"aud": "other", "scope": "retail"});
    for (key, change, tenant) in [(&ours, json!({"scope": "retail"}), &a), (&theirs, other.clone(), &b)] {
        let id = app.anonymous().with_key(Some(&key.token(&app, &change))).start("user-1").await;
        tenant.get(&format!("/v1/verification/status?verification_id={id}")).await.ok();
    }
    let both = [json!([AUDIENCE, "other"]), json!(["other", AUDIENCE])].map(|both| json!({"aud": both}));
    let confused = both.iter().flat_map(|both| [(&ours, both.clone()), (&theirs, both.clone())]);
    for (key, change) in [(&ours, other), (&theirs, json!({}))].into_iter().chain(confused) {
        let answer = get(&a, &key.token(&app, &change)).await;
        answer.refused(401, "unauthenticated");
    }
}
