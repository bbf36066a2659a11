//! Webhook endpoints: where a tenant is told of events.

use domain::ids::{TenantId, WebhookId};
use domain::limits::WEBHOOKS_PER_TENANT_MAX;
use domain::time::Timestamp;
use domain::webhook::{DisabledReason, EndpointState, EventFilter};

use crate::sql::Sql;
use crate::{OfTenant, Rx, StoreError, ToArg, Tx};

row! {
    /// One endpoint.
    pub struct Endpoint {
        /// Its id.
        pub id: WebhookId,
        /// Where it is.
        pub url: String,
        /// The tenant's own words; empty: none.
        pub description: String,
        /// What it wants.
        pub events: EventFilter,
        /// Whether it gets anything.
        pub state: EndpointState,
        /// And if not, why.
        pub disabled_reason: Option<DisabledReason>,
        /// What signs, sealed.
        pub secret: Vec<u8>,
        /// What signed before, sealed.
        pub previous_secret: Option<Vec<u8>>,
        /// Until when that signs too.
        pub previous_until: Option<Timestamp>,
        /// The first failure after the last success.
        pub failing_since: Option<Timestamp>,
        /// When it was made.
        pub created_at: Timestamp,
        /// When it was last changed by its owner, or switched off.
        pub updated_at: Timestamp,
    }
}

row! {
    struct Count {
        count: i64,
    }
}

macro_rules! columns {
    () => {
        "id, url, description, events, state, disabled_reason, secret, previous_secret, previous_until, \
         failing_since, created_at, updated_at"
    };
}

// An update that changes nothing: of two who add at once, the second counts what the first added.
static LOCK_TENANT: Sql = sql!("webhooks.lock_tenant", "UPDATE tenants SET name = name WHERE id = $1");
static COUNT: Sql =
    sql!("webhooks.count", "SELECT count(*) AS count FROM webhook_endpoints WHERE tenant_id = $1");
static INSERT: Sql = sql!(
    "webhooks.insert",
    "INSERT INTO webhook_endpoints (tenant_id, ",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
);
static FIND: Sql =
    sql!("webhooks.find", "SELECT ", columns!(), " FROM webhook_endpoints WHERE tenant_id = $1 AND id = $2");
static FIND_ANY: Sql =
    sql!("webhooks.find_any", "SELECT tenant_id, ", columns!(), " FROM webhook_endpoints WHERE id = $1");
row! {
    struct Url {
        url: String,
    }
}

/// More would keep whoever tries them too long.
const URLS_MAX: i64 = 20;

static LIST_URLS: Sql = sql!(
    "webhooks.list_urls",
    "SELECT DISTINCT url FROM webhook_endpoints WHERE state = 'enabled' ORDER BY url LIMIT $1"
);
static LIST: Sql = sql!(
    "webhooks.list",
    "SELECT ",
    columns!(),
    " FROM webhook_endpoints WHERE tenant_id = $1 AND (CAST($2 AS TEXT) IS NULL OR id < $2) ",
    "ORDER BY id DESC LIMIT $3"
);
static SET: Sql = sql!(
    "webhooks.set",
    "UPDATE webhook_endpoints SET url = $3, description = $4, events = $5, state = $6, disabled_reason = $7, ",
    "failing_since = $8, updated_at = $9 WHERE tenant_id = $1 AND id = $2"
);
static SET_SECRET: Sql = sql!(
    "webhooks.set_secret",
    "UPDATE webhook_endpoints SET secret = $4, previous_secret = $5, previous_until = $6, updated_at = $7 ",
    "WHERE tenant_id = $1 AND id = $2 AND secret = $3"
);
static SET_WELL: Sql = sql!(
    "webhooks.set_well",
    "UPDATE webhook_endpoints SET failing_since = NULL ",
    "WHERE tenant_id = $1 AND id = $2 AND failing_since IS NOT NULL"
);
static SET_FAILING: Sql = sql!(
    "webhooks.set_failing",
    "UPDATE webhook_endpoints SET failing_since = $3 ",
    "WHERE tenant_id = $1 AND id = $2 AND failing_since IS NULL"
);
static SET_DISABLED: Sql = sql!(
    "webhooks.set_disabled",
    "UPDATE webhook_endpoints SET state = 'disabled', disabled_reason = $3, updated_at = $4 ",
    "WHERE tenant_id = $1 AND id = $2 AND state = 'enabled'"
);
static DELETE: Sql =
    sql!("webhooks.delete", "DELETE FROM webhook_endpoints WHERE tenant_id = $1 AND id = $2");

