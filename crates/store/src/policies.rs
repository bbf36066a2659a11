//! Policies: a tenant's own rule for recoveries by its users, version after version.

use domain::ids::TenantId;
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Rx, StoreError, ToArg, Tx};

row! {
    /// One version of a policy.
    #[derive(Debug)]
    pub struct Policy {
        /// From 1.
        pub version: i64,
        /// The document, exactly as it was signed.
        pub document: String,
        /// Its hash.
        pub hash: [u8; 32],
        /// From when it is in force, unless a later version is.
        pub effective_at: Timestamp,
        /// When it was kept.
        pub created_at: Timestamp,
    }
}

static INSERT: Sql = sql!(
    "policies.insert",
    "INSERT INTO tenant_policies (tenant_id, version, document, hash, effective_at, created_at) ",
    "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, version) DO NOTHING"
);
static LIST_NEWEST: Sql = sql!(
    "policies.list_newest",
    "SELECT version, document, hash, effective_at, created_at FROM tenant_policies WHERE tenant_id = $1 ",
    "ORDER BY version DESC LIMIT 2"
);
static FIND_BY_HASH: Sql = sql!(
    "policies.find_by_hash",
    "SELECT version, document, hash, effective_at, created_at FROM tenant_policies ",
    "WHERE tenant_id = $1 AND hash = $2"
);

/// The policies of one tenant.
pub fn of(tenant: &TenantId) -> Policies<'_> {
    Policies { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Policies<'t> {
    tenant: &'t TenantId,
}

impl Policies<'_> {
    /// Keeps a version; false when there is one of its number. Of two at once one wins.
    pub fn insert(self, tx: &mut Tx<'_>, policy: &Policy) -> Result<bool, StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(policy.args());
        Ok(tx.exec(&INSERT, &args)? == 1)
    }

    /// The two newest versions, newest first: one of them is in force, since only one may wait.
    pub fn list_newest(self, rx: &mut Rx<'_>) -> Result<Vec<Policy>, StoreError> {
        rx.list(&LIST_NEWEST, &[self.tenant])
    }

    /// The version of that hash.
    pub fn find_by_hash(self, rx: &mut Rx<'_>, hash: &[u8; 32]) -> Result<Option<Policy>, StoreError> {
        rx.find(&FIND_BY_HASH, &[self.tenant, hash])
    }
}
