//! `/.well-known`: the enclave's signing keys.

use std::sync::Arc;

use api::error::ErrorBody;
use api::jwks::{Jwk, Jwks};
use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use boundary::message::SigningKey;
use domain::jwks::P256_SPKI_PREFIX;
use domain::time::Timestamp;

use crate::app::App;
use crate::flows::Error;
use crate::http::error::Failure;

const CACHING: (axum::http::HeaderName, &str) = (CACHE_CONTROL, "max-age=600, must-revalidate");

/// The signing keys as a JWK set.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "keys",
    responses((status = 200, body = Jwks), (status = "5XX", body = ErrorBody)))]
pub async fn jwks(State(app): State<Arc<App>>) -> Result<impl IntoResponse, Failure> {
    let keys = app.welcome().await.map_err(Error::from)?.signing_keys.iter().filter_map(jwk).collect();
    Ok(([CACHING], Json(Jwks { keys })))
}

/// The current assignment key as PEM, for partners who pin one.
#[utoipa::path(get, path = "/.well-known/verification-key.pem", tag = "keys",
    responses((status = 200, body = String, content_type = "application/x-pem-file"), (status = "5XX", body = ErrorBody)))]
pub async fn pem(State(app): State<Arc<App>>) -> Result<impl IntoResponse, Failure> {
    let welcome = app.welcome().await.map_err(Error::from)?;
    let keys = &welcome.signing_keys;
    let current =
        keys.iter().filter(|key| key.purpose == "assignment-sig").max_by_key(|key| key.valid_from_ms);
    let key = current.ok_or_else(|| Error::fault("finding the assignment key"))?;
    let der = STANDARD.encode([&P256_SPKI_PREFIX, key.point.as_slice()].concat());
    let lines: Vec<_> = der.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    let text = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
    Ok(([CACHING, (CONTENT_TYPE, "application/x-pem-file")], text))
}

fn jwk(key: &SigningKey) -> Option<Jwk> {
    let (0x04, point) = key.point.split_first().map(|(tag, rest)| (*tag, rest))? else { return None };
    let (x, y) = point.split_at_checked(32)?;
    Some(Jwk {
        kty: "EC".to_owned(),
        crv: "P-256".to_owned(),
        alg: "ES256".to_owned(),
        use_: "sig".to_owned(),
        kid: key.kid.clone(),
        x: URL_SAFE_NO_PAD.encode(x),
        y: URL_SAFE_NO_PAD.encode(y),
        purposes: vec![key.purpose.clone()],
        valid_from: Timestamp::from_ms(key.valid_from_ms).rfc3339(),
    })
}
