//! The people of tenants.

use domain::credential::TenantKind;
use domain::ids::{PersonId, TenantId};
use domain::person::{PersonState, Role};
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Cells, FromRow, Rx, StoreError, ToArg, Tx};

row! {
    /// Somebody.
    #[derive(Debug)]
    pub struct Person {
        /// His id.
        pub id: PersonId,
        /// Where mail reaches him, in lower case. Nobody else in the installation has it.
        pub email: String,
        /// As he is called.
        pub name: String,
        /// What he is in the tenant.
        pub role: Role,
        /// How far he has come.
        pub state: PersonState,
        /// When he was first invited.
        pub created_at: Timestamp,
        /// When he was taken out; none: he was not.
        pub removed_at: Option<Timestamp>,
    }
}

row! {
    struct Ever {
        id: PersonId,
    }
}

row! {
    /// By what somebody signs in, and how that went.
    pub struct Secrets {
        /// The password's hash, a PHC string.
        pub password: Option<String>,
        /// The secret of his app's codes, sealed.
        pub totp_sealed: Option<Vec<u8>>,
        /// The time step of the last code that counted.
        pub totp_step: i64,
        /// Failures, one after the other.
        pub failures: i64,
        /// Until when he is locked out.
        pub locked_until: Option<Timestamp>,
    }
}

/// Somebody, whose he is, and by what he signs in.
#[derive(Clone)]
pub struct Known {
    /// The tenant.
    pub tenant_id: TenantId,
    /// What the tenant is.
    pub tenant_kind: TenantKind,
    /// He.
    pub person: Person,
    /// By what he signs in.
    pub secrets: Secrets,
}

impl FromRow for Known {
    fn read(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            tenant_id: cells.take("tenant_id")?,
            tenant_kind: cells.take("tenant_kind")?,
            person: Person::read(cells)?,
            secrets: Secrets::read(cells)?,
        })
    }
}

row! {
    struct Count {
        number: i64,
    }
}

macro_rules! columns {
    ($p:literal) => {
        concat!(
            $p,
            "id, ",
            $p,
            "email, ",
            $p,
            "name, ",
            $p,
            "role, ",
            $p,
            "state, ",
            $p,
            "created_at, ",
            $p,
            "removed_at"
        )
    };
}

macro_rules! secrets {
    () => {
        "p.password, p.totp_sealed, p.totp_step, p.failures, p.locked_until"
    };
}

static INSERT: Sql = sql!(
    "people.insert",
    "INSERT INTO people (tenant_id, ",
    columns!(""),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"
);
static FIND: Sql =
    sql!("people.find", "SELECT ", columns!(""), " FROM people WHERE tenant_id = $1 AND id = $2");
static LIST: Sql = sql!(
    "people.list",
    "SELECT ",
    columns!(""),
    " FROM people WHERE tenant_id = $1 AND state <> 'removed' ORDER BY id"
);
static LIST_EVER: Sql = sql!("people.list_ever", "SELECT id FROM people WHERE tenant_id = $1 ORDER BY id");
static COUNT_EVER: Sql =
    sql!("people.count_ever", "SELECT COUNT(*) AS number FROM people WHERE tenant_id = $1");
