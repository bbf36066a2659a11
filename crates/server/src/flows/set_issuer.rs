//! Registers a tenant's own issuer of tokens, shows it and ends it.

use domain::access::Deed;
use domain::ids::CredentialId;
use domain::refusal::{Kind, Refusal};
use store::StoreError;
use store::audit::AuditEntry;
use store::credentials::Scopes;
use store::issuers::{self, Issuer};

use super::exchange_token::OUR_ISSUERS;
use super::{Ctx, Error};
use crate::app::App;

/// What the issuer is to be.
pub struct SetIssuer {
    /// The claim `iss` of its tokens.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_uri: String,
    /// The claim `aud` of its tokens.
    pub audience: String,
}

/// Registers it in the place of the one before, if there is one. Its keys are fetched first, so that a mistake
/// shows now. Its tokens hold at most what this credential holds.
pub async fn set_issuer(app: &App, ctx: &Ctx, command: SetIssuer) -> Result<Issuer, Error> {
    let principal = &ctx.principal;
    principal.permit(Deed::SetIssuer)?;
    if command.issuer.starts_with(OUR_ISSUERS) {
        let fault = format!("must not begin with {OUR_ISSUERS}, as the service's own name does");
        return Err(Refusal::field("issuer", fault).into());
    }
    let refused = |fault| Error::from(Refusal::field("jwks_uri", fault));
    let jwks_uri = app.outbound.targets().read(&command.jwks_uri).map_err(refused)?.url;
    app.key_sets.fetch(&jwks_uri, ctx.now).await.map_err(refused)?;
    let mut scopes = principal.tenant_kind.issuer_scopes().to_vec();
    scopes.retain(|scope| principal.scopes.contains(scope));
    let new = Issuer {
        id: CredentialId::new(ctx.now, &mut app.chance()),
        issuer: command.issuer,
        audience: command.audience,
        jwks_uri,
        scopes: Scopes::new(&scopes),
        created_at: ctx.now,
        updated_at: ctx.now,
    };
    let tenant = principal.tenant.clone();
    let entry = issuer_entry(ctx, app, "issuer.registered", &new.issuer);
    app.db
        .write("set_issuer", move |tx| {
            let Some(written) = issuers::of(&tenant).insert_or_replace(tx, &new)? else {
                let text =
                    "this issuer cannot be registered with this audience; choose an audience of your own";
                return Err(Error::from(Refusal::new(Kind::Conflict, "issuer-taken", text)));
            };
            store::audit::of(&tenant).append(tx, &entry)?;
            Ok(written)
        })
        .await
}

/// The tenant's issuer.
pub async fn read_issuer(app: &App, ctx: &Ctx) -> Result<Issuer, Error> {
    ctx.principal.permit(Deed::ReadIssuer)?;
    let tenant = ctx.principal.tenant.clone();
    let found = app.db.read("read_issuer", move |rx| issuers::of(&tenant).find(rx));
    let found = found.await.map_err(|error: StoreError| Error::from(error))?;
    Ok(found.ok_or_else(Refusal::not_found)?)
}

/// Ends it, and with it every token that it issued.
pub async fn delete_issuer(app: &App, ctx: &Ctx) -> Result<(), Error> {
    ctx.principal.permit(Deed::DeleteIssuer)?;
    let tenant = ctx.principal.tenant.clone();
    let entry = ctx.entry(app, "issuer.deleted");
    app.db
        .write("delete_issuer", move |tx| {
            let issuers = issuers::of(&tenant);
            let found = issuers.find(&mut *tx)?.ok_or_else(Refusal::not_found)?;
            issuers.delete(tx)?;
            let entry = AuditEntry { reason: Some(reason(&found.issuer)), ..entry.clone() };
            Ok::<_, Error>(store::audit::of(&tenant).append(tx, &entry)?)
        })
        .await
}

/// An entry on an issuer. It has no member of its own for one: its reason says which.
fn issuer_entry(ctx: &Ctx, app: &App, action: &str, issuer: &str) -> AuditEntry {
    AuditEntry { reason: Some(reason(issuer)), ..ctx.entry(app, action) }
}

fn reason(issuer: &str) -> String {
    format!("issuer {issuer}")
}
