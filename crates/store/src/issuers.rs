//! Tenants' own issuers of tokens.

use domain::credential::TenantKind;
use domain::ids::{CredentialId, TenantId};
use domain::time::Timestamp;

use crate::column::Scopes;
use crate::sql::Sql;
use crate::{FromRow, Rx, StoreError, ToArg, Tx};

row! {
    /// An issuer.
    #[derive(Debug)]
    pub struct Issuer {
        /// Under which the calls of its tokens are counted.
        pub id: CredentialId,
        /// Its name: the claim `iss` of its tokens.
        pub issuer: String,
        /// For whom its tokens are: their claim `aud`.
        pub audience: String,
        /// Where its keys are.
        pub jwks_uri: String,
        /// What its tokens may hold at most.
        pub scopes: Scopes,
        /// When the tenant first had one.
        pub created_at: Timestamp,
        /// When it was last set.
        pub updated_at: Timestamp,
    }
}

/// An issuer, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The tenant.
    pub tenant_id: TenantId,
    /// What the tenant is.
    pub tenant_kind: TenantKind,
    /// The issuer.
    pub issuer: Issuer,
}

impl FromRow for Owned {
    fn read(cells: &mut crate::Cells<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            tenant_id: cells.take("tenant_id")?,
            tenant_kind: cells.take("tenant_kind")?,
            issuer: Issuer::read(cells)?,
        })
    }
}

// An update that changes nothing: of two who set at once, the second replaces what the first set.
static LOCK_TENANT: Sql = sql!("issuers.lock_tenant", "UPDATE tenants SET name = name WHERE id = $1");
static INSERT: Sql = sql!(
    "issuers.insert",
    "INSERT INTO token_issuers (tenant_id, id, issuer, audience, jwks_uri, scopes, created_at, updated_at) ",
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"
);
static FIND: Sql = sql!(
    "issuers.find",
    "SELECT id, issuer, audience, jwks_uri, scopes, created_at, updated_at ",
    "FROM token_issuers WHERE tenant_id = $1"
);
static FIND_BY_NAME: Sql = sql!(
    "issuers.find_by_name",
    "SELECT t.id AS tenant_id, t.kind AS tenant_kind, ",
    "i.id, i.issuer, i.audience, i.jwks_uri, i.scopes, i.created_at, i.updated_at ",
    "FROM token_issuers i JOIN tenants t ON t.id = i.tenant_id WHERE i.issuer = $1 AND i.audience = $2"
);
static DELETE: Sql = sql!("issuers.delete", "DELETE FROM token_issuers WHERE tenant_id = $1");

/// Whose issuer has this name and this audience. It finds the tenant, as a credential does.
pub fn find_by_name(rx: &mut Rx<'_>, issuer: &str, audience: &str) -> Result<Option<Owned>, StoreError> {
    rx.find(&FIND_BY_NAME, &[&issuer, &audience])
}

/// The issuer of one tenant.
pub fn of(tenant: &TenantId) -> Issuers<'_> {
    Issuers { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Issuers<'t> {
    tenant: &'t TenantId,
}

impl Issuers<'_> {
    /// Inserts it, in the place of the one before, whose id and birth it keeps: what was written. None, with the
    /// transaction to be given up, when another tenant's has this name and this audience.
    pub fn insert_or_replace(self, tx: &mut Tx<'_>, new: &Issuer) -> Result<Option<Issuer>, StoreError> {
        tx.exec_one(&LOCK_TENANT, &[self.tenant])?;
        let mut row = new.clone();
        if let Some(before) = self.find(&mut *tx)? {
            (row.id, row.created_at) = (before.id, before.created_at);
            tx.exec_one(&DELETE, &[self.tenant])?;
        }
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(row.args());
        Ok((tx.exec(&INSERT, &args)? == 1).then_some(row))
    }

    /// It, if there is one.
    pub fn find(self, rx: &mut Rx<'_>) -> Result<Option<Issuer>, StoreError> {
        rx.find(&FIND, &[self.tenant])
    }

    /// Deletes it; false when there is none.
    pub fn delete(self, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
        Ok(tx.exec(&DELETE, &[self.tenant])? == 1)
    }
}
