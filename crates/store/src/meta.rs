//! Facts about the installation, such as its environment: a production server refuses a sandbox's database.

use crate::sql::Sql;
use crate::{Rx, StoreError, Tx};

row! {
    struct Fact {
        value: String,
    }
}

static FIND: Sql = sql!("meta.find", "SELECT value FROM meta WHERE name = $1");
static INSERT: Sql =
    sql!("meta.insert", "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING");

/// What is known by this name.
pub fn find(rx: &mut Rx<'_>, name: &str) -> Result<Option<String>, StoreError> {
    Ok(rx.find::<Fact>(&FIND, &[&name])?.map(|fact| fact.value))
}

/// Writes a fact down unless there is one of this name; returns what then stands there. Facts do not change.
pub fn ensure(tx: &mut Tx<'_>, name: &str, value: &str) -> Result<String, StoreError> {
    tx.exec(&INSERT, &[&name, &value])?;
    Ok(tx.find_one::<Fact>(&FIND, &[&name])?.value)
}
