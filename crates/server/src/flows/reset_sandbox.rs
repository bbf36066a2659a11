//! Lets a tenant of a sandbox begin anew: users, keys, verifications, backups, recoveries and deliveries go;
//! credentials, webhooks and settings stay. A new log begins, and its first entry names the end of the old.

use boundary::message::Reset;
use domain::access::Deed;
use domain::audit::{FIRST_PREV_HASH, hex};
use domain::refusal::Refusal;
use store::audit::{self, AuditEntry, Head};
use store::{StoreError, reset};

use super::list_audit::{number_all, sequence_audit};
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
    sequence_audit(app, &tenant).await?;
    let entry = ctx.entry(app, "sandbox.reset");
    let owner = tenant.clone();
    let files = app
        .db
        .write("reset_sandbox", move |tx| {
            number_all(tx, &tenant)?;
            let head = audit::of(&tenant).find_head(tx)?.unwrap_or(Head { seq: 0, entry_hash: None });
            let files = reset::forget(tx, &tenant)?;
            let end = hex(&head.entry_hash.unwrap_or(FIRST_PREV_HASH));
            let entry = AuditEntry { reason: Some(format!("{} {end}", head.seq)), ..entry.clone() };
            audit::of(&tenant).append(tx, &entry)?;
            Ok::<_, StoreError>(files)
        })
        .await?;
    for file in &files {
        remove_or_leave(app, &owner, file).await;
    }
    Ok(())
}
