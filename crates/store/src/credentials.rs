//! API credentials. Only a keyed hash of one is kept.

use domain::credential::TenantKind;
use domain::ids::{CredentialId, TenantId};
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{FromRow, Rx, StoreError, Tx};

pub use crate::column::Scopes;

row! {
    /// An API credential; what it opens is its hash's secret.
    #[derive(Debug)]
    pub struct ApiCredential {
        /// Its id.
        pub id: CredentialId,
        /// The tenant's own label.
        pub name: String,
        /// Its first characters, by which people recognise it.
        pub hint: String,
        /// What it may be used for.
        pub scopes: Scopes,
        /// From when it is refused.
        pub expires_at: Option<Timestamp>,
        /// When it was revoked.
        pub revoked_at: Option<Timestamp>,
        /// When it was made.
        pub created_at: Timestamp,
    }
}

/// Who a credential's bearer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The tenant's name.
    pub tenant_name: String,
    /// What the tenant is.
    pub tenant_kind: TenantKind,
    /// The credential, possibly expired or revoked.
    pub credential: ApiCredential,
}

impl Bearer {
    /// Whether the credential is neither revoked nor expired.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        let credential = &self.credential;
        credential.revoked_at.is_none() && credential.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

impl FromRow for Bearer {
    fn read(cells: &mut crate::Cells<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            tenant_id: cells.take("tenant_id")?,
            tenant_name: cells.take("tenant_name")?,
            tenant_kind: cells.take("tenant_kind")?,
            credential: ApiCredential::read(cells)?,
        })
    }
}

static INSERT: Sql = sql!(
    "credentials.insert",
    "INSERT INTO api_credentials (tenant_id, key_hash, id, name, hint, scopes, expires_at, revoked_at, created_at) ",
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
);
static FIND_BY_HASH: Sql = sql!(
    "credentials.find_by_hash",
    "SELECT t.id AS tenant_id, t.name AS tenant_name, t.kind AS tenant_kind, ",
    "c.id, c.name, c.hint, c.scopes, c.expires_at, c.revoked_at, c.created_at ",
    "FROM api_credentials c JOIN tenants t ON t.id = c.tenant_id WHERE c.key_hash = $1"
);
static FIND_BY_ID: Sql = sql!(
    "credentials.find_by_id",
    "SELECT t.id AS tenant_id, t.name AS tenant_name, t.kind AS tenant_kind, ",
    "c.id, c.name, c.hint, c.scopes, c.expires_at, c.revoked_at, c.created_at ",
    "FROM api_credentials c JOIN tenants t ON t.id = c.tenant_id WHERE c.id = $1"
);
static LIST: Sql = sql!(
    "credentials.list",
    "SELECT id, name, hint, scopes, expires_at, revoked_at, created_at ",
    "FROM api_credentials WHERE tenant_id = $1 ORDER BY id"
);
static LIST_BEFORE: Sql = sql!(
    "credentials.list_before",
    "SELECT id, name, hint, scopes, expires_at, revoked_at, created_at ",
    "FROM api_credentials WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
);
static FIND: Sql = sql!(
    "credentials.find",
    "SELECT id, name, hint, scopes, expires_at, revoked_at, created_at ",
    "FROM api_credentials WHERE tenant_id = $1 AND id = $2"
);
/// After every id.
const LAST_ID: &str = "~";
static SET_REVOKED: Sql = sql!(
    "credentials.set_revoked",
    "UPDATE api_credentials SET revoked_at = $3 WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL"
);

/// Who bears the credential with this keyed hash. The one look-up that no tenant begins: it finds the tenant.
pub fn find_by_hash(rx: &mut Rx<'_>, key_hash: &[u8; 32]) -> Result<Option<Bearer>, StoreError> {
    rx.find(&FIND_BY_HASH, &[key_hash])
}

/// Who bears the credential of this id, which a token of ours names. It finds the tenant, as the one above.
pub fn find_by_id(rx: &mut Rx<'_>, id: &CredentialId) -> Result<Option<Bearer>, StoreError> {
    rx.find(&FIND_BY_ID, &[id])
}

/// The credentials of one tenant.
pub fn of(tenant: &TenantId) -> Credentials<'_> {
    Credentials { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'t> {
    tenant: &'t TenantId,
}

impl Credentials<'_> {
    /// Adds one, known by its keyed hash.
    pub fn insert(
        self,
        tx: &mut Tx<'_>,
        credential: &ApiCredential,
        key_hash: &[u8; 32],
    ) -> Result<(), StoreError> {
        let mut args: Vec<&dyn crate::ToArg> = vec![self.tenant, key_hash];
        args.extend(credential.args());
        tx.exec_one(&INSERT, &args)
    }

    /// All of them, oldest first, revoked ones too.
    pub fn list(self, rx: &mut Rx<'_>) -> Result<Vec<ApiCredential>, StoreError> {
        rx.list(&LIST, &[self.tenant])
    }

    /// Up to `limit` of them, newest first: those older than `before`, or the newest.
    pub fn list_before(
        self,
        rx: &mut Rx<'_>,
        before: Option<&CredentialId>,
        limit: i64,
    ) -> Result<Vec<ApiCredential>, StoreError> {
        rx.list(&LIST_BEFORE, &[self.tenant, &before.map_or(LAST_ID, CredentialId::as_str), &limit])
    }

    /// One of them.
    pub fn find(self, rx: &mut Rx<'_>, id: &CredentialId) -> Result<Option<ApiCredential>, StoreError> {
        rx.find(&FIND, &[self.tenant, id])
    }

    /// Revokes one; false when it is not there or was revoked before.
    pub fn set_revoked(self, tx: &mut Tx<'_>, id: &CredentialId, now: Timestamp) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_REVOKED, &[self.tenant, id, &now])? == 1)
    }
}
