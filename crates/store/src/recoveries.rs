//! Recoveries: the release of backups to one `OpenPGP` key. The intent is written before the enclave is asked,
//! the outcome after.

use domain::ids::{RecoveryId, TenantId, UserId, VerificationId};
use domain::recovery::{RecoveryFlow, RecoveryState};
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{OfTenant, Rx, StoreError, ToArg, Tx};

row! {
    /// One release, intended or done.
    pub struct Recovery {
        /// Its id.
        pub id: RecoveryId,
        /// Whose backups they are.
        pub user_id: UserId,
        /// Retail: the inquiry that it uses up.
        pub verification_id: Option<VerificationId>,
        /// How it was decided.
        pub flow: RecoveryFlow,
        /// Where it stands.
        pub state: RecoveryState,
        /// Whom it goes to: the primary key.
        pub gpg_fingerprint: String,
        /// And the subkey it is encrypted to.
        pub subkey_fingerprint: String,
        /// The exact bytes the enclave was asked with.
        pub intent: Vec<u8>,
        /// JSON list of the backups, in order.
        pub items: String,
        /// How often it went out.
        pub deliveries: i64,
        /// When it was asked for.
        pub created_at: Timestamp,
        /// When it last changed.
        pub updated_at: Timestamp,
    }
}

/// Where a recovery stands, as far as it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its state.
    pub state: RecoveryState,
    /// How often it went out.
    pub deliveries: i64,
}

macro_rules! columns {
    () => {
        "id, user_id, verification_id, flow, state, gpg_fingerprint, subkey_fingerprint, intent, items, deliveries, \
         created_at, updated_at"
    };
}

static INSERT: Sql = sql!(
    "recoveries.insert",
    "INSERT INTO recoveries (tenant_id, ",
    columns!(),
    ") ",
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ",
    "ON CONFLICT (verification_id) WHERE state <> 'failed' DO NOTHING"
);
static FIND: Sql =
    sql!("recoveries.find", "SELECT ", columns!(), " FROM recoveries WHERE tenant_id = $1 AND id = $2");
static FIND_BY_VERIFICATION: Sql = sql!(
    "recoveries.find_by_verification",
    "SELECT ",
    columns!(),
    " FROM recoveries ",
    "WHERE tenant_id = $1 AND verification_id = $2 AND state <> 'failed'"
);
static SET_OUTCOME: Sql = sql!(
    "recoveries.set_outcome",
    "UPDATE recoveries SET state = $5, deliveries = $6, updated_at = $7 ",
    "WHERE tenant_id = $1 AND id = $2 AND state = $3 AND deliveries = $4"
);
static LIST_RUNNING_OF_USER: Sql = sql!(
    "recoveries.list_running_of_user",
    "SELECT ",
    columns!(),
    " FROM recoveries WHERE tenant_id = $1 AND user_id = $2 AND state = 'releasing' ORDER BY id"
);
static LIST_IN_STATE: Sql = sql!(
    "recoveries.list_in_state",
    "SELECT tenant_id, ",
    columns!(),
    " FROM recoveries WHERE state = $1 AND updated_at <= $2 ",
    "ORDER BY updated_at, id LIMIT $3"
);

/// Recoveries of all tenants that have stood in a state since before `until`, oldest first: such as those
/// whose outcome a crash kept from being written.
pub fn list_in_state(
    rx: &mut Rx<'_>,
    state: RecoveryState,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<OfTenant<Recovery>>, StoreError> {
    rx.list(&LIST_IN_STATE, &[&state, &until, &limit])
}

/// The recoveries of one tenant.
pub fn of(tenant: &TenantId) -> Recoveries<'_> {
    Recoveries { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Recoveries<'t> {
    tenant: &'t TenantId,
}

impl Recoveries<'_> {
    /// Writes the intent down; false when the inquiry has a recovery that did not fail. Of two at once one wins.
    pub fn insert(self, tx: &mut Tx<'_>, recovery: &Recovery) -> Result<bool, StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(recovery.args());
        Ok(tx.exec(&INSERT, &args)? == 1)
    }

    /// One by its id.
    pub fn find(self, rx: &mut Rx<'_>, id: &RecoveryId) -> Result<Option<Recovery>, StoreError> {
        rx.find(&FIND, &[self.tenant, id])
    }

    /// The recovery of an inquiry, unless it failed.
    pub fn find_by_verification(
        self,
        rx: &mut Rx<'_>,
        verification: &VerificationId,
    ) -> Result<Option<Recovery>, StoreError> {
        rx.find(&FIND_BY_VERIFICATION, &[self.tenant, verification])
    }

    /// The recoveries of a user that were intended and are not closed.
    pub fn list_running_of_user(self, rx: &mut Rx<'_>, user: &UserId) -> Result<Vec<Recovery>, StoreError> {
        rx.list(&LIST_RUNNING_OF_USER, &[self.tenant, user])
    }

    /// Moves a recovery on, if it stands where the caller saw it; false when it does not.
    pub fn set_outcome(
        self,
        tx: &mut Tx<'_>,
        id: &RecoveryId,
        was: Outcome,
        becomes: Outcome,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (from, to) = (was, becomes);
        let args: [&dyn ToArg; 7] =
            [self.tenant, id, &from.state, &from.deliveries, &to.state, &to.deliveries, &now];
        Ok(tx.exec(&SET_OUTCOME, &args)? == 1)
    }
}
