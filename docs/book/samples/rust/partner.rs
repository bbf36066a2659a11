//! A key for a customer's user, and a secret under it. `HOLDFAST_URL` and `HOLDFAST_KEY` say where and as whom.

use std::env;
use std::error::Error;

use client::api::partner::{AssignKeyRequest, Organisation, Package, StoreDataRequest};
use client::encrypt::encrypt;
use client::{Client, Secret};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let service = Client::new(&env::var("HOLDFAST_URL")?, &env::var("HOLDFAST_KEY")?)?;

    // 1. A user of an organisation has one key. Asked for again, it is 409: GET /v1/partner/keys finds it.
    let request = AssignKeyRequest {
        user_identifier: env::args().nth(1).unwrap_or_else(|| "user-1".to_owned()),
        key_type: Some("rsa4096".to_owned()),
        key_environment: "HOT".to_owned(),
        organisation: Organisation { customer_id: "harbour-bank".to_owned(), customer_name: None },
        package: Package { package_id: "basic".to_owned(), package_name: None },
        sign_with: Some(["key_id", "user_id", "external_customer_id"].map(str::to_owned).to_vec()),
    };
    let answer = service.assign_key(&request).await?;

    // 2. Nothing else makes the type that `encrypt` takes: a key that nobody vouched for cannot be encrypted to.
    let key = service.attest_assigned(&request, &answer).await?;
    let sealed = encrypt(&key, &Secret::from("the shard of a key"))?;

    // 3. The enclave opens it once, to compare the checksum.
    let store = StoreDataRequest {
        public_key: key.public_key().to_owned(),
        checksum: sealed.checksum,
        data: sealed.data,
        padding_type: None,
        metadata: None,
    };
    println!("stored {}", service.store_data(&store).await?.backup_id);
    Ok(())
}
