//! Somebody takes up his invitation: a password, then a factor, then he is in.

use domain::owners::{JOINED, logged};
use domain::password;
use domain::person::{PersonState, Role, Stage, passkey_counts_from};
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::StoreError;
use store::audit::AuditEntry;
use store::invitations::{self, Found as Invitation};
use store::people;
use store::sessions::{self, Found};

use super::invite_person::invitation_hash;
use super::set_up_factor::{NewFactor, judge_new, new_codes};
use super::tell_owners::Told;
use super::{Arrival, Begun, control, entry_of, insert_session, new_session};
use crate::app::App;
use crate::flows::Error;

/// Somebody is in.
pub struct Joined {
    /// His first session.
    pub begun: Begun,
    /// His recovery codes, shown this once.
    pub codes: Vec<String>,
}

/// The invitation that a link leads to, if it can be taken up.
pub async fn find_invitation(app: &App, token: &str, now: Timestamp) -> Result<Invitation, Error> {
    control(app)?;
    let hash = invitation_hash(app, token);
    let found = app.db.read("find_invitation", move |rx| find(rx, &hash, now)).await;
    found.map_err(|error: StoreError| Error::from(error))?.ok_or_else(|| no_invitation().into())
}

/// Sets the first password; what is begun is good for setting up a factor alone. Until that is done the link can be
/// used again, so that nobody is stuck half-way.
pub async fn accept_invitation(
    app: &App,
    token: &str,
    new_password: &str,
    arrival: &Arrival,
) -> Result<Begun, Error> {
    let found = find_invitation(app, token, arrival.now).await?;
    if let Some(fault) = password::fault(new_password, &found.person.email) {
        return Err(Refusal::field("new_password", fault).into());
    }
    let hash = control(app)?.passwords.hash(new_password, &mut app.chance()).await?;
    let begun = new_session(app, arrival, (&found.tenant_id, &found.person.id), Stage::Onboarding);
    let entry = entry_of(app, arrival, &found.person.id, "person.invitation_taken", None);
    let (session, now) = (begun.session.clone(), arrival.now);
    let written = app.db.write("accept_invitation", move |tx| {
        people::of(&found.tenant_id).find_locked(tx, &found.person.id)?;
        find(tx, &found.invitation.token_hash, now)?.ok_or_else(no_invitation)?;
        people::of(&found.tenant_id).set_password(tx, &found.person.id, Some(&hash))?;
        sessions::delete_all(tx, &found.person.id)?;
        sessions::insert(tx, &session)?;
        Ok::<_, Error>(store::audit::of(&found.tenant_id).append(tx, &entry)?)
    });
    written.await?;
    Ok(begun)
}

/// Sets up the first factor and lets somebody in. Whose role signs needs a passkey.
pub async fn finish_onboarding(
    app: &App,
    of: &Found,
    factor: NewFactor,
    arrival: &Arrival,
) -> Result<Joined, Error> {
    if of.person.role.needs_passkey() && matches!(factor, NewFactor::Totp(_)) {
        let text = format!("every {} signs with a passkey: make one", of.person.role);
        return Err(Refusal::new(Kind::Forbidden, "passkey-needed", text).into());
    }
    let ready = judge_new(app, &of.session, factor, arrival.now).await?;
    let (codes, hashes) = new_codes(app, of);
    let begun = new_session(app, arrival, (&of.tenant.id, &of.person.id), Stage::Whole);
    let (kind, entry) = (ready.kind(), entry_of(app, arrival, &of.person.id, JOINED, None));
    let told = Told::of(app, arrival.now, &of.tenant.id, &of.person.id).await?;
    let (of, session, env, now) = (of.clone(), begun.session.clone(), app.env, arrival.now);
    let written = app.db.write("finish_onboarding", move |tx| {
        let known = people::of(&of.tenant.id).find_locked(tx, &of.person.id)?;
        let known =
            known.filter(|known| known.person.state == PersonState::Invited).ok_or_else(no_invitation)?;
        let invitation = invitations::find_of(tx, &of.person.id)?.filter(|found| now < found.expires_at);
        let invitation = invitation.ok_or_else(no_invitation)?;
        sessions::find(tx, &of.session.token_hash)?.ok_or_else(no_invitation)?;
        ready.write(tx, &known, passkey_counts_from(env, Some(invitation.purpose), now), now)?;
        people::insert_codes(tx, &of.person.id, &hashes, now)?;
        people::of(&of.tenant.id).set_state(tx, &of.person.id, PersonState::Active, None)?;
        invitations::delete_of(tx, &of.person.id)?;
        sessions::delete_all(tx, &of.person.id)?;
        insert_session(tx, &session)?;
        if known.person.role == Role::Owner {
            told.append(tx, &of.tenant.id)?;
        }
        let reason = Some(logged(kind, known.person.role));
        let entry = AuditEntry { reason, ..entry.clone() };
        Ok::<_, Error>(store::audit::of(&of.tenant.id).append(tx, &entry)?)
    });
    written.await?;
    Ok(Joined { begun, codes })
}

fn find(rx: &mut store::Rx<'_>, hash: &[u8; 32], now: Timestamp) -> Result<Option<Invitation>, StoreError> {
    let found = invitations::find(rx, hash)?;
    Ok(found.filter(|found| found.person.state == PersonState::Invited && now < found.invitation.expires_at))
}

/// One answer for a link that is unknown, used, replaced or too old.
fn no_invitation() -> Refusal {
    let text = "This invitation is over: it was used, sent anew, or is older than seven days. Ask whoever invited you to send \
                it again.";
    Refusal::new(Kind::Conflict, "invitation-over", text)
}
