//! What makes the names under which the logs speak of those for whom the tenants' own issuers speak. Who was erased
//! has no row any more.

use domain::ids::TenantId;
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Rx, StoreError, ToArg, Tx};

row! {
    /// Somebody, without his name.
    #[derive(Debug)]
    pub struct Subject {
        /// A keyed hash of his name.
        pub finder: [u8; 32],
        /// His salt, sealed by the server's keys.
        pub salt: Vec<u8>,
        /// When the log first spoke of him.
        pub created_at: Timestamp,
    }
}

static FIND: Sql = sql!(
    "audit_subjects.find",
    "SELECT finder, salt, created_at FROM audit_subjects WHERE tenant_id = $1 AND finder = $2"
);
static INSERT: Sql = sql!(
    "audit_subjects.insert",
    "INSERT INTO audit_subjects (tenant_id, finder, salt, created_at) VALUES ($1, $2, $3, $4) ",
    "ON CONFLICT DO NOTHING"
);
static DELETE: Sql =
    sql!("audit_subjects.delete", "DELETE FROM audit_subjects WHERE tenant_id = $1 AND finder = $2");

/// Those of one tenant.
pub fn of(tenant: &TenantId) -> Subjects<'_> {
    Subjects { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Subjects<'t> {
    tenant: &'t TenantId,
}

impl Subjects<'_> {
    /// One by the hash of his name.
    pub fn find(self, rx: &mut Rx<'_>, finder: &[u8; 32]) -> Result<Option<Subject>, StoreError> {
        rx.find(&FIND, &[self.tenant, finder])
    }

    /// Adds one, unless he is there: who is there now. Of two at once the first stays.
    pub fn ensure(self, tx: &mut Tx<'_>, new: &Subject) -> Result<Subject, StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(new.args());
        tx.exec(&INSERT, &args)?;
        tx.find_one(&FIND, &[self.tenant, &new.finder])
    }

    /// Deletes one; false when he is not there.
    pub fn delete(self, tx: &mut Tx<'_>, finder: &[u8; 32]) -> Result<bool, StoreError> {
        Ok(tx.exec(&DELETE, &[self.tenant, finder])? == 1)
    }
}
