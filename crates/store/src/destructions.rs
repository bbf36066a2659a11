//! Destructions of keys: one row for each key, the latest of it.

use domain::destruction::DestructionState;
use domain::ids::{BackupId, KeyId, PersonId, TenantId};
use domain::key::KeyState;
use domain::time::Timestamp;

use crate::backups::Changed;
use crate::held_keys::Kept;
use crate::sql::Sql;
use crate::{Rx, StoreError, ToArg, Tx};

row! {
    /// The destruction of a key.
    #[derive(Debug)]
    pub struct Destruction {
        /// The key.
        pub key_id: KeyId,
        /// Where it stands.
        pub state: DestructionState,
        /// What the key was before, and is again if it is stopped.
        pub key_state: KeyState,
        /// Why, in the words of whoever asked.
        pub reason: String,
        /// How many days lie between the second person's yes and the end.
        pub days: i64,
        /// Who asked.
        pub asked_by: PersonId,
        /// Who confirmed it; none: nobody yet.
        pub confirmed_by: Option<PersonId>,
        /// While it is asked for, when it lapses; from then on, when the key is destroyed.
        pub due_at: Timestamp,
        /// When it was asked for.
        pub asked_at: Timestamp,
        /// When it was confirmed.
        pub confirmed_at: Option<Timestamp>,
        /// When the key was destroyed, or this was stopped or lapsed.
        pub ended_at: Option<Timestamp>,
    }
}

row! {
    /// Where there is something to do. These are texts, so that a row that does not read keeps no other.
    #[derive(Debug)]
    pub struct Due {
        /// Whose key, as it stands there.
        pub tenant_id: String,
        /// The key, as it stands there.
        pub key_id: String,
    }
}

row! {
    struct File {
        id: BackupId,
    }
}

row! {
    struct Count {
        count: i64,
    }
}

macro_rules! columns {
    () => {
        "key_id, state, key_state, reason, days, asked_by, confirmed_by, due_at, asked_at, confirmed_at, ended_at"
    };
}

static INSERT: Sql = sql!(
    "destructions.insert",
    "INSERT INTO key_destructions (tenant_id, ",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (key_id) DO UPDATE SET ",
    "state = excluded.state, key_state = excluded.key_state, reason = excluded.reason, days = excluded.days, ",
    "asked_by = excluded.asked_by, confirmed_by = excluded.confirmed_by, due_at = excluded.due_at, ",
    "asked_at = excluded.asked_at, confirmed_at = excluded.confirmed_at, ended_at = excluded.ended_at ",
    "WHERE key_destructions.state IN ('stopped', 'lapsed')"
);
static FIND: Sql = sql!(
    "destructions.find",
    "SELECT ",
    columns!(),
    " FROM key_destructions WHERE tenant_id = $1 AND key_id = $2"
);
static LOCK: Sql = sql!(
    "destructions.lock",
    "UPDATE key_destructions SET state = state WHERE tenant_id = $1 AND key_id = $2 RETURNING ",
    columns!()
);
static SET_RELEASED: Sql = sql!(
    "destructions.set_released",
    "UPDATE key_destructions SET key_state = 'released' ",
    "WHERE tenant_id = $1 AND key_id = $2 AND key_state = 'active' AND state IN ('pending', 'halted')"
);
static LIST_DUE: Sql = sql!(
    "destructions.list_due",
    "SELECT tenant_id, key_id FROM key_destructions WHERE state IN ('asked', 'pending', 'erasing') AND due_at <= $1 ",
    "ORDER BY due_at LIMIT $2"
);
static SET_CONFIRMED: Sql = sql!(
    "destructions.set_confirmed",
    "UPDATE key_destructions SET state = 'pending', key_state = $3, confirmed_by = $4, due_at = $5, confirmed_at = $6 ",
    "WHERE tenant_id = $1 AND key_id = $2 AND state = 'asked'"
);
static SET_STATE: Sql = sql!(
    "destructions.set_state",
    "UPDATE key_destructions SET state = $4, ended_at = $5 WHERE tenant_id = $1 AND key_id = $2 AND state = $3"
);
static SET_DUE: Sql = sql!(
    "destructions.set_due",
    "UPDATE key_destructions SET due_at = $3 WHERE tenant_id = $1 AND key_id = $2 AND state = 'pending'"
);
static SET_KEY_DESTROYED: Sql = sql!(
    "destructions.set_key_destroyed",
    "UPDATE customer_keys SET state = 'destroyed', sealed = $3, split_id = NULL, held_at = $4 ",
    "WHERE tenant_id = $1 AND id = $2 AND state = 'destroy-pending'"
);
static SET_BACKUPS_DELETED: Sql = sql!(
    "destructions.set_backups_deleted",
    "UPDATE backups SET state = 'deleted', delete_after = NULL, updated_at = $3, ciphertext = NULL, ",
    "checksum_sealed = NULL, record = NULL, repeat_tag = NULL ",
    "WHERE tenant_id = $1 AND key_id = $2 AND state <> 'deleted' RETURNING id, key_id, kind, item_key"
);
static LIST_FILES: Sql = sql!(
    "destructions.list_files",
    "SELECT id FROM backups WHERE tenant_id = $1 AND key_id = $2 AND kind = 'file' ORDER BY id"
);
static COUNT_FILES: Sql = sql!(
    "destructions.count_files",
    "SELECT count(*) AS count FROM backups WHERE tenant_id = $1 AND key_id = $2 AND kind = 'file' AND state <> 'deleted'"
);

