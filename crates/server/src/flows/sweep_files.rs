//! Removes the files that no row points at: what a call left that died between its file and its row, and what a
//! deletion could not remove.

use domain::ids::{BackupId, TenantId};
use domain::limits::{ORPHAN_AGE, ORPHAN_LOOK_MAX};
use domain::time::Timestamp;
use store::StoreError;
use store::backups;
use store::blob::Kept;

use super::{Error, Fault};
use crate::app::App;

/// Sweeps once; says how many files went.
pub async fn sweep_files(app: &App, now: Timestamp) -> Result<usize, Error> {
    let born_before = now - ORPHAN_AGE;
    let mut swept = app.files.blobs.remove_unfinished(born_before).await.map_err(Error::files_away)?;
    let (mut files, mut old) = (app.files.blobs.list(), Vec::new());
    while let Some(kept) = files.next().await {
        let kept = kept.map_err(Error::files_away)?;
        if kept.backup.born_at().is_some_and(|born| born < born_before) {
            old.push(kept);
        }
        if old.len() >= ORPHAN_LOOK_MAX {
            swept += remove_orphans(app, std::mem::take(&mut old)).await?;
        }
    }
    swept += remove_orphans(app, old).await?;
    if swept > 0 {
        tracing::info!(swept, "files that no backup points at were removed");
    }
    Ok(swept)
}

/// Removes a file that no row points at any more; one that cannot be removed now is left to the sweep.
pub(super) async fn remove_or_leave(app: &App, tenant: &TenantId, backup: &BackupId) {
    if let Err(error) = app.files.blobs.remove(tenant, backup).await {
        let fault = Fault { doing: "removing a file", cause: Some(Box::new(error)) };
        tracing::warn!(cause = fault.chain(), "a file is left to the sweep");
    }
}

async fn remove_orphans(app: &App, files: Vec<Kept>) -> Result<usize, Error> {
    let orphans = app.db.read("find_orphans", move |rx| {
        let mut orphans = Vec::new();
        for file in &files {
            if backups::of(&file.tenant).is_orphan(rx, &file.backup)? {
                orphans.push(file.clone());
            }
        }
        Ok::<_, StoreError>(orphans)
    });
    let orphans: Vec<Kept> = orphans.await?;
    for Kept { tenant, backup } in &orphans {
        app.files.blobs.remove(tenant, backup).await.map_err(Error::files_away)?;
    }
    Ok(orphans.len())
}
