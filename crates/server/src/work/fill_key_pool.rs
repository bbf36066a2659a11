//! Keeps the pool of HOT keys full. An RSA-4096 pair costs a core most of a second, so it is made ahead.

use boundary::message::{self as wire, Generate};
use domain::ids::KeyId;
use domain::key::{KeyEnvironment, KeyType};
use domain::time::Timestamp;
use store::StoreError;
use store::pool::{self, PoolKey};

use crate::app::App;
use crate::flows::Error;

/// Makes one key of the first kind that is below its target. False when every kind is full.
///
/// The kinds that cost next to nothing come first: behind RSA's most of a second a key, they would run dry.
pub async fn fill_one(app: &App, targets: &[(KeyType, u64)], now: Timestamp) -> Result<bool, Error> {
    let mut wanted = targets.to_vec();
    wanted.sort_by_key(|(key_type, _)| *key_type == KeyType::Rsa4096);
    let short = app.db.read("count_pool", move |rx| {
        for (key_type, target) in &wanted {
            let count = pool::count(rx, KeyEnvironment::Hot, *key_type, now)?;
            if count.unassigned.unsigned_abs() < *target {
                return Ok(Some(*key_type));
            }
        }
        Ok::<_, StoreError>(None)
    });
    let Some(key_type) = short.await? else { return Ok(false) };
    let made = app.enclave.generate(Generate { key_type: on_wire(key_type) }).await?;
    let key = pool_key(made, KeyEnvironment::Hot, now)?;
    app.db
        .write("insert_pool_key", move |tx| pool::insert(tx, &key))
        .await
        .map_err(|error: StoreError| Error::from(error))?;
    Ok(true)
}

/// A key as the pool keeps it.
pub fn pool_key(
    made: wire::PoolKey,
    key_environment: KeyEnvironment,
    now: Timestamp,
) -> Result<PoolKey, Error> {
    let key_id: KeyId = made.key_id.parse().map_err(|_| Error::fault("reading the id of a new key"))?;
    let key_type = match made.key_type {
        wire::KeyType::Rsa4096 => KeyType::Rsa4096,
        wire::KeyType::Secp256k1 => KeyType::Secp256k1,
        wire::KeyType::Ed25519 => KeyType::Ed25519,
    };
    Ok(PoolKey {
        key_id,
        key_environment,
        key_type,
        public_key: made.public_key,
        sealed: made.sealed,
        created_at: now,
    })
}

fn on_wire(key_type: KeyType) -> wire::KeyType {
    match key_type {
        KeyType::Rsa4096 => wire::KeyType::Rsa4096,
        KeyType::Secp256k1 => wire::KeyType::Secp256k1,
        KeyType::Ed25519 => wire::KeyType::Ed25519,
    }
}
