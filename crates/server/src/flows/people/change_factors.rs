//! Somebody changes what he signs in with. Every change ends all of his sessions; this one goes on under a new token.

use domain::ids::PasskeyId;
use domain::owners::{CODES_MADE, FACTOR_ADDED};
use domain::person::{PersonState, Stage, passkey_counts_from};
use domain::refusal::{Kind, Refusal};
use store::Tx;
use store::passkeys;
use store::people::{self, Known};
use store::sessions::{self, Found};

use super::set_up_factor::{NewFactor, judge_new, new_codes};
use super::{Arrival, Begun, entry_of, insert_session, new_session, sign_in_anew};
use crate::app::App;
use crate::flows::Error;

/// Adds a passkey, or sets up an app in the place of the one before.
pub async fn add_factor(app: &App, of: &Found, factor: NewFactor, arrival: &Arrival) -> Result<Begun, Error> {
    let ready = judge_new(app, &of.session, factor, arrival.now).await?;
    let (counts_from, now) = (passkey_counts_from(app.env, None, arrival.now), arrival.now);
    let kind = ready.kind();
    change(app, of, arrival, (FACTOR_ADDED, kind.to_owned()), move |tx, known| {
        ready.write(tx, known, counts_from, now)
    })
    .await
}

/// Revokes a passkey, unless his role needs one and this is the last, or nothing else is left to sign in with.
pub async fn remove_passkey(app: &App, of: &Found, id: &str, arrival: &Arrival) -> Result<Begun, Error> {
    let id: PasskeyId = id.parse().map_err(|_| Refusal::not_found())?;
    let now = arrival.now;
    change(app, of, arrival, ("person.factor_removed", id.to_string()), move |tx, known| {
        if !passkeys::set_revoked(tx, &known.person.id, &id, now)? {
            return Err(Refusal::not_found().into());
        }
        let has_passkey = !passkeys::list(tx, &known.person.id)?.is_empty();
        if !has_passkey && (known.person.role.needs_passkey() || known.secrets.totp_sealed.is_none()) {
            return Err(last_factor().into());
        }
        Ok(())
    })
    .await
}

/// Forgets the app, unless nothing else is left to sign in with.
pub async fn remove_totp(app: &App, of: &Found, arrival: &Arrival) -> Result<Begun, Error> {
    change(app, of, arrival, ("person.factor_removed", "totp".to_owned()), move |tx, known| {
        if known.secrets.totp_sealed.is_none() {
            return Err(Refusal::not_found().into());
        }
        if passkeys::list(tx, &known.person.id)?.is_empty() {
            return Err(last_factor().into());
        }
        Ok(people::of(&known.tenant_id).set_totp(tx, &known.person.id, None)?)
    })
    .await
}

/// Makes new recovery codes in the place of all there were: as they are shown, this once.
pub async fn make_recovery_codes(
    app: &App,
    of: &Found,
    arrival: &Arrival,
) -> Result<(Begun, Vec<String>), Error> {
    let (shown, hashes) = new_codes(app, of);
    let now = arrival.now;
    let about = (CODES_MADE, shown.len().to_string());
    let begun = change(app, of, arrival, about, move |tx, known| {
        Ok(people::insert_codes(tx, &known.person.id, &hashes, now)?)
    });
    Ok((begun.await?, shown))
}

/// Does it for a person whose row is locked, ends all of his sessions, and begins a new one.
async fn change(
    app: &App,
    of: &Found,
    arrival: &Arrival,
    (action, about): (&str, String),
    what: impl Fn(&mut Tx<'_>, &Known) -> Result<(), Error> + Send + Sync + 'static,
) -> Result<Begun, Error> {
    let begun = new_session(app, arrival, (&of.tenant.id, &of.person.id), Stage::Whole);
    let entry = entry_of(app, arrival, &of.person.id, action, Some(&about));
    let (of, session) = (of.clone(), begun.session.clone());
    let changed = app.db.write("change_factors", move |tx| {
        let known = find_alive(tx, &of)?;
        what(tx, &known)?;
        sessions::delete_all(tx, &of.person.id)?;
        insert_session(tx, &session)?;
        Ok::<_, Error>(store::audit::of(&of.tenant.id).append(tx, &entry)?)
    });
    changed.await?;
    Ok(begun)
}

/// The session's owner, whose row is locked from here on, if both are still there.
pub(super) fn find_alive(tx: &mut Tx<'_>, of: &Found) -> Result<Known, Error> {
    let known = people::of(&of.tenant.id).find_locked(tx, &of.person.id)?;
    let known = known.filter(|known| known.person.state == PersonState::Active).ok_or_else(sign_in_anew)?;
    sessions::find(tx, &of.session.token_hash)?.ok_or_else(sign_in_anew)?;
    Ok(known)
}

fn last_factor() -> Refusal {
    let text = "Without this one you could no longer sign in, or no longer sign what your role signs. Add another first.";
    Refusal::new(Kind::Conflict, "last-factor", text)
}
