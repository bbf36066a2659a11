//! What the enclave signed of what it saw: the last record about each key, backup and recovery.

use domain::ids::TenantId;
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Rx, StoreError, Tx};

row! {
    /// One record.
    #[derive(Debug)]
    pub struct SignedRecord {
        /// What it is about: the id of a key, a backup or a recovery.
        pub about: String,
        /// A compact JWS.
        pub record: String,
        /// When it was kept.
        pub made_at: Timestamp,
    }
}

static SET_LAST: Sql = sql!(
    "signed_records.set_last",
    "INSERT INTO signed_records (tenant_id, about, record, made_at) VALUES ($1, $2, $3, $4) ",
    "ON CONFLICT (tenant_id, about) DO UPDATE SET record = excluded.record, made_at = excluded.made_at"
);
static FIND: Sql = sql!(
    "signed_records.find",
    "SELECT about, record, made_at FROM signed_records WHERE tenant_id = $1 AND about = $2"
);

/// The records of one tenant.
pub fn of(tenant: &TenantId) -> SignedRecords<'_> {
    SignedRecords { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct SignedRecords<'t> {
    tenant: &'t TenantId,
}

impl SignedRecords<'_> {
    /// Keeps one, in the place of an older one about the same.
    pub fn set_last(self, tx: &mut Tx<'_>, kept: &SignedRecord) -> Result<(), StoreError> {
        tx.exec_one(&SET_LAST, &[self.tenant, &kept.about, &kept.record, &kept.made_at])
    }

    /// The last one about that.
    pub fn find(self, rx: &mut Rx<'_>, about: &str) -> Result<Option<SignedRecord>, StoreError> {
        rx.find(&FIND, &[self.tenant, &about])
    }
}
