//! Every query once, for `SQLite` and `PostgreSQL`.
//!
//! [`Db`] runs synchronous closures on database threads: [`Db::write`] in a transaction, [`Db::read`] in a
//! snapshot. A closure gets a [`Tx`] or an [`Rx`] and nothing else, so that no call to the outside can slip
//! into a transaction; and it may be run more than once, so that ids and instants are made before it.
//!
//! [`blob`] keeps files, outside of the database. The other modules are one per table. What belongs to a tenant begins with the tenant:
//!
//! ```no_run
//! # use domain::ids::{KeyId, TenantId};
//! # async fn example(db: store::Db, tenant: TenantId, id: KeyId) -> Result<(), store::StoreError> {
//! let key = db.read("show_key", move |rx| store::keys::of(&tenant).find(rx, &id)).await?;
//! # Ok(()) }
//! ```

#[macro_use]
mod sql;

mod clock;
mod column;
mod error;
mod migrate;
mod pg;
mod queue;
mod sqlite;
mod tls;
mod twin;
mod tx;
mod write;

pub mod acl_changes;
pub mod acls;
pub mod audit;
pub mod audit_subjects;
pub mod audit_witnesses;
pub mod backlog;
pub mod backups;
pub mod blob;
pub mod ceremonies;
pub mod checkpoints;
pub mod control_recoveries;
pub mod control_votes;
pub mod credentials;
pub mod deletions;
pub mod destructions;
pub mod enclave_marks;
pub mod events;
pub mod freezes;
pub mod held_keys;
pub mod idempotency;
pub mod inventory;
pub mod invitations;
pub mod issuers;
pub mod key_shares;
pub mod keys;
pub mod listings;
pub mod meta;
pub mod notices;
pub mod offline;
pub mod passkeys;
pub mod people;
pub mod policies;
pub mod pool;
pub mod provider_events;
pub mod recoveries;
pub mod recovery_links;
pub mod reseals;
pub mod reset;
pub mod reviews;
pub mod rosters;
pub mod rotations;
pub mod row_seals;
pub mod rows;
pub mod seal;
pub mod sessions;
pub mod share_store;
pub mod signed_records;
pub mod tenants;
pub mod users;
pub mod verifications;
pub mod webhook_deliveries;
pub mod webhooks;

pub use column::{Arg, Column, ToArg};
pub use error::StoreError;
pub use migrate::SchemaStep;
pub use sql::{Sql, twin};
pub use tx::{Cells, FromRow, OfTenant, Rx, Tx};
pub use write::{Db, Engine, OldSchema, Settings, Stats};
