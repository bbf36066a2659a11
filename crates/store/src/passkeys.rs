//! People's passkeys. A person's rows are reached by his id, which was found in his tenant.

use domain::ids::{PasskeyId, PersonId, TenantId};
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Rx, StoreError, ToArg, Tx};

row! {
    /// A passkey.
    #[derive(Debug)]
    pub struct Passkey {
        /// Its id.
        pub id: PasskeyId,
        /// Whose it is.
        pub person_id: PersonId,
        /// As the authenticator minted it.
        pub credential_id: Vec<u8>,
        /// What the library keeps of it, JSON.
        pub data: String,
        /// The public key: an uncompressed point of P-256.
        pub point: [u8; 65],
        /// The person's own label.
        pub name: String,
        /// From then on votes by it count.
        pub counts_from: Timestamp,
        /// When it was made.
        pub created_at: Timestamp,
        /// When it was revoked; none: it was not.
        pub revoked_at: Option<Timestamp>,
    }
}

macro_rules! columns {
    () => {
        "k.id, k.person_id, k.credential_id, k.data, k.point, k.name, k.counts_from, k.created_at, k.revoked_at"
    };
}

static INSERT: Sql = sql!(
    "passkeys.insert",
    "INSERT INTO passkeys (id, person_id, credential_id, data, point, name, counts_from, created_at, revoked_at) ",
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING"
);
static LIST: Sql = sql!(
    "passkeys.list",
    "SELECT ",
    columns!(),
    " FROM passkeys k WHERE k.person_id = $1 AND k.revoked_at IS NULL ORDER BY k.id"
);
static LIST_OF_TENANT: Sql = sql!(
    "passkeys.list_of_tenant",
    "SELECT ",
    columns!(),
    " FROM passkeys k JOIN people p ON p.id = k.person_id ",
    "WHERE p.tenant_id = $1 AND p.state = 'active' AND k.revoked_at IS NULL ORDER BY k.id"
);
static SET_DATA: Sql = sql!(
    "passkeys.set_data",
    "UPDATE passkeys SET data = $3 WHERE person_id = $1 AND credential_id = $2 AND revoked_at IS NULL"
);
static SET_REVOKED: Sql = sql!(
    "passkeys.set_revoked",
    "UPDATE passkeys SET revoked_at = $3 WHERE person_id = $1 AND id = $2 AND revoked_at IS NULL"
);
static SET_ALL_REVOKED: Sql = sql!(
    "passkeys.set_all_revoked",
    "UPDATE passkeys SET revoked_at = $2 WHERE person_id = $1 AND revoked_at IS NULL"
);

/// Adds one; false when the authenticator's id is known already, whoever's it is.
pub fn insert(tx: &mut Tx<'_>, passkey: &Passkey) -> Result<bool, StoreError> {
    Ok(tx.exec(&INSERT, &passkey.args())? == 1)
}

/// A person's passkeys that are not revoked, oldest first.
pub fn list(rx: &mut Rx<'_>, person: &PersonId) -> Result<Vec<Passkey>, StoreError> {
    rx.list(&LIST, &[person])
}

/// The passkeys of a tenant's active people that are not revoked, oldest first.
pub fn list_of_tenant(rx: &mut Rx<'_>, tenant: &TenantId) -> Result<Vec<Passkey>, StoreError> {
    rx.list(&LIST_OF_TENANT, &[tenant])
}

/// Writes what the library keeps of it after a use; false when it was revoked meanwhile.
pub fn set_data(
    tx: &mut Tx<'_>,
    person: &PersonId,
    credential_id: &[u8],
    data: &str,
) -> Result<bool, StoreError> {
    let args: [&dyn ToArg; 3] = [person, &credential_id, &data];
    Ok(tx.exec(&SET_DATA, &args)? == 1)
}

/// Revokes one; false when there is no such one.
pub fn set_revoked(
    tx: &mut Tx<'_>,
    person: &PersonId,
    id: &PasskeyId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(tx.exec(&SET_REVOKED, &[person, id, &now])? == 1)
}

/// Revokes all of a person's.
pub fn set_all_revoked(tx: &mut Tx<'_>, person: &PersonId, now: Timestamp) -> Result<(), StoreError> {
    tx.exec(&SET_ALL_REVOKED, &[person, &now]).map(drop)
}
