//! Plays the identity provider in the sandbox, by the same path as a real provider's event.

use domain::access::Deed;
use domain::ids::{TenantId, VerificationId};
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use domain::verification::Action;
use store::StoreError;
use store::audit::AuditEntry;
use store::verifications;

use super::read_verification::{Inquiry, find};
use super::{Ctx, Error, apply_verification_event};
use crate::app::{App, Sandbox};
use crate::edge::identity::simulated::{self, Person, Subject};

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
    let inquiry = find(app, ctx, id).await?;
    let play = Play { tenant: &ctx.principal.tenant, inquiry: &inquiry, action, person: None };
    if action == Action::CloseWindow {
        play.permitted()?;
        close_window(app, ctx, &inquiry.verification.id).await?;
    } else {
        play_provider(app, sandbox, play, ctx.now, &ctx.request_id).await?;
    }
    Ok(inquiry.verification.id)
}

/// What is played.
pub(super) struct Play<'a> {
    /// Whose inquiry it is.
    pub tenant: &'a TenantId,
    /// The inquiry.
    pub inquiry: &'a Inquiry,
    /// What the provider is to report.
    pub action: Action,
    /// Whom it is to report; none: the user himself.
    pub person: Option<&'a Person>,
}

impl Play<'_> {
    /// Only what the sandbox plays itself can be played, and only forward.
    fn permitted(&self) -> Result<(), Refusal> {
        let verification = &self.inquiry.verification;
        if verification.provider != simulated::NAME {
            let text = "a real provider checks this person; it cannot be played";
            return Err(Refusal::new(Kind::Conflict, "inquiry-not-simulated", text));
        }
        self.action.permitted(verification.state)
    }
}

/// Has the simulated provider report it, by the way that a real one's event takes.
pub(super) async fn play_provider(
    app: &App,
    sandbox: &Sandbox,
    play: Play<'_>,
    now: Timestamp,
    request_id: &str,
) -> Result<(), Error> {
    play.permitted()?;
    let verification = &play.inquiry.verification;
    let subject = Subject {
        verification_id: &verification.id,
        session_id: &verification.session_id,
        tenant_id: play.tenant.as_str(),
        user_identifier: &play.inquiry.user.user_identifier,
        person: play.person,
    };
    match sandbox.simulator.event(play.action, &subject, now, &mut app.chance()) {
        Some(event) => apply_verification_event(app, event, now, request_id).await,
        None => Err(Error::fault("playing what no provider reports")),
    }
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
