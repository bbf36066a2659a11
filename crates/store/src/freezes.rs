//! Freezes: until when nothing leaves of a tenant, as the enclave was last heard to say.

use domain::ids::TenantId;
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{OfTenant, Rx, StoreError, ToArg, Tx};

row! {
    /// The latest freeze of a tenant.
    #[derive(Debug)]
    pub struct TenantFreeze {
        /// The enclave's number of it.
        pub number: i64,
        /// Until when; none: an owner has ended it, or its time was over.
        pub frozen_until: Option<Timestamp>,
        /// Who froze, or ended it.
        pub changed_by: String,
        /// When.
        pub changed_at: Timestamp,
    }
}

static FIND: Sql = sql!(
    "freezes.find",
    "SELECT number, frozen_until, changed_by, changed_at FROM tenant_freezes WHERE tenant_id = $1"
);
static SET: Sql = sql!(
    "freezes.set",
    "INSERT INTO tenant_freezes (tenant_id, number, frozen_until, changed_by, changed_at) ",
    "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id) DO UPDATE SET number = excluded.number, ",
    "frozen_until = excluded.frozen_until, changed_by = excluded.changed_by, changed_at = excluded.changed_at ",
    "WHERE tenant_freezes.number < excluded.number"
);
static LIST_OVER: Sql = sql!(
    "freezes.list_over",
    "SELECT tenant_id, number, frozen_until, changed_by, changed_at FROM tenant_freezes ",
    "WHERE frozen_until <= $1 ORDER BY frozen_until, tenant_id LIMIT $2"
);
static END: Sql = sql!(
    "freezes.end",
    "UPDATE tenant_freezes SET frozen_until = NULL, changed_by = $3, changed_at = $4 ",
    "WHERE tenant_id = $1 AND number = $2 AND frozen_until <= $4"
);

/// Freezes of all tenants whose time is over, and that nobody has ended.
pub fn list_over(
    rx: &mut Rx<'_>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<OfTenant<TenantFreeze>>, StoreError> {
    rx.list(&LIST_OVER, &[&now, &limit])
}

/// The freezes of one tenant.
pub fn of(tenant: &TenantId) -> Freezes<'_> {
    Freezes { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Freezes<'t> {
    tenant: &'t TenantId,
}

impl Freezes<'_> {
    /// The latest.
    pub fn find(self, rx: &mut Rx<'_>) -> Result<Option<TenantFreeze>, StoreError> {
        rx.find(&FIND, &[self.tenant])
    }

    /// Takes the place of an earlier one; false where this one is known, or a later one is.
    pub fn set(self, tx: &mut Tx<'_>, freeze: &TenantFreeze) -> Result<bool, StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(freeze.args());
        Ok(tx.exec(&SET, &args)? == 1)
    }

    /// Ends the one of this number, whose time is over; false where it was ended, or another one took its place.
    pub fn end(self, tx: &mut Tx<'_>, number: i64, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        Ok(tx.exec(&END, &[self.tenant, &number, &by, &now])? == 1)
    }
}
