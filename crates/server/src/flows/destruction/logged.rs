//! What the log says of a destruction. An entry counts that is as the service wrote it; and before a key is destroyed,
//! the log is read from the request on, so that none of it was altered or taken out since.

use domain::destruction::{Act, DESTROYED};
use domain::ids::{KeyId, TenantId};
use domain::time::Timestamp;
use store::audit::proven::Proven;
use store::audit::{self, AuditEntry, Hash};
use store::seal::RowKey;
use store::{Rx, StoreError};

use super::super::Error;
use super::super::sequence_audit::{leaf_hash, sequence_audit};
use super::super::verify_audit::follow_audit;
use crate::app::App;

/// How much of what the log says of a key is looked at: a request, a yes, and in a rehearsal what left days out.
const ACTS_READ: i64 = 3;
/// What everything is called that was done about a destruction, but for its end.
const ACTS: &str = "key.destruction-%";

/// What was done about the destruction of a key, the latest first; none where the service did not write it so.
pub(super) fn list_acts(
    rx: &mut Rx<'_>,
    row_key: &RowKey,
    of: (&TenantId, &KeyId),
) -> Result<Option<Vec<Act>>, StoreError> {
    let act = |Proven { entry, .. }: Proven| Act {
        time: entry.time,
        action: entry.action,
        actor_type: entry.actor_type,
        actor: entry.actor,
        reason: entry.reason,
    };
    Ok(list(rx, row_key, of, ACTS)?.map(|found| found.into_iter().map(act).collect()))
}

/// Whether the log says that a key was destroyed.
pub(super) fn is_destroyed(
    rx: &mut Rx<'_>,
    row_key: &RowKey,
    of: (&TenantId, &KeyId),
) -> Result<bool, StoreError> {
    Ok(list(rx, row_key, of, DESTROYED)?.is_some_and(|found| !found.is_empty()))
}

/// Whether the log is whole from the first of those acts on.
pub(super) async fn is_log_whole(
    app: &App,
    (tenant, key): (&TenantId, &KeyId),
    now: Timestamp,
) -> Result<bool, Error> {
    let head = sequence_audit(app, tenant, now).await?;
    let (owner, key, row_key) = (tenant.clone(), key.clone(), app.keys.row_key().clone());
    let acts = app.db.read("find_log_of_destruction", move |rx| list(rx, &row_key, (&owner, &key), ACTS));
    let acts: Option<Vec<Proven>> = acts.await.map_err(|error: StoreError| Error::from(error))?;
    let Some(before) = acts.and_then(|mut acts| acts.pop()?.before) else { return Ok(false) };
    let chain = follow_audit(app, tenant, (&before, &head), &mut |_| {}).await?;
    Ok(chain.broken_at.is_none())
}

fn list(
    rx: &mut Rx<'_>,
    row_key: &RowKey,
    (tenant, key): (&TenantId, &KeyId),
    like: &str,
) -> Result<Option<Vec<Proven>>, StoreError> {
    let hash = |entry: &AuditEntry, seq: i64, before: Option<&Hash>| leaf_hash(tenant, entry, seq, before);
    audit::of(tenant).list_proven(rx, (row_key, &hash), (key, like), ACTS_READ)
}
