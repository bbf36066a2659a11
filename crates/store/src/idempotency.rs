//! Calls named by their caller, so that a repeat is answered as the first was.
//!
//! A run claims the name, and ends it with an answer or without. One that never ends is given up when its lease
//! is over; then the next claims the name, and what the first may still write is not taken.

use domain::idempotency::CallState;
use domain::ids::TenantId;
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Rx, StoreError, Tx};

row! {
    /// What is kept of a named call.
    #[derive(Debug)]
    pub struct NamedCall {
        /// Keyed hash of method, path and body.
        pub fingerprint: [u8; 32],
        /// Where it stands.
        pub state: CallState,
        /// The answer, sealed.
        pub answer: Option<Vec<u8>>,
    }
}

/// A run that wants to claim a name.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Keyed hash of the name.
    pub key_hash: [u8; 32],
    /// Keyed hash of method, path and body.
    pub fingerprint: [u8; 32],
    /// The run.
    pub owner: String,
    /// Until when it may take.
    pub lease_until: Timestamp,
    /// Until when the name is taken.
    pub expires_at: Timestamp,
    /// The present instant.
    pub now: Timestamp,
}

static CLAIM: Sql = sql!(
    "idempotency.claim",
    "INSERT INTO idempotency_keys AS kept (tenant_id, key_hash, fingerprint, state, owner, lease_until, answer, expires_at) ",
    "VALUES ($1, $2, $3, 'running', $4, $5, NULL, $6) ",
    "ON CONFLICT (tenant_id, key_hash) DO UPDATE SET fingerprint = excluded.fingerprint, state = excluded.state, ",
    "owner = excluded.owner, lease_until = excluded.lease_until, answer = NULL, expires_at = excluded.expires_at ",
    "WHERE kept.expires_at <= $7 ",
    "OR (kept.state = 'running' AND kept.lease_until <= $7 AND kept.fingerprint = excluded.fingerprint)"
);
static FIND: Sql = sql!(
    "idempotency.find",
    "SELECT fingerprint, state, answer FROM idempotency_keys WHERE tenant_id = $1 AND key_hash = $2"
);
static SET_ANSWER: Sql = sql!(
    "idempotency.set_answer",
    "UPDATE idempotency_keys SET state = $4, answer = $5 ",
    "WHERE tenant_id = $1 AND key_hash = $2 AND owner = $3 AND state = 'running'"
);
static FREE: Sql = sql!(
    "idempotency.free",
    "DELETE FROM idempotency_keys WHERE tenant_id = $1 AND key_hash = $2 AND owner = $3 AND state = 'running'"
);
static DELETE_OLD: Sql = sql!(
    "idempotency.delete_old",
    "DELETE FROM idempotency_keys WHERE (tenant_id, key_hash) IN ",
    "(SELECT tenant_id, key_hash FROM idempotency_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)"
);

/// The named calls of one tenant.
pub fn of(tenant: &TenantId) -> NamedCalls<'_> {
    NamedCalls { tenant }
}

/// Deletes up to `limit` rows whose time is over, and says how many.
pub fn delete_old(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<u64, StoreError> {
    tx.exec(&DELETE_OLD, &[&now, &limit])
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct NamedCalls<'t> {
    tenant: &'t TenantId,
}

impl NamedCalls<'_> {
    /// Claims a name. None when it is claimed; else the call that has it.
    pub fn claim(self, tx: &mut Tx<'_>, claim: &Claim) -> Result<Option<NamedCall>, StoreError> {
        let claimed = tx.exec(
            &CLAIM,
            &[
                self.tenant,
                &claim.key_hash,
                &claim.fingerprint,
                &claim.owner,
                &claim.lease_until,
                &claim.expires_at,
                &claim.now,
            ],
        )?;
        // The row that stood in the way is locked until this transaction ends.
        if claimed == 1 { Ok(None) } else { tx.find_one(&FIND, &[self.tenant, &claim.key_hash]).map(Some) }
    }

    /// What is kept under a name.
    pub fn find(self, rx: &mut Rx<'_>, key_hash: &[u8; 32]) -> Result<Option<NamedCall>, StoreError> {
        rx.find(&FIND, &[self.tenant, key_hash])
    }

    /// Keeps the answer of a run; false when the name is no longer this run's.
    pub fn set_answer(
        self,
        tx: &mut Tx<'_>,
        (key_hash, owner): (&[u8; 32], &str),
        state: CallState,
        answer: &[u8],
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_ANSWER, &[self.tenant, key_hash, &owner, &state, &answer])? == 1)
    }

    /// Frees the name of a run whose answer is not kept; false when it is no longer this run's.
    pub fn free(self, tx: &mut Tx<'_>, (key_hash, owner): (&[u8; 32], &str)) -> Result<bool, StoreError> {
        Ok(tx.exec(&FREE, &[self.tenant, key_hash, &owner])? == 1)
    }
}
