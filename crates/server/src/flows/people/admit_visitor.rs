//! Finds who is behind a session's token.

use domain::limits::{SESSION_IDLE, SESSION_SEEN_EVERY};
use domain::person::{PersonState, Stage};
use domain::time::Timestamp;
use store::StoreError;
use store::sessions::{self, Found};

use super::token_hash;
use crate::app::App;
use crate::flows::Error;

/// The session of this token at this stage, if it is not over and its owner is still one of the tenant's.
pub async fn find_session(
    app: &App,
    token: &str,
    stages: &[Stage],
    now: Timestamp,
) -> Result<Option<Found>, Error> {
    let hash = token_hash(app, token);
    let found = app.db.read("find_session", move |rx| sessions::find(rx, &hash)).await;
    let found = found.map_err(|error: StoreError| Error::from(error))?;
    Ok(found.filter(|found| stages.contains(&found.session.stage) && is_alive(found, now)))
}

/// The same for one who is signed in; writes that he was here.
pub async fn admit_visitor(app: &App, token: &str, now: Timestamp) -> Result<Option<Found>, Error> {
    let Some(found) = find_session(app, token, &[Stage::Whole], now).await? else { return Ok(None) };
    if now >= found.session.seen_at + SESSION_SEEN_EVERY {
        let hash = found.session.token_hash;
        let seen = app.db.write("see_session", move |tx| sessions::set_seen(tx, &hash, now));
        seen.await.map_err(|error: StoreError| Error::from(error))?;
    }
    Ok(Some(found))
}

fn is_alive(found: &Found, now: Timestamp) -> bool {
    let session = &found.session;
    let state = if session.stage == Stage::Onboarding { PersonState::Invited } else { PersonState::Active };
    found.person.state == state && now < session.expires_at && now < session.seen_at + SESSION_IDLE
}
