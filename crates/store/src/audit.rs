//! The audit log. An entry is written in the transaction of the act and has no place yet; a sequencer gives
//! committed entries their numbers, links them and adds them to the tree, so that a tenant's writes do not queue
//! behind one another. What the service did not write gets none ([`waiting`]), and nothing goes on from an end of a log
//! that it did not write ([`heads`]).

use domain::audit::tree::Tree;
use domain::ids::{BackupId, EntryId, KeyId, RecoveryId, TenantId, VerificationId};
use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Cells, FromRow, Rx, StoreError, ToArg, Tx};

row! {
    /// What was done, by whom, to what, and how it ended.
    #[derive(Debug)]
    pub struct AuditEntry {
        /// Its id.
        pub id: EntryId,
        /// When it was done.
        pub time: Timestamp,
        /// Who did it.
        pub actor: String,
        /// What the actor is.
        pub actor_type: String,
        /// What was done.
        pub action: String,
        /// To which key,
        pub key_id: Option<KeyId>,
        /// which backup,
        pub backup_id: Option<BackupId>,
        /// which recovery,
        pub recovery_id: Option<RecoveryId>,
        /// which inquiry,
        pub verification_id: Option<VerificationId>,
        /// of which customer of the tenant,
        pub customer_id: Option<String>,
        /// in which package.
        pub package_id: Option<String>,
        /// How it ended.
        pub result: String,
        /// And why.
        pub reason: Option<String>,
        /// The request that it was done in.
        pub request_id: String,
    }
}

/// A hash of the chain.
pub type Hash = [u8; 32];

/// Makes the hash of an entry from the entry, its place, and the hash of the entry before it.
pub type HashEntry<'a> = dyn Fn(&AuditEntry, i64, Option<&Hash>) -> Hash + 'a;

/// An entry that has its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequenced {
    /// Its place, from 1.
    pub seq: i64,
    /// The hash of the entry before it; none for the first.
    pub prev_hash: Option<Hash>,
    /// Its own hash.
    pub entry_hash: Hash,
    /// The entry.
    pub entry: AuditEntry,
}

impl FromRow for Sequenced {
    fn read(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            seq: cells.take("seq")?,
            prev_hash: cells.take("prev_hash")?,
            entry_hash: cells.take("entry_hash")?,
            entry: AuditEntry::read(cells)?,
        })
    }
}

/// The last link of a tenant's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The place of the last entry; 0: none.
    pub seq: i64,
    /// Its hash; none when there is no entry.
    pub entry_hash: Option<Hash>,
}

row! {
    struct Numbered {
        seq: i64,
        entry_hash: Option<Vec<u8>>,
    }
}

impl Numbered {
    /// None: it is no hash.
    fn hash(&self) -> Option<Hash> {
        self.entry_hash.as_deref()?.try_into().ok()
    }
}

/// A log that was brought up to date, or further by as much as was asked; its head is locked until the transaction
/// ends.
#[derive(Debug)]
pub struct Grown {
    /// The entries that got their places now.
    pub entries: Vec<AuditEntry>,
    /// The ids of those that were refused one, since the service did not write them.
    pub refused: Vec<String>,
    /// The last link by now. What the database has beyond it, nobody here put there.
    pub head: Head,
    /// The tree over all that have one.
    pub tree: Tree,
    /// Which of the tenant's logs it is, from 1.
    pub log: i64,
    /// Size and instant of the last checkpoint, if there was one.
    pub checkpoint: Option<(i64, Timestamp)>,
}

impl Grown {
    /// How many entries have their places.
    pub fn size(&self) -> i64 {
        self.head.seq
    }
}

/// How many hashes are read at once where a tree is computed from its leaves.
const LEAVES_PAGE: i64 = 1_000;

/// Which entries are wanted; what is none does not narrow.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this customer.
    pub customer_id: Option<String>,
    /// In this package.
    pub package_id: Option<String>,
    /// About this key.
    pub key_id: Option<KeyId>,
    /// About this backup.
    pub backup_id: Option<BackupId>,
    /// Of this kind.
    pub action: Option<String>,
    /// Done at this instant or later.
    pub from: Option<Timestamp>,
    /// Done before this instant.
    pub to: Option<Timestamp>,
}