/// An endpoint of whichever tenant; for the worker.
pub fn find_any(rx: &mut Rx<'_>, id: &WebhookId) -> Result<Option<OfTenant<Endpoint>>, StoreError> {
    rx.find(&FIND_ANY, &[id])
}

/// Where events of all tenants go, up to [`URLS_MAX`] of the places.
pub fn list_urls(rx: &mut Rx<'_>) -> Result<Vec<String>, StoreError> {
    Ok(rx.list::<Url>(&LIST_URLS, &[&URLS_MAX])?.into_iter().map(|row| row.url).collect())
}

/// The endpoints of one tenant.
pub fn of(tenant: &TenantId) -> Endpoints<'_> {
    Endpoints { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Endpoints<'t> {
    tenant: &'t TenantId,
}

impl Endpoints<'_> {
    /// Adds one; false, with nothing added, when the tenant has as many as it may have.
    pub fn insert(self, tx: &mut Tx<'_>, endpoint: &Endpoint) -> Result<bool, StoreError> {
        tx.exec_one(&LOCK_TENANT, &[self.tenant])?;
        let Count { count } = tx.find_one(&COUNT, &[self.tenant])?;
        if count >= WEBHOOKS_PER_TENANT_MAX {
            return Ok(false);
        }
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(endpoint.args());
        tx.exec_one(&INSERT, &args)?;
        Ok(true)
    }

    /// One by its id.
    pub fn find(self, rx: &mut Rx<'_>, id: &WebhookId) -> Result<Option<Endpoint>, StoreError> {
        rx.find(&FIND, &[self.tenant, id])
    }

    /// Up to `limit`, newest first, of those older than `before`.
    pub fn list(
        self,
        rx: &mut Rx<'_>,
        before: Option<&WebhookId>,
        limit: i64,
    ) -> Result<Vec<Endpoint>, StoreError> {
        rx.list(&LIST, &[self.tenant, &before, &limit])
    }

    /// Writes what its owner may change; false when it is gone.
    pub fn set(self, tx: &mut Tx<'_>, endpoint: &Endpoint) -> Result<bool, StoreError> {
        let Endpoint {
            id, url, description, events, state, disabled_reason, failing_since, updated_at, ..
        } = endpoint;
        let args: [&dyn ToArg; 9] =
            [self.tenant, id, url, description, events, state, disabled_reason, failing_since, updated_at];
        Ok(tx.exec(&SET, &args)? == 1)
    }

    /// Puts the secrets of `endpoint` in the place of `was`; false when another call was first.
    pub fn set_secret(self, tx: &mut Tx<'_>, endpoint: &Endpoint, was: &[u8]) -> Result<bool, StoreError> {
        let Endpoint { id, secret, previous_secret, previous_until, updated_at, .. } = endpoint;
        let args: [&dyn ToArg; 7] =
            [self.tenant, id, &was, secret, previous_secret, previous_until, updated_at];
        Ok(tx.exec(&SET_SECRET, &args)? == 1)
    }

    /// Notes a success.
    pub fn set_well(self, tx: &mut Tx<'_>, id: &WebhookId) -> Result<(), StoreError> {
        tx.exec(&SET_WELL, &[self.tenant, id]).map(drop)
    }

    /// Notes a failure, and says since when there was nothing else.
    pub fn set_failing(
        self,
        tx: &mut Tx<'_>,
        id: &WebhookId,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        tx.exec(&SET_FAILING, &[self.tenant, id, &now])?;
        Ok(self.find(tx, id)?.and_then(|endpoint| endpoint.failing_since))
    }

    /// Switches it off; false when it is off, or gone.
    pub fn set_disabled(
        self,
        tx: &mut Tx<'_>,
        id: &WebhookId,
        reason: DisabledReason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_DISABLED, &[self.tenant, id, &reason, &now])? == 1)
    }

    /// Deletes it with all its deliveries; false when there is none.
    pub fn delete(self, tx: &mut Tx<'_>, id: &WebhookId) -> Result<bool, StoreError> {
        Ok(tx.exec(&DELETE, &[self.tenant, id])? == 1)
    }
}
