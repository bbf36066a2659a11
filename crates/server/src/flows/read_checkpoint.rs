//! Shows a tenant the signed checkpoint of his log: it covers every act that was answered before this call.

use std::sync::Arc;

use domain::access::Deed;
use store::checkpoints::Checkpoint;
use store::{StoreError, audit_witnesses};

use super::cosign_checkpoint::cosign_checkpoint;
use super::sequence_audit::{seal_all, sequence_audit};
use super::{Ctx, Error};
use crate::app::App;

/// The newest checkpoint, made now if entries have come since the last, and signed by the enclave too if that answers, and by the
/// witnesses who were shown it already.
pub async fn read_checkpoint(app: &App, ctx: &Ctx) -> Result<Checkpoint, Error> {
    ctx.principal.permit(Deed::ReadCheckpoint)?;
    let (tenant, key, now) = (ctx.principal.tenant.clone(), Arc::clone(&app.log_key), ctx.now);
    // Most of a long backlog is numbered here, so that the last transaction is short.
    sequence_audit(app, &tenant, now).await?;
    let of = tenant.clone();
    let sealed = app.db.write("seal_audit", move |tx| seal_all(tx, &of, &key, now)).await;
    let sealed: Checkpoint = sealed.map_err(|error: StoreError| Error::from(error))?;
    // A log can be read while the enclave is away.
    let mut newest = cosign_checkpoint(app, &tenant, now).await.ok().flatten().unwrap_or(sealed);
    let size = newest.size;
    let lines =
        app.db.read("list_witnessed", move |rx| audit_witnesses::of(&tenant).list_lines(rx, size)).await;
    newest.note.extend(lines.map_err(|error: StoreError| Error::from(error))?);
    Ok(newest)
}
