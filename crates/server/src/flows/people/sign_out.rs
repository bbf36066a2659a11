//! Ends sessions.

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
