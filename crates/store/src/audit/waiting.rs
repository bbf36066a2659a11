//! Entries that have no place in their log yet, and what tells those that the service wrote.
//!
//! Each has a keyed tag over its id, whose it is and all that it says, made in the statement that wrote it. One without a
//! tag that fits gets no place: it is marked, and left where it is. With its place an entry loses its tag.

use domain::ids::TenantId;

use super::{AuditEntry, Log};
use crate::row_seals::Cell;
use crate::seal::{RowKey, TAG_BYTES};
use crate::sql::Sql;
use crate::{Arg, Cells, FromRow, Rx, StoreError, ToArg, Tx};

/// An entry without a place, as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Whose log it is for, as it stands there.
    pub owner: String,
    /// Its id, as it stands there.
    pub id: String,
    /// A sequencer found that the service did not write it.
    pub is_refused: bool,
    /// The entry; none: the service did not write it as it stands there.
    pub entry: Option<AuditEntry>,
}

/// The same before it is known who wrote it: it need not read as an entry.
struct Unproven {
    owner: String,
    row_id: String,
    refused: bool,
    tag: Option<Vec<u8>>,
    entry: Option<AuditEntry>,
}

impl FromRow for Unproven {
    fn read(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            owner: cells.take("owner")?,
            row_id: cells.take("row_id")?,
            // No sequencer looks at what has anything else there.
            refused: !matches!(cells.next_value()?, Some(Arg::Boolean(false) | Arg::Integer(0))),
            tag: cells.take("tag")?,
            entry: cells.rest(),
        })
    }
}

impl Unproven {
    fn proven(self, key: &RowKey) -> Waiting {
        let Self { owner, row_id: id, refused: is_refused, tag: found, entry } = self;
        let entry = entry.filter(|entry| found.as_deref() == Some(&tag(key, &owner, entry)));
        Waiting { owner, id, is_refused, entry }
    }
}

row! {
    struct Owner {
        tenant_id: TenantId,
    }
}

row! {
    struct Refused {
        count: i64,
    }
}

macro_rules! select {
    () => {
        concat!("SELECT tenant_id AS owner, id AS row_id, refused, tag, ", columns!(), " FROM audit_entries ")
    };
}

// No log is begun for an owner that there is not.
static OWNERS: Sql = sql!(
    "audit.list_tenants_with_pending",
    "SELECT DISTINCT tenant_id FROM audit_entries WHERE seq IS NULL AND refused = FALSE ",
    "AND (tenant_id = $2 OR EXISTS (SELECT 1 FROM tenants WHERE tenants.id = audit_entries.tenant_id)) ",
    // Nor is one gone on with whose head is not the service's.
    "AND NOT EXISTS (SELECT 1 FROM audit_heads h WHERE h.tenant_id = audit_entries.tenant_id AND h.refused <> FALSE) ",
    "ORDER BY tenant_id LIMIT $1"
);
static LIST_PENDING: Sql = sql!(
    "audit.list_pending",
    select!(),
    "WHERE seq IS NULL AND refused = FALSE AND tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3"
);
static LIST: Sql = sql!(
    "audit.list_waiting",
    select!(),
    "WHERE seq IS NULL AND (tenant_id, id) > ($1, $2) ORDER BY tenant_id, id LIMIT $3"
);
static COUNT_REFUSED: Sql = sql!(
    "audit.count_refused",
    "SELECT count(*) AS count FROM audit_entries WHERE seq IS NULL AND refused <> FALSE"
);
static REFUSE: Sql = sql!(
    "audit.refuse",
    "UPDATE audit_entries SET refused = TRUE WHERE tenant_id = $1 AND id = $2 AND seq IS NULL"
);
static ADOPT: Sql = sql!(
    "audit.adopt",
    "UPDATE audit_entries SET refused = FALSE, tag = $3 ",
    "WHERE tenant_id = $1 AND id = $2 AND seq IS NULL AND tag IS NULL"
);

/// How many are looked at in one statement where they are sealed.
const ADOPT_PAGE: i64 = 500;

/// Over the id of an entry, whose it is, and all that it says.
pub(super) fn tag(key: &RowKey, owner: &str, entry: &AuditEntry) -> [u8; TAG_BYTES] {
    let values: Vec<Vec<u8>> = entry.args().iter().map(|value| Cell::of(value.to_arg()).bytes()).collect();
    let mut parts = vec![b"audit_entries", owner.as_bytes()];
    parts.extend(values.iter().map(Vec::as_slice));
    key.tag(&parts)
}

/// Tenants that have entries without a place, but for those that were refused one and those whose log's head was found to
/// be foreign; the root log's owner among them.
pub fn list_owners(rx: &mut Rx<'_>, limit: i64) -> Result<Vec<TenantId>, StoreError> {
    let rows = rx.list::<Owner>(&OWNERS, &[&limit, &TenantId::root_log()])?;
    Ok(rows.into_iter().map(|row| row.tenant_id).collect())
}

/// How many entries were refused a place.
pub fn count_refused(rx: &mut Rx<'_>) -> Result<i64, StoreError> {
    Ok(rx.find_one::<Refused>(&COUNT_REFUSED, &[])?.count)
}

/// Up to `limit` entries of all owners, those that were refused a place among them, after that one.
pub fn list(
    rx: &mut Rx<'_>,
    key: &RowKey,
    after: Option<&Waiting>,
    limit: i64,
) -> Result<Vec<Waiting>, StoreError> {
    let found = list_unproven(rx, after.map(|last| (last.owner.as_str(), last.id.as_str())), limit)?;
    Ok(found.into_iter().map(|found| found.proven(key)).collect())
}

fn list_unproven(
    rx: &mut Rx<'_>,
    after: Option<(&str, &str)>,
    limit: i64,
) -> Result<Vec<Unproven>, StoreError> {
    let (owner, id) = after.unwrap_or_default();
    rx.list(&LIST, &[&owner, &id, &limit])
}

/// Gives entries without a tag theirs, as if the service had written them; says how many there were. Those that were
/// refused are no longer. A tag that does not fit stays as it is.
pub fn adopt(tx: &mut Tx<'_>, key: &RowKey) -> Result<u64, StoreError> {
    let (mut adopted, mut after) = (0, None::<(String, String)>);
    loop {
        let from = after.as_ref().map(|(owner, id)| (owner.as_str(), id.as_str()));
        let page = list_unproven(tx, from, ADOPT_PAGE)?;
        let Some(last) = page.last() else { return Ok(adopted) };
        after = Some((last.owner.clone(), last.row_id.clone()));
        for found in page.iter().filter(|found| found.tag.is_none()) {
            let Some(entry) = &found.entry else { continue };
            adopted += tx.exec(&ADOPT, &[&found.owner, &found.row_id, &tag(key, &found.owner, entry)])?;
        }
    }
}

impl Log<'_> {
    /// Up to `limit` entries that have no place yet and were refused none, in the order in which they get theirs, after
    /// the one of this id.
    pub fn list_pending(
        self,
        rx: &mut Rx<'_>,
        key: &RowKey,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Waiting>, StoreError> {
        let found: Vec<Unproven> =
            rx.list(&LIST_PENDING, &[self.tenant, &after.unwrap_or_default(), &limit])?;
        Ok(found.into_iter().map(|found| found.proven(key)).collect())
    }

    /// Marks an entry that the service did not write: it gets no place.
    pub(super) fn refuse(self, tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
        tx.exec_one(&REFUSE, &[self.tenant, &id])
    }
}
