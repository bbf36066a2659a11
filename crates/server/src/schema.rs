//! The database's schema, brought up to date without the service.

use store::{Db, OldSchema, SchemaStep, StoreError};

use crate::config::Settings;

/// Why a schema was not looked at, or not brought up to date.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SchemaError(#[from] StoreError);

impl SchemaError {
    /// Whether it may go another way later: the database is not to be reached, or busy.
    pub fn is_passing(&self) -> bool {
        self.0.is_passing()
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

impl Settings {
    /// From now on a database whose schema is older than this program is not opened.
    pub fn refuse_old_schema(&mut self) {
        self.database.old_schema = OldSchema::Refuse;
    }
}
