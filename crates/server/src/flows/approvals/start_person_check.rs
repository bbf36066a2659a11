//! Begins an identity check of a person of Control: an inquiry as any other, about a row of `users` that no
//! identifier of the API can name, in a session that the enclave opens under a tag of its own domain.

use boundary::message::Open;
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

/// A person's first check: his baseline, with which the enclave compares every later one. In a sandbox it is played
/// at once. None: he has one.
pub async fn start_baseline(
    app: &App,
    ctx: &Ctx,
    person: &PersonId,
) -> Result<Option<VerificationId>, Error> {
    if has_baseline(app, &ctx.principal.tenant, person).await? {
        return Ok(None);
    }
    let opened = open_session(app, &ctx.principal.tenant, person).await?;
    let begun = begin_check(app, ctx, person, opened).await?;
    let (tenant, check) = (ctx.principal.tenant.clone(), begun.clone());
    let written = app.db.write("start_person_check", move |tx| check.write(tx, &tenant));
    written.await.map_err(|error: StoreError| Error::from(error))?;
    if let Some(sandbox) = &app.sandbox {
        let inquiry = find_inquiry(app, &ctx.principal.tenant, begun.id()).await?;
        let play =
            Play { tenant: &ctx.principal.tenant, inquiry: &inquiry, action: Action::Approve, person: None };
        play_provider(app, sandbox, play, ctx.now, &ctx.request_id).await?;
    }
    Ok(Some(begun.id().clone()))
}

async fn has_baseline(app: &App, tenant: &TenantId, person: &PersonId) -> Result<bool, Error> {
    let (tenant, name) = (tenant.clone(), user_identifier(person));
    let found = app.db.read("find_baseline", move |rx| {
        let Some(user) = users::of(&tenant).find_by_identifier(rx, &name)? else { return Ok(false) };
        let approved = verifications::of(&tenant).list_approved_of_user(rx, &user.id, ONE)?;
        Ok::<_, StoreError>(!approved.is_empty())
    });
    found.await.map_err(Into::into)
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
