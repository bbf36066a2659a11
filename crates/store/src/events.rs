//! The outbox of webhooks: an event is written in the transaction that it reports, with its deliveries.

use domain::ids::{EventId, TenantId, WebhookId};
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Rx, StoreError, ToArg, Tx, webhook_deliveries};

row! {
    /// One event.
    #[derive(Debug)]
    pub struct Event {
        /// Its id.
        pub id: EventId,
        /// Its type, such as `key.assigned`.
        pub r#type: String,
        /// JSON, exactly as it will be signed and sent.
        pub body: String,
        /// When it happened.
        pub created_at: Timestamp,
    }
}

row! {
    struct Id {
        id: EventId,
    }
}

static APPEND: Sql = sql!(
    "events.append",
    "INSERT INTO events (tenant_id, id, type, body, created_at) VALUES ($1, $2, $3, $4, $5)"
);
static LIST_AFTER: Sql = sql!(
    "events.list_after",
    "SELECT id, type, body, created_at FROM events ",
    "WHERE tenant_id = $1 AND (CAST($2 AS TEXT) IS NULL OR id > $2) ORDER BY id LIMIT $3"
);
static LIST_OLD: Sql = sql!(
    "events.list_old",
    "SELECT id FROM events e WHERE created_at <= $1 AND NOT EXISTS ",
    "(SELECT 1 FROM webhook_deliveries d WHERE d.event_id = e.id AND d.state = 'pending') ",
    "ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED"
);
static DELETE: Sql = sql!("events.delete", "DELETE FROM events WHERE id = $1");

/// Deletes up to `limit` events that happened by then, with their deliveries, and says how many. One that is still on
/// its way stays.
pub fn delete_old(tx: &mut Tx<'_>, until: Timestamp, limit: i64) -> Result<u64, StoreError> {
    let old: Vec<Id> = tx.list(&LIST_OLD, &[&until, &limit])?;
    for Id { id } in &old {
        webhook_deliveries::delete(tx, id)?;
        tx.exec_one(&DELETE, &[id])?;
    }
    Ok(old.len() as u64)
}

/// The events of one tenant.
pub fn of(tenant: &TenantId) -> Events<'_> {
    Events { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Events<'t> {
    tenant: &'t TenantId,
}

impl Events<'_> {
    /// Adds one, for each of the tenant's endpoints that wants it.
    pub fn append(self, tx: &mut Tx<'_>, event: &Event) -> Result<(), StoreError> {
        self.insert(tx, event)?;
        webhook_deliveries::of(self.tenant).insert_for_all(tx, event)
    }

    /// Adds one for a single endpoint, whatever that one wants.
    pub fn append_for(self, tx: &mut Tx<'_>, event: &Event, endpoint: &WebhookId) -> Result<(), StoreError> {
        self.insert(tx, event)?;
        webhook_deliveries::of(self.tenant).insert_for(tx, event, endpoint)
    }

    fn insert(self, tx: &mut Tx<'_>, event: &Event) -> Result<(), StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(event.args());
        tx.exec_one(&APPEND, &args)
    }

    /// Events after one, or from the first on, in the order of their birth. One that was born earlier may still
    /// be committed later: nobody may take the last id for a mark up to which all is done.
    pub fn list_after(
        self,
        rx: &mut Rx<'_>,
        after: Option<&EventId>,
        limit: i64,
    ) -> Result<Vec<Event>, StoreError> {
        rx.list(&LIST_AFTER, &[self.tenant, &after, &limit])
    }
}
