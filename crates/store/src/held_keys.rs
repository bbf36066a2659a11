//! How private halves of customer keys are held: whole in their rows, or in shares over several stores.

use domain::ids::{KeyId, SplitId, TenantId};
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Arg, Column, Rx, StoreError, ToArg, Tx};

/// What a row has of a private half: all that the enclave sealed, or some shares of it. It is of no use to the enclave
/// before it is whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept(Vec<u8>);

impl Kept {
    /// These bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Whether there is nothing: as of a key that is destroyed.
    pub fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }
}

impl ToArg for Kept {
    fn to_arg(&self) -> Arg<'_> {
        self.0.to_arg()
    }
}

impl Column for Kept {
    fn read(value: Arg<'_>) -> Result<Self, &'static str> {
        Column::read(value).map(Self)
    }
}

/// How a row holds a private half that the enclave sealed to tenant and user.
#[derive(Clone, PartialEq, Eq)]
pub enum Held {
    /// Whole.
    Whole(Vec<u8>),
    /// The row has these shares of this splitting; other stores have the others.
    InShares(SplitId, Vec<u8>),
}

impl Held {
    /// As a row has it.
    pub fn of(kept: Kept, split_id: Option<SplitId>) -> Self {
        match split_id {
            None => Self::Whole(kept.0),
            Some(split_id) => Self::InShares(split_id, kept.0),
        }
    }

    /// As a row is to have it.
    pub fn columns(&self) -> (Kept, Option<SplitId>) {
        match self {
            Self::Whole(sealed) => (Kept(sealed.clone()), None),
            Self::InShares(split_id, shares) => (Kept(shares.clone()), Some(split_id.clone())),
        }
    }
}

row! {
    /// Where the private half of a key is held, for whoever goes through all of them.
    pub struct HeldKey {
        /// Whose tenant's it is.
        pub tenant_id: TenantId,
        /// The key.
        pub id: KeyId,
        /// What the row has of it.
        pub sealed: Kept,
        /// See [`CustomerKey::split_id`].
        pub split_id: Option<SplitId>,
    }
}

impl HeldKey {
    /// How its private half is held.
    pub fn held(&self) -> Held {
        Held::of(self.sealed.clone(), self.split_id.clone())
    }
}

row! {
    struct Count {
        count: i64,
    }
}

static SET_HELD: Sql = sql!(
    "held_keys.set_held",
    "UPDATE customer_keys SET sealed = $5, split_id = $6, held_at = $7 WHERE tenant_id = $1 AND id = $2 ",
    "AND sealed = $3 AND COALESCE(split_id, '') = COALESCE($4, '')"
);
static LIST_HELD: Sql = sql!(
    "held_keys.list_held",
    "SELECT tenant_id, id, sealed, split_id FROM customer_keys WHERE id > $1 AND state <> 'destroyed' ",
    "ORDER BY id LIMIT $2"
);
static COUNT_WHOLE: Sql = sql!(
    "held_keys.count_whole",
    "SELECT count(*) AS count FROM customer_keys WHERE split_id IS NULL AND state <> 'destroyed'"
);
static IS_SPLIT_ORPHAN: Sql = sql!(
    "held_keys.is_split_orphan",
    "SELECT count(*) AS count FROM tenants t WHERE t.id = $1 AND NOT EXISTS (SELECT 1 FROM customer_keys k ",
    "WHERE k.tenant_id = t.id AND k.id = $2 AND (k.split_id = $3 OR k.held_at >= $4))"
);

/// The private halves of every tenant's keys that come after one, in the order of their ids; none: from the first. Of a
/// key that is destroyed there is none.
pub fn list_held(rx: &mut Rx<'_>, after: Option<&KeyId>, limit: i64) -> Result<Vec<HeldKey>, StoreError> {
    rx.list(&LIST_HELD, &[&after.map_or("", KeyId::as_str), &limit])
}

/// How many keys of every tenant are held whole in their rows.
pub fn count_whole(rx: &mut Rx<'_>) -> Result<i64, StoreError> {
    Ok(rx.find_one::<Count>(&COUNT_WHOLE, &[])?.count)
}

/// Where private halves of one tenant are held.
pub fn of(tenant: &TenantId) -> HeldKeys<'_> {
    HeldKeys { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct HeldKeys<'t> {
    tenant: &'t TenantId,
}

impl HeldKeys<'_> {
    /// Holds a private half in another way, or another seal of it; false, with nothing written, when it is not held
    /// as it was. Everything that replaces a sealed private key goes through here.
    pub fn set_held(
        self,
        tx: &mut Tx<'_>,
        id: &KeyId,
        (was, becomes): (&Held, &Held),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let ((was, was_split), (becomes, split)) = (was.columns(), becomes.columns());
        Ok(tx.exec(&SET_HELD, &[self.tenant, id, &was, &was_split, &becomes, &split, &now])? == 1)
    }

    /// Whether nothing needs the shares of this splitting of a key any more: the key is not there, or has been held
    /// otherwise since before that instant. Of a tenant that this database does not know that is not said: its
    /// shares belong to another database.
    pub fn is_split_orphan(
        self,
        rx: &mut Rx<'_>,
        id: &KeyId,
        split_id: &SplitId,
        replaced_before: Timestamp,
    ) -> Result<bool, StoreError> {
        let args: [&dyn ToArg; 4] = [self.tenant, id, split_id, &replaced_before];
        Ok(rx.find_one::<Count>(&IS_SPLIT_ORPHAN, &args)?.count == 1)
    }
}
