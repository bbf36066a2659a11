//! What identity providers sent, byte for byte, kept while nobody has judged it and once it was applied.

use domain::ids::{TenantId, VerificationId};
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Arg, Column, Rx, StoreError, ToArg, Tx};

/// What became of a provider's event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventState {
    /// Kept; the enclave has not judged it yet.
    Received,
    /// Judged, and what it says was applied.
    Applied,
    /// Judged, and of no consequence: late, unknown or not genuine.
    Ignored,
}

impl EventState {
    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Applied => "applied",
            Self::Ignored => "ignored",
        }
    }
}

impl ToArg for EventState {
    fn to_arg(&self) -> Arg<'_> {
        Arg::Text(self.as_str())
    }
}

impl Column for EventState {
    fn read(value: Arg<'_>) -> Result<Self, &'static str> {
        match value {
            Arg::Text("received") => Ok(Self::Received),
            Arg::Text("applied") => Ok(Self::Applied),
            Arg::Text("ignored") => Ok(Self::Ignored),
            _ => Err("is an unknown word"),
        }
    }
}

row! {
    /// One event as it came.
    pub struct ProviderEvent {
        /// Which provider sent it.
        pub provider: String,
        /// The provider's id for it: a repeat is the same event.
        pub id: String,
        /// Whose it turned out to be.
        pub tenant_id: Option<TenantId>,
        /// The inquiry it is about.
        pub verification_id: Option<VerificationId>,
        /// The signature header, verbatim.
        pub signature: String,
        /// The body, verbatim.
        pub body: Vec<u8>,
        /// What became of it.
        pub state: EventState,
        /// When it came.
        pub received_at: Timestamp,
    }
}

row! {
    struct Fate {
        state: EventState,
    }
}

row! {
    struct Count {
        count: i64,
    }
}

macro_rules! columns {
    () => {
        "provider, id, tenant_id, verification_id, signature, body, state, received_at"
    };
}

static INSERT: Sql = sql!(
    "provider_events.insert",
    "INSERT INTO provider_events (",
    columns!(),
    ") ",
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (provider, id) DO NOTHING"
);
// The update changes nothing: it locks the row in either engine and shows what became of the event.
static INSERT_LOCKED: Sql = sql!(
    "provider_events.insert_locked",
    "INSERT INTO provider_events (",
    columns!(),
    ") ",
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ",
    "ON CONFLICT (provider, id) DO UPDATE SET state = provider_events.state RETURNING state"
);
static SET_APPLIED: Sql = sql!(
    "provider_events.set_applied",
    "UPDATE provider_events SET state = 'applied', tenant_id = $3, verification_id = $4, signature = $5, body = $6 ",
    "WHERE provider = $1 AND id = $2"
);
static COUNT_RECEIVED: Sql = sql!(
    "provider_events.count_received",
    "SELECT COUNT(*) AS count FROM provider_events ",
    "WHERE state = 'received' AND provider = $1 AND verification_id = $2"
);
static FIND: Sql = sql!(
    "provider_events.find",
    "SELECT ",
    columns!(),
    " FROM provider_events WHERE provider = $1 AND id = $2"
);
static LIST_RECEIVED: Sql = sql!(
    "provider_events.list_received",
    "SELECT ",
    columns!(),
    " FROM provider_events WHERE state = 'received' ",
    "ORDER BY received_at, provider, id LIMIT $1"
);
static SET_IGNORED: Sql = sql!(
    "provider_events.set_ignored",
    "UPDATE provider_events SET state = 'ignored' WHERE provider = $1 AND id = $2 AND state = 'received'"
);
static DELETE_OLD: Sql = sql!(
    "provider_events.delete_old",
    "DELETE FROM provider_events WHERE (provider, id) IN (SELECT provider, id FROM provider_events ",
    "WHERE state <> 'received' AND received_at <= $1 ORDER BY received_at LIMIT $2)"
);

/// Keeps an event; false when it is there already.
pub fn insert(tx: &mut Tx<'_>, event: &ProviderEvent) -> Result<bool, StoreError> {
    Ok(tx.exec(&INSERT, &event.args())? == 1)
}

/// Keeps an event if it is new, holds it until the transaction ends, and says what became of it so far.
pub fn insert_locked(tx: &mut Tx<'_>, event: &ProviderEvent) -> Result<EventState, StoreError> {
    tx.find_one::<Fate>(&INSERT_LOCKED, &event.args()).map(|fate| fate.state)
}

/// Marks a kept event as applied, with the bytes that were judged: others may have come under its id unjudged.
pub fn set_applied(
    tx: &mut Tx<'_>,
    event: &ProviderEvent,
    tenant: &TenantId,
    verification: &VerificationId,
) -> Result<(), StoreError> {
    let args: [&dyn ToArg; 6] =
        [&event.provider, &event.id, tenant, verification, &event.signature, &event.body];
    tx.exec_one(&SET_APPLIED, &args)
}

/// How many events of one inquiry wait to be judged.
pub fn count_received(
    rx: &mut Rx<'_>,
    provider: &str,
    verification: &VerificationId,
) -> Result<i64, StoreError> {
    rx.find_one::<Count>(&COUNT_RECEIVED, &[&provider, verification]).map(|row| row.count)
}

/// An event by the provider's id.
pub fn find(rx: &mut Rx<'_>, provider: &str, id: &str) -> Result<Option<ProviderEvent>, StoreError> {
    rx.find(&FIND, &[&provider, &id])
}

/// Events that nobody has judged yet, oldest first.
pub fn list_received(rx: &mut Rx<'_>, limit: i64) -> Result<Vec<ProviderEvent>, StoreError> {
    rx.list(&LIST_RECEIVED, &[&limit])
}

/// Marks a received event as judged and of no consequence; false when it was judged before.
pub fn set_ignored(tx: &mut Tx<'_>, provider: &str, id: &str) -> Result<bool, StoreError> {
    Ok(tx.exec(&SET_IGNORED, &[&provider, &id])? == 1)
}

/// Deletes up to `limit` events that came by then and were judged, and says how many.
pub fn delete_old(tx: &mut Tx<'_>, until: Timestamp, limit: i64) -> Result<u64, StoreError> {
    tx.exec(&DELETE_OLD, &[&until, &limit])
}
