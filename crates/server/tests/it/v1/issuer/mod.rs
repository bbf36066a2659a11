//! `/v1/auth/issuer`, and calls with tokens of a tenant's own issuer.

pub mod idp;
mod keys;
mod manage;
mod tokens;
