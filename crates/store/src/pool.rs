//! Key pairs made ahead of time. Each server process sets some aside for itself, so that an assignment does
//! not wait for another process; that lease only saves work. Taking a key deletes its row, and that alone
//! decides whose it is.

use domain::ids::KeyId;
use domain::key::{KeyEnvironment, KeyType};
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Rx, StoreError, Tx};

row! {
    /// A key pair that is nobody's yet.
    pub struct PoolKey {
        /// As the enclave minted it.
        pub key_id: KeyId,
        /// Where its private half is held.
        pub key_environment: KeyEnvironment,
        /// What pair it is.
        pub key_type: KeyType,
        /// The public half.
        pub public_key: Vec<u8>,
        /// The private half, sealed by the enclave.
        pub sealed: Vec<u8>,
        /// When it was made.
        pub created_at: Timestamp,
    }
}

row! {
    /// How many keys wait.
    #[derive(Debug, Copy)]
    pub struct PoolCount {
        /// All that are nobody's yet.
        pub unassigned: i64,
        /// Those of them that no process has set aside.
        pub free: i64,
    }
}

row! {
    struct Count {
        count: i64,
    }
}

/// The keys a process wants for itself.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The process.
    pub owner: &'a str,
    /// Where their private halves are held.
    pub key_environment: KeyEnvironment,
    /// What pairs they are.
    pub key_type: KeyType,
    /// How many at most.
    pub limit: i64,
    /// Leases that ended by now are free again.
    pub now: Timestamp,
    /// When this lease ends.
    pub lease_until: Timestamp,
}

static INSERT: Sql = sql!(
    "pool.insert",
    "INSERT INTO pool_keys (key_id, key_environment, key_type, public_key, sealed, created_at) ",
    "VALUES ($1, $2, $3, $4, $5, $6)"
);
// Where it is nobody's still, and where it has been given out.
static COUNT_KNOWN: Sql = sql!(
    "pool.count_known",
    "SELECT (SELECT count(*) FROM pool_keys WHERE key_id = $1) + ",
    "(SELECT count(*) FROM customer_keys WHERE id = $1) AS count"
);
// MATERIALIZED: chosen once, whatever plan the engine takes for the update.
static CLAIM_BATCH: Sql = sql!(
    "pool.claim_batch",
    "WITH picked AS MATERIALIZED (SELECT key_id FROM pool_keys ",
    "WHERE key_environment = $2 AND key_type = $3 AND (leased_by IS NULL OR lease_until <= $5) ",
    "ORDER BY key_id LIMIT $4 FOR UPDATE SKIP LOCKED) ",
    "UPDATE pool_keys SET leased_by = $1, lease_until = $6 WHERE key_id IN (SELECT key_id FROM picked) ",
    "RETURNING key_id, key_environment, key_type, public_key, sealed, created_at"
);
static RELEASE_LEASE: Sql = sql!(
    "pool.release_lease",
    "UPDATE pool_keys SET leased_by = NULL, lease_until = NULL WHERE leased_by = $1"
);
static COUNT: Sql = sql!(
    "pool.count",
    "SELECT count(*) AS unassigned, ",
    "count(*) FILTER (WHERE leased_by IS NULL OR lease_until <= $3) AS free ",
    "FROM pool_keys WHERE key_environment = $1 AND key_type = $2"
);
static TAKE: Sql = sql!(
    "pool.take",
    "DELETE FROM pool_keys WHERE key_id = $1 AND leased_by = $2 ",
    "RETURNING key_id, key_environment, key_type, public_key, sealed, created_at"
);

/// Adds a key.
pub fn insert(tx: &mut Tx<'_>, key: &PoolKey) -> Result<(), StoreError> {
    tx.exec_one(&INSERT, &key.args())
}

/// Adds a key that may have come before; false, with nothing written, where it is in the pool or has been given out.
pub fn adopt(tx: &mut Tx<'_>, key: &PoolKey) -> Result<bool, StoreError> {
    let is_new = tx.find_one::<Count>(&COUNT_KNOWN, &[&key.key_id])?.count == 0;
    if is_new {
        insert(tx, key)?;
    }
    Ok(is_new)
}

/// Sets the oldest free keys aside for a process and returns them, oldest first.
pub fn claim_batch(tx: &mut Tx<'_>, claim: &Claim<'_>) -> Result<Vec<PoolKey>, StoreError> {
    let Claim { owner, key_environment, key_type, limit, now, lease_until } = claim;
    let mut keys: Vec<PoolKey> =
        tx.list(&CLAIM_BATCH, &[owner, key_environment, key_type, limit, now, lease_until])?;
    keys.sort_by(|a, b| a.key_id.cmp(&b.key_id));
    Ok(keys)
}

/// Gives back what a process has set aside; returns how many keys that were.
pub fn release_lease(tx: &mut Tx<'_>, owner: &str) -> Result<u64, StoreError> {
    tx.exec(&RELEASE_LEASE, &[&owner])
}

/// How many keys of a kind wait.
pub fn count(
    rx: &mut Rx<'_>,
    key_environment: KeyEnvironment,
    key_type: KeyType,
    now: Timestamp,
) -> Result<PoolCount, StoreError> {
    rx.find_one(&COUNT, &[&key_environment, &key_type, &now])
}

/// Takes a key out of the pool for good. None when it was taken before, or when the lease of `owner` ended
/// and another process has it: choose another one.
pub fn take(tx: &mut Tx<'_>, key_id: &KeyId, owner: &str) -> Result<Option<PoolKey>, StoreError> {
    tx.find(&TAKE, &[key_id, &owner])
}
