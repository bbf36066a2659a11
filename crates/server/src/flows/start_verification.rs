//! Begins an identity check: the enclave opens a session, the provider an inquiry.

use boundary::json::Value as Json;
use boundary::message::{Open, Opened};
use domain::access::Deed;
use domain::ids::{UserId, VerificationId};
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use domain::verification::{Action, InquiryState};
use store::StoreError;
use store::audit::AuditEntry;
use store::users::{self, User};
use store::verifications::{self, Verification};

use super::read_verification::find;
use super::simulate_verification::{Play, play_provider};
use super::{Ctx, Error, EventData, event, record_refused, tell};
use crate::app::{App, Sandbox};
use crate::edge::identity::Provider;

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
    let (provider, play_at_once) = choose_provider(app, ctx, command.override_status).await?;
    let open = Open {
        tenant_id: ctx.principal.tenant.to_string(),
        user_identifier: command.user_identifier.clone(),
        openpgp_fingerprint: command.gpg_fingerprint.clone(),
    };
    let opened = app.enclave.open(open).await?;
    let created = provider.create_inquiry(&opened.session_id, &mut app.chance()).await;
    let id = created.map_err(|error| {
        tracing::warn!(provider = provider.name(), %error, "an identity provider opened no inquiry");
        Refusal::unavailable("the identity provider").retry_after(error.retry_after_s)
    })?;
    write(app, ctx, &command, provider, &id, opened).await?;
    if let Some((sandbox, action)) = play_at_once {
        let inquiry = find(app, ctx, id.as_str()).await?;
        let play = Play { tenant: &ctx.principal.tenant, inquiry: &inquiry, action, person: None };
        play_provider(app, sandbox, play, ctx.now, &ctx.request_id).await?;
    }
    Ok(id)
}

/// What the simulated provider is to do at once.
type AtOnce<'a> = Option<(&'a Sandbox, Action)>;

/// Who checks this person: the installation's provider, save that what is to be played is the sandbox's.
async fn choose_provider<'a>(
    app: &'a App,
    ctx: &Ctx,
    override_status: Option<Action>,
) -> Result<(&'a Provider, AtOnce<'a>), Error> {
    match (override_status, &app.sandbox) {
        (Some(action), Some(sandbox)) => Ok((&Provider::Simulated, Some((sandbox, action)))),
        (Some(_), None) => {
            record_refused(app, ctx, ctx.entry(app, "verification.refused"), "sandbox-only").await?;
            let text = "`x-override-status` works in a sandbox only";
            Err(Refusal::new(Kind::Invalid, "sandbox-only", text).into())
        }
        (None, _) => match &app.provider {
            Some(provider) => Ok((provider, None)),
            None => Err(Refusal::unavailable("an identity provider").into()),
        },
    }
}

/// Writes it all down. Before this nothing is: of a call that ends earlier the provider may keep an inquiry whose id
/// nobody was told, and which expires there.
async fn write(
    app: &App,
    ctx: &Ctx,
    command: &StartVerification,
    provider: &Provider,
    id: &VerificationId,
    opened: Opened,
) -> Result<(), Error> {
    let user = User {
        id: UserId::new(ctx.now, &mut app.chance()),
        user_identifier: command.user_identifier.clone(),
        created_at: ctx.now,
    };
    let new = Verification {
        id: id.clone(),
        user_id: user.id.clone(),
        provider: provider.name().to_owned(),
        session_id: opened.session_id,
        ticket: opened.ticket,
        state: InquiryState::Created,
        gpg_fingerprint: command.gpg_fingerprint.clone(),
        admission: None,
        created_at: ctx.now,
        updated_at: ctx.now,
        approved_at: None,
        window_closed_at: None,
    };
    let entry = AuditEntry { verification_id: Some(id.clone()), ..ctx.entry(app, "verification.started") };
    let data = inquiry_data(id, &command.user_identifier, InquiryState::Created, ctx.now);
    let event = event(&app.minter, ctx.now, InquiryState::Created.event_type(), data);
    let (tenant, env) = (ctx.principal.tenant.clone(), app.env);
    let written = app.db.write("start_verification", move |tx| {
        let user_id = users::of(&tenant).ensure(tx, &user)?.id;
        verifications::of(&tenant).insert(tx, &Verification { user_id, ..new.clone() })?;
        store::audit::of(&tenant).append(tx, &entry)?;
        tell(tx, &tenant, env, &event)
    });
    written.await.map_err(|error: StoreError| error.into())
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
