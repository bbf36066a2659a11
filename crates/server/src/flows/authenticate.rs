//! Finds the tenant behind a credential.

use boundary::json::Value;
use domain::access::Principal;
use domain::credential::{ApiKeyText, named_environment};
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::credentials::Bearer;

use super::Error;
use super::authenticate_issuer_token::authenticate_issuer_token;
use super::exchange_token::{authenticate_token, issuer as issuer_of_ours};
use crate::app::App;
use crate::edge::jwt::{is_token, read_unverified};

/// The principal of a credential that is known, not expired and not revoked. All others are answered alike,
/// save one whose prefix names the other environment: its holder is told so.
pub async fn authenticate(app: &App, text: &str, now: Timestamp) -> Result<Principal, Error> {
    if is_token(text) {
        let read = read_unverified(text).ok_or_else(Refusal::unauthenticated)?;
        let issuer = read.claims.get("iss").and_then(Value::as_text);
        return if issuer == Some(&issuer_of_ours(app)) {
            authenticate_token(app, text, now).await
        } else {
            authenticate_issuer_token(app, text, &read, now).await
        };
    }
    if let Some(other) = named_environment(text).filter(|env| *env != app.env) {
        let text = format!("this is a {} key, and this is the {} service", other.as_str(), app.env.as_str());
        return Err(Refusal::new(Kind::Unauthenticated, "wrong-environment", text).into());
    }
    let Some((_, key)) = ApiKeyText::parse(text) else { return Err(Refusal::unauthenticated().into()) };
    let hash = app.keys.credential_hash(key.expose());
    let found = app.db.read("authenticate", move |rx| store::credentials::find_by_hash(rx, &hash)).await?;
    let alive = found.filter(|bearer| bearer.is_alive(now));
    Ok(principal(alive.ok_or_else(Refusal::unauthenticated)?))
}

/// Who the bearer of a credential is.
pub(super) fn principal(bearer: Bearer) -> Principal {
    Principal {
        tenant: bearer.tenant_id,
        tenant_kind: bearer.tenant_kind,
        scopes: bearer.credential.scopes.as_slice().to_vec(),
        credential: bearer.credential.id,
        by_token: false,
        subject: None,
        person: None,
    }
}
