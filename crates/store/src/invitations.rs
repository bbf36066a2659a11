//! Invitations that were not finished, at most one for a person. One is found by the keyed hash of its token, which
//! finds the tenant.

use domain::ids::{PersonId, TenantId};
use domain::person::InvitationPurpose;
use domain::time::Timestamp;

use crate::people::Person;
use crate::sql::Sql;
use crate::{Cells, FromRow, Rx, StoreError, Tx};

row! {
    /// An invitation.
    #[derive(Debug)]
    pub struct Invitation {
        /// The keyed hash of its token.
        pub token_hash: [u8; 32],
        /// Who is invited.
        pub person_id: PersonId,
        /// Why.
        pub purpose: InvitationPurpose,
        /// When.
        pub created_at: Timestamp,
        /// Until when it can be taken up.
        pub expires_at: Timestamp,
    }
}

/// An invitation with whom it is for.
#[derive(Clone, Debug)]
pub struct Found {
    /// The tenant.
    pub tenant_id: TenantId,
    /// What the tenant is called.
    pub tenant_name: String,
    /// The person.
    pub person: Person,
    /// The invitation.
    pub invitation: Invitation,
}

impl FromRow for Found {
    fn read(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            tenant_id: cells.take("tenant_id")?,
            tenant_name: cells.take("tenant_name")?,
            person: Person::read(cells)?,
            invitation: Invitation::read(cells)?,
        })
    }
}

static INSERT: Sql = sql!(
    "invitations.insert",
    "INSERT INTO invitations (token_hash, person_id, purpose, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)"
);
static FIND: Sql = sql!(
    "invitations.find",
    "SELECT p.tenant_id, t.name AS tenant_name, ",
    "p.id, p.email, p.name, p.role, p.state, p.created_at, p.removed_at, ",
    "i.token_hash, i.person_id, i.purpose, i.created_at, i.expires_at ",
    "FROM invitations i JOIN people p ON p.id = i.person_id JOIN tenants t ON t.id = p.tenant_id ",
    "WHERE i.token_hash = $1"
);
static FIND_OF: Sql = sql!(
    "invitations.find_of",
    "SELECT token_hash, person_id, purpose, created_at, expires_at FROM invitations WHERE person_id = $1"
);
static LIST_OF_TENANT: Sql = sql!(
    "invitations.list_of_tenant",
    "SELECT i.token_hash, i.person_id, i.purpose, i.created_at, i.expires_at ",
    "FROM invitations i JOIN people p ON p.id = i.person_id WHERE p.tenant_id = $1 ORDER BY i.person_id"
);
static DELETE_OF: Sql = sql!("invitations.delete_of", "DELETE FROM invitations WHERE person_id = $1");

/// Invites, in the place of an invitation that there was.
pub fn insert_or_replace(tx: &mut Tx<'_>, invitation: &Invitation) -> Result<(), StoreError> {
    delete_of(tx, &invitation.person_id)?;
    tx.exec_one(&INSERT, &invitation.args())
}

/// The invitation of a token, over or not.
pub fn find(rx: &mut Rx<'_>, token_hash: &[u8; 32]) -> Result<Option<Found>, StoreError> {
    rx.find(&FIND, &[token_hash])
}

/// A person's.
pub fn find_of(rx: &mut Rx<'_>, person: &PersonId) -> Result<Option<Invitation>, StoreError> {
    rx.find(&FIND_OF, &[person])
}

/// All of a tenant's people's.
pub fn list_of_tenant(rx: &mut Rx<'_>, tenant: &TenantId) -> Result<Vec<Invitation>, StoreError> {
    rx.list(&LIST_OF_TENANT, &[tenant])
}

/// Ends a person's; false when there was none.
pub fn delete_of(tx: &mut Tx<'_>, person: &PersonId) -> Result<bool, StoreError> {
    Ok(tx.exec(&DELETE_OF, &[person])? == 1)
}
