//! Backups: one ciphertext, or one file, under one customer key.

use domain::backup::{BackupKind, BackupState, CheckState};
use domain::ids::{BackupId, KeyId, SplitId, TenantId, UserId, VerificationId};
use domain::key::{KeyEnvironment, KeyState, KeyType};
use domain::time::Timestamp;

use crate::held_keys::{Held, Kept};
use crate::sql::Sql;
use crate::{Cells, FromRow, Rx, StoreError, ToArg, Tx};

row! {
    /// One stored item.
    pub struct Backup {
        /// Its id.
        pub id: BackupId,
        /// Whose it is.
        pub user_id: UserId,
        /// The key it is encrypted to.
        pub key_id: KeyId,
        /// What it holds.
        pub kind: BackupKind,
        /// Where its life stands.
        pub state: BackupState,
        /// What is known about its checksum.
        pub check_state: CheckState,
        /// Retail: the inquiry it was stored under.
        pub verification_id: Option<VerificationId>,
        /// Retail: the enclave's session of that inquiry.
        pub session_id: Option<String>,
        /// The caller's name for it.
        pub item_key: Option<String>,
        /// The ciphertext; none for a file, and once deleted.
        pub ciphertext: Option<Vec<u8>>,
        /// The plaintext's checksum, sealed by the server.
        pub checksum_sealed: Option<Vec<u8>>,
        /// The enclave's sealed record of the store.
        pub record: Option<Vec<u8>>,
        /// JSON, as it will be answered.
        pub metadata: String,
        /// Bytes stored.
        pub data_size: i64,
        /// A file's digest, as it was stored.
        pub stored_sha256: Option<[u8; 32]>,
        /// Keyed hash by which a repeated store is known.
        pub repeat_tag: Option<[u8; 32]>,
        /// When it was stored.
        pub stored_at: Timestamp,
        /// When it last changed.
        pub updated_at: Timestamp,
    }
}

row! {
    /// What an event says about a backup whose state has changed.
    #[derive(Debug)]
    pub struct Changed {
        /// The backup.
        pub id: BackupId,
        /// The key it is encrypted to.
        pub key_id: KeyId,
        /// What it holds.
        pub kind: BackupKind,
        /// The caller's name for it.
        pub item_key: Option<String>,
    }
}

row! {
    /// The key of a backup that is to be released.
    pub struct ItsKey {
        /// What pair it is.
        pub key_type: KeyType,
        /// Where its private half is held.
        pub key_environment: KeyEnvironment,
        /// Where its life stands.
        pub key_state: KeyState,
        /// What its row has of the private half; see [`ItsKey::held`].
        pub key_sealed: Kept,
        /// The splitting whose shares those are; none: they are the whole.
        pub key_split_id: Option<SplitId>,
        /// The public half.
        pub key_public_key: Vec<u8>,
    }
}

impl ItsKey {
    /// How its private half is held.
    pub fn held(&self) -> Held {
        Held::of(self.key_sealed.clone(), self.key_split_id.clone())
    }
}

/// A backup together with the key that opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct BackupWithKey {
    /// The backup.
    pub backup: Backup,
    /// Its key.
    pub key: ItsKey,
}

impl FromRow for BackupWithKey {
    fn read(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        Ok(Self { backup: Backup::read(cells)?, key: ItsKey::read(cells)? })
    }
}

row! {
    struct Count {
        count: i64,
    }
}

row! {
    struct Named {
        id: BackupId,
    }
}

macro_rules! columns {
    () => {
        "id, user_id, key_id, kind, state, check_state, verification_id, session_id, item_key, ciphertext, \
         checksum_sealed, record, metadata, data_size, stored_sha256, repeat_tag, stored_at, updated_at"
    };
}

