//! The heads of logs, and what tells those that the service wrote.
//!
//! The hashes of a chain need no key: whoever may write the database can add a link of his own and renew the head. So a
//! head has a keyed tag over whose it is, which log it is of, the last place, the hash there and the tree's peaks, made in
//! the statement that writes them. Nothing is added to a log whose head has none that fits, and nothing of it is signed.
//! The head of a log without entries says nothing, and has none.

use domain::audit::tree::{Hash, Tree};
use domain::ids::TenantId;
use domain::time::Timestamp;

use super::{Log, corrupt};
use crate::row_seals::Cell;
use crate::seal::{RowKey, TAG_BYTES};
use crate::sql::Sql;
use crate::{Rx, StoreError, ToArg, Tx};

/// A head that the service did not write as it stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Nobody found it before.
    pub is_news: bool,
}

impl From<Foreign> for StoreError {
    fn from(_: Foreign) -> Self {
        corrupt(&LOCK, "tag", "does not fit")
    }
}

/// A head, and what is beyond it, as the database has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose log it is of, as it stands there.
    pub owner: String,
    /// A sequencer found that the service did not write it.
    pub is_refused: bool,
    /// The service wrote it as it stands there.
    pub is_ours: bool,
    /// There are entries with places after its last, or before the first: the next one to get a place may find it taken.
    pub has_more: bool,
}

row! {
    /// A head before it is known who wrote it.
    #[derive(Default)]
    pub(super) struct Trunk {
        seq: i64,
        entry_hash: Option<Vec<u8>>,
        pub(super) log: i64,
        peaks: Option<Vec<u8>>,
        tag: Option<Vec<u8>>,
        refused: bool,
        pub(super) checkpoint_size: Option<i64>,
        pub(super) checkpoint_at: Option<Timestamp>,
    }
}

row! {
    struct OfOwner {
        owner: String,
        has_more: bool,
        seq: i64,
        entry_hash: Option<Vec<u8>>,
        log: i64,
        peaks: Option<Vec<u8>>,
        tag: Option<Vec<u8>>,
        refused: bool,
    }
}

row! {
    struct Refused {
        count: i64,
    }
}

static INSERT: Sql = sql!(
    "audit.insert_head",
    "INSERT INTO audit_heads (tenant_id, seq) VALUES ($1, 0) ON CONFLICT (tenant_id) DO NOTHING"
);
// An update that changes nothing: it locks the row in either engine and shows what the last sequencer left.
static LOCK: Sql = sql!(
    "audit.lock_head",
    "UPDATE audit_heads SET seq = seq WHERE tenant_id = $1 ",
    "RETURNING seq, entry_hash, log, peaks, tag, refused <> FALSE AS refused, checkpoint_size, checkpoint_at"
);
static SET: Sql = sql!(
    "audit.set_head",
    "UPDATE audit_heads SET seq = $2, entry_hash = $3, peaks = $4, tag = $5 WHERE tenant_id = $1"
);
static SET_REFUSED: Sql =
    sql!("audit.set_head_refused", "UPDATE audit_heads SET refused = $2 WHERE tenant_id = $1");
// An owner has a log also where somebody took its head away.
static LIST: Sql = sql!(
    "audit.list_heads",
    "SELECT o.owner, EXISTS (SELECT 1 FROM audit_entries e WHERE e.tenant_id = o.owner ",
    "AND (e.seq < 1 OR e.seq > COALESCE(h.seq, 0))) AS has_more, COALESCE(h.seq, 0) AS seq, h.entry_hash, ",
    "COALESCE(h.log, 1) AS log, h.peaks, h.tag, COALESCE(h.refused <> FALSE, FALSE) AS refused ",
    "FROM (SELECT tenant_id AS owner FROM audit_heads UNION SELECT id FROM tenants UNION SELECT CAST($1 AS TEXT)) o ",
    "LEFT JOIN audit_heads h ON h.tenant_id = o.owner WHERE o.owner > $2 ORDER BY o.owner LIMIT $3"
);
static COUNT_REFUSED: Sql =
    sql!("audit.count_refused_heads", "SELECT count(*) AS count FROM audit_heads WHERE refused <> FALSE");
static ADOPT: Sql = sql!(
    "audit.adopt_head",
    "UPDATE audit_heads SET refused = FALSE, peaks = $2, tag = $3 WHERE tenant_id = $1 AND tag IS NULL"
);

/// How many are looked at in one statement where they are sealed.
const ADOPT_PAGE: i64 = 500;

impl Trunk {
    fn tag(&self, key: &RowKey, owner: &str) -> [u8; TAG_BYTES] {
        let values: [&dyn ToArg; 4] = [&self.log, &self.seq, &self.entry_hash, &self.peaks];
        let values = values.map(|value| Cell::of(value.to_arg()).bytes());
        let mut parts = vec![b"audit_heads".as_slice(), owner.as_bytes()];
        parts.extend(values.iter().map(Vec::as_slice));
        key.tag(&parts)
    }

    fn is_of_no_entry(&self) -> bool {
        self.seq == 0 && [&self.entry_hash, &self.peaks, &self.tag].into_iter().all(Option::is_none)
    }