static COUNT_OTHER_OWNERS: Sql = sql!(
    "people.count_other_owners",
    "SELECT COUNT(*) AS number FROM people ",
    "WHERE tenant_id = $1 AND role = 'owner' AND state = 'active' AND id <> $2"
);
static FIND_BY_EMAIL: Sql = sql!(
    "people.find_by_email",
    "SELECT p.tenant_id, t.kind AS tenant_kind, ",
    columns!("p."),
    ", ",
    secrets!(),
    " FROM people p JOIN tenants t ON t.id = p.tenant_id WHERE p.email = $1 AND p.state <> 'removed'"
);
static FIND_KNOWN: Sql = sql!(
    "people.find_known",
    "SELECT p.tenant_id, t.kind AS tenant_kind, ",
    columns!("p."),
    ", ",
    secrets!(),
    " FROM people p JOIN tenants t ON t.id = p.tenant_id WHERE p.tenant_id = $1 AND p.id = $2"
);
// Updates that change nothing: they lock the row in either engine, so that of two at once the second sees what the
// first did.
static LOCK: Sql = sql!("people.lock", "UPDATE people SET name = name WHERE tenant_id = $1 AND id = $2");
static LOCK_TENANT: Sql = sql!("people.lock_tenant", "UPDATE tenants SET name = name WHERE id = $1");
static SET_FAILURES: Sql = sql!(
    "people.set_failures",
    "UPDATE people SET failures = $3, locked_until = $4 WHERE tenant_id = $1 AND id = $2"
);
static SET_ROLE: Sql = sql!(
    "people.set_role",
    "UPDATE people SET role = $3 WHERE tenant_id = $1 AND id = $2 AND state <> 'removed'"
);
static SET_STATE: Sql = sql!(
    "people.set_state",
    "UPDATE people SET state = $3, removed_at = $4 WHERE tenant_id = $1 AND id = $2 AND state <> 'removed'"
);
static SET_PASSWORD: Sql =
    sql!("people.set_password", "UPDATE people SET password = $3 WHERE tenant_id = $1 AND id = $2");
static SET_TOTP: Sql = sql!(
    "people.set_totp",
    "UPDATE people SET totp_sealed = $3, totp_step = $4 WHERE tenant_id = $1 AND id = $2"
);
static SET_TOTP_STEP: Sql = sql!(
    "people.set_totp_step",
    "UPDATE people SET totp_step = $3 WHERE tenant_id = $1 AND id = $2 AND totp_step < $3"
);
static INSERT_CODE: Sql = sql!(
    "people.insert_code",
    "INSERT INTO recovery_codes (code_hash, person_id, created_at) VALUES ($1, $2, $3)"
);
static DELETE_CODE: Sql =
    sql!("people.delete_code", "DELETE FROM recovery_codes WHERE person_id = $1 AND code_hash = $2");
static DELETE_CODES: Sql = sql!("people.delete_codes", "DELETE FROM recovery_codes WHERE person_id = $1");
static COUNT_CODES: Sql =
    sql!("people.count_codes", "SELECT COUNT(*) AS number FROM recovery_codes WHERE person_id = $1");

/// Who has this address, of whichever tenant. It finds the tenant, as a credential does.
pub fn find_by_email(rx: &mut Rx<'_>, email: &str) -> Result<Option<Known>, StoreError> {
    rx.find(&FIND_BY_EMAIL, &[&email])
}

/// The people of one tenant.
pub fn of(tenant: &TenantId) -> People<'_> {
    People { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct People<'t> {
    tenant: &'t TenantId,
}