macro_rules! with_key {
    () => {
        "SELECT b.id, b.user_id, b.key_id, b.kind, b.state, b.check_state, b.verification_id, b.session_id, \
         b.item_key, b.ciphertext, b.checksum_sealed, b.record, b.metadata, b.data_size, b.stored_sha256, b.repeat_tag, \
         b.stored_at, b.updated_at, k.key_type, k.key_environment, k.state AS key_state, k.sealed AS key_sealed, \
         k.split_id AS key_split_id, \
         k.public_key AS key_public_key \
         FROM backups b JOIN customer_keys k ON k.tenant_id = b.tenant_id AND k.id = b.key_id "
    };
}

static INSERT: Sql = sql!(
    "backups.insert",
    "INSERT INTO backups (tenant_id, ",
    columns!(),
    ") VALUES ",
    "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) ",
    "ON CONFLICT (tenant_id, repeat_tag) DO NOTHING"
);
static FIND: Sql =
    sql!("backups.find", "SELECT ", columns!(), " FROM backups WHERE tenant_id = $1 AND id = $2");
static FIND_BY_REPEAT_TAG: Sql = sql!(
    "backups.find_by_repeat_tag",
    "SELECT ",
    columns!(),
    " FROM backups WHERE tenant_id = $1 AND repeat_tag = $2"
);
static FIND_WITH_KEY: Sql =
    sql!("backups.find_with_key", with_key!(), "WHERE b.tenant_id = $1 AND b.id = $2");
static CONFIRM: Sql = sql!(
    "backups.confirm_of_verification",
    "UPDATE backups SET state = 'confirmed', updated_at = $3 ",
    "WHERE tenant_id = $1 AND verification_id = $2 AND state = 'unconfirmed' ",
    "RETURNING id, key_id, kind, item_key"
);
static DELETE_UNCONFIRMED: Sql = sql!(
    "backups.delete_unconfirmed_of_verification",
    "UPDATE backups SET state = 'deleted', updated_at = $3, ciphertext = NULL, checksum_sealed = NULL, ",
    "record = NULL, repeat_tag = NULL ",
    "WHERE tenant_id = $1 AND verification_id = $2 AND state = 'unconfirmed' ",
    "RETURNING id, key_id, kind, item_key"
);
static LIST_CONFIRMED_OF_KEY: Sql = sql!(
    "backups.list_confirmed_of_key",
    "SELECT id FROM backups WHERE tenant_id = $1 AND key_id = $2 AND state = 'confirmed' ORDER BY id"
);
static LIST_CONFIRMED_DATA: Sql = sql!(
    "backups.list_confirmed_data_of_user",
    with_key!(),
    "WHERE b.tenant_id = $1 AND b.user_id = $2 AND b.state = 'confirmed' AND b.kind = 'data' ",
    "AND b.session_id IS NOT NULL ",
    "ORDER BY b.stored_at DESC, b.id DESC LIMIT $3"
);
static COUNT_OF_USER: Sql = sql!(
    "backups.count_of_user",
    "SELECT count(*) AS count FROM backups WHERE tenant_id = $1 AND user_id = $2 AND state <> 'deleted'"
);
static IS_ORPHAN: Sql = sql!(
    "backups.is_orphan",
    "SELECT count(*) AS count FROM tenants t WHERE t.id = $1 AND NOT EXISTS (SELECT 1 FROM backups b ",
    "WHERE b.tenant_id = t.id AND b.id = $2 AND b.state <> 'deleted')"
);
static SET_DAMAGED: Sql = sql!(
    "backups.set_damaged",
    "UPDATE backups SET ciphertext = $3, updated_at = $4 ",
    "WHERE tenant_id = $1 AND id = $2 AND kind = 'data' AND state = 'confirmed'"
);

/// The backups of one tenant.
pub fn of(tenant: &TenantId) -> Backups<'_> {
    Backups { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Backups<'t> {
    tenant: &'t TenantId,
}

