//! Finds the tenant behind a credential.

use domain::access::Principal;
use domain::credential::{ApiKeyText, named_environment};
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;

use super::Error;
use crate::app::App;

/// The principal of a credential that is known, not expired and not revoked. All others are answered alike,
/// save one whose prefix names the other environment: its holder is told so.
pub async fn authenticate(app: &App, text: &str, now: Timestamp) -> Result<Principal, Error> {
    if let Some(other) = named_environment(text).filter(|env| *env != app.env) {
        let text = format!("this is a {} key, and this is the {} service", other.as_str(), app.env.as_str());
        return Err(Refusal::new(Kind::Unauthenticated, "wrong-environment", text).into());
    }
    let Some((_, key)) = ApiKeyText::parse(text) else { return Err(Refusal::unauthenticated().into()) };
    let hash = app.keys.credential_hash(key.expose());
    let found = app.db.read("authenticate", move |rx| store::credentials::find_by_hash(rx, &hash)).await?;
    let alive = found.filter(|bearer| {
        let credential = &bearer.credential;
        credential.revoked_at.is_none() && credential.expires_at.is_none_or(|expires_at| now < expires_at)
    });
    let bearer = alive.ok_or_else(Refusal::unauthenticated)?;
    Ok(Principal {
        tenant: bearer.tenant_id,
        tenant_kind: bearer.tenant_kind,
        scopes: bearer.credential.scopes.as_slice().to_vec(),
        credential: bearer.credential.id,
    })
}
