//! The Rust SDK: calls, attestation check, encryption on the device.
//!
//! A secret leaves the device only encrypted, and is encrypted only to a key that the service's enclave has
//! vouched for. The types say so: [`encrypt::encrypt`] takes an [`AttestedKey`], and nothing but the check in
//! [`attest`] makes one.
//!
//! ```no_run
//! # async fn example() -> Result<(), client::Error> {
//! use client::{Client, RecipientKey, Secret};
//!
//! let service = Client::new("https://recovery.example", "the credential")?;
//! let secret = Secret::from("correct horse battery staple");
//! // The user has been asked to identify himself: `start_verification` gave the id.
//! service.backup("user-1", "inq_1", &[("mnemonic", &secret)]).await?;
//!
//! // Later, on another device, after another approved check:
//! let device = RecipientKey::generate()?;
//! let recovered = service.recover_all("user-1", "inq_2", &device).await?;
//! # let _ = recovered; Ok(()) }
//! ```
//!
//! - One method of [`Client`] per call of the API, with the bodies of the `api` crate.
//! - [`Client::backup`] and [`Client::recover_all`] do the whole deed.
//! - [`ClientBuilder::observer`] shows every exchange to whoever wants to watch.

pub mod attest;
mod audit;
mod call;
#[cfg(test)]
mod canned;
mod clock;
pub mod encrypt;
mod error;
mod hex;
mod institution;
mod jwks;
mod observe;
pub mod openpgp;
mod package;
mod partner;
pub mod passkey;
mod probe;
pub mod record;
mod retail;
mod retry;
mod secret;
pub mod vote;
mod whole;

pub use api;
pub use attest::{AttestationFault, AttestedKey, SigningKeyPin};
pub use audit::AuditFilter;
pub use boundary::statement::Field;
pub use call::{Client, ClientBuilder};
pub use encrypt::{Ciphertext, EncryptFault};
pub use error::{Error, SetupFault};
pub use observe::Exchange;
pub use openpgp::{OpenPgpFault, RecipientKey};
pub use package::PackedFile;
pub use secret::Secret;
pub use whole::{BackedUp, FailedItem, Recovered, RecoveredSecret, open_all, store_request};