impl Backups<'_> {
    /// Stores one; false when one with this repeat tag is there already. Of two at once one wins.
    pub fn insert(self, tx: &mut Tx<'_>, backup: &Backup) -> Result<bool, StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(backup.args());
        Ok(tx.exec(&INSERT, &args)? == 1)
    }

    /// One by its id, deleted ones too.
    pub fn find(self, rx: &mut Rx<'_>, id: &BackupId) -> Result<Option<Backup>, StoreError> {
        rx.find(&FIND, &[self.tenant, id])
    }

    /// The one that a repeated store repeats.
    pub fn find_by_repeat_tag(
        self,
        rx: &mut Rx<'_>,
        repeat_tag: &[u8; 32],
    ) -> Result<Option<Backup>, StoreError> {
        rx.find(&FIND_BY_REPEAT_TAG, &[self.tenant, repeat_tag])
    }

    /// One by its id, with the key that opens it.
    pub fn find_with_key(self, rx: &mut Rx<'_>, id: &BackupId) -> Result<Option<BackupWithKey>, StoreError> {
        rx.find(&FIND_WITH_KEY, &[self.tenant, id])
    }

    /// Confirms what was stored under an inquiry that is now approved; returns it in the order of its birth.
    pub fn confirm_of_verification(
        self,
        tx: &mut Tx<'_>,
        verification: &VerificationId,
        now: Timestamp,
    ) -> Result<Vec<Changed>, StoreError> {
        Ok(by_birth(tx.list(&CONFIRM, &[self.tenant, verification, &now])?))
    }

    /// Deletes what was stored under an inquiry that failed, ciphertext and all; returns it in the order of its
    /// birth.
    pub fn delete_unconfirmed_of_verification(
        self,
        tx: &mut Tx<'_>,
        verification: &VerificationId,
        now: Timestamp,
    ) -> Result<Vec<Changed>, StoreError> {
        Ok(by_birth(tx.list(&DELETE_UNCONFIRMED, &[self.tenant, verification, &now])?))
    }

    /// The confirmed data that a user stored under identity checks, with its keys, newest first.
    pub fn list_confirmed_data_of_user(
        self,
        rx: &mut Rx<'_>,
        user: &UserId,
        limit: i64,
    ) -> Result<Vec<BackupWithKey>, StoreError> {
        rx.list(&LIST_CONFIRMED_DATA, &[self.tenant, user, &limit])
    }

    /// The confirmed backups under a key, by id.
    pub fn list_confirmed_of_key(self, rx: &mut Rx<'_>, key: &KeyId) -> Result<Vec<BackupId>, StoreError> {
        let found: Vec<Named> = rx.list(&LIST_CONFIRMED_OF_KEY, &[self.tenant, key])?;
        Ok(found.into_iter().map(|found| found.id).collect())
    }

    /// These backups with their keys, in this order, for another delivery of the same items. One that is not
    /// there is left out.
    pub fn list_by_ids(self, rx: &mut Rx<'_>, ids: &[BackupId]) -> Result<Vec<BackupWithKey>, StoreError> {
        let found = ids.iter().map(|id| self.find_with_key(rx, id));
        Ok(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// How many backups a user has that are not deleted.
    pub fn count_of_user(self, rx: &mut Rx<'_>, user: &UserId) -> Result<i64, StoreError> {
        Ok(rx.find_one::<Count>(&COUNT_OF_USER, &[self.tenant, user])?.count)
    }

    /// Whether nothing points at a file of this backup. Of a tenant that this database does not know that is not
    /// said: its files belong to another database.
    pub fn is_orphan(self, rx: &mut Rx<'_>, id: &BackupId) -> Result<bool, StoreError> {
        Ok(rx.find_one::<Count>(&IS_ORPHAN, &[self.tenant, id])?.count == 1)
    }

    /// Puts other bytes in the place of a ciphertext, to rehearse a failed item in the sandbox; false when it
    /// is not confirmed data.
    pub fn set_damaged(
        self,
        tx: &mut Tx<'_>,
        id: &BackupId,
        ciphertext: &[u8],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_DAMAGED, &[self.tenant, id, &ciphertext, &now])? == 1)
    }
}

/// An engine returns changed rows in any order.
fn by_birth(mut changed: Vec<Changed>) -> Vec<Changed> {
    changed.sort_by(|a, b| a.id.cmp(&b.id));
    changed
}
