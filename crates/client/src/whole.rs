//! Whole deeds: a backup from the secret to the stored item, a recovery from the check to the secret.

use api::retail::{
    GenerateKeyRequest, ItemToStore, RecoverRequest, RecoverResponse, StoreRequest, StoredItem,
};
use boundary::statement::Field;

use crate::attest::AttestedKey;
use crate::call::Client;
use crate::encrypt::{check_size, encrypt};
use crate::error::{Error, SetupFault};
use crate::openpgp::{OpenPgpFault, RecipientKey};
use crate::secret::Secret;

/// One call stores at most this many items.
const ITEMS_PER_CALL_MAX: usize = 3;
/// What the enclave is asked to sign beside a new key.
const SIGN_WITH: [Field; 3] = [Field::KeyId, Field::UserId, Field::KeyFingerprint];

/// What a backup left behind.
#[derive(Debug)]
pub struct BackedUp {
    /// The key that guards it, as the enclave vouched for it.
    pub key: AttestedKey,
    /// One for each secret, in the order given.
    pub items: Vec<StoredItem>,
}

/// What a recovery brought back.
#[derive(Debug)]
pub struct Recovered {
    /// Opened, and equal to what was stored.
    pub secrets: Vec<RecoveredSecret>,
    /// Not recovered; the others are none the worse for it.
    pub failed: Vec<FailedItem>,
}

/// One secret that came back.
#[derive(Debug)]
pub struct RecoveredSecret {
    /// Its name.
    pub name: String,
    /// Its id at the service.
    pub backup_id: String,
    /// The secret.
    pub secret: Secret,
}

/// One item that did not come back.
#[derive(Debug)]
pub struct FailedItem {
    /// Its name.
    pub name: String,
    /// Its id at the service.
    pub backup_id: String,
    /// Why not.
    pub fault: OpenPgpFault,
}

impl Client {
    /// Backs secrets up under a new key: has the key made, checks the enclave's word for it, encrypts on this
    /// device, stores.
    pub async fn backup(
        &self,
        user_identifier: &str,
        verification_id: &str,
        items: &[(&str, &Secret)],
    ) -> Result<BackedUp, Error> {
        check_items(items)?;
        let request = GenerateKeyRequest {
            user_identifier: user_identifier.to_owned(),
            verification_id: verification_id.to_owned(),
            sign_with: Some(SIGN_WITH.map(|field| field.as_str().to_owned()).to_vec()),
        };
        let answer = self.generate_key(&request).await?;
        let key = self.attest_generated(&request, &answer).await?;
        let mut stored = Vec::with_capacity(items.len());
        for group in items.chunks(ITEMS_PER_CALL_MAX) {
            let request = store_request(user_identifier, verification_id, &key, group)?;
            stored.extend(self.store_backup(&request).await?.backup);
        }
        Ok(BackedUp { key, items: stored })
    }

    /// Recovers everything that the user stored, to this device.
    pub async fn recover_all(
        &self,
        user_identifier: &str,
        verification_id: &str,
        device: &RecipientKey,
    ) -> Result<Recovered, Error> {
        self.recover_all_signed(user_identifier, verification_id, device, None).await
    }

    /// The same with your own signature, which a policy may ask for: see [`RecoverRequest::request_signature`]. It is
    /// made where its key is, and not on the device.
    pub async fn recover_all_signed(
        &self,
        user_identifier: &str,
        verification_id: &str,
        device: &RecipientKey,
        request_signature: Option<&str>,
    ) -> Result<Recovered, Error> {
        let request = RecoverRequest {
            user_identifier: user_identifier.to_owned(),
            verification_id: verification_id.to_owned(),
            gpg_public_key: device.public_block().to_owned(),
            request_signature: request_signature.map(str::to_owned),
        };
        Ok(open_all(&self.recover(&request).await?, device))
    }
}

/// The body that stores these secrets under that key.
pub fn store_request(
    user_identifier: &str,
    verification_id: &str,
    key: &AttestedKey,
    items: &[(&str, &Secret)],
) -> Result<StoreRequest, Error> {
    let seal = |&(name, secret): &(&str, &Secret)| -> Result<ItemToStore, Error> {
        let sealed = encrypt(key, secret)?;
        Ok(ItemToStore { item_key: name.to_owned(), item_value: sealed.data, item_checksum: sealed.checksum })
    };
    Ok(StoreRequest {
        user_identifier: user_identifier.to_owned(),
        verification_id: verification_id.to_owned(),
        public_key: key.public_key().to_owned(),
        backup: items.iter().map(seal).collect::<Result<_, _>>()?,
        metadata: None,
    })
}

/// Opens every item of an answer.
pub fn open_all(answer: &RecoverResponse, device: &RecipientKey) -> Recovered {
    let mut recovered = Recovered { secrets: Vec::new(), failed: Vec::new() };
    for item in &answer.backup {
        let (name, backup_id) = (item.item_key.clone(), item.backup_id.clone());
        match device.open(item) {
            Ok(secret) => recovered.secrets.push(RecoveredSecret { name, backup_id, secret }),
            Err(fault) => recovered.failed.push(FailedItem { name, backup_id, fault }),
        }
    }
    recovered
}

/// What would be refused is refused before a key is made for it.
fn check_items(items: &[(&str, &Secret)]) -> Result<(), Error> {
    if items.is_empty() {
        return Err(SetupFault::Items("there is nothing to back up; give at least one secret".into()).into());
    }
    for (at, (name, secret)) in items.iter().enumerate() {
        check_size(secret)?;
        if items[..at].iter().any(|(earlier, _)| earlier == name) {
            let text = format!("two secrets are called {name:?}; give each its own name");
            return Err(SetupFault::Items(text).into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_refused_makes_no_key() {
        let (short, long) = (Secret::from("a"), Secret::from(vec![0; 447]));
        assert!(check_items(&[("a", &short), ("b", &short)]).is_ok());
        assert!(matches!(check_items(&[]), Err(Error::Setup(SetupFault::Items(_)))));
        assert!(matches!(check_items(&[("a", &short), ("a", &short)]), Err(Error::Setup(_))));
        assert!(matches!(check_items(&[("a", &short), ("b", &long)]), Err(Error::Encrypt(_))));
    }

    #[test]
    fn a_deed_can_run_on_any_thread() {
        fn check<T: Send>(_: T) {}
        let client = Client::new("http://localhost:1", "k").unwrap();
        check(client.backup("u", "v", &[]));
    }
}
