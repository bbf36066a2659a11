//! Hands a package to whoever asked for it: by a link that he makes, that opens once, and not for long.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::approval::ControlState;
use domain::control::Act;
use domain::entropy::Entropy as _;
use domain::ids::{PersonId, RecoveryId, TenantId};
use domain::limits::PACKAGE_LINK_LIFE;
use domain::refusal::{Kind, Refusal};
use store::StoreError;
use store::audit::AuditEntry;
use store::control_recoveries::{self, ControlRecovery};
use store::recovery_links::{self, Link};

use super::super::freeze_tenant::refuse_frozen;
use super::super::{Ctx, Error};
use super::read_recoveries::find_recovery;
use super::{permitted, recorded};
use crate::app::App;

/// What is handed over.
pub struct Download {
    /// Of which recovery.
    pub id: RecoveryId,
    /// A binary OpenPGP message of a tar.
    pub message: Vec<u8>,
}

/// Makes a link for whoever asked; returns its token.
pub async fn make_link(app: &App, ctx: &Ctx, id: &str) -> Result<String, Error> {
    let recovery = find_recovery(app, &ctx.principal.tenant, id).await?.recovery;
    let about =
        |action: &str| AuditEntry { recovery_id: Some(recovery.id.clone()), ..ctx.entry(app, action) };
    let made = link(app, ctx, &recovery, about("recovery.link-made")).await;
    recorded(app, ctx, about("recovery.link-refused"), made).await
}

async fn link(app: &App, ctx: &Ctx, recovery: &ControlRecovery, entry: AuditEntry) -> Result<String, Error> {
    let person = permitted(ctx, Act::DownloadRecovery)?;
    may_fetch(recovery, &person, ctx)?;
    refuse_frozen(app, &ctx.principal.tenant, ctx.now).await?;
    let mut bytes = [0; 32];
    app.chance().fill(&mut bytes);
    let token = URL_SAFE_NO_PAD.encode(bytes);
    let link = Link {
        token_hash: token_hash(app, &token),
        recovery_id: recovery.id.clone(),
        person_id: person,
        expires_at: ctx.now + PACKAGE_LINK_LIFE,
        used_at: None,
        created_at: ctx.now,
    };
    let tenant = ctx.principal.tenant.clone();
    let written = app.db.write("make_link", move |tx| {
        recovery_links::of(&tenant).insert(tx, &link)?;
        store::audit::of(&tenant).append(tx, &entry)
    });
    written.await.map_err(|error: StoreError| Error::from(error))?;
    Ok(token)
}

/// Hands the package over and uses the link up. Every refusal is recorded.
pub async fn download_recovery(app: &App, ctx: &Ctx, id: &str, token: &str) -> Result<Download, Error> {
    let recovery = find_recovery(app, &ctx.principal.tenant, id).await?.recovery;
    let about =
        |action: &str| AuditEntry { recovery_id: Some(recovery.id.clone()), ..ctx.entry(app, action) };
    let fetched = fetch(app, ctx, &recovery, token, about("recovery.downloaded")).await;
    recorded(app, ctx, about("recovery.download-refused"), fetched).await
}

async fn fetch(
    app: &App,
    ctx: &Ctx,
    recovery: &ControlRecovery,
    token: &str,
    entry: AuditEntry,
) -> Result<Download, Error> {
    let person = permitted(ctx, Act::DownloadRecovery)?;
    may_fetch(recovery, &person, ctx)?;
    refuse_frozen(app, &ctx.principal.tenant, ctx.now).await?;
    // Before the link is used up: a store of files that is away costs nobody his link.
    let message = read_package(app, &ctx.principal.tenant, recovery).await?;
    let message =
        message.ok_or_else(|| Error::fault("reading a package that should be there as it was kept"))?;
    let (tenant, id, now, from) =
        (ctx.principal.tenant.clone(), recovery.id.clone(), ctx.now, recovery.state);
    let hash = token_hash(app, token);
    app.db
        .write("download_recovery", move |tx| {
            let link = recovery_links::of(&tenant).find(tx, &hash)?.filter(|link| link.recovery_id == id);
            let link = link.ok_or_else(|| spent("this link opens nothing"))?;
            if !recovery_links::of(&tenant).set_used(tx, &hash, &person, now)? {
                return Err(Error::from(refused(&link, &person)));
            }
            if from == ControlState::Ready {
                let step = (from, ControlState::Downloaded);
                control_recoveries::of(&tenant).set_state(tx, &id, step, None, now)?;
            }
            Ok(store::audit::of(&tenant).append(tx, &entry)?)
        })
        .await?;
    Ok(Download { id: recovery.id.clone(), message })
}

/// The package that the enclave made of a recovery; none when it is not there as it was kept. Nobody signed the
/// message for whoever opens it: what else lies there in its place must not reach him.
pub async fn read_package(
    app: &App,
    tenant: &TenantId,
    recovery: &ControlRecovery,
) -> Result<Option<Vec<u8>>, Error> {
    let Some(kept) = recovery.package_sha256 else { return Ok(None) };
    let found = app.files.blobs.read_package(tenant, &recovery.id, &kept).await.map_err(Error::files_away)?;
    Ok(found.filter(|message| digest(&SHA256, message).as_ref() == kept))
}

/// The package is whoever asked's alone.
fn may_fetch(recovery: &ControlRecovery, person: &PersonId, ctx: &Ctx) -> Result<(), Refusal> {
    if recovery.asked_by != *person {
        let text = "only whoever asked for this recovery downloads it";
        return Err(Refusal::new(Kind::Forbidden, "not-the-requester", text));
    }
    if recovery.state.has_package() && recovery.keep_until.is_some_and(|until| ctx.now < until) {
        return Ok(());
    }
    let text = "there is no package of this recovery: it is not ready, or its seven days are over";
    Err(Refusal::new(Kind::Conflict, "no-package", text))
}

fn refused(link: &Link, person: &PersonId) -> Refusal {
    if link.person_id != *person {
        return Refusal::new(Kind::Forbidden, "not-the-requester", "this link is another person's");
    }
    if link.used_at.is_some() {
        return spent("this link was used: each opens once. Make another one on the recovery's page");
    }
    spent("this link is too old: each opens for 15 minutes. Make another one on the recovery's page")
}

fn spent(text: &str) -> Refusal {
    Refusal::new(Kind::Forbidden, "link-spent", text)
}

fn token_hash(app: &App, token: &str) -> [u8; 32] {
    app.keys.credential_hash(&format!("recovery link {token}"))
}
