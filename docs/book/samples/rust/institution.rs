//! An institution's own key, a secret under it, and the proof that both are good. `HOLDFAST_URL` and `HOLDFAST_KEY` say
//! where and as whom.

use std::env;
use std::error::Error;

use client::{Client, InstitutionBackupRequest, Secret};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let service = Client::new(&env::var("HOLDFAST_URL")?, &env::var("HOLDFAST_KEY")?)?;

    // 1. One call has a new key made, checks the enclave's signature over it, encrypts here, and stores.
    let request = InstitutionBackupRequest {
        user_identifier: "treasury",
        secret: &Secret::from("the passphrase of the vault"),
        organisation: None,
        package: None,
        key_environment: None,
        metadata: None,
        user_id: None,
    };
    let kept = service.institution().backup(&request).await?;
    println!("stored {}", kept.backup_id);

    // 2. As often as you like: can the enclave rebuild the key, and open the backup to what was stored?
    println!("key valid {}", service.institution().verify_key(&kept.key_id).await?.is_key_valid);
    println!("backup valid {}", service.institution().verify_backup(&kept.backup_id).await?.is_backup_valid);
    Ok(())
}
