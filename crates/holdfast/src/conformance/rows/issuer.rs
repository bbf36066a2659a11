//! An issuer of the tenant's own: its tokens, and its end.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Row, row};
use crate::conformance::crypto::Es256;
use crate::conformance::verdict::{Played, Stop, failed, skipped};
use crate::conformance::world::{Need, World};

use Need::{Partner, Receiver, Sandbox};

pub const ROWS: &[Row] = &[
    row("issuer.none", "without an issuer of one's own GET and DELETE are 404", &[Partner], none),
    row("issuer.refused", "an issuer whose JWKS cannot be fetched is 400 on jwks_uri", &[Partner], refused),
    row(
        "issuer.tokens",
        "its tokens are let in until it ends, and hold at most the scopes that it shows",
        &[Partner, Sandbox, Receiver],
        tokens,
    ),
    row(
        "issuer.forged",
        "its tokens need every claim, its key and ES256: else 401",
        &[Partner, Sandbox, Receiver],
        forged,
    ),
];

const ISSUER: &str = "/v1/auth/issuer";
const NAME: &str = "https://login.example.com";

/// Leaves an account alone that has an issuer already.
fn without_issuer(w: &World) -> Played {
    let answer = w.partner().get(ISSUER).send()?;
    if answer.status == 200 {
        return Err(skipped("this account has an issuer of its own"));
    }
    answer.refused(404, "not-found").map(drop)
}

fn none(w: &World) -> Played {
    without_issuer(w)?;
    w.partner().delete(ISSUER).refused(404, "not-found").map(drop)
}

fn refused(w: &World) -> Played {
    // A name that never resolves (RFC 6761).
    let body = json!({
        "issuer": "https://idp.invalid", "jwks_uri": "https://idp.invalid/jwks", "audience": w.name("audience")
    });
    w.partner().call(Method::PUT, ISSUER).json(&body).faults(&["jwks_uri"]).map(drop)
}

/// An issuer with a key of its own.
struct Idp<'w> {
    w: &'w World,
    audience: String,
    key: Es256,
    /// The service's clock, in seconds: its own token says it.
    now: i64,
}

impl<'w> Idp<'w> {
    fn registered(w: &'w World) -> Result<Self, Stop> {
        without_issuer(w)?;
        let (key, path) = (Es256::generate()?, w.name("jwks"));
        w.receiver()?.serve(&path, &json!({ "keys": [key.jwk("1")] }).to_string());
        let token = w.partner().post("/v1/auth/token", &json!({})).expect(200)?.text("/token")?;
        w.hide(&token);
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap_or_default()).unwrap_or_default();
        let claims: Value = serde_json::from_slice(&claims).unwrap_or_default();
        let now = claims["iat"].as_i64().ok_or_else(|| failed("expected the claim iat in a token"))?;
        let idp = Self { w, audience: w.name("audience"), key, now };
        let body = json!({ "issuer": NAME, "jwks_uri": w.receiver()?.url(&path), "audience": idp.audience });
        let made = w.partner().call(Method::PUT, ISSUER).json(&body).expect(200)?;
        made.is("/issuer", NAME)?.is("/audience", idp.audience.as_str())?.has(&["/scopes"])?;
        Ok(idp)
    }

    /// A token, with a change to its claims; null takes one away.
    fn token(&self, header: &Value, change: Value) -> Result<String, Stop> {
        let mut claims = json!({
            "iss": NAME, "aud": self.audience, "sub": crate::conformance::stage::NO_ID, "type": "ID_TOKEN",
            "scope": "audit", "iat": self.now, "exp": self.now + 600,
        });
        crate::conformance::stage::merge(&mut claims, change);
        let token = self.key.sign(header, &claims.to_string())?;
        self.w.hide(&token);
        Ok(token)
    }

    fn shows(&self, token: &str, status: u16) -> Played {
        let call =
            self.w.nobody().get("/v1/audit?limit=1").header("authorization", &format!("Bearer {token}"));
        call.expect(status).map(drop)
    }
}

fn good_header() -> Value {
    json!({"alg": "ES256", "kid": "1"})
}

/// Plays with a registered issuer, and ends it whatever came of that.
fn with_issuer(w: &World, play: impl FnOnce(&Idp<'_>) -> Played) -> Played {
    let idp = Idp::registered(w)?;
    let played = play(&idp);
    w.partner().delete(ISSUER).expect(204)?;
    played
}

fn tokens(w: &World) -> Played {
    let mut kept = String::new();
    with_issuer(w, |idp| {
        kept = idp.token(&good_header(), json!({}))?;
        idp.shows(&kept, 200)?;
        // What it gives at most: not the making of credentials.
        let shown = w.partner().get(ISSUER).expect(200)?;
        let scopes = shown.list("/scopes")?;
        shown.must(
            scopes.contains(&json!("audit")) && !scopes.contains(&json!("credentials")),
            "expected audit and no credentials in scopes",
        )
    })?;
    let call = w.nobody().get("/v1/audit?limit=1").header("authorization", &format!("Bearer {kept}"));
    call.refused(401, "unauthenticated").map(drop)
}

fn forged(w: &World) -> Played {
    with_issuer(w, |idp| {
        idp.shows(&idp.token(&good_header(), json!({}))?, 200)?;
        for change in [
            json!({"aud": "another"}),
            json!({"iss": "https://another.example"}),
            json!({"exp": idp.now - 60, "iat": idp.now - 120}),
            json!({"type": "ACCESS_TOKEN"}),
            json!({"sub": "nobody"}),
            json!({"iat": null}),
        ] {
            idp.shows(&idp.token(&good_header(), change)?, 401)?;
        }
        for header in
            [json!({"alg": "none", "kid": "1"}), json!({"alg": "ES256", "kid": "2"}), json!({"alg": "ES256"})]
        {
            idp.shows(&idp.token(&header, json!({}))?, 401)?;
        }
        let token = idp.token(&good_header(), json!({"scope": "partner"}))?;
        idp.shows(&token, 403)
    })
}
