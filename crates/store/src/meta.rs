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

row! {
    /// What the database says of itself.
    pub struct Server {
        /// Its time, in milliseconds since the epoch.
        pub now_ms: i64,
        /// Its version.
        pub version: String,
    }
}

/// The two engines have no words in common for it.
static SERVER: Sql = Sql::new(
    "meta.server",
    "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms, version() AS version",
    "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now_ms, 'SQLite ' || sqlite_version() AS version",
);

/// The database's time and version.
pub fn server(rx: &mut Rx<'_>) -> Result<Server, StoreError> {
    rx.find_one(&SERVER, &[])
}

/// What is known by this name.
pub fn find(rx: &mut Rx<'_>, name: &str) -> Result<Option<String>, StoreError> {
    Ok(rx.find::<Fact>(&FIND, &[&name])?.map(|fact| fact.value))
}

/// Writes a fact down unless there is one of this name; returns what then stands there. Facts do not change.
pub fn ensure(tx: &mut Tx<'_>, name: &str, value: &str) -> Result<String, StoreError> {
    tx.exec(&INSERT, &[&name, &value])?;
    Ok(tx.find_one::<Fact>(&FIND, &[&name])?.value)
}
