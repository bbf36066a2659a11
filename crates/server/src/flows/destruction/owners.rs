//! Whether the words of two owners count, by what the log says of the people. The rule is in `domain::owners`.

use std::time::Duration;

use domain::destruction::Act;
use domain::ids::{PersonId, TenantId};
use domain::owners::{CHANGES, Standing, owners_settle};
use domain::refusal::Refusal;
use domain::time::Timestamp;
use store::audit;
use store::keys::CustomerKey;
use store::seal::RowKey;
use store::{Rx, StoreError};

use super::super::Error;
use super::facts::list_of;
use super::logged::{act_of, hash_of};
use crate::app::App;

/// Who asks what is refused until the owners have been who they are for long enough.
#[derive(Clone)]
pub(super) struct Settling {
    row_key: RowKey,
    settle: Duration,
}

impl Settling {
    pub(super) fn of(app: &App) -> Self {
        Self { row_key: app.keys.row_key().clone(), settle: owners_settle(app.env) }
    }

    /// Refuses a person whose word about a key does not count yet.
    pub(super) fn permit(
        &self,
        rx: &mut Rx<'_>,
        (tenant, key): (&TenantId, &CustomerKey),
        person: &PersonId,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some(acts) = list_changes(rx, &self.row_key, tenant, now - self.settle)? else {
            tracing::error!(%tenant, "an audit entry about people is not as the service wrote it: no key is destroyed on it");
            return Err(Refusal::unavailable("the audit log").into());
        };
        let list = list_of(rx, tenant, key)?;
        Ok(Standing { settle: self.settle, list: list.as_ref() }.have_settled(&acts, person, now)?)
    }
}

/// What was done about owners, and by people about what they sign in with; none where the service did not write it so.
pub(super) fn list_changes(
    rx: &mut Rx<'_>,
    row_key: &RowKey,
    tenant: &TenantId,
    since: Timestamp,
) -> Result<Option<Vec<Act>>, StoreError> {
    let found = audit::of(tenant).list_proven_since(rx, (row_key, &hash_of(tenant)), CHANGES, since)?;
    Ok(found.map(|found| found.into_iter().map(act_of).collect()))
}
