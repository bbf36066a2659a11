//! Damages a stored item, to rehearse a recovery in which one item fails (sandbox).

use domain::access::Deed;
use domain::ids::BackupId;
use domain::refusal::{Kind, Refusal};
use store::audit::AuditEntry;
use store::backups;

use super::{Ctx, Error};
use crate::app::App;

/// Flips one bit of the item's ciphertext.
pub async fn damage_backup(app: &App, ctx: &Ctx, id: &str) -> Result<(), Error> {
    ctx.principal.permit(Deed::DamageBackup)?;
    app.sandbox.as_ref().ok_or_else(Refusal::no_such_path)?;
    let id: BackupId = id.parse().map_err(|_| Refusal::not_found())?;
    let (tenant, now) = (ctx.principal.tenant.clone(), ctx.now);
    let entry = AuditEntry { backup_id: Some(id.clone()), ..ctx.entry(app, "backup.damaged") };
    app.db
        .write("damage_backup", move |tx| {
            let backup = backups::of(&tenant).find(tx, &id)?;
            let mut ciphertext =
                backup.and_then(|backup| backup.ciphertext).ok_or_else(Refusal::not_found)?;
            if let Some(last) = ciphertext.last_mut() {
                *last ^= 1;
            }
            if !backups::of(&tenant).set_damaged(tx, &id, &ciphertext, now)? {
                let text = "only a confirmed backup can be damaged: no other is recovered";
                return Err(Refusal::new(Kind::Conflict, "backup-state", text).into());
            }
            Ok(store::audit::of(&tenant).append(tx, &entry)?)
        })
        .await
}
