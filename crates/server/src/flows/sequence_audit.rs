//! Brings a tenant's log up to date: numbers committed entries, links them, adds them to the tree, and signs a
//! checkpoint when one is due; all in one transaction, so that no checkpoint covers what a crash could lose. The same
//! transaction names the checkpoint in the root log, which is brought up to date as any. An entry that the service did
//! not write gets no number, and holds up no other. A log whose head the service did not write does not grow, and is not
//! signed: whoever asks for it is refused, and all else goes on.

use std::sync::Arc;

use domain::audit::checkpoint::{Checkpoint as Told, LogKey};
use domain::audit::root::NAMED;
use domain::audit::{ActorType, CHECKPOINT_AFTER, FIRST_PREV_HASH, Leaf, RELEASED, is_checkpoint_due};
use domain::ids::{BackupId, KeyId, RecoveryId, TenantId, VerificationId};
use domain::refusal::Refusal;
use domain::time::Timestamp;
use store::audit::heads::Foreign;
use store::audit::{self, AuditEntry, Grown, Hash, Head};
use store::checkpoints::{self, Checkpoint};
use store::{StoreError, Tx};

use super::{Error, entry};
use crate::app::App;
use crate::edge::minter::Minter;

/// How many entries are numbered in one transaction.
const SEQUENCE_MAX: i64 = 500;

/// In the place of a request's id: nobody asked.
const SERVICE: &str = "service";

/// How many tenants' logs are looked at in one round.
const TENANTS_MAX: i64 = 100;

/// What checkpoints are signed by, and named by in the root log.
#[derive(Clone)]
pub(super) struct Signer {
    key: Arc<LogKey>,
    minter: Minter,
}

impl Signer {
    pub(super) fn of(app: &App) -> Self {
        Self { key: Arc::clone(&app.log_key), minter: app.minter.clone() }
    }
}

/// Numbers what there is, and says where the log ends by the service's own word: whoever reads it is shown nothing beyond.
/// Unavailable where somebody wrote the log's head past the service.
pub async fn sequence_audit(app: &App, tenant: &TenantId, now: Timestamp) -> Result<Head, Error> {
    let head = number_all(app, tenant, now).await?;
    head.ok_or_else(|| Refusal::unavailable("the audit log").into())
}

/// Numbers what there is: the last link; none where the log's head is not the service's.
async fn number_all(app: &App, tenant: &TenantId, now: Timestamp) -> Result<Option<Head>, Error> {
    loop {
        let (tenant, signer) = (tenant.clone(), Signer::of(app));
        let of = tenant.clone();
        let numbered = app.db.write("sequence_audit", move |tx| number(tx, &of, &signer, now));
        let grown = match numbered.await.map_err(|error: StoreError| Error::from(error))? {
            Ok(grown) => grown,
            Err(Foreign { is_news }) => {
                if is_news {
                    tracing::error!(%tenant, "the head of an audit log was not written by the service: nothing is added to it or signed of it");
                }
                return Ok(None);
            }
        };
        for entry in &grown.refused {
            tracing::error!(%tenant, entry, "an audit entry that waits was not written by the service: it gets no place");
        }
        if !is_full(&grown) {
            return Ok(Some(grown.head));
        }
    }
}

/// A round over the logs that have unnumbered entries, or entries that have waited long enough for a checkpoint;
/// true when there may be more to do at once.
pub async fn sequence_all(app: &App, now: Timestamp) -> Result<bool, Error> {
    let found = app.db.read("list_logs_to_sequence", move |rx| {
        let pending = audit::waiting::list_owners(rx, TENANTS_MAX)?;
        Ok((pending, checkpoints::list_due(rx, now - CHECKPOINT_AFTER, TENANTS_MAX)?))
    });
    let (mut tenants, due) = found.await.map_err(|error: StoreError| Error::from(error))?;
    let has_more = [&tenants, &due].iter().any(|list| i64::try_from(list.len()) == Ok(TENANTS_MAX));
    tenants.extend(due);
    tenants.sort();
    tenants.dedup();
    let mut broken = None;
    for tenant in &tenants {
        match number_all(app, tenant, now).await {
            // A log that does not read holds up no other, least of all the root log, which comes first.
            Err(fault @ Error::Fault(_)) => broken = broken.or(Some(fault)),
            done => {
                done?;
            }
        }
    }
    broken.map_or(Ok(has_more), Err)
}

