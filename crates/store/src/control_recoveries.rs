//! Recoveries that people decide on in Control, and the keys that each of them holds while it runs.

use domain::approval::ControlState;
use domain::ids::{AclId, KeyId, PersonId, RecoveryId, TenantId, VerificationId};
use domain::key::KeyEnvironment;
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{OfTenant, Rx, StoreError, ToArg, Tx};

row! {
    /// One recovery.
    pub struct ControlRecovery {
        /// Its id.
        pub id: RecoveryId,
        /// The list that decides.
        pub acl_id: AclId,
        /// In which version.
        pub acl_version: i64,
        /// Who asked, and alone gets it.
        pub asked_by: PersonId,
        /// Why, in his words.
        pub reason: String,
        /// COLD as soon as one of its keys is.
        pub key_environment: KeyEnvironment,
        /// Where it stands.
        pub state: ControlState,
        /// Why it ended, as a word of [`domain::approval::Ending`].
        pub why: Option<String>,
        /// JSON list of the backups' ids, sorted.
        pub backups: String,
        /// The check of whoever asked; none: the list demands none.
        pub verification_id: Option<VerificationId>,
        /// The enclave's session.
        pub ticket: Vec<u8>,
        /// To whom: the certificate as it was handed in.
        pub certificate: Vec<u8>,
        /// Its primary key.
        pub gpg_fingerprint: String,
        /// And the subkey that is encrypted to.
        pub subkey_fingerprint: String,
        /// Exactly what people sign the hash of.
        pub intent: Vec<u8>,
        /// That hash.
        pub intent_hash: [u8; 32],
        /// Until when may be voted.
        pub window_ends_at: Timestamp,
        /// Until when the check must have passed.
        pub check_ends_at: Option<Timestamp>,
        /// When its delay ends, as the enclave reckons; none: it has not passed.
        pub release_at: Option<Timestamp>,
        /// When the package goes; none: there is none.
        pub keep_until: Option<Timestamp>,
        /// The package's digest.
        pub package_sha256: Option<[u8; 32]>,
        /// The package's size, bytes.
        pub package_size: Option<i64>,
        /// When it was asked for.
        pub created_at: Timestamp,
        /// When it last changed.
        pub updated_at: Timestamp,
    }
}

row! {
    struct Found {
        recovery_id: RecoveryId,
    }
}

row! {
    struct Key {
        key_id: KeyId,
    }
}

/// What a package is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// Its size, bytes.
    pub size: i64,
    /// When it goes.
    pub keep_until: Timestamp,
}

macro_rules! columns {
    () => {
        "id, acl_id, acl_version, asked_by, reason, key_environment, state, why, backups, verification_id, ticket, \
         certificate, gpg_fingerprint, subkey_fingerprint, intent, intent_hash, window_ends_at, check_ends_at, \
         release_at, keep_until, package_sha256, package_size, created_at, updated_at"
    };
}

