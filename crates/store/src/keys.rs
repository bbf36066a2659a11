//! Customer keys: assigned to one user of one tenant for good.

use domain::ids::{AclId, KeyId, SplitId, TenantId, UserId, VerificationId};
use domain::key::{KeyEnvironment, KeyState, KeyType};
use domain::time::Timestamp;

use crate::held_keys::{Held, Kept};
use crate::sql::Sql;
use crate::{Rx, StoreError, ToArg, Tx};

row! {
    /// A key pair assigned to a user.
    pub struct CustomerKey {
        /// As the enclave minted it.
        pub id: KeyId,
        /// Whose it is.
        pub user_id: UserId,
        /// What pair it is.
        pub key_type: KeyType,
        /// Where its private half is held.
        pub key_environment: KeyEnvironment,
        /// Where its life stands.
        pub state: KeyState,
        /// The public half.
        pub public_key: Vec<u8>,
        /// SHA-256 of the public half, by which a store names its key.
        pub public_key_sha256: [u8; 32],
        /// What the row has of the private half; see [`CustomerKey::held`].
        pub sealed: Kept,
        /// The splitting whose shares those are; none: they are the whole.
        pub split_id: Option<SplitId>,
        /// COLD: the enclave's signed binding for the offline side.
        pub binding: Option<Vec<u8>>,
        /// The enclave's signature in base64, as first answered.
        pub signature: String,
        /// The exact text that was signed, when fields were asked for.
        pub signed_payload: Option<String>,
        /// The fields asked for: a JSON list in the order of the request.
        pub signed_fields: Option<String>,
        /// The assignment key that signed.
        pub kid: Option<String>,
        /// A user has one active key per slot; none: any number.
        pub assignment_slot: Option<String>,
        /// The tenant's customer.
        pub customer_id: Option<String>,
        /// The customer's name.
        pub customer_name: Option<String>,
        /// The package it is filed under.
        pub package_id: Option<String>,
        /// The package's name.
        pub package_name: Option<String>,
        /// Retail: the inquiry it was made under.
        pub verification_id: Option<VerificationId>,
        /// The key that it replaced.
        pub supersedes: Option<KeyId>,
        /// When it was assigned.
        pub assigned_at: Timestamp,
        /// The list that guards it; a key that replaces another has that one's.
        pub acl_id: Option<AclId>,
    }
}

row! {
    struct Count {
        count: i64,
    }
}

macro_rules! columns {
    () => {
        "id, user_id, key_type, key_environment, state, public_key, public_key_sha256, sealed, split_id, binding, \
         signature, signed_payload, signed_fields, kid, assignment_slot, customer_id, customer_name, package_id, \
         package_name, verification_id, supersedes, assigned_at, acl_id"
    };
}

static INSERT: Sql = sql!(
    "keys.insert",
    "INSERT INTO customer_keys (tenant_id, ",
    columns!(),
    ") VALUES ",
    "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24) ",
    "ON CONFLICT (tenant_id, user_id, assignment_slot) WHERE state = 'active' DO NOTHING"
);
static FIND: Sql =
    sql!("keys.find", "SELECT ", columns!(), " FROM customer_keys WHERE tenant_id = $1 AND id = $2");
static LOCK: Sql = sql!(
    "keys.lock",
    "UPDATE customer_keys SET state = state WHERE tenant_id = $1 AND id = $2 RETURNING ",
    columns!()
);
static FIND_BY_SHA256: Sql = sql!(
    "keys.find_by_public_key_sha256",
    "SELECT ",
    columns!(),
    " FROM customer_keys WHERE tenant_id = $1 AND public_key_sha256 = $2"
);
static FIND_ACTIVE_IN_SLOT: Sql = sql!(
    "keys.find_active_in_slot",
    "SELECT ",
    columns!(),
    " FROM customer_keys ",
    "WHERE tenant_id = $1 AND user_id = $2 AND assignment_slot = $3 AND (state = 'active' OR state = 'destroy-pending' ",
    "AND EXISTS (SELECT 1 FROM key_destructions d WHERE d.key_id = customer_keys.id AND d.key_state = 'active')) ",
    "ORDER BY id DESC LIMIT 1"
);
static FIND_SUCCESSOR: Sql = sql!(
    "keys.find_successor",
    "SELECT ",
    columns!(),
    " FROM customer_keys WHERE tenant_id = $1 AND user_id = $2 AND supersedes = $3 ",
    "ORDER BY id DESC LIMIT 1"
);
static LIST_OF_USER: Sql = sql!(
    "keys.list_of_user",
    "SELECT ",
    columns!(),
    " FROM customer_keys WHERE tenant_id = $1 AND user_id = $2 ORDER BY id DESC LIMIT $3"
);
static LIST_OF_ACL: Sql = sql!(
    "keys.list_of_acl",
    "SELECT ",
    columns!(),
    " FROM customer_keys WHERE tenant_id = $1 AND acl_id = $2 ORDER BY id DESC LIMIT $3"
);
static SET_ACL: Sql = sql!(
    "keys.set_acl",
    "UPDATE customer_keys SET acl_id = $3 WHERE tenant_id = $1 AND id = $2 AND acl_id IS NULL"
);
static SET_STATE: Sql = sql!(
    "keys.set_state",
    "UPDATE customer_keys SET state = $4 WHERE tenant_id = $1 AND id = $2 AND state = $3"
);

