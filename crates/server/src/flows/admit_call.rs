//! Lets a call through, or records that its credential may not make it.

use domain::access::{Deed, Principal};
use domain::time::Timestamp;

use super::{Ctx, Error, record_refused};
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
    let ctx = Ctx { principal, deed: Some(deed), now, request_id, named: None };
    let Err(refusal) = ctx.principal.permit(deed) else { return Ok(ctx) };
    let action = if deed == Deed::RecoverBackups { "recovery.refused" } else { "access.refused" };
    record_refused(app, &ctx, ctx.entry(app, action), refusal.code).await?;
    Err(refusal.into())
}
