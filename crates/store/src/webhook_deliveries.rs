//! Deliveries: each event on its way to each endpoint that wants it, and how every try went.
//!
//! A server process sets aside what it is about to send, so that another does not send it too. That lease only
//! saves work: what a try led to is written where the count of tries is still the one that was seen.

use domain::ids::{EventId, TenantId, WebhookId};
use domain::time::Timestamp;
use domain::webhook::{AttemptOutcome, DeliveryState};

use crate::events::Event;
use crate::sql::Sql;
use crate::{Rx, StoreError, ToArg, Tx};

row! {
    /// One event on its way to one endpoint.
    #[derive(Debug)]
    pub struct Delivery {
        /// The event; within an endpoint, the delivery's id.
        pub event_id: EventId,
        /// The event's type.
        pub r#type: String,
        /// Where it stands.
        pub state: DeliveryState,
        /// How often it was tried in all.
        pub tries: i64,
        /// Of those, before it was last begun anew.
        pub round_from: i64,
        /// Not to be tried before.
        pub due_at: Timestamp,
        /// When the event happened.
        pub created_at: Timestamp,
    }
}

row! {
    /// What a process has set aside to send.
    #[derive(Debug)]
    pub struct Claimed {
        /// The event.
        pub event_id: EventId,
        /// What to send.
        pub body: String,
        /// How often it was tried in all.
        pub tries: i64,
        /// Of those, before it was last begun anew.
        pub round_from: i64,
    }
}

row! {
    /// An endpoint for which something is due.
    #[derive(Debug)]
    pub struct Due {
        /// The endpoint.
        pub id: WebhookId,
        /// Since when it does nothing but fail.
        pub failing_since: Option<Timestamp>,
    }
}

row! {
    /// One try.
    #[derive(Debug)]
    pub struct Attempt {
        /// Of which event.
        pub event_id: EventId,
        /// From 1.
        pub number: i64,
        /// When it began.
        pub began_at: Timestamp,
        /// How long it took.
        pub duration_ms: i64,
        /// How it ended.
        pub outcome: AttemptOutcome,
        /// The status of the answer, if one came.
        pub answer_code: Option<i64>,
    }
}

/// What a process wants to send.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// To which endpoint.
    pub endpoint: &'a WebhookId,
    /// The process.
    pub owner: &'a str,
    /// How many at most.
    pub limit: i64,
    /// Leases that ended by now are free again.
    pub now: Timestamp,
    /// When this lease ends.
    pub lease_until: Timestamp,
}

