//! What waits for a ceremony of the offline enclave, and the bundles that have left for it.

use domain::backup::CheckState;
use domain::ids::{BackupId, EntryId, TenantId};
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{OfTenant, Rx, StoreError, ToArg, Tx};

row! {
    /// Something that the offline enclave is to be told.
    pub struct OfflineRequest {
        /// Its id; they are told in the order of their ids.
        pub id: EntryId,
        /// The encoding of a `boundary::cold::Entry`.
        pub entry: Vec<u8>,
        /// When it came about.
        pub made_at: Timestamp,
    }
}

row! {
    /// A bundle that has left.
    #[derive(Debug)]
    pub struct OfflineBundle {
        /// SHA-256 of the encoding of the `boundary::cold::Bundle`.
        pub hash: [u8; 32],
        /// Its number, from one.
        pub sequence: i64,
        /// The public key of the enclave that it is for.
        pub offline: Vec<u8>,
        /// What each entry is about, a line each.
        pub subjects: String,
        /// When it left.
        pub made_at: Timestamp,
        /// When its answers were imported; none: they were not.
        pub answered_at: Option<Timestamp>,
    }
}

row! {
    /// Data whose check waits.
    pub struct Unverified {
        /// Its id.
        pub id: BackupId,
    }
}

row! {
    /// A record of a check that the offline enclave made: it alone believes it.
    pub struct ColdRecord {
        /// The backup that was checked.
        pub id: BackupId,
        /// As it is stored.
        pub record: Vec<u8>,
    }
}

macro_rules! bundle {
    () => {
        "SELECT hash, sequence, offline, subjects, made_at, answered_at FROM offline_bundles "
    };
}

static APPEND: Sql = sql!(
    "offline.append",
    "INSERT INTO offline_requests (tenant_id, id, entry, made_at) VALUES ($1, $2, $3, $4)"
);
static LIST: Sql =
    sql!("offline.list", "SELECT tenant_id, id, entry, made_at FROM offline_requests ORDER BY id LIMIT $1");
static DELETE: Sql = sql!("offline.delete", "DELETE FROM offline_requests WHERE tenant_id = $1 AND id = $2");
static LIST_UNVERIFIED: Sql = sql!(
    "offline.list_unverified",
    "SELECT tenant_id, id FROM backups WHERE check_state = 'unverified-cold' AND kind = 'data' ",
    "AND state <> 'deleted' ORDER BY id LIMIT $1"
);
static SET_CHECKED: Sql = sql!(
    "offline.set_checked",
    "UPDATE backups SET check_state = $3, record = $4, updated_at = $5 ",
    "WHERE tenant_id = $1 AND id = $2 AND check_state = 'unverified-cold' AND state <> 'deleted'"
);
static LIST_RECORDS: Sql = sql!(
    "offline.list_records",
    "SELECT b.tenant_id, b.id, b.record ",
    "FROM backups b JOIN customer_keys k ON k.tenant_id = b.tenant_id AND k.id = b.key_id ",
    "WHERE k.key_environment = 'COLD' AND b.record IS NOT NULL AND b.id > $1 ORDER BY b.id LIMIT $2"
);
static SET_RECORD: Sql = sql!(
    "offline.set_record",
    "UPDATE backups SET record = $4 WHERE tenant_id = $1 AND id = $2 AND record = $3"
);
static SET_UNCHECKED: Sql = sql!(
    "offline.set_unchecked",
    "UPDATE backups SET check_state = 'unverified-cold', record = NULL, updated_at = $4 ",
    "WHERE tenant_id = $1 AND id = $2 AND record = $3 AND check_state = 'verified' AND state <> 'deleted'"
);
static INSERT_BUNDLE: Sql = sql!(
    "offline.insert_bundle",
    "INSERT INTO offline_bundles (hash, sequence, offline, subjects, made_at, answered_at) ",
    "VALUES ($1, $2, $3, $4, $5, $6)"
);
static FIND_BUNDLE: Sql = sql!("offline.find_bundle", bundle!(), "WHERE hash = $1");
static FIND_LAST_ANSWERED: Sql = sql!(
    "offline.find_last_answered",
    bundle!(),
    "WHERE answered_at IS NOT NULL ORDER BY sequence DESC LIMIT 1"
);
static SET_ANSWERED: Sql = sql!(
    "offline.set_answered",
    "UPDATE offline_bundles SET answered_at = $2 WHERE hash = $1 AND answered_at IS NULL"
);

