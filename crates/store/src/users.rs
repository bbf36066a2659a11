//! The persons whose material is kept, by the name the tenant gives them.

use domain::ids::{PersonId, TenantId, UserId};
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Rx, StoreError, ToArg, Tx};

row! {
    /// One person or wallet of a tenant.
    #[derive(Debug)]
    pub struct User {
        /// The service's own name for him.
        pub id: UserId,
        /// The tenant's opaque name for him.
        pub user_identifier: String,
        /// When he was first named.
        pub created_at: Timestamp,
    }
}

row! {
    struct WhoItIs {
        person_id: Option<PersonId>,
    }
}

static INSERT: Sql = sql!(
    "users.insert",
    "INSERT INTO users (tenant_id, id, user_identifier, created_at) VALUES ($1, $2, $3, $4) ",
    "ON CONFLICT (tenant_id, user_identifier) DO NOTHING"
);
static SET_PERSON: Sql =
    sql!("users.set_person", "UPDATE users SET person_id = $3 WHERE tenant_id = $1 AND id = $2");
static FIND_PERSON: Sql =
    sql!("users.find_person", "SELECT person_id FROM users WHERE tenant_id = $1 AND id = $2");
static FIND: Sql =
    sql!("users.find", "SELECT id, user_identifier, created_at FROM users WHERE tenant_id = $1 AND id = $2");
static FIND_BY_IDENTIFIER: Sql = sql!(
    "users.find_by_identifier",
    "SELECT id, user_identifier, created_at FROM users WHERE tenant_id = $1 AND user_identifier = $2"
);

/// The users of one tenant.
pub fn of(tenant: &TenantId) -> Users<'_> {
    Users { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Users<'t> {
    tenant: &'t TenantId,
}

impl Users<'_> {
    /// A user by the service's name.
    pub fn find(self, rx: &mut Rx<'_>, id: &UserId) -> Result<Option<User>, StoreError> {
        rx.find(&FIND, &[self.tenant, id])
    }

    /// A user by the tenant's name.
    pub fn find_by_identifier(
        self,
        rx: &mut Rx<'_>,
        user_identifier: &str,
    ) -> Result<Option<User>, StoreError> {
        rx.find(&FIND_BY_IDENTIFIER, &[self.tenant, &user_identifier])
    }

    /// The user of this name: `new` if there was none, else the one that was there, with its own id.
    pub fn ensure(self, tx: &mut Tx<'_>, new: &User) -> Result<User, StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(new.args());
        tx.exec(&INSERT, &args)?;
        tx.find_one(&FIND_BY_IDENTIFIER, &[self.tenant, &new.user_identifier])
    }

    /// The row by which a person of Control is checked: `new` if there was none, else the one that was there.
    pub fn ensure_person(self, tx: &mut Tx<'_>, new: &User, person: &PersonId) -> Result<User, StoreError> {
        let user = self.ensure(tx, new)?;
        tx.exec_one(&SET_PERSON, &[self.tenant, &user.id, person])?;
        Ok(user)
    }

    /// The person of Control who is checked as this user; none: it is a user of the tenant's.
    pub fn find_person(self, rx: &mut Rx<'_>, id: &UserId) -> Result<Option<PersonId>, StoreError> {
        let found: Option<WhoItIs> = rx.find(&FIND_PERSON, &[self.tenant, id])?;
        Ok(found.and_then(|row| row.person_id))
    }
}