static INSERT: Sql = sql!(
    "control_recoveries.insert",
    "INSERT INTO control_recoveries (tenant_id, ",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, ",
    "$23, $24, $25)"
);
static INSERT_KEY: Sql = sql!(
    "control_recoveries.insert_key",
    "INSERT INTO control_recovery_keys (tenant_id, recovery_id, key_id) VALUES ($1, $2, $3) ",
    "ON CONFLICT (key_id) WHERE ended_at IS NULL DO NOTHING"
);
static FIND: Sql = sql!(
    "control_recoveries.find",
    "SELECT ",
    columns!(),
    " FROM control_recoveries WHERE tenant_id = $1 AND id = $2"
);
static LOCK: Sql = sql!(
    "control_recoveries.lock",
    "UPDATE control_recoveries SET state = state WHERE tenant_id = $1 AND id = $2 RETURNING ",
    columns!()
);
static LIST: Sql = sql!(
    "control_recoveries.list",
    "SELECT ",
    columns!(),
    " FROM control_recoveries WHERE tenant_id = $1 ",
    "AND (CAST($2 AS TEXT) IS NULL OR id < $2) ORDER BY id DESC LIMIT $3"
);
static LIST_OF_CHECK: Sql = sql!(
    "control_recoveries.list_of_check",
    "SELECT tenant_id, ",
    columns!(),
    " FROM control_recoveries WHERE tenant_id = $1 AND verification_id = $2"
);
static LIST_IN_STATE: Sql = sql!(
    "control_recoveries.list_in_state",
    "SELECT tenant_id, ",
    columns!(),
    " FROM control_recoveries WHERE state = $1 ",
    "AND (CAST($2 AS TEXT) IS NULL OR id > $2) ORDER BY id LIMIT $3"
);
static LIST_WITH_OLD_PACKAGE: Sql = sql!(
    "control_recoveries.list_with_old_package",
    "SELECT tenant_id, ",
    columns!(),
    " FROM control_recoveries WHERE keep_until <= $1 ORDER BY id LIMIT $2"
);
static LIST_KEYS: Sql = sql!(
    "control_recoveries.list_keys",
    "SELECT key_id FROM control_recovery_keys WHERE tenant_id = $1 AND recovery_id = $2 ORDER BY key_id"
);
static FIND_RUNNING_OF_KEY: Sql = sql!(
    "control_recoveries.find_running_of_key",
    "SELECT recovery_id FROM control_recovery_keys WHERE tenant_id = $1 AND key_id = $2 AND ended_at IS NULL"
);
static LIST_OF_KEY: Sql = sql!(
    "control_recoveries.list_of_key",
    "SELECT recovery_id FROM control_recovery_keys WHERE tenant_id = $1 AND key_id = $2 ORDER BY recovery_id"
);
static FIND_RUNNING_OF_ACL: Sql = sql!(
    "control_recoveries.find_running_of_acl",
    "SELECT c.recovery_id FROM control_recovery_keys c JOIN customer_keys k ON k.id = c.key_id ",
    "WHERE c.tenant_id = $1 AND k.acl_id = $2 AND c.ended_at IS NULL ORDER BY c.recovery_id LIMIT 1"
);
static SET_STATE: Sql = sql!(
    "control_recoveries.set_state",
    "UPDATE control_recoveries SET state = $4, why = $5, updated_at = $6 ",
    "WHERE tenant_id = $1 AND id = $2 AND state = $3"
);
static SET_RELEASE_AT: Sql = sql!(
    "control_recoveries.set_release_at",
    "UPDATE control_recoveries SET release_at = $3, updated_at = $4 WHERE tenant_id = $1 AND id = $2"
);
static SET_PACKAGE: Sql = sql!(
    "control_recoveries.set_package",
    "UPDATE control_recoveries SET package_sha256 = $3, package_size = $4, keep_until = $5 ",
    "WHERE tenant_id = $1 AND id = $2"
);
static SET_PACKAGE_GONE: Sql = sql!(
    "control_recoveries.set_package_gone",
    "UPDATE control_recoveries SET keep_until = NULL WHERE tenant_id = $1 AND id = $2 AND keep_until <= $3"
);
static SET_KEYS_FREE: Sql = sql!(
    "control_recoveries.set_keys_free",
    "UPDATE control_recovery_keys SET ended_at = $3 WHERE tenant_id = $1 AND recovery_id = $2 AND ended_at IS NULL"
);

/// Recoveries of all tenants in a state, in the order of their birth, after this one.
pub fn list_in_state(
    rx: &mut Rx<'_>,
    state: ControlState,
    after: Option<&RecoveryId>,
    limit: i64,
) -> Result<Vec<OfTenant<ControlRecovery>>, StoreError> {
    rx.list(&LIST_IN_STATE, &[&state, &after, &limit])
}

/// Recoveries of all tenants whose package has had its days by then.
pub fn list_with_old_package(
    rx: &mut Rx<'_>,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<OfTenant<ControlRecovery>>, StoreError> {
    rx.list(&LIST_WITH_OLD_PACKAGE, &[&until, &limit])
}

/// The recoveries of one tenant.
pub fn of(tenant: &TenantId) -> ControlRecoveries<'_> {
    ControlRecoveries { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct ControlRecoveries<'t> {
    tenant: &'t TenantId,
}

