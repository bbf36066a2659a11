//! A key whose private half goes out takes nothing more: whoever has it opens what is encrypted to it, and asks nobody.

use domain::ids::{KeyId, TenantId};
use domain::key::KeyState;
use store::audit::AuditEntry;
use store::{StoreError, Tx, destructions, keys};

use crate::app::App;

/// The entry of each key that is closed, which says of what recovery, as that one's own does.
pub(super) fn closings(app: &App, keys: Vec<KeyId>, recovery: &AuditEntry) -> Vec<(KeyId, AuditEntry)> {
    let entry_of = |key: KeyId| {
        let (id, action) = (app.minter.entry_id(recovery.time), "key.released".to_owned());
        (key.clone(), AuditEntry { id, action, key_id: Some(key), ..recovery.clone() })
    };
    keys.into_iter().map(entry_of).collect()
}

/// Closes these keys, each with its entry. One that is about to be destroyed is closed if that is stopped; one that was
/// replaced takes nothing as it is.
pub(super) fn close_keys(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    closed: &[(KeyId, AuditEntry)],
) -> Result<(), StoreError> {
    for (key, entry) in closed {
        // Whoever stops its destruction meanwhile comes before this, or after it.
        keys::of(tenant).find_locked(tx, key)?;
        let was_active = keys::of(tenant).set_state(tx, key, KeyState::Active, KeyState::Released)?;
        let would_be_active = destructions::of(tenant).set_released(tx, key)?;
        if was_active || would_be_active {
            store::audit::of(tenant).append(tx, entry)?;
        }
    }
    Ok(())
}
