//! The second story: a partner assigns a key to a customer and stores material under it.

use client::api::partner::{AssignKeyRequest, Organisation, Package, StoreDataRequest};
use client::{AttestedKey, Client, Error, Field, Secret};

use super::stage::Stage;
use crate::edge::random_hex;
use crate::failure::{Doing as _, Failure};

/// How many steps the story has.
pub const STEPS: usize = 3;

/// Plays the story.
pub async fn play(stage: &Stage, partner: &Client, user: &str) -> Result<(), Failure> {
    stage.story(
        "Story two: a custodian keeps key material for its customers",
        "A partner works for many organisations. Each of their users gets one key, filed under the organisation and \
         the package it bought.",
    );
    let request = AssignKeyRequest {
        user_identifier: user.to_owned(),
        key_type: None,
        key_environment: "HOT".to_owned(),
        organisation: Organisation {
            customer_id: "harbour-bank".to_owned(),
            customer_name: Some("Harbour Bank".to_owned()),
        },
        package: Package {
            package_id: "custody-basic".to_owned(),
            package_name: Some("Custody Basic".to_owned()),
        },
        sign_with: Some(
            [Field::KeyId, Field::ExternalCustomerId, Field::KeyFingerprint]
                .map(|field| field.as_str().to_owned())
                .to_vec(),
        ),
    };
    let key = assign(stage, partner, &request).await?;
    store(stage, partner, &key).await?;
    refuse_a_second(stage, partner, &request).await
}

async fn assign(stage: &Stage, partner: &Client, request: &AssignKeyRequest) -> Result<AttestedKey, Failure> {
    stage.step(
        "Assign a key",
        "The keys are made beforehand, so this takes milliseconds. This time the enclave's signature also binds the \
         organisation.",
    );
    let answer = partner.partner().assign_key(request).await.doing(|| "no key was assigned")?;
    let key = partner.attest_assigned(request, &answer).await.doing(|| "the key is not to be trusted")?;
    stage.proved(
        "Signed for this organisation: a key that was assigned for another customer would not have passed.",
    );
    Ok(key)
}

async fn store(stage: &Stage, partner: &Client, key: &AttestedKey) -> Result<(), Failure> {
    stage.step("Encrypt and store under it", "As on the phone: the partner's own machine encrypts.");
    let secret = Secret::from(format!("xprv-share:{}", random_hex(32)?).as_str());
    let sealed = client::encrypt::encrypt(key, &secret).doing(|| "the share was not encrypted")?;
    let request = StoreDataRequest {
        public_key: key.public_key().to_owned(),
        checksum: sealed.checksum,
        data: sealed.data,
        padding_type: None,
        metadata: None,
    };
    partner.partner().store_data(&request).await.doing(|| "the share was not stored")?;
    stage.proved("Stored, and checked by the enclave as before.");
    Ok(())
}

async fn refuse_a_second(stage: &Stage, partner: &Client, request: &AssignKeyRequest) -> Result<(), Failure> {
    stage.step(
        "Ask for a second key for the same user",
        "Two keys for one user would leave it open which one guards what. The service refuses, even when two calls \
         come at the same instant.",
    );
    match partner.partner().assign_key(request).await {
        Err(Error::Api { status: 409, .. }) => {}
        Err(error) => return Err(Failure::of("the refusal is not the one that it should be", &error)),
        Ok(_) => return Err(Failure::new("the service assigned a second key")),
    }
    stage.proved("Refused, and the refusal does not give the first key away.");
    Ok(())
}
