//! What the log says of a destruction. An entry counts that is as the service wrote it; and before a key is destroyed,
//! the log is read from the request on and some days before, so that none of it was altered or taken out since.

use domain::destruction::{Act, DESTROYED, REQUESTED};
use domain::ids::{KeyId, TenantId};
use domain::owners::owners_settle;
use domain::time::Timestamp;
use store::audit::proven::Proven;
use store::audit::{self, AuditEntry, Filter, Hash, Head, Sequenced};
use store::seal::RowKey;
use store::{Rx, StoreError};

use super::super::Error;
use super::super::sequence_audit::{leaf_hash, sequence_audit};
use super::super::verify_audit::{START, follow_audit};
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
    Ok(list(rx, row_key, of, ACTS)?.map(|found| found.into_iter().map(act_of).collect()))
}

pub(super) fn act_of(Proven { entry, .. }: Proven) -> Act {
    Act {
        time: entry.time,
        action: entry.action,
        actor_type: entry.actor_type,
        actor: entry.actor,
        reason: entry.reason,
    }
}

/// Whether the log says that a key was destroyed.
pub(super) fn is_destroyed(
    rx: &mut Rx<'_>,
    row_key: &RowKey,
    of: (&TenantId, &KeyId),
) -> Result<bool, StoreError> {
    Ok(list(rx, row_key, of, DESTROYED)?.is_some_and(|found| !found.is_empty()))
}

/// Whether the log is whole from the first of those acts on, and from so long before the request as the owners had to be
/// who they were.
pub(super) async fn is_log_whole(
    app: &App,
    (tenant, key): (&TenantId, &KeyId),
    now: Timestamp,
) -> Result<bool, Error> {
    let head = sequence_audit(app, tenant, now).await?;
    let (owner, key, row_key) = (tenant.clone(), key.clone(), app.keys.row_key().clone());
    let settle = owners_settle(app.env);
    let before = app.db.read("find_log_of_destruction", move |rx| {
        let acts = list(rx, &row_key, (&owner, &key), ACTS)?;
        let requested = acts.into_iter().flatten().find(|act| act.entry.action == REQUESTED);
        let Some(Proven { entry, before: Some(before) }) = requested else { return Ok(None) };
        find_link(rx, &owner, entry.time - settle, before.seq)
    });
    let before: Option<Head> = before.await.map_err(|error: StoreError| Error::from(error))?;
    let Some(before) = before else { return Ok(false) };
    let chain = follow_audit(app, tenant, (&before, &head), &mut |_| {}).await?;
    Ok(chain.broken_at.is_none())
}

/// The last link before that instant, at this place at the latest; none where the entry there is not as the service wrote it.
fn find_link(
    rx: &mut Rx<'_>,
    tenant: &TenantId,
    to: Timestamp,
    last_seq: i64,
) -> Result<Option<Head>, StoreError> {
    let filter = Filter { to: Some(to), ..Filter::default() };
    let mut found = audit::of(tenant).list_latest(rx, &filter, last_seq, 1)?;
    let Some(Sequenced { seq, prev_hash, entry_hash, entry }) = found.pop() else { return Ok(Some(START)) };
    let is_ours = leaf_hash(tenant, &entry, seq, prev_hash.as_ref()) == entry_hash;
    Ok(is_ours.then_some(Head { seq, entry_hash: Some(entry_hash) }))
}

fn list(
    rx: &mut Rx<'_>,
    row_key: &RowKey,
    (tenant, key): (&TenantId, &KeyId),
    like: &str,
) -> Result<Option<Vec<Proven>>, StoreError> {
    audit::of(tenant).list_proven(rx, (row_key, &hash_of(tenant)), (key, like), ACTS_READ)
}

/// How entries of this tenant's log are hashed.
pub(super) fn hash_of(tenant: &TenantId) -> impl Fn(&AuditEntry, i64, Option<&Hash>) -> Hash {
    move |entry, seq, before| leaf_hash(tenant, entry, seq, before)
}
