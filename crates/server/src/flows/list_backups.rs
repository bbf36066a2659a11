//! Shows a tenant what it stored: never a ciphertext.

use domain::access::Deed;
use domain::ids::BackupId;
use domain::refusal::Refusal;
use store::StoreError;
use store::listings::{self, BackupFilter, ListedBackup, Seen};

use super::{Ctx, Error};
use crate::app::App;

/// Which backups.
pub struct BackupQuery {
    /// Only those that match.
    pub filter: BackupFilter,
    /// Only those after this one.
    pub after: Option<Seen>,
    /// At most so many.
    pub limit: u32,
}

/// A page of backups, newest first, and whether there is more.
pub async fn list_backups(
    app: &App,
    ctx: &Ctx,
    query: BackupQuery,
) -> Result<(Vec<ListedBackup>, bool), Error> {
    ctx.permit_one_of(&[Deed::ListBackups, Deed::ListOwnBackups])?;
    let (tenant, limit) = (ctx.principal.tenant.clone(), query.limit);
    let page = app.db.read("list_backups", move |rx| {
        listings::of(&tenant).list_backups(rx, &query.filter, query.after.as_ref(), i64::from(limit) + 1)
    });
    let mut page: Vec<ListedBackup> = page.await.map_err(|error: StoreError| Error::from(error))?;
    let more = page.len() > limit as usize;
    page.truncate(limit as usize);
    Ok((page, more))
}

/// One backup, deleted ones too.
pub async fn read_backup(app: &App, ctx: &Ctx, id: &str) -> Result<ListedBackup, Error> {
    ctx.permit_one_of(&[Deed::ReadBackup, Deed::ReadOwnBackup])?;
    find_listed(app, ctx, id).await
}

/// The tenant's backup of this id.
pub(super) async fn find_listed(app: &App, ctx: &Ctx, id: &str) -> Result<ListedBackup, Error> {
    let id: BackupId = id.parse().map_err(|_| Refusal::not_found())?;
    let tenant = ctx.principal.tenant.clone();
    let found = app.db.read("read_backup", move |rx| listings::of(&tenant).find_backup(rx, &id));
    Ok(found.await.map_err(|error: StoreError| Error::from(error))?.ok_or_else(Refusal::not_found)?)
}
