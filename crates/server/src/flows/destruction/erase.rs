//! Removes what is left of a destroyed key outside of the database: shares and files. Done again, it does the same, so
//! that whatever ends it halfway, the next round ends it.

use domain::destruction::DestructionState;
use domain::ids::{BackupId, KeyId, TenantId};
use domain::key::KeyState;
use domain::time::Timestamp;
use store::destructions;
use store::keys::{self, CustomerKey};
use store::row_seals::check_row;
use store::rows::Table;
use store::seal::RowKey;
use store::{Rx, StoreError};

use super::super::Error;
use super::super::key_shares::erase_shares;
use super::about;
use super::end::of_service;
use super::logged::is_destroyed;
use crate::app::App;

/// Removes it, and says that nothing is left. Whoever writes to the database reaches neither shares nor files: a row
/// that says that a key is destroyed is not believed where the rest does not say the same.
pub(super) async fn erase_rest(
    app: &App,
    tenant: &TenantId,
    key: &KeyId,
    now: Timestamp,
) -> Result<bool, Error> {
    let (owner, id, row_key) = (tenant.clone(), key.clone(), app.keys.row_key().clone());
    let found = app.db.read("find_destroyed", move |rx| find_destroyed(rx, &row_key, (&owner, &id)));
    let Some(Destroyed { key: destroyed, files }) = found.await? else {
        return Err(Error::fault("removing what is left of a key: nothing proves that it is destroyed"));
    };
    erase_shares(app, (tenant, key)).await?;
    if !files.is_empty() {
        // A store that is not there has no file that could be missed.
        app.files.blobs.ask().await.map_err(Error::files_away)?;
    }
    for file in &files {
        app.files.blobs.remove(tenant, file).await.map_err(Error::files_away)?;
    }
    let has_shares = !app.key_shares.shelves.is_empty();
    let entry = has_shares.then(|| about(&destroyed, of_service(app, now, "key.shares-removed")));
    let (tenant, id) = (tenant.clone(), key.clone());
    let written = app.db.write("end_destruction", move |tx| {
        let states = (DestructionState::Erasing, DestructionState::Done);
        let ended_at = destructions::of(&tenant).find_locked(tx, &id)?.and_then(|found| found.ended_at);
        let is_done = destructions::of(&tenant).set_state(tx, &id, states, ended_at)?;
        if is_done {
            entry.iter().try_for_each(|entry| store::audit::of(&tenant).append(tx, entry))?;
        }
        Ok(is_done)
    });
    written.await.map_err(|error: StoreError| error.into())
}

/// A key that is destroyed, and the files that it had.
struct Destroyed {
    key: CustomerKey,
    files: Vec<BackupId>,
}

/// A key, if it is destroyed by its row, by that of its destruction, and by the log.
fn find_destroyed(
    rx: &mut Rx<'_>,
    row_key: &RowKey,
    (tenant, id): (&TenantId, &KeyId),
) -> Result<Option<Destroyed>, StoreError> {
    let found = keys::of(tenant).find(rx, id)?;
    let is_gone = |key: &CustomerKey| key.state == KeyState::Destroyed && key.sealed.is_nothing();
    let Some(key) = found.filter(is_gone) else { return Ok(None) };
    for table in ["customer_keys", "key_destructions"] {
        let Some(table) = Table::find_sealed(table) else { return Ok(None) };
        if check_row(rx, row_key, table, &[id])?.is_some() {
            return Ok(None);
        }
    }
    if !is_destroyed(rx, row_key, (tenant, id))? {
        return Ok(None);
    }
    let files = destructions::of(tenant).list_files(rx, id)?;
    Ok(Some(Destroyed { key, files }))
}
