//! Identity checks that came to people, and what these signed.

use domain::ids::{PersonId, TenantId, VerificationId};
use domain::review::{ReviewState, ReviewWhy};
use domain::time::Timestamp;

use crate::listings::{Seen, place};
use crate::sql::Sql;
use crate::{OfTenant, Rx, StoreError, ToArg, Tx};

row! {
    /// One review.
    #[derive(Debug)]
    pub struct Review {
        /// Of which inquiry.
        pub verification_id: VerificationId,
        /// Why it came.
        pub why: ReviewWhy,
        /// Where it stands.
        pub state: ReviewState,
        /// When it came.
        pub came_at: Timestamp,
        /// What is signed, exactly.
        pub document: Option<String>,
        /// The officer who decided.
        pub first_by: Option<PersonId>,
        /// His ballot with its signature, as the enclave is shown it.
        pub first_ballot: Option<Vec<u8>>,
        /// Who signed beside him.
        pub second_by: Option<PersonId>,
        /// His ballot.
        pub second_ballot: Option<Vec<u8>>,
        /// When the last of them signed.
        pub signed_at: Option<Timestamp>,
        /// When it ended.
        pub ended_at: Option<Timestamp>,
    }
}

row! {
    /// A review as it is listed.
    #[derive(Debug)]
    pub struct ListedReview {
        /// Of which inquiry.
        pub verification_id: VerificationId,
        /// Whose check it is, as the tenant calls the user.
        pub user_identifier: String,
        /// The same, where it is somebody of Control.
        pub person: Option<String>,
        /// Why it came.
        pub why: ReviewWhy,
        /// Where it stands.
        pub state: ReviewState,
        /// When it came.
        pub came_at: Timestamp,
    }
}

row! {
    struct Counted {
        count: i64,
    }
}

/// Which reviews are wanted; what is none does not narrow.
#[derive(Clone, Debug, Default)]
pub struct ReviewFilter {
    /// Of this user.
    pub user_identifier: Option<String>,
    /// In this state.
    pub state: Option<ReviewState>,
    /// For this reason.
    pub why: Option<ReviewWhy>,
}

/// What one person signed.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The document, exactly.
    pub document: String,
    /// Who.
    pub by: PersonId,
    /// His ballot.
    pub ballot: Vec<u8>,
    /// When.
    pub at: Timestamp,
}

macro_rules! columns {
    () => {
        "verification_id, why, state, came_at, document, first_by, first_ballot, second_by, second_ballot, \
         signed_at, ended_at"
    };
}

static INSERT: Sql = sql!(
    "reviews.insert",
    "INSERT INTO reviews (tenant_id, ",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
);
static FIND: Sql = sql!(
    "reviews.find",
    "SELECT ",
    columns!(),
    " FROM reviews WHERE tenant_id = $1 AND verification_id = $2"
);
static LIST: Sql = sql!(
    "reviews.list",
    "SELECT r.verification_id, u.user_identifier, p.name AS person, r.why, r.state, r.came_at FROM reviews r ",
    "JOIN verifications v ON v.id = r.verification_id JOIN users u ON u.id = v.user_id ",
    "LEFT JOIN people p ON p.id = u.person_id ",
    "WHERE r.tenant_id = $1 AND (r.came_at, r.verification_id) < ($2, $3) ",
    "AND (CAST($5 AS TEXT) IS NULL OR u.user_identifier = $5) ",
    "AND (CAST($6 AS TEXT) IS NULL OR r.state = $6) ",
    "AND (CAST($7 AS TEXT) IS NULL OR r.why = $7) ",
    "ORDER BY r.came_at DESC, r.verification_id DESC LIMIT $4"
);
static LIST_SIGNED: Sql = sql!(
    "reviews.list_signed",
    "SELECT tenant_id, ",
    columns!(),
    " FROM reviews WHERE state = 'signed' ORDER BY signed_at, verification_id LIMIT $1"
);
// What is signed already gives way to a decline alone.
static SET_SIGNED: Sql = sql!(
    "reviews.set_signed",
    "UPDATE reviews SET state = 'signed', document = $3, first_by = $4, first_ballot = $5, signed_at = $6, ",
    "second_by = NULL, second_ballot = NULL ",
    "WHERE tenant_id = $1 AND verification_id = $2 AND (state = 'open' OR (state = 'signed' AND $7))"
);
static SET_SECONDED: Sql = sql!(
    "reviews.set_seconded",
    "UPDATE reviews SET second_by = $4, second_ballot = $5, signed_at = $6 ",
    "WHERE tenant_id = $1 AND verification_id = $2 AND document = $3 AND state = 'signed' ",
    "AND second_by IS NULL AND first_by <> $4"
);
static SET_REOPENED: Sql = sql!(
    "reviews.set_reopened",
    "UPDATE reviews SET state = 'open', document = NULL, first_by = NULL, first_ballot = NULL, second_by = NULL, ",
    "second_ballot = NULL, signed_at = NULL ",
    "WHERE tenant_id = $1 AND verification_id = $2 AND document = $3 AND state = 'signed'"
);
static SET_ENDED: Sql = sql!(
    "reviews.set_ended",
    "UPDATE reviews SET state = $3, ended_at = $4 ",
    "WHERE tenant_id = $1 AND verification_id = $2 AND state IN ('open', 'signed')"
);
static COUNT_WAITING: Sql = sql!(
    "reviews.count_waiting",
    "SELECT count(*) AS count FROM backups WHERE tenant_id = $1 AND verification_id = $2 AND state = 'unconfirmed'"
);

