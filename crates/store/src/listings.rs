//! Keys and backups as their tenant sees them: listed newest first, read one by one. Never a private half, a
//! ciphertext or a checksum.

use domain::backup::{BackupKind, BackupState, CheckState};
use domain::ids::{AclId, BackupId, KeyId, TenantId};
use domain::key::{KeyEnvironment, KeyState, KeyType};
use domain::time::Timestamp;

use crate::audit::Hash;
use crate::sql::Sql;
use crate::{Rx, StoreError, ToArg};

row! {
    /// A key as it is shown.
    pub struct ListedKey {
        /// Its id.
        pub id: KeyId,
        /// The tenant's name for its user.
        pub user_identifier: String,
        /// What pair it is.
        pub key_type: KeyType,
        /// Where its private half is held.
        pub key_environment: KeyEnvironment,
        /// Where its life stands.
        pub state: KeyState,
        /// The public half.
        pub public_key: Vec<u8>,
        /// The enclave's signature in base64, as first answered.
        pub signature: String,
        /// The exact text that was signed, when fields were asked for.
        pub signed_payload: Option<String>,
        /// The fields asked for: a JSON list in the order of the request.
        pub signed_fields: Option<String>,
        /// The assignment key that signed.
        pub kid: Option<String>,
        /// The tenant's customer.
        pub customer_id: Option<String>,
        /// The customer's name.
        pub customer_name: Option<String>,
        /// The package it is filed under.
        pub package_id: Option<String>,
        /// The package's name.
        pub package_name: Option<String>,
        /// The key that it replaced.
        pub supersedes: Option<KeyId>,
        /// The key that replaced it.
        pub superseded_by: Option<KeyId>,
        /// When it was assigned.
        pub assigned_at: Timestamp,
        /// How many backups it guards.
        pub backups: i64,
    }
}

row! {
    /// A backup as it is shown.
    pub struct ListedBackup {
        /// Its id.
        pub id: BackupId,
        /// The key it is encrypted to.
        pub key_id: KeyId,
        /// Where that key's private half is held.
        pub key_environment: KeyEnvironment,
        /// The tenant's name for its user.
        pub user_identifier: String,
        /// The tenant's customer.
        pub customer_id: Option<String>,
        /// The package the key is filed under.
        pub package_id: Option<String>,
        /// What it holds.
        pub kind: BackupKind,
        /// Where its life stands.
        pub state: BackupState,
        /// What is known about its checksum.
        pub check_state: CheckState,
        /// The caller's name for it.
        pub item_key: Option<String>,
        /// JSON, as it was stored.
        pub metadata: String,
        /// Bytes stored.
        pub data_size: i64,
        /// A file's digest.
        pub stored_sha256: Option<Hash>,
        /// When it was stored.
        pub stored_at: Timestamp,
        /// When it last changed.
        pub updated_at: Timestamp,
        /// When it will be deleted.
        pub delete_after: Option<Timestamp>,
    }
}

row! {
    /// Something that was done to a key.
    pub struct KeyAct {
        /// When.
        pub time: Timestamp,
        /// What.
        pub action: String,
        /// What the actor is.
        pub actor_type: String,
        /// Who.
        pub actor: String,
    }
}

/// Which keys are wanted; what is none does not narrow.
#[derive(Clone, Debug, Default)]
pub struct KeyFilter {
    /// Of this user.
    pub user_identifier: Option<String>,
    /// Of this customer.
    pub customer_id: Option<String>,
    /// In this package.
    pub package_id: Option<String>,
    /// In this state.
    pub state: Option<KeyState>,
    /// Held there.
    pub key_environment: Option<KeyEnvironment>,
    /// Under this access list.
    pub acl_id: Option<AclId>,
}

/// Which backups are wanted; what is none does not narrow.
#[derive(Clone, Debug, Default)]
pub struct BackupFilter {
    /// Of this user.
    pub user_identifier: Option<String>,
    /// Under this key.
    pub key_id: Option<KeyId>,
    /// Of this customer.
    pub customer_id: Option<String>,
    /// In this package.
    pub package_id: Option<String>,
    /// In this state.
    pub state: Option<BackupState>,
    /// Of this kind.
    pub kind: Option<BackupKind>,
    /// Under keys that are held there.
    pub key_environment: Option<KeyEnvironment>,
    /// Under keys that this access list guards.
    pub acl_id: Option<AclId>,
}

/// A place in a list: the instant and the id of the last row seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its instant.
    pub at: Timestamp,
    /// Its id.
    pub id: String,
}

macro_rules! keys_shown {
    () => {
        "SELECT k.id, u.user_identifier, k.key_type, k.key_environment, k.state, k.public_key, k.signature, \
         k.signed_payload, k.signed_fields, k.kid, k.customer_id, k.customer_name, k.package_id, k.package_name, \
         k.supersedes, (SELECT max(s.id) FROM customer_keys s WHERE s.tenant_id = k.tenant_id \
         AND s.user_id = k.user_id AND s.supersedes = k.id) AS superseded_by, k.assigned_at, \
         (SELECT count(*) FROM backups b WHERE b.tenant_id = k.tenant_id AND b.key_id = k.id \
         AND b.state <> 'deleted') AS backups \
         FROM customer_keys k JOIN users u ON u.id = k.user_id "
    };
}

macro_rules! backups_shown {
    () => {
        "SELECT b.id, b.key_id, k.key_environment, u.user_identifier, k.customer_id, k.package_id, b.kind, b.state, \
         b.check_state, b.item_key, b.metadata, b.data_size, b.stored_sha256, b.stored_at, b.updated_at, \
         b.delete_after \
         FROM backups b JOIN customer_keys k ON k.id = b.key_id JOIN users u ON u.id = b.user_id "
    };
}

