//! Makes, lists and revokes a tenant's credentials.

use domain::access::Deed;
use domain::credential::{ApiKeyText, Scope};
use domain::ids::{CredentialId, TenantId};
use domain::notice::NoticeKind;
use domain::refusal::Refusal;
use domain::time::Timestamp;
use store::StoreError;
use store::audit::AuditEntry;
use store::credentials::{self, ApiCredential, Scopes};
use store::notices::{self, Notice};

use super::notify::{News, notify_owners};
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
    let tenant = &ctx.principal.tenant;
    let notices = notify_of_credential(app, ctx.now, tenant, &new).await?;
    insert_credential(app, tenant, new, entry, notices, ctx.named.as_ref()).await
}

/// What the owners are told of a new credential.
pub async fn notify_of_credential(
    app: &App,
    now: Timestamp,
    tenant: &TenantId,
    new: &NewCredential,
) -> Result<Vec<Notice>, Error> {
    let scopes: Vec<_> = new.scopes.iter().map(|scope| scope.as_str()).collect();
    let news = News {
        kind: NoticeKind::CredentialMade,
        title: "An API credential was made".to_owned(),
        text: format!(
            "It is called {} and may: {}. If none of you made it, revoke it, and look into the log for who did.",
            new.name,
            scopes.join(", ")
        ),
        link: "/control/settings/credentials".to_owned(),
    };
    notify_owners(app, now, tenant, &news).await
}

/// Writes a new credential of a tenant, with the entry of who made it, who is told, and the end of the named call
/// that did.
pub async fn insert_credential(
    app: &App,
    tenant: &TenantId,
    new: NewCredential,
    entry: AuditEntry,
    notices: Vec<Notice>,
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
        notices.iter().try_for_each(|notice| notices::of(&tenant).append(tx, notice))?;
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

/// One credential, whatever its state.
pub async fn read_credential(app: &App, ctx: &Ctx, id: &str) -> Result<ApiCredential, Error> {
    ctx.principal.permit(Deed::ListCredentials)?;
    let id: CredentialId = id.parse().map_err(|_| Refusal::not_found())?;
    let tenant = ctx.principal.tenant.clone();
    let found = app.db.read("read_credential", move |rx| credentials::of(&tenant).find(rx, &id));
    let found = found.await.map_err(|error: StoreError| Error::from(error))?;
    Ok(found.ok_or_else(Refusal::not_found)?)
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
