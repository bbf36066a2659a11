//! The Rust SDK: calls, attestation check, encryption on the device.
//!
//! A secret leaves the device only encrypted, and is encrypted only to a key that the service's enclave has
//! vouched for. The types say so: [`encrypt::encrypt`] takes an [`AttestedKey`], and nothing but the check in
//! [`attest`] makes one.
//!
//! ```no_run
//! # async fn example() -> Result<(), client::Error> {
//! use client::{BackupRequest, Client, RecipientKey, RecoverAllRequest, Secret};
//!
//! let service = Client::new("https://recovery.example", "the credential")?;
//! let secret = Secret::from("correct horse battery staple");
//! // The user has been asked to identify himself: `start_verification` gave the id.
//! let items = [("mnemonic", &secret)];
//! let (user_identifier, verification_id) = ("user-1", "inq_1");
//! let request = BackupRequest { user_identifier, verification_id, items: &items, ..Default::default() };
//! service.backup(&request).await?;
//!
//! // Later, on another device, after another approved check:
//! let device = RecipientKey::generate()?;
//! let request = RecoverAllRequest { user_identifier, verification_id: "inq_2", device: &device, request_signature: None };
//! let recovered = service.recover(&request).await?;
//! # let _ = recovered; Ok(()) }
//! ```
//!
//! The names are those of the TypeScript client.
//!
//! - [`Client::backup`] and [`Client::recover`] do a wallet's whole deed; [`Partner::backup`] and
//!   [`Institution::backup`] theirs, of 0 bytes to about 7.5 MiB.
//! - [`Client::retail`], [`Client::partner`], [`Client::institution`], [`Client::audit`], [`Client::webhooks`],
//!   [`Client::credentials`] and [`Client::sandbox`] have one method for each call of the API, with the bodies of the
//!   `api` crate; [`Client::with`] says how long such a call may take, and under which idempotency key it goes.
//! - [`verify_webhook`] tells whether what arrived is genuine; [`open_jwe`] opens a file that a recovery brought.
//! - [`ClientBuilder::observer`] shows every exchange to whoever wants to watch.
//!
//! What may pass is tried again where that is harmless: reads, and every act under one idempotency key. A recovery is
//! not repeated by itself, since each answer counts.

pub mod attest;
mod audit;
mod call;
#[cfg(test)]
mod canned;
mod chance;
mod client;
mod clock;
mod credentials;
mod deposit;
pub mod encrypt;
mod error;
#[cfg(test)]
mod foreign_vectors;
mod form;
mod hex;
mod hints;
mod institution;
mod jwe;
mod jwks;
mod observe;
pub mod openpgp;
#[cfg(test)]
mod operations;
mod options;
mod package;
mod partner;
pub mod passkey;
mod probe;
pub mod record;
mod retail;
mod retry;
mod sandbox;
mod secret;
mod stored;
mod upload;
pub mod vote;
mod webhook;
mod webhooks;
mod whole;

pub use api;
pub use attest::{Attestation, AttestationFault, AttestedKey, SigningKeyPin};
pub use audit::{Audit, AuditFilter};
pub use boundary::statement::{Facts, Field};
pub use client::{Client, ClientBuilder};
pub use credentials::Credentials;
pub use deposit::{InstitutionBackupRequest, KeptBackup, PartnerBackupRequest};
pub use encrypt::{Ciphertext, EncryptFault, Form};
pub use error::{Error, SetupFault};
pub use institution::Institution;
pub use jwe::{JWE_PLAINTEXT_BYTES_MAX, JweFault, encrypt_file, is_jwe, open_jwe};
pub use observe::Exchange;
pub use openpgp::{OpenPgpFault, RecipientKey};
pub use options::CallOptions;
pub use package::{PackedFile, unpack};
pub use partner::Partner;
pub use retail::Retail;
pub use sandbox::Sandbox;
pub use secret::Secret;
pub use webhook::{TOLERANCE_S, WebhookEvent, WebhookFault, WebhookInput, verify_webhook};
pub use webhooks::{Paging, Webhooks};
pub use whole::{
    BackedUp, BackupRequest, FailedItem, RecoverAllRequest, Recovered, RecoveredSecret, open_all,
    store_request,
};