/// Numbers all there are in this transaction, and makes sure that the last checkpoint covers them: the last.
pub(super) fn seal_all(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    signer: &Signer,
    now: Timestamp,
) -> Result<Checkpoint, StoreError> {
    loop {
        let grown = number(tx, tenant, signer, now)??;
        if is_full(&grown) {
            continue;
        }
        let last = checkpoints::of(tenant).find_last(tx)?;
        // A row that says another root is not of this log: of one size there is one, and nothing is signed beside it.
        let is_of = |last: &Checkpoint| (last.size, last.root) == (grown.size(), grown.tree.root());
        return match last.filter(is_of) {
            Some(last) => Ok(last),
            None => sign(tx, tenant, signer, &grown, now),
        };
    }
}

fn is_full(grown: &Grown) -> bool {
    i64::try_from(grown.entries.len() + grown.refused.len()) == Ok(SEQUENCE_MAX)
}

fn number(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    signer: &Signer,
    now: Timestamp,
) -> Result<Result<Grown, Foreign>, StoreError> {
    let hash = |entry: &AuditEntry, seq: i64, prev: Option<&Hash>| leaf_hash(tenant, entry, seq, prev);
    let mut grown = match audit::of(tenant).sequence_pending(tx, SEQUENCE_MAX, &hash)? {
        Ok(grown) => grown,
        foreign => return Ok(foreign),
    };
    let has_released = grown.entries.iter().any(|entry| entry.action == RELEASED);
    if is_checkpoint_due(grown.size(), grown.checkpoint, has_released, now) {
        sign(tx, tenant, signer, &grown, now)?;
        grown.checkpoint = Some((grown.size(), now));
    }
    if has_released {
        checkpoints::of(tenant).set_cosign_now(tx)?;
    }
    Ok(Ok(grown))
}

/// Signs the log as it stands, and names it in the root log. A signature depends on nothing but the log: made again, it
/// is the same.
fn sign(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    signer: &Signer,
    grown: &Grown,
    now: Timestamp,
) -> Result<Checkpoint, StoreError> {
    let (size, root) = (grown.size(), grown.tree.root());
    let note = signer.key.sign(tenant.as_str(), grown.log, size, &root);
    let peaks = Some(grown.tree.peaks());
    let made = Checkpoint { size, root, note, made_at: now, peaks, cosigner: None };
    checkpoints::of(tenant).insert(tx, &made)?;
    let root_log = TenantId::root_log();
    // It does not name itself: each of its checkpoints would make another.
    if *tenant != root_log {
        let origin = signer.key.origin(tenant.as_str(), grown.log);
        let named = entry(&signer.minter, now, (ActorType::Service, &origin), NAMED, SERVICE);
        let line = Told::line(size, &root);
        audit::of(&root_log).append(tx, &AuditEntry { reason: Some(line), ..named })?;
    }
    Ok(made)
}

pub(super) fn leaf_hash(tenant: &TenantId, entry: &AuditEntry, seq: i64, prev: Option<&Hash>) -> Hash {
    let leaf = Leaf {
        tenant: tenant.as_str(),
        seq,
        time: entry.time,
        actor: &entry.actor,
        actor_type: &entry.actor_type,
        action: &entry.action,
        objects: [
            ("key_id", entry.key_id.as_ref().map(KeyId::as_str)),
            ("backup_id", entry.backup_id.as_ref().map(BackupId::as_str)),
            ("recovery_id", entry.recovery_id.as_ref().map(RecoveryId::as_str)),
            ("verification_id", entry.verification_id.as_ref().map(VerificationId::as_str)),
            ("customer_id", entry.customer_id.as_deref()),
            ("package_id", entry.package_id.as_deref()),
        ],
        result: &entry.result,
        reason: entry.reason.as_deref(),
        request_id: &entry.request_id,
        prev_hash: prev.unwrap_or(&FIRST_PREV_HASH),
    };
    leaf.hash()
}
