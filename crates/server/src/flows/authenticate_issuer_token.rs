//! Finds who a token of a tenant's own issuer speaks for.

use domain::access::Principal;
use domain::limits::ISSUER_TOKEN_LIFE_MAX;
use domain::refusal::Refusal;
use domain::time::Timestamp;
use domain::token::{self, Expected};
use store::StoreError;
use store::issuers::{self, Owned};

use super::Error;
use super::name_subject::name_subject;
use crate::app::App;
use crate::edge::jwt::{Unverified, verify};

/// Who the token speaks for, with no more scopes than its issuer may give now. What it says of itself leads to
/// the issuer and the key; it is believed once that key has verified it. The issuer is read at each call, so that
/// its tokens end with it everywhere.
pub(super) async fn authenticate_issuer_token(
    app: &App,
    text: &str,
    read: &Unverified,
    now: Timestamp,
) -> Result<Principal, Error> {
    let found = find(app, read).await?.ok_or_else(Refusal::unauthenticated)?;
    let key = app.key_sets.find(&found.issuer.jwks_uri, &read.kid, now).await;
    let key = key.ok_or_else(Refusal::unauthenticated)?;
    let expected = Expected {
        issuer: &found.issuer.issuer,
        audience: &found.issuer.audience,
        life_max: ISSUER_TOKEN_LIFE_MAX,
        only_our_scopes: false,
        now,
    };
    // The key was found by the name that the same header has.
    let claims = verify(text, |_| Some(&key.point));
    let claims = claims.and_then(|claims| token::read(&claims, &expected));
    let claims = claims.ok_or_else(Refusal::unauthenticated)?;
    let subject = name_subject(app, &found.tenant_id, claims.subject, now).await?;
    Ok(Principal {
        scopes: claims.scopes.into_iter().filter(|scope| found.issuer.scopes.has(*scope)).collect(),
        credential: found.issuer.id,
        tenant: found.tenant_id,
        tenant_kind: found.tenant_kind,
        by_token: true,
        subject: Some(subject),
        person: None,
    })
}

/// The one issuer that the token's `iss` and `aud` lead to; none when they lead to two tenants.
async fn find(app: &App, read: &Unverified) -> Result<Option<Owned>, Error> {
    let Some((issuer, audiences)) = token::read_unverified(&read.claims) else { return Ok(None) };
    let found = app.db.read("find_issuer", move |rx| {
        let mut found: Vec<Owned> = Vec::new();
        for audience in &audiences {
            found.extend(issuers::find_by_name(rx, &issuer, audience)?);
        }
        found.dedup();
        Ok(found)
    });
    let mut found: Vec<Owned> = found.await.map_err(|error: StoreError| Error::from(error))?;
    Ok(found.pop().filter(|_| found.is_empty()))
}
