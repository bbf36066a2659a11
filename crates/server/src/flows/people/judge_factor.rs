//! Judges a second factor. What is slow is done outside any transaction; that it counts once is decided within one.

use domain::person::Purpose;
use domain::time::Timestamp;
use store::people::{self, Known};
use store::sessions::Session;
use store::{StoreError, Tx, ceremonies, passkeys};

use super::{control, open_ceremony, totp_place};
use crate::app::App;
use crate::edge::totp;
use crate::flows::Error;

/// A proof beside the password, as it was sent.
pub enum Factor {
    /// The browser's answer for a passkey, JSON, and what it was asked for.
    Passkey(String, Purpose),
    /// A code of an app.
    Totp(String),
    /// A recovery code.
    RecoveryCode(String),
}

/// A proof that was looked at, and is still to be used up.
pub(super) enum Judged {
    /// A passkey was shown: its id at the authenticator, and what the library keeps of it from now on.
    Passkey(Vec<u8>, String),
    /// The code is right for this time step, by this sealed secret.
    Totp(i64, Vec<u8>),
    /// The hash of a recovery code, right or not.
    RecoveryCode([u8; 32]),
    /// It is not right, of whichever kind.
    Wrong(&'static str),
}

impl Judged {
    /// What the log calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Passkey(..) => "passkey",
            Self::Totp(..) => "totp",
            Self::RecoveryCode(_) => "recovery-code",
            Self::Wrong(kind) => kind,
        }
    }

    /// Uses it up; false when it is not right, or was used before. The person's row is locked.
    pub(super) fn use_up(&self, tx: &mut Tx<'_>, known: &Known) -> Result<bool, StoreError> {
        let id = &known.person.id;
        match self {
            Self::Passkey(credential_id, data) => passkeys::set_data(tx, id, credential_id, data),
            Self::Totp(step, sealed) if known.secrets.totp_sealed.as_ref() == Some(sealed) => {
                people::of(&known.tenant_id).set_totp_step(tx, id, *step)
            }
            Self::RecoveryCode(hash) => people::delete_code(tx, id, hash),
            Self::Totp(..) | Self::Wrong(_) => Ok(false),
        }
    }
}

/// Judges a proof of a session's owner.
pub(super) async fn judge(
    app: &App,
    session: &Session,
    factor: Factor,
    now: Timestamp,
) -> Result<Judged, Error> {
    match factor {
        Factor::Passkey(answer, purpose) => judge_passkey(app, session, &answer, purpose, now).await,
        Factor::Totp(code) => judge_totp(app, session, &code, now).await,
        Factor::RecoveryCode(code) => Ok(Judged::RecoveryCode(code_hash(app, session, &code))),
    }
}

async fn judge_passkey(
    app: &App,
    session: &Session,
    answer: &str,
    purpose: Purpose,
    now: Timestamp,
) -> Result<Judged, Error> {
    let (hash, person) = (session.token_hash, session.person_id.clone());
    let claimed = app.db.write("claim_ceremony", move |tx| {
        Ok::<_, StoreError>((ceremonies::claim(tx, &hash, purpose, now)?, passkeys::list(tx, &person)?))
    });
    let (sealed, known) = claimed.await?;
    let Some(sealed) = sealed else { return Ok(Judged::Wrong("passkey")) };
    let state = open_ceremony(app, &session.token_hash, &sealed)?;
    let known: Vec<&str> = known.iter().map(|passkey| passkey.data.as_str()).collect();
    match control(app)?.passkeys.judge_shown(answer, &state, &known) {
        Ok(shown) => Ok(Judged::Passkey(shown.credential_id, shown.data)),
        Err(error) => {
            tracing::info!(%error, "a passkey was not accepted");
            Ok(Judged::Wrong("passkey"))
        }
    }
}

async fn judge_totp(app: &App, session: &Session, code: &str, now: Timestamp) -> Result<Judged, Error> {
    let (tenant, person) = (session.tenant_id.clone(), session.person_id.clone());
    let known = app.db.read("find_person", move |rx| people::of(&tenant).find_known(rx, &person)).await;
    let known = known.map_err(|error: StoreError| Error::from(error))?;
    let Some(sealed) = known.and_then(|known| known.secrets.totp_sealed) else {
        return Ok(Judged::Wrong("totp"));
    };
    let secret = app.keys.open(totp_place(&session.person_id), &sealed)?;
    Ok(totp::step_of(&secret, code, now).map_or(Judged::Wrong("totp"), |step| Judged::Totp(step, sealed)))
}

/// What is kept of a person's recovery code, however he types it.
fn code_hash(app: &App, session: &Session, code: &str) -> [u8; 32] {
    super::recovery_code_hash(app, &session.person_id, code)
}
