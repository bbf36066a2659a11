//! Who may call: API keys, tokens, scopes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Row, row};
use crate::conformance::answer::Answer;
use crate::conformance::verdict::{Played, Stop, failed, must};
use crate::conformance::world::{Environment, Need, World};

pub const ROWS: &[Row] = &[
    row("auth.missing", "without a credential: 401 with WWW-Authenticate: Bearer", &[], missing),
    row("auth.x-api-key", "X-API-Key carries an API key", &[], api_key),
    row("auth.bearer", "Authorization: Bearer carries an API key too", &[], bearer),
    row("auth.either", "either header is enough: Authorization counts where X-API-Key is wrong", &[], either),
    row("auth.unknown", "malformed and unknown keys are answered as a missing one", &[], unknown),
    row("auth.expired", "an expired key is answered as a missing one", &[Need::ExpiredKeys], expired),
    row(
        "auth.wrong-environment",
        "a key whose prefix names the other environment is told so",
        &[],
        wrong_environment,
    ),
    row(
        "auth.scope.retail",
        "a retail path without the scope retail is 403",
        &[Need::Retail, Need::ReducedKeys],
        scope_retail,
    ),
    row(
        "auth.scope.partner",
        "a partner path without the scope partner is 403",
        &[Need::Partner, Need::ReducedKeys],
        scope_partner,
    ),
    row(
        "auth.scope.keys",
        "an institution's path without the scope keys is 403",
        &[Need::Institution, Need::ReducedKeys],
        scope_keys,
    ),
    row(
        "auth.token",
        "POST /v1/auth/token gives a JWT of 1,800 s: ES256, with the claims of the contract",
        &[],
        token,
    ),
    row("auth.token.of-a-token", "a token makes no token: 403", &[], token_of_token),
    row("auth.token.forged", "a token that was changed, or names no algorithm, is 401", &[], forged_token),
    row(
        "auth.credential.life",
        "a credential works until it is revoked, and its text is shown once",
        &[Need::Partner],
        life,
    ),
    row(
        "auth.credential.scopes",
        "a credential gives only scopes that it holds itself: 403",
        &[Need::Partner],
        scope_not_held,
    ),
    row("auth.credential.expiry", "an expiry in the past is 400", &[Need::Partner], past_expiry),
    row(
        "auth.credential.foreign",
        "another tenant's credential is unknown: 404",
        &[Need::Partner],
        foreign_credential,
    ),
];

const AUDIT: &str = "/v1/audit?limit=1";

fn unauthenticated(answer: &Answer) -> Played {
    answer.refused(401, "unauthenticated")?.header_is("www-authenticate", "Bearer").map(drop)
}

fn missing(w: &World) -> Played {
    unauthenticated(&w.nobody().get(AUDIT).send()?)
}

fn api_key(w: &World) -> Played {
    w.anybody().get(AUDIT).expect(200).map(drop)
}

fn bearer(w: &World) -> Played {
    w.nobody().get(AUDIT).header("authorization", &format!("Bearer {}", own_key(w))).expect(200).map(drop)
}

fn either(w: &World) -> Played {
    let bearer = format!("Bearer {}", own_key(w));
    w.caller("nonsense").get(AUDIT).header("authorization", &bearer).expect(200)?;
    w.anybody().get(AUDIT).header("authorization", "Bearer nonsense").expect(200).map(drop)
}

fn own_key(w: &World) -> String {
    w.anybody().credential
}

fn unknown(w: &World) -> Played {
    let none = w.nobody().get(AUDIT).send()?;
    let mut altered = own_key(w);
    // The same prefix, another secret.
    let last = altered.pop();
    altered.push(if last == Some('0') { '1' } else { '0' });
    for key in ["nonsense", &altered] {
        let answer = w.caller(key).get(AUDIT).send()?;
        unauthenticated(&answer)?;
        answer.must(answer.face() == none.face(), "expected the answer to a missing credential")?;
    }
    Ok(())
}

fn expired(w: &World) -> Played {
    let none = w.nobody().get(AUDIT).send()?;
    for kind in ["retail", "partner", "institution"] {
        let key = w.keys(kind).expired;
        if !key.is_empty() {
            let answer = w.caller(&key).get(AUDIT).send()?;
            unauthenticated(&answer)?;
            answer.must(answer.face() == none.face(), "expected the answer to a missing credential")?;
        }
    }
    Ok(())
}

fn wrong_environment(w: &World) -> Played {
    let key = own_key(w);
    let other = match Environment::of_key(&key) {
        Some(Environment::Sandbox) => key.replacen("sandbox", "production", 1),
        Some(Environment::Production) => key.replacen("production", "sandbox", 1),
        None => return Err(failed("expected the API key's prefix to name its environment")),
    };
    w.caller(&other).get(AUDIT).refused(401, "wrong-environment").map(drop)
}

