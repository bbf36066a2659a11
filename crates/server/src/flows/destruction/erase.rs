//! Removes what is left of a destroyed key outside of the database: shares and files. Done again, it does the same, so
//! that whatever ends it halfway, the next round ends it.

use domain::destruction::DestructionState;
use domain::ids::TenantId;
use domain::time::Timestamp;
use store::destructions::{self, Destruction};
use store::{StoreError, keys};

use super::super::Error;
use super::super::key_shares::erase_shares;
use super::super::sweep_files::remove_or_leave;
use super::about;
use super::end::of_service;
use crate::app::App;

/// Removes it, and says that nothing is left.
pub(super) async fn erase_rest(
    app: &App,
    tenant: &TenantId,
    erasing: &Destruction,
    now: Timestamp,
) -> Result<bool, Error> {
    erase_shares(app, (tenant, &erasing.key_id)).await?;
    let (owner, id) = (tenant.clone(), erasing.key_id.clone());
    let found = app.db.read("find_files", move |rx| {
        Ok::<_, StoreError>((destructions::of(&owner).list_files(rx, &id)?, keys::of(&owner).find(rx, &id)?))
    });
    let (files, key) = found.await?;
    for file in &files {
        remove_or_leave(app, tenant, file).await;
    }
    let entry = key.filter(|_| !app.key_shares.shelves.is_empty());
    let entry = entry.map(|key| about(&key, of_service(app, now, "key.shares-removed")));
    let (tenant, id, ended_at) = (tenant.clone(), erasing.key_id.clone(), erasing.ended_at);
    let written = app.db.write("end_destruction", move |tx| {
        let states = (DestructionState::Erasing, DestructionState::Done);
        let is_done = destructions::of(&tenant).set_state(tx, &id, states, ended_at)?;
        if is_done {
            entry.iter().try_for_each(|entry| store::audit::of(&tenant).append(tx, entry))?;
        }
        Ok(is_done)
    });
    written.await.map_err(|error: StoreError| error.into())
}
