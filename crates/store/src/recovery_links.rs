//! Links to a recovery's package, each of them for one download by one person.

use domain::ids::{PersonId, RecoveryId, TenantId};
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Rx, StoreError, ToArg, Tx};

row! {
    /// One link.
    #[derive(Debug)]
    pub struct Link {
        /// Keyed hash of its token.
        pub token_hash: [u8; 32],
        /// To whose package.
        pub recovery_id: RecoveryId,
        /// For whom.
        pub person_id: PersonId,
        /// From then on it opens nothing.
        pub expires_at: Timestamp,
        /// When it was used.
        pub used_at: Option<Timestamp>,
        /// When it was made.
        pub created_at: Timestamp,
    }
}

static INSERT: Sql = sql!(
    "recovery_links.insert",
    "INSERT INTO recovery_links (tenant_id, token_hash, recovery_id, person_id, expires_at, used_at, created_at) ",
    "VALUES ($1, $2, $3, $4, $5, $6, $7)"
);
static FIND: Sql = sql!(
    "recovery_links.find",
    "SELECT token_hash, recovery_id, person_id, expires_at, used_at, created_at FROM recovery_links ",
    "WHERE tenant_id = $1 AND token_hash = $2"
);
static SET_USED: Sql = sql!(
    "recovery_links.set_used",
    "UPDATE recovery_links SET used_at = $4 ",
    "WHERE tenant_id = $1 AND token_hash = $2 AND person_id = $3 AND used_at IS NULL AND expires_at > $4"
);

/// The links of one tenant.
pub fn of(tenant: &TenantId) -> Links<'_> {
    Links { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Links<'t> {
    tenant: &'t TenantId,
}

impl Links<'_> {
    /// Adds one.
    pub fn insert(self, tx: &mut Tx<'_>, link: &Link) -> Result<(), StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(link.args());
        tx.exec_one(&INSERT, &args)
    }

    /// One by its token.
    pub fn find(self, rx: &mut Rx<'_>, token_hash: &[u8; 32]) -> Result<Option<Link>, StoreError> {
        rx.find(&FIND, &[self.tenant, token_hash])
    }

    /// Uses a link up; false when it is another person's, used or too old. Of two at once one wins.
    pub fn set_used(
        self,
        tx: &mut Tx<'_>,
        token_hash: &[u8; 32],
        person: &PersonId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_USED, &[self.tenant, token_hash, person, &now])? == 1)
    }
}