macro_rules! columns {
    () => {
        "id, time, actor, actor_type, action, key_id, backup_id, recovery_id, verification_id, customer_id, \
         package_id, result, reason, request_id"
    };
}

pub mod heads;
pub mod proven;
pub mod waiting;

use heads::Foreign;

static APPEND: Sql = sql!(
    "audit.append",
    "INSERT INTO audit_entries (tenant_id, ",
    columns!(),
    ", tag) ",
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
);
static LIST: Sql = sql!(
    "audit.list",
    "SELECT seq, prev_hash, entry_hash, ",
    columns!(),
    " FROM audit_entries ",
    "WHERE tenant_id = $1 AND seq > $2 AND seq <= $11 ",
    "AND (CAST($4 AS TEXT) IS NULL OR customer_id = $4) AND (CAST($5 AS TEXT) IS NULL OR package_id = $5) ",
    "AND (CAST($6 AS TEXT) IS NULL OR key_id = $6) AND (CAST($7 AS TEXT) IS NULL OR backup_id = $7) ",
    "AND (CAST($8 AS TEXT) IS NULL OR action = $8) ",
    "AND (CAST($9 AS BIGINT) IS NULL OR time >= $9) AND (CAST($10 AS BIGINT) IS NULL OR time < $10) ",
    "ORDER BY seq LIMIT $3"
);
static LIST_LATEST: Sql = sql!(
    "audit.list_latest",
    "SELECT seq, prev_hash, entry_hash, ",
    columns!(),
    " FROM audit_entries ",
    "WHERE tenant_id = $1 AND seq BETWEEN 1 AND $2 ",
    "AND (CAST($4 AS TEXT) IS NULL OR customer_id = $4) AND (CAST($5 AS TEXT) IS NULL OR package_id = $5) ",
    "AND (CAST($6 AS TEXT) IS NULL OR key_id = $6) AND (CAST($7 AS TEXT) IS NULL OR backup_id = $7) ",
    "AND (CAST($8 AS TEXT) IS NULL OR action = $8) ",
    "AND (CAST($9 AS BIGINT) IS NULL OR time >= $9) AND (CAST($10 AS BIGINT) IS NULL OR time < $10) ",
    "ORDER BY seq DESC LIMIT $3"
);
static LIST_LEAVES: Sql = sql!(
    "audit.list_leaves",
    "SELECT seq, entry_hash FROM audit_entries WHERE tenant_id = $1 AND seq > $2 AND seq <= $3 ",
    "ORDER BY seq LIMIT $4"
);
static SET_SEQUENCED: Sql = sql!(
    "audit.set_sequenced",
    "UPDATE audit_entries SET seq = $3, prev_hash = $4, entry_hash = $5, tag = NULL ",
    "WHERE tenant_id = $1 AND id = $2 AND seq IS NULL"
);

/// The log of one tenant.
pub fn of(tenant: &TenantId) -> Log<'_> {
    Log { tenant }
}

/// See [`of`].
#[derive(Clone, Copy, Debug)]
pub struct Log<'t> {
    tenant: &'t TenantId,
}

