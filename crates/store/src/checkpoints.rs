//! Signed checkpoints of the audit logs. One is made in the transaction that numbers the entries under it, so that
//! there is none over entries that a crash could lose.

use domain::audit::tree::Hash;
use domain::ids::TenantId;
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Rx, StoreError, Tx};

row! {
    /// A log as it was when it was signed.
    #[derive(Debug)]
    pub struct Checkpoint {
        /// How many entries it covers.
        pub size: i64,
        /// The root of the tree over them.
        pub root: Hash,
        /// The same, signed.
        pub note: String,
        /// When it was made.
        pub made_at: Timestamp,
    }
}

row! {
    struct Due {
        tenant_id: TenantId,
    }
}

static INSERT: Sql = sql!(
    "checkpoints.insert",
    "INSERT INTO audit_checkpoints (tenant_id, size, root, note, made_at) VALUES ($1, $2, $3, $4, $5)"
);
static SET_LAST: Sql = sql!(
    "checkpoints.set_last",
    "UPDATE audit_heads SET checkpoint_size = $2, checkpoint_at = $3 WHERE tenant_id = $1"
);
static FIND_LAST: Sql = sql!(
    "checkpoints.find_last",
    "SELECT size, root, note, made_at FROM audit_checkpoints WHERE tenant_id = $1 ORDER BY size DESC LIMIT 1"
);
static LIST_DUE: Sql = sql!(
    "checkpoints.list_due",
    "SELECT tenant_id FROM audit_heads WHERE seq > COALESCE(checkpoint_size, 0) ",
    "AND COALESCE(checkpoint_at, 0) <= $1 ORDER BY tenant_id LIMIT $2"
);

/// Tenants whose logs have grown since their last checkpoint, which was made at `before` or earlier.
pub fn list_due(rx: &mut Rx<'_>, before: Timestamp, limit: i64) -> Result<Vec<TenantId>, StoreError> {
    let rows = rx.list::<Due>(&LIST_DUE, &[&before, &limit])?;
    Ok(rows.into_iter().map(|row| row.tenant_id).collect())
}

/// The checkpoints of one tenant's log.
pub fn of(tenant: &TenantId) -> Checkpoints<'_> {
    Checkpoints { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Checkpoints<'t> {
    tenant: &'t TenantId,
}

impl Checkpoints<'_> {
    /// Keeps a checkpoint. The log's head is locked, and there is no other of this size.
    pub fn insert(self, tx: &mut Tx<'_>, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let Checkpoint { size, root, note, made_at } = checkpoint;
        tx.exec_one(&INSERT, &[self.tenant, size, root, note, made_at])?;
        tx.exec_one(&SET_LAST, &[self.tenant, size, made_at])
    }

    /// The last one.
    pub fn find_last(self, rx: &mut Rx<'_>) -> Result<Option<Checkpoint>, StoreError> {
        rx.find(&FIND_LAST, &[self.tenant])
    }
}
