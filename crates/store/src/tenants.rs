//! Tenants: whose everything else is.

use domain::credential::TenantKind;
use domain::ids::TenantId;
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Rx, StoreError, Tx};

row! {
    /// An account holder of the service.
    #[derive(Debug)]
    pub struct Tenant {
        /// Its id.
        pub id: TenantId,
        /// As people know it.
        pub name: String,
        /// What it is.
        pub kind: TenantKind,
        /// When it was made.
        pub created_at: Timestamp,
    }
}

static INSERT: Sql =
    sql!("tenants.insert", "INSERT INTO tenants (id, name, kind, created_at) VALUES ($1, $2, $3, $4)");
static FIND: Sql = sql!("tenants.find", "SELECT id, name, kind, created_at FROM tenants WHERE id = $1");
static LIST_ALL: Sql = sql!("tenants.list_all", "SELECT id, name, kind, created_at FROM tenants ORDER BY id");

/// Adds a tenant.
pub fn insert(tx: &mut Tx<'_>, tenant: &Tenant) -> Result<(), StoreError> {
    tx.exec_one(&INSERT, &tenant.args())
}

/// A tenant by its id.
pub fn find(rx: &mut Rx<'_>, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
    rx.find(&FIND, &[id])
}

/// Every tenant, oldest first; for administration.
pub fn list_all(rx: &mut Rx<'_>) -> Result<Vec<Tenant>, StoreError> {
    rx.list(&LIST_ALL, &[])
}