/// The keys of all tenants about whose destruction there is something to do, the longest overdue first.
pub fn list_due(rx: &mut Rx<'_>, now: Timestamp, limit: i64) -> Result<Vec<Due>, StoreError> {
    rx.list(&LIST_DUE, &[&now, &limit])
}

/// The destructions of one tenant's keys.
pub fn of(tenant: &TenantId) -> Destructions<'_> {
    Destructions { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Destructions<'t> {
    tenant: &'t TenantId,
}

impl Destructions<'_> {
    /// Begins one, in the place of an earlier one of the key that is over; false when there is another.
    pub fn insert(self, tx: &mut Tx<'_>, destruction: &Destruction) -> Result<bool, StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(destruction.args());
        Ok(tx.exec(&INSERT, &args)? == 1)
    }

    /// The latest of a key.
    pub fn find(self, rx: &mut Rx<'_>, key: &KeyId) -> Result<Option<Destruction>, StoreError> {
        rx.find(&FIND, &[self.tenant, key])
    }

    /// The same, which nobody else changes until this transaction ends.
    pub fn find_locked(self, tx: &mut Tx<'_>, key: &KeyId) -> Result<Option<Destruction>, StoreError> {
        tx.find(&LOCK, &[self.tenant, key])
    }

    /// Has the days begin, of a key in that state; false when it is not asked for.
    pub fn set_confirmed(
        self,
        tx: &mut Tx<'_>,
        (key, state): (&KeyId, KeyState),
        by: &PersonId,
        due_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_CONFIRMED, &[self.tenant, key, &state, by, &due_at, &now])? == 1)
    }

    /// Moves one from a state to another, and says when it ended if that ends it; false when it is not in the first.
    pub fn set_state(
        self,
        tx: &mut Tx<'_>,
        key: &KeyId,
        (from, to): (DestructionState, DestructionState),
        ended_at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_STATE, &[self.tenant, key, &from, &to, &ended_at])? == 1)
    }

    /// Notes that the private half of an active key went out, for the case that the destruction is stopped; false where
    /// there is nothing to note, since no days run: the key's own row says what it is.
    pub fn set_released(self, tx: &mut Tx<'_>, key: &KeyId) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_RELEASED, &[self.tenant, key])? == 1)
    }

    /// Has the days end at that instant; false when they do not run.
    pub fn set_due(self, tx: &mut Tx<'_>, key: &KeyId, due_at: Timestamp) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_DUE, &[self.tenant, key, &due_at])? == 1)
    }

    /// Takes the sealed private half off the row of a key, for good; false when the key does not wait for that. Shares
    /// in other stores are not this function's.
    pub fn set_key_destroyed(self, tx: &mut Tx<'_>, key: &KeyId, now: Timestamp) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_KEY_DESTROYED, &[self.tenant, key, &Kept::new(Vec::new()), &now])? == 1)
    }

    /// Deletes all that a key guards, ciphertexts and all, whatever its state; returned is what that was.
    pub fn set_backups_deleted(
        self,
        tx: &mut Tx<'_>,
        key: &KeyId,
        now: Timestamp,
    ) -> Result<Vec<Changed>, StoreError> {
        tx.list(&SET_BACKUPS_DELETED, &[self.tenant, key, &now])
    }

    /// The files that were ever stored under a key, and stayed there.
    pub fn list_files(self, rx: &mut Rx<'_>, key: &KeyId) -> Result<Vec<BackupId>, StoreError> {
        let found: Vec<File> = rx.list(&LIST_FILES, &[self.tenant, key])?;
        Ok(found.into_iter().map(|file| file.id).collect())
    }

    /// How many files a key guards.
    pub fn count_files(self, rx: &mut Rx<'_>, key: &KeyId) -> Result<i64, StoreError> {
        Ok(rx.find_one::<Count>(&COUNT_FILES, &[self.tenant, key])?.count)
    }
}
