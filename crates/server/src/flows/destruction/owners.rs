//! Whether the words of two owners count, by what the log says of the people. The rule is in `domain::owners`.

use std::time::Duration;

use domain::destruction::Act;
use domain::ids::{PersonId, TenantId};
use domain::owners::{CHANGES, have_settled, owners_settle};
use domain::refusal::Refusal;
use domain::time::Timestamp;
use store::audit;
use store::seal::RowKey;
use store::{Rx, StoreError};

use super::super::Error;
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

    /// Refuses a person whose word does not count yet.
    pub(super) fn permit(
        &self,
        rx: &mut Rx<'_>,
        tenant: &TenantId,
        person: &PersonId,
        now: Timestamp,
    ) -> Result<(), Error> {
        let acts = list_changes(rx, &self.row_key, tenant, now - self.settle)?;
        let acts = acts.ok_or_else(|| Refusal::unavailable("the audit log"))?;
        Ok(have_settled(&acts, person, self.settle, now)?)
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