    fn is_ours(&self, key: &RowKey, owner: &str) -> bool {
        self.is_of_no_entry() || self.tag.as_deref() == Some(&self.tag(key, owner))
    }

    /// The place and the hash of the last entry, and the tree over all.
    pub(super) fn end(&self) -> Result<(i64, Option<Hash>, Tree), StoreError> {
        let hash = self.entry_hash.as_deref().map(Hash::try_from).transpose();
        let hash = hash.map_err(|_| corrupt(&LOCK, "entry_hash", "is no hash"))?;
        let peaks = self.peaks.as_deref().unwrap_or_default();
        let tree = Tree::of(self.seq.unsigned_abs(), peaks);
        Ok((self.seq, hash, tree.ok_or(corrupt(&LOCK, "peaks", "are of a tree of another size"))?))
    }
}

impl From<OfOwner> for Trunk {
    fn from(found: OfOwner) -> Self {
        let OfOwner { seq, entry_hash, log, peaks, tag, refused, .. } = found;
        Self { seq, entry_hash, log, peaks, tag, refused, ..Self::default() }
    }
}

/// How many logs were found to have a head that the service did not write.
pub fn count_refused(rx: &mut Rx<'_>) -> Result<i64, StoreError> {
    Ok(rx.find_one::<Refused>(&COUNT_REFUSED, &[])?.count)
}

/// Up to `limit` heads in the order of their owners, after this one; of each tenant and the root log also where there is
/// none.
pub fn list(rx: &mut Rx<'_>, key: &RowKey, after: &str, limit: i64) -> Result<Vec<Found>, StoreError> {
    let found = list_unproven(rx, after, limit)?;
    let prove = |found: OfOwner| {
        let (owner, has_more, is_refused) = (found.owner.clone(), found.has_more, found.refused);
        let is_ours = Trunk::from(found).is_ours(key, &owner);
        Found { owner, is_refused, is_ours, has_more }
    };
    Ok(found.into_iter().map(prove).collect())
}

fn list_unproven(rx: &mut Rx<'_>, after: &str, limit: i64) -> Result<Vec<OfOwner>, StoreError> {
    rx.list(&LIST, &[&TenantId::root_log(), &after, &limit])
}

/// Gives heads without a tag theirs, as if the service had written them; says how many there were. One without peaks, of a
/// log from before there were any, gets them of its entries. A tag that does not fit stays as it is, and so does a head
/// that is not what the entries make: one of them is not there, or another, or there are more.
pub fn adopt(tx: &mut Tx<'_>, key: &RowKey) -> Result<u64, StoreError> {
    let (mut adopted, mut after) = (0, String::new());
    loop {
        let page = list_unproven(tx, &after, ADOPT_PAGE)?;
        let Some(last) = page.last() else { return Ok(adopted) };
        after.clone_from(&last.owner);
        for found in page {
            let (owner, has_more) = (found.owner.clone(), found.has_more);
            let mut trunk = Trunk::from(found);
            if trunk.tag.is_some() || trunk.is_of_no_entry() || has_more {
                continue;
            }
            let Some((tree, last)) = super::tree_of(tx, &owner, trunk.seq)? else { continue };
            let (entry_hash, peaks) = (last.entry_hash.map(|hash| hash.to_vec()), tree.peaks());
            if trunk.entry_hash == entry_hash && trunk.peaks.as_ref().is_none_or(|kept| *kept == peaks) {
                trunk.peaks = Some(peaks);
                adopted += tx.exec(&ADOPT, &[&owner, &trunk.peaks, &trunk.tag(key, &owner)])?;
            }
        }
    }
}

impl Log<'_> {
    /// Locks the head until the transaction ends, and says what it was; of one that the service did not write, only that,
    /// which is noted on it.
    pub(super) fn lock(self, tx: &mut Tx<'_>, key: &RowKey) -> Result<Result<Trunk, Foreign>, StoreError> {
        tx.exec(&INSERT, &[self.tenant])?;
        let trunk: Trunk = tx.find_one(&LOCK, &[self.tenant])?;
        let is_ours = trunk.is_ours(key, self.tenant.as_str());
        if trunk.refused == is_ours {
            tx.exec_one(&SET_REFUSED, &[self.tenant, &!is_ours])?;
        }
        Ok(if is_ours { Ok(trunk) } else { Err(Foreign { is_news: !trunk.refused }) })
    }

    /// Writes what the head of a log is now.
    pub(super) fn set_head(
        self,
        tx: &mut Tx<'_>,
        key: &RowKey,
        (log, seq, entry_hash): (i64, i64, Hash),
        tree: &Tree,
    ) -> Result<(), StoreError> {
        let (entry_hash, peaks) = (Some(entry_hash.to_vec()), Some(tree.peaks()));
        let trunk = Trunk { seq, entry_hash, log, peaks, ..Trunk::default() };
        let tag = trunk.tag(key, self.tenant.as_str());
        tx.exec_one(&SET, &[self.tenant, &seq, &trunk.entry_hash, &trunk.peaks, &tag])
    }
}
