//! The schema, and the order in which it grew.

use crate::StoreError;

/// One step of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaStep {
    /// Its number; later steps have greater ones.
    pub version: i64,
    /// What it is about.
    pub name: &'static str,
}

struct Migration {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal $file:literal,)*) => {
        const MIGRATIONS: &[Migration] = &[$(Migration {
            version: $version,
            name: $name,
            sqlite: include_str!(concat!("../migrations/sqlite/", $file)),
            postgres: include_str!(concat!("../migrations/postgres/", $file)),
        },)*];
    };
}

migrations! {
    1 "ground" "0001_ground.sql",
    2 "idempotency" "0002_idempotency.sql",
    3 "webhooks" "0003_webhooks.sql",
    4 "keeping" "0004_keeping.sql",
    5 "issuers" "0005_issuers.sql",
    6 "people" "0006_people.sql",
    7 "approvals" "0007_approvals.sql",
    8 "notices" "0008_notices.sql",
    9 "checkpoints" "0009_checkpoints.sql",
    10 "forgetting" "0010_forgetting.sql",
    11 "enclave_mark" "0011_enclave_mark.sql",
    12 "policies" "0012_policies.sql",
    13 "signed_records" "0013_signed_records.sql",
    14 "reviews" "0014_reviews.sql",
    15 "offline" "0015_offline.sql",
    16 "key_shares" "0016_key_shares.sql",
    17 "freezes" "0017_freezes.sql",
    18 "cosignatures" "0018_cosignatures.sql",
    19 "reseals" "0019_reseals.sql",
    20 "row_seals" "0020_row_seals.sql",
    21 "audit_subjects" "0021_audit_subjects.sql",
    22 "acl_stops" "0022_acl_stops.sql",
    24 "audit_witnesses" "0024_audit_witnesses.sql",
    25 "root_log" "0025_root_log.sql",
    26 "audit_tags" "0026_audit_tags.sql",
    27 "destructions" "0027_destructions.sql",
    28 "people_in_the_log" "0028_people_in_the_log.sql",
}

/// The table that says what was applied.
const VERSIONS: &str = "schema_versions";

const SQLITE_VERSIONS: &str = "CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL) STRICT";
const POSTGRES_VERSIONS: &str =
    "CREATE TABLE IF NOT EXISTS schema_versions (version bigint NOT NULL PRIMARY KEY, name text NOT NULL)";
const LIST: &str = "SELECT version, name FROM schema_versions ORDER BY version";

/// Any number, as long as every process uses the same: two that start at once migrate one after the other.
const POSTGRES_LOCK: &str = "SELECT pg_advisory_xact_lock(7165065861825654388)";

/// Brings a file up to date, all in one transaction.
pub(crate) fn sqlite(connection: &mut rusqlite::Connection) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy) => StoreError::unavailable("migrating", error),
        _ => StoreError::other("migrating", error),
    };
    let tx =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    tx.execute_batch(SQLITE_VERSIONS).map_err(failed)?;
    let applied = sqlite_applied(&tx).map_err(failed)?;
    for migration in missing(&applied)? {
        tx.execute_batch(migration.sqlite).map_err(failed)?;
        let args = rusqlite::params![migration.version, migration.name];
        tx.execute("INSERT INTO schema_versions (version, name) VALUES (?1, ?2)", args).map_err(failed)?;
    }
    tx.commit().map_err(failed)
}

/// Brings a database up to date, all in one transaction.
pub(crate) fn postgres(client: &mut postgres::Client) -> Result<(), StoreError> {
    let failed = |error| StoreError::other("migrating", error);
    let mut tx = client.transaction().map_err(failed)?;
    tx.batch_execute(POSTGRES_LOCK).map_err(failed)?;
    tx.batch_execute(POSTGRES_VERSIONS).map_err(failed)?;
    let applied = postgres_applied(&mut tx).map_err(failed)?;
    for migration in missing(&applied)? {
        tx.batch_execute(migration.postgres).map_err(failed)?;
        tx.execute(
            "INSERT INTO schema_versions (version, name) VALUES ($1, $2)",
            &[&migration.version, &migration.name],
        )
        .map_err(failed)?;
    }
    tx.commit().map_err(failed)
}

/// What a file lacks.
pub(crate) fn sqlite_missing(connection: &rusqlite::Connection) -> Result<Vec<SchemaStep>, StoreError> {
    let failed = |error: rusqlite::Error| StoreError::other("looking at the schema", error);
    let has_any = connection.table_exists(None, VERSIONS).map_err(failed)?;
    let applied = if has_any { sqlite_applied(connection).map_err(failed)? } else { Vec::new() };
    Ok(steps(missing(&applied)?))
}

/// What a database lacks.
pub(crate) fn postgres_missing(client: &mut postgres::Client) -> Result<Vec<SchemaStep>, StoreError> {
    let failed = |error| StoreError::other("looking at the schema", error);
    let mut tx = client.transaction().map_err(failed)?;
    let found = tx.query_one("SELECT to_regclass($1) IS NOT NULL", &[&VERSIONS]).map_err(failed)?;
    let applied = if found.get(0) { postgres_applied(&mut tx).map_err(failed)? } else { Vec::new() };
    Ok(steps(missing(&applied)?))
}

/// The error of whoever may not bring a schema up to date that lacks these.
pub(crate) fn require(missing: &[SchemaStep]) -> Result<(), StoreError> {
    let Some(first) = missing.first() else { return Ok(()) };
    let text = format!(
        "its schema is older than this program: {} steps are missing, the first is {} ({}); holdfast migrate applies them",
        missing.len(),
        first.version,
        first.name
    );
    Err(StoreError::Unfit(text))
}

fn steps(migrations: &[Migration]) -> Vec<SchemaStep> {
    migrations.iter().map(|step| SchemaStep { version: step.version, name: step.name }).collect()
}

fn sqlite_applied(connection: &rusqlite::Connection) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut list = connection.prepare(LIST)?;
    let rows = list.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn postgres_applied(tx: &mut postgres::Transaction<'_>) -> Result<Vec<(i64, String)>, postgres::Error> {
    Ok(tx.query(LIST, &[])?.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What is still to be applied; an error if what was applied is not the beginning of what we know.
fn missing(applied: &[(i64, String)]) -> Result<&'static [Migration], StoreError> {
    for (at, (version, name)) in applied.iter().enumerate() {
        let known = MIGRATIONS.get(at).is_some_and(|known| known.version == *version && known.name == *name);
        if !known {
            let text = format!("its schema {version} ({name}) is unknown to this program; use a newer one");
            return Err(StoreError::Unfit(text));
        }
    }
    Ok(&MIGRATIONS[applied.len()..])
}
