//! What witnesses outside have signed of the logs, and how they last answered.

use domain::audit::witness::WitnessState;
use domain::ids::TenantId;
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Rx, StoreError, Tx};

row! {
    /// A witness of one log.
    #[derive(Debug)]
    pub struct Witnessed {
        /// How many entries the last checkpoint covers that he signed; 0: none.
        pub size: i64,
        /// How he last answered.
        pub state: WitnessState,
    }
}

row! {
    struct Due {
        tenant_id: TenantId,
    }
}

row! {
    struct Line {
        line: String,
    }
}

row! {
    /// In how many logs witnesses are not as they should be.
    #[derive(Debug)]
    pub struct Troubles {
        /// Witnesses who did not answer when they were last asked.
        pub away: i64,
        /// Witnesses who know another history.
        pub forked: i64,
    }
}

static FIND: Sql = sql!(
    "audit_witnesses.find",
    "SELECT size, state FROM audit_witnesses WHERE tenant_id = $1 AND witness = $2"
);
static LIST_DUE: Sql = sql!(
    "audit_witnesses.list_due",
    "SELECT h.tenant_id FROM audit_heads h ",
    "LEFT JOIN audit_witnesses w ON w.tenant_id = h.tenant_id AND w.witness = $1 ",
    "WHERE h.checkpoint_size > COALESCE(w.size, 0) AND COALESCE(w.ask_after, 0) <= $2 ",
    "ORDER BY h.tenant_id LIMIT $3"
);
static LIST_LINES: Sql = sql!(
    "audit_witnesses.list_lines",
    "SELECT line FROM audit_witnesses WHERE tenant_id = $1 AND size = $2 AND line IS NOT NULL ORDER BY witness"
);
static SET_SIGNED: Sql = sql!(
    "audit_witnesses.set_signed",
    "INSERT INTO audit_witnesses (tenant_id, witness, size, line, state, ask_after) ",
    "VALUES ($1, $2, $3, $4, 'signed', $5) ",
    "ON CONFLICT (tenant_id, witness) DO UPDATE SET size = excluded.size, line = excluded.line, ",
    "state = excluded.state, ask_after = excluded.ask_after WHERE audit_witnesses.size <= excluded.size"
);
static SET_STATE: Sql = sql!(
    "audit_witnesses.set_state",
    "INSERT INTO audit_witnesses (tenant_id, witness, size, state, ask_after) VALUES ($1, $2, 0, $3, $4) ",
    "ON CONFLICT (tenant_id, witness) DO UPDATE SET state = excluded.state, ask_after = excluded.ask_after"
);
static FIND_TROUBLES: Sql = sql!(
    "audit_witnesses.find_troubles",
    "SELECT (SELECT count(*) FROM audit_witnesses WHERE state = 'away') AS away, ",
    "(SELECT count(*) FROM audit_witnesses WHERE state = 'forked') AS forked"
);

/// Tenants whose last checkpoint this witness has not signed, and is to be asked for now.
pub fn list_due(
    rx: &mut Rx<'_>,
    witness: &str,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<TenantId>, StoreError> {
    let rows = rx.list::<Due>(&LIST_DUE, &[&witness, &now, &limit])?;
    Ok(rows.into_iter().map(|row| row.tenant_id).collect())
}

/// How many there are who are not as they should be.
pub fn find_troubles(rx: &mut Rx<'_>) -> Result<Troubles, StoreError> {
    rx.find_one(&FIND_TROUBLES, &[])
}

/// The witnesses of one tenant's log.
pub fn of(tenant: &TenantId) -> Witnesses<'_> {
    Witnesses { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Witnesses<'t> {
    tenant: &'t TenantId,
}

impl Witnesses<'_> {
    /// One, if he was ever asked.
    pub fn find(self, rx: &mut Rx<'_>, witness: &str) -> Result<Option<Witnessed>, StoreError> {
        rx.find(&FIND, &[self.tenant, &witness])
    }

    /// The signatures under the checkpoint of this size.
    pub fn list_lines(self, rx: &mut Rx<'_>, size: i64) -> Result<Vec<String>, StoreError> {
        let rows = rx.list::<Line>(&LIST_LINES, &[self.tenant, &size])?;
        Ok(rows.into_iter().map(|row| row.line).collect())
    }

    /// Keeps a signature, unless there is one of a later checkpoint. He may be asked again from `ask_after` on.
    pub fn set_signed(
        self,
        tx: &mut Tx<'_>,
        witness: &str,
        (size, line): (i64, &str),
        ask_after: Timestamp,
    ) -> Result<(), StoreError> {
        tx.exec(&SET_SIGNED, &[self.tenant, &witness, &size, &line, &ask_after]).map(drop)
    }

    /// Notes how he answered who did not sign.
    pub fn set_state(
        self,
        tx: &mut Tx<'_>,
        witness: &str,
        state: WitnessState,
        ask_after: Timestamp,
    ) -> Result<(), StoreError> {
        tx.exec(&SET_STATE, &[self.tenant, &witness, &state, &ask_after]).map(drop)
    }
}
