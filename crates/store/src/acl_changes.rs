//! Lists that are to become others, and the votes on them.

use domain::approval::ChangeState;
use domain::ids::{AclChangeId, AclId, PersonId, TenantId};
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{OfTenant, Rx, StoreError, ToArg, Tx};

row! {
    /// One change.
    #[derive(Debug)]
    pub struct Change {
        /// Its id.
        pub id: AclChangeId,
        /// Of which list.
        pub acl_id: AclId,
        /// The version it would become.
        pub version: i64,
        /// The document it would be, exactly as people sign it.
        pub document: String,
        /// Its hash.
        pub hash: [u8; 32],
        /// Where it stands.
        pub state: ChangeState,
        /// Who asked for it.
        pub asked_by: PersonId,
        /// Until when may be voted.
        pub window_ends_at: Timestamp,
        /// When it takes effect; none: it has not passed.
        pub effective_at: Option<Timestamp>,
        /// When it was asked for.
        pub created_at: Timestamp,
        /// When it last changed.
        pub updated_at: Timestamp,
    }
}

row! {
    /// One person's vote on a change.
    pub struct Vote {
        /// On which.
        pub change_id: AclChangeId,
        /// Whose.
        pub person_id: PersonId,
        /// Yes or no.
        pub approve: bool,
        /// The ballot with its signature, as the enclave is shown it.
        pub ballot: Vec<u8>,
        /// When it came.
        pub voted_at: Timestamp,
    }
}

row! {
    /// One member's veto over a change that has passed and waits.
    pub struct Veto {
        /// Over which.
        pub change_id: AclChangeId,
        /// Whose.
        pub person_id: PersonId,
        /// The ballot with its signature, as the enclave is shown it.
        pub ballot: Vec<u8>,
        /// When it came.
        pub stopped_at: Timestamp,
    }
}

macro_rules! columns {
    () => {
        "id, acl_id, version, document, hash, state, asked_by, window_ends_at, effective_at, created_at, updated_at"
    };
}

static INSERT: Sql = sql!(
    "acl_changes.insert",
    "INSERT INTO acl_changes (tenant_id, ",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ",
    "ON CONFLICT (acl_id) WHERE state IN ('open', 'waiting') DO NOTHING"
);
static FIND: Sql =
    sql!("acl_changes.find", "SELECT ", columns!(), " FROM acl_changes WHERE tenant_id = $1 AND id = $2");
static FIND_OPEN: Sql = sql!(
    "acl_changes.find_open",
    "SELECT ",
    columns!(),
    " FROM acl_changes WHERE tenant_id = $1 AND acl_id = $2 AND state IN ('open', 'waiting')"
);
static LOCK: Sql = sql!(
    "acl_changes.lock",
    "UPDATE acl_changes SET state = state WHERE tenant_id = $1 AND id = $2 RETURNING ",
    columns!()
);
static LIST_OF_ACL: Sql = sql!(
    "acl_changes.list_of_acl",
    "SELECT ",
    columns!(),
    " FROM acl_changes WHERE tenant_id = $1 AND acl_id = $2 ORDER BY id DESC LIMIT $3"
);
static SET_STATE: Sql = sql!(
    "acl_changes.set_state",
    "UPDATE acl_changes SET state = $4, effective_at = $5, updated_at = $6 ",
    "WHERE tenant_id = $1 AND id = $2 AND state = $3"
);
static LIST_OPEN: Sql = sql!(
    "acl_changes.list_open",
    "SELECT tenant_id, ",
    columns!(),
    " FROM acl_changes WHERE state IN ('open', 'waiting') ORDER BY updated_at, id LIMIT $1"
);
static INSERT_VOTE: Sql = sql!(
    "acl_changes.insert_vote",
    "INSERT INTO acl_votes (tenant_id, change_id, person_id, approve, ballot, voted_at) ",
    "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (change_id, person_id) DO NOTHING"
);
static LIST_VOTES: Sql = sql!(
    "acl_changes.list_votes",
    "SELECT change_id, person_id, approve, ballot, voted_at FROM acl_votes ",
    "WHERE tenant_id = $1 AND change_id = $2 ORDER BY voted_at, person_id"
);
static INSERT_VETO: Sql = sql!(
    "acl_changes.insert_veto",
    "INSERT INTO acl_stops (tenant_id, change_id, person_id, ballot, stopped_at) ",
    "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (change_id, person_id) DO NOTHING"
);
static LIST_VETOES: Sql = sql!(
    "acl_changes.list_vetoes",
    "SELECT change_id, person_id, ballot, stopped_at FROM acl_stops ",
    "WHERE tenant_id = $1 AND change_id = $2 ORDER BY stopped_at, person_id"
);
static FIND_STOPPED: Sql = sql!(
    "acl_changes.find_stopped",
    "SELECT ",
    columns!(),
    " FROM acl_changes WHERE tenant_id = $1 AND acl_id = $2 AND hash = $3 AND state = 'declined' ",
    "AND id IN (SELECT change_id FROM acl_stops WHERE tenant_id = $1) LIMIT 1"
);

