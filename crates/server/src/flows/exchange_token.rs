//! Exchanges an API key for a bearer token, and finds who a token speaks for.

use domain::access::{Deed, Principal};
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use domain::token::{self, Expected};
use store::StoreError;
use store::credentials::{self, Bearer};

use super::{Ctx, Error};
use crate::app::App;

/// How every issuer of ours begins.
pub(super) const OUR_ISSUERS: &str = "holdfast-";

/// A new token.
pub struct NewToken {
    /// Its text.
    pub text: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Makes a token with the scopes of the API key that asks, for half an hour or until the key expires. A token makes
/// none: it would live for ever.
pub async fn exchange_token(app: &App, ctx: &Ctx) -> Result<NewToken, Error> {
    ctx.principal.permit(Deed::ExchangeToken)?;
    if ctx.principal.by_token {
        let text = "a token is given for an API key, and this call came with a token";
        return Err(Refusal::new(Kind::Forbidden, "api-key-needed", text).into());
    }
    let bearer = find(app, &ctx.principal.credential).await?.ok_or_else(Refusal::unauthenticated)?;
    let end = ctx.now + token::LIFE;
    let expires_at = bearer.credential.expires_at.map_or(end, |expires_at| expires_at.min(end));
    let claims = token::write(
        &issuer(app),
        ctx.principal.credential.as_str(),
        &ctx.principal.scopes,
        ctx.now,
        expires_at,
    );
    let text = app.token_key.sign(&claims).ok_or_else(|| Error::fault("signing a token"))?;
    Ok(NewToken { text, expires_at })
}

/// Who a token of ours speaks for. It lives no longer than its credential, and does no more than that may now.
pub async fn authenticate_token(app: &App, text: &str, now: Timestamp) -> Result<Principal, Error> {
    let issuer = issuer(app);
    let expected =
        Expected { issuer: &issuer, audience: &issuer, life_max: token::LIFE, only_our_scopes: true, now };
    let claims = app.token_key.verify(text).and_then(|claims| token::read(&claims, &expected));
    let claims = claims.ok_or_else(Refusal::unauthenticated)?;
    let id = claims.subject.parse().map_err(|_| Refusal::unauthenticated())?;
    let bearer = find(app, &id).await?.filter(|bearer| bearer.is_alive(now));
    let mut principal = super::authenticate::principal(bearer.ok_or_else(Refusal::unauthenticated)?);
    principal.scopes.retain(|scope| claims.scopes.contains(scope));
    principal.by_token = true;
    Ok(principal)
}

async fn find(app: &App, id: &domain::ids::CredentialId) -> Result<Option<Bearer>, Error> {
    let id = id.clone();
    let found = app.db.read("find_credential", move |rx| credentials::find_by_id(rx, &id)).await;
    found.map_err(|error: StoreError| error.into())
}

/// By what the service names itself, as issuer and as audience: tokens of one environment are none in the other.
pub(super) fn issuer(app: &App) -> String {
    format!("{OUR_ISSUERS}{}", app.env.as_str())
}
