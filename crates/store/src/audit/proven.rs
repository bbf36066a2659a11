//! What a log says of one key, or of its people, believed only where each entry is as the service wrote it: one with a
//! place by its hash, one that waits by its tag. A hash has no key: what was hashed anew, or taken away, the chain shows
//! from there on; and what was put behind the log's head, that head.

use domain::ids::KeyId;
use domain::time::Timestamp;

use super::{AuditEntry, Hash, HashEntry, Head, Log, waiting};
use crate::seal::{RowKey, TAG_BYTES};
use crate::sql::Sql;
use crate::{Cells, FromRow, Rx, StoreError, ToArg};

/// An entry that is as the service wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The entry.
    pub entry: AuditEntry,
    /// The link before it; none: it has no place yet.
    pub before: Option<Head>,
}

/// The same before that is known: it need not read as an entry.
struct Found {
    seq: Option<i64>,
    is_beyond: bool,
    prev_hash: Option<Hash>,
    entry_hash: Option<Hash>,
    tag: Option<Vec<u8>>,
    entry: Option<AuditEntry>,
}

impl FromRow for Found {
    fn read(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            seq: cells.take("seq")?,
            is_beyond: cells.take("beyond")?,
            prev_hash: cells.take("prev_hash")?,
            entry_hash: cells.take("entry_hash")?,
            tag: cells.take("tag")?,
            entry: cells.rest(),
        })
    }
}

/// The columns of a [`Found`].
macro_rules! found {
    () => {
        concat!(
            "SELECT seq, COALESCE(seq > COALESCE((SELECT h.seq FROM audit_heads h WHERE h.tenant_id = $1), 0), FALSE) \
             AS beyond, prev_hash, entry_hash, tag, ",
            columns!()
        )
    };
}

static LIST_OF_KEY: Sql = sql!(
    "audit.list_of_key",
    found!(),
    " FROM audit_entries WHERE tenant_id = $1 AND key_id = $2 AND result = 'ok' AND action LIKE $3 ",
    // By their places, which their hashes vouch for; not so their ids. Those that wait come after all that have one.
    "ORDER BY CASE WHEN seq IS NULL THEN 1 ELSE 0 END DESC, seq DESC, id DESC LIMIT $4"
);
static LIST_SINCE: Sql = sql!(
    "audit.list_since",
    found!(),
    " FROM audit_entries WHERE tenant_id = $1 AND time >= $2 AND result = 'ok' ",
    // In these words an index has them: a log is long, and few of it is about people.
    "AND action LIKE 'person.%' AND action IN ($3, $4, $5, $6, $7, $8, $9)"
);

impl Log<'_> {
    /// What was done to a key under names like this, the latest first; none where one entry of it is not as the service
    /// wrote it.
    pub fn list_proven(
        self,
        rx: &mut Rx<'_>,
        (row_key, hash): (&RowKey, &HashEntry<'_>),
        (key, like): (&KeyId, &str),
        limit: i64,
    ) -> Result<Option<Vec<Proven>>, StoreError> {
        let found: Vec<Found> = rx.list(&LIST_OF_KEY, &[self.tenant, key, &like, &limit])?;
        Ok(found.into_iter().map(|found| self.proven((row_key, hash), found)).collect())
    }

    /// What was done under these names from that instant on, in no order; none where one entry of it is not as the
    /// service wrote it.
    pub fn list_proven_since(
        self,
        rx: &mut Rx<'_>,
        (row_key, hash): (&RowKey, &HashEntry<'_>),
        names: [&str; 7],
        since: Timestamp,
    ) -> Result<Option<Vec<Proven>>, StoreError> {
        let mut args: Vec<&dyn ToArg> = vec![self.tenant, &since];
        args.extend(names.iter().map(|name| -> &dyn ToArg { name }));
        let found: Vec<Found> = rx.list(&LIST_SINCE, &args)?;
        Ok(found.into_iter().map(|found| self.proven((row_key, hash), found)).collect())
    }

    fn proven(self, (row_key, hash): (&RowKey, &HashEntry<'_>), found: Found) -> Option<Proven> {
        let Found { seq, is_beyond, prev_hash, entry_hash, tag, entry } = found;
        let entry = entry.filter(|_| !is_beyond)?;
        let (is_ours, before) = if let Some(seq) = seq {
            let before = Head { seq: seq - 1, entry_hash: prev_hash };
            (entry_hash == Some(hash(&entry, seq, prev_hash.as_ref())), Some(before))
        } else {
            let ours: [u8; TAG_BYTES] = waiting::tag(row_key, self.tenant.as_str(), &entry);
            (tag.as_deref() == Some(&ours), None)
        };
        is_ours.then_some(Proven { entry, before })
    }
}
