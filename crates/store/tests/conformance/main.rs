//! One suite for both engines: every function of the store, and what the engines promise.

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod approvals;
mod backups;
mod checkpoints;
mod destructions;
mod engine;
mod fixture;
mod heads;
mod held_keys;
mod idempotency;
mod issuers;
mod keys;
mod listings;
mod log;
mod notices;
mod offline;
mod people;
mod postgres_alone;
mod recoveries;
mod reseals;
mod reset;
mod reviews;
mod root_log;
mod rotations;
mod row_seals;
mod sqlite_alone;
mod subjects;
mod verifications;
mod waiting;
mod webhooks;
mod witnesses;
