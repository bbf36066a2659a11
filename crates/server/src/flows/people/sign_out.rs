//! Ends sessions.

use domain::ids::SessionId;
use domain::refusal::Refusal;
use store::StoreError;
use store::sessions::{self, Found};

use super::{Arrival, entry_of};
use crate::app::App;
use crate::flows::Error;

/// Ends this session.
pub async fn sign_out(app: &App, of: &Found, arrival: &Arrival) -> Result<(), Error> {
    let entry = entry_of(app, arrival, &of.person.id, "person.signed_out", None);
    let of = of.clone();
    let ended = app.db.write("sign_out", move |tx| {
        if sessions::delete(tx, &of.session.token_hash)? {
            store::audit::of(&of.tenant.id).append(tx, &entry)?;
        }
        Ok(())
    });
    ended.await.map_err(|error: StoreError| error.into())
}

/// Ends one of somebody's own sessions, by its id.
pub async fn end_session(app: &App, of: &Found, id: &str, arrival: &Arrival) -> Result<(), Error> {
    let id: SessionId = id.parse().map_err(|_| Refusal::not_found())?;
    let entry = entry_of(app, arrival, &of.person.id, "person.session_ended", Some(id.as_str()));
    let of = of.clone();
    app.db
        .write("end_session", move |tx| {
            if !sessions::delete_one(tx, &of.person.id, &id)? {
                return Err(Refusal::not_found().into());
            }
            Ok(store::audit::of(&of.tenant.id).append(tx, &entry)?)
        })
        .await
}
