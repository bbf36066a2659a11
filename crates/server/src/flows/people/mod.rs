//! What people do about themselves and one another: signing in, their factors, and who is in the team.

mod admit_visitor;
mod ask_for_factor;
mod change_factors;
mod change_password;
mod change_person;
mod invite_person;
mod judge_factor;
mod list_people;
mod prove;
mod set_up_factor;
mod sign_in;
mod sign_out;
mod take_invitation;
mod tell_owners;

pub use admit_visitor::{admit_visitor, find_session};
pub use ask_for_factor::{Ways, ask_for_factor};
pub use change_factors::{add_factor, make_recovery_codes, remove_passkey, remove_totp};
pub use change_password::change_password;
pub use change_person::{change_role, remove_person, reonboard_person};
pub use invite_person::{Invited, Invitee, invite_owner, invite_person, resend_invitation};
pub use judge_factor::Factor;
pub use list_people::{Account, Teammate, list_team, read_account, read_teammate};
pub use prove::prove;
pub use set_up_factor::{NewFactor, Setup, ask_to_set_up};
pub use sign_in::{show_second_factor, sign_in};
pub use sign_out::{end_session, sign_out};
pub use take_invitation::{accept_invitation, find_invitation, finish_onboarding};

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::audit::{ActorType, Outcome, hex};
use domain::entropy::Entropy as _;
use domain::ids::{PersonId, SessionId, TenantId};
use domain::limits::{SESSION_LIFE, SESSION_UNFINISHED_LIFE, SESSIONS_PER_PERSON_MAX};
use domain::person::{Stage, after_failure};
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::audit::AuditEntry;
use store::people::{self, Known};
use store::seal::Place;
use store::sessions::{self, Session, TokenHash};
use store::{StoreError, Tx};

use super::{Error, entry};
use crate::app::App;
use crate::control::Control;

/// Bytes of chance in a token.
const TOKEN_BYTES: usize = 32;

/// Somebody who is not signed in, or not wholly, and does something.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// When.
    pub now: Timestamp,
    /// In which call.
    pub request_id: String,
    /// From where.
    pub address: IpAddr,
    /// What his browser calls itself.
    pub agent: String,
}

/// A session that was begun: the text of its token exists in this and nowhere else.
pub struct Begun {
    /// For the cookie.
    pub token: String,
    /// The session.
    pub session: Session,
}

/// Control, where there is one.
pub fn control(app: &App) -> Result<&Control, Error> {
    app.control.as_ref().ok_or_else(|| Refusal::no_such_path().into())
}

/// What is kept of a session's token.
pub fn token_hash(app: &App, token: &str) -> TokenHash {
    app.keys.person_hash(&[b"session", token.as_bytes()])
}

/// A token of chance, as text.
fn new_token(app: &App) -> String {
    URL_SAFE_NO_PAD.encode(app.chance().bytes::<TOKEN_BYTES>())
}

/// A session that is still to be written.
fn new_session(app: &App, arrival: &Arrival, of: (&TenantId, &PersonId), stage: Stage) -> Begun {
    let (now, token) = (arrival.now, new_token(app));
    let life = if stage == Stage::Whole { SESSION_LIFE } else { SESSION_UNFINISHED_LIFE };
    let session = Session {
        token_hash: token_hash(app, &token),
        id: SessionId::new(now, &mut app.chance()),
        tenant_id: of.0.clone(),
        person_id: of.1.clone(),
        stage,
        csrf: new_token(app),
        agent: arrival.agent.clone(),
        created_at: now,
        seen_at: now,
        expires_at: now + life,
        // Whoever has just signed in has just proved who he is.
        proven_at: (stage == Stage::Whole).then_some(now),
    };
    Begun { token, session }
}

/// Writes a new session; where a person has too many, his oldest ends.
fn insert_session(tx: &mut Tx<'_>, session: &Session) -> Result<(), StoreError> {
    let mut open = sessions::list(tx, &session.person_id)?;
    let over = (open.len() + 1).saturating_sub(SESSIONS_PER_PERSON_MAX);
    for old in open.drain(..over) {
        sessions::delete(tx, &old.token_hash)?;
    }
    sessions::insert(tx, session)
}

