//! The database's schema, brought up to date without the service.

use store::rows::TABLES;
use store::seal::{SealError, ServerKeys};
use store::{Db, OldSchema, SchemaStep, StoreError, audit, row_seals};

use crate::config::Settings;
use crate::edge::chance::SystemChance;

/// Why a schema was not looked at, or not brought up to date.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum SchemaError {
    /// The database.
    Store(#[from] StoreError),
    /// The server's keys.
    Keys(#[from] SealError),
}

impl SchemaError {
    /// Whether it may go another way later: the database is not to be reached, or busy.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_passing())
    }
}

/// The steps that the schema lacks, in their order, by number and name.
pub async fn list_missing(settings: &Settings) -> Result<Vec<(i64, &'static str)>, SchemaError> {
    let missing = settings.database.list_missing().await?;
    Ok(missing.into_iter().map(|SchemaStep { version, name }| (version, name)).collect())
}

/// Brings the schema up to date, in one transaction.
pub async fn migrate(settings: &Settings) -> Result<(), SchemaError> {
    let db = Db::open(settings.database.clone()).await?;
    db.close().await;
    Ok(())
}

/// Seals the rows that have no seal, the audit entries that wait without one, and the heads of logs without one, as if the
/// service had written them; says how many of which tables.
pub async fn adopt_rows(settings: &Settings) -> Result<Vec<(&'static str, u64)>, SchemaError> {
    let keys = ServerKeys::load_or_create(&settings.data_dir.join("server.keys"), &mut SystemChance)?;
    let db = Db::open(settings.database.clone()).await?;
    let mut adopted = Vec::new();
    for table in TABLES.iter().filter(|table| table.sealed().next().is_some()) {
        let key = keys.row_key().clone();
        let sealed = db.write("adopt_rows", move |tx| row_seals::adopt(tx, &key, table));
        let sealed: u64 = sealed.await.map_err(|error: StoreError| error)?;
        adopted.extend((sealed > 0).then_some((table.name, sealed)));
    }
    let key = keys.row_key().clone();
    let sealed = db.write("adopt_entries", move |tx| audit::waiting::adopt(tx, &key));
    let sealed: u64 = sealed.await.map_err(|error: StoreError| error)?;
    adopted.extend((sealed > 0).then_some(("audit_entries", sealed)));
    let key = keys.row_key().clone();
    let sealed = db.write("adopt_heads", move |tx| audit::heads::adopt(tx, &key));
    let sealed: u64 = sealed.await.map_err(|error: StoreError| error)?;
    adopted.extend((sealed > 0).then_some(("audit_heads", sealed)));
    db.close().await;
    Ok(adopted)
}

impl Settings {
    /// From now on a database whose schema is older than this program is not opened.
    pub fn refuse_old_schema(&mut self) {
        self.database.old_schema = OldSchema::Refuse;
    }
}
