//! Backups that move from a key to the one that replaces it. Deleted ones stay where they were: nothing is left of
//! them to move.

use domain::ids::{BackupId, KeyId, TenantId};
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{OfTenant, Rx, StoreError, ToArg, Tx};

row! {
    /// Data that a key guards.
    pub struct Guarded {
        /// The backup.
        pub id: BackupId,
        /// The caller's name for it.
        pub item_key: Option<String>,
        /// The ciphertext.
        pub ciphertext: Option<Vec<u8>>,
        /// The plaintext's checksum, sealed by the server.
        pub checksum_sealed: Option<Vec<u8>>,
        /// The enclave's sealed record of the store.
        pub record: Option<Vec<u8>>,
    }
}

row! {
    /// A key whose backups wait for a ceremony.
    pub struct Superseding {
        /// Its id.
        pub id: KeyId,
    }
}

row! {
    struct Count {
        count: i64,
    }
}

/// A ciphertext, and the enclave's record of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// The ciphertext.
    pub ciphertext: Vec<u8>,
    /// The record.
    pub record: Vec<u8>,
}

static LIST_GUARDED: Sql = sql!(
    "rotations.list_guarded",
    "SELECT id, item_key, ciphertext, checksum_sealed, record FROM backups ",
    "WHERE tenant_id = $1 AND key_id = $2 AND kind = 'data' AND state <> 'deleted' ORDER BY id"
);
static LIST_SUPERSEDING: Sql = sql!(
    "rotations.list_superseding",
    "SELECT tenant_id, id FROM customer_keys WHERE state = 'superseding' ORDER BY assigned_at, id LIMIT $1"
);
static SET_MOVED: Sql = sql!(
    "rotations.set_moved",
    "UPDATE backups SET key_id = $4, ciphertext = $7, record = $8, updated_at = $9 ",
    "WHERE tenant_id = $1 AND id = $2 AND key_id = $3 AND state <> 'deleted' ",
    "AND ciphertext = $5 AND record = $6"
);
static SET_FILES_MOVED: Sql = sql!(
    "rotations.set_files_moved",
    "UPDATE backups SET key_id = $3, updated_at = $4 ",
    "WHERE tenant_id = $1 AND key_id = $2 AND kind = 'file' AND state <> 'deleted'"
);
static COUNT_LEFT: Sql = sql!(
    "rotations.count_left",
    "SELECT count(*) AS count FROM backups WHERE tenant_id = $1 AND key_id = $2 AND state <> 'deleted'"
);

/// The keys whose backups wait for a ceremony, over all tenants, a key before the one that replaced it.
pub fn list_superseding(rx: &mut Rx<'_>, limit: i64) -> Result<Vec<OfTenant<Superseding>>, StoreError> {
    rx.list(&LIST_SUPERSEDING, &[&limit])
}

/// The rotations of one tenant.
pub fn of(tenant: &TenantId) -> Rotations<'_> {
    Rotations { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Rotations<'t> {
    tenant: &'t TenantId,
}

impl Rotations<'_> {
    /// All data of a key, in the order of its birth, whatever its state.
    pub fn list_guarded(self, rx: &mut Rx<'_>, key: &KeyId) -> Result<Vec<Guarded>, StoreError> {
        rx.list(&LIST_GUARDED, &[self.tenant, key])
    }

    /// Moves data from a key to another; false when it is not what it was. A file has no ciphertext to compare.
    pub fn set_moved(
        self,
        tx: &mut Tx<'_>,
        id: &BackupId,
        (from, to): (&KeyId, &KeyId),
        (was, becomes): (&Wrapped, &Wrapped),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let args: [&dyn ToArg; 9] = [
            self.tenant,
            id,
            from,
            to,
            &was.ciphertext,
            &was.record,
            &becomes.ciphertext,
            &becomes.record,
            &now,
        ];
        Ok(tx.exec(&SET_MOVED, &args)? == 1)
    }

    /// Moves the files of a key, as they are, to another; says how many.
    pub fn set_files_moved(
        self,
        tx: &mut Tx<'_>,
        (from, to): (&KeyId, &KeyId),
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        tx.exec(&SET_FILES_MOVED, &[self.tenant, from, to, &now])
    }

    /// How much a key still guards.
    pub fn count_left(self, rx: &mut Rx<'_>, key: &KeyId) -> Result<i64, StoreError> {
        Ok(rx.find_one::<Count>(&COUNT_LEFT, &[self.tenant, key])?.count)
    }
}
