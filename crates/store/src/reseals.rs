//! What the enclave sealed, wherever it is kept and whoever it is of, to be sealed anew under a new root key; and how far
//! that has come.

use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Rx, StoreError, ToArg, Tx};

row! {
    /// How far it has come.
    #[derive(Debug)]
    pub struct Reseal {
        /// The epoch that is sealed into.
        pub epoch: i64,
        /// When that was begun.
        pub began_at: Timestamp,
        /// When the pass that runs was begun, or the last one.
        pub pass_began_at: Timestamp,
        /// When there is something to do again.
        pub due_at: Timestamp,
        /// Which of [`PLACES`] is gone through; the one behind the last is that of customers' keys.
        pub place: i64,
        /// The row of it that was looked at last; empty: none yet.
        pub last_id: String,
        /// What was sealed anew since it began.
        pub moved: i64,
        /// The same, of the pass that runs.
        pub moved_in_pass: i64,
        /// Seals that did not hold, in the last whole pass.
        pub broken: i64,
        /// The same, of the pass that runs.
        pub broken_in_pass: i64,
        /// When a whole pass had found nothing left to move; none: there may be something.
        pub finished_at: Option<Timestamp>,
    }
}

row! {
    /// Something that the enclave sealed.
    #[derive(Debug)]
    pub struct SealedRow {
        /// The row that has it.
        pub id: String,
        /// As it is stored.
        pub sealed: Vec<u8>,
    }
}

/// A column of what the enclave sealed.
#[derive(Debug)]
pub struct Place {
    /// Table and column.
    pub name: &'static str,
    list: Sql,
    set: Sql,
}

macro_rules! place {
    ($table:literal, $id:literal, $column:literal $(, $only:literal)?) => {
        Place {
            name: concat!($table, ".", $column),
            list: sql!(
                "reseals.list_sealed",
                "SELECT ",
                $id,
                " AS id, ",
                $column,
                " AS sealed FROM ",
                $table,
                " WHERE ",
                $id,
                " > $1 AND ",
                $column,
                " IS NOT NULL ",
                $($only,)?
                "ORDER BY ",
                $id,
                " LIMIT $2"
            ),
            set: sql!(
                "reseals.set_sealed",
                "UPDATE ",
                $table,
                " SET ",
                $column,
                " = $3 WHERE ",
                $id,
                " = $1 AND ",
                $column,
                " = $2"
            ),
        }
    };
}

/// Every column of what the enclave sealed, and believes only by its own seal, but for the private halves of customers'
/// keys: those may be in shares, and are [`crate::held_keys`]'s. Records of COLD checks are the offline enclave's, and are in
/// [`crate::offline`].
pub static PLACES: [Place; 5] = [
    place!("pool_keys", "key_id", "sealed"),
    place!("verifications", "id", "ticket"),
    place!("verifications", "id", "admission"),
    place!(
        "backups",
        "id",
        "record",
        "AND NOT EXISTS (SELECT 1 FROM customer_keys k WHERE k.tenant_id = backups.tenant_id \
         AND k.id = backups.key_id AND k.key_environment = 'COLD') "
    ),
    place!("control_recoveries", "id", "ticket"),
];

static FIND_LATEST: Sql = sql!(
    "reseals.find_latest",
    "SELECT epoch, began_at, pass_began_at, due_at, place, last_id, moved, moved_in_pass, broken, broken_in_pass, ",
    "finished_at FROM reseals ORDER BY epoch DESC LIMIT 1"
);
static INSERT: Sql = sql!(
    "reseals.insert",
    "INSERT INTO reseals (epoch, began_at, pass_began_at, due_at, place, last_id, moved, moved_in_pass, broken, ",
    "broken_in_pass, finished_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (epoch) DO NOTHING"
);
static SET: Sql = sql!(
    "reseals.set",
    "UPDATE reseals SET began_at = $2, pass_began_at = $3, due_at = $4, place = $5, last_id = $6, moved = $7, ",
    "moved_in_pass = $8, broken = $9, broken_in_pass = $10, finished_at = $11 ",
    "WHERE epoch = $1 AND pass_began_at = $12 AND place = $13 AND last_id = $14"
);

/// The latest epoch's.
pub fn find_latest(rx: &mut Rx<'_>) -> Result<Option<Reseal>, StoreError> {
    rx.find(&FIND_LATEST, &[])
}

/// Begins one, if nobody else did.
pub fn insert(tx: &mut Tx<'_>, reseal: &Reseal) -> Result<bool, StoreError> {
    Ok(tx.exec(&INSERT, &reseal.args())? == 1)
}

/// Takes note of a step from `was` to `is`; false when somebody else took it.
pub fn set(tx: &mut Tx<'_>, was: &Reseal, is: &Reseal) -> Result<bool, StoreError> {
    let before: [&dyn ToArg; 3] = [&was.pass_began_at, &was.place, &was.last_id];
    let args: Vec<&dyn ToArg> = is.args().into_iter().chain(before).collect();
    Ok(tx.exec(&SET, &args)? == 1)
}

/// The next rows of a place behind `last_id`, at most `limit`.
pub fn list_sealed(
    rx: &mut Rx<'_>,
    place: &'static Place,
    last_id: &str,
    limit: i64,
) -> Result<Vec<SealedRow>, StoreError> {
    rx.list(&place.list, &[&last_id, &limit])
}

/// Puts what is sealed anew in the place of exactly what was read; false when that is no longer there.
pub fn set_sealed(
    tx: &mut Tx<'_>,
    place: &'static Place,
    was: &SealedRow,
    becomes: &[u8],
) -> Result<bool, StoreError> {
    Ok(tx.exec(&place.set, &[&was.id, &was.sealed, &becomes])? == 1)
}