fn scope_retail(w: &World) -> Played {
    let reduced = w.caller(&w.keys("retail").no_partner_scope);
    let body = json!({"user_identifier": w.name("user")});
    reduced.post("/v1/verification/start", &body).refused(403, "scope-missing").map(drop)
}

fn scope_partner(w: &World) -> Played {
    let reduced = w.caller(&w.keys("partner").no_partner_scope);
    reduced
        .post("/v1/partner/keys", &w.assignment(&w.name("user"), json!({})))
        .refused(403, "scope-missing")?;
    reduced.get("/v1/partner/backups").refused(403, "scope-missing").map(drop)
}

fn scope_keys(w: &World) -> Played {
    let reduced = w.caller(&w.keys("institution").no_partner_scope);
    let body = json!({"user_identifier": w.name("user"), "key_type": "ed25519"});
    reduced.post("/v1/keys", &body).refused(403, "scope-missing").map(drop)
}

/// A token, and the answer that gave it.
fn new_token(w: &World) -> Result<(String, Answer), Stop> {
    let answer = w.anybody().post("/v1/auth/token", &json!({})).expect(200)?;
    let token = answer.text("/token")?;
    w.hide(&token);
    Ok((token, answer))
}

/// A part of a token: 0 the header, 1 the claims.
fn part(token: &str, at: usize) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap_or_default()).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

fn token(w: &World) -> Played {
    let (token, answer) = new_token(w)?;
    answer.is("/expires_in", 1800)?;
    let (header, claims) = (part(&token, 0), part(&token, 1));
    must(header["alg"] == "ES256", || {
        format!("expected the header's alg to be ES256, got {}", header["alg"])
    })?;
    must(claims["type"] == "ID_TOKEN", || {
        format!("expected the claim type to be ID_TOKEN, got {}", claims["type"])
    })?;
    for claim in ["aud", "iss", "sub", "iat", "exp", "scope"] {
        must(!claims[claim].is_null(), || format!("expected the claim {claim}"))?;
    }
    let life = claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(exp, iat)| exp - iat);
    must(life == Some(1800), || format!("expected exp - iat to be 1800, got {life:?}"))?;
    w.nobody().get(AUDIT).header("authorization", &format!("Bearer {token}")).expect(200).map(drop)
}

fn token_of_token(w: &World) -> Played {
    let (token, _) = new_token(w)?;
    let call = w.nobody().post("/v1/auth/token", &json!({}));
    call.header("authorization", &format!("Bearer {token}")).refused(403, "api-key-needed").map(drop)
}

fn forged_token(w: &World) -> Played {
    let (token, _) = new_token(w)?;
    let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
    let claims = signed.split('.').nth(1).unwrap_or_default();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let mut more = part(&token, 1);
    more["exp"] = json!(more["exp"].as_i64().unwrap_or_default() + 3600);
    let longer = URL_SAFE_NO_PAD.encode(more.to_string());
    let header = signed.split('.').next().unwrap_or_default();
    for forged in [format!("{none}.{claims}."), format!("{header}.{longer}.{signature}")] {
        let call = w.nobody().get(AUDIT).header("authorization", &format!("Bearer {forged}"));
        unauthenticated(&call.send()?)?;
    }
    Ok(())
}

fn life(w: &World) -> Played {
    let made = w.partner().post("/v1/credentials", &json!({"name": w.name("key"), "scopes": ["audit"]}));
    let made = made.expect(200)?;
    let (key, id) = (made.text("/api_key")?, made.text("/id")?);
    w.hide(&key);
    w.caller(&key).get(AUDIT).expect(200)?;
    let list = w.partner().get("/v1/credentials?limit=200").expect(200)?;
    list.must(list.list("/data")?.iter().any(|one| one["id"] == id), "expected it in the list")?;
    list.must(!String::from_utf8_lossy(&list.body).contains(&key), "expected its text to be shown once")?;
    let gone = w.partner().delete(&format!("/v1/credentials/{id}")).expect(204)?;
    gone.must(gone.body.is_empty(), "expected no body")?;
    unauthenticated(&w.caller(&key).get(AUDIT).send()?)
}

fn scope_not_held(w: &World) -> Played {
    let body = json!({"name": w.name("key"), "scopes": ["retail"]});
    w.partner().post("/v1/credentials", &body).refused(403, "scope-not-held").map(drop)
}

fn past_expiry(w: &World) -> Played {
    let body = json!({"name": w.name("key"), "scopes": ["audit"], "expires_at": "2020-01-01T00:00:00.000Z"});
    w.partner().post("/v1/credentials", &body).faults(&["expires_at"]).map(drop)
}

fn foreign_credential(w: &World) -> Played {
    w.partner()
        .delete("/v1/credentials/00000000-0000-7000-8000-000000000000")
        .refused(404, "not-found")
        .map(drop)
}
