//! `holdfast keys verify`: whether the enclave's signature over a key holds.

use std::path::PathBuf;

use client::attest::{Anchor, Asked, Claim, check};
use client::{AttestedKey, Facts};
use serde_json::json;

use super::{attest_shown, read, tell_attested};
use crate::connection::{self, Api};
use crate::edge;
use crate::exit::Exit;
use crate::failure::{Calling as _, Failure};
use crate::page::Page;
use crate::receipt::Receipt;

/// Which key.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// The key's id, at the service.
    #[arg(required_unless_present = "receipt", conflicts_with = "receipt")]
    pub key_id: Option<String>,
    /// A receipt that was kept. With --verification-key nothing is asked of the service.
    #[arg(long, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
}

/// Checks it.
pub async fn verify(page: Page, service: &connection::Args, api: Api, what: &Verify) -> Result<(), Failure> {
    let (key_id, key) = match (&what.receipt, &what.key_id) {
        (Some(path), _) => {
            let receipt = Receipt::read(path)?;
            let key = of_receipt(service, &receipt).await?;
            (receipt.key_id, key)
        }
        (None, Some(key_id)) => {
            let client = service.client()?;
            let shown = read(&client, api, key_id).await?;
            let key = attest_shown(&client, &shown.key).await?;
            if api == Api::Institution && shown.key.key_environment == "HOT" {
                let verdict = client.institution().verify_key(key_id).await;
                let verdict = verdict.calling(|| "the enclave did not check the key")?;
                page.line(&verdict.message);
                page.event("verdict", json!(verdict));
                if !verdict.is_key_valid {
                    return Err(Failure::new("the enclave cannot rebuild the key")
                        .exit(Exit::NotProven)
                        .next("show its id to whoever runs the service, and store nothing under it"));
                }
            }
            (key_id.clone(), key)
        }
        (None, None) => return Err(connection::usage("name a key, or a receipt with --receipt FILE")),
    };
    page.line(&format!("{}: {key_id}", page.green("verified")));
    tell_attested(page, &key);
    page.line(&format!("public key: {}", key.public_key()));
    page.event("verified", json!({ "key_id": key_id, "attestation": key.attestation() }));
    Ok(())
}

/// Against the key that the caller knows, or else the service's JWKS of today.
async fn of_receipt(service: &connection::Args, receipt: &Receipt) -> Result<AttestedKey, Failure> {
    let text = |name: &str| receipt.details.get(name).and_then(|value| value.as_str());
    let claim = Claim::of_kept(&receipt.attestation);
    let asked = Asked {
        sign_with: receipt.attestation.signed_fields.as_deref().unwrap_or_default(),
        key_type: text("key_type"),
        key_environment: None,
        facts: Facts {
            key_id: Some(&receipt.key_id),
            external_customer_id: text("customer_id"),
            external_package_id: text("package_id"),
            ..Facts::default()
        },
    };
    let doing = || "the receipt does not prove the key";
    if let Some(pin) = service.pin()? {
        let checked = check(&claim, &asked, Anchor::Pins(&[pin]), edge::now_ms());
        return checked.map_err(client::Error::from).calling(doing);
    }
    service.client()?.attest(&claim, &asked).await.calling(doing)
}
