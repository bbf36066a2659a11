//! Everything that must be whole, of all tenants, a page at a time: for whoever looks at the installation as a whole.

use domain::ids::TenantId;
use domain::time::Timestamp;

use crate::audit::Hash;
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

row! {
    /// All that the head of a log says of it.
    #[derive(Debug, Default)]
    pub struct Crown {
        /// How many entries have their places.
        pub seq: i64,
        /// The hash of the last of them.
        pub entry_hash: Option<Hash>,
        /// Which of the tenant's logs it is, from 1.
        pub log: i64,
        /// The roots of the tree's perfect subtrees; none: to be computed.
        pub peaks: Option<Vec<u8>>,
        /// How many entries the last checkpoint covers.
        pub checkpoint_size: Option<i64>,
        /// Since when the enclave has refused to sign it; none: it does not.
        pub forked_at: Option<Timestamp>,
    }
}

row! {
    /// The last checkpoint of a log.
    #[derive(Debug)]
    pub struct Last {
        /// Whose log it is of, by the id,
        pub tenant: String,
        /// and which of his logs.
        pub log: i64,
        /// How many entries it covers.
        pub size: i64,
        /// The root of the tree over them.
        pub root: Hash,
    }
}

row! {
    struct Beyond {
        entries: i64,
        checkpoints: i64,
    }
}

row! {
    struct Whose {
        tenant: String,
    }
}

static CROWN: Sql = sql!(
    "inventory.crown",
    "SELECT seq, entry_hash, log, peaks, checkpoint_size, forked_at FROM audit_heads WHERE tenant_id = $1"
);
static BEYOND: Sql = sql!(
    "inventory.beyond",
    "SELECT (SELECT count(*) FROM audit_entries WHERE tenant_id = $1 AND (seq < 1 OR seq > $2)) AS entries, ",
    "(SELECT count(*) FROM audit_checkpoints WHERE tenant_id = $1 AND size > $3) AS checkpoints"
);
static OWNERLESS: Sql = sql!(
    "inventory.ownerless",
    "SELECT tenant_id AS tenant FROM (SELECT tenant_id FROM audit_heads UNION SELECT tenant_id FROM audit_entries ",
    "UNION SELECT tenant_id FROM audit_checkpoints) AS logs ",
    "WHERE tenant_id <> $1 AND tenant_id NOT IN (SELECT id FROM tenants) ORDER BY tenant_id"
);
static LASTS: Sql = sql!(
    "inventory.lasts",
    "SELECT h.tenant_id AS tenant, h.log, c.size, c.root FROM audit_heads h JOIN audit_checkpoints c ",
    "ON c.tenant_id = h.tenant_id AND c.size = h.checkpoint_size WHERE h.tenant_id <> $1 ORDER BY h.tenant_id"
);
static KEYS: Sql = sql!(
    "inventory.keys",
    "SELECT tenant_id, id FROM customer_keys WHERE id > $1 AND state <> 'destroyed' ORDER BY id LIMIT $2"
);
static BACKUPS: Sql = sql!(
    "inventory.backups",
    "SELECT tenant_id, id FROM backups WHERE id > $1 AND state <> 'deleted' ORDER BY id LIMIT $2"
);
static PACKAGES: Sql = sql!(
    "inventory.packages",
    "SELECT tenant_id, id FROM control_recoveries WHERE id > $1 AND keep_until IS NOT NULL ORDER BY id LIMIT $2"
);
static TICKETS: Sql =
    sql!("inventory.tickets", "SELECT tenant_id, id FROM verifications WHERE id > $1 ORDER BY id LIMIT $2");

/// What the engine itself finds wrong with its file's pages, tables and indexes, a line each. None where it keeps that to
/// itself, as `PostgreSQL` does, which checks its pages as it reads them where it was told to.
pub fn check_pages(rx: &mut Rx<'_>) -> Result<Option<Vec<String>>, StoreError> {
    rx.check_pages()
}

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

/// Recoveries of which there is a package.
pub fn list_packages(rx: &mut Rx<'_>, after: &str, limit: i64) -> Result<Vec<OfTenant<Thing>>, StoreError> {
    rx.list(&PACKAGES, &[&after, &limit])
}

/// What a log's head says, and whether it says less than there is: entries or checkpoints that no head has counted.
pub fn find_crown(rx: &mut Rx<'_>, tenant: &TenantId) -> Result<(Crown, bool), StoreError> {
    // A log without a head has no entries.
    let crown: Crown = rx.find(&CROWN, &[tenant])?.unwrap_or_default();
    let Beyond { entries, checkpoints } =
        rx.find_one(&BEYOND, &[tenant, &crown.seq, &crown.checkpoint_size.unwrap_or(0)])?;
    Ok((crown, entries + checkpoints > 0))
}

/// The last checkpoint of each log but the root log.
pub fn list_lasts(rx: &mut Rx<'_>) -> Result<Vec<Last>, StoreError> {
    rx.list(&LASTS, &[&TenantId::root_log()])
}

/// Whose logs there are, of tenants that there are not, but for the root log. No page: the service never leaves one.
pub fn list_ownerless(rx: &mut Rx<'_>) -> Result<Vec<String>, StoreError> {
    let found: Vec<Whose> = rx.list(&OWNERLESS, &[&TenantId::root_log()])?;
    Ok(found.into_iter().map(|whose| whose.tenant).collect())
}
