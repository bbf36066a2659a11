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
        /// The tree's peaks; none of one that was made before they were kept.
        pub peaks: Option<Vec<u8>>,
        /// The key that the enclave signed it with, if it did.
        pub cosigner: Option<String>,
    }
}

row! {
    struct Due {
        tenant_id: TenantId,
    }
}

row! {
    struct Forked {
        count: i64,
    }
}

macro_rules! columns {
    () => {
        "size, root, note, made_at, peaks, cosigner"
    };
}

static INSERT: Sql = sql!(
    "checkpoints.insert",
    "INSERT INTO audit_checkpoints (tenant_id, size, root, note, made_at, peaks, cosigner) ",
    "VALUES ($1, $2, $3, $4, $5, $6, $7)"
);
static SET_LAST: Sql = sql!(
    "checkpoints.set_last",
    "UPDATE audit_heads SET checkpoint_size = $2, checkpoint_at = $3 WHERE tenant_id = $1"
);
static FIND_LAST: Sql = sql!(
    "checkpoints.find_last",
    "SELECT ",
    columns!(),
    " FROM audit_checkpoints WHERE tenant_id = $1 ORDER BY size DESC LIMIT 1"
);
static FIND: Sql = sql!(
    "checkpoints.find",
    "SELECT ",
    columns!(),
    " FROM audit_checkpoints WHERE tenant_id = $1 AND size = $2"
);
static FIND_COSIGNED: Sql = sql!(
    "checkpoints.find_cosigned",
    "SELECT ",
    columns!(),
    " FROM audit_checkpoints WHERE tenant_id = $1 AND size = ",
    "(SELECT cosigned_size FROM audit_heads WHERE tenant_id = $1)"
);
static SET_COSIGNED: Sql = sql!(
    "checkpoints.set_cosigned",
    "UPDATE audit_checkpoints SET note = $4, cosigner = $5 WHERE tenant_id = $1 AND size = $2 AND note = $3"
);
static SET_LAST_COSIGNED: Sql = sql!(
    "checkpoints.set_last_cosigned",
    "UPDATE audit_heads SET cosigned_size = $2, cosign_after = $3, forked_at = NULL ",
    "WHERE tenant_id = $1 AND COALESCE(cosigned_size, 0) < $2"
);
static SET_FORKED: Sql = sql!(
    "checkpoints.set_forked",
    "UPDATE audit_heads SET forked_at = COALESCE(forked_at, $2), cosign_after = $3 WHERE tenant_id = $1"
);
static SET_COSIGN_NOW: Sql =
    sql!("checkpoints.set_cosign_now", "UPDATE audit_heads SET cosign_after = NULL WHERE tenant_id = $1");
static LIST_TO_COSIGN: Sql = sql!(
    "checkpoints.list_to_cosign",
    "SELECT tenant_id FROM audit_heads WHERE checkpoint_size > COALESCE(cosigned_size, 0) AND ",
    "(COALESCE(cosign_after, 0) <= $1 OR (forked_at IS NULL AND checkpoint_size - COALESCE(cosigned_size, 0) >= $2)) ",
    "ORDER BY tenant_id LIMIT $3"
);
static COUNT_FORKED: Sql =
    sql!("checkpoints.count_forked", "SELECT count(*) AS count FROM audit_heads WHERE forked_at IS NOT NULL");
static LIST: Sql = sql!(
    "checkpoints.list",
    "SELECT ",
    columns!(),
    " FROM audit_checkpoints WHERE tenant_id = $1 AND size > $2 ORDER BY size LIMIT $3"
);
static LIST_DUE: Sql = sql!(
    "checkpoints.list_due",
    "SELECT tenant_id FROM audit_heads WHERE seq > COALESCE(checkpoint_size, 0) ",
    "AND COALESCE(checkpoint_at, 0) <= $1 AND refused = FALSE ORDER BY tenant_id LIMIT $2"
);

/// Tenants whose logs have grown since their last checkpoint, which was made at `before` or earlier, but for those whose
/// head was found to be foreign.
pub fn list_due(rx: &mut Rx<'_>, before: Timestamp, limit: i64) -> Result<Vec<TenantId>, StoreError> {
    let rows = rx.list::<Due>(&LIST_DUE, &[&before, &limit])?;
    Ok(rows.into_iter().map(|row| row.tenant_id).collect())
}

/// Tenants whose last checkpoint the enclave is to sign: their time has come, or the log has grown by `entries` since.
pub fn list_to_cosign(
    rx: &mut Rx<'_>,
    now: Timestamp,
    entries: i64,
    limit: i64,
) -> Result<Vec<TenantId>, StoreError> {
    let rows = rx.list::<Due>(&LIST_TO_COSIGN, &[&now, &entries, &limit])?;
    Ok(rows.into_iter().map(|row| row.tenant_id).collect())
}

/// How many logs there are of which the enclave knows another history.
pub fn count_forked(rx: &mut Rx<'_>) -> Result<i64, StoreError> {
    Ok(rx.find_one::<Forked>(&COUNT_FORKED, &[])?.count)
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
        let Checkpoint { size, root, note, made_at, peaks, cosigner } = checkpoint;
        tx.exec_one(&INSERT, &[self.tenant, size, root, note, made_at, peaks, cosigner])?;
        tx.exec_one(&SET_LAST, &[self.tenant, size, made_at])
    }

    /// Those of sizes above this one, the smallest first.
    pub fn list(self, rx: &mut Rx<'_>, after: i64, limit: i64) -> Result<Vec<Checkpoint>, StoreError> {
        rx.list(&LIST, &[self.tenant, &after, &limit])
    }

    /// The last one.
    pub fn find_last(self, rx: &mut Rx<'_>) -> Result<Option<Checkpoint>, StoreError> {
        rx.find(&FIND_LAST, &[self.tenant])
    }

    /// The one over so many entries.
    pub fn find(self, rx: &mut Rx<'_>, size: i64) -> Result<Option<Checkpoint>, StoreError> {
        rx.find(&FIND, &[self.tenant, &size])
    }

    /// The last that the enclave signed.
    pub fn find_cosigned(self, rx: &mut Rx<'_>) -> Result<Option<Checkpoint>, StoreError> {
        rx.find(&FIND_COSIGNED, &[self.tenant])
    }

    /// Keeps `cosigned`, which is `before` with the enclave's signature; the next one waits until `next_after`. Nothing
    /// is kept when another process was first, or the log was reset meanwhile.
    pub fn set_cosigned(
        self,
        tx: &mut Tx<'_>,
        before: &Checkpoint,
        cosigned: &Checkpoint,
        next_after: Timestamp,
    ) -> Result<(), StoreError> {
        let Checkpoint { size, note, cosigner, .. } = cosigned;
        if tx.exec(&SET_COSIGNED, &[self.tenant, size, &before.note, note, cosigner])? == 1 {
            tx.exec(&SET_LAST_COSIGNED, &[self.tenant, size, &next_after])?;
        }
        Ok(())
    }

    /// Notes that the enclave knows another history of this log, if that is not noted; it is asked again after
    /// `again_after`.
    pub fn set_forked(
        self,
        tx: &mut Tx<'_>,
        now: Timestamp,
        again_after: Timestamp,
    ) -> Result<(), StoreError> {
        tx.exec_one(&SET_FORKED, &[self.tenant, &now, &again_after])
    }

    /// Lets the next checkpoint wait for no time.
    pub fn set_cosign_now(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.exec_one(&SET_COSIGN_NOW, &[self.tenant])
    }
}
