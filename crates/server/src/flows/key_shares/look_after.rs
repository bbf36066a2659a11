//! Looks at all shares of all keys now and then: mends what was changed, counts what lacks, and removes what nobody needs.

use domain::limits::{ORPHAN_AGE, ORPHAN_LOOK_MAX};
use domain::time::Timestamp;
use store::StoreError;
use store::blob::BlobError;
use store::held_keys;
use store::share_store::{ShareStore, SharesOf};

use super::super::{Error, Fault};
use super::remake::{Remade, Wish, remake_key_shares};
use crate::app::App;

/// Does a round, where shares are kept anywhere.
pub async fn look_after_key_shares(app: &App, now: Timestamp) -> Result<(), Error> {
    if app.key_shares.shelves.is_empty() {
        return Ok(());
    }
    let found = remake_key_shares(app, Wish::Damaged, now, |_| ()).await?;
    app.metrics.show_held_keys(&found);
    let Remade { lacking, lost, remade, .. } = found;
    if lacking + lost + remade > 0 {
        tracing::warn!(lacking, lost, remade, "keys lack shares, or were mended");
    }
    for shelf in &app.key_shares.shelves {
        sweep(app, &shelf.store, now).await?;
    }
    Ok(())
}

/// Removes what no row names, or what its row has not named for as long as it takes to notice that a database came back
/// older than its stores.
async fn sweep(app: &App, store: &ShareStore, now: Timestamp) -> Result<(), Error> {
    let before = now - ORPHAN_AGE;
    let mut swept = store.remove_unfinished(before).await.map_err(failed)?;
    let (mut listing, mut old) = (store.list(), Vec::new());
    while let Some(of) = listing.next().await {
        let of = of.map_err(failed)?;
        if of.split.born_at().is_some_and(|born| born < before) {
            old.push(of);
        }
        if old.len() >= ORPHAN_LOOK_MAX {
            swept += remove_orphans(app, store, std::mem::take(&mut old), before).await?;
        }
    }
    swept += remove_orphans(app, store, old, before).await?;
    if swept > 0 {
        tracing::info!(swept, store = store.name(), "key shares that nobody needs were removed");
    }
    Ok(())
}

async fn remove_orphans(
    app: &App,
    store: &ShareStore,
    old: Vec<SharesOf>,
    before: Timestamp,
) -> Result<usize, Error> {
    let orphans = app.db.read("find_split_orphans", move |rx| {
        let mut orphans = Vec::new();
        for of in &old {
            if held_keys::of(&of.tenant).is_split_orphan(rx, &of.key, &of.split, before)? {
                orphans.push(of.clone());
            }
        }
        Ok::<_, StoreError>(orphans)
    });
    let orphans = orphans.await?;
    for of in &orphans {
        store.remove(of).await.map_err(failed)?;
    }
    Ok(orphans.len())
}

fn failed(error: BlobError) -> Error {
    let fault = Fault { doing: "using a store of key shares", cause: Some(Box::new(error)) };
    tracing::warn!(cause = fault.chain(), "a store of key shares is away");
    super::hold::away()
}
