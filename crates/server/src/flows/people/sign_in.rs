//! Signing in: address and password, then the second factor.

use domain::limits::SESSION_IDLE;
use domain::person::{PersonState, Stage, parse_email};
use domain::refusal::Refusal;
use store::people::{self, Known};
use store::sessions::{self, Found};
use store::{StoreError, Tx};

use super::judge_factor::{Factor, Judged, judge};
use super::{
    Arrival, Begun, FailureEntries, admit_try, control, entry_of, insert_session, is_locked, new_session,
    not_signed_in, sign_in_anew,
};
use crate::app::App;
use crate::flows::Error;

/// Judges address and password; what is begun is good for showing the second factor alone.
///
/// An unknown address costs the same work and is answered the same; so is an account that rests after failures, even
/// with the right password.
pub async fn sign_in(app: &App, email: &str, password: &str, arrival: &Arrival) -> Result<Begun, Error> {
    let control = control(app)?;
    admit_try(app, arrival)?;
    let known = find(app, email).await?.filter(|known| known.person.state == PersonState::Active);
    let hash = known.as_ref().and_then(|known| known.secrets.password.as_deref());
    let is_right = control.passwords.is_right(password, hash).await?;
    let Some(known) = known else {
        app.metrics.http.unauthenticated.inc();
        tracing::info!(request_id = arrival.request_id, "somebody unknown tried to sign in");
        return Err(not_signed_in().into());
    };
    let begun = new_session(app, arrival, (&known.tenant_id, &known.person.id), Stage::Password);
    let session = begun.session.clone();
    let failure = FailureEntries::new(app, arrival, &known.person.id, "person.sign_in_failed", "password");
    let now = arrival.now;
    let judged = app.db.write("sign_in", move |tx| {
        let Some(now_known) = people::of(&known.tenant_id).find_locked(tx, &known.person.id)? else {
            return Ok(false);
        };
        // What was looked at is what is there now, and nobody locked it meanwhile.
        if is_locked(&now_known, now) || now_known.person.state != PersonState::Active {
            return Ok(false);
        }
        if !is_right || now_known.secrets.password != known.secrets.password {
            failure.write(tx, &now_known, now)?;
            return Ok(false);
        }
        // Somebody comes in: time to clear away those who are gone.
        sessions::delete_over(tx, now, now - SESSION_IDLE)?;
        sessions::insert(tx, &session)?;
        Ok::<_, StoreError>(true)
    });
    if judged.await? {
        app.rates.signed_in(arrival.address);
        return Ok(begun);
    }
    app.metrics.http.unauthenticated.inc();
    Err(not_signed_in().into())
}

/// Judges the second factor of who gave his password, and signs him in, by another token than before.
pub async fn show_second_factor(
    app: &App,
    half: &Found,
    factor: Factor,
    arrival: &Arrival,
) -> Result<Begun, Error> {
    admit_try(app, arrival)?;
    let judged = judge(app, &half.session, factor, arrival.now).await?;
    let begun = new_session(app, arrival, (&half.tenant.id, &half.person.id), Stage::Whole);
    let signed_in = entry_of(app, arrival, &half.person.id, "person.signed_in", Some(judged.kind()));
    let about = judged.kind();
    let failure = FailureEntries::new(app, arrival, &half.person.id, "person.sign_in_failed", about);
    let (half, session, now) = (half.clone(), begun.session.clone(), arrival.now);
    let outcome = app.db.write("show_second_factor", move |tx| {
        let outcome = settle(tx, &half, &judged, &failure, now)?;
        if outcome == Outcome::Right {
            if !sessions::delete(tx, &half.session.token_hash)? {
                return Ok(Outcome::Over);
            }
            people::of(&half.tenant.id).set_failures(tx, &half.person.id, 0, None)?;
            insert_session(tx, &session)?;
            store::audit::of(&half.tenant.id).append(tx, &signed_in)?;
        }
        Ok::<_, StoreError>(outcome)
    });
    match outcome.await? {
        Outcome::Right => {
            app.rates.signed_in(arrival.address);
            Ok(begun)
        }
        Outcome::Wrong => {
            app.metrics.http.unauthenticated.inc();
            Err(not_signed_in().into())
        }
        Outcome::Over => Err(sign_in_anew().into()),
    }
}

/// How a proof came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It holds, and is used up.
    Right,
    /// It does not, or the account rests.
    Wrong,
    /// The session ended meanwhile.
    Over,
}

/// Uses up a proof of a session's owner, or counts its failure.
pub(super) fn settle(
    tx: &mut Tx<'_>,
    of: &Found,
    judged: &Judged,
    failure: &FailureEntries,
    now: domain::time::Timestamp,
) -> Result<Outcome, StoreError> {
    let Some(known) = people::of(&of.tenant.id).find_locked(tx, &of.person.id)? else {
        return Ok(Outcome::Over);
    };
    if known.person.state != PersonState::Active || sessions::find(tx, &of.session.token_hash)?.is_none() {
        return Ok(Outcome::Over);
    }
    if is_locked(&known, now) {
        return Ok(Outcome::Wrong);
    }
    if judged.use_up(tx, &known)? {
        return Ok(Outcome::Right);
    }
    failure.write(tx, &known, now)?;
    Ok(Outcome::Wrong)
}

async fn find(app: &App, email: &str) -> Result<Option<Known>, Error> {
    // What is no address is looked for like one.
    let email = parse_email(email).unwrap_or_default();
    let found = app.db.read("find_person_by_email", move |rx| people::find_by_email(rx, &email)).await;
    found.map_err(|error: StoreError| error.into())
}

impl From<Outcome> for Result<(), Refusal> {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Right => Ok(()),
            Outcome::Wrong => Err(not_signed_in()),
            Outcome::Over => Err(sign_in_anew()),
        }
    }
}
