//! Lets a tenant of a sandbox begin anew: users, keys, verifications, backups, lists, recoveries and deliveries go;
//! people, credentials, webhooks and settings stay. A new log begins, and its first entry names the last checkpoint of
//! the old.

use boundary::message::{Request, Reset};
use domain::access::Deed;
use domain::audit::checkpoint::Checkpoint;
use domain::refusal::Refusal;
use store::audit::{self, AuditEntry};
use store::{StoreError, reset};

use super::offline::told_too;
use super::sequence_audit::{Signer, seal_all, sequence_audit};
use super::sweep_files::remove_or_leave;
use super::{Ctx, Error};
use crate::app::App;

/// Does so at once. Called again, it does it again.
pub async fn reset_sandbox(app: &App, ctx: &Ctx) -> Result<(), Error> {
    ctx.principal.permit(Deed::ResetSandbox)?;
    app.sandbox.as_ref().ok_or_else(Refusal::no_such_path)?;
    let tenant = ctx.principal.tenant.clone();
    // First, so that nothing of before opens once the answer is out, whatever happens to the rows.
    app.enclave.reset(Reset { tenant_id: tenant.to_string() }).await?;
    // Most of the log is numbered here, so that the last transaction is short.
    sequence_audit(app, &tenant, ctx.now).await?;
    let entry = ctx.entry(app, "sandbox.reset");
    let told = told_too(app, ctx.now, Request::Reset(Reset { tenant_id: tenant.to_string() }));
    let (owner, signer, now) = (tenant.clone(), Signer::of(app), ctx.now);
    let (files, packages) = app
        .db
        .write("reset_sandbox", move |tx| {
            let last = seal_all(tx, &tenant, &signer, now)?;
            let packages = reset::list_packages(tx, &tenant)?;
            let files = reset::forget(tx, &tenant)?;
            store::offline::of(&tenant).append(tx, &told)?;
            let end = Checkpoint::line(last.size, &last.root);
            let entry = AuditEntry { reason: Some(end), ..entry.clone() };
            audit::of(&tenant).append(tx, &entry)?;
            Ok::<_, StoreError>((files, packages))
        })
        .await?;
    for file in &files {
        remove_or_leave(app, &owner, file).await;
    }
    app.files.blobs.remove_packages(&owner, &packages, None).await.map_err(Error::files_away)
}
