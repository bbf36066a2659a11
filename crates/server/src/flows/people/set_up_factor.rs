//! A new factor: asked for, judged, and ready to be written by whichever flow sets it up.

use domain::entropy::Entropy as _;
use domain::ids::PasskeyId;
use domain::limits::{CEREMONY_LIFE, PASSKEYS_PER_PERSON_MAX, RECOVERY_CODES};
use domain::person::Purpose;
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::passkeys::{self, Passkey};
use store::people::{self, Known};
use store::sessions::{Found, Session};
use store::{StoreError, Tx, ceremonies};

use super::{control, open_ceremony, recovery_code_hash, seal_ceremony, totp_place};
use crate::app::App;
use crate::edge::passkeys::Made;
use crate::edge::totp;
use crate::flows::Error;

/// What a page needs to set one up.
pub struct Setup {
    /// What the browser is asked for, JSON.
    pub passkey: String,
    /// The secret that an app is to hold, base32.
    pub secret: String,
    /// The same as the app scans it.
    pub address: String,
}

/// A new factor, as it was sent.
pub enum NewFactor {
    /// The browser's answer, JSON, and the person's label for it.
    Passkey(String, String),
    /// The code that the app shows now.
    Totp(String),
}

/// A new factor that holds, and is still to be written.
pub(super) enum Ready {
    /// A passkey: what was made, and its label.
    Passkey(PasskeyId, Box<Made>, String),
    /// An app: the sealed secret, and the step of the code that was shown.
    Totp(Vec<u8>, i64),
}

/// Asks for a new factor of this session's owner, of either kind. The app's secret stays the same while its ceremony
/// lives, so that a page that is loaded anew still fits what was scanned.
pub async fn ask_to_set_up(app: &App, of: &Found, now: Timestamp) -> Result<Setup, Error> {
    let (hash, person) = (of.session.token_hash, of.person.id.clone());
    let claimed = app.db.write("claim_ceremony", move |tx| {
        Ok::<_, StoreError>((ceremonies::claim(tx, &hash, Purpose::Totp, now)?, passkeys::list(tx, &person)?))
    });
    let (kept, known) = claimed.await?;
    let secret = match kept {
        Some(sealed) => open_ceremony(app, &hash, &sealed)?,
        None => totp::new_secret(&mut app.chance()).to_vec(),
    };
    let known: Vec<_> = known.into_iter().map(|passkey| passkey.credential_id).collect();
    let person = &of.person;
    let asked = control(app)?.passkeys.ask_to_make(&person.id, &person.email, &person.name, &known);
    let asked = asked.map_err(Error::passkey)?;
    let states = [(Purpose::Register, &asked.state), (Purpose::Totp, &secret)];
    let sealed = states.map(|(purpose, state)| Ok((purpose, seal_ceremony(app, &hash, state)?)));
    let sealed = sealed.into_iter().collect::<Result<Vec<_>, Error>>()?;
    let kept = app.db.write("keep_ceremonies", move |tx| {
        sealed.iter().try_for_each(|(purpose, sealed)| {
            ceremonies::insert_or_replace(tx, &hash, *purpose, sealed, now + CEREMONY_LIFE)
        })
    });
    kept.await.map_err(|error: StoreError| Error::from(error))?;
    let (base32, address) = (totp::base32(&secret), totp::address(&secret, &person.email));
    Ok(Setup { passkey: asked.options, secret: base32, address })
}

