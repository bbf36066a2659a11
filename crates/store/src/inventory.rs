//! Everything that must be whole, of all tenants, a page at a time: for whoever looks at the installation as a whole.

use crate::sql::Sql;
use crate::{OfTenant, Rx, StoreError};

row! {
    /// One thing, by its id.
    #[derive(Debug)]
    pub struct Thing {
        /// Its id.
        pub id: String,
    }
}

static KEYS: Sql = sql!(
    "inventory.keys",
    "SELECT tenant_id, id FROM customer_keys WHERE id > $1 AND state <> 'destroyed' ORDER BY id LIMIT $2"
);
static BACKUPS: Sql = sql!(
    "inventory.backups",
    "SELECT tenant_id, id FROM backups WHERE id > $1 AND state <> 'deleted' ORDER BY id LIMIT $2"
);
static TICKETS: Sql =
    sql!("inventory.tickets", "SELECT tenant_id, id FROM verifications WHERE id > $1 ORDER BY id LIMIT $2");

/// Keys that are not destroyed.
pub fn list_keys(rx: &mut Rx<'_>, after: &str, limit: i64) -> Result<Vec<OfTenant<Thing>>, StoreError> {
    rx.list(&KEYS, &[&after, &limit])
}

/// Backups that are not deleted.
pub fn list_backups(rx: &mut Rx<'_>, after: &str, limit: i64) -> Result<Vec<OfTenant<Thing>>, StoreError> {
    rx.list(&BACKUPS, &[&after, &limit])
}

/// Identity sessions.
pub fn list_sessions(rx: &mut Rx<'_>, after: &str, limit: i64) -> Result<Vec<OfTenant<Thing>>, StoreError> {
    rx.list(&TICKETS, &[&after, &limit])
}
