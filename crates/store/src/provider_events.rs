//! What identity providers sent, byte for byte, kept before anybody judges it.

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
static SET_STATE: Sql = sql!(
    "provider_events.set_state",
    "UPDATE provider_events SET state = $3, tenant_id = $4, verification_id = $5 ",
    "WHERE provider = $1 AND id = $2 AND state = 'received'"
);

/// Keeps an event; false when it is there already.
pub fn insert(tx: &mut Tx<'_>, event: &ProviderEvent) -> Result<bool, StoreError> {
    Ok(tx.exec(&INSERT, &event.args())? == 1)
}

/// An event by the provider's id.
pub fn find(rx: &mut Rx<'_>, provider: &str, id: &str) -> Result<Option<ProviderEvent>, StoreError> {
    rx.find(&FIND, &[&provider, &id])
}

/// Events that nobody has judged yet, oldest first.
pub fn list_received(rx: &mut Rx<'_>, limit: i64) -> Result<Vec<ProviderEvent>, StoreError> {
    rx.list(&LIST_RECEIVED, &[&limit])
}

/// Marks a received event as judged, and whose it is where that is known; false when it was judged before.
pub fn set_state(
    tx: &mut Tx<'_>,
    provider: &str,
    id: &str,
    state: EventState,
    about: Option<(&TenantId, &VerificationId)>,
) -> Result<bool, StoreError> {
    let (tenant, verification) = about.unzip();
    Ok(tx.exec(&SET_STATE, &[&provider, &id, &state, &tenant, &verification])? == 1)
}
