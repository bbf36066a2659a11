//! Rosters: a tenant's owners and their signing keys, version after version.

use domain::ids::TenantId;
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Rx, StoreError, ToArg, Tx};

row! {
    /// One version of a roster.
    #[derive(Debug)]
    pub struct Roster {
        /// From 1.
        pub version: i64,
        /// The document, exactly as it was signed.
        pub document: String,
        /// Its hash.
        pub hash: [u8; 32],
        /// When it was kept.
        pub created_at: Timestamp,
    }
}

static INSERT: Sql = sql!(
    "rosters.insert",
    "INSERT INTO rosters (tenant_id, version, document, hash, created_at) VALUES ($1, $2, $3, $4, $5) ",
    "ON CONFLICT (tenant_id, version) DO NOTHING"
);
static FIND_NEWEST: Sql = sql!(
    "rosters.find_newest",
    "SELECT version, document, hash, created_at FROM rosters WHERE tenant_id = $1 ",
    "ORDER BY version DESC LIMIT 1"
);

/// The rosters of one tenant.
pub fn of(tenant: &TenantId) -> Rosters<'_> {
    Rosters { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Rosters<'t> {
    tenant: &'t TenantId,
}

impl Rosters<'_> {
    /// Keeps a version; false when there is one of its number. Of two at once one wins.
    pub fn insert(self, tx: &mut Tx<'_>, roster: &Roster) -> Result<bool, StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(roster.args());
        Ok(tx.exec(&INSERT, &args)? == 1)
    }

    /// The newest version.
    pub fn find_newest(self, rx: &mut Rx<'_>) -> Result<Option<Roster>, StoreError> {
        rx.find(&FIND_NEWEST, &[self.tenant])
    }
}
