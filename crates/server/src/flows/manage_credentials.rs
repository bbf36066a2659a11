//! Makes, lists and revokes a tenant's credentials.

use domain::access::Deed;
use domain::credential::{ApiKeyText, Scope};
use domain::ids::{CredentialId, TenantId};
use domain::refusal::Refusal;
use domain::time::Timestamp;
use store::StoreError;
use store::audit::AuditEntry;
use store::credentials::{self, ApiCredential, Scopes};

use super::repeat_call::{Run, SecretShown};
use super::{Ctx, Error, page_limit};
use crate::app::App;

/// What is to be made.
pub struct NewCredential {
    /// The tenant's own label.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// From when it is refused.
    pub expires_at: Option<Timestamp>,
}

/// Makes a credential. Its text exists in what this returns and nowhere else.
pub async fn create_credential(
    app: &App,
    ctx: &Ctx,
    new: NewCredential,
) -> Result<(ApiCredential, ApiKeyText), Error> {
    ctx.principal.permit(Deed::CreateCredential)?;
    ctx.principal.may_give(&new.scopes)?;
    if new.expires_at.is_some_and(|expires_at| expires_at <= ctx.now) {
        return Err(Refusal::field("expires_at", "must be in the future").into());
    }
    let entry = ctx.entry(app, "credential.created");
    insert_credential(app, &ctx.principal.tenant, new, entry, ctx.named.as_ref()).await
}

/// Writes a new credential of a tenant, with the entry of who made it and the end of the named call that did.
pub async fn insert_credential(
    app: &App,
    tenant: &TenantId,
    new: NewCredential,
    entry: AuditEntry,
    named: Option<&Run>,
) -> Result<(ApiCredential, ApiKeyText), Error> {
    let now = entry.time;
    let text = ApiKeyText::new(app.env, &mut app.chance());
    let credential = ApiCredential {
        id: CredentialId::new(now, &mut app.chance()),
        name: new.name,
        hint: text.hint(),
        scopes: Scopes::new(&new.scopes),
        expires_at: new.expires_at,
        revoked_at: None,
        created_at: now,
    };
    let (tenant, hash) = (tenant.clone(), app.keys.credential_hash(text.expose()));
    let (row, entry) = (credential.clone(), AuditEntry { reason: Some(credential.id.to_string()), ..entry });
    let shown = SecretShown::of(app, named, credential.id.as_str())?;
    let written = app.db.write("create_credential", move |tx| {
        credentials::of(&tenant).insert(tx, &row, &hash)?;
        store::audit::of(&tenant).append(tx, &entry)?;
        shown.write(tx)
    });
    written.await?;
    Ok((credential, text))
}

/// A page of the tenant's credentials, newest first, and whether there are more.
pub async fn list_credentials(
    app: &App,
    ctx: &Ctx,
    before: Option<CredentialId>,
    limit: Option<u32>,
) -> Result<(Vec<ApiCredential>, bool), Error> {
    ctx.principal.permit(Deed::ListCredentials)?;
    let limit = page_limit(limit)?;
    let tenant = ctx.principal.tenant.clone();
    let page = app.db.read("list_credentials", move |rx| {
        credentials::of(&tenant).list_before(rx, before.as_ref(), i64::from(limit) + 1)
    });
    let mut page: Vec<ApiCredential> = page.await.map_err(|error: StoreError| Error::from(error))?;
    let more = page.len() > limit as usize;
    page.truncate(limit as usize);
    Ok((page, more))
}

/// Revokes a credential, whatever its scopes: to take away is always safe. One that is revoked stays so.
pub async fn revoke_credential(app: &App, ctx: &Ctx, id: &str) -> Result<(), Error> {
    ctx.principal.permit(Deed::RevokeCredential)?;
    let id: CredentialId = id.parse().map_err(|_| Refusal::not_found())?;
    end_credential(app, &ctx.principal.tenant, id, ctx.entry(app, "credential.revoked")).await
}

/// Writes that a tenant's credential is revoked, with the entry of who did it.
pub async fn end_credential(
    app: &App,
    tenant: &TenantId,
    id: CredentialId,
    entry: AuditEntry,
) -> Result<(), Error> {
    let entry = AuditEntry { reason: Some(id.to_string()), ..entry };
    let tenant = tenant.clone();
    app.db
        .write("revoke_credential", move |tx| {
            let credentials = credentials::of(&tenant);
            if credentials.set_revoked(tx, &id, entry.time)? {
                return Ok(store::audit::of(&tenant).append(tx, &entry)?);
            }
            credentials.find(tx, &id)?.map(drop).ok_or_else(|| Refusal::not_found().into())
        })
        .await
}
