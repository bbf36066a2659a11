//! Shows a tenant the signed checkpoint of his log: it covers every act that was answered before this call. The same for
//! whoever administers the installation, of the root log.

use domain::access::Deed;
use domain::ids::TenantId;
use domain::time::Timestamp;
use store::checkpoints::Checkpoint;
use store::{StoreError, audit_witnesses};

use super::cosign_checkpoint::cosign_checkpoint;
use super::sequence_audit::{Signer, seal_all, sequence_audit};
use super::{Ctx, Error};
use crate::app::App;

/// The newest checkpoint, made now if entries have come since the last, and signed by the enclave too if that answers, and by the
/// witnesses who were shown it already.
pub async fn read_checkpoint(app: &App, ctx: &Ctx) -> Result<Checkpoint, Error> {
    ctx.principal.permit(Deed::ReadCheckpoint)?;
    newest_checkpoint(app, &ctx.principal.tenant, ctx.now).await
}

/// The same of any log.
pub(crate) async fn newest_checkpoint(
    app: &App,
    tenant: &TenantId,
    now: Timestamp,
) -> Result<Checkpoint, Error> {
    // Most of a long backlog is numbered here, so that the last transaction is short.
    sequence_audit(app, tenant, now).await?;
    let (of, signer) = (tenant.clone(), Signer::of(app));
    let sealed = app.db.write("seal_audit", move |tx| seal_all(tx, &of, &signer, now)).await;
    let sealed: Checkpoint = sealed.map_err(|error: StoreError| Error::from(error))?;
    // A log can be read while the enclave is away.
    let mut newest = cosign_checkpoint(app, tenant, now).await.ok().flatten().unwrap_or(sealed);
    let (of, size) = (tenant.clone(), newest.size);
    let lines = app.db.read("list_witnessed", move |rx| audit_witnesses::of(&of).list_lines(rx, size)).await;
    newest.note.extend(lines.map_err(|error: StoreError| Error::from(error))?);
    Ok(newest)
}
