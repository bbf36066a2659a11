//! How far the enclave's own log had come when it was last asked.

use domain::time::Timestamp;

use crate::sql::Sql;
use crate::{Rx, StoreError, Tx};

row! {
    /// A place in the enclave's log.
    #[derive(Debug)]
    pub struct EnclaveMark {
        /// The log's last record.
        pub sequence: i64,
        /// The enclave's own word for it.
        pub mark: Vec<u8>,
        /// When it was kept.
        pub kept_at: Timestamp,
    }
}

static FIND: Sql =
    sql!("enclave_marks.find", "SELECT sequence, mark, kept_at FROM enclave_marks WHERE name = 'latest'");
static SET: Sql = sql!(
    "enclave_marks.set",
    "INSERT INTO enclave_marks (name, sequence, mark, kept_at) VALUES ('latest', $1, $2, $3) ",
    "ON CONFLICT (name) DO UPDATE SET sequence = excluded.sequence, mark = excluded.mark, ",
    "kept_at = excluded.kept_at WHERE enclave_marks.mark = $4 OR enclave_marks.sequence < excluded.sequence"
);

/// The latest.
pub fn find(rx: &mut Rx<'_>) -> Result<Option<EnclaveMark>, StoreError> {
    rx.find(&FIND, &[])
}

/// Keeps one in the place of `shown`, which the enclave was shown when it gave it. Somebody else's later one stays.
pub fn set(tx: &mut Tx<'_>, mark: &EnclaveMark, shown: Option<&[u8]>) -> Result<bool, StoreError> {
    Ok(tx.exec(&SET, &[&mark.sequence, &mark.mark, &mark.kept_at, &shown])? == 1)
}
