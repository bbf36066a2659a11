//! Everything outside the process that the flows reach: the enclave, the identity provider, tenants' webhooks, a
//! bucket, the disk that uploads wait on, clock and chance.

pub mod address;
pub mod armour;
pub mod assertion;
pub mod bucket;
pub mod ceremony;
pub mod chance;
pub mod clock;
pub mod enclave;
pub mod identity;
pub mod jwks;
pub mod jwt;
pub mod mail;
pub mod minter;
pub mod outbound;
pub mod passkeys;
pub mod passwords;
pub mod spool;
pub mod totp;
