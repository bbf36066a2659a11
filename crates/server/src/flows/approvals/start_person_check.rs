//! Begins an identity check of a person of Control: an inquiry as any other, about a row of `users` that no
//! identifier of the API can name, in a session that the enclave opens under a tag of its own domain.

use boundary::message::Open;
use domain::control::Act;
use domain::ids::{PersonId, TenantId, UserId, VerificationId};
use domain::refusal::Refusal;
use domain::time::Timestamp;
use domain::verification::{Action, InquiryState};
use store::audit::AuditEntry;
use store::users::{self, User};
use store::verifications::{self, Verification};
use store::{StoreError, Tx};

use super::super::read_verification::Inquiry;
use super::super::simulate_verification::{Play, play_provider};
use super::super::{Ctx, Error};
use super::permitted;
use crate::app::App;

/// How many approved checks are looked for; one is enough.
const ONE: i64 = 1;

/// A check that was begun at the provider, and is still to be written down with what it is for.
#[derive(Clone)]
pub(super) struct Begun {
    person: PersonId,
    user: User,
    verification: Verification,
    entry: AuditEntry,
}

/// The name of the row of `users` by which a person is checked.
pub(super) fn user_identifier(person: &PersonId) -> String {
    format!("\u{1f}{person}")
}

/// As the enclave names a person.
pub(super) fn person_name(person: &PersonId) -> String {
    person.to_string()
}

/// A session of the enclave's for this person.
pub(super) async fn open_session(
    app: &App,
    tenant: &TenantId,
    person: &PersonId,
) -> Result<boundary::message::Opened, Error> {
    let open = Open {
        tenant_id: tenant.to_string(),
        user_identifier: person_name(person),
        openpgp_fingerprint: None,
    };
    Ok(app.enclave.open_person(open).await?)
}

/// Begins an inquiry in that session.
pub(super) async fn begin_check(
    app: &App,
    ctx: &Ctx,
    person: &PersonId,
    opened: boundary::message::Opened,
) -> Result<Begun, Error> {
    let provider = app.provider.as_ref().ok_or_else(|| Refusal::unavailable("an identity provider"))?;
    let created = provider.create_inquiry(&opened.session_id, &mut app.chance()).await;
    let id = created.map_err(|error| {
        tracing::warn!(provider = provider.name(), %error, "an identity provider opened no inquiry");
        Refusal::unavailable("the identity provider").retry_after(error.retry_after_s)
    })?;
    let user_id = UserId::new(ctx.now, &mut app.chance());
    Ok(Begun {
        person: person.clone(),
        user: User { id: user_id.clone(), user_identifier: user_identifier(person), created_at: ctx.now },
        entry: AuditEntry { verification_id: Some(id.clone()), ..ctx.entry(app, "person-check.started") },
        verification: Verification {
            id,
            user_id,
            provider: provider.name().to_owned(),
            session_id: opened.session_id,
            ticket: opened.ticket,
            state: InquiryState::Created,
            gpg_fingerprint: None,
            admission: None,
            created_at: ctx.now,
            updated_at: ctx.now,
            approved_at: None,
            window_closed_at: None,
        },
    })
}

impl Begun {
    /// The provider's name of the inquiry.
    pub fn id(&self) -> &VerificationId {
        &self.verification.id
    }

    /// Writes it down; with what it is for, in one transaction.
    pub fn write(&self, tx: &mut Tx<'_>, tenant: &TenantId) -> Result<(), StoreError> {
        let user_id = users::of(tenant).ensure_person(tx, &self.user, &self.person)?.id;
        let row = Verification { user_id, ..self.verification.clone() };
        verifications::of(tenant).insert(tx, &row)?;
        store::audit::of(tenant).append(tx, &self.entry)
    }
}

/// Where the check stands that a person ends his invitation with: his baseline, with which the enclave compares
/// every later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// He has not begun one.
    Missing,
    /// It is begun, and is still his to finish.
    Begun(VerificationId),
    /// It is finished, and somebody looks at it.
    Judged,
    /// It ended without an approval.
    Failed,
    /// He has one, since then.
    Stands(Timestamp),
}

