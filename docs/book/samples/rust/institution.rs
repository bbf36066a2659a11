//! An institution's own key, and a secret under it. `HOLDFAST_URL` and `HOLDFAST_KEY` say where and as whom.

use std::env;
use std::error::Error;

use client::api::institution::{NewKeyRequest, StoreOwnRequest};
use client::encrypt::encrypt;
use client::{Client, Secret};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let service = Client::new(&env::var("HOLDFAST_URL")?, &env::var("HOLDFAST_KEY")?)?;

    // 1. Every call makes a new key.
    let request = NewKeyRequest {
        user_identifier: "treasury".to_owned(),
        key_type: "rsa4096".to_owned(),
        key_environment: None,
        organisation: None,
        package: None,
        sign_with: Some(["key_id", "user_id", "key_fingerprint"].map(str::to_owned).to_vec()),
    };
    let answer = service.new_key(&request).await?;

    // 2. Nothing else makes the type that `encrypt` takes: a key that nobody vouched for cannot be encrypted to.
    let key = service.attest_new(&request, &answer).await?;
    let sealed = encrypt(&key, &Secret::from("the passphrase of the vault"))?;

    // 3. The enclave opens it once, to compare the checksum.
    let store = StoreOwnRequest {
        public_key: key.public_key().to_owned(),
        checksum: Some(sealed.checksum),
        data: sealed.data,
        padding_type: None,
        metadata: None,
    };
    println!("stored {}", service.store_own_data(&store).await?.backup_id);
    Ok(())
}
