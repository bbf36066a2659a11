//! Everything outside the process that the flows reach: the enclave, the identity provider, tenants' webhooks, clock
//! and chance.

pub mod address;
pub mod ceremony;
pub mod chance;
pub mod clock;
pub mod enclave;
pub mod identity;
pub mod jwks;
pub mod jwt;
pub mod minter;
pub mod outbound;