static LIST_KEYS: Sql = sql!(
    "listings.list_keys",
    keys_shown!(),
    "WHERE k.tenant_id = $1 AND (k.assigned_at, k.id) < ($2, $3) ",
    "AND (CAST($5 AS TEXT) IS NULL OR u.user_identifier = $5) ",
    "AND (CAST($6 AS TEXT) IS NULL OR k.customer_id = $6) ",
    "AND (CAST($7 AS TEXT) IS NULL OR k.package_id = $7) ",
    "AND (CAST($8 AS TEXT) IS NULL OR k.state = $8) ",
    "AND (CAST($9 AS TEXT) IS NULL OR k.key_environment = $9) ",
    "AND (CAST($10 AS TEXT) IS NULL OR k.acl_id = $10) ",
    "ORDER BY k.assigned_at DESC, k.id DESC LIMIT $4"
);
static FIND_KEY: Sql = sql!("listings.find_key", keys_shown!(), "WHERE k.tenant_id = $1 AND k.id = $2");
static LIST_KEY_ACTS: Sql = sql!(
    "listings.list_key_acts",
    "SELECT time, action, actor_type, actor FROM audit_entries ",
    "WHERE tenant_id = $1 AND key_id = $2 AND result = 'ok' AND action LIKE 'key.%' AND refused = FALSE ",
    // What waits, and what the log's head counts.
    "AND (seq IS NULL OR seq BETWEEN 1 AND (SELECT h.seq FROM audit_heads h WHERE h.tenant_id = $1)) ",
    "ORDER BY id LIMIT $3"
);
static LIST_BACKUPS: Sql = sql!(
    "listings.list_backups",
    backups_shown!(),
    "WHERE b.tenant_id = $1 AND (b.stored_at, b.id) < ($2, $3) ",
    "AND (CAST($5 AS TEXT) IS NULL OR u.user_identifier = $5) ",
    "AND (CAST($6 AS TEXT) IS NULL OR b.key_id = $6) ",
    "AND (CAST($7 AS TEXT) IS NULL OR k.customer_id = $7) ",
    "AND (CAST($8 AS TEXT) IS NULL OR k.package_id = $8) ",
    "AND (CAST($9 AS TEXT) IS NULL OR b.state = $9) ",
    "AND (CAST($10 AS TEXT) IS NULL OR b.kind = $10) ",
    "AND (CAST($11 AS TEXT) IS NULL OR k.key_environment = $11) ",
    "AND (CAST($12 AS TEXT) IS NULL OR k.acl_id = $12) ",
    "ORDER BY b.stored_at DESC, b.id DESC LIMIT $4"
);
static FIND_BACKUP: Sql =
    sql!("listings.find_backup", backups_shown!(), "WHERE b.tenant_id = $1 AND b.id = $2");

/// What one tenant sees.
pub fn of(tenant: &TenantId) -> Listings<'_> {
    Listings { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Listings<'t> {
    tenant: &'t TenantId,
}

/// Where a list begins: no row is younger.
const FROM_THE_TOP: (Timestamp, &str) = (Timestamp::from_ms(i64::MAX), "");

pub(crate) fn place(after: Option<&Seen>) -> (Timestamp, &str) {
    after.map_or(FROM_THE_TOP, |seen| (seen.at, seen.id.as_str()))
}

impl Listings<'_> {
    /// Up to `limit` keys after that place, newest first, whatever their state.
    pub fn list_keys(
        self,
        rx: &mut Rx<'_>,
        filter: &KeyFilter,
        after: Option<&Seen>,
        limit: i64,
    ) -> Result<Vec<ListedKey>, StoreError> {
        let (at, id) = place(after);
        let args: [&dyn ToArg; 10] = [
            self.tenant,
            &at,
            &id,
            &limit,
            &filter.user_identifier,
            &filter.customer_id,
            &filter.package_id,
            &filter.state,
            &filter.key_environment,
            &filter.acl_id,
        ];
        rx.list(&LIST_KEYS, &args)
    }

    /// One key.
    pub fn find_key(self, rx: &mut Rx<'_>, id: &KeyId) -> Result<Option<ListedKey>, StoreError> {
        rx.find(&FIND_KEY, &[self.tenant, id])
    }

    /// What was done to a key, from its assignment on, by the log.
    pub fn list_key_acts(self, rx: &mut Rx<'_>, id: &KeyId, limit: i64) -> Result<Vec<KeyAct>, StoreError> {
        rx.list(&LIST_KEY_ACTS, &[self.tenant, id, &limit])
    }

    /// Up to `limit` backups after that place, newest first, deleted ones too.
    pub fn list_backups(
        self,
        rx: &mut Rx<'_>,
        filter: &BackupFilter,
        after: Option<&Seen>,
        limit: i64,
    ) -> Result<Vec<ListedBackup>, StoreError> {
        let (at, id) = place(after);
        let args: [&dyn ToArg; 12] = [
            self.tenant,
            &at,
            &id,
            &limit,
            &filter.user_identifier,
            &filter.key_id,
            &filter.customer_id,
            &filter.package_id,
            &filter.state,
            &filter.kind,
            &filter.key_environment,
            &filter.acl_id,
        ];
        rx.list(&LIST_BACKUPS, &args)
    }

    /// One backup, deleted ones too.
    pub fn find_backup(self, rx: &mut Rx<'_>, id: &BackupId) -> Result<Option<ListedBackup>, StoreError> {
        rx.find(&FIND_BACKUP, &[self.tenant, id])
    }
}
