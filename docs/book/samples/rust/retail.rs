//! A wallet's backup and recovery. `HOLDFAST_URL` and `HOLDFAST_KEY` say where and as whom.

use std::env;
use std::error::Error;

use client::api::retail::StartRequest;
use client::{BackupRequest, Client, RecipientKey, RecoverAllRequest, Secret};

const USER: &str = "barbara";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let service = Client::new(&env::var("HOLDFAST_URL")?, &env::var("HOLDFAST_KEY")?)?;

    // 1. One call has the key made, checks the enclave's signature over it, encrypts here, and stores.
    let secret = Secret::from("correct horse battery staple");
    let request = BackupRequest {
        user_identifier: USER,
        verification_id: &check(&service).await?,
        items: &[("words", &secret)],
        ..BackupRequest::default()
    };
    let kept = service.backup(&request).await?;
    println!("stored {}", kept.items[0].backup_id);

    // 2. Another device: a new check, a new OpenPGP key, and one call that opens what comes back and compares it.
    let device = RecipientKey::generate()?;
    let verification_id = &check(&service).await?;
    let request = RecoverAllRequest {
        user_identifier: USER,
        verification_id,
        device: &device,
        request_signature: None,
    };
    let recovered = service.recover(&request).await?;
    for item in recovered.secrets {
        println!("recovered {}", String::from_utf8_lossy(item.secret.expose()));
    }
    for item in recovered.failed {
        eprintln!("failed {}: {}", item.backup_id, item.fault);
    }
    Ok(())
}

/// A sandbox approves at once. Elsewhere: `start_verification`, the person proves who he is, and a webhook tells.
async fn check(service: &Client) -> Result<String, client::Error> {
    let request = StartRequest { user_identifier: USER.to_owned(), gpg_fingerprint: None };
    Ok(service.retail().start_verification_with(&request, "approve_inquiry").await?.verification_id)
}
