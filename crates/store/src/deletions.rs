//! Backups whose deletion was asked for: kept for a while, then gone.

use domain::ids::{BackupId, TenantId};
use domain::time::Timestamp;

use crate::backups::Changed;
use crate::sql::Sql;
use crate::{OfTenant, Rx, StoreError, Tx};

row! {
    /// A backup whose time has come.
    #[derive(Debug)]
    pub struct Due {
        /// The backup.
        pub id: BackupId,
    }
}

// Without its repeat tag, since a store of the same item must not answer what is about to go.
static SET_PENDING: Sql = sql!(
    "deletions.set_pending",
    "UPDATE backups SET state = 'delete-pending', delete_after = $3, updated_at = $4, repeat_tag = NULL ",
    "WHERE tenant_id = $1 AND id = $2 AND state = 'confirmed'"
);
static SET_RESTORED: Sql = sql!(
    "deletions.set_restored",
    "UPDATE backups SET state = 'confirmed', delete_after = NULL, updated_at = $3 ",
    "WHERE tenant_id = $1 AND id = $2 AND state = 'delete-pending'"
);
static LIST_DUE: Sql = sql!(
    "deletions.list_due",
    "SELECT tenant_id, id FROM backups WHERE delete_after <= $1 ORDER BY delete_after LIMIT $2"
);
static SET_DELETED: Sql = sql!(
    "deletions.set_deleted",
    "UPDATE backups SET state = 'deleted', delete_after = NULL, updated_at = $3, ciphertext = NULL, ",
    "checksum_sealed = NULL, record = NULL ",
    "WHERE tenant_id = $1 AND id = $2 AND state = 'delete-pending' AND delete_after <= $3 ",
    "RETURNING id, key_id, kind, item_key"
);

/// Deletions that are due, the longest overdue first.
pub fn list_due(rx: &mut Rx<'_>, now: Timestamp, limit: i64) -> Result<Vec<OfTenant<Due>>, StoreError> {
    rx.list(&LIST_DUE, &[&now, &limit])
}

/// The deletions of one tenant.
pub fn of(tenant: &TenantId) -> Deletions<'_> {
    Deletions { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Deletions<'t> {
    tenant: &'t TenantId,
}

impl Deletions<'_> {
    /// Asks for a deletion; false when the backup is not confirmed.
    pub fn set_pending(
        self,
        tx: &mut Tx<'_>,
        id: &BackupId,
        delete_after: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_PENDING, &[self.tenant, id, &delete_after, &now])? == 1)
    }

    /// Takes that back; false when the backup does not wait for its deletion.
    pub fn set_restored(self, tx: &mut Tx<'_>, id: &BackupId, now: Timestamp) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_RESTORED, &[self.tenant, id, &now])? == 1)
    }

    /// Deletes it, ciphertext and all; none when its time has not come, or it was restored meanwhile.
    pub fn set_deleted(
        self,
        tx: &mut Tx<'_>,
        id: &BackupId,
        now: Timestamp,
    ) -> Result<Option<Changed>, StoreError> {
        tx.find(&SET_DELETED, &[self.tenant, id, &now])
    }
}
