//! Forgets what nobody asks for any more.

use domain::limits::{EVENT_KEPT, FORGET_ROWS, PROVIDER_EVENT_KEPT};
use domain::time::Timestamp;
use store::{StoreError, events, idempotency, provider_events};

use super::Error;
use crate::app::App;

/// Deletes kept answers, reports with their deliveries and judged provider's events that are past their time, a
/// portion of each. True when there may be more.
pub async fn forget_old(app: &App, now: Timestamp) -> Result<bool, Error> {
    let deleted = app.db.write("forget_old", move |tx| {
        let answers = idempotency::delete_old(tx, now, FORGET_ROWS)?;
        let reports = events::delete_old(tx, now - EVENT_KEPT, FORGET_ROWS)?;
        let evidence = provider_events::delete_old(tx, now - PROVIDER_EVENT_KEPT, FORGET_ROWS)?;
        Ok::<_, StoreError>(answers.max(reports).max(evidence))
    });
    Ok(deleted.await? >= FORGET_ROWS.unsigned_abs())
}