impl Log<'_> {
    /// Adds an entry, which gets its place later. Where it cannot be written, whatever the reason, nothing of its
    /// transaction is: [`StoreError::Unavailable`], since no act goes on without its entry.
    pub fn append(self, tx: &mut Tx<'_>, entry: &AuditEntry) -> Result<(), StoreError> {
        let tag = tx.row_key().map(|key| waiting::tag(key, self.tenant.as_str(), entry));
        let mut args: Vec<&dyn ToArg> = vec![self.tenant];
        args.extend(entry.args());
        args.push(&tag);
        tx.exec_one(&APPEND, &args).map_err(|error| StoreError::unavailable("writing the audit log", error))
    }

    /// Looks at up to `limit` entries, and gives those that the service wrote their places. Of two sequencers at once
    /// one waits for the other. Where the service did not write the head, nothing gets a place: see [`heads`].
    pub fn sequence_pending(
        self,
        tx: &mut Tx<'_>,
        limit: i64,
        hash: &HashEntry<'_>,
    ) -> Result<Result<Grown, Foreign>, StoreError> {
        let key = tx.row_key().cloned();
        let key =
            key.ok_or_else(|| StoreError::other("sequencing the audit log", "there is no key of rows"))?;
        let trunk = match self.lock(tx, &key)? {
            Ok(trunk) => trunk,
            Err(foreign) => return Ok(Err(foreign)),
        };
        let (mut seq, mut last, mut tree) = trunk.end()?;
        let (mut entries, mut refused) = (Vec::new(), Vec::new());
        for waiting in self.list_pending(tx, &key, None, limit)? {
            let Some(entry) = waiting.entry else {
                self.refuse(tx, &waiting.id)?;
                refused.push(waiting.id);
                continue;
            };
            seq += 1;
            let entry_hash = hash(&entry, seq, last.as_ref());
            tx.exec_one(&SET_SEQUENCED, &[self.tenant, &entry.id, &seq, &last, &entry_hash])?;
            tree.push(entry_hash);
            last = Some(entry_hash);
            entries.push(entry);
        }
        if let Some(last) = last.filter(|_| !entries.is_empty()) {
            self.set_head(tx, &key, (trunk.log, seq, last), &tree)?;
        }
        let checkpoint = trunk.checkpoint_size.zip(trunk.checkpoint_at);
        let head = Head { seq, entry_hash: last };
        Ok(Ok(Grown { entries, refused, head, tree, log: trunk.log, checkpoint }))
    }

    /// The hashes of the entries after the place `after_seq` up to `last_seq`, ascending; as many as there are.
    pub fn list_leaves(
        self,
        rx: &mut Rx<'_>,
        after_seq: i64,
        last_seq: i64,
    ) -> Result<Vec<Hash>, StoreError> {
        let rows: Vec<Numbered> =
            rx.list(&LIST_LEAVES, &[self.tenant, &after_seq, &last_seq, &(last_seq - after_seq)])?;
        let no_hash = || corrupt(&LIST_LEAVES, "entry_hash", "is not 32 bytes");
        rows.iter().map(|row| row.hash().ok_or_else(no_hash)).collect()
    }

    /// Up to `limit` entries after the place `after_seq` up to `last_seq`, ascending. Those without a place are not shown.
    pub fn list(
        self,
        rx: &mut Rx<'_>,
        filter: &Filter,
        (after_seq, last_seq): (i64, i64),
        limit: i64,
    ) -> Result<Vec<Sequenced>, StoreError> {
        let Filter { customer_id, package_id, key_id, backup_id, action, from, to } = filter;
        let args: [&dyn ToArg; 11] = [
            self.tenant,
            &after_seq,
            &limit,
            customer_id,
            package_id,
            key_id,
            backup_id,
            action,
            from,
            to,
            &last_seq,
        ];
        rx.list(&LIST, &args)
    }

    /// Up to `limit` entries from the place `last_seq` on, descending.
    pub fn list_latest(
        self,
        rx: &mut Rx<'_>,
        filter: &Filter,
        last_seq: i64,
        limit: i64,
    ) -> Result<Vec<Sequenced>, StoreError> {
        let Filter { customer_id, package_id, key_id, backup_id, action, from, to } = filter;
        let args: [&dyn ToArg; 10] =
            [self.tenant, &last_seq, &limit, customer_id, package_id, key_id, backup_id, action, from, to];
        rx.list(&LIST_LATEST, &args)
    }
}

/// The tree over the entries up to this place, of their hashes, and the last link; none where one of them is not there.
fn tree_of(rx: &mut Rx<'_>, owner: &str, seq: i64) -> Result<Option<(Tree, Head)>, StoreError> {
    let (mut tree, mut entry_hash) = (Tree::default(), None);
    while tree.size() < seq.unsigned_abs() {
        let after = i64::try_from(tree.size()).unwrap_or(i64::MAX);
        let page: Vec<Numbered> = rx.list(&LIST_LEAVES, &[&owner, &after, &seq, &LEAVES_PAGE])?;
        if page.is_empty() {
            return Ok(None);
        }
        for leaf in page {
            let Some(hash) = leaf.hash() else { return Ok(None) };
            tree.push(hash);
            if leaf.seq.unsigned_abs() != tree.size() {
                return Ok(None);
            }
            entry_hash = Some(hash);
        }
    }
    Ok(Some((tree, Head { seq, entry_hash })))
}

fn corrupt(statement: &'static Sql, column: &'static str, why: &'static str) -> StoreError {
    StoreError::Corrupt { statement: statement.name, column, why }
}
