//! Approval control lists, and every version of each.

use domain::ids::{AclId, TenantId};
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Rx, StoreError, ToArg, Tx};

row! {
    /// A list as it stands.
    #[derive(Debug)]
    pub struct Acl {
        /// Its id.
        pub id: AclId,
        /// What people call it.
        pub name: String,
        /// The version in force.
        pub version: i64,
        /// When it was made.
        pub created_at: Timestamp,
        /// When it last changed.
        pub updated_at: Timestamp,
        /// The document in force, exactly as it was signed.
        pub document: String,
        /// Its hash.
        pub hash: [u8; 32],
    }
}

row! {
    /// One version of a list.
    #[derive(Debug)]
    pub struct Version {
        /// Of which list.
        pub acl_id: AclId,
        /// From 1.
        pub version: i64,
        /// The document, exactly as it was signed.
        pub document: String,
        /// Its hash.
        pub hash: [u8; 32],
        /// From then on it was in force.
        pub created_at: Timestamp,
    }
}

macro_rules! shown {
    () => {
        "SELECT a.id, a.name, a.version, a.created_at, a.updated_at, v.document, v.hash FROM acls a \
         JOIN acl_versions v ON v.acl_id = a.id AND v.version = a.version "
    };
}

static INSERT: Sql = sql!(
    "acls.insert",
    "INSERT INTO acls (tenant_id, id, name, version, created_at, updated_at) VALUES ($1, $2, $3, 1, $4, $4)"
);
static INSERT_VERSION: Sql = sql!(
    "acls.insert_version",
    "INSERT INTO acl_versions (tenant_id, acl_id, version, document, hash, created_at) ",
    "VALUES ($1, $2, $3, $4, $5, $6)"
);
static SET_VERSION: Sql = sql!(
    "acls.set_version",
    "UPDATE acls SET version = $3, name = $4, updated_at = $5 ",
    "WHERE tenant_id = $1 AND id = $2 AND version = $6"
);
static FIND: Sql = sql!("acls.find", shown!(), "WHERE a.tenant_id = $1 AND a.id = $2");
static LOCK: Sql = sql!("acls.lock", "UPDATE acls SET version = version WHERE tenant_id = $1 AND id = $2");
static LIST: Sql = sql!("acls.list", shown!(), "WHERE a.tenant_id = $1 ORDER BY a.id DESC LIMIT $2");
static LIST_VERSIONS: Sql = sql!(
    "acls.list_versions",
    "SELECT acl_id, version, document, hash, created_at FROM acl_versions ",
    "WHERE tenant_id = $1 AND acl_id = $2 ORDER BY version"
);

/// The lists of one tenant.
pub fn of(tenant: &TenantId) -> Acls<'_> {
    Acls { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Acls<'t> {
    tenant: &'t TenantId,
}

impl Acls<'_> {
    /// Adds a list with its first version.
    pub fn insert(self, tx: &mut Tx<'_>, name: &str, first: &Version) -> Result<(), StoreError> {
        tx.exec_one(&INSERT, &[self.tenant, &first.acl_id, &name, &first.created_at])?;
        self.insert_version(tx, first)
    }

    /// Puts the next version in force; false when it is not the next.
    pub fn set_version(self, tx: &mut Tx<'_>, name: &str, next: &Version) -> Result<bool, StoreError> {
        let before = next.version - 1;
        let args: [&dyn ToArg; 6] =
            [self.tenant, &next.acl_id, &next.version, &name, &next.created_at, &before];
        if tx.exec(&SET_VERSION, &args)? == 0 {
            return Ok(false);
        }
        self.insert_version(tx, next)?;
        Ok(true)
    }

    fn insert_version(self, tx: &mut Tx<'_>, version: &Version) -> Result<(), StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(version.args());
        tx.exec_one(&INSERT_VERSION, &args)
    }

    /// One by its id.
    pub fn find(self, rx: &mut Rx<'_>, id: &AclId) -> Result<Option<Acl>, StoreError> {
        rx.find(&FIND, &[self.tenant, id])
    }

    /// One by its id, which nobody else changes until this transaction ends: whoever begins a change of it or a
    /// recovery under it begins so, since neither may begin beside the other.
    pub fn find_locked(self, tx: &mut Tx<'_>, id: &AclId) -> Result<Option<Acl>, StoreError> {
        tx.exec(&LOCK, &[self.tenant, id])?;
        self.find(tx, id)
    }

    /// The newest lists.
    pub fn list(self, rx: &mut Rx<'_>, limit: i64) -> Result<Vec<Acl>, StoreError> {
        rx.list(&LIST, &[self.tenant, &limit])
    }

    /// Every version of a list, the first first.
    pub fn list_versions(self, rx: &mut Rx<'_>, id: &AclId) -> Result<Vec<Version>, StoreError> {
        rx.list(&LIST_VERSIONS, &[self.tenant, id])
    }
}
