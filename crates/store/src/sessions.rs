//! Who is signed in. A session is found by the keyed hash of its token, which finds the tenant, as a credential's does.

use domain::ids::{PersonId, SessionId, TenantId};
use domain::person::Stage;
use domain::time::Timestamp;

use crate::people::Person;
use crate::sql::Sql;
use crate::tenants::Tenant;
use crate::{Cells, FromRow, Rx, StoreError, Tx};

/// The keyed hash of a session's token.
pub type TokenHash = [u8; 32];

row! {
    /// A session.
    #[derive(Debug)]
    pub struct Session {
        /// The keyed hash of its token.
        pub token_hash: TokenHash,
        /// What its owner ends it by.
        pub id: SessionId,
        /// Whose it is: the tenant,
        pub tenant_id: TenantId,
        /// and the person.
        pub person_id: PersonId,
        /// How far it has come.
        pub stage: Stage,
        /// What each of its forms carries.
        pub csrf: String,
        /// What the browser called itself.
        pub agent: String,
        /// When it began.
        pub created_at: Timestamp,
        /// When it was last used, give or take a minute.
        pub seen_at: Timestamp,
        /// When it ends at the latest.
        pub expires_at: Timestamp,
        /// When its owner last proved who he is.
        pub proven_at: Option<Timestamp>,
    }
}

/// A session with whose it is.
#[derive(Clone, Debug)]
pub struct Found {
    /// The session.
    pub session: Session,
    /// The person.
    pub person: Person,
    /// The tenant.
    pub tenant: Tenant,
}

/// Read one after the other, under names that do not collide.
impl FromRow for Found {
    fn read(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            session: Session::read(cells)?,
            person: Person::read(cells)?,
            tenant: Tenant::read(cells)?,
        })
    }
}

macro_rules! columns {
    ($s:literal) => {
        concat!(
            $s,
            "token_hash, ",
            $s,
            "id, ",
            $s,
            "tenant_id, ",
            $s,
            "person_id, ",
            $s,
            "stage, ",
            $s,
            "csrf, ",
            $s,
            "agent, ",
            $s,
            "created_at, ",
            $s,
            "seen_at, ",
            $s,
            "expires_at, ",
            $s,
            "proven_at"
        )
    };
}

static INSERT: Sql = sql!(
    "sessions.insert",
    "INSERT INTO sessions (",
    columns!(""),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
);
static FIND: Sql = sql!(
    "sessions.find",
    "SELECT ",
    columns!("s."),
    ", p.id, p.email, p.name, p.role, p.state, p.created_at, p.removed_at, t.id, t.name, t.kind, t.created_at ",
    "FROM sessions s JOIN people p ON p.id = s.person_id JOIN tenants t ON t.id = s.tenant_id ",
    "WHERE s.token_hash = $1"
);
static LIST: Sql = sql!(
    "sessions.list",
    "SELECT ",
    columns!(""),
    " FROM sessions WHERE person_id = $1 AND stage = 'whole' ORDER BY created_at, id"
);
static SET_SEEN: Sql =
    sql!("sessions.set_seen", "UPDATE sessions SET seen_at = $2 WHERE token_hash = $1 AND seen_at < $2");
static SET_PROVEN: Sql = sql!(
    "sessions.set_proven",
    "UPDATE sessions SET proven_at = $2 WHERE token_hash = $1 AND stage = 'whole'"
);
static DELETE: Sql = sql!("sessions.delete", "DELETE FROM sessions WHERE token_hash = $1");
static DELETE_ONE: Sql = sql!("sessions.delete_one", "DELETE FROM sessions WHERE person_id = $1 AND id = $2");
static DELETE_ALL: Sql = sql!("sessions.delete_all", "DELETE FROM sessions WHERE person_id = $1");
static DELETE_OVER: Sql = sql!(
    "sessions.delete_over",
    "DELETE FROM sessions WHERE expires_at <= $1 OR (stage = 'whole' AND seen_at <= $2)"
);

/// Begins one.
pub fn insert(tx: &mut Tx<'_>, session: &Session) -> Result<(), StoreError> {
    tx.exec_one(&INSERT, &session.args())
}

/// The session of a token, over or not.
pub fn find(rx: &mut Rx<'_>, token_hash: &TokenHash) -> Result<Option<Found>, StoreError> {
    rx.find(&FIND, &[token_hash])
}

/// A person's sessions that are signed in, oldest first.
pub fn list(rx: &mut Rx<'_>, person: &PersonId) -> Result<Vec<Session>, StoreError> {
    rx.list(&LIST, &[person])
}

/// Writes that it was used.
pub fn set_seen(tx: &mut Tx<'_>, token_hash: &TokenHash, now: Timestamp) -> Result<(), StoreError> {
    tx.exec(&SET_SEEN, &[token_hash, &now]).map(drop)
}

/// Writes that its owner has proved who he is; false when it ended meanwhile.
pub fn set_proven(tx: &mut Tx<'_>, token_hash: &TokenHash, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.exec(&SET_PROVEN, &[token_hash, &now])? == 1)
}

/// Ends it; false when it had ended.
pub fn delete(tx: &mut Tx<'_>, token_hash: &TokenHash) -> Result<bool, StoreError> {
    Ok(tx.exec(&DELETE, &[token_hash])? == 1)
}

/// Ends one of a person's by its id; false when there is no such one.
pub fn delete_one(tx: &mut Tx<'_>, person: &PersonId, id: &SessionId) -> Result<bool, StoreError> {
    Ok(tx.exec(&DELETE_ONE, &[person, id])? == 1)
}

/// Ends all of a person's.
pub fn delete_all(tx: &mut Tx<'_>, person: &PersonId) -> Result<(), StoreError> {
    tx.exec(&DELETE_ALL, &[person]).map(drop)
}

/// Removes those that are over: past their end at `now`, or unused since `idle`.
pub fn delete_over(tx: &mut Tx<'_>, now: Timestamp, idle: Timestamp) -> Result<u64, StoreError> {
    tx.exec(&DELETE_OVER, &[&now, &idle])
}
