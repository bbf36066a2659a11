//! What a page needs to ask somebody for a proof of who he is.

use domain::limits::CEREMONY_LIFE;
use domain::person::Purpose;
use domain::time::Timestamp;
use store::people;
use store::sessions::Found;
use store::{StoreError, ceremonies, passkeys};

use super::{control, seal_ceremony};
use crate::app::App;
use crate::flows::Error;

/// By what somebody can prove who he is.
pub struct Ways {
    /// What the browser is asked for, JSON; none: he has no passkey.
    pub passkey: Option<String>,
    /// Whether he has an app that makes codes.
    pub has_totp: bool,
    /// How many recovery codes are left.
    pub recovery_codes: i64,
}

/// Asks for a proof of this session's owner, and keeps what is needed to judge it: once, and for minutes.
pub async fn ask_for_factor(app: &App, of: &Found, purpose: Purpose, now: Timestamp) -> Result<Ways, Error> {
    let (tenant, person) = (of.tenant.id.clone(), of.person.id.clone());
    let read = app.db.read("list_factors", move |rx| {
        let known = people::of(&tenant).find_known(rx, &person)?;
        let has_totp = known.is_some_and(|known| known.secrets.totp_sealed.is_some());
        Ok::<_, StoreError>((passkeys::list(rx, &person)?, has_totp, people::count_codes(rx, &person)?))
    });
    let (known, has_totp, recovery_codes) = read.await?;
    if known.is_empty() {
        return Ok(Ways { passkey: None, has_totp, recovery_codes });
    }
    let known: Vec<&str> = known.iter().map(|passkey| passkey.data.as_str()).collect();
    let asked = control(app)?.passkeys.ask_to_show(&known).map_err(Error::passkey)?;
    let sealed = seal_ceremony(app, &of.session.token_hash, &asked.state)?;
    let hash = of.session.token_hash;
    let kept = app.db.write("keep_ceremony", move |tx| {
        ceremonies::insert_or_replace(tx, &hash, purpose, &sealed, now + CEREMONY_LIFE)
    });
    kept.await.map_err(|error: StoreError| Error::from(error))?;
    Ok(Ways { passkey: Some(asked.options), has_totp, recovery_codes })
}
