//! A whole run of the service with secrets that nobody has seen before.

use client::api::partner::{AssignKeyRequest, Organisation, Package, StoreDataRequest};
use client::api::retail::{GenerateKeyRequest, StartRequest};
use client::{AttestedKey, Client, RecipientKey, RecoverAllRequest, Secret};
use serde_json::{Map, Value};

use crate::rig::chance::Chance;
use crate::rig::search::forms;
use crate::rig::stock::in_stock;

/// Sizes of secrets, from the smallest that cannot be found by accident to the largest that one item takes.
const SIZES: [usize; 12] = [16, 17, 24, 32, 33, 47, 64, 100, 128, 255, 256, 446];
/// One call stores so many items.
const ITEMS: usize = 3;

/// What the run leaves in this process, and should leave nowhere else.
pub struct Story {
    /// Each secret, with its name.
    pub secrets: Vec<(String, Vec<u8>)>,
    /// Every RSA public key that was handed out, DER.
    pub public_keys: Vec<Vec<u8>>,
    /// No secret: sent as metadata in every form that is text, and to be found where metadata are.
    pub control: Vec<u8>,
    chance: Chance,
}

impl Story {
    pub fn new(mut chance: Chance) -> Self {
        let control = chance.bytes(32).into_iter().map(|byte| b'a' + byte % 26).collect();
        Self { secrets: Vec::new(), public_keys: Vec::new(), control, chance }
    }

    /// Two retail users back up and recover, one of them twice; one store fails.
    pub async fn retail(&mut self, client: &Client) -> Result<(), client::Error> {
        for user in ["ada", "bob"] {
            let verification = approved(client, user).await?;
            let key = self.key(client, user, &verification).await?;
            let first = self.secrets.len();
            for (group, sizes) in SIZES.chunks(ITEMS).enumerate() {
                let named: Vec<_> =
                    sizes.iter().map(|size| (format!("{group}-{size}"), self.secret(user, *size))).collect();
                let pairs: Vec<_> = named.iter().map(|(name, secret)| (name.as_str(), secret)).collect();
                let mut request = client::store_request(user, &verification, &key, &pairs)?;
                request.metadata = Some(self.metadata());
                client.retail().store_backup(&request).await?;
            }
            self.store_wrongly(client, user, &verification, &key).await?;
            for _ in 0..2 {
                let verification = approved(client, user).await?;
                let device = RecipientKey::generate()?;
                let request = RecoverAllRequest {
                    user_identifier: user,
                    verification_id: &verification,
                    device: &device,
                    request_signature: None,
                };
                let recovered = client.recover(&request).await?;
                assert!(recovered.failed.is_empty(), "{:?}", recovered.failed);
                let stored = &self.secrets[first..first + SIZES.len()];
                assert_eq!(recovered.secrets.len(), stored.len());
                for item in &recovered.secrets {
                    assert!(stored.iter().any(|(_, bytes)| bytes == item.secret.expose()), "{}", item.name);
                }
            }
        }
        Ok(())
    }

    /// A partner stores under a HOT and under a COLD key.
    pub async fn partner(&mut self, client: &Client) -> Result<(), client::Error> {
        for environment in ["HOT", "COLD"] {
            let request = AssignKeyRequest {
                user_identifier: format!("user-{environment}"),
                key_type: None,
                key_environment: environment.to_owned(),
                organisation: Organisation { customer_id: "organisation".to_owned(), customer_name: None },
                package: Package { package_id: "package".to_owned(), package_name: None },
                sign_with: None,
            };
            let answer = in_stock(|| client.partner().assign_key(&request)).await?;
            let key = client.attest_assigned(&request, &answer).await?;
            self.public_keys.push(key.as_bytes().to_vec());
            for size in [16, 100, 446] {
                let sealed = client::encrypt::encrypt(&key, &self.secret(environment, size))?;
                let request = StoreDataRequest {
                    public_key: key.public_key().to_owned(),
                    checksum: sealed.checksum,
                    data: sealed.data,
                    padding_type: None,
                    metadata: Some(self.metadata()),
                };
                client.partner().store_data(&request).await?;
            }
        }
        Ok(())
    }

    async fn key(
        &mut self,
        client: &Client,
        user: &str,
        verification: &str,
    ) -> Result<AttestedKey, client::Error> {
        let request = GenerateKeyRequest {
            user_identifier: user.to_owned(),
            verification_id: verification.to_owned(),
            sign_with: None,
        };
        let answer = in_stock(|| client.retail().generate_key(&request)).await?;
        let key = client.attest_generated(&request, &answer).await?;
        self.public_keys.push(key.as_bytes().to_vec());
        Ok(key)
    }

    /// A good ciphertext with the checksum of something else: the way through the enclave that ends in a no.
    async fn store_wrongly(
        &mut self,
        client: &Client,
        user: &str,
        verification: &str,
        key: &AttestedKey,
    ) -> Result<(), client::Error> {
        let secret = self.secret("refused", 200);
        let mut request = client::store_request(user, verification, key, &[("wrong", &secret)])?;
        request.backup[0].item_checksum = "0".repeat(64);
        let refused = client.retail().store_backup(&request).await.expect_err("a wrong checksum");
        assert_eq!(refused.code(), "check-failed");
        Ok(())
    }

    fn secret(&mut self, name: &str, size: usize) -> Secret {
        let bytes = self.chance.bytes(size);
        self.secrets.push((format!("a secret of {name}, {size} bytes"), bytes.clone()));
        Secret::from(bytes)
    }

    fn metadata(&self) -> Map<String, Value> {
        let forms = forms(&self.control).into_iter().enumerate();
        let texts = forms
            .map(|(at, (_, text))| (format!("form {at}"), String::from_utf8(text).expect("text").into()));
        texts.collect()
    }
}

async fn approved(client: &Client, user: &str) -> Result<String, client::Error> {
    let request = StartRequest { user_identifier: user.to_owned(), gpg_fingerprint: None };
    Ok(client.retail().start_verification_with(&request, "approve_inquiry").await?.verification_id)
}