/// Where the baseline of whoever is signed in stands.
pub async fn read_baseline(app: &App, ctx: &Ctx) -> Result<Baseline, Error> {
    let person = permitted(ctx, Act::RequestRecovery)?;
    find_baseline(app, &ctx.principal.tenant, &person).await
}

/// Begins the baseline of whoever is signed in, or goes on with the one that he has begun. None: there is nothing
/// for him to do.
pub async fn begin_baseline(app: &App, ctx: &Ctx) -> Result<Option<VerificationId>, Error> {
    let person = permitted(ctx, Act::RequestRecovery)?;
    match find_baseline(app, &ctx.principal.tenant, &person).await? {
        Baseline::Begun(id) => Ok(Some(id)),
        Baseline::Missing | Baseline::Failed => begin_alone(app, ctx, &person).await.map(Some),
        Baseline::Judged | Baseline::Stands(_) => Ok(None),
    }
}

/// In a sandbox: the baseline of a person who has none, played at once.
pub(super) async fn play_baseline(app: &App, ctx: &Ctx, person: &PersonId) -> Result<(), Error> {
    let Some(sandbox) = &app.sandbox else { return Ok(()) };
    let tenant = &ctx.principal.tenant;
    if matches!(find_baseline(app, tenant, person).await?, Baseline::Stands(_)) {
        return Ok(());
    }
    let id = begin_alone(app, ctx, person).await?;
    let inquiry = find_inquiry(app, tenant, &id).await?;
    let play = Play { tenant, inquiry: &inquiry, action: Action::Approve, person: None };
    play_provider(app, sandbox, play, ctx.now, &ctx.request_id).await
}

/// Begins a check that is for no recovery and no vote.
async fn begin_alone(app: &App, ctx: &Ctx, person: &PersonId) -> Result<VerificationId, Error> {
    let opened = open_session(app, &ctx.principal.tenant, person).await?;
    let begun = begin_check(app, ctx, person, opened).await?;
    let (tenant, id) = (ctx.principal.tenant.clone(), begun.id().clone());
    let written = app.db.write("start_person_check", move |tx| begun.write(tx, &tenant));
    written.await.map_err(|error: StoreError| Error::from(error))?;
    Ok(id)
}

async fn find_baseline(app: &App, tenant: &TenantId, person: &PersonId) -> Result<Baseline, Error> {
    let (tenant, name) = (tenant.clone(), user_identifier(person));
    let found = app.db.read("find_baseline", move |rx| {
        let Some(user) = users::of(&tenant).find_by_identifier(rx, &name)? else { return Ok((None, None)) };
        let approved = verifications::of(&tenant).list_approved_of_user(rx, &user.id, ONE)?.pop();
        Ok::<_, StoreError>((approved, verifications::of(&tenant).find_latest_of_user(rx, &user.id)?))
    });
    let (approved, latest) = found.await.map_err(|error: StoreError| Error::from(error))?;
    if let Some(approved) = approved {
        return Ok(Baseline::Stands(approved.approved_at.unwrap_or(approved.updated_at)));
    }
    Ok(latest.map_or(Baseline::Missing, |latest| match latest.state {
        InquiryState::Created | InquiryState::Pending => Baseline::Begun(latest.id),
        InquiryState::Completed | InquiryState::NeedsReview => Baseline::Judged,
        InquiryState::Failed | InquiryState::Declined | InquiryState::Expired => Baseline::Failed,
        InquiryState::Approved => Baseline::Stands(latest.updated_at),
    }))
}

async fn find_inquiry(app: &App, tenant: &TenantId, id: &VerificationId) -> Result<Inquiry, Error> {
    let (tenant, id) = (tenant.clone(), id.clone());
    let found = app.db.read("find_person_check", move |rx| {
        let row = verifications::of(&tenant).find(rx, &id)?;
        row.map(|row| Inquiry::of(rx, &tenant, row)).transpose()
    });
    let found: Option<Inquiry> = found.await.map_err(|error: StoreError| Error::from(error))?;
    Ok(found.ok_or_else(Refusal::not_found)?)
}

/// Until when a check that begins now must have passed.
pub(super) fn ends_at(now: Timestamp) -> Timestamp {
    now + domain::limits::PERSON_CHECK_LIFE
}
