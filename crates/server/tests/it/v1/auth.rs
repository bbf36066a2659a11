//! `/v1/auth/token`, and calls with what it gives.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::audit::hex;
use domain::credential::{Scope, TenantKind};
use reqwest::Method;
use serde_json::{Value, json};
use server::edge::chance::SystemChance;
use server::edge::clock::Clock as _;
use store::seal::ServerKeys;
use testkit::{Actor, Answer, App};

/// A call with a bearer token.
async fn get(app: &App, path: &str, token: &str) -> Answer {
    let call = app.anonymous().call(&Method::GET, path);
    call.header("authorization", &format!("Bearer {token}")).send().await
}

async fn token_of(actor: &Actor) -> String {
    let answer = actor.post("/v1/auth/token", &json!({})).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.ok()["token"].as_str().unwrap().to_owned()
}

async fn owner(app: &App) -> Actor {
    app.new_tenant(TenantKind::Retail, &[Scope::Credentials, Scope::Audit]).await
}

fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_does_for_half_an_hour_what_its_key_does() {
    let app = App::start().await;
    let owner = owner(&app).await;
    let answer = owner.post("/v1/auth/token", &json!({})).await.ok();
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(1_800)));
    let token = answer["token"].as_str().unwrap();
    let (header, claims) = (part(token, 0), part(token, 1));
    assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("JWT")));
    let now = app.clock.now().seconds();
    let subject = owner.credential.as_ref().unwrap().to_string();
    let expected = json!({"iss": "holdfast-sandbox", "aud": "holdfast-sandbox", "sub": subject, "iat": now,
        "exp": now + 1_800, "type": "ID_TOKEN", "scope": "credentials audit"});
    assert_eq!(claims, expected);
    let answer = get(&app, "/v1/audit", token).await;
    answer.ok();
    assert!(!answer.header("ratelimit-limit").is_empty());
    app.anonymous().with_key(Some(token)).get("/v1/audit").await.ok();
    get(&app, "/v1/verification/status?verification_id=x", token).await.refused(403, "scope-missing");
    app.clock.advance(Duration::from_secs(1_798));
    get(&app, "/v1/audit", token).await.ok();
    app.clock.advance(Duration::from_secs(2));
    get(&app, "/v1/audit", token).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_token_ends_with_its_key() {
    let app = App::start().await;
    let owner = owner(&app).await;
    let revoked = app.new_credential(&owner, &[Scope::Audit], None).await;
    let token = token_of(&revoked).await;
    get(&app, "/v1/audit", &token).await.ok();
    app.revoke(&revoked).await;
    get(&app, "/v1/audit", &token).await.refused(401, "unauthenticated");
    let expiry = app.clock.now() + Duration::from_mins(10);
    let expiring = app.new_credential(&owner, &[Scope::Audit], Some(expiry)).await;
    let token = token_of(&expiring).await;
    assert_eq!(part(&token, 1)["exp"], expiry.seconds());
    app.clock.advance(Duration::from_mins(10));
    get(&app, "/v1/audit", &token).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_token_makes_no_token_and_is_not_kept_for_a_repeat() {
    let app = App::start().await;
    let owner = owner(&app).await;
    let token = token_of(&owner).await;
    let call = app.anonymous().call(&Method::POST, "/v1/auth/token");
    let answer = call.header("authorization", &format!("Bearer {token}")).send().await;
    answer.refused(403, "api-key-needed");
    for _ in 0..2 {
        let call = owner.call(&Method::POST, "/v1/auth/token").header("idempotency-key", "n");
        let answer = call.send().await;
        answer.ok();
        assert_eq!(answer.header("idempotent-replay"), "");
    }
    assert_eq!(app.census()["idempotency_keys"], 0);
    for nobody in [app.anonymous(), owner.with_key(Some("x"))] {
        nobody.post("/v1/auth/token", &json!({})).await.refused(401, "unauthenticated");
    }
}

#[tokio::test]
async fn other_tokens_are_refused_as_other_keys_are() {
    let app = App::start().await;
    let other = App::start().await;
    let token = token_of(&owner(&app).await).await;
    let parts: Vec<_> = token.split('.').collect();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut wide = part(&token, 1);
    wide["scope"] = json!("credentials audit retail");
    let none = encode(&json!({"alg": "none", "typ": "JWT"}));
    let foreign = token_of(&other.new_tenant(TenantKind::Retail, &[Scope::Audit]).await).await;
    let nobody = app.anonymous().get("/v1/audit").await.face();
    for token in [
        format!("{}.{}.{}", parts[0], encode(&wide), parts[2]),
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        foreign,
        ".".to_owned(),
        "..".to_owned(),
    ] {
        let answer = get(&app, "/v1/audit", &token).await;
        answer.refused(401, "unauthenticated");
        assert_eq!(answer.face(), nobody, "{token}");
    }
    get(&app, "/v1/audit", &token).await.ok();
}

/// Verifies a token, then makes others with the same key: one that is right, and ones that are not.
const JWCRYPTO: &str = r#"
import sys, json, time
from cryptography.hazmat.primitives.asymmetric import ec
from jwcrypto import jwk, jwt
seed, token, now = sys.argv[1], sys.argv[2], int(sys.argv[3])
key = jwk.JWK.from_pyca(ec.derive_private_key(int(seed, 16), ec.SECP256R1()))
seen = jwt.JWT(jwt=token, key=jwk.JWK.from_json(key.export_public()), algs=["ES256"], check_claims={"type": "ID_TOKEN", "exp": None})
claims, kid = json.loads(seen.claims), json.loads(seen.header)["kid"]
def made(change={}, alg="ES256", with_key=key):
    one = jwt.JWT(header={"alg": alg, "kid": kid}, claims={**claims, **change})
    one.make_signed_token(with_key)
    return one.serialize()
shared = jwk.JWK(kty="oct", k=json.loads(key.export_public())["x"])
print(json.dumps([made(),
    made({"exp": now - 1}), made({"iat": now + 60}), made({"exp": now + 90000}), made({"aud": "other"}),
    made({"iss": "other"}), made({"type": "ACCESS_TOKEN"}), made({"sub": "ada"}), made({"scope": "root"}),
    made({}, "HS256", shared), made({}, "ES256", jwk.JWK.generate(kty="EC", crv="P-256"))]))
"#;

#[tokio::test]
async fn a_foreign_library_reads_ours_and_writes_theirs() {
    let app = App::start().await;
    let token = token_of(&owner(&app).await).await;
    let path = app.folder().join("data/server.keys");
    let seed = hex(ServerKeys::load_or_create(&path, &mut SystemChance).unwrap().token_seed());
    let now = app.clock.now().seconds().to_string();
    let made = testkit::foreign::python(JWCRYPTO, &[&seed, &token, &now], b"");
    let made: Vec<String> = serde_json::from_slice(&made).unwrap();
    let mut statuses = Vec::new();
    for token in &made {
        statuses.push(get(&app, "/v1/audit", token).await.status);
    }
    assert_eq!(statuses[0], 200, "what another library makes of the same claims is as good");
    assert_eq!(statuses[1..], [401; 10]);
}
