//! `/v1/auth/issuer`, and calls with tokens of a tenant's own issuer.

mod erasure;
pub mod idp;
mod keys;
mod manage;
mod tokens;
