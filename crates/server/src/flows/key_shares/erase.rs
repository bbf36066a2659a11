//! Removes every share of a key that is destroyed.

use super::super::Error;
use super::{KeyOf, hold};
use crate::app::App;

/// Removes the shares of every splitting of a key, from every store. A store that is away ends it with an error, to be
/// done again: what is gone is removed already.
pub async fn erase_shares(app: &App, (tenant, key): KeyOf<'_>) -> Result<(), Error> {
    for shelf in &app.key_shares.shelves {
        let removed = shelf.store.remove_all(tenant, key).await;
        shelf.note(removed, app.clock.now()).map_err(|_| hold::away())?;
    }
    Ok(())
}