/// Changes of all tenants that are open or wait to take effect, what moved longest ago first.
pub fn list_open(rx: &mut Rx<'_>, limit: i64) -> Result<Vec<OfTenant<Change>>, StoreError> {
    rx.list(&LIST_OPEN, &[&limit])
}

/// The changes of one tenant's lists.
pub fn of(tenant: &TenantId) -> Changes<'_> {
    Changes { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Changes<'t> {
    tenant: &'t TenantId,
}

impl Changes<'_> {
    /// Opens a change; false when the list has an open one. Of two at once one wins.
    pub fn insert(self, tx: &mut Tx<'_>, change: &Change) -> Result<bool, StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(change.args());
        Ok(tx.exec(&INSERT, &args)? == 1)
    }

    /// One by its id.
    pub fn find(self, rx: &mut Rx<'_>, id: &AclChangeId) -> Result<Option<Change>, StoreError> {
        rx.find(&FIND, &[self.tenant, id])
    }

    /// One by its id, which nobody else changes until this transaction ends.
    pub fn find_locked(self, tx: &mut Tx<'_>, id: &AclChangeId) -> Result<Option<Change>, StoreError> {
        tx.find(&LOCK, &[self.tenant, id])
    }

    /// The one change of a list that is open, or waits to take effect.
    pub fn find_open(self, rx: &mut Rx<'_>, acl: &AclId) -> Result<Option<Change>, StoreError> {
        rx.find(&FIND_OPEN, &[self.tenant, acl])
    }

    /// A list's changes, newest first.
    pub fn list_of_acl(self, rx: &mut Rx<'_>, acl: &AclId, limit: i64) -> Result<Vec<Change>, StoreError> {
        rx.list(&LIST_OF_ACL, &[self.tenant, acl, &limit])
    }

    /// Moves a change on; false when it does not stand where the caller saw it.
    pub fn set_state(
        self,
        tx: &mut Tx<'_>,
        id: &AclChangeId,
        (from, to): (ChangeState, ChangeState),
        effective_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_STATE, &[self.tenant, id, &from, &to, &effective_at, &now])? == 1)
    }

    /// Keeps a vote; false when this person has voted.
    pub fn insert_vote(self, tx: &mut Tx<'_>, vote: &Vote) -> Result<bool, StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(vote.args());
        Ok(tx.exec(&INSERT_VOTE, &args)? == 1)
    }

    /// The votes on a change, in the order in which they came.
    pub fn list_votes(self, rx: &mut Rx<'_>, id: &AclChangeId) -> Result<Vec<Vote>, StoreError> {
        rx.list(&LIST_VOTES, &[self.tenant, id])
    }

    /// Keeps a veto; false when this person's is there.
    pub fn insert_veto(self, tx: &mut Tx<'_>, veto: &Veto) -> Result<bool, StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(veto.args());
        Ok(tx.exec(&INSERT_VETO, &args)? == 1)
    }

    /// The vetoes over a change, in the order in which they came.
    pub fn list_vetoes(self, rx: &mut Rx<'_>, id: &AclChangeId) -> Result<Vec<Veto>, StoreError> {
        rx.list(&LIST_VETOES, &[self.tenant, id])
    }

    /// The change of a list to what has that hash, if a veto has stopped it.
    pub fn find_stopped(
        self,
        rx: &mut Rx<'_>,
        acl: &AclId,
        hash: &[u8; 32],
    ) -> Result<Option<Change>, StoreError> {
        rx.find(&FIND_STOPPED, &[self.tenant, acl, hash])
    }
}
