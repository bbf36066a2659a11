//! What waits for somebody, over all tenants: numbers for whoever watches the process, and nothing of anybody's.

use domain::ids::TenantId;
use domain::key::{KeyEnvironment, KeyType};
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Rx, StoreError};

row! {
    /// How much waits.
    #[derive(Debug)]
    pub struct Waiting {
        /// Webhook deliveries on their way.
        pub deliveries: i64,
        /// When what the oldest of them tells of was; none: there is none.
        pub oldest_pending: Option<Timestamp>,
        /// Events of identity providers that nobody has judged.
        pub provider_events: i64,
        /// Audit entries without their place in the log, but for those that were refused one.
        pub audit_entries: i64,
        /// Audit entries that the service did not write, and that got no place therefore.
        pub audit_entries_refused: i64,
        /// Audit logs whose head the service did not write, to which nothing is added therefore.
        pub foreign_logs: i64,
        /// Audit logs of which the enclave knows another history.
        pub forked_logs: i64,
        /// Witnesses of audit logs who did not answer.
        pub witnesses_away: i64,
        /// Witnesses of audit logs who know another history.
        pub witnesses_forked: i64,
    }
}

row! {
    /// How many unassigned keys of one kind there are.
    #[derive(Debug)]
    struct Stock {
        key_environment: KeyEnvironment,
        key_type: KeyType,
        count: i64,
    }
}

/// What waits, and what is in stock.
#[derive(Clone, Debug)]
pub struct Backlog {
    /// What waits.
    pub waiting: Waiting,
    stock: Vec<Stock>,
}

// Each count reads an index that holds only what waits.
static WAITING: Sql = sql!(
    "backlog.find_waiting",
    "SELECT (SELECT count(*) FROM webhook_deliveries WHERE state = 'pending') AS deliveries, ",
    "(SELECT created_at FROM events WHERE id = ",
    "(SELECT min(event_id) FROM webhook_deliveries WHERE state = 'pending')) AS oldest_pending, ",
    "(SELECT count(*) FROM provider_events WHERE state = 'received') AS provider_events, ",
    "(SELECT count(*) FROM audit_entries WHERE seq IS NULL AND refused = FALSE) AS audit_entries, ",
    // Nobody looks at those of an owner that there is not.
    "(SELECT count(*) FROM audit_entries WHERE seq IS NULL AND refused <> FALSE) + ",
    "(SELECT count(*) FROM audit_entries WHERE seq IS NULL AND refused = FALSE AND tenant_id <> $1 ",
    "AND tenant_id NOT IN (SELECT id FROM tenants)) AS audit_entries_refused, ",
    "(SELECT count(*) FROM audit_heads WHERE refused <> FALSE) AS foreign_logs, ",
    "(SELECT count(*) FROM audit_heads WHERE forked_at IS NOT NULL) AS forked_logs, ",
    "(SELECT count(*) FROM audit_witnesses WHERE state = 'away') AS witnesses_away, ",
    "(SELECT count(*) FROM audit_witnesses WHERE state = 'forked') AS witnesses_forked"
);
static STOCK: Sql = sql!(
    "backlog.list_stock",
    "SELECT key_environment, key_type, count(*) AS count FROM pool_keys GROUP BY key_environment, key_type"
);

/// What waits now.
pub fn find(rx: &mut Rx<'_>) -> Result<Backlog, StoreError> {
    Ok(Backlog { waiting: rx.find_one(&WAITING, &[&TenantId::root_log()])?, stock: rx.list(&STOCK, &[])? })
}

impl Backlog {
    /// Unassigned keys of a kind, those that a process has set aside among them.
    pub fn pool_keys(&self, key_environment: KeyEnvironment, key_type: KeyType) -> i64 {
        let of_kind = |stock: &&Stock| stock.key_environment == key_environment && stock.key_type == key_type;
        self.stock.iter().find(of_kind).map_or(0, |stock| stock.count)
    }
}
