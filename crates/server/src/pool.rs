//! This process's lease on the key pool: keys are claimed a few at a time, so that an assignment costs one
//! commit of its own and no race for the same row.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::key::{KeyEnvironment, KeyType};
use domain::limits::{POOL_LEASE, POOL_LEASE_KEYS, POOL_RETRY_AFTER_S};
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::pool::{self, Claim, PoolKey};
use store::{Db, StoreError};

use crate::flows::Error;

type KeyKind = (KeyEnvironment, KeyType);

/// The keys of one kind, each with the instant until which it is ours.
type Shelf = Vec<(PoolKey, Timestamp)>;

/// Keys on lease, by kind.
pub struct PoolLease {
    owner: String,
    shelves: Mutex<HashMap<KeyKind, Shelf>>,
}

impl PoolLease {
    /// An empty lease of the process of this name.
    pub fn new(owner: &str) -> Self {
        Self { owner: owner.to_owned(), shelves: Mutex::default() }
    }

    /// A key of this kind, ours alone. A dry pool is told at once: nobody waits for a key to be made.
    pub async fn take(
        &self,
        db: &Db,
        environment: KeyEnvironment,
        key_type: KeyType,
        now: Timestamp,
    ) -> Result<PoolKey, Error> {
        if let Some(key) = self.pop((environment, key_type), now) {
            return Ok(key);
        }
        let (owner, lease_until) = (self.owner.clone(), now + POOL_LEASE);
        let claimed = db.write("claim_pool_keys", move |tx| {
            let limit = i64::from(POOL_LEASE_KEYS);
            let claim =
                Claim { owner: &owner, key_environment: environment, key_type, limit, now, lease_until };
            pool::claim_batch(tx, &claim)
        });
        let mut claimed: Vec<PoolKey> = claimed.await.map_err(|error: StoreError| Error::from(error))?;
        let Some(key) = claimed.pop() else { return Err(dry(environment, key_type).into()) };
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        shelves
            .entry((environment, key_type))
            .or_default()
            .extend(claimed.into_iter().map(|key| (key, lease_until)));
        Ok(key)
    }

    /// Gives back a key that was not used; it may be taken again at once, by this process.
    pub fn put_back(&self, key: PoolKey, now: Timestamp) {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        shelves.entry((key.key_environment, key.key_type)).or_default().push((key, now + POOL_LEASE / 2));
    }

    fn pop(&self, kind: KeyKind, now: Timestamp) -> Option<PoolKey> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = shelves.get_mut(&kind)?;
        // The last quarter of a lease is not used, so that a key is never handed out while it lapses.
        keys.retain(|(_, lease_until)| now + POOL_LEASE / 4 < *lease_until);
        keys.pop().map(|(key, _)| key)
    }
}

fn dry(environment: KeyEnvironment, key_type: KeyType) -> Refusal {
    let text = match environment {
        KeyEnvironment::Hot => format!("no {key_type} key is ready; more are being made"),
        KeyEnvironment::Cold => format!("no COLD {key_type} key is left; a ceremony must bring more"),
    };
    Refusal::new(Kind::Unavailable, "pool-empty", text).retry_after(POOL_RETRY_AFTER_S)
}
