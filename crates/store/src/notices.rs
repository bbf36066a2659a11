//! What people are told: in the page's bell, and by mail.
//!
//! Whoever takes up a mail moves its next try on before he sends it, so that no other process sends it too; if he
//! dies meanwhile, it is tried again. A mail may come twice, then, and is never lost.

use domain::ids::{NoticeId, PersonId, TenantId};
use domain::notice::{MailState, NoticeKind};
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{OfTenant, Rx, StoreError, ToArg, Tx};

row! {
    /// One notice to one person.
    #[derive(Debug)]
    pub struct Notice {
        /// Its id.
        pub id: NoticeId,
        /// To whom.
        pub person_id: PersonId,
        /// What it is about.
        pub kind: NoticeKind,
        /// In one line.
        pub title: String,
        /// In words.
        pub text: String,
        /// A path of Control, sealed.
        pub link: Vec<u8>,
        /// When it was written.
        pub created_at: Timestamp,
        /// When it was read.
        pub read_at: Option<Timestamp>,
        /// Where its mail stands.
        pub mail_state: MailState,
        /// How many tries of the mail were begun.
        pub mail_tries: i64,
        /// The mail is not to be tried before.
        pub due_at: Timestamp,
    }
}

row! {
    /// A mail that a process has taken up.
    #[derive(Debug)]
    pub struct Mail {
        /// The notice.
        pub id: NoticeId,
        /// Whose tenant's name.
        pub tenant_name: String,
        /// Where it goes.
        pub email: String,
        /// Who gets it.
        pub name: String,
        /// Its subject.
        pub title: String,
        /// What it says.
        pub text: String,
        /// A path of Control, sealed.
        pub link: Vec<u8>,
        /// How many tries were begun, this one included.
        pub mail_tries: i64,
    }
}

row! {
    /// A mail as the sandbox shows it.
    #[derive(Debug)]
    pub struct Kept {
        /// The notice.
        pub id: NoticeId,
        /// Where it would go.
        pub email: String,
        /// Who would get it.
        pub name: String,
        /// Its subject.
        pub title: String,
        /// What it says.
        pub text: String,
        /// A path of Control, sealed.
        pub link: Vec<u8>,
        /// When it was written.
        pub created_at: Timestamp,
    }
}

row! {
    struct Count {
        number: i64,
    }
}

macro_rules! columns {
    () => {
        "id, person_id, kind, title, text, link, created_at, read_at, mail_state, mail_tries, due_at"
    };
}

static APPEND: Sql = sql!(
    "notices.append",
    "INSERT INTO notices (tenant_id, ",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
);
static LIST: Sql = sql!(
    "notices.list",
    "SELECT ",
    columns!(),
    " FROM notices WHERE tenant_id = $1 AND person_id = $2 AND (CAST($3 AS TEXT) IS NULL OR id < $3) ",
    "ORDER BY id DESC LIMIT $4"
);
static COUNT_UNREAD: Sql = sql!(
    "notices.count_unread",
    "SELECT count(*) AS number FROM notices WHERE tenant_id = $1 AND person_id = $2 AND read_at IS NULL"
);
static SET_READ: Sql = sql!(
    "notices.set_read",
    "UPDATE notices SET read_at = $4 WHERE tenant_id = $1 AND person_id = $2 AND read_at IS NULL ",
    "AND (CAST($3 AS TEXT) IS NULL OR id = $3)"
);
// MATERIALIZED: chosen once, whatever plan the engine takes for the update.
static TAKE_UP: Sql = sql!(
    "notices.take_up",
    "WITH picked AS MATERIALIZED (SELECT id FROM notices WHERE mail_state = 'waiting' AND due_at <= $1 ",
    "ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED) ",
    "UPDATE notices SET due_at = $2, mail_tries = mail_tries + 1 WHERE id IN (SELECT id FROM picked) ",
    "RETURNING tenant_id, id, (SELECT name FROM tenants t WHERE t.id = notices.tenant_id) AS tenant_name, ",
    "(SELECT email FROM people p WHERE p.id = person_id) AS email, ",
    "(SELECT name FROM people p WHERE p.id = person_id) AS name, title, text, link, mail_tries"
);
static SET_TRIED: Sql = sql!(
    "notices.set_tried",
    "UPDATE notices SET mail_state = $4, due_at = $5 ",
    "WHERE tenant_id = $1 AND id = $2 AND mail_tries = $3 AND mail_state = 'waiting'"
);
static LIST_KEPT: Sql = sql!(
    "notices.list_kept",
    "SELECT n.id, p.email, p.name, n.title, n.text, n.link, n.created_at ",
    "FROM notices n JOIN people p ON p.id = n.person_id ",
    "WHERE CAST($1 AS TEXT) IS NULL OR n.id < $1 ORDER BY n.id DESC LIMIT $2"
);

/// Takes up to `limit` mails that are due, of all tenants; until `lease_until` they are left to the caller.
pub fn take_up(
    tx: &mut Tx<'_>,
    now: Timestamp,
    lease_until: Timestamp,
    limit: i64,
) -> Result<Vec<OfTenant<Mail>>, StoreError> {
    tx.list(&TAKE_UP, &[&now, &lease_until, &limit])
}

/// Mails of all tenants before one, or the last ones, newest first. For a sandbox, whose tenants are one person's.
pub fn list_kept(rx: &mut Rx<'_>, before: Option<&NoticeId>, limit: i64) -> Result<Vec<Kept>, StoreError> {
    rx.list(&LIST_KEPT, &[&before, &limit])
}

/// The notices of one tenant.
pub fn of(tenant: &TenantId) -> Notices<'_> {
    Notices { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Notices<'t> {
    tenant: &'t TenantId,
}

impl Notices<'_> {
    /// Adds one.
    pub fn append(self, tx: &mut Tx<'_>, notice: &Notice) -> Result<(), StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(notice.args());
        tx.exec_one(&APPEND, &args)
    }

    /// Up to `limit` of a person's, newest first, after that one.
    pub fn list(
        self,
        rx: &mut Rx<'_>,
        person: &PersonId,
        before: Option<&NoticeId>,
        limit: i64,
    ) -> Result<Vec<Notice>, StoreError> {
        rx.list(&LIST, &[self.tenant, person, &before, &limit])
    }

    /// How many of a person's are not read.
    pub fn count_unread(self, rx: &mut Rx<'_>, person: &PersonId) -> Result<i64, StoreError> {
        rx.find_one::<Count>(&COUNT_UNREAD, &[self.tenant, person]).map(|count| count.number)
    }

    /// Marks one of a person's as read, or all of them.
    pub fn set_read(
        self,
        tx: &mut Tx<'_>,
        person: &PersonId,
        one: Option<&NoticeId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        tx.exec(&SET_READ, &[self.tenant, person, &one, &now]).map(drop)
    }

    /// Writes how the try of this number went: false when another has begun since.
    pub fn set_tried(
        self,
        tx: &mut Tx<'_>,
        id: &NoticeId,
        tries: i64,
        state: MailState,
        due_at: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(tx.exec(&SET_TRIED, &[self.tenant, id, &tries, &state, &due_at])? == 1)
    }
}
