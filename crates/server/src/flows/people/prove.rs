//! A fresh proof of who one is, before what is dangerous.

use store::StoreError;
use store::sessions::{self, Found};

use super::judge_factor::{Factor, judge};
use super::sign_in::{Outcome, settle};
use super::{Arrival, FailureEntries, admit_try, entry_of};
use crate::app::App;
use crate::flows::Error;

/// Judges a proof of somebody who is signed in; for a while dangerous acts of this session then need no other.
pub async fn prove(app: &App, of: &Found, factor: Factor, arrival: &Arrival) -> Result<(), Error> {
    admit_try(app, arrival)?;
    let judged = judge(app, &of.session, factor, arrival.now).await?;
    let proved = entry_of(app, arrival, &of.person.id, "person.proved", Some(judged.kind()));
    let failure = FailureEntries::new(app, arrival, &of.person.id, "person.proof_failed", judged.kind());
    let (of, now) = (of.clone(), arrival.now);
    let outcome = app.db.write("prove", move |tx| {
        let outcome = settle(tx, &of, &judged, &failure, now)?;
        if outcome == Outcome::Right {
            sessions::set_proven(tx, &of.session.token_hash, now)?;
            store::audit::of(&of.tenant.id).append(tx, &proved)?;
        }
        Ok::<_, StoreError>(outcome)
    });
    let outcome = outcome.await?;
    if outcome == Outcome::Right {
        app.rates.signed_in(arrival.address);
    }
    Ok(<Result<(), _>>::from(outcome)?)
}