/// Judges a new factor of this session's owner, against what was asked for.
pub(super) async fn judge_new(
    app: &App,
    session: &Session,
    factor: NewFactor,
    now: Timestamp,
) -> Result<Ready, Error> {
    let purpose = match &factor {
        NewFactor::Passkey(..) => Purpose::Register,
        NewFactor::Totp(_) => Purpose::Totp,
    };
    let hash = session.token_hash;
    let claimed = app.db.write("claim_ceremony", move |tx| ceremonies::claim(tx, &hash, purpose, now)).await;
    let sealed = claimed.map_err(|error: StoreError| Error::from(error))?;
    let over = || {
        Refusal::new(
            Kind::Conflict,
            "setup-over",
            "This took too long, or was sent twice. Begin this step again.",
        )
    };
    let state = open_ceremony(app, &hash, &sealed.ok_or_else(over)?)?;
    match factor {
        NewFactor::Passkey(answer, name) => {
            let made = control(app)?.passkeys.judge_made(&answer, &state).map_err(|error| {
                tracing::info!(%error, "a new passkey was not accepted");
                let text = "The passkey was not accepted. It must be one that asks for your PIN, fingerprint or face. Try \
                            again, or use another device or security key.";
                Refusal::new(Kind::Invalid, "passkey-refused", text)
            })?;
            Ok(Ready::Passkey(PasskeyId::new(now, &mut app.chance()), Box::new(made), label(&name)))
        }
        NewFactor::Totp(code) => {
            let Some(step) = totp::step_of(&state, &code, now) else {
                keep_secret(app, session, &state, now).await?;
                let text = "is not the one that the app shows now: type the six digits as they stand, and look whether your \
                            phone's clock is right";
                return Err(Refusal::field("code", text).into());
            };
            Ok(Ready::Totp(app.keys.seal(totp_place(&session.person_id), &state)?, step))
        }
    }
}

/// Puts the secret back, for another try at its first code.
async fn keep_secret(app: &App, session: &Session, secret: &[u8], now: Timestamp) -> Result<(), Error> {
    let (hash, sealed) = (session.token_hash, seal_ceremony(app, &session.token_hash, secret)?);
    let kept = app.db.write("keep_ceremony", move |tx| {
        ceremonies::insert_or_replace(tx, &hash, Purpose::Totp, &sealed, now + CEREMONY_LIFE)
    });
    kept.await.map_err(|error: StoreError| error.into())
}

impl Ready {
    /// What the log calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Passkey(..) => "passkey",
            Self::Totp(..) => "totp",
        }
    }

    /// Writes it for a person whose row is locked.
    pub(super) fn write(
        &self,
        tx: &mut Tx<'_>,
        known: &Known,
        counts_from: Timestamp,
        now: Timestamp,
    ) -> Result<(), Error> {
        let id = &known.person.id;
        match self {
            Self::Totp(sealed, step) => {
                Ok(people::of(&known.tenant_id).set_totp(tx, id, Some((sealed.as_slice(), *step)))?)
            }
            Self::Passkey(passkey_id, made, name) => {
                if passkeys::list(tx, id)?.len() >= PASSKEYS_PER_PERSON_MAX {
                    let text = format!(
                        "{PASSKEYS_PER_PERSON_MAX} passkeys are the most. Remove one that you no longer use."
                    );
                    return Err(Refusal::new(Kind::Conflict, "too-many-passkeys", text).into());
                }
                let passkey = Passkey {
                    id: passkey_id.clone(),
                    person_id: id.clone(),
                    credential_id: made.credential_id.clone(),
                    data: made.data.clone(),
                    point: made.point,
                    name: name.clone(),
                    counts_from,
                    created_at: now,
                    revoked_at: None,
                };
                if passkeys::insert(tx, &passkey)? {
                    return Ok(());
                }
                let text = "This passkey is known already. Make a new one.";
                Err(Refusal::new(Kind::Conflict, "passkey-known", text).into())
            }
        }
    }
}

/// New recovery codes: as they are shown, this once, and what is kept of them.
pub(super) fn new_codes(app: &App, of: &Found) -> (Vec<String>, Vec<[u8; 32]>) {
    let mut shown = Vec::new();
    for _ in 0..RECOVERY_CODES {
        let letters = totp::base32(&app.chance().bytes::<10>());
        let groups = letters.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into_owned());
        shown.push(groups.collect::<Vec<_>>().join("-"));
    }
    let hashes = shown.iter().map(|code| recovery_code_hash(app, &of.person.id, code)).collect();
    (shown, hashes)
}

/// A passkey's label; one of ours where none was given.
fn label(text: &str) -> String {
    let text: String = text.trim().chars().filter(|c| !c.is_control()).take(60).collect();
    if text.is_empty() { "Passkey".to_owned() } else { text }
}
