//! Splits what the enclave sealed of a key, and keeps the shares.

use domain::ids::{KeyId, SplitId, TenantId};
use domain::refusal::Refusal;
use domain::time::Timestamp;
use store::StoreError;
use store::held_keys::{self, Held};
use store::key_shares;
use tokio::task::JoinSet;

use super::super::Error;
use super::{KeyOf, shares_of};
use crate::app::App;

/// Refuses while a store is away that would have to keep a share of a new key: asked before a key of the pool is bound,
/// which could then not be kept.
pub async fn must_be_there(app: &App) -> Result<(), Error> {
    if app.key_shares.split.is_none() {
        return Ok(());
    }
    for shelf in &app.key_shares.shelves {
        if !shelf.is_there(app.clock.now()).await {
            return Err(away());
        }
    }
    Ok(())
}

/// How a row is to hold what the enclave sealed. Where keys are split, the other stores have their shares, durably, when
/// this returns; shares that no row names in the end are swept.
pub async fn hold_sealed(app: &App, key: KeyOf<'_>, sealed: Vec<u8>, now: Timestamp) -> Result<Held, Error> {
    let Some(split) = app.key_shares.split else { return Ok(Held::Whole(sealed)) };
    let split_id = SplitId::new(now, &mut app.chance());
    let dealt = key_shares::split(&app.keys, key.1, &sealed, (&split_id, split), &mut app.chance());
    let mut row = Vec::new();
    let mut others = vec![Vec::new(); app.key_shares.shelves.len()];
    for (place, share) in app.key_shares.layout.iter().zip(dealt) {
        place.map_or(&mut row, |at| &mut others[at]).extend(share);
    }
    let mut running = JoinSet::new();
    for (at, shares) in others.into_iter().enumerate() {
        let (store, of) = (app.key_shares.shelves[at].store.clone(), shares_of(key, &split_id));
        running.spawn(async move { (at, store.put(&of, shares).await) });
    }
    let mut is_kept = true;
    for (at, put) in running.join_all().await {
        is_kept &= app.key_shares.shelves[at].note(put, app.clock.now()).is_ok();
    }
    if is_kept { Ok(Held::InShares(split_id, row)) } else { Err(away()) }
}

/// Replaces what a key is held by, or its seal by another of the same private half: everything that does so goes through
/// here. False, with nothing changed, when the key is not held as it `was`.
pub async fn replace_sealed(
    app: &App,
    (tenant, key): (&TenantId, &KeyId),
    was: &Held,
    sealed: Vec<u8>,
    now: Timestamp,
) -> Result<bool, Error> {
    let becomes = hold_sealed(app, (tenant, key), sealed, now).await?;
    let (owner, id, from, to) = (tenant.clone(), key.clone(), was.clone(), becomes.clone());
    let written =
        app.db.write("set_held", move |tx| held_keys::of(&owner).set_held(tx, &id, (&from, &to), now));
    let is_written = written.await.map_err(|error: StoreError| Error::from(error))?;
    if let (false, Held::InShares(split_id, _)) = (is_written, &becomes) {
        let of = shares_of((tenant, key), split_id);
        for shelf in &app.key_shares.shelves {
            if shelf.store.remove(&of).await.is_err() {
                tracing::debug!(key_id = %key, "shares that nobody needs are left to the sweep");
            }
        }
    }
    Ok(is_written)
}

/// What a caller is told while a store is away.
pub fn away() -> Error {
    Refusal::unavailable("a store of key shares").into()
}
