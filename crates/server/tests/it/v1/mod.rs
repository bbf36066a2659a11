//! `/v1`.

mod audit;
mod audit_checkpoint;
mod audit_cosignature;
mod audit_export;
mod audit_tampering;
mod auth;
mod backup;
mod credentials;
mod institution;
pub mod issuer;
mod key;
pub mod partner;
mod providers;
mod sandbox;
mod verification;
pub mod webhooks;
