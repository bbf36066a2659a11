//! Plays the identity provider in the sandbox, by the same path as a real provider's event.

use domain::access::Deed;
use domain::ids::VerificationId;
use domain::refusal::{Kind, Refusal};
use domain::verification::Action;
use store::StoreError;
use store::audit::AuditEntry;
use store::verifications;

use super::read_verification::find;
use super::{Ctx, Error, apply_verification_event};
use crate::app::{App, Sandbox};
use crate::edge::identity::simulated::Subject;

/// Does what `action` says to the inquiry, and returns its id.
pub async fn simulate_verification(
    app: &App,
    ctx: &Ctx,
    id: &str,
    action: Action,
) -> Result<VerificationId, Error> {
    ctx.principal.permit(Deed::SimulateVerification)?;
    // In production the path does not exist.
    let sandbox = app.sandbox.as_ref().ok_or_else(Refusal::no_such_path)?;
    play(app, sandbox, ctx, id, action).await
}

pub(super) async fn play(
    app: &App,
    sandbox: &Sandbox,
    ctx: &Ctx,
    id: &str,
    action: Action,
) -> Result<VerificationId, Error> {
    let inquiry = find(app, ctx, id).await?;
    action.permitted(inquiry.verification.state)?;
    let id = inquiry.verification.id;
    let subject = Subject {
        verification_id: &id,
        session_id: &inquiry.verification.session_id,
        tenant_id: ctx.principal.tenant.as_str(),
        user_identifier: &inquiry.user.user_identifier,
    };
    match sandbox.simulator.event(action, &subject, ctx.now, &mut app.chance()) {
        Some(event) => apply_verification_event(app, event, ctx.now, &ctx.request_id).await?,
        None => close_window(app, ctx, &id).await?,
    }
    Ok(id)
}

async fn close_window(app: &App, ctx: &Ctx, id: &VerificationId) -> Result<(), Error> {
    let entry =
        AuditEntry { verification_id: Some(id.clone()), ..ctx.entry(app, "verification.window-closed") };
    let (tenant, id, now) = (ctx.principal.tenant.clone(), id.clone(), ctx.now);
    let closed = app
        .db
        .write("close_window", move |tx| {
            let closed = verifications::of(&tenant).set_window_closed(tx, &id, now)?;
            if closed {
                store::audit::of(&tenant).append(tx, &entry)?;
            }
            Ok::<_, StoreError>(closed)
        })
        .await?;
    if closed {
        return Ok(());
    }
    Err(Refusal::new(Kind::Conflict, "inquiry-state", "the windows of this inquiry are closed already")
        .into())
}
