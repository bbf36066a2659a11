//! A key for a customer's user, and secrets under it. `HOLDFAST_URL` and `HOLDFAST_KEY` say where and as whom.

use std::env;
use std::error::Error;

use client::api::partner::{Organisation, Package};
use client::{Client, Field, PartnerBackupRequest, Secret};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let service = Client::new(&env::var("HOLDFAST_URL")?, &env::var("HOLDFAST_KEY")?)?;
    let user = env::args().nth(1).unwrap_or_else(|| "user-1".to_owned());
    let filed = |secret, user_id| PartnerBackupRequest {
        user_identifier: &user,
        secret,
        organisation: Organisation { customer_id: "harbour-bank".to_owned(), customer_name: None },
        package: Package { package_id: "basic".to_owned(), package_name: None },
        key_environment: "HOT",
        metadata: None,
        user_id,
    };

    // 1. One call has a key assigned, or finds the user's, checks the enclave's signature, encrypts here, and stores.
    let secret = Secret::from("the shard of a key");
    let shard = service.partner().backup(&filed(&secret, None)).await?;
    println!("stored {} {}", shard.backup_id, shard.form.as_str());

    // 2. More than 446 bytes become a file by themselves. The same key, since it is the same user.
    let secret = Secret::from(vec![7; 100_000]);
    let large = service.partner().backup(&filed(&secret, shard.key.signed(Field::UserId))).await?;
    println!("stored {} {} {}", large.backup_id, large.form.as_str(), large.key_id == shard.key_id);
    Ok(())
}
