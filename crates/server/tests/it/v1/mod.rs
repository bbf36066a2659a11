//! `/v1`.

pub mod audit;
pub mod audit_checkpoint;
mod audit_cosignature;
pub mod audit_export;
mod audit_tampering;
mod audit_witness;
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