/// The reviews of all tenants that are signed and not ended, the longest signed first.
pub fn list_signed(rx: &mut Rx<'_>, limit: i64) -> Result<Vec<OfTenant<Review>>, StoreError> {
    rx.list(&LIST_SIGNED, &[&limit])
}

/// The reviews of one tenant.
pub fn of(tenant: &TenantId) -> Reviews<'_> {
    Reviews { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Reviews<'t> {
    tenant: &'t TenantId,
}

impl Reviews<'_> {
    /// Puts an inquiry up for review.
    pub fn insert(
        self,
        tx: &mut Tx<'_>,
        id: &VerificationId,
        why: ReviewWhy,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let review = Review {
            verification_id: id.clone(),
            why,
            state: ReviewState::Open,
            came_at: now,
            document: None,
            first_by: None,
            first_ballot: None,
            second_by: None,
            second_ballot: None,
            signed_at: None,
            ended_at: None,
        };
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(review.args());
        tx.exec_one(&INSERT, &args)
    }

    /// That of an inquiry.
    pub fn find(self, rx: &mut Rx<'_>, id: &VerificationId) -> Result<Option<Review>, StoreError> {
        rx.find(&FIND, &[self.tenant, id])
    }

    /// Up to `limit` after that place, newest first.
    pub fn list(
        self,
        rx: &mut Rx<'_>,
        filter: &ReviewFilter,
        after: Option<&Seen>,
        limit: i64,
    ) -> Result<Vec<ListedReview>, StoreError> {
        let ((at, id), ReviewFilter { user_identifier, state, why }) = (place(after), filter);
        let args: [&dyn ToArg; 7] = [self.tenant, &at, &id, &limit, user_identifier, state, why];
        rx.list(&LIST, &args)
    }

    /// Keeps an officer's decision; false when there is one already, which only a decline displaces, or it is over.
    pub fn set_signed(
        self,
        tx: &mut Tx<'_>,
        id: &VerificationId,
        signed: &Signed,
        declines: bool,
    ) -> Result<bool, StoreError> {
        let Signed { document, by, ballot, at } = signed;
        let args: [&dyn ToArg; 7] = [self.tenant, id, document, by, ballot, at, &declines];
        Ok(tx.exec(&SET_SIGNED, &args)? == 1)
    }

    /// Keeps the signature of a second person under the same; false when there is one, or it is no second person's.
    pub fn set_seconded(
        self,
        tx: &mut Tx<'_>,
        id: &VerificationId,
        signed: &Signed,
    ) -> Result<bool, StoreError> {
        let Signed { document, by, ballot, at } = signed;
        let args: [&dyn ToArg; 6] = [self.tenant, id, document, by, ballot, at];
        Ok(tx.exec(&SET_SECONDED, &args)? == 1)
    }

    /// Takes back what the enclave does not believe; false when something else is signed by now.
    pub fn set_reopened(
        self,
        tx: &mut Tx<'_>,
        id: &VerificationId,
        document: &str,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_REOPENED, &[self.tenant, id, &document])? == 1)
    }

    /// Ends it; false when it has ended, or there is none.
    pub fn set_ended(
        self,
        tx: &mut Tx<'_>,
        id: &VerificationId,
        state: ReviewState,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_ENDED, &[self.tenant, id, &state, &now])? == 1)
    }

    /// How many backups wait for how it ends.
    pub fn count_waiting(self, rx: &mut Rx<'_>, id: &VerificationId) -> Result<i64, StoreError> {
        let found: Option<Counted> = rx.find(&COUNT_WAITING, &[self.tenant, id])?;
        Ok(found.map_or(0, |found| found.count))
    }
}
