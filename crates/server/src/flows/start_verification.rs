//! Begins an identity check: the enclave opens a session, the provider an inquiry.

use boundary::json::Value as Json;
use boundary::message::Open;
use domain::access::Deed;
use domain::ids::VerificationId;
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use domain::verification::{Action, InquiryState};
use store::StoreError;
use store::audit::AuditEntry;
use store::verifications::{self, Verification};

use super::simulate_verification::play;
use super::{Ctx, Error, EventData, event, record_refused, tell};
use crate::app::App;
use crate::edge::identity::simulated;

/// What is asked for.
pub struct StartVerification {
    /// Who is to be checked.
    pub user_identifier: String,
    /// The only OpenPGP key that may receive, upper-case hexadecimal.
    pub gpg_fingerprint: Option<String>,
    /// What the simulated provider does at once (sandbox).
    pub override_status: Option<Action>,
}

/// Starts a check and returns the provider's id of the inquiry.
pub async fn start_verification(
    app: &App,
    ctx: &Ctx,
    command: StartVerification,
) -> Result<VerificationId, Error> {
    ctx.principal.permit(Deed::StartVerification)?;
    let sandbox = match &app.sandbox {
        Some(sandbox) => sandbox,
        None if command.override_status.is_some() => {
            record_refused(app, ctx, ctx.entry(app, "verification.refused"), "sandbox-only").await?;
            let text = "`x-override-status` works in a sandbox only";
            return Err(Refusal::new(Kind::Invalid, "sandbox-only", text).into());
        }
        None => return Err(Refusal::unavailable("an identity provider").into()),
    };
    let user = app.ensure_user(ctx, &command.user_identifier).await?;
    let open = Open {
        tenant_id: ctx.principal.tenant.to_string(),
        user_identifier: command.user_identifier.clone(),
        openpgp_fingerprint: command.gpg_fingerprint.clone(),
    };
    let opened = app.enclave.open(open).await?;
    let id = VerificationId::simulated(&mut app.chance());
    let new = Verification {
        id: id.clone(),
        user_id: user.id,
        provider: simulated::NAME.to_owned(),
        session_id: opened.session_id,
        ticket: opened.ticket,
        state: InquiryState::Created,
        gpg_fingerprint: command.gpg_fingerprint,
        admission: None,
        created_at: ctx.now,
        updated_at: ctx.now,
        approved_at: None,
        window_closed_at: None,
    };
    let entry = AuditEntry { verification_id: Some(id.clone()), ..ctx.entry(app, "verification.started") };
    let data = inquiry_data(&id, &command.user_identifier, InquiryState::Created, ctx.now);
    let event = event(&app.minter, ctx.now, InquiryState::Created.event_type(), data);
    let (tenant, env) = (ctx.principal.tenant.clone(), app.env);
    app.db
        .write("start_verification", move |tx| {
            verifications::of(&tenant).insert(tx, &new)?;
            store::audit::of(&tenant).append(tx, &entry)?;
            tell(tx, &tenant, env, &event)
        })
        .await
        .map_err(|error: StoreError| Error::from(error))?;
    if let Some(action) = command.override_status {
        play(app, sandbox, ctx, id.as_str(), action).await?;
    }
    Ok(id)
}

/// The data of an inquiry's event.
pub(super) fn inquiry_data(
    id: &VerificationId,
    user_identifier: &str,
    state: InquiryState,
    at: Timestamp,
) -> EventData {
    vec![
        ("verification_id", Json::text(id.to_string())),
        ("user_identifier", Json::text(user_identifier.to_owned())),
        ("status", Json::text(state.status().to_owned())),
        ("inquiry_status", Json::text(state.as_str().to_owned())),
        ("updated_at", Json::text(at.rfc3339())),
    ]
}