impl ControlRecoveries<'_> {
    /// Adds one, which takes its keys; the first key that another one holds is answered, and then the transaction
    /// is to be given up.
    pub fn insert(
        self,
        tx: &mut Tx<'_>,
        recovery: &ControlRecovery,
        keys: &[KeyId],
    ) -> Result<Option<KeyId>, StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(recovery.args());
        tx.exec_one(&INSERT, &args)?;
        for key in keys {
            if tx.exec(&INSERT_KEY, &[self.tenant, &recovery.id, key])? == 0 {
                return Ok(Some(key.clone()));
            }
        }
        Ok(None)
    }

    /// One by its id.
    pub fn find(self, rx: &mut Rx<'_>, id: &RecoveryId) -> Result<Option<ControlRecovery>, StoreError> {
        rx.find(&FIND, &[self.tenant, id])
    }

    /// One by its id, which nobody else changes until this transaction ends: votes of the same instant come one
    /// after the other.
    pub fn find_locked(
        self,
        tx: &mut Tx<'_>,
        id: &RecoveryId,
    ) -> Result<Option<ControlRecovery>, StoreError> {
        tx.find(&LOCK, &[self.tenant, id])
    }

    /// Newest first, from the one before this on.
    pub fn list(
        self,
        rx: &mut Rx<'_>,
        before: Option<&RecoveryId>,
        limit: i64,
    ) -> Result<Vec<ControlRecovery>, StoreError> {
        rx.list(&LIST, &[self.tenant, &before, &limit])
    }

    /// The recovery that an inquiry is the requester's check of.
    pub fn find_of_check(
        self,
        rx: &mut Rx<'_>,
        verification: &VerificationId,
    ) -> Result<Option<ControlRecovery>, StoreError> {
        let found: Vec<OfTenant<ControlRecovery>> = rx.list(&LIST_OF_CHECK, &[self.tenant, verification])?;
        Ok(found.into_iter().next().map(|found| found.row))
    }

    /// The keys of a recovery, sorted.
    pub fn list_keys(self, rx: &mut Rx<'_>, id: &RecoveryId) -> Result<Vec<KeyId>, StoreError> {
        let keys: Vec<Key> = rx.list(&LIST_KEYS, &[self.tenant, id])?;
        Ok(keys.into_iter().map(|key| key.key_id).collect())
    }

    /// The recovery that runs on a key.
    pub fn find_running_of_key(self, rx: &mut Rx<'_>, key: &KeyId) -> Result<Option<RecoveryId>, StoreError> {
        let found: Option<Found> = rx.find(&FIND_RUNNING_OF_KEY, &[self.tenant, key])?;
        Ok(found.map(|found| found.recovery_id))
    }

    /// The recoveries that ever held a key.
    pub fn list_of_key(self, rx: &mut Rx<'_>, key: &KeyId) -> Result<Vec<RecoveryId>, StoreError> {
        let found: Vec<Found> = rx.list(&LIST_OF_KEY, &[self.tenant, key])?;
        Ok(found.into_iter().map(|found| found.recovery_id).collect())
    }

    /// A recovery that runs on a key of a list.
    pub fn find_running_of_acl(self, rx: &mut Rx<'_>, acl: &AclId) -> Result<Option<RecoveryId>, StoreError> {
        let found: Option<Found> = rx.find(&FIND_RUNNING_OF_ACL, &[self.tenant, acl])?;
        Ok(found.map(|found| found.recovery_id))
    }

    /// Moves a recovery on, and sets its keys free where it runs no more; false when it does not stand where the
    /// caller saw it.
    pub fn set_state(
        self,
        tx: &mut Tx<'_>,
        id: &RecoveryId,
        (from, to): (ControlState, ControlState),
        why: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if tx.exec(&SET_STATE, &[self.tenant, id, &from, &to, &why, &now])? == 0 {
            return Ok(false);
        }
        if !to.is_running() {
            tx.exec(&SET_KEYS_FREE, &[self.tenant, id, &now])?;
        }
        Ok(true)
    }

    /// Notes when its delay ends.
    pub fn set_release_at(
        self,
        tx: &mut Tx<'_>,
        id: &RecoveryId,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        tx.exec_one(&SET_RELEASE_AT, &[self.tenant, id, &at, &now])
    }

    /// Notes the package that was kept.
    pub fn set_package(self, tx: &mut Tx<'_>, id: &RecoveryId, package: &Package) -> Result<(), StoreError> {
        tx.exec_one(&SET_PACKAGE, &[self.tenant, id, &package.sha256, &package.size, &package.keep_until])
    }

    /// Notes that the package was removed; false when it has days left, or is gone.
    pub fn set_package_gone(
        self,
        tx: &mut Tx<'_>,
        id: &RecoveryId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_PACKAGE_GONE, &[self.tenant, id, &now])? == 1)
    }
}