impl People<'_> {
    /// Adds somebody; false when the address is somebody's already.
    pub fn insert(self, tx: &mut Tx<'_>, person: &Person) -> Result<bool, StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(person.args());
        Ok(tx.exec(&INSERT, &args)? == 1)
    }

    /// Somebody, removed or not.
    pub fn find(self, rx: &mut Rx<'_>, id: &PersonId) -> Result<Option<Person>, StoreError> {
        rx.find(&FIND, &[self.tenant, id])
    }

    /// Somebody with what he signs in by.
    pub fn find_known(self, rx: &mut Rx<'_>, id: &PersonId) -> Result<Option<Known>, StoreError> {
        rx.find(&FIND_KNOWN, &[self.tenant, id])
    }

    /// Everybody who was not removed, in the order of their first invitations.
    pub fn list(self, rx: &mut Rx<'_>) -> Result<Vec<Person>, StoreError> {
        rx.list(&LIST, &[self.tenant])
    }

    /// The ids of all who are or were of the tenant.
    pub fn list_ever(self, rx: &mut Rx<'_>) -> Result<Vec<PersonId>, StoreError> {
        Ok(rx.list::<Ever>(&LIST_EVER, &[self.tenant])?.into_iter().map(|row| row.id).collect())
    }

    /// How many there ever were.
    pub fn count_ever(self, rx: &mut Rx<'_>) -> Result<i64, StoreError> {
        Ok(rx.find_one::<Count>(&COUNT_EVER, &[self.tenant])?.number)
    }

    /// How many active owners there are beside this person.
    pub fn count_other_owners(self, rx: &mut Rx<'_>, id: &PersonId) -> Result<i64, StoreError> {
        Ok(rx.find_one::<Count>(&COUNT_OTHER_OWNERS, &[self.tenant, id])?.number)
    }

    /// Until the transaction ends nobody else changes who is what in this tenant.
    pub fn lock_all(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.exec_one(&LOCK_TENANT, &[self.tenant])
    }

    /// Until the transaction ends nobody else changes this person; what he is by now.
    pub fn find_locked(self, tx: &mut Tx<'_>, id: &PersonId) -> Result<Option<Known>, StoreError> {
        tx.exec(&LOCK, &[self.tenant, id])?;
        self.find_known(tx, id)
    }

    /// Writes how signing in went.
    pub fn set_failures(
        self,
        tx: &mut Tx<'_>,
        id: &PersonId,
        failures: i64,
        locked_until: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        tx.exec_one(&SET_FAILURES, &[self.tenant, id, &failures, &locked_until])
    }

    /// Gives another role; false when he is no longer there.
    pub fn set_role(self, tx: &mut Tx<'_>, id: &PersonId, role: Role) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_ROLE, &[self.tenant, id, &role])? == 1)
    }

    /// Moves him on; false when he was removed before. `removed_at` goes with that state alone.
    pub fn set_state(
        self,
        tx: &mut Tx<'_>,
        id: &PersonId,
        state: PersonState,
        removed_at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_STATE, &[self.tenant, id, &state, &removed_at])? == 1)
    }

    /// Sets the password's hash, or takes it away.
    pub fn set_password(self, tx: &mut Tx<'_>, id: &PersonId, hash: Option<&str>) -> Result<(), StoreError> {
        tx.exec_one(&SET_PASSWORD, &[self.tenant, id, &hash])
    }

    /// Sets the sealed secret of the app's codes and the step of the first that counted, or takes it away.
    pub fn set_totp(
        self,
        tx: &mut Tx<'_>,
        id: &PersonId,
        totp: Option<(&[u8], i64)>,
    ) -> Result<(), StoreError> {
        let (sealed, step) = totp.map_or((None, 0), |(sealed, step)| (Some(sealed), step));
        tx.exec_one(&SET_TOTP, &[self.tenant, id, &sealed, &step])
    }

    /// Takes a code's time step; false when this one or a later one was taken before. Of two at once one gets it.
    pub fn set_totp_step(self, tx: &mut Tx<'_>, id: &PersonId, step: i64) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_TOTP_STEP, &[self.tenant, id, &step])? == 1)
    }
}

/// Puts these recovery codes in the place of those there were.
pub fn insert_codes(
    tx: &mut Tx<'_>,
    id: &PersonId,
    hashes: &[[u8; 32]],
    now: Timestamp,
) -> Result<(), StoreError> {
    delete_codes(tx, id)?;
    hashes.iter().try_for_each(|hash| tx.exec_one(&INSERT_CODE, &[hash, id, &now]))
}

/// Uses up a recovery code; false when there is no such one. Of two at once one gets it.
pub fn delete_code(tx: &mut Tx<'_>, id: &PersonId, hash: &[u8; 32]) -> Result<bool, StoreError> {
    Ok(tx.exec(&DELETE_CODE, &[id, hash])? == 1)
}

/// Takes all recovery codes away.
pub fn delete_codes(tx: &mut Tx<'_>, id: &PersonId) -> Result<(), StoreError> {
    tx.exec(&DELETE_CODES, &[id]).map(drop)
}

/// How many recovery codes are left.
pub fn count_codes(rx: &mut Rx<'_>, id: &PersonId) -> Result<i64, StoreError> {
    Ok(rx.find_one::<Count>(&COUNT_CODES, &[id])?.number)
}