/// An audit entry of a person's act; `about` says whom it concerns, or how it was done.
fn entry_of(
    app: &App,
    arrival: &Arrival,
    person: &PersonId,
    action: &str,
    about: Option<&str>,
) -> AuditEntry {
    let actor = (ActorType::Person, person.as_str());
    let entry = entry(&app.minter, arrival.now, actor, action, &arrival.request_id);
    AuditEntry { reason: about.map(str::to_owned), ..entry }
}

/// The entries of a failure: of itself, and of the lock that it may bring.
struct FailureEntries {
    failed: AuditEntry,
    locked: AuditEntry,
}

impl FailureEntries {
    fn new(app: &App, arrival: &Arrival, person: &PersonId, action: &str, about: &str) -> Self {
        let failed = entry_of(app, arrival, person, action, Some(about));
        let locked = entry_of(app, arrival, person, "person.locked", None);
        Self { failed: AuditEntry { result: Outcome::Failed.to_string(), ..failed }, locked }
    }

    /// Counts the failure of a person whose row is locked.
    fn write(&self, tx: &mut Tx<'_>, known: &Known, now: Timestamp) -> Result<(), StoreError> {
        let (failures, locked_until) = after_failure(known.secrets.failures, now);
        people::of(&known.tenant_id).set_failures(tx, &known.person.id, failures, locked_until)?;
        let log = store::audit::of(&known.tenant_id);
        log.append(tx, &self.failed)?;
        if locked_until.is_some() { log.append(tx, &self.locked) } else { Ok(()) }
    }
}

/// Whether nobody may sign in to this account just now.
fn is_locked(known: &Known, now: Timestamp) -> bool {
    known.secrets.locked_until.is_some_and(|until| now < until)
}

/// One answer, whatever was wrong: unknown address, wrong password or proof, an account that rests.
fn not_signed_in() -> Refusal {
    let text = "That is not right. After five tries that were not, nobody is let in for 15 minutes, not even with what is \
                right: then wait, and try again.";
    Refusal::new(Kind::Unauthenticated, "sign-in-failed", text)
}

/// What is needed is signing in from the beginning.
fn sign_in_anew() -> Refusal {
    let text = "This signing-in is over. Begin again with your address and password.";
    Refusal::new(Kind::Unauthenticated, "session-over", text)
}

/// Counts a try from this address, and refuses one too many before it is judged.
fn admit_try(app: &App, arrival: &Arrival) -> Result<(), Error> {
    let standing = app.rates.sign_in(arrival.address, arrival.now);
    if standing.is_admitted {
        return Ok(());
    }
    app.metrics.http.rate_limited.inc();
    let text = "Too many tries that were not right came from your network. Wait a minute, and try again.";
    Err(Refusal::new(Kind::TooMany, "sign-in-limit", text).retry_after(standing.retry_after_s).into())
}

/// Where the secret of somebody's codes is sealed.
fn totp_place(person: &PersonId) -> Place<'_> {
    Place { table: "people", row: person.as_str(), column: "totp_sealed" }
}

/// Seals the state of a ceremony to its session.
fn seal_ceremony(app: &App, session: &TokenHash, state: &[u8]) -> Result<Vec<u8>, Error> {
    let row = hex(session);
    Ok(app.keys.seal(Place { table: "ceremonies", row: &row, column: "sealed" }, state)?)
}

/// Opens it again.
fn open_ceremony(app: &App, session: &TokenHash, sealed: &[u8]) -> Result<Vec<u8>, Error> {
    let row = hex(session);
    Ok(app.keys.open(Place { table: "ceremonies", row: &row, column: "sealed" }, sealed)?)
}

/// What is kept of a person's recovery code: of its letters and digits, however he types it.
fn recovery_code_hash(app: &App, person: &PersonId, code: &str) -> [u8; 32] {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_uppercase();
    app.keys.person_hash(&[b"recovery code", person.as_str().as_bytes(), plain.as_bytes()])
}