static INSERT_FOR_ALL: Sql = sql!(
    "webhook_deliveries.insert_for_all",
    "INSERT INTO webhook_deliveries ",
    "(endpoint_id, event_id, tenant_id, state, tries, round_from, due_at, updated_at) ",
    "SELECT id, CAST($2 AS TEXT), tenant_id, 'pending', 0, 0, CAST($4 AS BIGINT), CAST($4 AS BIGINT) ",
    "FROM webhook_endpoints WHERE tenant_id = $1 AND state = 'enabled' ",
    // A type is of letters, dots and hyphens: nothing in it is a pattern.
    "AND (events = '' OR ' ' || events || ' ' LIKE '% ' || CAST($3 AS TEXT) || ' %')"
);
static INSERT_FOR: Sql = sql!(
    "webhook_deliveries.insert_for",
    "INSERT INTO webhook_deliveries ",
    "(tenant_id, endpoint_id, event_id, state, tries, round_from, due_at, updated_at) ",
    "VALUES ($1, $2, $3, 'pending', 0, 0, $4, $4)"
);
static LIST_DUE: Sql = sql!(
    "webhook_deliveries.list_due",
    "SELECT id, failing_since FROM webhook_endpoints e ",
    "WHERE state = 'enabled' AND (CAST($1 AS TEXT) IS NULL OR id > $1) ",
    "AND EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.endpoint_id = e.id AND d.state = 'pending' ",
    "AND d.due_at <= $2 AND (d.lease_until IS NULL OR d.lease_until <= $2)) ",
    "ORDER BY id LIMIT $3"
);
// MATERIALIZED: chosen once, whatever plan the engine takes for the update.
static CLAIM: Sql = sql!(
    "webhook_deliveries.claim",
    "WITH picked AS MATERIALIZED (SELECT event_id FROM webhook_deliveries ",
    "WHERE endpoint_id = $1 AND state = 'pending' AND due_at <= $4 ",
    "AND (lease_until IS NULL OR lease_until <= $4) ",
    "ORDER BY due_at, event_id LIMIT $3 FOR UPDATE SKIP LOCKED) ",
    "UPDATE webhook_deliveries SET leased_by = $2, lease_until = $5 ",
    "WHERE endpoint_id = $1 AND event_id IN (SELECT event_id FROM picked) ",
    "RETURNING event_id, (SELECT body FROM events WHERE id = event_id) AS body, tries, round_from"
);
static RELEASE_LEASE: Sql = sql!(
    "webhook_deliveries.release_lease",
    "UPDATE webhook_deliveries SET leased_by = NULL, lease_until = NULL WHERE leased_by = $1"
);
static SET_TRIED: Sql = sql!(
    "webhook_deliveries.set_tried",
    "UPDATE webhook_deliveries SET state = $5, due_at = $6, tries = tries + 1, leased_by = NULL, ",
    "lease_until = NULL, updated_at = $7 ",
    "WHERE tenant_id = $1 AND endpoint_id = $2 AND event_id = $3 AND tries = $4"
);
static INSERT_ATTEMPT: Sql = sql!(
    "webhook_deliveries.insert_attempt",
    "INSERT INTO webhook_attempts ",
    "(endpoint_id, event_id, number, began_at, duration_ms, outcome, answer_code) ",
    "VALUES ($1, $2, $3, $4, $5, $6, $7)"
);
static PARK_ALL: Sql = sql!(
    "webhook_deliveries.park_all",
    "UPDATE webhook_deliveries SET state = 'parked', updated_at = $3 ",
    "WHERE tenant_id = $1 AND endpoint_id = $2 AND state = 'pending'"
);
static SET_ANEW: Sql = sql!(
    "webhook_deliveries.set_anew",
    "UPDATE webhook_deliveries SET round_from = CASE WHEN state = 'pending' THEN round_from ELSE tries END, ",
    "state = 'pending', due_at = $4, updated_at = $4 ",
    "WHERE tenant_id = $1 AND endpoint_id = $2 AND event_id = $3"
);
static DELETE: Sql = sql!("webhook_deliveries.delete", "DELETE FROM webhook_deliveries WHERE event_id = $1");
macro_rules! delivery {
    () => {
        "SELECT d.event_id, e.type, d.state, d.tries, d.round_from, d.due_at, e.created_at \
         FROM webhook_deliveries d JOIN events e ON e.id = d.event_id WHERE d.tenant_id = $1 AND d.endpoint_id = $2 "
    };
}
static FIND: Sql = sql!("webhook_deliveries.find", delivery!(), "AND d.event_id = $3");
static LIST: Sql = sql!(
    "webhook_deliveries.list",
    delivery!(),
    "AND (CAST($3 AS TEXT) IS NULL OR d.event_id < $3) ORDER BY d.event_id DESC LIMIT $4"
);
static LIST_ATTEMPTS: Sql = sql!(
    "webhook_deliveries.list_attempts",
    "SELECT a.event_id, a.number, a.began_at, a.duration_ms, a.outcome, a.answer_code ",
    "FROM webhook_attempts a JOIN webhook_endpoints w ON w.id = a.endpoint_id ",
    "WHERE w.tenant_id = $1 AND a.endpoint_id = $2 AND a.event_id >= $3 AND a.event_id <= $4 ",
    "ORDER BY a.event_id, a.number"
);

