//! An owner changes who is what in the team. Of two owners who take each other out at once exactly one succeeds, and
//! nobody ever takes out the last.

use domain::control::Act;
use domain::ids::{PersonId, TenantId};
use domain::owners::{REMOVED, REONBOARDED, ROLE_CHANGED, logged_roles};
use domain::person::{InvitationPurpose, PersonState, Role};
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::audit::AuditEntry;
use store::people::{self, Person};
use store::{StoreError, Tx, invitations, passkeys, sessions};

use super::invite_person::{Invited, new_invitation};
use super::tell_owners::Told;
use crate::app::App;
use crate::flows::{Ctx, Error};

/// Gives somebody another role; his sessions end.
pub async fn change_role(app: &App, ctx: &Ctx, id: &str, role: &str) -> Result<(), Error> {
    ctx.principal.permit_act(Act::ChangeRole)?;
    let role = Role::parse(role).ok_or_else(|| Refusal::field("role", "must be one of those offered"))?;
    let entry = ctx.entry(app, ROLE_CHANGED);
    let changed = change(app, ctx, id, move |tx, tenant, person, told| {
        if person.role == role {
            return Ok(());
        }
        permit_loss(tx, tenant, person)?;
        let has_passkey = !passkeys::list(tx, &person.id)?.is_empty();
        if role.needs_passkey() && person.state == PersonState::Active && !has_passkey {
            let text = format!(
                "{} has no passkey, and every {role} needs one: ask for one to be added first",
                person.name
            );
            return Err(Refusal::new(Kind::Conflict, "passkey-needed", text).into());
        }
        people::of(tenant).set_role(tx, &person.id, role)?;
        sessions::delete_all(tx, &person.id)?;
        let has_come = has_come(tx, person)?;
        if has_come && (decides(person.role) || role == Role::Owner) {
            told.append(tx, tenant)?;
        }
        let reason = Some(logged_roles(&person.id, has_come, &[person.role, role]));
        Ok(store::audit::of(tenant).append(tx, &AuditEntry { reason, ..entry.clone() })?)
    });
    changed.await.map(drop)
}

/// Takes somebody out, with all that he signs in by.
pub async fn remove_person(app: &App, ctx: &Ctx, id: &str) -> Result<(), Error> {
    ctx.principal.permit_act(Act::RemovePerson)?;
    let (entry, now) = (ctx.entry(app, REMOVED), ctx.now);
    let changed = change(app, ctx, id, move |tx, tenant, person, told| {
        permit_loss(tx, tenant, person)?;
        let has_come = has_come(tx, person)?;
        strip(tx, tenant, &person.id, now)?;
        people::of(tenant).set_state(tx, &person.id, PersonState::Removed, Some(now))?;
        if has_come && decides(person.role) {
            told.append(tx, tenant)?;
        }
        let reason = Some(logged_roles(&person.id, has_come, &[person.role]));
        Ok(store::audit::of(tenant).append(tx, &AuditEntry { reason, ..entry.clone() })?)
    });
    changed.await.map(drop)
}

/// Lets somebody who lost his device begin anew: what he signed in by ends with this, and he gets an invitation.
pub async fn reonboard_person(app: &App, ctx: &Ctx, id: &str) -> Result<Invited, Error> {
    ctx.principal.permit_act(Act::Reonboard)?;
    let parsed: PersonId = id.parse().map_err(|_| Refusal::not_found())?;
    let invitation = new_invitation(app, &parsed, InvitationPurpose::Return, ctx.now)?;
    let (row, mail) = (invitation.row.clone(), invitation.mail.clone());
    let (entry, now) = (ctx.entry(app, REONBOARDED), ctx.now);
    let own = ctx.principal.person.clone();
    let changed = change(app, ctx, id, move |tx, tenant, person, told| {
        if own.as_ref().is_some_and(|(own, _)| *own == person.id) {
            let text = "nobody lets himself begin anew: ask another owner";
            return Err(Refusal::new(Kind::Conflict, "own-account", text).into());
        }
        if person.state != PersonState::Active {
            let text = format!("{} has an invitation that is not finished: send that again", person.name);
            return Err(Refusal::new(Kind::Conflict, "not-active", text).into());
        }
        permit_loss(tx, tenant, person)?;
        strip(tx, tenant, &person.id, now)?;
        people::of(tenant).set_state(tx, &person.id, PersonState::Invited, None)?;
        invitations::insert_or_replace(tx, &row)?;
        store::notices::of(tenant).append(tx, &mail)?;
        if decides(person.role) {
            told.append(tx, tenant)?;
        }
        let reason = Some(logged_roles(&person.id, true, &[person.role]));
        Ok(store::audit::of(tenant).append(tx, &AuditEntry { reason, ..entry.clone() })?)
    });
    Ok(invitation.of(changed.await?))
}

