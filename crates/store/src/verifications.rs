//! Inquiries: one identity check of one user each.

use domain::ids::{TenantId, UserId, VerificationId};
use domain::time::Timestamp;
use domain::verification::InquiryState;

use crate::sql::Sql;
use crate::{OfTenant, Rx, StoreError, ToArg, Tx};

row! {
    /// One identity check.
    pub struct Verification {
        /// The provider's name for it.
        pub id: VerificationId,
        /// Who is checked.
        pub user_id: UserId,
        /// Which adapter speaks for the provider.
        pub provider: String,
        /// The enclave's session.
        pub session_id: String,
        /// The enclave's proof that it opened the session.
        pub ticket: Vec<u8>,
        /// Where it stands.
        pub state: InquiryState,
        /// The `OpenPGP` key bound at the start.
        pub gpg_fingerprint: Option<String>,
        /// The enclave's sealed word on the approval.
        pub admission: Option<Vec<u8>>,
        /// When it was made.
        pub created_at: Timestamp,
        /// When its state last changed.
        pub updated_at: Timestamp,
        /// When it was approved.
        pub approved_at: Option<Timestamp>,
        /// When its windows were ended before their time.
        pub window_closed_at: Option<Timestamp>,
    }
}

/// What proves an approval.
#[derive(Clone, Debug)]
pub struct Approval {
    /// When, by the provider's clock; its windows count from here.
    pub approved_at: Timestamp,
    /// What the enclave sealed about it.
    pub admission: Vec<u8>,
}

macro_rules! columns {
    () => {
        "id, user_id, provider, session_id, ticket, state, gpg_fingerprint, admission, created_at, updated_at, \
         approved_at, window_closed_at"
    };
}

static INSERT: Sql = sql!(
    "verifications.insert",
    "INSERT INTO verifications (tenant_id, ",
    columns!(),
    ") ",
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
);
static FIND: Sql =
    sql!("verifications.find", "SELECT ", columns!(), " FROM verifications WHERE tenant_id = $1 AND id = $2");
static LOCK: Sql = sql!(
    "verifications.lock",
    "UPDATE verifications SET state = state WHERE tenant_id = $1 AND id = $2 RETURNING ",
    columns!()
);
static FIND_ANY: Sql =
    sql!("verifications.find_any", "SELECT tenant_id, ", columns!(), " FROM verifications WHERE id = $1");
static SET_STATE: Sql = sql!(
    "verifications.set_state",
    "UPDATE verifications SET state = $4, updated_at = $5 WHERE tenant_id = $1 AND id = $2 AND state = $3"
);
static SET_APPROVED: Sql = sql!(
    "verifications.set_approved",
    "UPDATE verifications SET state = 'APPROVED', approved_at = $4, admission = $5, updated_at = $6 ",
    "WHERE tenant_id = $1 AND id = $2 AND state = $3"
);
static SET_WINDOW_CLOSED: Sql = sql!(
    "verifications.set_window_closed",
    "UPDATE verifications SET window_closed_at = $3 ",
    "WHERE tenant_id = $1 AND id = $2 AND state = 'APPROVED' AND window_closed_at IS NULL"
);
static LIST_OVERDUE: Sql = sql!(
    "verifications.list_overdue",
    "SELECT tenant_id, ",
    columns!(),
    " FROM verifications ",
    "WHERE state IN ('CREATED', 'PENDING') AND created_at <= $1 ORDER BY created_at, id LIMIT $2"
);
static LIST_ADMISSIONS: Sql = sql!(
    "verifications.list_approved_of_user",
    "SELECT ",
    columns!(),
    " FROM verifications ",
    "WHERE tenant_id = $1 AND user_id = $2 AND state = 'APPROVED' ORDER BY approved_at DESC, id LIMIT $3"
);

static FIND_LATEST_OF_USER: Sql = sql!(
    "verifications.find_latest_of_user",
    "SELECT ",
    columns!(),
    " FROM verifications WHERE tenant_id = $1 AND user_id = $2 ORDER BY created_at DESC, id DESC LIMIT 1"
);

/// An inquiry by the provider's name alone, with its tenant: a provider's event knows no tenant.
pub fn find_any(rx: &mut Rx<'_>, id: &VerificationId) -> Result<Option<OfTenant<Verification>>, StoreError> {
    rx.find(&FIND_ANY, &[id])
}

/// Inquiries of all tenants that were made until `made_until` and are still CREATED or PENDING, oldest first.
pub fn list_overdue(
    rx: &mut Rx<'_>,
    made_until: Timestamp,
    limit: i64,
) -> Result<Vec<OfTenant<Verification>>, StoreError> {
    rx.list(&LIST_OVERDUE, &[&made_until, &limit])
}

/// The inquiries of one tenant.
pub fn of(tenant: &TenantId) -> Verifications<'_> {
    Verifications { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Verifications<'t> {
    tenant: &'t TenantId,
}

impl Verifications<'_> {
    /// Adds one.
    pub fn insert(self, tx: &mut Tx<'_>, verification: &Verification) -> Result<(), StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(verification.args());
        tx.exec_one(&INSERT, &args)
    }

    /// One by its id.
    pub fn find(self, rx: &mut Rx<'_>, id: &VerificationId) -> Result<Option<Verification>, StoreError> {
        rx.find(&FIND, &[self.tenant, id])
    }

    /// One by its id, which nobody else changes until this transaction ends. A store on an open inquiry must
    /// begin with it: otherwise an approval at the same moment would confirm everything but this store.
    pub fn find_locked(
        self,
        tx: &mut Tx<'_>,
        id: &VerificationId,
    ) -> Result<Option<Verification>, StoreError> {
        tx.find(&LOCK, &[self.tenant, id])
    }

    /// Moves an inquiry from one state to another; false when it is not in the first.
    pub fn set_state(
        self,
        tx: &mut Tx<'_>,
        id: &VerificationId,
        from: InquiryState,
        to: InquiryState,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_STATE, &[self.tenant, id, &from, &to, &now])? == 1)
    }

    /// Approves an inquiry and keeps the enclave's admission; false when it is not in the state `from`.
    pub fn set_approved(
        self,
        tx: &mut Tx<'_>,
        id: &VerificationId,
        from: InquiryState,
        approval: &Approval,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(
            &SET_APPROVED,
            &[self.tenant, id, &from, &approval.approved_at, &approval.admission, &now],
        )? == 1)
    }

    /// Ends the windows of an approved inquiry; false when it is not approved or they were ended before.
    pub fn set_window_closed(
        self,
        tx: &mut Tx<'_>,
        id: &VerificationId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_WINDOW_CLOSED, &[self.tenant, id, &now])? == 1)
    }

    /// The approved inquiries of a user, newest first: their admissions are what the enclave compares with.
    pub fn list_approved_of_user(
        self,
        rx: &mut Rx<'_>,
        user: &UserId,
        limit: i64,
    ) -> Result<Vec<Verification>, StoreError> {
        rx.list(&LIST_ADMISSIONS, &[self.tenant, user, &limit])
    }

    /// A user's newest inquiry, whatever its state.
    pub fn find_latest_of_user(
        self,
        rx: &mut Rx<'_>,
        user: &UserId,
    ) -> Result<Option<Verification>, StoreError> {
        rx.find(&FIND_LATEST_OF_USER, &[self.tenant, user])
    }
}