/// What is to be told, over all tenants, in its order.
pub fn list(rx: &mut Rx<'_>, limit: i64) -> Result<Vec<OfTenant<OfflineRequest>>, StoreError> {
    rx.list(&LIST, &[&limit])
}

/// Data whose check waits, over all tenants, the oldest first.
pub fn list_unverified(rx: &mut Rx<'_>, limit: i64) -> Result<Vec<OfTenant<Unverified>>, StoreError> {
    rx.list(&LIST_UNVERIFIED, &[&limit])
}

/// The next records of checks made offline, over all tenants, behind the backup `last_id`; at most `limit`.
pub fn list_records(
    rx: &mut Rx<'_>,
    last_id: &str,
    limit: i64,
) -> Result<Vec<OfTenant<ColdRecord>>, StoreError> {
    rx.list(&LIST_RECORDS, &[&last_id, &limit])
}

/// Keeps a bundle that leaves.
pub fn insert_bundle(tx: &mut Tx<'_>, bundle: &OfflineBundle) -> Result<(), StoreError> {
    tx.exec_one(&INSERT_BUNDLE, &bundle.args())
}

/// The bundle of that hash.
pub fn find_bundle(rx: &mut Rx<'_>, hash: &[u8; 32]) -> Result<Option<OfflineBundle>, StoreError> {
    rx.find(&FIND_BUNDLE, &[hash])
}

/// The last one whose answers were imported.
pub fn find_last_answered(rx: &mut Rx<'_>) -> Result<Option<OfflineBundle>, StoreError> {
    rx.find(&FIND_LAST_ANSWERED, &[])
}

/// Notes that a bundle's answers were imported; false when they were before.
pub fn set_answered(tx: &mut Tx<'_>, hash: &[u8; 32], now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.exec(&SET_ANSWERED, &[hash, &now])? == 1)
}

/// What of one tenant waits.
pub fn of(tenant: &TenantId) -> Offline<'_> {
    Offline { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Offline<'t> {
    tenant: &'t TenantId,
}

impl Offline<'_> {
    /// Adds something to be told.
    pub fn append(self, tx: &mut Tx<'_>, request: &OfflineRequest) -> Result<(), StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(request.args());
        tx.exec_one(&APPEND, &args)
    }

    /// It was taken; nothing when it was before.
    pub fn delete(self, tx: &mut Tx<'_>, id: &EntryId) -> Result<(), StoreError> {
        tx.exec(&DELETE, &[self.tenant, id]).map(drop)
    }

    /// What a check came to, with the enclave's record of a good one; false when there is nothing to be checked any more.
    pub fn set_checked(
        self,
        tx: &mut Tx<'_>,
        id: &BackupId,
        state: CheckState,
        record: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_CHECKED, &[self.tenant, id, &state, &record, &now])? == 1)
    }

    /// Puts a record that was sealed anew in the place of exactly the one that was read; false when that is no longer there.
    pub fn set_record(self, tx: &mut Tx<'_>, was: &ColdRecord, becomes: &[u8]) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_RECORD, &[self.tenant, &was.id, &was.record, &becomes])? == 1)
    }

    /// Has data checked again of which exactly this record was read, which does not hold; false when that is no longer
    /// there.
    pub fn set_unchecked(
        self,
        tx: &mut Tx<'_>,
        was: &ColdRecord,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_UNCHECKED, &[self.tenant, &was.id, &was.record, &now])? == 1)
    }
}
