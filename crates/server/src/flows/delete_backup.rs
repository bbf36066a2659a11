//! Deletes a backup, thirty days after it was asked for; until then the tenant can restore it, and nobody gets
//! it.

use boundary::json::Value as Json;
use domain::access::Deed;
use domain::audit::ActorType;
use domain::backup::BackupKind;
use domain::ids::TenantId;
use domain::limits::DELETION_DELAY;
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::audit::AuditEntry;
use store::deletions::{self, Due};
use store::listings::{self, ListedBackup};
use store::{OfTenant, StoreError, Tx, control_recoveries};

use super::list_backups::find_listed;
use super::rotate_key::recovery_running;
use super::sweep_files::remove_or_leave;
use super::{Ctx, Error, EventData, entry, event, tell};
use crate::app::App;

/// How many deletions are ended in one round.
const ROUND_MAX: i64 = 100;

/// Has the backup deleted at the instant that is returned. Asked again, it answers the same instant.
pub async fn delete_backup(app: &App, ctx: &Ctx, id: &str) -> Result<Timestamp, Error> {
    ctx.permit_one_of(&[Deed::DeleteBackup, Deed::DeleteOwnBackup])?;
    let backup = find_listed(app, ctx, id).await?;
    let (tenant, now, id) = (ctx.principal.tenant.clone(), ctx.now, backup.id.clone());
    let key = backup.key_id.clone();
    let entry = about(&backup, ctx.entry(app, "backup.deletion-requested"));
    app.db
        .write("delete_backup", move |tx| {
            if control_recoveries::of(&tenant).find_running_of_key(tx, &key)?.is_some() {
                return Err(recovery_running().into());
            }
            if deletions::of(&tenant).set_pending(tx, &id, now + DELETION_DELAY, now)? {
                store::audit::of(&tenant).append(tx, &entry)?;
                return Ok(now + DELETION_DELAY);
            }
            let known = listings::of(&tenant).find_backup(tx, &id)?.and_then(|backup| backup.delete_after);
            known.ok_or_else(|| Error::from(wrong_state("only a confirmed backup can be deleted")))
        })
        .await
}

/// Keeps it after all. Asked again, it answers the same.
pub async fn restore_backup(app: &App, ctx: &Ctx, id: &str) -> Result<ListedBackup, Error> {
    ctx.permit_one_of(&[Deed::RestoreBackup, Deed::RestoreOwnBackup])?;
    let backup = find_listed(app, ctx, id).await?;
    let (tenant, now, id) = (ctx.principal.tenant.clone(), ctx.now, backup.id.clone());
    let entry = about(&backup, ctx.entry(app, "backup.restored"));
    app.db
        .write("restore_backup", move |tx| {
            if deletions::of(&tenant).set_restored(tx, &id, now)? {
                store::audit::of(&tenant).append(tx, &entry)?;
            }
            let restored = listings::of(&tenant).find_backup(tx, &id)?;
            let restored = restored.filter(|backup| backup.state == domain::backup::BackupState::Confirmed);
            restored.ok_or_else(|| Error::from(wrong_state("there is no deletion left to take back")))
        })
        .await
}

/// Ends the deletions that are due, of all tenants; says how many there were.
pub async fn end_deletions(app: &App, now: Timestamp) -> Result<usize, Error> {
    let due = app.db.read("list_due_deletions", move |rx| deletions::list_due(rx, now, ROUND_MAX));
    let due: Vec<OfTenant<Due>> = due.await.map_err(|error: StoreError| Error::from(error))?;
    let count = due.len();
    for OfTenant { tenant_id, row } in due {
        let (env, minter) = (app.env, app.minter.clone());
        let entry = entry(&app.minter, now, (ActorType::Service, "service"), "backup.deleted", "service");
        let tenant = tenant_id.clone();
        let ended = app.db.write("end_deletion", move |tx| {
            let Some(backup) = end(tx, &tenant_id, &row, now)? else { return Ok(None) };
            store::audit::of(&tenant_id).append(tx, &about(&backup, entry.clone()))?;
            tell(tx, &tenant_id, env, &event(&minter, now, "backup.deleted", data(&backup)))?;
            Ok(Some(backup))
        });
        let ended: Option<ListedBackup> = ended.await.map_err(|error: StoreError| Error::from(error))?;
        // Only now that no row points at it.
        if let Some(file) = ended.filter(|backup| backup.kind == BackupKind::File) {
            remove_or_leave(app, &tenant, &file.id).await;
        }
    }
    Ok(count)
}

/// Deletes it, if nobody restored it meanwhile.
fn end(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    due: &Due,
    now: Timestamp,
) -> Result<Option<ListedBackup>, StoreError> {
    match deletions::of(tenant).set_deleted(tx, &due.id, now)? {
        Some(_) => listings::of(tenant).find_backup(tx, &due.id),
        None => Ok(None),
    }
}

/// The entry, about this backup.
pub(super) fn about(backup: &ListedBackup, entry: AuditEntry) -> AuditEntry {
    AuditEntry {
        key_id: Some(backup.key_id.clone()),
        backup_id: Some(backup.id.clone()),
        customer_id: backup.customer_id.clone(),
        package_id: backup.package_id.clone(),
        ..entry
    }
}

/// The data of a backup's event.
pub(super) fn data(backup: &ListedBackup) -> EventData {
    vec![
        ("backup_id", Json::text(backup.id.to_string())),
        ("key_id", Json::text(backup.key_id.to_string())),
        ("backup_type", Json::text(backup.kind.to_string())),
        ("item_key", Json::text_or_null(backup.item_key.as_deref())),
        ("verification_id", Json::Null),
        ("user_identifier", Json::text(backup.user_identifier.clone())),
        ("customer_id", Json::text_or_null(backup.customer_id.as_deref())),
        ("package_id", Json::text_or_null(backup.package_id.as_deref())),
    ]
}

fn wrong_state(text: &str) -> Refusal {
    Refusal::new(Kind::Conflict, "backup-state", text)
}
