//! Somebody changes his password, with the one before.

use domain::owners::PASSWORD_CHANGED;
use domain::password;
use domain::person::Stage;
use domain::refusal::Refusal;
use store::people;
use store::sessions::{self, Found};

use super::change_factors::find_alive;
use super::{
    Arrival, Begun, FailureEntries, admit_try, control, entry_of, insert_session, is_locked, new_session,
    not_signed_in,
};
use crate::app::App;
use crate::flows::Error;

/// Sets a new password where the current one is right; all sessions end, and this one goes on under a new token.
pub async fn change_password(
    app: &App,
    of: &Found,
    current: &str,
    new: &str,
    arrival: &Arrival,
) -> Result<Begun, Error> {
    if let Some(fault) = password::fault(new, &of.person.email) {
        return Err(Refusal::field("new_password", fault).into());
    }
    admit_try(app, arrival)?;
    let passwords = &control(app)?.passwords;
    let (tenant, person) = (of.tenant.id.clone(), of.person.id.clone());
    let known = app.db.read("find_person", move |rx| people::of(&tenant).find_known(rx, &person)).await;
    let known = known.map_err(|error: store::StoreError| Error::from(error))?;
    let before = known.and_then(|known| known.secrets.password);
    let is_right = passwords.is_right(current, before.as_deref()).await?;
    let hash = passwords.hash(new, &mut app.chance()).await?;
    let begun = new_session(app, arrival, (&of.tenant.id, &of.person.id), Stage::Whole);
    let failure = FailureEntries::new(app, arrival, &of.person.id, "person.proof_failed", "password");
    let changed = entry_of(app, arrival, &of.person.id, PASSWORD_CHANGED, None);
    let (of, session, now) = (of.clone(), begun.session.clone(), arrival.now);
    let done = app.db.write("change_password", move |tx| {
        let known = find_alive(tx, &of)?;
        if is_locked(&known, now) {
            return Ok(false);
        }
        if !is_right || known.secrets.password != before {
            failure.write(tx, &known, now)?;
            return Ok(false);
        }
        let people = people::of(&of.tenant.id);
        people.set_password(tx, &of.person.id, Some(&hash))?;
        people.set_failures(tx, &of.person.id, 0, None)?;
        sessions::delete_all(tx, &of.person.id)?;
        insert_session(tx, &session)?;
        store::audit::of(&of.tenant.id).append(tx, &changed)?;
        Ok::<_, Error>(true)
    });
    if !done.await? {
        return Err(not_signed_in().into());
    }
    app.rates.signed_in(arrival.address);
    Ok(begun)
}