static COUNT_SIGNED_WITH: Sql = sql!(
    "keys.count_signed_with",
    "SELECT count(*) AS count FROM customer_keys WHERE tenant_id = $1 AND replace(signed_payload, $2, '') <> signed_payload"
);

/// The keys of one tenant.
pub fn of(tenant: &TenantId) -> Keys<'_> {
    Keys { tenant }
}

impl CustomerKey {
    /// How its private half is held.
    pub fn held(&self) -> Held {
        Held::of(self.sealed.clone(), self.split_id.clone())
    }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Keys<'t> {
    tenant: &'t TenantId,
}

impl Keys<'_> {
    /// Assigns a key; false when the user has an active key in that slot. Of two at once one wins.
    pub fn insert(self, tx: &mut Tx<'_>, key: &CustomerKey) -> Result<bool, StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(key.args());
        Ok(tx.exec(&INSERT, &args)? == 1)
    }

    /// A key by its id.
    pub fn find(self, rx: &mut Rx<'_>, id: &KeyId) -> Result<Option<CustomerKey>, StoreError> {
        rx.find(&FIND, &[self.tenant, id])
    }

    /// A key by its id, which nobody else changes until this transaction ends. To be used where something is
    /// written that is only right while the key stays as it is, such as a backup under an active key.
    pub fn find_locked(self, tx: &mut Tx<'_>, id: &KeyId) -> Result<Option<CustomerKey>, StoreError> {
        tx.find(&LOCK, &[self.tenant, id])
    }

    /// A key by the SHA-256 of its public half.
    pub fn find_by_public_key_sha256(
        self,
        rx: &mut Rx<'_>,
        public_key_sha256: &[u8; 32],
    ) -> Result<Option<CustomerKey>, StoreError> {
        rx.find(&FIND_BY_SHA256, &[self.tenant, public_key_sha256])
    }

    /// The active key of a user in a slot, or the one that will be active again if its destruction is stopped.
    pub fn find_active_in_slot(
        self,
        rx: &mut Rx<'_>,
        user: &UserId,
        slot: &str,
    ) -> Result<Option<CustomerKey>, StoreError> {
        rx.find(&FIND_ACTIVE_IN_SLOT, &[self.tenant, user, &slot])
    }

    /// The key that replaced this one of that user.
    pub fn find_successor(
        self,
        rx: &mut Rx<'_>,
        user: &UserId,
        superseded: &KeyId,
    ) -> Result<Option<CustomerKey>, StoreError> {
        rx.find(&FIND_SUCCESSOR, &[self.tenant, user, superseded])
    }

    /// The keys of a user, newest first, whatever their state.
    pub fn list_of_user(
        self,
        rx: &mut Rx<'_>,
        user: &UserId,
        limit: i64,
    ) -> Result<Vec<CustomerKey>, StoreError> {
        rx.list(&LIST_OF_USER, &[self.tenant, user, &limit])
    }

    /// The keys that a list guards, newest first, whatever their state.
    pub fn list_of_acl(
        self,
        rx: &mut Rx<'_>,
        acl: &AclId,
        limit: i64,
    ) -> Result<Vec<CustomerKey>, StoreError> {
        rx.list(&LIST_OF_ACL, &[self.tenant, acl, &limit])
    }

    /// Puts a key under a list, for good; false when it is under one.
    pub fn set_acl(self, tx: &mut Tx<'_>, id: &KeyId, acl: &AclId) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_ACL, &[self.tenant, id, acl])? == 1)
    }

    /// Moves a key from one state to another; false when it is not in the first.
    pub fn set_state(
        self,
        tx: &mut Tx<'_>,
        id: &KeyId,
        from: KeyState,
        to: KeyState,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_STATE, &[self.tenant, id, &from, &to])? == 1)
    }

    /// How many there are whose signed statement has this text in it.
    pub fn count_signed_with(self, rx: &mut Rx<'_>, text: &str) -> Result<i64, StoreError> {
        Ok(rx.find_one::<Count>(&COUNT_SIGNED_WITH, &[self.tenant, &text])?.count)
    }
}
