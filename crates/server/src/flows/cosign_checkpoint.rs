//! Has the enclave sign a log's last checkpoint too. It does so only if that goes on from what it signed before, so that
//! a log whose history was written anew is found out by the next checkpoint, whoever holds the server's keys. It is shown
//! none that the service did not sign itself.

use boundary::checkpoint::{Cosign, Cosigned, TreeHead};
use boundary::message::Refusal;
use domain::audit::checkpoint::{Checkpoint as Told, VerifierKey};
use domain::audit::cosignature::{COSIGN_AFTER, COSIGN_ENTRIES, Cosigner};
use domain::audit::tree::Tree;
use domain::ids::TenantId;
use domain::time::Timestamp;
use store::checkpoints::{self, Checkpoint};
use store::{StoreError, audit};

use super::Error;
use crate::app::App;
use crate::edge::enclave::CallError;

/// How many tenants' checkpoints are looked at in one round.
const TENANTS_MAX: i64 = 100;

/// A round over the checkpoints whose time has come; true when there may be more to do at once.
pub async fn cosign_all(app: &App, now: Timestamp) -> Result<bool, Error> {
    let due = move |rx: &mut store::Rx<'_>| checkpoints::list_to_cosign(rx, now, COSIGN_ENTRIES, TENANTS_MAX);
    let due = app.db.read("list_to_cosign", due).await;
    let due: Vec<TenantId> = due.map_err(|error: StoreError| Error::from(error))?;
    for tenant in &due {
        cosign_checkpoint(app, tenant, now).await?;
    }
    Ok(i64::try_from(due.len()) == Ok(TENANTS_MAX))
}

/// The last checkpoint with the enclave's signature, if that gives it.
///
/// Without one it comes back where there is nothing to sign yet, and where the enclave knows another history, which is
/// an alarm and stays one until it is mended.
pub async fn cosign_checkpoint(
    app: &App,
    tenant: &TenantId,
    now: Timestamp,
) -> Result<Option<Checkpoint>, Error> {
    let of = tenant.clone();
    let found = app.db.read("find_to_cosign", move |rx| {
        let log = checkpoints::of(&of);
        Ok::<_, StoreError>((log.find_last(rx)?, log.find_cosigned(rx)?))
    });
    let (Some(last), mut known) = found.await? else { return Ok(None) };
    if last.cosigner.is_some() || last.size == 0 {
        return Ok(Some(last));
    }
    if !is_ours(app, tenant, &last) {
        alarm(app, tenant, &last, now).await?;
        return Ok(None);
    }
    // The enclave may have signed one of which this database was not told: then it says which.
    for _ in 0..2 {
        let proof = prove(app, tenant, known.as_ref(), &last).await?;
        match app.enclave.cosign(Cosign { head: head(&last), proof }).await {
            Ok(answer) => return keep(app, tenant, last, answer, now).await.map(Some),
            Err(CallError::Refused(Refusal::Forked(size))) => {
                let (of, size) = (tenant.clone(), i64::try_from(size).unwrap_or(i64::MAX));
                let found =
                    app.db.read("find_checkpoint", move |rx| checkpoints::of(&of).find(rx, size)).await;
                let found: Option<Checkpoint> = found.map_err(|error: StoreError| Error::from(error))?;
                if found.as_ref().is_some_and(|found| found.size > last.size) {
                    // Another process was ahead with a later one.
                    return Ok(Some(last));
                }
                known = match found {
                    Some(found) if known.as_ref() != Some(&found) => Some(found),
                    _ => break,
                };
            }
            Err(error) => return Err(error.into()),
        }
    }
    alarm(app, tenant, &last, now).await?;
    Ok(Some(last))
}

/// Whether the service signed what the row says: whoever may write the database can add one that it did not.
pub(super) fn is_ours(app: &App, tenant: &TenantId, made: &Checkpoint) -> bool {
    let key = VerifierKey::parse(&app.log_key.vkey(tenant.as_str()));
    let said = key.and_then(|key| key.open(&made.note).ok());
    said.is_some_and(|said| (said.size, said.root) == (made.size, made.root))
}

fn head(checkpoint: &Checkpoint) -> TreeHead {
    let origin = checkpoint.note.lines().next().unwrap_or_default().to_owned();
    TreeHead { origin, size: checkpoint.size.unsigned_abs(), root: checkpoint.root }
}

/// That the last goes on from one that was signed; empty where none was, or what proves it is not there.
pub(super) async fn prove(
    app: &App,
    tenant: &TenantId,
    known: Option<&Checkpoint>,
    last: &Checkpoint,
) -> Result<Vec<[u8; 32]>, Error> {
    let tree = known.and_then(|known| Tree::of(known.size.unsigned_abs(), known.peaks.as_deref()?));
    let Some(tree) = tree else { return Ok(Vec::new()) };
    let (of, from, to) = (tenant.clone(), i64::try_from(tree.size()).unwrap_or(i64::MAX), last.size);
    let leaves = app.db.read("list_leaves", move |rx| audit::of(&of).list_leaves(rx, from, to)).await;
    let leaves: Vec<audit::Hash> = leaves.map_err(|error: StoreError| Error::from(error))?;
    Ok(tree.consistency(&leaves))
}

async fn keep(
    app: &App,
    tenant: &TenantId,
    last: Checkpoint,
    answer: Cosigned,
    now: Timestamp,
) -> Result<Checkpoint, Error> {
    let cosigner = Cosigner::of(answer.key, app.env);
    let note = last.note.clone() + &cosigner.line(&answer.signature);
    if cosigner.check(&note).is_err() {
        return Err(CallError::OutOfProtocol.into());
    }
    let signed = Checkpoint { note, cosigner: Some(cosigner.vkey()), ..last.clone() };
    let (of, kept) = (tenant.clone(), signed.clone());
    let written = app.db.write("keep_cosigned", move |tx| {
        checkpoints::of(&of).set_cosigned(tx, &last, &kept, now + COSIGN_AFTER)
    });
    written.await.map_err(|error: StoreError| Error::from(error))?;
    Ok(signed)
}

async fn alarm(app: &App, tenant: &TenantId, last: &Checkpoint, now: Timestamp) -> Result<(), Error> {
    tracing::error!(
        %tenant,
        checkpoint = Told::line(last.size, &last.root),
        "the audit log does not go on from what was signed of it: its history was written anew, cut or put back"
    );
    let of = tenant.clone();
    let noted =
        app.db.write("note_fork", move |tx| checkpoints::of(&of).set_forked(tx, now, now + COSIGN_AFTER));
    noted.await.map_err(|error: StoreError| error.into())
}