/// Does it to somebody, while nobody else changes the team: asked again whether who asks is an owner still.
async fn change(
    app: &App,
    ctx: &Ctx,
    id: &str,
    what: impl Fn(&mut Tx<'_>, &TenantId, &Person, &Told) -> Result<(), Error> + Send + Sync + 'static,
) -> Result<Person, Error> {
    let id: PersonId = id.parse().map_err(|_| Refusal::not_found())?;
    let (tenant, actor) = (ctx.principal.tenant.clone(), ctx.principal.person.clone());
    let told = Told::of(app, ctx.now, &tenant, &id).await?;
    app.db
        .write("change_person", move |tx| {
            people::of(&tenant).lock_all(tx)?;
            permit_owner(tx, &tenant, actor.as_ref())?;
            let person = find_target(tx, &tenant, &id)?;
            what(tx, &tenant, &person, &told)?;
            Ok(person)
        })
        .await
}

/// Whether who asks is an active owner now, with the team locked.
pub(super) fn permit_owner(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    actor: Option<&(PersonId, Role)>,
) -> Result<(), Error> {
    let found = match actor {
        Some((id, _)) => people::of(tenant).find(tx, id)?,
        None => None,
    };
    if found.is_some_and(|person| person.state == PersonState::Active && person.role == Role::Owner) {
        return Ok(());
    }
    Err(Refusal::new(Kind::Forbidden, "role-missing", "you are no longer an owner of this account").into())
}

/// Somebody who was not removed.
pub(super) fn find_target(tx: &mut Tx<'_>, tenant: &TenantId, id: &PersonId) -> Result<Person, Error> {
    let found = people::of(tenant).find(tx, id)?.filter(|person| person.state != PersonState::Removed);
    found.ok_or_else(|| Refusal::not_found().into())
}

/// Whether somebody in this role, on a list or not, stops what is wrong.
fn decides(role: Role) -> bool {
    Act::KeepKey.is_open_to(role)
}

/// Whether somebody ever took up his invitation.
fn has_come(tx: &mut Tx<'_>, person: &Person) -> Result<bool, StoreError> {
    let invitation = invitations::find_of(tx, &person.id)?;
    let is_new = invitation.is_some_and(|invitation| invitation.purpose == InvitationPurpose::Join);
    Ok(person.state == PersonState::Active || !is_new)
}

/// Whether the tenant can do without this person as he is.
fn permit_loss(tx: &mut Tx<'_>, tenant: &TenantId, person: &Person) -> Result<(), Error> {
    let is_owner = person.state == PersonState::Active && person.role == Role::Owner;
    if !is_owner || people::of(tenant).count_other_owners(tx, &person.id)? > 0 {
        return Ok(());
    }
    let text = format!("{} is the only owner who is active: invite another owner first", person.name);
    Err(Refusal::new(Kind::Conflict, "last-owner", text).into())
}

/// Ends all that somebody signs in by.
fn strip(tx: &mut Tx<'_>, tenant: &TenantId, id: &PersonId, now: Timestamp) -> Result<(), StoreError> {
    let people = people::of(tenant);
    people.set_password(tx, id, None)?;
    people.set_totp(tx, id, None)?;
    people.set_failures(tx, id, 0, None)?;
    people::delete_codes(tx, id)?;
    passkeys::set_all_revoked(tx, id, now)?;
    invitations::delete_of(tx, id)?;
    sessions::delete_all(tx, id)
}