/// Endpoints after one, by their ids, for which something is due and free.
pub fn list_due(
    rx: &mut Rx<'_>,
    after: Option<&WebhookId>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Due>, StoreError> {
    rx.list(&LIST_DUE, &[&after, &now, &limit])
}

/// Sets the deliveries of an endpoint that are due longest aside for a process, and returns them.
pub fn claim(tx: &mut Tx<'_>, claim: &Claim<'_>) -> Result<Vec<Claimed>, StoreError> {
    let Claim { endpoint, owner, limit, now, lease_until } = claim;
    let mut claimed: Vec<Claimed> = tx.list(&CLAIM, &[endpoint, owner, limit, now, lease_until])?;
    claimed.sort_by(|a, b| a.event_id.cmp(&b.event_id));
    Ok(claimed)
}

/// Deletes an event's deliveries, with how each try went.
pub fn delete(tx: &mut Tx<'_>, event: &EventId) -> Result<u64, StoreError> {
    tx.exec(&DELETE, &[event])
}

/// Gives back what a process has set aside; returns how many deliveries that were.
pub fn release_lease(tx: &mut Tx<'_>, owner: &str) -> Result<u64, StoreError> {
    tx.exec(&RELEASE_LEASE, &[&owner])
}

/// The deliveries of one tenant.
pub fn of(tenant: &TenantId) -> Deliveries<'_> {
    Deliveries { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Deliveries<'t> {
    tenant: &'t TenantId,
}

impl Deliveries<'_> {
    /// Adds one for each endpoint that is on and wants this type.
    pub(crate) fn insert_for_all(self, tx: &mut Tx<'_>, event: &Event) -> Result<(), StoreError> {
        tx.exec(&INSERT_FOR_ALL, &[self.tenant, &event.id, &event.r#type, &event.created_at]).map(drop)
    }

    /// Adds one for this endpoint.
    pub(crate) fn insert_for(
        self,
        tx: &mut Tx<'_>,
        event: &Event,
        endpoint: &WebhookId,
    ) -> Result<(), StoreError> {
        tx.exec_one(&INSERT_FOR, &[self.tenant, endpoint, &event.id, &event.created_at])
    }

    /// Writes how a try went and what is next, where the delivery is as it was when the try began; false, with
    /// nothing written, where it is not.
    pub fn set_tried(
        self,
        tx: &mut Tx<'_>,
        endpoint: &WebhookId,
        attempt: &Attempt,
        (state, due_at): (DeliveryState, Timestamp),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let seen = attempt.number - 1;
        let args: [&dyn ToArg; 7] = [self.tenant, endpoint, &attempt.event_id, &seen, &state, &due_at, &now];
        if tx.exec(&SET_TRIED, &args)? == 0 {
            return Ok(false);
        }
        let mut args: Vec<&dyn ToArg> = vec![endpoint];
        args.extend(attempt.args());
        tx.exec_one(&INSERT_ATTEMPT, &args)?;
        Ok(true)
    }

    /// Parks all that is pending for an endpoint; returns how many those were.
    pub fn park_all(self, tx: &mut Tx<'_>, endpoint: &WebhookId, now: Timestamp) -> Result<u64, StoreError> {
        tx.exec(&PARK_ALL, &[self.tenant, endpoint, &now])
    }

    /// Has it tried again, now: from the first step on, unless it is still being tried. False when there is none.
    pub fn set_anew(
        self,
        tx: &mut Tx<'_>,
        endpoint: &WebhookId,
        event: &EventId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_ANEW, &[self.tenant, endpoint, event, &now])? == 1)
    }

    /// One of them.
    pub fn find(
        self,
        rx: &mut Rx<'_>,
        endpoint: &WebhookId,
        event: &EventId,
    ) -> Result<Option<Delivery>, StoreError> {
        rx.find(&FIND, &[self.tenant, endpoint, event])
    }

    /// Up to `limit` of an endpoint's, newest first, of those older than `before`.
    pub fn list(
        self,
        rx: &mut Rx<'_>,
        endpoint: &WebhookId,
        before: Option<&EventId>,
        limit: i64,
    ) -> Result<Vec<Delivery>, StoreError> {
        rx.list(&LIST, &[self.tenant, endpoint, &before, &limit])
    }

    /// The tries of an endpoint's deliveries from the oldest event to the newest, in order.
    pub fn list_attempts(
        self,
        rx: &mut Rx<'_>,
        endpoint: &WebhookId,
        oldest: &EventId,
        newest: &EventId,
    ) -> Result<Vec<Attempt>, StoreError> {
        rx.list(&LIST_ATTEMPTS, &[self.tenant, endpoint, oldest, newest])
    }
}
