//! Votes on recoveries of Control, kept verbatim.

use domain::ids::{PersonId, RecoveryId, TenantId, VerificationId};
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Rx, StoreError, ToArg, Tx};

row! {
    /// One person's vote.
    pub struct Vote {
        /// On which recovery.
        pub recovery_id: RecoveryId,
        /// Whose.
        pub person_id: PersonId,
        /// Yes or no.
        pub approve: bool,
        /// The ballot with its signature, as the enclave is shown it.
        pub ballot: Vec<u8>,
        /// The voter's check; none: the list demands none.
        pub verification_id: Option<VerificationId>,
        /// Until when it must have passed.
        pub check_ends_at: Option<Timestamp>,
        /// When it came.
        pub voted_at: Timestamp,
    }
}

macro_rules! columns {
    () => {
        "recovery_id, person_id, approve, ballot, verification_id, check_ends_at, voted_at"
    };
}

static INSERT: Sql = sql!(
    "control_votes.insert",
    "INSERT INTO control_votes (tenant_id, ",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (recovery_id, person_id) DO NOTHING"
);
static LIST: Sql = sql!(
    "control_votes.list",
    "SELECT ",
    columns!(),
    " FROM control_votes WHERE tenant_id = $1 AND recovery_id = $2 ORDER BY voted_at, person_id"
);
static FIND_OF_CHECK: Sql = sql!(
    "control_votes.find_of_check",
    "SELECT ",
    columns!(),
    " FROM control_votes WHERE tenant_id = $1 AND verification_id = $2"
);
// The voter whose veto comes after his yes: what he says last is what he says.
static SET_REJECTED: Sql = sql!(
    "control_votes.set_rejected",
    "UPDATE control_votes SET approve = FALSE, ballot = $4, voted_at = $5 ",
    "WHERE tenant_id = $1 AND recovery_id = $2 AND person_id = $3 AND approve"
);

/// The votes of one tenant's people.
pub fn of(tenant: &TenantId) -> Votes<'_> {
    Votes { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Votes<'t> {
    tenant: &'t TenantId,
}

impl Votes<'_> {
    /// Keeps a vote; false when this person has voted.
    pub fn insert(self, tx: &mut Tx<'_>, vote: &Vote) -> Result<bool, StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(vote.args());
        Ok(tx.exec(&INSERT, &args)? == 1)
    }

    /// Puts a veto in the place of the same person's yes; false when there is no yes of his.
    pub fn set_rejected(
        self,
        tx: &mut Tx<'_>,
        (recovery, person): (&RecoveryId, &PersonId),
        ballot: &[u8],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_REJECTED, &[self.tenant, recovery, person, &ballot, &now])? == 1)
    }

    /// The votes on a recovery, in the order in which they came.
    pub fn list(self, rx: &mut Rx<'_>, recovery: &RecoveryId) -> Result<Vec<Vote>, StoreError> {
        rx.list(&LIST, &[self.tenant, recovery])
    }

    /// The vote that an inquiry is the voter's check of.
    pub fn find_of_check(
        self,
        rx: &mut Rx<'_>,
        verification: &VerificationId,
    ) -> Result<Option<Vote>, StoreError> {
        rx.find(&FIND_OF_CHECK, &[self.tenant, verification])
    }
}
