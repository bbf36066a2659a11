//! Lets a call through, or records that its credential may not make it.

use domain::access::{Deed, Principal};
use domain::audit::Outcome;
use domain::time::Timestamp;
use store::StoreError;
use store::audit::AuditEntry;

use super::{Ctx, Error};
use crate::app::App;

/// The context of a call, if the credential may do this deed. Asked before the call's body is looked at, so that
/// who may not call is not told what is wrong with the call; each flow asks again for those who reach it
/// another way.
pub async fn admit_call(
    app: &App,
    principal: Principal,
    deed: Deed,
    now: Timestamp,
    request_id: String,
) -> Result<Ctx, Error> {
    let ctx = Ctx { principal, now, request_id };
    let Err(refusal) = ctx.principal.permit(deed) else { return Ok(ctx) };
    let action = if deed == Deed::RecoverBackups { "recovery.refused" } else { "access.refused" };
    let entry = AuditEntry {
        result: Outcome::Refused.to_string(),
        reason: Some(refusal.code.to_owned()),
        ..ctx.entry(app, action)
    };
    let tenant = ctx.principal.tenant;
    let recorded = app.db.write("record_refusal", move |tx| store::audit::of(&tenant).append(tx, &entry));
    recorded.await.map_err(|error: StoreError| Error::from(error))?;
    Err(refusal.into())
}
